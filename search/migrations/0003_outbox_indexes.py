from django.db import migrations, models

from dam.beside_work import AddIndexBesideWork, RemoveIndexBesideWork


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("search", "0002_coverage"),
    ]

    operations = [
        AddIndexBesideWork(
            model_name="indexentry",
            index=models.Index(
                condition=models.Q(("state__in", ["pending", "working"])),
                fields=["space", "id"],
                name="search_entry_open",
            ),
        ),
        AddIndexBesideWork(
            model_name="indexentry",
            index=models.Index(
                condition=models.Q(("state", "failed")), fields=["space"], name="search_entry_failed"
            ),
        ),
        RemoveIndexBesideWork(model_name="indexentry", name="search_entry_due"),
    ]
