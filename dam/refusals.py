"""What a decoder does not read, as a sentence for whoever brought the file."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from dam.errors import IngestError, Undecodable
from dam.sniffing import ACCEPTED_NAMES

# A decoder's word → code and sentence.
_SENTENCES = {
    "far_too_many_pixels": (
        "too_many_pixels",
        _("The picture has more than %(limit)s million pixels. Make it smaller and upload it again."),
    ),
    "too_many_pixels": (
        "too_many_pixels",
        _(
            "The picture is %(width)s × %(height)s pixels; at most %(limit)s million pixels are taken. "
            "Make it smaller and upload it again."
        ),
    ),
    "broken": (
        "broken",
        _(
            "The file is damaged or incomplete: it could not be decoded to its end. "
            "Get it again from its source."
        ),
    ),
    "rare": (
        "broken",
        _(
            "The file begins like a %(name)s picture but cannot be read: it is damaged or incomplete, or "
            "of a rare variety. Get it again from its source, or save it as JPEG or PNG."
        ),
    ),
    "unsupported": (
        "unsupported",
        _("Files of the type %(name)s are not taken. Save the picture as one of: %(accepted)s."),
    ),
    "not_a_picture": (
        "not_a_picture",
        _("The file is not a picture, whatever its name says. These are taken: %(accepted)s."),
    ),
    "drawing": (
        "broken",
        _("The drawing (SVG) could not be rendered: it is damaged. Export it as PNG and upload that."),
    ),
    "memory": (
        "too_costly",
        _(
            "This file cannot be read: decoding it needs more memory than one file may take (%(limit)s MB). "
            "Make the picture smaller, or save it as JPEG or PNG, and upload that."
        ),
    ),
    "time": (
        "too_costly",
        _(
            "This file cannot be read: decoding it takes longer than one file may take (%(limit)s s). "
            "Make the picture smaller, or save it as JPEG or PNG, and upload that."
        ),
    ),
    "crash": (
        "crash",
        _(
            "This file cannot be read: the program that decodes it broke down over it (%(how)s). "
            "Save it as JPEG or PNG with another program and upload that."
        ),
    ),
}


def refusal(refused: Undecodable) -> IngestError:
    """The refusal with its code and sentence."""
    code, sentence = _SENTENCES[refused.word]
    values: dict[str, Any] = {"accepted": ACCEPTED_NAMES, **refused.values}
    if "pixels" in values:
        values["limit"] = values["pixels"] // 1_000_000
    for side in {"width", "height"} & values.keys():
        values[side] = f"{values[side]:,}"
    return IngestError(code, sentence, **values)
