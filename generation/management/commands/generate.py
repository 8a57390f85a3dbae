"""`manage.py generate`: plan a batch of pictures, run it here, say what came of it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam.models import Asset
from generation import batches
from generation.jobs import JobError, create_job, pause, progress_of
from generation.models import GenerationItem, GenerationJob, ItemState
from generation.orders import KINDS, Order, plan_order
from generation.planning import Plan, PlanError
from generation.providers.registry import get_provider
from generation.quality import again
from generation.running import run_job
from generation.selection import DEFAULT_LIMIT, SelectionError
from generation.wording import duration, money

_KINDS = {"outfits": "outfits", "scenes": "scenes", "compose": "composition", "edit": "edit"}
_ROWS_SHOWN = 12


class Command(BaseCommand):
    """Outfits, scenes, a composition or an edit, from selections of the library."""

    help = "Generate pictures in a batch: outfits, scenes, a composition, an edit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = parser.add_subparsers(dest="job", required=True, metavar="{outfits,scenes,compose,edit}")
        outfits = kinds.add_parser("outfits", help="each model in each garment [with each accessory]")
        scenes = kinds.add_parser("scenes", help="each product in each scene")
        compose = kinds.add_parser("compose", help="one picture of what a sentence describes")
        edit = kinds.add_parser("edit", help="one asset changed as an instruction says")
        _selections(outfits, required=("models", "garments"), optional=("accessories",))
        _selections(scenes, required=("products", "scenes"))
        compose.add_argument("sentence", metavar="SENTENCE", help="“戴着火焰皇冠的精灵弓箭手”, for example")
        edit.add_argument("--asset", dest="assets", required=True, metavar="ID", help="the asset to change")
        edit.add_argument("--instruction", required=True, metavar="TEXT", help="what to change")
        for kind in (outfits, scenes, compose, edit):
            _common(kind)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            plan = plan_order(_order(options), user=None)
            if options["dry_run"]:
                self._show_plan(plan, options)
                return
            job = create_job(
                plan,
                owner=None,
                budget=options["budget"],
                parameters=again.parameters(options["retry_poor"]),
                in_background=False,
            )
        except (PlanError, SelectionError, JobError) as error:
            raise CommandError(str(error)) from error
        if not options["json"]:
            self._tell_plan(plan)
        self._run(job, plan, options)

    def _run(self, job: GenerationJob, plan: Plan, options: dict[str, Any]) -> None:
        try:
            if get_provider(job.provider).capability.batch_size:
                batches.run_job(job)
            else:
                run_job(job, progress=options["verbosity"] > 0)
        except KeyboardInterrupt:
            pause(job, actor=None)
            raise CommandError(
                _("Stopped; the job %(id)s is paused. Resume it on its page.") % {"id": job.public_id},
                returncode=130,
            ) from None
        report = _report(job, plan)
        if options["json"]:
            self.stdout.write(json.dumps(report, ensure_ascii=False, indent=2))
        else:
            self._tell_report(report)
        if report["succeeded"] < report["planned"]:
            raise CommandError(_why_incomplete(job))

    def _show_plan(self, plan: Plan, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(_dry_report(plan), ensure_ascii=False, indent=2))
            return
        self._tell_plan(plan)
        for cell in plan.cells[:_ROWS_SHOWN]:
            self.stdout.write(f"  {cell.description}")
        if plan.picture_count > _ROWS_SHOWN:
            self.stdout.write(_("  … and %(count)s more") % {"count": plan.picture_count - _ROWS_SHOWN})
        self.stdout.write(_("Nothing was generated and nothing was spent."))

    def _tell_plan(self, plan: Plan) -> None:
        self.stdout.write(
            ngettext(
                "%(count)d picture with “%(provider)s”, %(cost)s, about %(time)s",
                "%(count)d pictures with “%(provider)s”, %(cost)s, about %(time)s",
                plan.picture_count,
            )
            % {
                "count": plan.picture_count,
                "provider": plan.provider,
                "cost": money(plan.cost, plan.currency),
                "time": duration(plan.seconds),
            }
        )
        for slot in plan.slots:
            chosen = slot.chosen.display_title if slot.chosen else "—"
            self.stdout.write(f"  {slot.role}: “{slot.text}” → {chosen}")
        for left in plan.excluded:
            self.stdout.write(
                _("  left out: %(cell)s: %(reason)s") % {"cell": left.description, "reason": left.reason}
            )

    def _tell_report(self, report: dict[str, Any]) -> None:
        for output in report["outputs"]:
            self.stdout.write(f"  {output['file']}")
        self.stdout.write(
            _("%(made)s of %(planned)s pictures made, %(cost)s %(currency)s; they wait for review.")
            % {
                "made": report["succeeded"],
                "planned": report["planned"],
                "cost": report["cost"]["amount"],
                "currency": report["cost"]["currency"],
            }
        )


def _selections(parser: ArgumentParser, *, required: Sequence[str], optional: Sequence[str] = ()) -> None:
    for name in (*required, *optional):
        parser.add_argument(
            f"--{name}",
            required=name in required,
            metavar="QUERY_OR_IDS",
            help="a sentence to search by, or ids, sku:CODE, collection:ID separated by commas",
        )
    parser.add_argument(
        "--limit-per-selection",
        type=_positive,
        default=DEFAULT_LIMIT,
        metavar="N",
        help="take at most this many of what each selection finds (default: %(default)s)",
    )


def _common(parser: ArgumentParser) -> None:
    parser.add_argument("--provider", default="", help="who makes the pictures (default: the configured one)")
    parser.add_argument("--budget", type=_money, metavar="AMOUNT", help="spend no more than this")
    parser.add_argument(
        "--retry-poor",
        action="store_true",
        help="make a picture once more where its scores, given by a worker, speak against it",
    )
    parser.add_argument("--language", choices=("en", "zh"), default="", help="language of the prompts")
    parser.add_argument("--dry-run", action="store_true", help="show the plan; make and spend nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"“{text}” is not a number of pictures (1 or more)")
    return int(text)


def _money(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise ArgumentTypeError(f"“{text}” is not an amount of money (0 or more)")
    return amount


def _order(options: dict[str, Any]) -> Order:
    return Order(
        kind=_KINDS[options["job"]],
        selections={name: options[name] for name in KINDS if options.get(name)},
        sentence=options.get("sentence", ""),
        instruction=options.get("instruction", ""),
        provider=options["provider"],
        language=options["language"],
        limit=options.get("limit_per_selection", 1),
    )


def _report(job: GenerationJob, plan: Plan) -> dict[str, Any]:
    progress = progress_of(job)
    succeeded, blocked = progress.count(ItemState.SUCCEEDED), progress.count(ItemState.BLOCKED)
    items = job.items.filter(state=ItemState.SUCCEEDED).select_related("output__current")
    return {
        "job": str(job.public_id),
        "planned": progress.total,
        "succeeded": succeeded,
        "blocked": blocked,
        "failed": progress.total - succeeded - blocked,
        "cost": _cost(progress.cost, job.currency),
        "outputs": [_output(item) for item in items.prefetch_related("inputs__asset")],
        "excluded": _excluded(plan),
    }


def _output(item: GenerationItem) -> dict[str, Any]:
    inputs = [{"asset": str(link.asset.public_id), "role": link.role} for link in item.inputs.all()]
    return {
        "asset": str(item.output.public_id) if item.output else None,
        "file": _file_of(item.output) if item.output else None,
        "inputs": inputs,
        "prompt": item.prompt,
    }


def _file_of(asset: Asset) -> str | None:
    """The path of the original, or its name where the storage is not a file system."""
    if asset.current is None:
        return None
    try:
        return asset.current.file.path
    except NotImplementedError:
        return asset.current.file.name


def _dry_report(plan: Plan) -> dict[str, Any]:
    return {
        "job": None,
        "planned": plan.picture_count,
        "succeeded": 0,
        "blocked": 0,
        "failed": 0,
        "cost": _cost(plan.cost, plan.currency),
        "outputs": [
            {
                "asset": None,
                "file": None,
                "inputs": [{"asset": str(asset.public_id), "role": role} for role, asset in cell.inputs],
                "prompt": cell.prompt,
            }
            for cell in plan.cells
        ],
        "excluded": _excluded(plan),
    }


def _excluded(plan: Plan) -> list[dict[str, Any]]:
    return [{"cell": left.description, "reason": left.reason} for left in plan.excluded]


def _cost(amount: Decimal, currency: str) -> dict[str, Any]:
    return {"amount": round(float(amount), 6), "currency": currency}


def _why_incomplete(job: GenerationJob) -> str:
    missing = job.items.exclude(state=ItemState.SUCCEEDED)
    reasons = dict.fromkeys(missing.order_by("position").values_list("reason", flat=True))
    count = missing.count()
    sentence = ngettext(
        "%(count)d picture was not made: %(reasons)s", "%(count)d pictures were not made: %(reasons)s", count
    )
    return sentence % {
        "count": count,
        "reasons": " ".join(reason for reason in list(reasons)[:5] if reason) or job.get_state_display(),
    }
