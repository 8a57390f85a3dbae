"""Encoders whose weights are on this machine: two towers, run by OpenVINO or torch, whichever suits it."""

from __future__ import annotations

import copy
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from django.conf import settings
from numpy.typing import NDArray
from PIL import Image

from search.encoders.base import Encoder, EncoderError, Runtime, Vectors

if TYPE_CHECKING:
    import torch
    from torch import nn

T = TypeVar("T")
Arrays = tuple[NDArray[Any], ...]
Recipe = dict[str, Any]

BATCH = 32  # on a processor more at once is no faster
GPU_BATCH = 128  # to begin with; fewer where they do not fit
RUNTIMES = ("auto", "openvino", "torch")
PRECISIONS = ("auto", "f32", "bf16", "int8")
OPENVINO, TORCH = "OpenVINO", "torch"


class Run(Protocol):
    """A tower in memory. `batch`: how many rows it takes at once."""

    batch: int

    def __call__(self, batches: Iterable[Arrays]) -> Vectors:
        """Batches of arrays, a row for each picture or sentence, to float32 [n, d]."""


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

    On CUDA: torch in bfloat16, or in float32 where settings.SEARCH_PRECISION says so. On the CPU: an
    OpenVINO export, made and verified once and kept on disk (`exports.py`), in the precision that
    settings.SEARCH_PRECISION asks for; torch in float32 where settings.SEARCH_RUNTIME says so or where the
    export does not give torch's vectors.
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
            gpu = self._gpu_precision()
            return Runtime(TORCH, f"{gpu} (CUDA)" if gpu else "f32")
        from search.encoders.exports import examine

        return examine(self)

    @property
    def batch(self) -> int:
        return 2 * GPU_BATCH if self._gpu_precision() else super().batch

    def _gpu_precision(self) -> str:
        """Empty where no GPU runs the towers."""
        if self._wanted_runtime() != TORCH or not has_cuda():
            return ""
        return "f32" if settings.SEARCH_PRECISION == "f32" else "bf16"

    def _prepare(self, image: Image.Image) -> Arrays:
        if self._frontend is None:
            raise RuntimeError("A picture is prepared before the encoder is loaded.")
        arrays = self._frontend.pixels(image)
        if self._gpu_precision() == "bf16":
            # Half the bytes to keep and to send, and finer than what becomes of them there.
            return tuple(array.astype(np.float16) if array.dtype == np.float32 else array for array in arrays)
        return arrays

    def _encode_images(self, prepared: Sequence[Arrays]) -> Vectors:
        run = self._run("picture")
        return run(tuple(map(np.stack, zip(*part, strict=True))) for part in _parts(prepared, run))

    def _encode_texts(self, texts: Sequence[str]) -> Vectors:
        if self._frontend is None:
            raise RuntimeError("A sentence is encoded before the encoder is loaded.")
        run = self._run("text")
        return run(map(self._frontend.tokens, _parts(texts, run)))

    def _run(self, tower: str) -> Run:
        with self._tower_lock:
            if tower not in self._runs:
                if self._export is not None:
                    self._runs[tower] = self._export.compile(tower)
                elif self._towers is not None:
                    self._runs[tower] = TorchRun(getattr(self._towers, tower), self._gpu_precision())
            return self._runs[tower]


def _parts(rows: Sequence[T], run: Run) -> Iterator[Sequence[T]]:
    """As many at once as the tower takes, which may become fewer on the way."""
    start = 0
    while start < len(rows):
        part = rows[start : start + run.batch]
        start += len(part)
        yield part


class TorchRun:
    """A tower in torch: float32 on the CPU, or on CUDA in the precision that is named (bf16 or f32).

    The GPU works on one batch while the next is brought together; the vectors are fetched at the end. A batch
    that its memory has no room for is halved, and later ones are no larger.

    Raises:
        EncoderError: the GPU has no room even for one row, or does not work; says what to do.
    """

    def __init__(self, module: nn.Module, gpu_precision: str = "") -> None:
        import torch

        self._gpu = bool(gpu_precision)
        self.batch = GPU_BATCH if self._gpu else BATCH
        self._dtype = torch.bfloat16 if gpu_precision == "bf16" else torch.float32
        with _gpu_in_words():
            self._module = module.eval().to("cuda" if self._gpu else "cpu", self._dtype)

    def __call__(self, batches: Iterable[Arrays]) -> Vectors:
        import torch

        with torch.inference_mode(), _gpu_in_words():
            return torch.cat([self._encoded(arrays) for arrays in batches]).float().cpu().numpy()

    def _encoded(self, arrays: Arrays) -> torch.Tensor:
        import torch

        rows = len(arrays[0])
        try:
            return self._module(*map(self._there, arrays))
        except torch.OutOfMemoryError:
            if rows == 1:
                raise
        # Not in the handler: its traceback holds what has to go.
        torch.cuda.empty_cache()
        self.batch = half = rows // 2
        halves = [tuple(array[part] for array in arrays) for part in (slice(half), slice(half, rows))]
        return torch.cat([self._encoded(one) for one in halves])

    def _there(self, array: NDArray[Any]) -> torch.Tensor:
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self._gpu:
            tensor = tensor.pin_memory().to("cuda", non_blocking=True)
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor


def half_of(model: Any, belongs: Callable[[str], bool]) -> Any:
    """The model with those of its parts alone whose name belongs to one tower, so that who encodes sentences
    has not the picture tower on the GPU too. The weights are shared, not copied."""
    half = copy.copy(model)
    half._modules = {name: part for name, part in model._modules.items() if belongs(name)}
    return half


@contextmanager
def _gpu_in_words() -> Iterator[None]:
    """What torch says of a GPU, with what to do about it."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise EncoderError(
            f"The GPU has too little memory for this encoder ({first_line(error)}). See with nvidia-smi what "
            "else is in it, and end that or take a smaller model; SEARCH_RUNTIME=openvino does without a GPU."
        ) from error
    except RuntimeError as error:
        if "CUDA" not in str(error):
            raise
        raise EncoderError(
            f"The GPU does not work ({first_line(error)}). When nvidia-smi shows it, start this process anew "
            "(a worker with --pool threads): it cannot take up a GPU again that it has lost."
        ) from error


def first_line(error: Exception) -> str:
    """What an error says, without what follows."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@cache
def has_cuda() -> bool:
    """Whether torch can use a GPU here."""
    import torch

    return torch.cuda.is_available()
