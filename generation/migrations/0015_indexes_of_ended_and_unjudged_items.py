from django.db import migrations, models

from dam.beside_work import AddIndexBesideWork


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("generation", "0014_waits_by_the_databases_clock"),
    ]

    operations = [
        AddIndexBesideWork(
            model_name="generationitem",
            index=models.Index(
                fields=["finished"], condition=models.Q(finished__isnull=False), name="generation_item_ended"
            ),
        ),
        AddIndexBesideWork(
            model_name="generationitem",
            index=models.Index(
                fields=["job"], condition=models.Q(state="succeeded", verdict=""), name="generation_item_unjudged"
            ),
        ),
    ]
