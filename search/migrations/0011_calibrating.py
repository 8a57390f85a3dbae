from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("search", "0010_outages"),
    ]

    operations = [
        migrations.AlterField(
            model_name="spend",
            name="purpose",
            field=models.CharField(
                choices=[
                    ("describe", "Describing"),
                    ("embed", "Embedding"),
                    ("query", "Searching"),
                    ("calibrate", "Calibrating"),
                ],
                max_length=12,
                verbose_name="purpose",
            ),
        ),
    ]
