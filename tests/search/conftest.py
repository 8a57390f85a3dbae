"""A small CLIP with random weights, saved and loaded as a real checkpoint is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.encoders import DIRECTORY

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

    from tests.search.vendor_server import VendorServer

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a tiny CLIP, written by torch.save."""
    import open_clip
    import torch

    folder = tmp_path_factory.mktemp("openclip")
    (folder / "tiny-clip.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(folder / "tiny-clip.json")
    torch.manual_seed(7)
    torch.save(open_clip.create_model("tiny-clip").state_dict(), folder / "tiny.pt")
    return folder / "tiny.pt"


@pytest.fixture
def tiny_clip(checkpoint: Path, settings: SettingsWrapper) -> Iterator[str]:
    """The configured encoder is the tiny CLIP: quick, deterministic, and it knows nothing."""
    settings.SEARCH_ENCODER = f"openclip:tiny-clip/{checkpoint}"
    yield settings.SEARCH_ENCODER


@pytest.fixture
def words_at_once(settings: SettingsWrapper) -> None:
    """What was counted a moment ago is known to the next search."""
    settings.SEARCH_VOCABULARY_SECONDS = 0


@pytest.fixture
def colours(settings: SettingsWrapper) -> str:
    """The configured encoder knows colours in eight dimensions; “colours:N” has N."""
    settings.SEARCH_ENCODERS = {**settings.SEARCH_ENCODERS, **DIRECTORY}
    settings.SEARCH_ENCODER = "colours:8"
    settings.SEARCH_BATCH_SIZE = 4
    return settings.SEARCH_ENCODER


@pytest.fixture
def vendors(settings: SettingsWrapper) -> Iterator[VendorServer]:
    """One server on loopback in place of all vendors."""
    from tests.search.vendor_server import KEY, VendorServer

    with VendorServer() as running:
        settings.OPENAI_API_KEY = settings.DASHSCOPE_API_KEY = settings.GEMINI_API_KEY = KEY
        settings.OPENAI_BASE_URL = f"{running.url}/v1"
        settings.DASHSCOPE_BASE_URL = f"{running.url}/dashscope/api/v1"
        settings.GEMINI_BASE_URL = running.url
        settings.SEARCH_VENDOR_TIMEOUT_SECONDS = settings.SEARCH_VENDOR_QUERY_SECONDS = 5
        yield running
