from django.db import migrations
from django.db.models import Q


def forget_words(apps, schema_editor):
    """Lists find assets by their descriptions too: words from before are made anew after the migration."""
    described = apps.get_model("dam", "Asset").objects.exclude(Q(description="") & Q(description_zh=""))
    words = apps.get_model("dam", "AssetWords").objects.filter(asset__in=described)
    words._raw_delete(words.db)


class Migration(migrations.Migration):

    dependencies = [
        ("dam", "0017_alt_text_suggestions"),
    ]

    operations = [
        migrations.RunPython(forget_words, migrations.RunPython.noop, elidable=True),
    ]
