"""Providers that take few words are told the template's short words, or as much of the prompt as fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from open_clip.tokenizer import SimpleTokenizer
from rest_framework.test import APIClient

from dam.models import Asset
from generation import review
from generation.brevity import fitted, tokens_in
from generation.models import GenerationJob, PromptTemplate
from generation.prompts import BUILT_IN
from generation.providers.registry import get_provider
from generation.running import run_job
from generation.templates import save_template
from tests.generation.painter import Painter
from tests.pictures import picture

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]
API = "/api/v1/generation/"
CLIP = 75
LONG = "The picture shows {pictures}. The person stands at a window, in the light of a late afternoon. "
UNHEARD = "Behind the window lies a garden with old trees and a pond, and in it a boat that nobody rows."


@pytest.fixture(scope="module")
def vocabulary() -> SimpleTokenizer:
    """The words of the CLIP text models, as they really count."""
    return SimpleTokenizer()


@pytest.fixture
def order(assets_of: Make) -> dict[str, Any]:
    models, garments = assets_of("model", 1), assets_of("garment", 1)
    return {"kind": "outfits", "models": str(models[0].public_id), "garments": str(garments[0].public_id)}


@pytest.fixture
def own_template(editor: User) -> PromptTemplate:
    text = LONG + " ".join([UNHEARD] * 3)
    return save_template(
        PromptTemplate(key="long", kind="outfits", name="Long", text=text, text_zh=text), actor=editor
    )


def test_a_provider_that_takes_few_words_is_told_the_short_ones(
    order: dict[str, Any], painter: Configure, staff_api: APIClient, vocabulary: SimpleTokenizer
) -> None:
    painter()
    whole = staff_api.post(f"{API}plans/", order, format="json").json()["cells"][0]
    painter(prompt_tokens=CLIP)
    short = {
        language: staff_api.post(f"{API}plans/", {**order, "language": language}, format="json").json()
        for language in ("en", "zh")
    }
    assert "85 mm lens" in whole["prompt"]
    assert len(vocabulary.encode(whole["prompt"])) > CLIP
    said = {language: plan["cells"][0]["prompt"] for language, plan in short.items()}
    assert said["en"].startswith("Full-length studio fashion photograph of Model 1 wearing Garment 1,")
    assert said["zh"] == "model1号穿着garment1号，影棚写实全身照。"
    for language, plan in short.items():
        assert len(vocabulary.encode(said[language])) <= CLIP
        assert (plan["cells"][0]["left_out"], plan["excluded"]) == ("", [])
    assert get_provider("diffusers").capability.prompt_tokens == CLIP


def test_each_template_that_comes_along_has_short_words_that_fit(vocabulary: SimpleTokenizer) -> None:
    for template in BUILT_IN.values():
        for text in template.short.values():
            assert 0 < len(vocabulary.encode(text)) <= tokens_in(text) <= CLIP, template.key
        assert set(template.short) == {"en", "zh"}


def test_a_long_prompt_ends_at_a_sentence_and_what_is_left_out_is_kept(
    order: dict[str, Any],
    own_template: PromptTemplate,
    painter: Configure,
    staff_api: APIClient,
    client: Client,
    reviewer: User,
    vocabulary: SimpleTokenizer,
) -> None:
    engine = painter(prompt_tokens=CLIP)
    asked = {**order, "template": "long"}
    plan = staff_api.post(f"{API}plans/", asked, format="json").json()
    job = GenerationJob.objects.get(
        public_id=staff_api.post(f"{API}jobs/", asked, format="json").json()["id"]
    )
    run_job(job)
    item = job.items.get()
    told = engine.ledger[0].prompt
    assert told == item.prompt == plan["cells"][0]["prompt"]
    assert told.endswith("late afternoon. " + UNHEARD)
    assert len(vocabulary.encode(told)) <= CLIP
    assert item.parameters["prompt_left_out"] == f"{UNHEARD} {UNHEARD}" == plan["cells"][0]["left_out"]
    assert [left["description"] for left in plan["excluded"]] == ["Prompt"]
    assert "takes few words" in plan["excluded"][0]["reason"]
    client.force_login(reviewer)
    page = client.get(f"/admin/generation/studio/made/{item.public_id}/").content.decode()
    assert "Left out of the prompt" in page
    assert UNHEARD in page

    note = "She smiles at whoever takes the picture, and holds the collar of her coat with one hand."
    again = review.regenerate(item, actor=reviewer, note=note)
    assert again.prompt.startswith(f"{note} The picture shows ")
    assert again.prompt.endswith("late afternoon.")
    assert again.parameters["prompt_left_out"] == " ".join([UNHEARD] * 3)


def test_a_try_on_and_an_instruction_are_short_too(
    assets_of: Make, painter: Configure, staff_api: APIClient
) -> None:
    engine = painter(prompt_tokens=CLIP)
    [garment] = assets_of("garment", 1)
    me = SimpleUploadedFile("me.jpg", picture(colour="peru"), content_type="image/jpeg")
    photo = staff_api.post(f"{API}try-ons/", {"photo": me, "consent": "true"}, format="multipart").json()
    sent = {"garments": str(garment.public_id), "language": "en"}
    tried = staff_api.post(f"{API}try-ons/{photo['id']}/run/", sent, format="json").json()
    run_job(GenerationJob.objects.get(public_id=tried["id"]))
    edit = {"kind": "edit", "assets": str(garment.public_id), "negative": "glare"}
    plan = staff_api.post(
        f"{API}plans/", {**edit, "template": "background", "slots": {"background": "a forest"}}, format="json"
    ).json()
    assert "a person wearing Garment 1" in engine.ledger[0].prompt
    said = plan["cells"][0]["prompt"]
    assert said.startswith("Garment 1, in the background a forest,")
    assert said.endswith("The picture is free of: glare.")


@pytest.mark.parametrize(
    ("text", "most", "kept", "left_out"),
    [
        ("A red hat. A blue coat.", 20, "A red hat. A blue coat.", ""),
        ("A red hat. A blue coat.", 7, "A red hat.", "A blue coat."),
        ("A hat of 2.5 metres. A coat.", 8, "A hat of 2.5 metres.", "A coat."),
        ("a red hat, a blue coat and gloves", 5, "a red hat", "a blue coat and gloves"),
        ("a very large red hat", 3, "a very large", "red hat"),
        ("红帽子。蓝外套。", 12, "红帽子。", "蓝外套。"),
        ("红帽子", 6, "红帽", "子"),
        ("incomprehensibilities", 2, "", "incomprehensibilities"),
    ],
)
def test_a_text_is_cut_where_it_may_end(text: str, most: int, kept: str, left_out: str) -> None:
    assert fitted(text, most) == (kept, left_out)
