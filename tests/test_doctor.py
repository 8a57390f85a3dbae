"""`manage.py doctor`: each part with its state, and what to do."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from dam.models import PendingRemoval

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
