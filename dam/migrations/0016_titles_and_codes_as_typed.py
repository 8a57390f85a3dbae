from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Lower


class AddIndexBesideWork(AddIndexConcurrently):
    """On PostgreSQL without keeping anybody from writing; other databases lock the table as they always do."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        else:
            migrations.AddIndex.database_forwards(self, app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
        else:
            migrations.AddIndex.database_backwards(self, app_label, schema_editor, from_state, to_state)


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
