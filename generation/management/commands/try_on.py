"""`manage.py try_on`: a person's own picture in garments of the library, for an account; and its deletion."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from dam.management.base import AtelierCommand
from dam.management.completion import accounts, selection
from generation import tryon
from generation.jobs import JobError
from generation.management import completion
from generation.models import ItemState, PersonPhoto
from generation.running import run_job
from generation.selection import SelectionError, select_assets
from generation.tryon import TryOnError


class Command(AtelierCommand):
    """Take a picture and dress the person, delete one, or delete what has had its time."""

    help = "Try garments of the library on in a person's own picture, which is kept privately for a time."
    examples = (
        (
            "the text that has to be accepted, and after it the pictures",
            'try_on me.jpg --user ada --accept-consent --garments "red dress" --provider vertex-tryon',
        ),
        (
            "delete a person's picture and everything made of it",
            "try_on --user ada --delete 019361f2-8d1b-7c5e-9f3a-2b6d4c8e0a17",
        ),
        ("delete every picture that had its time", "try_on --sweep"),
    )
    exit_codes = {1: "nothing was made or deleted; a sentence says why"}
    values = {
        "user": accounts,
        "garments": selection,
        "accessories": selection,
        "provider": completion.providers,
    }

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("photo", nargs="?", type=Path, metavar="PICTURE", help="a picture of the person")
        parser.add_argument("--user", metavar="NAME", help="whose picture it is: nobody else is shown it")
        parser.add_argument("--accept-consent", action="store_true", help="the printed text is accepted")
        parser.add_argument("--garments", default="", metavar="QUERY_OR_IDS", help="what to wear")
        parser.add_argument("--accessories", default="", metavar="QUERY_OR_IDS", help="worn with it")
        parser.add_argument("--provider", default="", help="who makes the pictures")
        parser.add_argument("--budget", type=Decimal, metavar="AMOUNT", help="spend no more than this")
        parser.add_argument("--delete", metavar="ID", help="delete this picture and everything made of it")
        parser.add_argument("--sweep", action="store_true", help="delete every picture that had its time")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = self._done(options)
        except (TryOnError, JobError, SelectionError, OSError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(report, ensure_ascii=False))
        else:
            for name, value in report.items():
                self.stdout.write(f"{name}: {value}")

    def _done(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["sweep"]:
            return {"deleted": tryon.sweep()}
        user = User.objects.filter(username=options["user"] or "").first()
        if user is None:
            raise TryOnError(_("Say with --user whose picture it is; there is no such account."))
        if options["delete"]:
            tryon.delete_photo(_photo(options["delete"], user), actor=user)
            return {"deleted": 1}
        if options["photo"] is None:
            raise TryOnError(_("Choose a picture of the person first."))
        return self._tried_on(user, options)

    def _tried_on(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        if not options["accept_consent"]:
            raise TryOnError(tryon.consent_text() + "\n" + _("Accept this with --accept-consent."))
        garments = select_assets(options["garments"], user=user, kinds=("garment",))
        accessories = options["accessories"]
        worn = select_assets(accessories, user=user, kinds=("accessory",)) if accessories else []
        with options["photo"].open("rb") as file:
            photo = tryon.take_photo(file, owner=user, consent=True)
        job = tryon.try_on(
            photo,
            garments,
            worn,
            provider=options["provider"],
            budget=options["budget"],
            in_background=False,
        )
        run_job(job, progress=options["verbosity"] > 0)
        made = job.items.filter(state=ItemState.SUCCEEDED).count()
        return {"photo": str(photo.public_id), "job": str(job.public_id), "succeeded": made}


def _photo(name: str, user: User) -> PersonPhoto:
    photo = tryon.find_photo(name, user)
    if photo is None:
        raise TryOnError(_("The person's picture was deleted."))
    return photo
