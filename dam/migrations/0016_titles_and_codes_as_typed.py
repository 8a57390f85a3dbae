from django.db import migrations, models
from django.db.models.functions import Lower

from dam.beside_work import AddIndexBesideWork


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("dam", "0015_indexes_of_large_lists"),
    ]

    operations = [
        AddIndexBesideWork(model_name="asset", index=models.Index(Lower("title"), name="dam_asset_title_typed")),
        AddIndexBesideWork(
            model_name="asset", index=models.Index(Lower("title_zh"), name="dam_asset_title_zh_typed")
        ),
        AddIndexBesideWork(model_name="sku", index=models.Index(Lower("code"), name="dam_sku_code_typed")),
    ]
