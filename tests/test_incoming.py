"""Large files of forms lie on the disk of the data folder, and none stays there."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory

from tests.test_commandline import manage, told

pytestmark = pytest.mark.once


def test_a_large_file_of_a_form_lies_in_the_data_folder_while_it_is_read(
    rf: RequestFactory, settings: Any
) -> None:
    content = b"x" * (settings.FILE_UPLOAD_MAX_MEMORY_SIZE + 1)
    request = rf.post("/", {"file": SimpleUploadedFile("dress.jpg", content)})
    file = request.FILES["file"]
    place = Path(file.temporary_file_path())
    assert place.parent == settings.ATELIER_DATA / "incoming"
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert place.stat().st_size == len(content)
    file.close()
    assert not place.exists()


def test_a_start_makes_the_folder_and_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "incoming"
    first = manage("check", ATELIER_DATA=str(folder.parent))
    assert (first.returncode, list(folder.iterdir())) == (0, []), first.stderr
    left, of_now = folder / "tmp1.upload.jpg", folder / "tmp2.upload.jpg"
    for file in (left, of_now):
        file.touch()
    days_ago = time.time() - 2 * 24 * 3600
    os.utime(left, (days_ago, days_ago))
    assert manage("check", ATELIER_DATA=str(folder.parent)).returncode == 0
    assert list(folder.iterdir()) == [of_now]


def test_a_data_folder_that_cannot_be_written_is_told_also_where_the_key_is_given(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    folder = tmp_path / "a file" / "data"
    given = {"SECRET_KEY": "given", "REDIS_URL": "redis://127.0.0.1:9/0"}
    sentence = told(manage("check", ATELIER_DATA=str(folder), **given))
    assert f"cannot write to its data folder {folder}" in sentence
