"""Filter for templates: the scores of an item in the reader's words."""

from __future__ import annotations

from django import template

from generation.models import GenerationItem
from generation.quality.wording import QualityShown, quality_of

register = template.Library()


@register.filter
def quality(item: GenerationItem) -> QualityShown:
    """`{{ item|quality }}`: score, verdict and checks."""
    return quality_of(item)
