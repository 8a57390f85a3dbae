"""The scores as people read them: names, verdicts, and why there are none."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from generation.models import GenerationItem, InputRole, QualityState
from generation.quality import scales
from generation.quality.judgement import POOR, Check, CheckName, Followed, Judgement, Problem


@dataclass(frozen=True)
class CheckShown:
    """One check as a page and the API show it; `score` from 0 to 1."""

    name: str
    label: str
    score: float
    sentence: str

    @property
    def percent(self) -> int:
        return round(100 * self.score)

    @property
    def is_poor(self) -> bool:
        return self.score < POOR


@dataclass(frozen=True)
class QualityShown:
    """What a page and the API say about a result.

    Attributes:
        score: from 0 to 1; None where there are no scores.
        sentence: what speaks against it, or why there are no scores.
        followed: what was done about it without anybody's word; empty for nothing.
    """

    state: str
    label: str
    score: float | None
    sentence: str
    followed: str
    checks: list[CheckShown]

    @property
    def percent(self) -> int | None:
        return None if self.score is None else round(100 * self.score)

    @property
    def is_poor(self) -> bool:
        return self.score is not None and self.score < POOR


def quality_of(item: GenerationItem) -> QualityShown:
    """The scores of an item in the reader's language, the worst check first."""
    found = Judgement.from_json(item.scores)
    checks = [CheckShown(check.name, label(check), check.score, sentence(check)) for check in found.checks]
    return QualityShown(
        state=item.quality_state or "due",
        label=str(QualityState(item.quality_state).label),
        score=item.quality,
        sentence=_in_all(item, found),
        followed=_what_followed(item),
        checks=sorted(checks, key=lambda check: check.score),
    )


def complaints(judgement: Judgement) -> list[str]:
    """What speaks against a result, the worst first."""
    poor = sorted((check for check in judgement.checks if check.is_poor), key=lambda check: check.score)
    return list(dict.fromkeys(sentence(check) for check in poor))


def label(check: Check) -> str:
    """What was looked at."""
    if check.name == CheckName.LIKENESS:
        return _role(check)
    return {
        CheckName.STYLE: _("Style"),
        CheckName.SHARPNESS: _("Sharpness"),
        CheckName.CONTENT: _("Content"),
        CheckName.SIZE: _("Size and shape"),
        CheckName.LETTERING: _("Lettering"),
    }[CheckName(check.name)]


def sentence(check: Check) -> str:
    """What was found."""
    good, poor = _sentences(check)
    return poor if check.is_poor else good


def _sentences(check: Check) -> tuple[str, str]:
    """What is said of a good one, and of a poor one."""
    match CheckName(check.name):
        case CheckName.LIKENESS:
            return _likeness(check)
        case CheckName.STYLE:
            return _("It has the style of its references."), _("Its style is not that of its references.")
        case CheckName.SHARPNESS:
            return _("It is sharp."), _("It is blurred.")
        case CheckName.CONTENT:
            return _("It shows something."), _("It is empty, or nearly: one colour, or a smooth gradient.")
        case CheckName.SIZE:
            return (
                _("It has the size and shape that were asked for."),
                _("It does not have the size or shape that was asked for."),
            )
        case CheckName.LETTERING:
            return (
                _("No lettering was noticed that its sources lack."),
                _("There seems to be lettering on it that its sources lack."),
            )


def _likeness(check: Check) -> tuple[str, str]:
    named = {"role": _role(check)}
    good = _("%(role)s: as its source shows it.") % named
    if check.figures.get("colours", 1.0) < scales.COLOURS:
        return good, _("%(role)s: it does not have the colours that its source shows.") % named
    return good, _("%(role)s: it does not look like its source.") % named


def _role(check: Check) -> str:
    return str(InputRole(check.role).label)


def _in_all(item: GenerationItem, found: Judgement) -> str:
    if item.quality_state == QualityState.SCORED:
        said = complaints(found) or [_("Nothing was found that speaks against it.")]
        return " ".join([*said, *_unseen(found)])
    problem = item.scores.get("problem")
    return _why_not(Problem(problem), item.scores) if problem else _("It has not been scored yet.")


def _unseen(found: Judgement) -> list[str]:
    """What could not be compared."""
    return [
        _("%(role)s: its source is not there any more, so that nothing was compared.")
        % {"role": InputRole(role).label}
        for role in dict.fromkeys(found.unseen)
    ]


def _why_not(problem: Problem, scores: dict[str, str]) -> str:
    return {
        Problem.GONE: _("There are no scores: the picture is not there any more."),
        Problem.UNREADABLE: _("There are no scores: the file of the picture cannot be read."),
        Problem.CUT_OFF: _("There are no scores: scoring was cut off several times."),
        Problem.UNFORESEEN: _("There are no scores: scoring failed in an unforeseen way; the log has more."),
        Problem.NO_ENCODER: _("It will be scored when the encoder answers again: %(reason)s")
        % {"reason": scores.get("reason", "")},
    }[problem]


def _what_followed(item: GenerationItem) -> str:
    """What was done about a poor one."""
    followed = item.scores.get("followed")
    if not followed:
        return ""
    return {
        Followed.MADE_AGAIN: _("It was made again without being told; both wait for review."),
        Followed.NO_BUDGET: _("It was not made again: the budget does not hold another picture."),
    }[Followed(followed)]
