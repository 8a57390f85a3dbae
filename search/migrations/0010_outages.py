from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("search", "0009_clicks_by_asset"),
    ]

    operations = [
        migrations.AddField(
            model_name="space",
            name="away_since",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
