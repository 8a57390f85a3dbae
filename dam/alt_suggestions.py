"""Suggested alternative texts and descriptions: offered by machines, taken over or dismissed by people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import audit, editing, workflow
from dam.audit import Actor
from dam.models import AltTextSuggestion, Asset, SuggestionState

FIELDS = ("alt_text", "alt_text_zh", "description", "description_zh")


class AlreadyDecided(ValueError):
    """Somebody has accepted or dismissed it, or a newer one has taken its place; `str()` says so."""


@dataclass(frozen=True)
class Words:
    """What is suggested; empty where nothing is."""

    alt_text: str = ""
    alt_text_zh: str = ""
    description: str = ""
    description_zh: str = ""


@transaction.atomic
def suggest(words: Sequence[tuple[Asset, Words]], *, source: str) -> int:
    """Offer words for the current files of assets. What was offered before for the same file by the same
    source stays as people decided; an open one for another file or from another source gives way.

    Args:
        source: who says so, e.g. the name of a model.

    Returns:
        How many suggestions are new.
    """
    described = {asset.pk: (asset, asset.current.sha256, text) for asset, text in words if asset.current}
    before = AltTextSuggestion.objects.select_for_update(no_key=True).filter(asset__in=described)
    known = {(one.asset_id, one.sha256, one.source) for one in before}
    new = [
        AltTextSuggestion(asset=asset, sha256=sha256, source=source, **asdict(text))
        for asset, sha256, text in described.values()
        if (asset.pk, sha256, source) not in known
    ]
    given_way = AltTextSuggestion.objects.filter(
        asset__in=[one.asset_id for one in new], state=SuggestionState.OPEN
    )
    given_way.update(state=SuggestionState.SUPERSEDED, decided_at=timezone.now())
    # Another worker may offer words for the same asset; what was paid for beside them must not fail on that.
    AltTextSuggestion.objects.bulk_create(new, ignore_conflicts=True)
    deeds = [(one.asset, {"source": source, "alt_text": one.alt_text}) for one in new]
    audit.record_many(None, "asset.alt_suggested", deeds)
    return len(new)


def open_for(asset: Asset) -> AltTextSuggestion | None:
    """What is offered for the asset as it is: for its current file, and for a field that is empty."""
    if asset.current is None or not any(_fillable(asset)):
        return None
    offered = asset.alt_suggestions.filter(state=SuggestionState.OPEN, sha256=asset.current.sha256)
    return next((one for one in offered if any(getattr(one, name) for name in _fillable(asset))), None)


def would_fill(asset: Asset, suggestion: AltTextSuggestion) -> dict[str, str]:
    """The texts that accepting would write, by field: what a person wrote is never replaced."""
    return {name: getattr(suggestion, name) for name in _fillable(asset) if getattr(suggestion, name)}


def _fillable(asset: Asset) -> list[str]:
    return [name for name in FIELDS if not getattr(asset, name).strip()]


@transaction.atomic
def accept(suggestion: AltTextSuggestion, *, actor: Actor) -> list[str]:
    """Write its texts into the fields of the asset that are empty. Returns their names.

    Raises:
        AlreadyDecided: it is not open any more; nothing was changed.
        NotPermitted: the asset is not the actor's to change; nothing was changed.
    """
    (asset,) = editing.lock([suggestion.asset])
    workflow.check_changing(actor, [asset])
    _decide(suggestion, SuggestionState.ACCEPTED, actor)
    texts = would_fill(asset, suggestion)
    if texts:
        editing.update_assets([asset], actor=actor, changes=texts, action="asset.alt_accepted")
    return list(texts)


@transaction.atomic
def dismiss(suggestion: AltTextSuggestion, *, actor: Actor) -> None:
    """Take it away; the same source does not offer it again for this file.

    Raises:
        AlreadyDecided: it is not open any more; nothing was changed.
        NotPermitted: the asset is not the actor's to change; nothing was changed.
    """
    workflow.check_changing(actor, [suggestion.asset])
    _decide(suggestion, SuggestionState.DISMISSED, actor)
    audit.record(
        actor,
        "asset.alt_dismissed",
        suggestion.asset,
        source=suggestion.source,
        alt_text=suggestion.alt_text,
    )


def _decide(suggestion: AltTextSuggestion, state: SuggestionState, actor: Actor) -> None:
    by = actor if actor is not None and actor.is_authenticated else None
    decided = AltTextSuggestion.objects.filter(pk=suggestion.pk, state=SuggestionState.OPEN).update(
        state=state, decided_at=timezone.now(), decided_by=by
    )
    if not decided:
        raise AlreadyDecided(_("Somebody has decided on this suggestion already. Load the page again."))
    suggestion.state = state
