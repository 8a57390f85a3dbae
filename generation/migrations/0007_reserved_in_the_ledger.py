from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [("generation", "0006_past_spending")]

    operations = [migrations.RemoveField(model_name="generationitem", name="reserved_micros")]
