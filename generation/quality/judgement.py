"""What a judgement is: the pictures that it looks at, its checks, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from PIL import Image

# From 0 to 1; below, a check speaks against the picture. Every scale has its turn here.
POOR = 0.5


class CheckName(StrEnum):
    """What is looked at."""

    LIKENESS = "likeness"
    STYLE = "style"
    SHARPNESS = "sharpness"
    CONTENT = "content"
    SIZE = "size"
    LETTERING = "lettering"


class Problem(StrEnum):
    """Why there are no scores."""

    GONE = "gone"
    UNREADABLE = "unreadable"
    CUT_OFF = "cut_off"
    UNFORESEEN = "unforeseen"
    NO_ENCODER = "no_encoder"


class Followed(StrEnum):
    """What was done about a poor result without anybody's word."""

    MADE_AGAIN = "made_again"
    NO_BUDGET = "no_budget"


@dataclass(frozen=True)
class Source:
    """An input: its picture (RGB or RGBA, upright), None where it is gone since.

    Attributes:
        position: among the inputs.
        key: of the picture's content; what is measured on it once is kept by that.
        is_edited: it is the picture that was to be changed, not one to take the style from.
    """

    role: str
    position: int
    picture: Image.Image | None
    key: str
    is_edited: bool = False


@dataclass(frozen=True)
class Asked:
    """What was asked for, beside what came.

    Attributes:
        size: width and height of the result's file.
        aspect_ratio: “3:4”, or empty for none.
        image_size: “1K”, “2K”, “4K” of the longer side, or empty for none.
        photograph: a picture without lettering; boards carry captions.
    """

    size: tuple[int, int]
    aspect_ratio: str = ""
    image_size: str = ""
    photograph: bool = True


@dataclass(frozen=True)
class Case:
    """A result with all that it is judged by. `result` may be smaller than its file."""

    result: Image.Image
    sources: Sequence[Source]
    asked: Asked


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        score: from 0 to 1.
        role, position: of the input that it was compared with, if any.
        figures: what was measured, by name.
    """

    name: str
    score: float
    role: str = ""
    position: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_poor(self) -> bool:
        return self.score < POOR

    def as_json(self) -> dict[str, Any]:
        """Rounded, as it is kept."""
        told: dict[str, Any] = {"name": str(self.name), "score": round(self.score, 3)}
        if self.role:
            told |= {"role": self.role, "position": self.position}
        return {**told, "figures": {name: round(value, 3) for name, value in self.figures.items()}}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What was kept."""
        return cls(
            told["name"],
            told["score"],
            told.get("role", ""),
            told.get("position"),
            told.get("figures", {}),
        )


@dataclass(frozen=True)
class Judgement:
    """All checks of a result. `unseen`: the roles of sources that are gone since."""

    checks: tuple[Check, ...]
    unseen: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """That of the worst check: a picture with one flaw is not used, however good the rest is."""
        return min((check.score for check in self.checks), default=1.0)

    @property
    def is_poor(self) -> bool:
        return self.score < POOR

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {"checks": [check.as_json() for check in self.checks], "unseen": list(self.unseen)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What was kept."""
        checks = tuple(Check.from_json(check) for check in told.get("checks", ()))
        return cls(checks, tuple(told.get("unseen", ())))
