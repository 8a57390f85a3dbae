"""OpenVINO exports of a local encoder: made once, compared with torch, kept on disk, compiled."""

from __future__ import annotations

import fcntl
import json
import logging
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings
from PIL import Image

from search.encoders.base import EncoderError, Runtime, Vectors
from search.encoders.local import (
    BATCH,
    OPENVINO,
    TORCH,
    Arrays,
    Frontend,
    LocalEncoder,
    Recipe,
    TorchRun,
    Towers,
    first_line,
)

if TYPE_CHECKING:
    import openvino
    from torch import nn

logger = logging.getLogger(__name__)

TOWERS = ("picture", "text")
RECORD = "export.json"
SAMPLES = Path(__file__).with_name("samples")
SENTENCES = (
    "a red dress", "white sneakers on a wooden floor", "一件红色的连衣裙", "白色运动鞋",
    "a person wearing a long coat", "striped shirt", "模特穿着黑色西装外套",
    "a photo of a hat without a logo, on a plain background",
)  # fmt: skip
# Cosine to torch's float32 vectors that the worst sample must reach.
BOUNDS = {"f32": 0.9999, "bf16": 0.999, "int8": 0.97}


@dataclass(frozen=True)
class Export:
    """Two towers on disk. `cosine`: the worst sample's cosine to torch, by tower."""

    folder: Path
    precision: str
    cosine: dict[str, float]
    sizes: dict[str, int]
    recipe: Recipe

    @property
    def faithful(self) -> bool:
        """Whether the vectors are torch's, within the bound of the precision."""
        return min(self.cosine.values()) >= BOUNDS[self.precision]

    def compile(self, tower: str) -> OpenVinoRun:
        """Bring one tower into memory."""
        return OpenVinoRun(self.folder / f"{tower}.xml", self.precision)


def precision_here() -> str:
    """settings.SEARCH_PRECISION, where “auto” is bfloat16 on processors that have it, else float32."""
    if settings.SEARCH_PRECISION != "auto":
        return str(settings.SEARCH_PRECISION)
    return "bf16" if "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def examine(encoder: LocalEncoder) -> Runtime:
    """How the encoder runs here according to what is on disk; nothing is exported."""
    precision = precision_here()
    engine = f"{OPENVINO} {_version()}"
    export = _read(_folder(encoder, precision), precision)
    if export is None:
        return Runtime(engine, precision, exported=False)
    worst = min(export.cosine.values())
    if export.faithful:
        return Runtime(engine, precision, cosine=worst)
    return Runtime(TORCH, "f32", problem=_unfaithful(export))


def export_of(encoder: LocalEncoder) -> Export:
    """The encoder's export for this precision and this OpenVINO; made now if it is not there.

    Raises:
        EncoderError: the weights cannot be had, the disk cannot be written, or int8 loses too much.
    """
    precision = precision_here()
    folder = _folder(encoder, precision)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_suffix(".lock")):
            export = _read(folder, precision) or _make(encoder, folder, precision)
    except OSError as error:
        raise EncoderError(
            f"The OpenVINO export of {encoder.space.encoder} cannot be kept under {folder.parent} ({error}). "
            "Make room and let this user write there, or set SEARCH_RUNTIME=torch."
        ) from error
    if not export.faithful:
        if precision == "int8":
            raise EncoderError(f"{_unfaithful(export)} Set SEARCH_PRECISION=auto.")
        logger.warning("%s It runs in torch.", _unfaithful(export))
    return export


def _unfaithful(export: Export) -> str:
    worst = min(export.cosine.values())
    return (
        f"The OpenVINO export in {export.folder.name} ({export.precision}) differs from torch: cosine "
        f"{worst:.4f} where {BOUNDS[export.precision]} is needed."
    )


def _folder(encoder: LocalEncoder, precision: str) -> Path:
    """Named after the weights (through the space), the precision and the version that wrote it."""
    name = f"{encoder.space.slug}-{precision}-openvino-{_version()}".replace(".", "_")
    return Path(settings.SEARCH_EXPORTS) / name


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process exports, the others wait for it."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _read(folder: Path, precision: str) -> Export | None:
    """What is on disk, or None where it is missing, cut off or of another kind."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in record["sizes"]}
        if sizes != record["sizes"]:
            raise ValueError("a file is cut off")
        return Export(folder, precision, record["cosine"], sizes, record["recipe"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("The export in %s is broken (%s) and is made anew.", folder, error)
        return None


def _make(encoder: LocalEncoder, folder: Path, precision: str) -> Export:
    """Export beside the place, compare, then move there in one step."""
    logger.warning(
        "Exporting %s to OpenVINO (%s), once; this takes a minute.", encoder.space.encoder, precision
    )
    towers = encoder._load_towers()
    frontend = encoder._load_frontend(towers.recipe)
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        cosine = _write(towers, frontend, draft, precision)
        sizes = {path.name: path.stat().st_size for path in draft.iterdir()}
        export = Export(folder, precision, cosine, sizes, towers.recipe)
        record = {key: value for key, value in asdict(export).items() if key not in ("folder", "precision")}
        (draft / RECORD).write_text(json.dumps(record), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return export


def _write(towers: Towers, frontend: Frontend, draft: Path, precision: str) -> dict[str, float]:
    samples = {"picture": _pixels(frontend), "text": frontend.tokens(SENTENCES)}
    cosine = {}
    for tower in TOWERS:
        module, arrays = getattr(towers, tower), samples[tower]
        expected = TorchRun(module)([arrays])
        path = draft / f"{tower}.xml"
        try:
            _convert(module, arrays, path, precision)
            found = OpenVinoRun(path, precision)([arrays])
        except (RuntimeError, ValueError, TypeError) as error:  # not every module can be traced
            logger.warning("The %s tower cannot be exported to OpenVINO: %s", tower, error)
            cosine[tower] = 0.0
            continue
        cosine[tower] = worst_cosine(found, expected)
    return cosine


def _pixels(frontend: Frontend) -> Arrays:
    pictures = [Image.open(path).convert("RGB") for path in sorted(SAMPLES.glob("*.jpg"))]
    return tuple(np.stack(column) for column in zip(*map(frontend.pixels, pictures), strict=True))


def _convert(module: nn.Module, arrays: Arrays, path: Path, precision: str) -> None:
    import openvino
    import torch

    example = tuple(torch.from_numpy(array[:2]) for array in arrays)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = openvino.convert_model(module.eval(), example_input=example)
    for given, array in zip(model.inputs, arrays, strict=True):
        if array.dtype.kind == "f":  # pictures have one size; sentences differ in length
            given.get_node().set_partial_shape(openvino.PartialShape([-1, *array.shape[1:]]))
    model.validate_nodes_and_infer_types()
    if precision == "int8":
        from search.encoders.quantise import quantise

        model = quantise(model, arrays)
    openvino.save_model(model, path, compress_to_fp16=False)


def worst_cosine(found: Vectors, expected: Vectors) -> float:
    """Of all rows of two float32 [n, d]; 0 where they cannot be compared."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return 0.0
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return float(np.min((found * expected).sum(axis=1) / np.maximum(lengths, 1e-12)))


class OpenVinoRun:
    """A compiled tower. One batch at a time: it already uses every core that it may."""

    batch = BATCH

    def __init__(self, path: Path, precision: str) -> None:
        try:
            model = _core().read_model(path)
            compiled = _core().compile_model(model, "CPU", _options(precision))
        except RuntimeError as error:
            raise EncoderError(
                f"The OpenVINO export {path} cannot be used ({first_line(error)}). Delete the folder "
                f"{path.parent}; it is made anew at the next use."
            ) from error
        self._request = compiled.create_infer_request()
        self._lock = threading.Lock()

    def __call__(self, batches: Iterable[Arrays]) -> Vectors:
        return np.concatenate([self._encoded(arrays) for arrays in batches])

    def _encoded(self, arrays: Arrays) -> Vectors:
        with self._lock:
            found = self._request.infer(list(arrays), share_inputs=True)
            return np.array(found[0], dtype=np.float32)


def _options(precision: str) -> dict[str, Any]:
    inference = {"int8": precision_beside_int8()}.get(precision, precision)
    return {
        "INFERENCE_PRECISION_HINT": inference,
        "PERFORMANCE_HINT": "LATENCY",  # one batch on all cores: measured faster than several side by side
        "ENABLE_CPU_PINNING": False,  # other processes use these cores too
    }


def precision_beside_int8() -> str:
    """In what the operations run that stay in floating point."""
    return "bf16" if "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


@cache
def _core() -> openvino.Core:
    import openvino

    return openvino.Core()


def _version() -> str:
    from importlib.metadata import version

    return version("openvino")
