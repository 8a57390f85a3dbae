"""Search's commands: JSON on standard output and nothing else, sentences and exit codes for errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from search.models import Space, SpaceState
from search.spaces import index_of, live_space
from tests.factories import AssetFactory
from tests.pictures import picture, text_as_jpg

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip")]


def run(*arguments: str) -> Any:
    out = StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def refused(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        call_command(*arguments, stdout=StringIO())
    return caught.value


def test_search_prints_the_contract(index_now: Callable) -> None:
    asset = AssetFactory(title="Golden crown", title_zh="金色王冠")
    index_now()
    body = run("search", "金色王冠")
    assert body["query"] == "金色王冠"
    assert set(body) >= {"query", "encoder", "took_ms", "total", "results"}
    assert body["results"][0] == {
        "id": str(asset.public_id),
        "title": "Golden crown",
        "title_zh": "金色王冠",
        "kind": "other",
        "score": body["results"][0]["score"],
        "file": asset.current.file.name,
        "similar": 0,
        "why": body["results"][0]["why"],
    }
    assert body["results"][0]["why"]["exact"] == "金色王冠"


def test_search_by_picture_and_by_asset(index_now: Callable, tmp_path: Path) -> None:
    first, second = AssetFactory(title="One"), AssetFactory(title="Two")
    index_now()
    file = tmp_path / "query.jpg"
    file.write_bytes(picture(seed=3))
    assert run("search", "--image", str(file))["total"] == 2
    assert [row["title"] for row in run("search", "--like", str(first.public_id))["results"]] == [
        second.title
    ]


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["search"], "Say what to look for", 2),
        (["search", "--image", "/nowhere.jpg"], "/nowhere.jpg cannot be read", 2),
        (["search", "--like", "12"], "is not an asset's id", 2),
        (["search", "--like", "00000000-0000-0000-0000-000000000000"], "There is no asset", 1),
        (["search", "x", "--limit", "0"], "limit", 1),
        (["index", "--reindex", "nonsense"], "Known families", 1),
        (["evaluate_search", "/nowhere"], "labels.csv cannot be read", 2),
    ],
)
def test_errors_are_sentences(arguments: list[str], words: str, code: int) -> None:
    error = refused(*arguments)
    assert words in str(error)
    assert error.returncode == code


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    file = tmp_path / "query.jpg"
    file.write_bytes(text_as_jpg())
    error = refused("search", "--image", str(file))
    assert str(file) in str(error)
    assert error.returncode == 2


def test_without_milvus_each_command_says_so(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    AssetFactory()
    live_space()
    monkeypatch.setattr("search.index.connection._client", None)
    settings.MILVUS_URI = "http://127.0.0.1:9"
    for arguments in (["search", "zzz"], ["index"], ["reconcile"]):
        error = refused(*arguments)
        assert "Milvus does not answer" in str(error)
        assert error.returncode == 1


def test_index_and_reconcile_report(index_now: Callable) -> None:
    asset = AssetFactory()
    assert run("index")["report"]["indexed"] == 1
    (space,) = run("index", "--status")["spaces"]
    assert (space["indexed"], space["pending"], space["state"]) == (1, 0, "live")
    assert run("reconcile")["clean"] is True
    index_of(live_space()).delete([asset.pk])
    assert refused("reconcile").returncode == 1
    assert run("reconcile", "--fix")["spaces"][0]["missing"] == 1
    assert run("reconcile")["clean"] is True


def test_reindex_builds_beside_and_switches(
    index_now: Callable, checkpoint: Path, tmp_path: Path, settings: Any
) -> None:
    import open_clip
    import torch

    AssetFactory(title="Golden crown")
    index_now()
    old = live_space()
    other = tmp_path / "other.pt"
    torch.manual_seed(9)
    torch.save(open_clip.create_model("tiny-clip").state_dict(), other)
    run("index", "--reindex", f"openclip:tiny-clip/{other}")

    old.refresh_from_db()
    assert old.state == SpaceState.STANDBY
    assert live_space().encoder == f"openclip:tiny-clip/{other}"
    assert Space.objects.filter(state=SpaceState.LIVE).count() == 1
    assert run("search", "Golden crown")["results"][0]["title"] == "Golden crown"


def test_evaluation_ranks_and_touches_nothing(tmp_path: Path) -> None:
    for number, colour in enumerate(("red", "red", "blue", "blue")):
        (tmp_path / f"{number}.png").write_bytes(picture(format="PNG", colour=colour, seed=number))
    (tmp_path / "labels.csv").write_text("file,label\n0.png,red\n1.png,red\n2.png,blue\n3.png,blue\n")
    (tmp_path / "queries.csv").write_text(
        "label,language,query\nred,en,red\nblue,en,blue\nred,zh,红\nblue,zh,蓝\n"
    )
    body = run("evaluate_search", str(tmp_path))
    assert body["images"] == 4
    assert set(body["by_language"]) == {"en", "zh"}
    assert all(0 <= value <= 1 for row in body["by_language"].values() for value in row.values())
    assert not Space.objects.exists()

    (tmp_path / "labels.csv").write_text("file,label\ngone.png,red\n")
    assert "labels.csv, line 2" in str(refused("evaluate_search", str(tmp_path)))
    for name, content, sentence in (
        ("labels.csv", b"file,label\n0.png\n", "line 2: a column is missing"),
        ("labels.csv", "file,label\n0.png,红\n".encode("gb18030"), "is not in UTF-8"),
        ("queries.csv", b"label,language,query\ngreen,en,green\n", "no picture has the label “green”"),
    ):
        (tmp_path / "labels.csv").write_text("file,label\n0.png,red\n")
        (tmp_path / name).write_bytes(content)
        assert sentence in str(refused("evaluate_search", str(tmp_path)))
