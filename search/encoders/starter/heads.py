"""The trained part: small networks that carry tower features of both kinds into one space."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from search.encoders.base import EncoderError
from search.encoders.starter.towers import PICTURE_FEATURES, POOLED_FEATURES, TEXT_FEATURES

Floats = NDArray[np.float32]

HEADS_FILE = Path(__file__).with_name("heads.safetensors")
DIMENSION = 512
_HIDDEN = {"picture": 768, "text": 768}


class Head(nn.Module):
    """A linear map that keeps what the tower knows, and a gated two-layer correction beside it."""

    def __init__(self, features: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.linear = nn.Linear(features, DIMENSION)
        self.inner = nn.Linear(features, hidden)
        self.outer = nn.Linear(hidden, DIMENSION)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.outer.weight, std=0.01)
        nn.init.zeros_(self.outer.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Tower features [n, f] to unit vectors [n, DIMENSION]."""
        x = (features - self.mean) * self.scale
        inner = self.dropout(nn.functional.gelu(self.inner(self.dropout(x))))
        return nn.functional.normalize(self.linear(x) + self.outer(inner), dim=-1)


def picture_head(dropout: float = 0.0) -> Head:
    """The head of the picture tower, untrained."""
    return Head(PICTURE_FEATURES, _HIDDEN["picture"], dropout)


def text_head(dropout: float = 0.0) -> Head:
    """The head of the text tower, untrained."""
    return Head(TEXT_FEATURES, _HIDDEN["text"], dropout)


def save_heads(picture: Head, text: Head, path: Path = HEADS_FILE) -> None:
    """Write both heads in half precision: half the size, and a thousandth of the error of the towers."""
    named = {"picture": picture.state_dict(), "text": text.state_dict()}
    tensors = {
        f"{side}.{key}": value.half().contiguous()
        for side, state in named.items()
        for key, value in state.items()
    }
    save_file(tensors, path)
    path.chmod(0o644)


def load_head(side: str, path: Path = HEADS_FILE) -> Head:
    """One trained head, `picture` or `text`, ready to run."""
    head = picture_head() if side == "picture" else text_head()
    try:
        tensors = load_file(path)
        state = {
            key.removeprefix(f"{side}."): value.float()
            for key, value in tensors.items()
            if key.startswith(f"{side}.")
        }
        head.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise EncoderError(
            f"The heads of the starter encoder in {path} are missing or damaged ({type(error).__name__}); "
            "restore the file from the repository or train them: python -m search.encoders.starter.train"
        ) from error
    return head.eval().requires_grad_(False)


def apply_head(head: Head, features: Floats) -> Floats:
    """Run a head on NumPy features."""
    with torch.inference_mode():
        return head(torch.from_numpy(features)).numpy()


@cache
def heads_digest(path: Path = HEADS_FILE) -> str:
    """The first characters of the file's sha256: part of the space's name."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise EncoderError(
            f"The heads of the starter encoder are not at {path}; restore the file from the repository "
            "or train them: python -m search.encoders.starter.train"
        ) from error


__all__ = [
    "DIMENSION",
    "HEADS_FILE",
    "POOLED_FEATURES",
    "Head",
    "apply_head",
    "heads_digest",
    "load_head",
    "picture_head",
    "save_heads",
    "text_head",
]
