"""`manage.py doctor`: each part with its state, and what to do."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from atelier.version import VERSION
from dam.models import PendingRemoval
from search.index.connection import connect
from search.index.standing import standing_of
from search.spaces import index_of, live_space
from tests.certificates import make_chain
from tests.factories import AssetFactory
from tests.planted import planted

pytestmark = pytest.mark.django_db


def doctor() -> dict[str, dict[str, str]]:
    out = StringIO()
    try:
        call_command("doctor", "--json", stdout=out)
    except CommandError as error:
        assert error.returncode == 1
    return {finding["part"]: finding for finding in json.loads(out.getvalue())}


def test_a_sound_installation_has_no_problem() -> None:
    findings = doctor()
    assert {part for part, finding in findings.items() if finding["level"] == "problem"} == set()
    assert {"database", "broker", "storage", "encoder", "milvus", "provider board"} <= set(findings)


def test_the_password_of_the_broker_is_not_told(settings: Any) -> None:
    settings.REDIS_URL = "redis://:correct-horse@127.0.0.1:9/0"
    sentence = doctor()["broker"]["sentence"]
    assert "127.0.0.1:9" in sentence
    assert "correct-horse" not in sentence


def test_whether_uploads_can_be_decoded_is_tried(settings: Any, tmp_path: Path) -> None:
    assert doctor()["decoder"]["level"] == "ok"
    settings.DAM_DECODER_MEGABYTES = 512
    finding = doctor()["decoder"]
    assert (finding["level"], "1043 MB" in finding["advice"]) == ("warning", True)
    with planted(tmp_path, "raise SystemExit(1)"):
        finding = doctor()["decoder"]
    assert (finding["level"], "(exit 1)" in finding["sentence"]) == ("problem", True)


def test_what_is_away_is_a_problem_with_a_sentence(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.index.connection._client", None)
    settings.MILVUS_URI = "http://127.0.0.1:9"
    settings.SEARCH_ENCODER = "nonsense"
    findings = doctor()
    assert findings["milvus"]["level"] == "problem"
    assert "Milvus does not answer at http://127.0.0.1:9" in findings["milvus"]["sentence"]
    assert findings["encoder"]["level"] == "problem"
    with pytest.raises(CommandError) as caught:
        call_command("doctor", stdout=StringIO())
    assert caught.value.returncode == 1


def test_a_provider_without_a_key_is_a_warning_unless_it_is_the_default(settings: Any) -> None:
    assert doctor()["provider gemini"]["level"] == "warning"
    settings.GENERATION_PROVIDER = "gemini"
    assert doctor()["provider gemini"]["level"] == "problem"


def test_a_provider_that_is_ready_says_what_a_picture_costs_in_dollars_and_yuan(
    settings: Any,
) -> None:
    declared = settings.GENERATION_PROVIDERS["gemini"]
    options = {**declared["OPTIONS"], "api_key": "key-1"}
    board = settings.GENERATION_PROVIDERS["board"]
    settings.GENERATION_PROVIDERS = {"board": board, "gemini with a key": {**declared, "OPTIONS": options}}
    finding = doctor()["provider gemini with a key"]
    assert finding["level"] == "ok"
    assert re.fullmatch(
        r"ready; a picture costs 0\.0336 USD \(about 0\.2\d+ CNY\), as of 20\d\d-\d\d-\d\d",
        finding["sentence"],
    )
    assert doctor()["provider board"]["sentence"] == "ready; a picture costs nothing"
    settings.GENERATION_PRICES = {"gemini-nano-banana-2.1": {"picture": 7, "currency": "CNY"}}
    sentence = doctor()["provider gemini with a key"]["sentence"]
    assert re.fullmatch(r"ready; a picture costs 7 CNY \(about 1\.0\d+ USD\)", sentence)


def test_files_that_the_storage_does_not_delete_are_a_warning() -> None:
    PendingRemoval.objects.create(name="originals/ab/new.jpg")
    assert doctor()["storage"]["level"] == "ok"
    PendingRemoval.objects.create(name="originals/ab/1.jpg", attempts=3, last_error="OSError: no")
    finding = doctor()["storage"]
    assert (finding["level"], finding["sentence"]) == (
        "warning",
        "It did not delete 1 files of deleted assets.",
    )
    assert "reconcile --only files --fix" in finding["advice"]


@pytest.mark.once
def test_what_signs_and_names_generated_pictures_is_told(settings: Any, tmp_path: Path) -> None:
    assert doctor()["signing"]["level"] == "ok"
    assert "No certificate is configured" in doctor()["signing"]["sentence"]
    assert "DAM_AIGC_PRODUCER" in doctor()["labels"]["sentence"]
    settings.DAM_AIGC_PRODUCER = "某工作室"
    assert (doctor()["labels"]["level"], "escaped" in doctor()["labels"]["sentence"]) == ("warning", True)
    settings.DAM_AIGC_PRODUCER = "001191-studio"
    assert (doctor()["labels"]["level"], doctor()["labels"]["sentence"]) == ("ok", "001191-studio")

    pytest.importorskip("c2pa", reason="c2pa-python is optional")
    chain = make_chain(tmp_path)
    settings.C2PA_CERTIFICATE = str(chain.certificate)
    assert "C2PA_PRIVATE_KEY is not set" in doctor()["signing"]["sentence"]
    settings.C2PA_PRIVATE_KEY = str(tmp_path / "nothing.pem")
    assert "nothing.pem cannot be read" in doctor()["signing"]["sentence"]
    settings.C2PA_PRIVATE_KEY = str(chain.key)
    assert doctor()["signing"]["level"] == "ok"
    settings.C2PA_ALGORITHM = "rot13"
    assert (doctor()["signing"]["level"], "rot13" in doctor()["signing"]["sentence"]) == ("problem", True)
    settings.C2PA_ALGORITHM = "es256"
    expired = make_chain(tmp_path, days=-1)
    settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY = str(expired.certificate), str(expired.key)
    assert doctor()["signing"]["level"] == "problem"


def test_which_version_runs_on_which_tables_and_vectors_is_told(
    index_now: Callable, settings: Any, tmp_path: Path
) -> None:
    AssetFactory()
    index_now()
    findings = doctor()
    assert findings["version"]["sentence"].startswith(f"Atelier {VERSION}; dam 00")
    space = live_space()
    schema = findings["schema"]
    assert (schema["level"], schema["sentence"]) == (
        "ok",
        f"{space.collection}: starter, weights {space.weights}, {space.dimension}; schema of this version",
    )
    assert "restore" not in findings
    settings.ATELIER_DATA = tmp_path
    (tmp_path / "restoring.json").write_text('{"id": "ab12"}')
    assert (doctor()["restore"]["level"], doctor()["version"]["level"]) == ("problem", "ok")


def findings_about(part: str) -> list[dict[str, str]]:
    out = StringIO()
    with contextlib.suppress(CommandError):
        call_command("doctor", "--json", stdout=out)
    return [finding for finding in json.loads(out.getvalue()) if finding["part"] == part]


def test_a_collection_that_is_lost_or_not_loaded_is_a_warning(index_now: Callable) -> None:
    AssetFactory()
    index_now()
    (sound,) = findings_about("index")
    assert (sound["level"], sound["sentence"]) == ("ok", "1 vectors, 0 waiting, 0 failed")

    name = live_space().collection
    connect()[0].release_collection(name)
    released = findings_about("index")[0]
    assert (released["level"], released["sentence"]) == (
        "warning",
        f"Milvus has loaded 0 % of the collection {name}.",
    )
    connect()[0].load_collection(name)

    index_of(live_space()).drop()
    assert not standing_of(name).exists
    lost = findings_about("index")[0]
    assert (lost["level"], lost["sentence"]) == ("warning", f"The collection {name} is not in Milvus.")
    assert "reconcile --fix" in lost["advice"]


def test_too_many_assets_for_milvus_lite_are_said(
    index_now: Callable, settings: Any, client: Client, administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    AssetFactory()
    index_now()
    client.force_login(administrator)
    warning = "There are too many assets for Milvus Lite"
    assert warning not in client.get(reverse("admin:index")).content.decode()
    monkeypatch.setattr("atelier.doctor.LITE_LIMIT", 0)
    monkeypatch.setattr("atelier.dashboard.LITE_LIMIT", 0)
    assert (warning in client.get(reverse("admin:index")).content.decode()) == (not settings.MILVUS_URI)
    sentences = [finding["sentence"] for finding in findings_about("milvus")]
    assert ("1 assets are many for Milvus Lite." in sentences) == (not settings.MILVUS_URI)


@pytest.mark.once
def test_letters_that_would_lead_nowhere_are_a_warning(settings: Any) -> None:
    assert doctor()["mail"]["level"] == "ok"
    settings.EMAIL_HOST, settings.ALLOWED_HOSTS = "mail.example.com", [".example.com"]
    assert doctor()["mail"]["level"] == "warning"
    assert "SITE_URL" in doctor()["mail"]["advice"]
    settings.SITE_URL = "https://dam.example.com"
    assert doctor()["mail"]["level"] == "ok"
    assert "https://dam.example.com" in doctor()["mail"]["sentence"]
