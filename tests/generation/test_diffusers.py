"""The `diffusers` provider: the real library with a tiny model of random weights that the test makes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from generation.providers.base import Blocked, ProviderRequest, Refused
from generation.providers.diffusers import DiffusersProvider
from tests.generation.inputs import given, mask


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """So small a model is slower on several cores, above all beside another process."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tests.generation import tiny_diffusion

    return tiny_diffusion.save_model(tmp_path_factory.mktemp("diffusion"))


@pytest.fixture(scope="module")
def adapter(model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    from tests.generation import tiny_diffusion

    return tiny_diffusion.save_adapter(tmp_path_factory.mktemp("adapter"), model)


def provider(model: str, **changes: Any) -> DiffusersProvider:
    options = {
        "model": model,
        "adapter": "",
        "device": "cpu",
        "dtype": "auto",
        "seconds_per_picture": 1.0,
        "edge": 64,
        "steps": 2,
        "strength": 1.0,
    }
    return DiffusersProvider(**{**options, **changes})


def request(*styles: str, masked: Any = None, **parameters: Any) -> ProviderRequest:
    inputs = [given("model", "#ff0000", "Anna"), *(given("garment", colour) for colour in styles)]
    return ProviderRequest("a blue dress", inputs, parameters, "cell-1", masked)


def pixels(image: bytes) -> np.ndarray:
    with Image.open(BytesIO(image)) as made:
        return np.asarray(made.convert("RGB"), dtype=np.int16)


def test_a_picture_is_worked_on_and_the_same_cell_gives_the_same_picture(model: str) -> None:
    local = provider(model)
    assert local.check() is None
    first, again = local.generate(request()), local.generate(request())
    assert (first.mime, first.model, first.cost) == ("image/png", "model", 0)
    assert pixels(first.image).shape == (48, 64, 3)
    assert first.image == again.image
    assert first.details["seed"] == again.details["seed"]
    other = local.generate(request(seed=7))
    assert other.details["seed"] == 7
    assert other.image != first.image
    assert local.generate(request(seed=7, negative="a red dress")).image != other.image


def test_the_less_strength_the_nearer_to_the_first_picture(model: str) -> None:
    local = provider(model, steps=8)
    near, far = (local.generate(request(seed=7, strength=strength)) for strength in (0.125, 1.0))
    assert (near.details["strength"], far.details["strength"]) == (0.125, 1.0)
    assert near.image != far.image
    for strength in (0, 2, "much"):
        with pytest.raises(Refused, match="strength"):
            local.generate(request(strength=strength))


def test_only_what_the_mask_leaves_open_changes(model: str) -> None:
    local = provider(model)
    one, two = (local.generate(request(masked=mask(), seed=seed)) for seed in (1, 2))
    assert one.details["masked"] is True
    change = np.abs(pixels(one.image) - pixels(two.image)).sum(axis=2)
    assert change.shape == (48, 64)
    assert change[:, :24].mean() > 3 * change[:, 40:].mean(), "the left half is open"
    with pytest.raises(Refused, match="nothing could change"):
        local.generate(request(masked=mask(transparent=False)))


def test_other_pictures_count_through_an_adapter_and_only_through_one(model: str, adapter: str) -> None:
    plain, styled = provider(model), provider(model, adapter=adapter)
    assert (plain.capability.max_inputs, styled.capability.max_inputs) == (1, 5)
    with pytest.raises(Refused, match="at most"):
        plain.generate(request("#00ff00"))
    alone = styled.generate(request(seed=7)).image
    green, blue = (styled.generate(request(colour, seed=7)).image for colour in ("#00ff00", "#0000ff"))
    both = styled.generate(request("#00ff00", "#0000ff", seed=7)).image
    masked = styled.generate(request("#00ff00", seed=7, masked=mask())).image
    assert len({alone, green, blue, both, masked}) == 5, "each picture is heard"


def test_what_the_model_s_own_checker_takes_for_unsafe_is_blocked(tmp_path: Path) -> None:
    from tests.generation import tiny_diffusion

    with pytest.raises(Blocked, match="checker"):
        provider(tiny_diffusion.save_model(tmp_path, strict=True)).generate(request())


def test_it_computes_in_bfloat16_where_it_is_told_to(model: str) -> None:
    half, full = provider(model, dtype="bfloat16"), provider(model)
    difference = np.abs(pixels(half.generate(request()).image) - pixels(full.generate(request()).image))
    assert 0 < difference.mean() < 16


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"model": ""}, "Set DIFFUSERS_MODEL"),
        ({"model": "/no/such/model"}, "no file or folder “/no/such/model”"),
        ({"adapter": "/no/such/adapter.safetensors"}, "no file or folder “/no/such/adapter"),
        ({"dtype": "int3"}, "DIFFUSERS_DTYPE is one of"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_loaded(
    model: str, wrong: dict[str, str], says: str
) -> None:
    misconfigured = provider(**{"model": model, **wrong})
    assert says in (misconfigured.check() or "")
    with pytest.raises(Refused, match=says.partition("“")[0].strip()):
        misconfigured.generate(request())


def test_without_its_package_it_says_how_to_get_it(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install" in (provider(model).check() or "")


def test_a_folder_that_holds_no_model_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"cannot be loaded: .*model_index\.json"):
        provider(str(tmp_path)).generate(request())
