"""Atelier fetches no picture from an address that somebody names: not by search, nor by a manifest."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from dam.models import Asset
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip", "own_storage")]


@contextmanager
def inner_service() -> Iterator[tuple[str, list[str]]]:
    """Something in our own network: its address, and who has called."""
    calls: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, caller = listener.accept()
                calls.append(str(caller))
                connection.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", calls
    finally:
        listener.close()


@pytest.mark.parametrize("field", ["image", "image_url", "url", "like"])
@pytest.mark.parametrize("form", ["json", "multipart"])
@pytest.mark.parametrize("scheme", ["http://{}/a.jpg", "http://[::ffff:127.0.0.1]:{port}/", "file://{path}"])
def test_a_search_by_address_is_refused_and_asks_nobody(
    staff_api: APIClient, tmp_path: Path, field: str, form: str, scheme: str
) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture())
    with inner_service() as (place, calls):
        address = scheme.format(place, port=place.rpartition(":")[2], path=secret)
        answer = staff_api.post("/api/v1/search/", {field: address}, format=form)
    assert answer.status_code == 400, answer.content
    assert calls == []


def test_a_manifest_with_addresses_and_paths_takes_nothing_in(tmp_path: Path) -> None:
    outside = tmp_path / "secret.jpg"
    outside.write_bytes(picture(seed=1))
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(picture(seed=2))
    with inner_service() as (place, calls):
        files = [f"http://{place}/a.jpg", f"file://{outside}", str(outside), "../secret.jpg", "good.jpg"]
        manifest = folder / "list.csv"
        manifest.write_text("file\n" + "\n".join(files) + "\n")
        out = StringIO()
        with pytest.raises(CommandError):
            call_command(
                "import_assets",
                str(folder),
                "--manifest",
                str(manifest),
                "--json",
                stdout=out,
                stderr=StringIO(),
            )
    result = json.loads(out.getvalue())
    assert result["imported"] == 1
    assert len(result["rejected"]) == 4
    assert Asset.objects.get().title == "Good"
    assert calls == []
