"""`diffusers`: a Stable Diffusion model of one's own, on this machine: img2img, inpainting, IP-Adapter.

The first picture is worked on; where a mask is given, only under it. The others are what the result is to
look like, if an IP-Adapter is set. Nothing leaves the house and nothing is charged.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from PIL import Image

from generation.providers.base import (
    Blocked,
    Capability,
    Provider,
    ProviderInput,
    ProviderRequest,
    ProviderResult,
    Refused,
)
from generation.providers.pictures import encoded

if TYPE_CHECKING:
    import torch

ROLES = frozenset(("model", "garment", "accessory", "product", "character", "prop", "scene", "reference"))
STYLES = 4
CLIP_TOKENS = 75  # of 77, with the first and the last, which are not words
LARGEST_SEED = 2**63 - 1
DTYPES = ("auto", "float32", "float16", "bfloat16")
# Where there are no pictures to look like, an adapter is still asked for one, and does not count.
_UNHEARD = 0.0


@dataclass(frozen=True)
class Settings:
    """How pictures are made unless the request says otherwise.

    Attributes:
        edge: the longer side of the result in pixels; models are trained for one (512, 768, 1024).
        strength: 0 keeps the first picture, 1 forgets it.
        adapter_scale: how much the other pictures count.
    """

    edge: int = 768
    steps: int = 30
    guidance: float = 7.0
    strength: float = 0.6
    adapter_scale: float = 0.6


class DiffusersProvider(Provider):
    """The model is loaded once a process, at the first picture; one picture is made at a time."""

    name = "diffusers"

    def __init__(
        self,
        *,
        model: str,
        adapter: str,
        device: str,
        dtype: str,
        seconds_per_picture: float,
        prompt_tokens: int = CLIP_TOKENS,
        **how: Any,
    ) -> None:
        self._model = model.strip()
        self._adapter = adapter.strip()
        self._device = device
        self._dtype = dtype
        self._seconds = seconds_per_picture
        self._prompt_tokens = prompt_tokens
        self._settings = Settings(**how)
        self._lock = threading.Lock()
        self._pipelines: tuple[Any, Any] | None = None

    @property
    def capability(self) -> Capability:
        return Capability(
            roles=ROLES,
            max_inputs=1 + (STYLES if self._adapter else 0),
            aspect_ratios=(),  # the result has that of the first picture
            price_per_picture=Decimal(0),
            currency="USD",
            price_as_of="",
            price_source="",
            seconds_per_picture=self._seconds,
            parallel_calls=1,
            makes_photographs=True,
            takes_seed=True,
            takes_mask=True,
            takes_negative=True,
            prompt_tokens=self._prompt_tokens,
        )

    def check(self) -> str | None:
        if not self._model:
            return _("The provider “diffusers” has no model. Set DIFFUSERS_MODEL to its folder.")
        if importlib.util.find_spec("diffusers") is None:
            return _(
                "The package “diffusers” is missing. Install it: pip install --requirement requirements.txt."
            )
        for path in (self._model, self._adapter):
            if path.startswith(("/", ".", "~")) and not Path(path).expanduser().exists():
                return _("There is no file or folder “%(path)s”. Correct it in the settings.") % {
                    "path": path
                }
        if self._dtype not in DTYPES:
            return _("DIFFUSERS_DTYPE is one of %(known)s.") % {"known": ", ".join(DTYPES)}
        return None

    def generate(self, request: ProviderRequest) -> ProviderResult:
        """One picture, made here.

        Raises:
            Blocked: the model's own checker took the picture for unsafe.
            Refused: no model, a model that cannot be loaded, too little memory, or pictures it cannot take.
        """
        if problem := self.check():
            raise Refused(problem)
        if not request.inputs or len(request.inputs) > self.capability.max_inputs:
            raise Refused(
                _("A local model takes %(most)s pictures at most, and at least one.")
                % {"most": self.capability.max_inputs}
            )
        base = _fitted(_opened(request.inputs[0]), self._settings.edge)
        seed = _seed(request)
        started = time.perf_counter()
        with self._lock:
            made, flagged = self._made(request, base, seed)
        if flagged:
            raise Blocked(_("The model's own checker took the picture for unsafe."))
        return ProviderResult(
            image=encoded(made, "PNG"),
            mime="image/png",
            model=Path(self._model).name or self._model,
            cost=Decimal(0),
            currency="USD",
            details={
                "seed": seed,
                "seconds": round(time.perf_counter() - started, 1),
                "steps": self._settings.steps,
                "guidance": self._settings.guidance,
                "strength": _strength(request.parameters, self._settings),
                "masked": request.mask is not None,
            },
        )

    def _made(self, request: ProviderRequest, base: Image.Image, seed: int) -> tuple[Image.Image, bool]:
        import torch

        changing, inpainting = self._loaded()
        asked: dict[str, Any] = {
            "prompt": request.prompt,
            "negative_prompt": request.parameters.get("negative") or None,
            "image": base,
            "strength": _strength(request.parameters, self._settings),
            "num_inference_steps": self._settings.steps,
            "guidance_scale": self._settings.guidance,
            "generator": torch.Generator("cpu").manual_seed(seed),
        }
        pipeline = changing
        if request.mask is not None:
            pipeline = inpainting
            asked |= {"mask_image": _mask(request.mask, base.size), "width": base.width}
            asked["height"] = base.height
        if self._adapter:
            styles = [_opened(given) for given in request.inputs[1:]]
            pipeline.set_ip_adapter_scale(self._settings.adapter_scale if styles else _UNHEARD)
            asked["ip_adapter_image"] = [styles or [base]]
        try:
            with torch.inference_mode():
                output = pipeline(**asked)
        except torch.OutOfMemoryError as error:
            raise Refused(
                _("The memory does not hold a picture of %(edge)s pixels. Lower DIFFUSERS_EDGE.")
                % {"edge": self._settings.edge}
            ) from error
        return output.images[0], bool((getattr(output, "nsfw_content_detected", None) or [False])[0])

    def _loaded(self) -> tuple[Any, Any]:
        """The pipelines for a whole picture and for a masked one; they share the model."""
        if self._pipelines is None:
            try:
                self._pipelines = self._load()
            except (OSError, ValueError, RuntimeError, KeyError) as error:
                raise Refused(
                    _("The model “%(model)s” cannot be loaded: %(reason)s")
                    % {"model": self._model, "reason": str(error).strip().splitlines()[0][:300]}
                ) from error
        return self._pipelines

    def _load(self) -> tuple[Any, Any]:
        from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting

        device = _device(self._device)
        dtype = _dtype(self._dtype, device)
        path = Path(self._model).expanduser()
        source = str(path) if path.exists() else self._model
        changing = AutoPipelineForImage2Image.from_pretrained(source, dtype=dtype)
        if self._adapter:
            weights = Path(self._adapter).expanduser()
            changing.load_ip_adapter(str(weights.parent), subfolder="", weight_name=weights.name)
        changing.to(device)
        changing.set_progress_bar_config(disable=True)
        inpainting = AutoPipelineForInpainting.from_pipe(changing)
        inpainting.set_progress_bar_config(disable=True)
        return changing, inpainting


def _device(wanted: str) -> str:
    import torch

    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _dtype(wanted: str, device: str) -> torch.dtype:
    """bfloat16 where the card computes in it, half precision on others, full precision on the CPU."""
    import torch

    if wanted != "auto":
        found: torch.dtype = getattr(torch, wanted)
        return found
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float32


def _opened(given: ProviderInput) -> Image.Image:
    """The picture on white: the model knows no transparency."""
    try:
        with Image.open(BytesIO(given.read())) as picture:
            clear = picture.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as error:
        raise Refused(
            _("The input “%(title)s” cannot be read as a picture.") % {"title": given.title or given.title_zh}
        ) from error
    flat = Image.new("RGB", clear.size, "white")
    flat.paste(clear, mask=clear.getchannel("A"))
    return flat


def _fitted(picture: Image.Image, edge: int) -> Image.Image:
    """At most so many pixels a side, each side a multiple of 8 as the model's grid asks."""
    share = edge / max(picture.size)
    width, height = (max(8, round(side * share / 8) * 8) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _mask(mask: ProviderInput, size: tuple[int, int]) -> Image.Image:
    """White where the picture may change, which is where the mask is transparent."""
    with Image.open(BytesIO(mask.read())) as given:
        alpha = given.convert("RGBA").getchannel("A").resize(size, Image.Resampling.NEAREST)
    if alpha.getextrema()[0] == 255:
        raise Refused(_("The mask has no transparent part: nothing could change."))
    return alpha.point(lambda value: 255 - value)


def _seed(request: ProviderRequest) -> int:
    """As asked for; else one of the cell's own, so that it can be made again."""
    seed = request.parameters.get("seed")
    if seed is None:
        return int.from_bytes(hashlib.sha256(request.idempotency_key.encode()).digest()[:4], "big")
    if not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise Refused(_("The seed is a whole number from 0 to %(most)s.") % {"most": LARGEST_SEED})
    return seed


def _strength(parameters: Mapping[str, Any], settings: Settings) -> float:
    strength = parameters.get("strength", settings.strength)
    if not isinstance(strength, int | float) or not 0 < strength <= 1:
        raise Refused(_("The strength is a number above 0, at most 1."))
    return float(strength)
