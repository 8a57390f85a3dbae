"""Encoders by id, as settings declare them; one instance per process."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from search.encoders.base import Encoder, EncoderError


@cache
def get_encoder(encoder_id: str) -> Encoder:
    """`starter`, or `family:argument` such as `openclip:ViT-B-32/openai`.

    Raises:
        EncoderError: no such family is declared.
    """
    family, _, argument = encoder_id.partition(":")
    try:
        path = settings.SEARCH_ENCODERS[family]
    except KeyError:
        known = ", ".join(sorted(settings.SEARCH_ENCODERS))
        raise EncoderError(f"There is no encoder “{encoder_id}”. Known families: {known}.") from None
    encoder_class = import_string(path)
    return encoder_class(argument) if argument else encoder_class()
