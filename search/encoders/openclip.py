"""open_clip models: any architecture and weights of the library, from the hub or from a local file."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from search.encoders.base import Encoder, EncoderError, SpaceSpec, Vectors

BATCH = 32


class OpenClipEncoder(Encoder):
    """`openclip:MODEL/PRETRAINED`, PRETRAINED a tag of open_clip or the path of a checkpoint.

    Preprocessing (size, mean, deviation, resize mode) is what the model's own configuration says.
    bfloat16 on CUDA; float32 on the CPU.

    Raises:
        EncoderError: at construction, if the argument has no “/” or open_clip lacks the model.
    """

    def __init__(self, argument: str = "") -> None:
        super().__init__()
        self._model_name, _, self._pretrained = argument.partition("/")
        if not self._model_name or not self._pretrained:
            raise EncoderError(
                "“openclip” needs a model and its weights: openclip:MODEL/PRETRAINED, for example "
                "openclip:ViT-B-32/openai or openclip:ViT-B-32//models/checkpoint.pt."
            )
        self._checkpoint = Path(self._pretrained) if "/" in self._pretrained else None
        self._space: SpaceSpec | None = None
        self._space_lock = threading.Lock()

    @property
    def space(self) -> SpaceSpec:
        with self._space_lock:
            if self._space is None:
                self._space = SpaceSpec(
                    encoder=f"openclip:{self._model_name}/{self._pretrained}",
                    weights=self._fingerprint(),
                    dimension=self._dimension(),
                )
            return self._space

    def _dimension(self) -> int:
        import open_clip

        config = open_clip.get_model_config(self._model_name)
        if config is None:
            raise EncoderError(
                f"open_clip has no model “{self._model_name}”; `open_clip.list_models()` names those it has."
            )
        return int(config["embed_dim"])

    def _fingerprint(self) -> str:
        """A tag names its weights; of a file, the content does."""
        if self._checkpoint is None:
            return self._pretrained
        if not self._checkpoint.is_file():
            raise EncoderError(f"There is no checkpoint file {self._checkpoint}; correct SEARCH_ENCODER.")
        with self._checkpoint.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()[:16]

    def _load(self) -> None:
        import open_clip
        import torch

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        precision = "bf16" if self._device == "cuda" else "fp32"
        try:
            model, _, preprocess = open_clip.create_model_and_transforms(
                self._model_name,
                pretrained=str(self._checkpoint or self._pretrained),
                precision=precision,
                device=self._device,
            )
            self._tokenizer = open_clip.get_tokenizer(self._model_name)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise EncoderError(self._cannot_load(error)) from error
        self._model: Any = model.eval()
        self._preprocess: Any = preprocess
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32

    def _cannot_load(self, error: Exception) -> str:
        if self._checkpoint is not None:
            return (
                f"{self._checkpoint} is not a checkpoint of {self._model_name}: {error}. "
                "Name the model that the file was saved from."
            )
        return (
            f"The weights “{self._pretrained}” of {self._model_name} could not be had: {error}. Without a "
            f"way to the model hub, download them elsewhere and set SEARCH_ENCODER=openclip:"
            f"{self._model_name}//path/to/checkpoint."
        )

    def _encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        import torch

        parts = []
        for start in range(0, len(images), BATCH):
            tensors = [self._preprocess(image) for image in images[start : start + BATCH]]
            with torch.inference_mode():
                batch = torch.stack(tensors).to(self._device, self._dtype)
                parts.append(self._model.encode_image(batch).float().cpu().numpy())
        return np.concatenate(parts)

    def _encode_texts(self, texts: Sequence[str]) -> Vectors:
        import torch

        parts = []
        for start in range(0, len(texts), BATCH):
            with torch.inference_mode():
                tokens = self._tokenizer(list(texts[start : start + BATCH])).to(self._device)
                parts.append(self._model.encode_text(tokens).float().cpu().numpy())
        return np.concatenate(parts)
