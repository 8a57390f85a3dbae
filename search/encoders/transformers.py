"""Dual encoders of the transformers library that open_clip lacks: Chinese-CLIP, SigLIP 2 and others."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from search.encoders.base import EncoderError, SpaceSpec
from search.encoders.local import Arrays, Frontend, LocalEncoder, Recipe, Towers, half_of

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


class TransformersEncoder(LocalEncoder):
    """`transformers:MODEL`, MODEL an id of the hub (with “@REVISION”, if one is to be kept to) or the
    path of a folder that `save_pretrained` wrote, with its tokenizer and image processor.

    Any model with `get_image_features` and `get_text_features` will do. A model whose code is not in the
    library is refused: code from a hub is never run.

    Raises:
        EncoderError: at construction, if no model is named.
    """

    def __init__(self, argument: str = "") -> None:
        super().__init__()
        if not argument:
            raise EncoderError(
                "“transformers” needs a model: transformers:OFA-Sys/chinese-clip-vit-base-patch16, or the "
                "path of a folder that holds one."
            )
        self._argument = argument
        self._folder = Path(argument) if argument.startswith(("/", ".", "~")) else None
        self._model, _, self._revision = argument.partition("@")
        self._space: SpaceSpec | None = None
        self._space_lock = threading.Lock()

    @property
    def space(self) -> SpaceSpec:
        with self._space_lock:
            if self._space is None:
                config = self._configuration()
                self._space = SpaceSpec(
                    encoder=f"transformers:{self._argument}",
                    weights=self._fingerprint(config) + self._variant(),
                    dimension=_dimension(config, self._argument),
                )
            return self._space

    def _source(self) -> dict[str, Any]:
        """What every `from_pretrained` is called with."""
        if self._folder is not None:
            folder = self._folder.expanduser()
            if not folder.is_dir():
                raise EncoderError(f"There is no folder {folder}; correct SEARCH_ENCODER.")
            return {"pretrained_model_name_or_path": str(folder), "local_files_only": True}
        return {"pretrained_model_name_or_path": self._model, "revision": self._revision or "main"}

    def _configuration(self) -> Any:
        from transformers import AutoConfig

        try:
            return AutoConfig.from_pretrained(**self._source(), trust_remote_code=False)
        except (OSError, ValueError, KeyError) as error:
            raise EncoderError(self._cannot_load(error)) from error

    def _fingerprint(self, config: Any) -> str:
        """Of a folder, the content of its weight files; of the hub, the commit."""
        if self._folder is None:
            return str(getattr(config, "_commit_hash", "") or self._revision or "main")[:16]
        folder = self._folder.expanduser()
        files = sorted(path for pattern in WEIGHTS for path in folder.glob(pattern))
        if not files:
            raise EncoderError(f"The folder {folder} holds no weights (model.safetensors).")
        digest = hashlib.sha256()
        for path in files:
            with path.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
        return digest.hexdigest()[:16]

    def _load_towers(self) -> Towers:
        import safetensors
        from transformers import AutoModel

        try:
            model = AutoModel.from_pretrained(**self._source(), trust_remote_code=False)
        except (OSError, ValueError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
            raise EncoderError(self._cannot_load(error)) from error
        if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
            raise EncoderError(
                f"{self._argument} ({type(model).__name__}) does not encode both pictures and sentences."
            )
        model.eval().requires_grad_(False)
        picture_inputs, text_inputs = self._inputs()
        return Towers(
            _tower(half_of(model, lambda name: name != "text_model"), "get_image_features", picture_inputs),
            _tower(half_of(model, lambda name: name != "vision_model"), "get_text_features", text_inputs),
            recipe={},
        )

    def _inputs(self) -> tuple[list[str], list[str]]:
        """Names of what image processor and tokenizer give, in order."""
        processor, tokenizer = self._processors()
        pictures = processor(images=Image.new("RGB", (32, 32)), return_tensors="np")
        return sorted(pictures), sorted(tokenizer(["x"], **_padding(self._configuration())))

    def _processors(self) -> tuple[Any, Any]:
        from transformers import AutoImageProcessor, AutoTokenizer

        try:
            return (
                AutoImageProcessor.from_pretrained(**self._source(), trust_remote_code=False),
                AutoTokenizer.from_pretrained(**self._source(), trust_remote_code=False),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EncoderError(self._cannot_load(error)) from error

    def _load_frontend(self, recipe: Recipe) -> Frontend:
        processor, tokenizer = self._processors()
        config = self._configuration()
        padding = _padding(config)

        def pixels(image: Image.Image) -> Arrays:
            values = processor(images=image, return_tensors="np")
            return tuple(np.asarray(values[name][0]) for name in sorted(values))

        def tokens(texts: Sequence[str]) -> Arrays:
            values = tokenizer(list(texts), return_tensors="np", **padding)
            return tuple(np.asarray(values[name]) for name in sorted(values))

        return Frontend(int(getattr(config.vision_config, "image_size", 0) or 256), pixels, tokens)

    def _cannot_load(self, error: Exception) -> str:
        if self._folder is not None:
            return (
                f"{self._folder} does not hold a whole model with tokenizer and image processor: {error}. "
                "Save all three there with save_pretrained."
            )
        return (
            f"The model “{self._model}” could not be had: {error}. Without a way to the model hub, download "
            "its files elsewhere and set SEARCH_ENCODER=transformers:/path/to/folder."
        )


def _dimension(config: Any, name: str) -> int:
    """Of the space: the projection where the model has one, else the width of its towers."""
    projected = getattr(config, "projection_dim", None)
    if projected is None and hasattr(config, "text_config"):
        text = config.text_config
        projected = getattr(text, "projection_size", None) or text.hidden_size
    if projected is None:
        raise EncoderError(f"{name} ({config.model_type}) is no encoder of pictures and sentences.")
    return int(projected)


def _padding(config: Any) -> dict[str, Any]:
    """SigLIP was trained on sentences of one length; others mask what is padded."""
    text = config.text_config
    length = int(text.max_position_embeddings)
    if config.model_type in ("siglip", "siglip2"):
        return {"padding": "max_length", "truncation": True, "max_length": min(length, 64)}
    return {"padding": True, "truncation": True, "max_length": min(length, 77)}


def _tower(model: Any, features: str, names: Sequence[str]) -> Any:
    """One half of a model as a module with positional inputs, which can be traced."""
    from torch import nn

    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: Any) -> Any:
            found = getattr(self.model, features)(**dict(zip(names, inputs, strict=True)))
            return getattr(found, "pooler_output", found)

    return Tower()
