"""open_clip models: any architecture and weights of the library, from the hub or from a local file."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from search.encoders.base import EncoderError, SpaceSpec
from search.encoders.local import Arrays, Frontend, LocalEncoder, Recipe, Towers, half_of

# What open_clip and torch raise for weights that are out of reach, cut off, or of another model.
UNUSABLE = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    EOFError,
    AssertionError,
    pickle.UnpicklingError,
)


class OpenClipEncoder(LocalEncoder):
    """`openclip:MODEL/PRETRAINED`, PRETRAINED a tag of open_clip or the path of a checkpoint.

    Preprocessing (size, mean, deviation, resize mode) is what the model's own configuration says.

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
                    weights=self._fingerprint() + self._variant(),
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

    def _load_towers(self) -> Towers:
        import open_clip

        try:
            model = open_clip.create_model(
                self._model_name,
                pretrained=str(self._checkpoint or self._pretrained),
                precision="fp32",
                device="cpu",
            )
        except UNUSABLE as error:
            raise EncoderError(self._cannot_load(error)) from error
        model.eval().requires_grad_(False)
        picture, text = _towers(model)
        return Towers(picture, text, recipe={"preprocess": dict(model.visual.preprocess_cfg)})

    def _load_frontend(self, recipe: Recipe) -> Frontend:
        import open_clip
        from open_clip.transform import PreprocessCfg, image_transform_v2

        try:
            tokenizer = open_clip.get_tokenizer(self._model_name)
        except (OSError, RuntimeError, ValueError) as error:
            raise EncoderError(
                f"The tokenizer of {self._model_name} could not be had: {error}. Without a way to the model "
                "hub, copy its hub cache (HF_HOME) from a machine that has one."
            ) from error
        transform = image_transform_v2(PreprocessCfg(**recipe["preprocess"]), is_train=False)
        pixels = _in_numpy(transform.transforms)

        def tokens(texts: Sequence[str]) -> Arrays:
            return (np.asarray(tokenizer(list(texts)), dtype=np.int64),)

        size = recipe["preprocess"]["size"]
        return Frontend(max(size) if isinstance(size, list | tuple) else int(size), pixels, tokens)

    def _cannot_load(self, error: Exception) -> str:
        if self._checkpoint is not None:
            return (
                f"{self._checkpoint} is not a checkpoint of {self._model_name}, or is cut off: {error}. "
                "Name the model that the file was saved from, or fetch the file again."
            )
        return (
            f"The weights “{self._pretrained}” of {self._model_name} could not be had: {error}. Without a "
            f"way to the model hub, download them elsewhere and set SEARCH_ENCODER=openclip:"
            f"{self._model_name}//path/to/checkpoint."
        )


def _in_numpy(steps: Sequence[Any]) -> Callable[[Image.Image], Arrays]:
    """open_clip's preprocessing; the arithmetic at its end is looked up, since a byte has 256 values.

    Torch wakes all its threads for each of these small sums: 18 ms of processor time a picture, nearly as
    much as the model itself takes. It is 0.6 ms in numpy, and 0.2 ms as a table.
    """
    *drawing, to_tensor, normalise = steps
    if (
        type(to_tensor).__name__ not in ("ToTensor", "MaybeToTensor")
        or type(normalise).__name__ != "Normalize"
    ):
        raise EncoderError("This open_clip prepares pictures in another way; install requirements.txt.")
    mean = np.asarray(normalise.mean, dtype=np.float32)[:, None]
    deviation = np.asarray(normalise.std, dtype=np.float32)[:, None]
    tables = np.arange(256, dtype=np.float32) / (255 * deviation) - mean / deviation

    def pixels(image: Image.Image) -> Arrays:
        for step in drawing:
            image = step(image)
        drawn = np.asarray(image)
        values = np.empty((3, *drawn.shape[:2]), dtype=np.float32)
        for band, table in enumerate(tables):
            # Bytes are never out of its bounds; "clip" spares the check, and a copy.
            np.take(table, drawn[..., band], out=values[band], mode="clip")
        return (values,)

    return pixels


def _towers(model: Any) -> tuple[Any, Any]:
    """The two halves of an open_clip model as modules that can be traced, each with its own weights alone."""
    from torch import nn

    class Picture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = half_of(model, lambda name: name == "visual")

        def forward(self, pixels: Any) -> Any:
            return self.model.encode_image(pixels)

    class Text(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = half_of(model, lambda name: name != "visual")

        def forward(self, tokens: Any) -> Any:
            return self.model.encode_text(tokens)

    return Picture(), Text()
