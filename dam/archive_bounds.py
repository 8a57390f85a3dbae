"""The refusals that both archive formats share: what goes beyond a bound, and what is damaged."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _

from dam.errors import ArchiveError, EntryError


def too_many_entries() -> ArchiveError:
    """The refusal of an archive with more entries than may be held."""
    return ArchiveError(
        _("The archive has more than %(limit)s entries. Split it into smaller ones.")
        % {"limit": f"{settings.DAM_MAX_ARCHIVE_ENTRIES:,}"}
    )


def too_much_unpacked() -> ArchiveError:
    """The refusal of an archive that holds more bytes than may be unpacked."""
    return ArchiveError(
        _("The archive holds more than %(limit)s GB unpacked. Split it into smaller ones.")
        % {"limit": f"{settings.DAM_MAX_ARCHIVE_BYTES / 1024**3:g}"}
    )


def packed_too_well() -> str:
    """The sentence about what unpacks to many times its size."""
    return _(
        "It unpacks to more than %(ratio)s times its size, as a zip bomb does. Send the file without packing."
    ) % {"ratio": settings.DAM_MAX_ARCHIVE_RATIO}


def bomb() -> EntryError:
    """The refusal of one file that unpacks to many times its size."""
    return EntryError(packed_too_well())


def damaged() -> EntryError:
    """The refusal of one file whose packed bytes are not what they were."""
    return EntryError(_("The file is damaged in the archive. Pack it again from its source."))


def too_large() -> str:
    """The sentence about a file that is larger than a file may be."""
    return _("The file is larger than %(limit)s MB unpacked. Make it smaller and pack it again.") % {
        "limit": f"{settings.DAM_MAX_FILE_BYTES / 1024**2:g}"
    }
