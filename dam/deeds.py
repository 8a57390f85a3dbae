"""What the history of an asset calls the deeds of the audit log."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dam.models import AssetState, AuditEntry

_DEEDS = {
    "asset.ingested": gettext_lazy("Taken in"),
    "asset.imported": gettext_lazy("Imported"),
    "asset.generated": gettext_lazy("Generated"),
    "asset.updated": gettext_lazy("Edited"),
    "asset.taken_from_file": gettext_lazy("Fields taken from the file"),
    "asset.trashed": gettext_lazy("Moved to the trash"),
    "asset.restored": gettext_lazy("Restored from the trash"),
    "asset.merged": gettext_lazy("Merged with a near duplicate"),
    "asset.told_apart": gettext_lazy("Told apart from a near duplicate"),
    "asset.version_added": gettext_lazy("New version"),
    "asset.version_restored": gettext_lazy("Earlier version restored"),
    "asset.file_restored": gettext_lazy("File restored"),
    "asset.collected": gettext_lazy("Added to a collection"),
    "asset.uncollected": gettext_lazy("Taken out of a collection"),
    "asset.sku_linked": gettext_lazy("Linked to a SKU"),
    "asset.sku_unlinked": gettext_lazy("No longer linked to a SKU"),
    "asset.linked": gettext_lazy("Link that expires made"),
    "asset.downloaded_by_link": gettext_lazy("Downloaded by a shared link"),
    "asset.commented": gettext_lazy("Commented"),
    "asset.comment_removed": gettext_lazy("Comment removed"),
    "asset.assigned": gettext_lazy("Assigned"),
    "asset.assignment_done": gettext_lazy("Assignment done"),
    "asset.alt_suggested": gettext_lazy("Alternative text suggested"),
    "asset.alt_accepted": gettext_lazy("Suggested alternative text taken"),
    "asset.alt_dismissed": gettext_lazy("Suggested alternative text dismissed"),
}


def deed(entry: AuditEntry) -> str:
    """The deed in words, with the SKU that it was about; its code where it has no words.

    Collections are not named: one may be another's, and nothing that the owner of the asset may know of.
    """
    if entry.action == "asset.state":
        return _("State: %(state)s") % {"state": _state(entry.details.get("after", ""))}
    words = str(_DEEDS.get(entry.action, entry.action))
    sku = entry.details.get("sku", "")
    return f"{words}: {sku}" if sku else words


def _state(value: str) -> str:
    return str(dict(AssetState.choices).get(value, value))
