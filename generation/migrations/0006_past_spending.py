from django.db import migrations

MICROS = 1_000_000


def write_down(apps, schema_editor):
    """What was spent before there was a ledger, a row an item; what no item accounts for is assumed."""
    Item = apps.get_model("generation", "GenerationItem")
    Entry = apps.get_model("generation", "SpendEntry")
    used = Item.objects.exclude(cost=0, reserved_micros=0).select_related("job").order_by("pk")
    entries = []
    for item in used.iterator(chunk_size=500):
        at = item.finished or item.answered_at or item.created
        known = {
            "item": item, "job": item.job, "owner_id": item.job.owner_id, "attempt": item.attempts,
            "provider": item.job.provider, "model": item.model, "key": item.idempotency_key,
            "currency": item.job.currency, "day": at.date(), "created": at,
        }
        if item.cost:
            paid = int((item.cost * MICROS).to_integral_value())
            entries.append(Entry(**known, amount_micros=paid, state="settled", closed=at))
        if item.reserved_micros:
            state = "reserved" if item.state == "running" else "assumed"
            entries.append(Entry(**known, amount_micros=item.reserved_micros, state=state))
        if len(entries) >= 500:
            Entry.objects.bulk_create(entries)
            entries = []
    Entry.objects.bulk_create(entries)


class Migration(migrations.Migration):

    dependencies = [("generation", "0005_spending")]

    operations = [migrations.RunPython(write_down, migrations.RunPython.noop)]
