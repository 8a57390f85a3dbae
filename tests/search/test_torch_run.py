"""A tower in torch: batches that do not fit, a GPU that fails, and what each tower holds. Needs no GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.utils import timezone

from search.encoders.base import EncoderError, SpaceSpec
from search.encoders.local import Frontend, LocalEncoder, Recipe, TorchRun, Towers
from search.encoders.openclip import OpenClipEncoder
from search.encoders.registry import get_encoder
from search.models import IndexEntry, IndexState
from search.outbox import DrainReport
from tests.factories import AssetFactory


class Narrow(torch.nn.Module):
    """Has room for so many rows; more are what the GPU says it has no memory for."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.seen: list[int] = []

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(rows))
        if len(rows) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore words.")
        return rows * 2


class Lost(torch.nn.Module):
    """A GPU that is gone, until somebody brings it back."""

    words = "CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later."

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if self.words:
            raise RuntimeError(self.words)
        return rows


class FailingEncoder(LocalEncoder):
    """Its picture tower is a `Lost`."""

    space = SpaceSpec("failing", "none", 3)  # type: ignore[assignment]
    tower = Lost()

    def _load_towers(self) -> Towers:
        return Towers(self.tower, self.tower, recipe={})

    def _load_frontend(self, recipe: Recipe) -> Frontend:
        def tokens(texts: Sequence[str]) -> tuple[np.ndarray]:
            raise NotImplementedError

        return Frontend(1, lambda image: (np.asarray(image.resize((1, 1)), np.float32)[0, 0] + 1,), tokens)


@pytest.fixture
def failing(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lost]:
    settings.SEARCH_ENCODERS = {**settings.SEARCH_ENCODERS, "failing": f"{__name__}.FailingEncoder"}
    settings.SEARCH_ENCODER, settings.SEARCH_RUNTIME = "failing", "torch"
    get_encoder.cache_clear()
    lost = Lost()
    monkeypatch.setattr(FailingEncoder, "tower", lost)
    yield lost
    get_encoder.cache_clear()


def test_a_batch_that_does_not_fit_is_halved_until_it_does() -> None:
    module = Narrow(room=10)
    run = TorchRun(module)
    rows = np.arange(90, dtype=np.float32).reshape(45, 2)
    assert np.array_equal(run([(rows[:32],), (rows[32:],)]), rows * 2)
    assert run.batch <= 10
    before = len(module.seen)
    run([(rows[: run.batch],)])
    assert module.seen[before:] == [run.batch]


def test_no_room_for_one_row_says_what_to_do() -> None:
    with pytest.raises(EncoderError, match=r"too little memory .*2\.00 GiB\.\).*nvidia-smi"):
        TorchRun(Narrow(room=0))([(np.ones((4, 2), np.float32),)])


def test_a_gpu_that_does_not_work_says_what_to_do_and_other_errors_are_themselves() -> None:
    lost = Lost()
    with pytest.raises(EncoderError, match=r"unspecified launch failure.*start this process anew"):
        TorchRun(lost)([(np.ones((1, 2), np.float32),)])
    lost.words = "shapes cannot be multiplied"
    with pytest.raises(RuntimeError, match="shapes cannot"):
        TorchRun(lost)([(np.ones((1, 2), np.float32),)])


@pytest.mark.django_db
def test_entries_wait_while_the_gpu_is_lost(failing: Lost, index_now: Callable[[], DrainReport]) -> None:
    for _ in range(3):
        AssetFactory()
    report = index_now()
    assert (report.indexed, report.failed, report.away) == (0, 0, True)
    assert report.postponed.startswith("The GPU does not work (CUDA error: unspecified launch failure)")
    assert set(IndexEntry.objects.values_list("state", "attempts")) == {(IndexState.PENDING, 0)}
    failing.words = ""
    IndexEntry.objects.update(not_before=timezone.now())
    assert index_now().indexed == 3


def test_each_tower_has_its_own_weights_alone(checkpoint: Path) -> None:
    towers = OpenClipEncoder(f"tiny-clip/{checkpoint}")._load_towers()
    picture, text = (
        {name for name in tower.state_dict() if "." in name.removeprefix("model.")}
        for tower in (towers.picture, towers.text)
    )
    assert {name.split(".")[1] for name in picture} == {"visual"}
    assert text
    assert not any("visual" in name for name in text)
