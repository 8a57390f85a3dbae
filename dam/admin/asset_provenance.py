"""The panel that tells how a picture was made, in words; the pictures that went in stand below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from dam import workflow
from dam.models import Asset
from dam.provenance import inquiry
from dam.provenance.inquiry import Answer
from dam.roles import sees_library


@dataclass(frozen=True)
class Panel:
    """What the panel shows.

    Attributes:
        sentence: how it was made.
        is_foreign: only the file says so; it was made elsewhere.
        rows: facts, each with its label.
        prompt: for those who may change the picture.
        job_url: the page that tells more; empty: there is none, or it is not theirs to see.
        labels: what stands in the file, by the names that it has there.
        credentials: of a signed manifest, in a sentence, and whether that is as it should be.
    """

    sentence: str
    is_foreign: bool
    rows: list[tuple[str, str]]
    prompt: str
    job_url: str
    labels: list[tuple[str, str]]
    credentials: tuple[str, bool]


def panel_for(asset: Asset, user: User) -> Panel | None:
    """The panel of an asset; None where nobody says how it was made."""
    answer = inquiry.of_asset(asset)
    if not (answer.is_generated or answer.making or answer.content_credentials):
        return None
    made = answer.made
    return Panel(
        sentence=" ".join(answer.sentences),
        is_foreign=answer.said_by == "file",
        rows=[(label, value) for label, value in _rows(answer) if value],
        prompt=made.prompt if made and workflow.may_change(user, asset) else "",
        job_url=_page_of(made.job) if made and made.job and sees_library(user) else "",
        labels=[(label, value) for label, value in _labels(answer) if value],
        credentials=_credentials(answer),
    )


def _rows(answer: Answer) -> Iterator[tuple[str, str]]:
    own, made = answer.declared.own, answer.made
    yield _("Provider"), made.provider if made else str(own.get("Provider", ""))
    yield _("Model of the provider"), made.model if made else str(own.get("Model", ""))
    if answer.made_at:
        yield _("Made"), date_format(localtime(answer.made_at), "DATETIME_FORMAT")
    yield _("Item"), made.item if made else str(own.get("Item", ""))


def _labels(answer: Answer) -> Iterator[tuple[str, str]]:
    yield "IPTC DigitalSourceType", answer.digital_source_type
    for name, value in (answer.aigc or {}).items():
        yield f"AIGC {name}", value
    yield f"{_('Prompt')} SHA-256", str(answer.declared.own.get("PromptSHA256", ""))


def _credentials(answer: Answer) -> tuple[str, bool]:
    said = answer.content_credentials
    if said is None:
        return _("The file has no signed manifest (C2PA)."), True
    names = {"issuer": said.get("issuer") or _("somebody"), "generator": said.get("generator") or "–"}
    sentences = {
        "valid": _("Signed by %(issuer)s with %(generator)s; the file is as it was signed."),
        "trusted": _(
            "Signed by %(issuer)s, who is trusted, with %(generator)s; the file is as it was signed."
        ),
        "invalid": _(
            "It has a manifest of %(issuer)s, made with %(generator)s, that does not fit this file: it was "
            "changed after it was signed, or the signature is not good."
        ),
        "unread": _("The file has a signed manifest (C2PA), which cannot be read here."),
        "unreadable": _("The file has a manifest (C2PA) that is damaged."),
    }
    state = str(said.get("state"))
    sentence = sentences.get(state, sentences["unreadable"]) % names
    return sentence, state in ("valid", "trusted", "unread")


def _page_of(row: Model) -> str:
    meta = row._meta
    try:
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=(row.pk,))
    except NoReverseMatch:
        return ""
