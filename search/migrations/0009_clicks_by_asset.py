from django.db import migrations, models

from dam.beside_work import AddIndexBesideWork


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("search", "0008_policies_and_spend"),
    ]

    operations = [
        AddIndexBesideWork(
            model_name="searchclick",
            index=models.Index(fields=["asset_key"], name="search_click_asset"),
        ),
    ]
