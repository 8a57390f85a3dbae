"""Local encoders on a CUDA GPU: the vectors, what does not fit, memory, and processes that were forked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from search.encoders.base import EncoderError
from search.encoders.local import TorchRun
from search.encoders.openclip import OpenClipEncoder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine")

PICTURES = [Image.effect_noise((90, 70), sigma).convert("RGB") for sigma in (10, 40, 80, 120)]
SENTENCES = ["a dress", "鞋", "a person wearing a long coat"]


@pytest.fixture
def encoder(checkpoint: Path) -> OpenClipEncoder:
    return OpenClipEncoder(f"tiny-clip/{checkpoint}")


@pytest.fixture
def little_memory() -> Iterator[None]:
    """This process may have 0.2 % of the GPU's memory."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.002)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize(("precision", "least"), [("auto", 0.999), ("f32", 0.99999)])
def test_the_vectors_are_those_of_the_cpu(
    encoder: OpenClipEncoder, settings: Any, precision: str, least: float
) -> None:
    settings.SEARCH_PRECISION = precision
    runtime = encoder.runtime()
    assert (runtime.engine, runtime.precision) == (
        "torch", "bf16 (CUDA)" if precision == "auto" else "f32 (CUDA)",
    )  # fmt: skip
    towers = encoder._load_towers()
    frontend = encoder._load_frontend(towers.recipe)
    pixels = np.stack([frontend.pixels(picture)[0] for picture in PICTURES])
    for found, expected in (
        (encoder.encode_images(PICTURES * 70)[-4:], TorchRun(towers.picture)([(pixels,)])),
        (encoder.encode_texts(SENTENCES), TorchRun(towers.text)([frontend.tokens(SENTENCES)])),
    ):
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        assert (found * expected).sum(axis=1).min() >= least


def test_a_batch_that_does_not_fit_is_halved(encoder: OpenClipEncoder, little_memory: None) -> None:
    expected = encoder.encode_images(PICTURES)
    prepared = [encoder.prepare(picture) for picture in PICTURES] * 4096
    run = encoder._run("picture")
    run.batch = len(prepared)
    found = encoder.encode_prepared(prepared)
    assert run.batch < len(prepared)
    assert (found[-4:] * expected).sum(axis=1).min() >= 0.9999


def test_weights_that_do_not_fit_say_what_to_do(little_memory: None) -> None:
    with pytest.raises(EncoderError, match="too little memory for this encoder"):
        TorchRun(torch.nn.Linear(20_000, 20_000), "f32")


def test_memory_does_not_grow(encoder: OpenClipEncoder) -> None:
    prepared = [encoder.prepare(picture) for picture in PICTURES] * 100
    held = set()
    for _ in range(10):
        encoder.encode_prepared(prepared)
        held.add(torch.cuda.memory_reserved())
    assert len(held) == 1


def test_who_encodes_sentences_has_no_picture_tower_there(encoder: OpenClipEncoder) -> None:
    encoder.encode_texts(SENTENCES)
    assert encoder._towers is not None
    devices = {
        tower: {parameter.device.type for parameter in half.parameters()}
        for tower, half in (
            ("picture", encoder._towers.picture.model.visual),
            ("text", encoder._towers.text.model.transformer),
        )
    }
    assert devices == {"picture": {"cpu"}, "text": {"cuda"}}


FORKED = """
import os, sys, django, open_clip, torch
django.setup()
from search.encoders.base import EncoderError
from search.encoders.openclip import OpenClipEncoder
open_clip.add_model_config(sys.argv[1])
torch.zeros(1, device="cuda")
if os.fork() == 0:
    try:
        OpenClipEncoder(sys.argv[2]).encode_texts(["a dress"])
    except EncoderError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_forked_process_says_how_to_start_it(checkpoint: Path) -> None:
    command = [
        sys.executable, "-c", FORKED, checkpoint.with_name("tiny-clip.json"), f"tiny-clip/{checkpoint}"
    ]  # fmt: skip
    said = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "(a worker with --pool threads)" in said.stdout, said.stderr
