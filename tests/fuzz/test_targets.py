"""The fuzz targets on a fixed few inputs: they work, and what fuzzing once broke stays mended."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.targets import TARGETS
from tests.hostile_files import fuzzed

BROKE: dict[str, tuple[bytes, ...]] = {}


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_takes_or_refuses_whatever_comes(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds:
        target.feed(seed)
        for number in range(60):
            target.feed(fuzzed(seed, number) if seed else random.Random(number).randbytes(200))
    for content in BROKE.get(name, ()):
        target.feed(content)
