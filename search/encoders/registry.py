"""Encoders by id, as settings declare them; one instance per process."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from search.encoders.base import Encoder, EncoderError


@cache
def get_encoder(encoder_id: str) -> Encoder:
    """`starter`, or `family:argument` such as `openclip:ViT-B-32/openai`.

    Raises:
        EncoderError: no such family is declared.
    """
    encoder_class = _class_of(encoder_id)
    argument = encoder_id.partition(":")[2]
    return encoder_class(argument) if argument else encoder_class()


def is_paid(encoder_id: str) -> bool:
    """Whether each call of it costs money; nothing is loaded to know that.

    Raises:
        EncoderError: no such family is declared.
    """
    return bool(_class_of(encoder_id).paid)


def _class_of(encoder_id: str) -> type[Any]:
    try:
        path = settings.SEARCH_ENCODERS[encoder_id.partition(":")[0]]
    except KeyError:
        known = ", ".join(sorted(settings.SEARCH_ENCODERS))
        raise EncoderError(f"There is no encoder “{encoder_id}”. Known families: {known}.") from None
    return import_string(path)
