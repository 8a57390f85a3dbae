"""The `transformers:` encoder: the library's real classes with small random weights, saved and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertTokenizerFast,
    ChineseCLIPConfig,
    ChineseCLIPImageProcessor,
    ChineseCLIPModel,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

from search.encoders.base import EncoderError
from search.encoders.registry import get_encoder
from search.encoders.transformers import TransformersEncoder

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"红色连衣裙的鞋", "a", "red", "dress", "shoe"]
SENTENCES = ["a red dress", "红色的连衣裙", "shoe"]


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    noise = np.random.default_rng(5)
    sizes = ((90, 70), (64, 64), (40, 120))
    return [Image.fromarray(noise.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes]


@pytest.fixture(scope="module")
def chinese_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chinese-clip")
    torch.manual_seed(3)
    config = ChineseCLIPConfig(
        text_config={**TOWER, "vocab_size": len(WORDS), "max_position_embeddings": 64},
        vision_config={**TOWER, "image_size": 32, "patch_size": 16},
        projection_dim=24,
    )
    ChineseCLIPModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    BertTokenizerFast(vocab={word: n for n, word in enumerate(WORDS)}).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    ChineseCLIPImageProcessor(size=size, crop_size=size).save_pretrained(folder)
    return folder


def _siglip_tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="$A [SEP]", special_tokens=[("[SEP]", 3)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_input_names=["input_ids"]
    ).save_pretrained(folder)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("siglip")
    torch.manual_seed(4)
    text = {**TOWER, "vocab_size": len(WORDS), "max_position_embeddings": 16, "projection_size": 32}
    vision = {**TOWER, "image_size": 32, "patch_size": 16}
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    _siglip_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def siglip2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("siglip2")
    torch.manual_seed(5)
    text = {**TOWER, "vocab_size": len(WORDS), "max_position_embeddings": 16, "projection_size": 32}
    vision = {**TOWER, "num_patches": 16, "patch_size": 16}
    Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)).save_pretrained(folder)
    Siglip2ImageProcessor(patch_size=16, max_num_patches=16).save_pretrained(folder)
    _siglip_tokenizer(folder)
    return folder


def _unit(output: Any) -> np.ndarray:
    values = output.pooler_output.detach().numpy()
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_chinese_clip_gives_the_librarys_own_vectors(
    chinese_clip: Path, pictures: list[Image.Image], settings: Any, runtime: str
) -> None:
    settings.SEARCH_RUNTIME, settings.SEARCH_PRECISION = runtime, "f32"
    encoder = get_encoder.__wrapped__(f"transformers:{chinese_clip}")
    model = ChineseCLIPModel.from_pretrained(chinese_clip).eval()
    pixels = ChineseCLIPImageProcessor.from_pretrained(chinese_clip)(images=pictures, return_tensors="pt")
    words = BertTokenizerFast.from_pretrained(chinese_clip)(SENTENCES, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected_pictures = _unit(model.get_image_features(**pixels))
        expected_words = _unit(model.get_text_features(**words))
    assert encoder.space.dimension == 24
    assert np.allclose(encoder.encode_images(pictures), expected_pictures, atol=2e-5)
    assert np.allclose(encoder.encode_texts(SENTENCES), expected_words, atol=2e-5)
    assert encoder.runtime().problem == ""


def test_siglip_pads_its_sentences_as_it_was_trained(
    siglip: Path, pictures: list[Image.Image], settings: Any
) -> None:
    settings.SEARCH_PRECISION = "f32"
    encoder = TransformersEncoder(str(siglip))
    model = SiglipModel.from_pretrained(siglip).eval()
    pixels = SiglipImageProcessor.from_pretrained(siglip)(images=pictures, return_tensors="pt")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(siglip)
    words = tokenizer(SENTENCES, padding="max_length", max_length=16, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        assert np.allclose(
            encoder.encode_images(pictures), _unit(model.get_image_features(**pixels)), atol=2e-5
        )
        assert np.allclose(
            encoder.encode_texts(SENTENCES), _unit(model.get_text_features(input_ids=words)), atol=2e-5
        )
    assert np.allclose(encoder.encode_texts(SENTENCES)[:1], encoder.encode_texts(SENTENCES[:1]), atol=1e-5)


def test_siglip_2_takes_pictures_of_any_shape(
    siglip2: Path, pictures: list[Image.Image], settings: Any
) -> None:
    settings.SEARCH_PRECISION = "f32"
    encoder = TransformersEncoder(str(siglip2))
    model = Siglip2Model.from_pretrained(siglip2).eval()
    pixels = Siglip2ImageProcessor.from_pretrained(siglip2)(images=pictures, return_tensors="pt")
    with torch.inference_mode():
        expected = _unit(model.get_image_features(**pixels))
    assert np.allclose(encoder.encode_images(pictures), expected, atol=2e-5)


def test_the_space_is_that_of_the_weights_whoever_runs_them(chinese_clip: Path, settings: Any) -> None:
    slugs = {}
    for runtime, precision in (
        ("torch", "auto"),
        ("openvino", "bf16"),
        ("openvino", "f32"),
        ("auto", "int8"),
    ):
        settings.SEARCH_RUNTIME, settings.SEARCH_PRECISION = runtime, precision
        slugs[precision] = TransformersEncoder(str(chinese_clip)).space.slug
    assert slugs["auto"] == slugs["bf16"] == slugs["f32"] != slugs["int8"]


def test_what_is_missing_is_named(
    tmp_path: Path, chinese_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EncoderError, match="needs a model"):
        get_encoder("transformers:")
    with pytest.raises(EncoderError, match="There is no folder"):
        _ = TransformersEncoder(str(tmp_path / "gone")).space
    with pytest.raises(EncoderError, match="does not hold a whole model"):
        _ = TransformersEncoder(str(tmp_path)).space
    (tmp_path / "config.json").write_bytes((chinese_clip / "config.json").read_bytes())
    with pytest.raises(EncoderError, match="holds no weights"):
        _ = TransformersEncoder(str(tmp_path)).space
    (tmp_path / "model.safetensors").write_bytes((chinese_clip / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(EncoderError, match="Save all three there"):
        TransformersEncoder(str(tmp_path)).encode_texts(["x"])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match="set SEARCH_ENCODER=transformers:/path/to/folder"):
        _ = TransformersEncoder("nobody/nothing").space


def test_code_from_a_hub_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"model_type": "fg-clip", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}'
    )
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(EncoderError, match=r"trust_remote_code|does not recognize"):
        _ = TransformersEncoder(str(tmp_path)).space
