from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


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
        ("dam", "0014_territories_are_countries"),
    ]

    operations = [
        AddIndexBesideWork(
            model_name="auditentry",
            index=models.Index(
                fields=["action", "-id"], name="dam_audit_action", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
        ),
        AddIndexBesideWork(
            model_name="collectionitem",
            index=models.Index(fields=["collection", "position", "id"], name="dam_collection_order"),
        ),
        AddIndexBesideWork(
            model_name="duplicatepair",
            index=models.Index(
                fields=["distance", "-id"], condition=models.Q(state="open"), name="dam_pair_open"
            ),
        ),
    ]
