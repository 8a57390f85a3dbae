"""Measuring an encoder on labelled pictures, per language; nothing of it touches the library."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from search.encoders.base import Encoder
from search.metrics import average_precision, ndcg_at, precision_at, recall_at

BATCH = 32


class EvaluationError(Exception):
    """The labelled set cannot be used; the message says which file and line."""


@dataclass(frozen=True)
class LabelledSet:
    """Pictures with their label, and queries as (label, language, words)."""

    files: list[Path]
    labels: list[str]
    queries: list[tuple[str, str, str]]


def read_labelled_set(folder: Path) -> LabelledSet:
    """Read labels.csv (file,label) and queries.csv (label,language,query) of `folder`.

    Raises:
        EvaluationError: a file, column or picture is missing.
    """
    files, labels = [], []
    for number, row in _rows(folder / "labels.csv", ("file", "label")):
        path = folder / row["file"]
        if not path.is_file():
            raise EvaluationError(f"labels.csv, line {number}: there is no file {path}.")
        files.append(path)
        labels.append(row["label"])
    queries = [
        (row["label"], row["language"], row["query"])
        for _number, row in _rows(folder / "queries.csv", ("label", "language", "query"))
    ]
    if not files or not queries:
        raise EvaluationError(f"{folder} has no labelled pictures or no queries.")
    if unknown := {label for label, _language, _words in queries} - set(labels):
        raise EvaluationError(f"queries.csv: no picture has the label “{min(unknown)}”.")
    return LabelledSet(files, labels, queries)


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            absent = [name for name in columns if name not in (reader.fieldnames or [])]
            if absent:
                raise EvaluationError(f"{path} lacks the column {', '.join(absent)}.")
            for number, row in enumerate(reader, start=2):
                if any(row[name] is None for name in columns):
                    raise EvaluationError(f"{path}, line {number}: a column is missing.")
                yield number, row
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path} is not in UTF-8.") from error
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read ({error.strerror}).") from error


def evaluate(
    encoder: Encoder, labelled: LabelledSet, on_pictures: Callable[[int], None] = lambda count: None
) -> dict[str, dict[str, float]]:
    """Encode everything and rank by exact cosine; nothing is written anywhere.

    Returns:
        language → {"map", "p_at_10", "recall_at_10", "recall_at_100", "ndcg_at_10", "accuracy"}; accuracy is
        the share of pictures whose best-scoring query of that language has their label.
    """
    batches = []
    for start in range(0, len(labelled.files), BATCH):
        batch = [_open(path) for path in labelled.files[start : start + BATCH]]
        batches.append(encoder.encode_images(batch))
        on_pictures(len(batch))
    pictures = np.concatenate(batches)
    labels = np.array(labelled.labels)
    measured = {}
    for language in dict.fromkeys(language for _label, language, _words in labelled.queries):
        asked = [(label, words) for label, spoken, words in labelled.queries if spoken == language]
        scores = encoder.encode_texts([words for _label, words in asked]) @ pictures.T
        measured[language] = _measure(scores, [label for label, _words in asked], labels)
    return measured


def _measure(scores: NDArray[np.float32], asked: Sequence[str], labels: NDArray[np.str_]) -> dict[str, float]:
    rows = []
    for row, label in zip(scores, asked, strict=True):
        right = (labels == label)[np.argsort(-row, kind="stable")]
        total = int(right.sum())
        rows.append(
            (
                average_precision(right, total),
                precision_at(right, 10),
                recall_at(right, 10, total),
                recall_at(right, 100, total),
                ndcg_at(right.astype(float), 10, np.ones(total)),
            )
        )
    names = ("map", "p_at_10", "recall_at_10", "recall_at_100", "ndcg_at_10")
    best = np.array(asked)[np.argmax(scores, axis=0)]
    measured = dict(zip(names, np.mean(rows, axis=0), strict=True)) | {"accuracy": np.mean(best == labels)}
    return {name: round(float(value), 4) for name, value in measured.items()}


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.draft("RGB", (768, 768))
            image.load()
            return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise EvaluationError(f"{path} is not a picture that can be read: {error}.") from error
