"""The folder where large files of forms lie until a view has read them, made whenever a process starts."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

LEFT_SECONDS = 24 * 3600.0  # no request lasts so long


def prepare() -> None:
    """Make FILE_UPLOAD_TEMP_DIR, and remove what processes that were killed have left there.

    Raises:
        ImproperlyConfigured: it cannot be made.
    """
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"Atelier cannot write to its data folder {folder.parent} ({error.strerror}). Give this user "
            "write permission there, or set ATELIER_DATA to another folder."
        ) from error
    for file in folder.glob("*.upload*"):  # as Django names them
        with suppress(OSError):  # another process was first
            if time.time() - file.stat().st_mtime > LEFT_SECONDS:
                file.unlink()
