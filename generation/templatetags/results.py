"""Filters for templates: what becomes of a result."""

from __future__ import annotations

from datetime import date

from django import template

from generation import retention
from generation.models import GenerationItem

register = template.Library()


@register.filter
def leaves_on(item: GenerationItem) -> date | None:
    """`{{ item|leaves_on }}`: the day on which a rejected picture goes to the trash, if it does."""
    return retention.leaves_on(item)
