"""Encoders whose weights are on this machine: two towers, run by OpenVINO or torch, whichever suits it."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray
from PIL import Image

from search.encoders.base import Encoder, EncoderError, Runtime, Vectors

if TYPE_CHECKING:
    from torch import nn

Arrays = tuple[NDArray[Any], ...]
Recipe = dict[str, Any]
Run = Callable[[Arrays], Vectors]

BATCH = 32
RUNTIMES = ("auto", "openvino", "torch")
PRECISIONS = ("auto", "f32", "bf16", "int8")
OPENVINO, TORCH = "OpenVINO", "torch"


@dataclass(frozen=True)
class Towers:
    """The model in torch, float32 on the CPU. `recipe` is what preprocessing needs to know, as JSON."""

    picture: nn.Module
    text: nn.Module
    recipe: Recipe


@dataclass(frozen=True)
class Frontend:
    """From pictures and sentences to what the towers take; needs no weights. `side`: of its input, pixels.

    Each gives a tuple of arrays, one for each input of the tower: `pixels` of one picture, `tokens`
    of a batch.
    """

    side: int
    pixels: Callable[[Image.Image], Arrays]
    tokens: Callable[[Sequence[str]], Arrays]


class LocalEncoder(Encoder):
    """A dual encoder of torch modules.

    On CUDA: torch in bfloat16. On the CPU: an OpenVINO export, made and verified once and kept on disk
    (`exports.py`), in the precision that settings.SEARCH_PRECISION asks for; torch in float32 where
    settings.SEARCH_RUNTIME says so or where the export does not give torch's vectors.
    A tower comes into memory when its kind of input first comes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tower_lock = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._frontend: Frontend | None = None
        self._towers: Towers | None = None

    @abstractmethod
    def _load_towers(self) -> Towers:
        """Load the weights.

        Raises:
            EncoderError: they cannot be had; says what to do.
        """

    @abstractmethod
    def _load_frontend(self, recipe: Recipe) -> Frontend:
        """Preprocessing and tokenizer.

        Raises:
            EncoderError: the tokenizer cannot be had; says what to do.
        """

    def _load(self) -> None:
        """Decide who runs the towers; the export is made now if it is missing."""
        self._export = None
        recipe: Recipe | None = None
        if self._wanted_runtime() == OPENVINO:
            from search.encoders.exports import export_of

            self._export = export_of(self)
            recipe = self._export.recipe
            if not self._export.faithful:
                self._export = None
        if self._export is None:
            self._towers = self._load_towers()
            recipe = self._towers.recipe
        self._frontend = self._load_frontend(recipe or {})

    def _wanted_runtime(self) -> str:
        """Raises EncoderError where the settings contradict each other or the machine."""
        wanted, precision = settings.SEARCH_RUNTIME, settings.SEARCH_PRECISION
        if wanted not in RUNTIMES:
            raise EncoderError(f"SEARCH_RUNTIME is “{wanted}”; it may be {', '.join(RUNTIMES)}.")
        if precision not in PRECISIONS:
            raise EncoderError(f"SEARCH_PRECISION is “{precision}”; it may be {', '.join(PRECISIONS)}.")
        runtime = (TORCH if has_cuda() else OPENVINO) if wanted == "auto" else wanted
        runtime = OPENVINO if runtime == "openvino" else runtime
        if runtime == TORCH and precision == "int8":
            raise EncoderError(
                "SEARCH_PRECISION=int8 needs OpenVINO on the CPU; set SEARCH_RUNTIME=openvino, or "
                "SEARCH_PRECISION=auto."
            )
        return runtime

    def _variant(self) -> str:
        """Part of the space's identity. bfloat16 and float32 of the same weights give the same space
        (cosine ≥ 0.999); weights rounded to eight bits are other weights, so int8 has one of its own.
        """
        return "+int8" if settings.SEARCH_PRECISION == "int8" else ""

    @property
    def pixels(self) -> int:
        """Twice what the tower looks at: a clean reduction in two steps."""
        self._ensure_loaded()
        return 2 * self._frontend.side if self._frontend else super().pixels

    def runtime(self) -> Runtime:
        """Who runs the towers here, and in which precision; asks files and settings, loads nothing."""
        if self._wanted_runtime() == TORCH:
            return Runtime(TORCH, "bf16 (CUDA)" if has_cuda() else "f32")
        from search.encoders.exports import examine

        return examine(self)

    def _prepare(self, image: Image.Image) -> Arrays:
        if self._frontend is None:
            raise RuntimeError("A picture is prepared before the encoder is loaded.")
        return self._frontend.pixels(image)

    def _encode_images(self, prepared: Sequence[Arrays]) -> Vectors:
        run = self._run("picture")
        parts = []
        for start in range(0, len(prepared), BATCH):
            columns = zip(*prepared[start : start + BATCH], strict=True)
            parts.append(run(tuple(np.stack(column) for column in columns)))
        return np.concatenate(parts)

    def _encode_texts(self, texts: Sequence[str]) -> Vectors:
        if self._frontend is None:
            raise RuntimeError("A sentence is encoded before the encoder is loaded.")
        run = self._run("text")
        parts = [
            run(self._frontend.tokens(texts[start : start + BATCH])) for start in range(0, len(texts), BATCH)
        ]
        return np.concatenate(parts)

    def _run(self, tower: str) -> Run:
        with self._tower_lock:
            if tower not in self._runs:
                if self._export is not None:
                    self._runs[tower] = self._export.compile(tower)
                elif self._towers is not None:
                    self._runs[tower] = TorchRun(getattr(self._towers, tower))
            return self._runs[tower]


class TorchRun:
    """A tower in torch: bfloat16 on CUDA with copies that do not wait, float32 on the CPU."""

    def __init__(self, module: nn.Module) -> None:
        import torch

        self._device = "cuda" if has_cuda() else "cpu"
        self._dtype = torch.bfloat16 if self._device == "cuda" else torch.float32
        self._module = module.eval().to(self._device, self._dtype)

    def __call__(self, arrays: Arrays) -> Vectors:
        import torch

        with torch.inference_mode():
            return self._module(*(self._there(array) for array in arrays)).float().cpu().numpy()

    def _there(self, array: NDArray[Any]) -> Any:
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self._device == "cuda":
            tensor = tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor


@cache
def has_cuda() -> bool:
    """Whether torch can use a GPU here."""
    import torch

    return torch.cuda.is_available()
