"""Telling people: in their own list at once, by mail in one letter; each thing once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from dam.models import Asset, Assignment, Notice, NoticeKind

log = logging.getLogger(__name__)
# So many days before the rights end, their owner is told; the last word comes when they have.
STAGES = (30, 7, 1)
CHUNK = 1000
IN_A_LETTER = 50


def tell(users: Iterable[User], kind: str, asset: Asset, *, key: str, **details: Any) -> int:
    """Tell each of them, who was not told under this key before. Returns how many that are."""
    return tell_each([(user, asset, key) for user in users], kind, **details)


def tell_each(told: Sequence[tuple[User, Asset, str]], kind: str, **details: Any) -> int:
    """The same words about different assets, in one insert."""
    before = Notice.objects.filter(key__in=[key for _user, _asset, key in told])
    known = set(before.values_list("user_id", "key"))
    new = [
        Notice(user=user, kind=kind, asset=asset, key=key, details=details)
        for user, asset, key in told
        if (user.pk, key) not in known
    ]
    Notice.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def of(user: User) -> QuerySet[Notice]:
    """What the user was told, but for what is about an asset that is not theirs to open any more."""
    visible = Exists(Asset.objects.visible_to(user).filter(pk=OuterRef("asset")))
    return Notice.objects.filter(Q(asset=None) | visible, user=user)


def unread(user: User) -> QuerySet[Notice]:
    """What the user has not read yet, newest first."""
    return of(user).filter(read_at=None).select_related("asset__current")


def mark_read(user: User, keys: Iterable[int] | None = None) -> int:
    """These of the user's notices, or all, count as read. Returns how many were not."""
    notices = Notice.objects.filter(user=user, read_at=None)
    if keys is not None:
        notices = notices.filter(pk__in=list(keys))
    return notices.update(read_at=timezone.now())


def sentence(notice: Notice) -> str:
    """What is told, in the language of whoever reads it."""
    name = str(notice.asset) if notice.asset else ""
    details = {"asset": name, "who": "", "text": "", **notice.details}
    if day := details.get("due") or details.get("until"):
        details["day"] = date_format(date.fromisoformat(day), "DATE_FORMAT")
    if notice.kind == NoticeKind.COMMENTED:
        return _("%(who)s on “%(asset)s”: %(text)s") % details
    if notice.kind == NoticeKind.ASSIGNED:
        if "day" in details:
            return _("%(who)s asks you, by %(day)s, about “%(asset)s”: %(text)s") % details
        return _("%(who)s asks you about “%(asset)s”: %(text)s") % details
    if notice.kind == NoticeKind.DONE:
        return _("%(who)s has done with “%(asset)s”: %(text)s") % details
    if notice.kind == NoticeKind.DUE:
        return _("Due by %(day)s for “%(asset)s”: %(text)s") % details
    if notice.kind == NoticeKind.RIGHTS_ENDING:
        return _("“%(asset)s” may be used until %(day)s. Renew its rights or replace it.") % details
    return _("“%(asset)s” may not be used since %(day)s; the shop does not show it any more.") % details


def tell_of_rights(today: date | None = None) -> int:
    """Tell owners which of their assets' rights end soon or have ended. Returns how many notices are new.

    Doing it again tells nothing twice; after days without a run, the stages that were missed are told once.
    """
    today = today or timezone.localdate()
    concerned = (
        Asset.objects.in_library()
        .filter(
            owner__is_active=True,
            usable_until__lte=today + timedelta(days=STAGES[0]),
            usable_until__gte=today - timedelta(days=STAGES[0]),
        )
        .select_related("owner")
        .order_by("pk")
    )
    told, batch = 0, []
    for asset in concerned.iterator(CHUNK):
        batch.append(asset)
        if len(batch) == CHUNK:
            told += _tell_of_rights(batch, today)
            batch = []
    return told + _tell_of_rights(batch, today)


def _tell_of_rights(assets: Sequence[Asset], today: date) -> int:
    told = 0
    by_end: dict[tuple[NoticeKind, date], list[tuple[User, Asset, str]]] = {}
    for asset in assets:
        if asset.usable_until is None or asset.owner is None:
            continue
        left = (asset.usable_until - today).days
        stage = min((stage for stage in STAGES if left <= stage), default=STAGES[0])
        kind = NoticeKind.RIGHTS_ENDED if left < 0 else NoticeKind.RIGHTS_ENDING
        key = f"rights:{asset.pk}:{asset.usable_until}:{'ended' if left < 0 else stage}"
        by_end.setdefault((kind, asset.usable_until), []).append((asset.owner, asset, key))
    for (kind, until), entries in by_end.items():
        told += tell_each(entries, kind, until=until.isoformat())
    return told


def tell_of_due(today: date | None = None) -> int:
    """Remind those whose assignments are due today or tomorrow. Returns how many notices are new."""
    today = today or timezone.localdate()
    due = Assignment.objects.filter(done_at=None, due_on__range=(today, today + timedelta(days=1)))
    told = 0
    for one in due.select_related("asset", "assignee").iterator(CHUNK):
        told += tell(
            [one.assignee],
            NoticeKind.DUE,
            one.asset,
            key=f"due:{one.pk}:{one.due_on}",
            text=one.task,
            due=one.due_on.isoformat() if one.due_on else "",
        )
    return told


def send_letters() -> int:
    """One letter to each who has an address and something unsent and unread. Returns how many were sent.

    Without a mail server (EMAIL_URL) nothing is sent, and nothing waits: the lists in the admin have it all.
    """
    waiting = Notice.objects.filter(mailed_at=None)
    if not settings.EMAIL_HOST:
        waiting.update(mailed_at=timezone.now())
        return 0
    sent = 0
    for user in User.objects.filter(pk__in=waiting.values("user")).iterator(CHUNK):
        sent += _send_letter(user)
    return sent


def _send_letter(user: User) -> int:
    with transaction.atomic():
        locked = Notice.objects.select_for_update(no_key=True).filter(user=user, mailed_at=None)
        keys = list(locked.values_list("pk", flat=True))
        news = unread(user).filter(mailed_at=None, pk__lte=max(keys, default=0))
        notices = list(news[:IN_A_LETTER])
        if notices and user.email and user.is_active:
            with translation.override(settings.LANGUAGE_CODE):
                told = [sentence(notice) for notice in notices]
                letter = render_to_string("dam/letter.txt", {"told": told, "more": news.count() - len(told)})
                subject = _("Atelier: news about your assets")
                try:
                    send_mail(subject, letter, None, [user.email])
                except (OSError, SMTPException) as error:
                    log.warning(
                        "A letter to user %s was not sent and will be tried again: %s", user.pk, error
                    )
                    return 0
        Notice.objects.filter(pk__in=keys).update(mailed_at=timezone.now())
    return int(bool(notices and user.email and user.is_active))
