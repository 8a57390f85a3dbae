"""Writing the audit log."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model

from dam.models import AuditEntry

Actor = User | AnonymousUser | None


def record(actor: Actor, action: str, target: Model, **details: Any) -> None:
    """One deed; `actor` is None for the command line and for background work."""
    record_many(actor, action, [(target, details)])


def record_many(actor: Actor, action: str, deeds: Iterable[tuple[Model, dict[str, Any]]]) -> None:
    """The same deed on many targets, in one insert."""
    who = actor if isinstance(actor, User) else None
    key = getattr(who, "_dam_key", "")  # a program that acts in the person's name
    more = {"api_key": key} if key else {}
    AuditEntry.objects.bulk_create(
        AuditEntry(
            actor=who,
            actor_name=who.get_username() if who else "",
            action=action,
            target_type=target._meta.model_name or "",
            target_id=name_of(target),
            details=json.loads(json.dumps({**details, **more}, cls=DjangoJSONEncoder)),
        )
        for target, details in deeds
    )


def name_of(target: Model) -> str:
    """What the log calls this thing: its public name, so that the entry outlives the row."""
    for attribute in ("public_id", "slug", "code"):
        if name := getattr(target, attribute, None):
            return str(name)
    return str(target.pk)
