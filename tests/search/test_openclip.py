"""The `openclip:` encoder: real loading code on a real checkpoint file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from search.encoders.base import EncoderError
from search.encoders.openclip import OpenClipEncoder
from search.encoders.registry import get_encoder


def colour(name: str) -> Image.Image:
    return Image.new("RGB", (90, 70), name)


def test_vectors_are_those_of_the_library_itself(checkpoint: Path, settings: Any) -> None:
    settings.SEARCH_PRECISION = "f32"
    encoder = OpenClipEncoder(f"tiny-clip/{checkpoint}")
    model, _, preprocess = open_clip.create_model_and_transforms("tiny-clip", pretrained=str(checkpoint))
    model.eval()
    with torch.inference_mode():
        picture = model.encode_image(preprocess(colour("red"))[None], normalize=True).numpy()
        words = model.encode_text(open_clip.get_tokenizer("tiny-clip")(["a dress"]), normalize=True).numpy()
    assert np.allclose(encoder.encode_images([colour("red")]), picture, atol=1e-5)
    assert np.allclose(encoder.encode_texts(["a dress"]), words, atol=1e-5)


def test_a_batch_gives_what_single_calls_give(checkpoint: Path) -> None:
    encoder = OpenClipEncoder(f"tiny-clip/{checkpoint}")
    pictures = [colour(name) for name in ("red", "green", "blue")] * 14
    batch = encoder.encode_images(pictures)
    single = np.concatenate([encoder.encode_images([picture]) for picture in pictures[:3]])
    assert batch.shape == (42, 32)
    assert np.allclose(batch[:3], single, atol=1e-5)
    assert np.allclose(np.linalg.norm(batch, axis=1), 1, atol=1e-5)


def test_the_space_is_that_of_the_weights(checkpoint: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    torch.manual_seed(8)
    torch.save(open_clip.create_model("tiny-clip").state_dict(), other)
    one, two = OpenClipEncoder(f"tiny-clip/{checkpoint}").space, OpenClipEncoder(f"tiny-clip/{other}").space
    assert one.dimension == two.dimension == 32
    assert one.slug != two.slug


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("openclip:", "openclip:MODEL/PRETRAINED"),
        ("openclip:ViT-B-32", "openclip:MODEL/PRETRAINED"),
        ("nonsense", "Known families: dashscope, gemini, openai, openclip, starter, transformers"),
    ],
)
def test_a_name_that_cannot_be_is_refused_at_once(name: str, words: str) -> None:
    with pytest.raises(EncoderError, match=words):
        get_encoder(name)


def test_a_missing_checkpoint_and_an_unknown_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="There is no checkpoint file"):
        _ = OpenClipEncoder(f"ViT-B-32/{tmp_path}/gone.pt").space
    with pytest.raises(EncoderError, match="no model “Nothing-9”"):
        _ = OpenClipEncoder("Nothing-9/openai").space


def test_a_file_that_is_no_checkpoint_of_the_model_says_so(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pt"
    torch.save({"weight": torch.zeros(3)}, wrong)
    with pytest.raises(EncoderError, match="is not a checkpoint of ViT-B-32"):
        OpenClipEncoder(f"ViT-B-32/{wrong}").encode_texts(["x"])


def test_weights_that_failed_are_not_read_again_by_every_search(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(3)}, place)
    encoder = OpenClipEncoder(f"tiny-clip/{place}")
    with pytest.raises(EncoderError, match="is not a checkpoint"):
        encoder.encode_texts(["x"])
    shutil.copy(checkpoint, place)
    with pytest.raises(EncoderError, match="is not a checkpoint"):
        encoder.encode_texts(["x"])
    monkeypatch.setattr("search.encoders.base.AGAIN_SECONDS", 0.0)
    assert encoder.encode_texts(["x"]).shape == (1, 32)


def test_weights_that_cannot_be_downloaded_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match="SEARCH_ENCODER=openclip:RN50//path/to/checkpoint"):
        OpenClipEncoder("RN50/yfcc15m").encode_texts(["x"])
