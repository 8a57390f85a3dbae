"""Providers: a new one is one file and one line of settings; those that are there say what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO, StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from PIL import Image

from dam.models import AssetOrigin, AssetState
from generation.forms import provider_choices
from generation.jobs import create_job
from generation.models import ItemState, JobState
from generation.planning import PlanError, plan_outfits
from generation.providers.base import Capability, Provider, ProviderRequest, ProviderResult
from generation.providers.registry import get_provider
from generation.running import run_job

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django.fixtures import SettingsWrapper

    from dam.models import Asset

SHIPPED = ("board", "gemini", "gemini-batch", "vertex-tryon", "openai-images", "diffusers")


class PaperProvider(Provider):
    """What the guide shows: a provider in full."""

    name = "paper"

    def __init__(self, *, colour: str) -> None:
        self._colour = colour

    @property
    def capability(self) -> Capability:
        return Capability(
            roles=frozenset(("model", "garment")),
            max_inputs=2,
            aspect_ratios=(),
            price_per_picture=Decimal("0.01"),
            currency="CNY",
            price_as_of="2026-11-26",
            price_source="https://paper.example/prices",
            seconds_per_picture=0.1,
            parallel_calls=1,
            makes_photographs=False,
        )

    def check(self) -> str | None:
        return None if self._colour else "The paper has no colour."

    def generate(self, request: ProviderRequest) -> ProviderResult:
        content = BytesIO()
        Image.new("RGB", (64, 96), self._colour).save(content, "PNG")
        price = self.capability.price_per_picture
        return ProviderResult(content.getvalue(), "image/png", "paper-1", price, "CNY")


@pytest.fixture
def paper(settings: SettingsWrapper) -> None:
    declared = {"CLASS": "tests.generation.test_registry.PaperProvider", "OPTIONS": {"colour": "#abcdef"}}
    settings.GENERATION_PROVIDERS = {**settings.GENERATION_PROVIDERS, "paper": declared}


def test_a_new_provider_runs_a_job_once_it_is_declared(
    paper: None, assets_of: Callable[..., list[Asset]], editor: User
) -> None:
    plan = plan_outfits(assets_of("model", 1), assets_of("garment", 1), provider="paper")
    assert (plan.cost, plan.currency) == (Decimal("0.01"), "CNY")
    job = create_job(plan, owner=editor, in_background=False)
    run_job(job)

    job.refresh_from_db()
    (item,) = job.items.all()
    assert (job.state, item.state, item.model) == (JobState.FINISHED, ItemState.SUCCEEDED, "paper-1")
    assert (item.cost, job.committed) == (Decimal("0.01"), Decimal("0.01"))
    made = item.output
    assert (made.origin, made.state) == (AssetOrigin.GENERATED, AssetState.IN_REVIEW)
    assert (made.current.width, made.current.height) == (64, 96)

    assert ("paper", "paper (0.01 CNY each)") in provider_choices()
    out = StringIO()
    call_command("doctor", "--json", stdout=out)
    sentences = {one["part"]: one["sentence"] for one in json.loads(out.getvalue())}
    assert sentences["provider paper"].startswith("ready; a picture costs 0.01 CNY (about 0.0015 USD)")


@pytest.mark.parametrize("name", SHIPPED)
def test_each_provider_that_is_there_says_what_it_is(name: str) -> None:
    provider = get_provider(name)
    capability = provider.capability
    assert provider.name == name
    assert capability.roles and capability.max_inputs >= 1 and capability.parallel_calls >= 1
    assert capability.seconds_per_picture > 0
    assert capability.makes_photographs == (name != "board")
    assert (capability.batch_size > 0) == (name == "gemini-batch")
    priced = name in ("gemini", "gemini-batch", "openai-images")
    assert bool(capability.price_per_picture) == priced
    if priced:
        assert capability.price_as_of and capability.price_source.startswith("https://")
        assert provider.price({}) == capability.price_per_picture
    assert (provider.check() is None) == (name == "board"), "the others have no key and no model here"


def test_what_has_no_price_is_not_called_free_and_not_planned(assets_of: Callable[..., list[Asset]]) -> None:
    assert ("vertex-tryon", "vertex-tryon (price not set)") in provider_choices()
    with pytest.raises(PlanError, match="“vertex-tryon” costs is not known"):
        plan_outfits(assets_of("model", 1), assets_of("garment", 1), provider="vertex-tryon")
