"""A provider for tests: it paints what went in side by side, keeps a ledger, and fails on request."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO

from PIL import Image

from generation.providers.base import (
    Capability,
    Provider,
    ProviderRequest,
    ProviderResult,
)

ALL_ROLES = frozenset({"model", "garment", "accessory", "product", "character", "prop", "scene", "reference"})


class Painter(Provider):
    """What it is to do next lies in `incidents`: an exception to raise, or a function to call first."""

    name = "painter"

    def __init__(
        self,
        *,
        price: str = "0.04",
        parallel_calls: int = 1,
        max_inputs: int = 4,
        roles: frozenset[str] = ALL_ROLES,
        missing: str = "",
        prompt_tokens: int = 0,
    ) -> None:
        self._capability = Capability(
            roles=roles,
            max_inputs=max_inputs,
            aspect_ratios=("3:4", "1:1"),
            price_per_picture=Decimal(price),
            currency="USD",
            price_as_of="2026-11-23",
            price_source="tests",
            seconds_per_picture=2.0,
            parallel_calls=parallel_calls,
            makes_photographs=True,
            prompt_tokens=prompt_tokens,
        )
        self._missing = missing
        self._lock = threading.Lock()
        self.ledger: list[ProviderRequest] = []
        self.incidents: deque[Exception | Callable[[ProviderRequest], None] | bytes] = deque()
        self.seconds = 0.0

    @property
    def capability(self) -> Capability:
        return self._capability

    def check(self) -> str | None:
        return self._missing or None

    def generate(self, request: ProviderRequest) -> ProviderResult:
        with self._lock:
            self.ledger.append(request)
            incident = self.incidents.popleft() if self.incidents else None
        if isinstance(incident, Exception):
            raise incident
        if callable(incident):
            incident(request)
        if self.seconds:
            time.sleep(self.seconds)
        image = incident if isinstance(incident, bytes) else self._paint(request)
        return ProviderResult(
            image, "image/png", "painter-1", self._capability.price_per_picture, "USD", {"finish": "STOP"}
        )

    def _paint(self, request: ProviderRequest) -> bytes:
        sheet = Image.new("RGB", (64 * len(request.inputs), 64), "white")
        for number, given in enumerate(request.inputs):
            with Image.open(BytesIO(given.read())) as picture:
                sheet.paste(picture.convert("RGB").resize((60, 60)), (64 * number, 2))
        # The request's own colour, so that two requests never give the same file.
        sheet.paste(f"#{request.idempotency_key[:6]}", (0, 62, 64, 64))
        sheet.paste(f"#{request.idempotency_key[6:12]}", (0, 0, 64, 2))
        out = BytesIO()
        sheet.save(out, "PNG")
        return out.getvalue()
