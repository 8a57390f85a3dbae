"""What has failed or stands still, for the first page: each with how much of it, why, and what helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam import import_runs
from dam.models import DeliveryState, ImportState, WebhookDelivery
from dam.roles import Role, has_role
from generation import dead_letters
from generation.providers.base import Cause
from search.models import IndexEntry, IndexState, Space, SpaceState

SHOWN = 3  # of each sort; the list behind the link has the others
PATIENCE = timedelta(minutes=10)  # a worker that runs has looked at an entry by then
REMEMBERED = timedelta(days=30)  # what nobody minded for so long is no news
# The same request again meets the same answer: somebody has to change the input, the words or the sum first.
FINAL_CAUSES = (Cause.INPUT, Cause.BLOCKED, Cause.REFUSED, Cause.BUDGET, Cause.CAP)


@dataclass(frozen=True)
class Trouble:
    """One thing that somebody should look at.

    Attributes:
        sentence: what has happened, with how often.
        why: what the last of them said; empty where the sentence says all.
        details: address of the list.
        deed: label of the button; empty where nothing but looking helps.
        post: address that the button posts to.
        fields: what it posts.
    """

    sentence: str
    details: str
    why: str = ""
    deed: str = ""
    post: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


def troubles(user: User) -> list[Trouble]:
    """What this account may see and do something about, the index first; a constant number of queries."""
    found: list[Trouble] = []
    if user.has_perm("search.view_indexentry"):
        found += [*_not_indexed(), *_standing_still()]
    found += _imports(user)
    if has_role(user, Role.EDITOR):
        found += _dead_pictures()
    if has_role(user, Role.ADMINISTRATOR):
        found += _lost_messages()
    return found


def _whole_list(name: str, action: str, key: int, **filters: Any) -> tuple[str, dict[str, Any]]:
    """Address and fields of an admin list's own action on all that its filters show."""
    address = f"{reverse(f'admin:{name}')}?{urlencode(filters)}"
    return address, {"action": action, "select_across": 1, "_selected_action": key}


def _all_failed(
    rows: QuerySet[Any], say: Callable[[int], str], deed: str, name: str, action: str, state: str
) -> Iterator[Trouble]:
    """One line for all rows, with what was wrong with the latest; the deed is the one of their own list."""
    if not (number := rows.count()):
        return
    key, why = rows.order_by("-pk").values_list("pk", "last_error").first() or (0, "")
    post, fields = _whole_list(name, action, key, state__exact=state)
    yield Trouble(say(number) % {"count": number}, post, why, deed, post, fields)


def _not_indexed() -> Iterator[Trouble]:
    def say(number: int) -> str:
        return ngettext(
            "%(count)d asset could not be indexed: search does not find it by meaning.",
            "%(count)d assets could not be indexed: search does not find them by meaning.",
            number,
        )

    live = Space.objects.filter(state=SpaceState.LIVE).values("pk")
    failed = IndexEntry.objects.filter(state=IndexState.FAILED, space__in=live)
    name = "search_indexentry_changelist"
    return _all_failed(failed, say, _("Index again"), name, "index_again", IndexState.FAILED)


def _standing_still() -> Iterator[Trouble]:
    """Entries that a running worker would have taken long ago."""
    before = timezone.now() - PATIENCE
    late = IndexEntry.objects.filter(
        state=IndexState.PENDING, not_before__lt=before, waits_for_budget=False, attempts=0
    )
    if late.exists():
        yield Trouble(
            _("Assets have waited for the index for more than ten minutes. No worker seems to run."),
            f"{reverse('admin:search_indexentry_changelist')}?state__exact={IndexState.PENDING}",
            _("Start one with “manage.py serve”; “manage.py doctor” says what is missing."),
        )


def _imports(user: User) -> Iterator[Trouble]:
    since = timezone.now() - REMEMBERED
    failed = (
        import_runs.imports_of(user).filter(state=ImportState.FAILED, finished__gte=since).order_by("-pk")
    )
    for run in failed[:SHOWN]:
        yield Trouble(
            _("The import of “%(name)s” was cut off.") % {"name": run.location},
            reverse("admin:dam_import_run", args=[run.public_id]),
            run.problem,
            _("Go on"),
            reverse("admin:dam_import_verb", args=[run.public_id, "resume"]),
        )


def _dead_pictures() -> Iterator[Trouble]:
    """By cause and provider, the most frequent first."""
    since = (timezone.localdate() - REMEMBERED).isoformat()
    dead = dead_letters.dead_items().filter(finished__date__gte=since)
    for group in dead_letters.counted(dead)[:SHOWN]:
        filters = {"cause__exact": group.cause, "job__provider": group.provider}
        newest = dead.filter(**filters).values_list("pk", "reason").first()
        key, reason = newest or (0, "")
        post, fields = _whole_list(
            "generation_deadletter_changelist", "run_again", key, **filters, finished__date__gte=since
        )
        sentence = ngettext(
            "%(count)d picture was not made by %(provider)s: %(cause)s.",
            "%(count)d pictures were not made by %(provider)s: %(cause)s.",
            group.count,
        )
        cause = Cause(group.cause).label if group.cause in Cause else _("for an unknown cause")
        said = sentence % {"count": group.count, "provider": group.provider, "cause": cause}
        if group.cause in FINAL_CAUSES:
            yield Trouble(said, post, reason)
        else:
            yield Trouble(said, post, reason, _("Run again"), post, fields)


def _lost_messages() -> Iterator[Trouble]:
    def say(number: int) -> str:
        return ngettext(
            "%(count)d message to a webhook was given up.",
            "%(count)d messages to webhooks were given up.",
            number,
        )

    dead = WebhookDelivery.objects.filter(state=DeliveryState.DEAD)
    name = "dam_webhookdelivery_changelist"
    return _all_failed(dead, say, _("Send again"), name, "send_again", DeliveryState.DEAD)
