"""Parameters of jobs and pictures in words: what pages say instead of the names that code uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

_LABELS: dict[str, Promise] = {
    "language": gettext_lazy("Language of the prompts"),
    "prompt_version": gettext_lazy("Version of the prompts"),
    "aspect_ratio": gettext_lazy("Aspect ratio"),
    "size": gettext_lazy("Size"),
    "quality": gettext_lazy("Quality"),
    "seed": gettext_lazy("Seed"),
    "negative": gettext_lazy("What is not to be seen"),
    "strength": gettext_lazy("Strength of the change"),
    "retry_poor": gettext_lazy("Poor results"),
    "style": gettext_lazy("Style"),
    "template": gettext_lazy("Prompt template"),
    "note": gettext_lazy("Note on the picture before"),
    "prompt_left_out": gettext_lazy("Left out of the prompt"),
    "variation": gettext_lazy("Attempt"),
}
_LANGUAGES = {"en": gettext_lazy("English"), "zh": gettext_lazy("Chinese")}


def parameters_in_words(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each parameter that says something; those that nobody named keep their names."""
    shown = []
    for name, value in parameters.items():
        if value in ("", None, [], {}):
            continue
        label = str(_LABELS.get(name) or name.replace("_", " ").capitalize())
        shown.append((label, _VALUES.get(name, _plain)(value)))
    return shown


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return _(", ").join(map(_plain, value))
    if isinstance(value, dict):
        return _(", ").join(f"{name}: {_plain(inner)}" for name, inner in value.items())
    return str(value)


def _language(value: Any) -> str:
    return str(_LANGUAGES.get(value, value))


def _retry_poor(value: Any) -> str:
    return _("made once more, within the budget") if value else _("left as they are")


_VALUES: dict[str, Callable[[Any], str]] = {"language": _language, "retry_poor": _retry_poor}
