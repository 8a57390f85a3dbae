"""The starter encoder keeps its promises: one space for pictures and words of two languages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search.encoders.base import EncoderError
from search.encoders.starter import StarterEncoder, corpus, drawing, evaluate, heads, judged_with
from search.encoders.starter.metrics import classify, recall_at

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def encoder() -> Iterator[StarterEncoder]:
    yield StarterEncoder()


@pytest.fixture(scope="module")
def sample() -> list[corpus.Drawing]:
    """A hundred trained drawings and the demo's own words, spread over the library."""
    trained = [item for item in corpus.drawings() if item.split == "train" and not item.is_flag]
    chosen = {item.code: item for item in trained[:: len(trained) // 100]}
    wanted = {"crown", "watch", "bow and arrow", "bicycle", "giraffe"}
    return list((chosen | {item.code: item for item in trained if item.en in wanted}).values())


@pytest.fixture(scope="module")
def pictures(sample: list[corpus.Drawing]) -> list[Image.Image]:
    return [drawing.on_white(drawing.render(item)) for item in sample]


@pytest.fixture(scope="module")
def vectors(encoder: StarterEncoder, pictures: list[Image.Image]) -> np.ndarray:
    return encoder.encode_images(pictures)


def test_vectors_are_unit_float32_of_the_declared_dimension(encoder, vectors):
    texts = encoder.encode_texts(["a golden crown", "金色手表", "", "zero\0byte", "长" * 3000])
    for found in (vectors, texts):
        assert found.dtype == np.float32
        assert found.shape[1] == encoder.space.dimension
        assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-4)


def test_nothing_in_nothing_out(encoder):
    assert encoder.encode_images([]).shape == (0, encoder.space.dimension)
    assert encoder.encode_texts([]).shape == (0, encoder.space.dimension)


def test_a_batch_says_the_same_as_one_at_a_time(encoder, pictures, vectors):
    alone = np.concatenate([encoder.encode_images([picture]) for picture in pictures[:20]])
    assert (alone * vectors[:20]).sum(axis=1).min() > 0.999
    texts = ["a red dress", "一双鞋", "giraffe", "戴着火焰皇冠的精灵弓箭手", "a very long sentence " * 40]
    alone = np.concatenate([encoder.encode_texts([text]) for text in texts])
    assert (alone * encoder.encode_texts(texts)).sum(axis=1).min() > 0.999


def test_the_same_input_gives_the_same_vectors_in_another_encoder(encoder, pictures, vectors):
    other = StarterEncoder()
    assert np.array_equal(other.encode_images(pictures[:16]), vectors[:16])
    assert np.array_equal(other.encode_texts(["crown", "皇冠"]), encoder.encode_texts(["crown", "皇冠"]))
    assert other.space == encoder.space


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3000, 40)])
def test_pictures_of_odd_shapes_are_encoded(encoder, size):
    assert np.isfinite(encoder.encode_images([Image.new("RGB", size, (200, 30, 30))])).all()


def test_transparency_is_seen_as_white(encoder, sample):
    clear = drawing.render(sample[0])
    pair = encoder.encode_images([clear, drawing.on_white(clear)])
    assert pair[0] @ pair[1] > 0.999


@pytest.mark.parametrize("language", ["en", "zh"])
def test_trained_drawings_are_found_by_name(encoder, sample, vectors, language):
    names = encoder.encode_texts([getattr(item, language) for item in sample])
    assert recall_at(names, vectors, range(len(sample))).mean() >= 0.9


@pytest.mark.parametrize("language", ["en", "zh"])
def test_drawings_never_trained_on_are_found_far_above_chance(encoder, language):
    kept = [item for item in corpus.drawings() if item.split == "test" and not item.is_flag][::3]
    seen = encoder.encode_images([drawing.on_white(drawing.render(item)) for item in kept])
    recall = recall_at(
        encoder.encode_texts([getattr(item, language) for item in kept]), seen, range(len(kept))
    )
    assert recall.mean() > 5 * (5 / len(kept))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("golden crown", "crown"),
        ("金色的皇冠", "crown"),
        ("bicycle", "bicycle"),
        ("长颈鹿", "giraffe"),
        ("弓箭", "bow and arrow"),
    ],
)
def test_everyday_queries(encoder, sample, vectors, query, name):
    order = np.argsort(-(vectors @ encoder.encode_texts([query])[0]))
    assert name in [sample[index].en for index in order[:5]]


@pytest.mark.parametrize(
    ("query", "dye"), [("red crown", "red"), ("蓝色的皇冠", "blue"), ("a green crown", "green")]
)
def test_words_of_colour_choose_between_colours(encoder, query, dye):
    crown = next(item for item in corpus.drawings() if item.en == "crown")
    dyes = ["red", "blue", "green", "gold"]
    seen = encoder.encode_images(
        [drawing.on_white(drawing.render(crown, drawing.Style(recolour=drawing.dye(name)))) for name in dyes]
    )
    assert dyes[int((seen @ encoder.encode_texts([query])[0]).argmax())] == dye


def test_clothing_photos_never_trained_on_are_classified(encoder):
    photos = [photo for photo in corpus.photos() if photo.split == "test"][::3]
    if not photos:
        pytest.skip(f"the clothing photos are not at {corpus.CLOTHING}")
    seen = encoder.encode_images([Image.open(photo.path) for photo in photos])
    for language, accuracy in (("en", 0.70), ("zh", 0.65)):
        asked = [(label, words[language][0]) for label, words in judged_with.DATA_SET.items()]
        figures = classify(
            encoder.encode_texts([text for _, text in asked]),
            [label for label, _ in asked],
            seen,
            [photo.label for photo in photos],
        )
        assert figures["accuracy"] >= accuracy, (language, figures)


def test_the_split_depends_on_names_alone():
    splits = {
        split: {item.code for item in corpus.drawings() if item.split == split}
        for split in ("train", "style", "validation", "test")
    }
    assert len(splits["style"] | splits["test"]) >= 300
    assert sum(len(codes) for codes in splits.values()) == len(corpus.drawings())
    assert (
        corpus.Photo(Path("/a/dress-009b3c31-fb6.jpg"), "x").split
        == corpus.Photo(Path("/b/c/dress-009b3c31-fb6.jpg"), "y").split
    )


def test_captions_that_evaluation_uses_stop_a_training():
    with pytest.raises(ValueError, match="kept for evaluation"):
        evaluate.assert_unseen(["a nice chair", "Footwear"])


def test_a_damaged_heads_file_is_told_in_a_sentence(tmp_path):
    broken = tmp_path / "heads.safetensors"
    broken.write_bytes(b"not a tensor file")
    with pytest.raises(EncoderError, match="restore the file"):
        heads.load_head("text", broken)
    with pytest.raises(EncoderError, match="restore the file"):
        heads.load_head("text", tmp_path / "absent.safetensors")


def test_heads_are_small_enough_to_live_in_the_repository():
    assert heads.HEADS_FILE.stat().st_size <= 12_000_000


def test_words_alone_never_load_the_picture_tower():
    code = (
        "import sys; from search.encoders.starter import StarterEncoder; "
        "StarterEncoder().encode_texts(['hat']); sys.exit('timm' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=False).returncode == 0
    )
