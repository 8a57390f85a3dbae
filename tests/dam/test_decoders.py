"""Files that break a decoder for real: the site goes on, says why it refuses them, and takes the next."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from dam import decoders, pictures
from dam.models import Asset, AuditEntry
from tests.clients import api_of
from tests.dam.storages import stored_files
from tests.environment import runs
from tests.pictures import picture, pixel_bomb_png
from tests.planted import BROKEN_JPEG, over, planted

pytestmark = [pytest.mark.django_db, pytest.mark.once]

ASSETS = "/api/v1/assets/"
UPLOAD_PAGE = "/admin/dam/asset/upload/"
# What the planted decoder does → the refusal's code, and what of its sentence names the cause.
BROKEN = {
    "segfault": ("crash", "(SIGSEGV)"),
    "abort": ("crash", "(SIGABRT)"),
    "spin": ("too_costly", "(3 s)"),
    "sleep": ("too_costly", "(3 s)"),
    "grow": ("too_costly", "(300 MB)"),
}


@pytest.fixture
def broken(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.DAM_DECODER_SECONDS, settings.DAM_DECODER_MEGABYTES = 3, 300
    with planted(tmp_path, BROKEN_JPEG):
        yield


@pytest.fixture
def api(editor: User) -> APIClient:
    return api_of(editor)


def sent(api: APIClient, content: bytes) -> Any:
    return api.post(ASSETS, {"file": SimpleUploadedFile("picture.jpg", content)}, format="multipart")


@pytest.mark.parametrize("word", BROKEN)
@pytest.mark.usefixtures("broken")
def test_a_file_that_breaks_its_decoder_is_refused_and_the_next_is_taken(api: APIClient, word: str) -> None:
    code, named = BROKEN[word]
    before, entries = stored_files(), AuditEntry.objects.count()
    answer = sent(api, over(word))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["detail"].startswith("This file cannot be read: ")
    assert named in answer.json()["detail"]
    assert (Asset.objects.count(), AuditEntry.objects.count(), stored_files()) == (0, entries, before)
    assert api.get(ASSETS).status_code == 200
    assert sent(api, picture(seed=3)).status_code == 201


@pytest.mark.usefixtures("broken")
def test_the_upload_page_names_the_file_that_broke_its_decoder_and_takes_the_others(
    client: Client, editor: User
) -> None:
    client.force_login(editor)
    contents = {"good.jpg": picture(), "bad.jpg": over("segfault"), "better.jpg": picture(seed=2)}
    files = [SimpleUploadedFile(name, content) for name, content in contents.items()]
    page = client.post(UPLOAD_PAGE, {"pictures": files, "kind": "other", "state": "draft"})
    assert page.status_code == 200
    assert "broke down over it (SIGSEGV)" in page.content.decode()
    assert set(Asset.objects.values_list("current__original_name", flat=True)) == {"good.jpg", "better.jpg"}


@pytest.mark.usefixtures("broken")
def test_an_import_goes_on_behind_files_that_break_their_decoder(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, word in enumerate(BROKEN):
        (folder / f"{word}.jpg").write_bytes(over(word))
        (folder / f"good-{number}.jpg").write_bytes(picture(seed=10 + number))
    with pytest.raises(CommandError):
        call_command("import_assets", folder)
    said = capsys.readouterr()
    for word in BROKEN:
        assert f"{word}.jpg" in said.out + said.err
    names = Asset.objects.values_list("current__original_name", flat=True)
    assert sorted(names) == [f"good-{number}.jpg" for number in range(len(BROKEN))]


@pytest.mark.usefixtures("broken")
def test_a_picture_to_ask_with_breaks_nothing_either(api: APIClient) -> None:
    files = {"file": SimpleUploadedFile("picture.jpg", over("segfault"))}
    answer = APIClient().post("/api/v1/provenance/", files, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (422, "crash")
    files = {"file": SimpleUploadedFile("picture.jpg", picture())}
    assert APIClient().post("/api/v1/provenance/", files, format="multipart").status_code == 200


@pytest.mark.usefixtures("broken")
def test_who_crumbles_after_another_file_is_not_taken_for_the_culprit(api: APIClient) -> None:
    """A decoder whose memory a file has damaged may break down over the file behind it."""
    assert sent(api, over("crumble")).status_code == 201
    assert sent(api, picture(seed=4)).status_code == 201


@pytest.mark.parametrize(
    "lie",
    [
        "{'refused': 'nonsense', 'values': {}}",
        "{'refused': 'too_many_pixels', 'values': {}}",
        "{'refused': 'too_many_pixels', 'values': {'width': '9', 'height': 9, 'pixels': 9}}",
        "{'refused': 'rare', 'values': {'name': chr(0)}}",
        "{'refused': 'broken', 'values': None}",
        "{'pixels': float('inf')}",
        "{'pixels': -9}",
        "{**values, 'width': '64'}",
        "{**values, 'size': [64, 47]}",
        "{**values, 'size': [64]}",
        "{**values, 'height': 10**12}",
        "{**values, 'metadata': []}",
        "{**values, 'metadata': {'exif': {'Artist': [chr(0)]}}}",
        "{**values, 'metadata': {'exif': float('nan')}}",
        "{**values, 'header': {**values['header'], 'extension': '.html'}}",
    ],
)
def test_a_process_that_says_what_makes_no_sense_counts_as_broken_down(
    api: APIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    monkeypatch.setattr(decoders, "GRACE", 1)
    with planted(tmp_path, LYING + lie):
        answer = sent(api, picture())
        assert (answer.status_code, answer.json()["code"]) == (422, "crash")
        assert children_of(os.getpid()) == []
    assert sent(api, picture()).status_code == 201


def test_a_picture_of_permitted_size_that_needs_too_much_memory_is_refused(
    api: APIClient, settings: Settings
) -> None:
    large = pixel_bomb_png.__wrapped__(10_900, 10_900)
    settings.DAM_DECODER_MEGABYTES = 200
    answer = sent(api, large)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_costly")
    assert "200 MB" in answer.json()["detail"]
    settings.DAM_DECODER_MEGABYTES = 2048
    assert sent(api, large).status_code == 201


def test_a_drawing_that_takes_too_long_is_refused(api: APIClient, settings: Settings) -> None:
    settings.DAM_DECODER_SECONDS = 1
    blurred = "".join(
        f'<filter id="f{number}"><feTurbulence numOctaves="9999"/></filter>'
        f'<rect filter="url(#f{number})" width="9999" height="9999"/>'
        for number in range(9)
    )
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" width="9999" height="9999">{blurred}</svg>'
    answer = sent(api, drawing.encode())
    assert (answer.status_code, answer.json()["code"]) == (422, "too_costly")
    plain = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5"/></svg>'
    settings.DAM_DECODER_SECONDS = 20
    assert sent(api, plain.encode()).status_code == 201


def test_files_are_read_by_one_process_after_the_other_by_the_same() -> None:
    decoders.end()
    seen = set()
    for seed in range(5):
        pictures.read(BytesIO(picture(seed=seed)), 64)
        seen.add(frozenset(children_of(os.getpid())))
    assert len(seen) == 1
    (mine,) = seen
    assert len(mine) == 1


def test_one_that_was_killed_while_it_waited_is_replaced() -> None:
    pictures.read(BytesIO(picture()), 64)
    for process in children_of(os.getpid()):
        os.kill(process, signal.SIGKILL)
    assert pictures.read(BytesIO(picture()), 64).width == 64


def test_a_decoder_is_given_no_secrets_and_may_do_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "a-secret-of-the-site")
    decoders.end()
    pictures.read(BytesIO(picture()), 64)
    (process,) = children_of(os.getpid())
    assert b"a-secret-of-the-site" not in Path(f"/proc/{process}/environ").read_bytes()
    limits = Path(f"/proc/{process}/limits").read_text()
    assert re.search(r"Max file size +0 +0 ", limits)
    assert re.search(r"Max core file size +0 +0 ", limits)
    maps = Path(f"/proc/{process}/maps").read_text()
    assert "PIL" in maps
    assert "torch" not in maps and "grpc" not in maps


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_none_outlives_the_process_that_it_reads_for(tmp_path: Path, how: int) -> None:
    """Whether it waits, or has a file in work that it never comes to the end of."""
    with planted(tmp_path, BROKEN_JPEG):
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, over("sleep").hex(), picture().hex()],
            env=os.environ | {"DAM_DECODER_SECONDS": "2"}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert reader.stdout is not None
        assert reader.stdout.readline() == "asleep\n"
        children = children_of(reader.pid)
        assert len(children) == 2
        reader.send_signal(how)
        reader.wait(30)
        reader.stdout.close()
    deadline = time.monotonic() + 30
    while any(runs(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Instead of each answer, what the expression behind it gives.
LYING = """
from dam.decoder.channel import Channel
send = Channel.send
Channel.send = lambda self, values, content=b"": send(self, said(values), content)
said = lambda values: """

READER = """
import sys, threading, time
from io import BytesIO
import django
django.setup()
from dam import decoders, pictures
slow, quick = map(bytes.fromhex, sys.argv[1:])
for content in (slow, quick):
    threading.Thread(target=pictures.read, args=(BytesIO(content), 64), daemon=True).start()
while not decoders._waiting:
    time.sleep(0.02)
print("asleep", flush=True)
time.sleep(600)
"""


def children_of(process: int) -> list[int]:
    """The processes that decode for it."""
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            if b"dam.decoder" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found
