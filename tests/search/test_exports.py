"""OpenVINO exports: made once, compared with torch, kept; and what runs where one cannot be used."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest
import torch
from django.core.management import CommandError, call_command
from PIL import Image

from search.encoders.base import EncoderError, SpaceSpec
from search.encoders.local import Frontend, LocalEncoder, Recipe, Towers
from search.encoders.openclip import OpenClipEncoder

PICTURES = [Image.new("RGB", (90, 70), name) for name in ("red", "green", "blue", "white")]


class Fickle(torch.nn.Module):
    """Takes another way for two sentences than for others: a trace keeps only the way of its example."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        values = tokens.float()
        return values if tokens.shape[0] == 2 else values.flip(1)


class FickleEncoder(LocalEncoder):
    """An encoder whose text tower cannot be traced faithfully."""

    space = SpaceSpec("fickle", "none", 3)  # type: ignore[assignment]

    def _load_towers(self) -> Towers:
        return Towers(torch.nn.Flatten(), Fickle(), recipe={})

    def _load_frontend(self, recipe: Recipe) -> Frontend:
        def tokens(texts: Sequence[str]) -> tuple[np.ndarray]:
            return (np.array([[len(text), 1, 5] for text in texts], dtype=np.int64),)

        return Frontend(1, lambda image: (np.asarray(image.resize((1, 1)), np.float32)[0] + 1,), tokens)


@pytest.fixture
def place(tmp_path: Path, settings: Any) -> Path:
    """Exports of this test alone."""
    settings.SEARCH_EXPORTS = tmp_path / "exports"
    return tmp_path / "exports"


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(axis=1)


@pytest.mark.parametrize(("precision", "least"), [("f32", 0.99999), ("bf16", 0.999), ("int8", 0.97)])
def test_an_export_gives_torchs_vectors(
    checkpoint: Path, place: Path, settings: Any, precision: str, least: float
) -> None:
    settings.SEARCH_RUNTIME = "torch"
    torch_encoder = OpenClipEncoder(f"tiny-clip/{checkpoint}")
    pictures, words = torch_encoder.encode_images(PICTURES), torch_encoder.encode_texts(["a dress", "鞋"])
    settings.SEARCH_RUNTIME, settings.SEARCH_PRECISION = "openvino", precision
    encoder = OpenClipEncoder(f"tiny-clip/{checkpoint}")
    assert encoder.runtime().exported is False
    assert cosines(encoder.encode_images(PICTURES), pictures).min() >= least
    assert cosines(encoder.encode_texts(["a dress", "鞋"]), words).min() >= least
    runtime = encoder.runtime()
    assert (runtime.engine.split()[0], runtime.precision, runtime.problem) == ("OpenVINO", precision, "")
    assert least <= runtime.cosine <= 1.00001
    assert [path.suffix for path in place.iterdir() if path.is_dir()] == [""]


def test_a_second_process_uses_the_export_and_loads_no_weights(
    checkpoint: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = OpenClipEncoder(f"tiny-clip/{checkpoint}").encode_images(PICTURES)
    monkeypatch.setattr(OpenClipEncoder, "_load_towers", lambda self: pytest.fail("weights were loaded"))
    assert np.array_equal(OpenClipEncoder(f"tiny-clip/{checkpoint}").encode_images(PICTURES), first)


ONE_PROCESS = """
import sys, django, open_clip
django.setup()
from search.encoders.openclip import OpenClipEncoder
open_clip.add_model_config(sys.argv[1])
print(OpenClipEncoder(sys.argv[2]).encode_texts(["a dress"]).shape)
"""


def test_processes_that_start_together_export_once(checkpoint: Path, place: Path) -> None:
    command = [
        sys.executable, "-c", ONE_PROCESS, checkpoint.with_name("tiny-clip.json"), f"tiny-clip/{checkpoint}"
    ]  # fmt: skip
    both = [
        subprocess.Popen(
            command, env={**os.environ, "SEARCH_EXPORTS": str(place)}, stdout=PIPE, stderr=PIPE, text=True
        )
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=240) for process in both]
    assert [answer[0] for answer in answers] == ["(1, 32)\n"] * 2
    assert "".join(answer[1] for answer in answers).count("Exporting openclip:tiny-clip") == 1


def test_an_export_that_is_cut_off_is_made_anew(
    checkpoint: Path, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = OpenClipEncoder(f"tiny-clip/{checkpoint}").encode_texts(["a dress"])
    (weights,) = place.glob("*/text.bin")
    weights.write_bytes(weights.read_bytes()[:1000])
    caplog.set_level(logging.WARNING)
    assert np.allclose(OpenClipEncoder(f"tiny-clip/{checkpoint}").encode_texts(["a dress"]), expected)
    assert "is broken (a file is cut off) and is made anew" in caplog.text


def test_an_export_that_cannot_be_read_says_which_folder_to_delete(checkpoint: Path, place: Path) -> None:
    OpenClipEncoder(f"tiny-clip/{checkpoint}").encode_texts(["a dress"])
    (graph,) = place.glob("*/text.xml")
    graph.write_bytes(b"x" * graph.stat().st_size)
    with pytest.raises(EncoderError, match=f"Delete the folder {graph.parent}"):
        OpenClipEncoder(f"tiny-clip/{checkpoint}").encode_texts(["a dress"])


def test_an_export_that_differs_is_not_used_and_the_doctor_hears_why(place: Path, settings: Any) -> None:
    settings.SEARCH_PRECISION = "f32"
    encoder = FickleEncoder()
    texts = ["x" * length for length in (1, 4, 9, 30)]
    found = np.concatenate([encoder.encode_texts([text]) for text in texts])
    settings.SEARCH_RUNTIME = "torch"
    plain = FickleEncoder()
    assert np.array_equal(found, np.concatenate([plain.encode_texts([text]) for text in texts]))
    settings.SEARCH_RUNTIME = "auto"
    runtime = encoder.runtime()
    assert (runtime.engine, runtime.precision) == ("torch", "f32")
    assert "differs from torch: cosine" in runtime.problem


def test_eight_bits_that_lose_too_much_are_refused(place: Path, settings: Any) -> None:
    settings.SEARCH_PRECISION = "int8"
    with pytest.raises(EncoderError, match=r"0.97 is needed. Set SEARCH_PRECISION=auto"):
        FickleEncoder().encode_images(PICTURES)


def test_a_folder_that_cannot_be_written_says_so(checkpoint: Path, tmp_path: Path, settings: Any) -> None:
    (tmp_path / "file").write_text("")
    settings.SEARCH_EXPORTS = tmp_path / "file" / "exports"
    with pytest.raises(EncoderError, match="or set SEARCH_RUNTIME=torch"):
        OpenClipEncoder(f"tiny-clip/{checkpoint}").encode_texts(["x"])


@pytest.mark.parametrize(
    ("runtime", "precision", "words"),
    [
        ("onnx", "auto", "it may be auto, openvino, torch"),
        ("auto", "fp4", "it may be auto, f32, bf16, int8"),
        ("torch", "int8", "int8 needs OpenVINO"),
    ],
)
def test_settings_that_cannot_be_are_named(
    checkpoint: Path, settings: Any, runtime: str, precision: str, words: str
) -> None:
    settings.SEARCH_RUNTIME, settings.SEARCH_PRECISION = runtime, precision
    with pytest.raises(EncoderError, match=words):
        OpenClipEncoder(f"tiny-clip/{checkpoint}").encode_texts(["x"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine")
def test_a_gpu_gives_the_same_vectors_in_bfloat16(checkpoint: Path, place: Path, settings: Any) -> None:
    gpu = OpenClipEncoder(f"tiny-clip/{checkpoint}")
    assert gpu.runtime().precision == "bf16 (CUDA)"
    on_gpu = gpu.encode_images(PICTURES * 20)
    settings.SEARCH_RUNTIME, settings.SEARCH_PRECISION = "openvino", "f32"
    on_cpu = OpenClipEncoder(f"tiny-clip/{checkpoint}").encode_images(PICTURES * 20)
    assert cosines(on_gpu, on_cpu).min() >= 0.999


@pytest.mark.once
@pytest.mark.django_db
def test_the_doctor_says_what_runs_the_encoder(tiny_clip: str, place: Path, settings: Any) -> None:
    def said() -> dict[str, str]:
        out = StringIO()
        with contextlib.suppress(CommandError):
            call_command("doctor", "--json", stdout=out)
        return next(row for row in json.loads(out.getvalue()) if row["part"] == "encoder runtime")

    settings.SEARCH_PRECISION = "f32"
    assert said()["sentence"].endswith("f32, exported at its first use")
    OpenClipEncoder(tiny_clip.partition(":")[2]).encode_texts(["a dress"])
    finding = said()
    assert (finding["level"], "cosine to torch 1.0000" in finding["sentence"]) == ("ok", True)
    (record,) = place.glob("*/export.json")
    kept = json.loads(record.read_text())
    record.write_text(json.dumps({**kept, "cosine": {"picture": 0.5, "text": 1.0}}))
    finding = said()
    assert finding["level"] == "warning"
    assert finding["sentence"].startswith("Runs in torch, f32. The OpenVINO export")
