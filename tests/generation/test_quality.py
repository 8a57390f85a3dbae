"""Judging: what scores say of good and of altered pictures, without a vendor and without a database."""

from __future__ import annotations

import random
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image, ImageDraw

from dam.sample import openmoji
from dam.svg import rasterise
from generation.providers.board.typography import MEDIUM, font
from generation.quality import lettering
from generation.quality.judgement import Asked, Case, CheckName, Judgement, Source
from generation.quality.judging import judge
from generation.quality.wording import complaints
from search.encoders.registry import get_encoder
from tests.conftest import CLOTHING
from tests.generation import labelled

CHANCE = 5


def drawn(title: str) -> Image.Image:
    """A drawing of the sample library."""
    [found] = [one for one in openmoji.drawings() if one.title == title]
    return Image.open(BytesIO(rasterise(found.svg, 618)))


def case(given: dict[str, Image.Image], result: Image.Image, **asked: object) -> Case:
    sources = [
        Source(role, place, one, f"{role}{id(one)}") for place, (role, one) in enumerate(given.items())
    ]
    return Case(result, sources, Asked(result.size, **{"aspect_ratio": "3:4", "photograph": False, **asked}))


def score(judgement: Judgement, name: CheckName, role: str = "") -> float:
    [found] = [check for check in judgement.checks if check.name == name and role in ("", check.role)]
    return found.score


@pytest.fixture(scope="module")
def boards() -> dict[str, Judgement]:
    """A board of a drawn person and garment, and what may be wrong with it, judged in one batch."""
    chance = random.Random(CHANCE)
    given = {"model": drawn("Man"), "garment": drawn("Dress")}
    good = case(given, labelled.board(given, "3:4"))
    results = {
        "good": good.result,
        "swapped": labelled.board({**given, "garment": drawn("Jeans")}, "3:4"),
        "recoloured": labelled.board(
            {**given, "garment": labelled.recoloured(drawn("Dress"), chance)}, "3:4"
        ),
        "person": labelled.board({**given, "model": drawn("Woman red hair")}, "3:4"),
        "cropped": good.result.crop((0, 0, good.result.width, good.result.height // 2)),
        "blurred": labelled.blurred(good.result, chance),
        "flat": labelled.flat(good.result, chance),
        "stretched": labelled.stretched(good.result, chance),
    }
    cases = [
        replace(good, result=result, asked=replace(good.asked, size=result.size))
        for result in results.values()
    ]
    return dict(zip(results, judge(cases, get_encoder("starter")), strict=True))


def test_nothing_speaks_against_a_good_board(boards: dict[str, Judgement]) -> None:
    assert complaints(boards["good"]) == []
    assert not boards["good"].is_poor
    assert [check.name for check in boards["good"].checks] == [
        *("content", "sharpness", "size", "likeness", "likeness")
    ]


@pytest.mark.parametrize(
    ("alteration", "name", "role", "complaint"),
    [
        ("swapped", CheckName.LIKENESS, "garment", "Garment: it does not"),
        ("recoloured", CheckName.LIKENESS, "garment", "Garment: it does not have the colours"),
        ("cropped", CheckName.LIKENESS, "garment", "Garment: it does not"),
        ("blurred", CheckName.SHARPNESS, "", "It is blurred."),
        ("flat", CheckName.CONTENT, "", "It is empty, or nearly"),
        ("stretched", CheckName.SIZE, "", "It does not have the size or shape"),
    ],
)
def test_what_was_altered_is_noticed_and_named(
    boards: dict[str, Judgement], alteration: str, name: CheckName, role: str, complaint: str
) -> None:
    good, altered = boards["good"], boards[alteration]
    assert score(altered, name, role) < 0.5 < score(good, name, role)
    assert altered.is_poor
    assert any(said.startswith(complaint) for said in complaints(altered)), complaints(altered)


def test_another_garment_leaves_the_person_as_they_were_and_the_other_way_round(
    boards: dict[str, Judgement],
) -> None:
    good, swapped, person = boards["good"], boards["swapped"], boards["person"]
    likeness = CheckName.LIKENESS
    assert score(swapped, likeness, "model") == pytest.approx(score(good, likeness, "model"), abs=0.15)
    assert score(person, likeness, "garment") == pytest.approx(score(good, likeness, "garment"), abs=0.15)
    assert score(person, likeness, "model") < score(good, likeness, "model")


def test_size_and_shape_are_judged_by_what_was_asked_for_and_only_then() -> None:
    picture = {"product": drawn("Jeans")}
    result = Image.new("RGB", (768, 1024), "white")
    asked = {
        "as asked": {"aspect_ratio": "3:4", "image_size": "1K"},
        "rounded by the vendor": {"aspect_ratio": "4:5", "image_size": ""},
        "other shape": {"aspect_ratio": "16:9", "image_size": ""},
        "too small": {"aspect_ratio": "3:4", "image_size": "4K"},
        "not asked": {"aspect_ratio": "", "image_size": ""},
    }
    judged = judge([case(picture, result, **one) for one in asked.values()], get_encoder("starter"))
    scores = {
        name: [check.score for check in one.checks if check.name == CheckName.SIZE]
        for name, one in zip(asked, judged, strict=True)
    }
    assert scores["as asked"] == [1.0]
    assert scores["rounded by the vendor"][0] > 0.5
    assert max(scores["other shape"][0], scores["too small"][0]) < 0.5
    assert scores["not asked"] == []


@pytest.mark.skipif(not CLOTHING.is_dir(), reason="the photos of clothing are not beside the repository")
def test_photographs_are_told_apart_by_garment_and_style() -> None:
    stock = labelled.stock(CLOTHING, seed=8)
    photos = list(labelled.photos(stock, 6, random.Random(CHANCE)))
    chosen = [one for one in photos if one.alteration in ("good", "swapped", "recoloured")]
    judged = judge([one.case for one in chosen], get_encoder("starter"))
    found: dict[tuple[str, str], list[Judgement]] = {}
    for one, judgement in zip(chosen, judged, strict=True):
        found.setdefault((one.family, one.alteration), []).append(judgement)

    def worst(family: str, alteration: str, name: CheckName) -> list[float]:
        return [score(judgement, name) for judgement in found[family, alteration]]

    good = worst("photo", "good", CheckName.LIKENESS)
    assert min(good) > 0.5
    for alteration in ("swapped", "recoloured"):
        altered = worst("photo", alteration, CheckName.LIKENESS)
        assert all(one > other for one, other in zip(good, altered, strict=True))
        # A garment that keeps half of its colours may pass; the benchmark tells how often.
        assert sum(score < 0.5 for score in altered) >= (6 if alteration == "swapped" else 4)


@pytest.mark.skipif(not CLOTHING.is_dir(), reason="the photos of clothing are not beside the repository")
def test_a_result_in_the_style_of_its_references_is_told_from_one_in_another() -> None:
    grey, warm = labelled.GRADES["grey"], labelled.GRADES["warm"]
    first, *others = [garment for _label, garment in labelled.stock(CLOTHING, seed=8).garments[:4]]
    sources = [Source("reference", place, grey(one), f"grey{place}") for place, one in enumerate(others)]
    cases = [Case(grade(first), sources, Asked(first.size)) for grade in (grey, warm)]

    same, other = judge(cases, get_encoder("starter"))

    assert score(same, CheckName.STYLE) > score(other, CheckName.STYLE)
    assert "Its style is not that of its references." in complaints(other)


def test_letters_are_told_from_the_windows_of_a_city_and_counted_in_both_languages() -> None:
    ground = Image.linear_gradient("L").resize((900, 1200)).convert("RGB")
    city = ground.copy()
    for row in range(6):
        for column in range(12):
            ImageDraw.Draw(city).rectangle(
                (60 + 60 * column, 200 + 90 * row, 85 + 60 * column, 240 + 90 * row), "yellow"
            )
    assert (lettering.letters(ground), lettering.letters(city)) == (0, 0)
    for words in ("SUMMER SALE TODAY", "限时优惠全场五折起"):
        written = ground.copy()
        ImageDraw.Draw(written).text((40, 500), words, "red", font(70, MEDIUM))
        assert lettering.letters(written) >= 8, words


def test_a_source_that_is_gone_costs_its_own_check_and_no_other() -> None:
    given = {"model": drawn("Man"), "garment": drawn("Dress")}
    good = case(given, labelled.board(given, "3:4"))
    gone = replace(good, sources=[good.sources[0], replace(good.sources[1], picture=None, key="gone")])

    [judgement] = judge([gone], get_encoder("starter"))

    assert judgement.unseen == ("garment",)
    assert [check.role for check in judgement.checks if check.name == CheckName.LIKENESS] == ["model"]


def test_what_is_kept_says_the_same_as_what_was_judged() -> None:
    given = {"garment": drawn("Dress")}
    [judgement] = judge([case(given, labelled.board(given, "3:4"))], get_encoder("starter"))
    kept = Judgement.from_json(judgement.as_json())
    assert complaints(kept) == complaints(judgement)
    assert kept.score == pytest.approx(judgement.score, abs=0.001)
