"""`manage.py generate`: what it prints, its JSON, its exit codes, its sentences."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command, execute_from_command_line

from dam import editing
from dam.models import Asset, AssetState
from generation.models import GenerationJob
from generation.providers.base import Blocked, Refused
from tests.generation.painter import Painter

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]


def generate(*words: str) -> str:
    out = StringIO()
    call_command("generate", *words, stdout=out, stderr=StringIO(), verbosity=0)
    return out.getvalue()


def ids(assets: list[Asset]) -> str:
    return ",".join(str(asset.public_id) for asset in assets)


def test_outfits_by_id_print_the_json_of_the_contract(painter: Configure, assets_of: Make) -> None:
    painter(price="0.04")
    models, garments = assets_of("model", 2), assets_of("garment", 2)

    report = json.loads(generate("outfits", "--models", ids(models), "--garments", ids(garments), "--json"))

    job = GenerationJob.objects.get()
    assert {key: report[key] for key in ("job", "planned", "succeeded", "blocked", "failed", "cost")} == {
        "job": str(job.public_id),
        "planned": 4,
        "succeeded": 4,
        "blocked": 0,
        "failed": 0,
        "cost": {"amount": 0.16, "currency": "USD"},
    }
    first = report["outputs"][0]
    assert first["inputs"] == [
        {"asset": str(models[0].public_id), "role": "model"},
        {"asset": str(garments[0].public_id), "role": "garment"},
    ]
    assert default_storage.exists(first["file"])
    assert Asset.objects.get(public_id=first["asset"]).state == AssetState.IN_REVIEW
    assert first["prompt"] == job.items.first().prompt


def test_selections_are_found_by_sentence(
    painter: Configure, assets_of: Make, index_now: Callable[[], Any]
) -> None:
    painter()
    assets_of("scene", 5)
    assets_of("product", 3)
    index_now()

    words = ("--products", "Product 2", "--scenes", "Scene 1", "--limit-per-selection", "1")
    report = json.loads(generate("scenes", *words, "--json"))

    assert report["planned"] == 1
    named = [Asset.objects.get(public_id=given["asset"]).title for given in report["outputs"][0]["inputs"]]
    assert named == ["Product 2", "Scene 1"]


def test_a_composition_and_an_edit(painter: Configure, assets_of: Make, index_now: Callable[[], Any]) -> None:
    painter()
    [product] = assets_of("product", 1)
    assets_of("character", 1)
    index_now()

    composed = json.loads(generate("compose", "Character 1", "--json"))
    edited = json.loads(
        generate("edit", "--asset", str(product.public_id), "--instruction", "a blue one", "--json")
    )

    assert [given["role"] for given in composed["outputs"][0]["inputs"]] == ["character"]
    assert edited["outputs"][0]["inputs"] == [{"asset": str(product.public_id), "role": "reference"}]
    assert "a blue one" in edited["outputs"][0]["prompt"]


def test_a_dry_run_spends_and_keeps_nothing(painter: Configure, assets_of: Make) -> None:
    engine = painter(price="0.04", missing="Set SOME_KEY.")
    words = ("outfits", "--models", ids(assets_of("model", 2)), "--garments", ids(assets_of("garment", 3)))

    report = json.loads(generate(*words, "--dry-run", "--json"))
    told = generate(*words, "--dry-run")

    assert (report["job"], report["planned"], report["succeeded"]) == (None, 6, 0)
    assert report["cost"] == {"amount": 0.24, "currency": "USD"}
    assert all(output["asset"] is None and output["prompt"] for output in report["outputs"])
    assert "6 pictures with" in told
    assert "Model 1 × Garment 1" in told
    assert (engine.ledger, GenerationJob.objects.count()) == ([], 0)


def test_what_is_left_out_is_told(painter: Configure, assets_of: Make) -> None:
    painter()
    garments = assets_of("garment", 2)
    editing.trash(garments[:1], actor=None)
    words = ("--models", ids(assets_of("model", 1)), "--garments", ids(garments))
    report = json.loads(generate("outfits", *words, "--json"))
    assert report["succeeded"] == 1
    assert report["excluded"] == [{"cell": "Garment 1 (Garment)", "reason": "It is in the trash."}]


def test_pictures_that_were_not_made_end_with_an_error_after_the_report(
    painter: Configure, assets_of: Make
) -> None:
    engine = painter(price="0.1")
    engine.incidents.extend([Blocked("Not this picture."), Refused("The key is wrong.")])
    words = ("--models", ids(assets_of("model", 2)), "--garments", ids(assets_of("garment", 2)))
    out = StringIO()

    with pytest.raises(CommandError, match=r"3 pictures were not made: Not this picture\. The key is wrong"):
        call_command("generate", "outfits", *words, "--budget", "0.1", "--json", stdout=out, verbosity=0)

    report = json.loads(out.getvalue())
    assert (report["succeeded"], report["blocked"], report["failed"]) == (1, 1, 2)
    assert report["cost"]["amount"] == 0.1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("outfits", "--models", "sku:NONE", "--garments", "sku:NONE"), "Nothing was found for “sku:NONE”"),
        (("compose", "!!!"), "Write one sentence"),
        (("scenes", "--products", "ID", "--scenes", "ID", "--provider", "brush"), "no provider “brush”"),
        (("edit", "--asset", "ID", "--instruction", " "), "what is to be changed"),
        (("edit", "--asset", "ID", "--instruction", "x", "--budget", "0.001"), "is too small"),
    ],
)
def test_errors_are_sentences(
    painter: Configure, assets_of: Make, words: tuple[str, ...], sentence: str
) -> None:
    painter()
    [asset] = assets_of("product", 1)
    with pytest.raises(CommandError, match=sentence):
        generate(*(str(asset.public_id) if word == "ID" else word for word in words))
    assert GenerationJob.objects.count() == 0


def test_a_provider_without_its_key_says_what_to_set(painter: Configure, assets_of: Make) -> None:
    painter(missing="The painter needs a key: set PAINTER_API_KEY.")
    with pytest.raises(CommandError, match="set PAINTER_API_KEY"):
        generate("edit", "--asset", ids(assets_of("product", 1)), "--instruction", "x")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("dance",),
        ("outfits", "--models", "x"),
        ("compose", "x", "--budget", "much"),
        ("scenes", "--products", "x", "--scenes", "x", "--limit-per-selection", "0"),
    ],
)
def test_wrong_usage_exits_with_two_and_no_traceback(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        execute_from_command_line(["manage.py", "generate", *words])
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert "usage: manage.py generate" in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
