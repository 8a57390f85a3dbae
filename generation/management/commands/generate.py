"""`manage.py generate`: plan a batch of pictures, run it here, say what came of it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam.management.base import AtelierCommand
from dam.management.completion import selection
from dam.models import Asset
from generation import batches
from generation.finding import How
from generation.jobs import JobError, create_job, pause, progress_of
from generation.making_again import find_item, make_again
from generation.management import completion
from generation.models import GenerationItem, GenerationJob, ItemState
from generation.orders import KINDS, MOST_TOGETHER, Order, plan_order
from generation.planning import Plan, PlanError
from generation.providers.registry import get_provider
from generation.quality import again
from generation.running import run_job
from generation.selection import DEFAULT_LIMIT, SelectionError
from generation.selection_tables import select_from_table
from generation.wording import duration, money

_KINDS = {"outfits": "outfits", "scenes": "scenes", "compose": "composition", "edit": "edit"}
_SERVING = (How.APPROVED, How.IN_REVIEW)
_ROWS_SHOWN = 12
_TABLE_HELP = "a CSV or XLSX file with a column asset, sku, collection or name"


class Command(AtelierCommand):
    """Outfits, scenes, a composition or an edit, from selections of the library."""

    help = "Generate pictures in a batch: outfits, scenes, a composition, an edit."
    examples = (
        (
            "what it would make, cost and take; nothing is spent",
            'generate outfits --models "person standing" --garments dress --dry-run',
        ),
        (
            "each model in each garment of a collection, for 5 at most",
            "generate outfits --models collection:3 --garments collection:4 --provider gemini --budget 5",
        ),
        (
            "a product in three scenes that are named",
            'generate scenes --products sku:TS-RED-M --scenes "beach; forest; city"',
        ),
        ("one picture of what a sentence describes", 'generate compose "戴着火焰皇冠的精灵弓箭手"'),
        (
            "an asset changed as an instruction says",
            'generate edit --asset 019361f2-8d1b-7c5e-9f3a-2b6d4c8e0a17 --instruction "in blue"',
        ),
        (
            "a picture once more, exactly as it was made",
            "generate again 019361f2-8d1b-7c5e-9f3a-2b6d4c8e0a17 --budget 1",
        ),
    )
    exit_codes = {1: "pictures were not made, or nothing can be planned", 130: "stopped by Ctrl-C; paused"}
    values = {
        "provider": completion.providers,
        "template": completion.templates,
        "style": completion.styles,
        **dict.fromkeys(KINDS, selection),
        "like": selection,
    }

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = parser.add_subparsers(
            dest="job", required=True, metavar="{outfits,scenes,compose,edit,again}"
        )
        outfits = kinds.add_parser("outfits", help="each model in each garment [with each accessory]")
        scenes = kinds.add_parser("scenes", help="each product in each scene")
        compose = kinds.add_parser("compose", help="one picture of what a sentence describes")
        edit = kinds.add_parser("edit", help="one asset changed as an instruction says")
        _selections(outfits, "models", "garments", "accessories")
        _selections(scenes, "products", "scenes")
        outfits.add_argument(
            "--garments-together",
            type=int,
            choices=range(1, MOST_TOGETHER + 1),
            default=1,
            metavar="N",
            help="so many garments in each look (default: %(default)s)",
        )
        compose.add_argument("sentence", metavar="SENTENCE", help="“戴着火焰皇冠的精灵弓箭手”, for example")
        changed = edit.add_mutually_exclusive_group(required=True)
        changed.add_argument("--asset", dest="assets", metavar="ID", help="the asset to change")
        changed.add_argument("--assets-table", type=Path, metavar="FILE", help=_TABLE_HELP)
        edit.add_argument("--accessories", metavar="QUERY_OR_IDS", help="what is to be worn")
        edit.add_argument("--instruction", default="", metavar="TEXT", help="what to change")
        again = kinds.add_parser("again", help="one picture once more, exactly as it was made")
        again.add_argument("item", metavar="ITEM", help="the item's id: a result names it")
        again.add_argument("--budget", type=_money, metavar="AMOUNT", help="spend no more than this")
        again.add_argument("--json", action="store_true", help="print one JSON document")
        for kind in (outfits, scenes, compose, edit):
            _common(kind)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["job"] == "again":
            self._make_again(options)
            return
        try:
            plan = plan_order(_order(options), user=None)
            if options["dry_run"]:
                self._show_plan(plan, options)
                return
            if plan.found and not plan.cells:
                self._show_found(plan, options)
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

    def _make_again(self, options: dict[str, Any]) -> None:
        try:
            item = find_item(options["item"])
            job = make_again(item, actor=None, budget=options["budget"], in_background=False)
        except JobError as error:
            raise CommandError(str(error)) from error
        self._run(job, None, options)

    def _run(self, job: GenerationJob, plan: Plan | None, options: dict[str, Any]) -> None:
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

    def _show_found(self, plan: Plan, options: dict[str, Any]) -> None:
        """There is a picture of everything: that is what was asked for, and nothing is paid."""
        report = {**_dry_report(plan), "outputs": _there_already(plan)}
        if options["json"]:
            self.stdout.write(json.dumps(report, ensure_ascii=False, indent=2))
            return
        for found in report["found"]:
            self.stdout.write(f"  {found['cell']}: {found['reason']}")
        for output in report["outputs"]:
            self.stdout.write(f"  {output['file']}")
        self.stdout.write(_("There is a picture of everything already; --again makes and pays it once more."))

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
        if plan.found:
            self.stdout.write(
                ngettext(
                    "  %(count)d picture is there already; that saves %(saved)s",
                    "  %(count)d pictures are there already; that saves %(saved)s",
                    len(plan.found),
                )
                % {"count": len(plan.found), "saved": money(plan.saved, plan.currency)}
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


def _selections(parser: ArgumentParser, *names: str) -> None:
    for name in names:
        either = parser.add_mutually_exclusive_group(required=name != "accessories")
        either.add_argument(
            f"--{name}",
            metavar="QUERY_OR_IDS",
            help="a sentence to search by, names with ; between them, or ids, sku:CODE, collection:ID",
        )
        either.add_argument(f"--{name}-table", type=Path, metavar="FILE", help=_TABLE_HELP)
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
    parser.add_argument("--template", default="", metavar="KEY", help="a prompt template, or KEY@VERSION")
    parser.add_argument(
        "--slot",
        action="append",
        type=_slot,
        default=[],
        metavar="NAME=VALUE",
        help="what goes into a slot of the template; may be given several times",
    )
    parser.add_argument("--style", default="", metavar="SET", help="the style set that they follow")
    parser.add_argument("--like", default="", metavar="IDS", help="pictures whose style is wanted")
    parser.add_argument("--negative", default="", metavar="TEXT", help="what is not to be seen")
    parser.add_argument("--again", action="store_true", help="make and pay also what there is already")
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


def _slot(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ArgumentTypeError(f"“{text}” is not NAME=VALUE")
    return name.strip(), value


def _order(options: dict[str, Any]) -> Order:
    selections = {name: options[name] for name in KINDS if options.get(name)}
    for name in KINDS:
        if table := options.get(f"{name}_table"):
            chosen = [
                str(asset.public_id) for asset in select_from_table(table, user=None, kinds=KINDS[name])
            ]
            selections[name] = ",".join([*filter(None, [selections.get(name)]), *chosen])
    return Order(
        kind=_KINDS[options["job"]],
        selections=selections,
        template=options["template"],
        slots=dict(options["slot"]),
        style=options["style"],
        like=options["like"],
        negative=options["negative"],
        again=options["again"],
        garments_together=options.get("garments_together", 1),
        sentence=options.get("sentence", ""),
        instruction=options.get("instruction", ""),
        provider=options["provider"],
        language=options["language"],
        limit=options.get("limit_per_selection", 1),
    )


def _report(job: GenerationJob, plan: Plan | None) -> dict[str, Any]:
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
        "outputs": [
            *(_output(item) for item in items.prefetch_related("inputs__asset")),
            *(_there_already(plan) if plan else []),
        ],
        "excluded": _excluded(plan) if plan else [],
        "found": _found(plan) if plan else [],
    }


def _there_already(plan: Plan) -> list[dict[str, Any]]:
    """The pictures that serve for cells of the plan, in its order; none where they are made again."""
    if plan.again:
        return []
    served = [cell.found.item for cell in plan.found if cell.found and cell.found.how in _SERVING]
    items = GenerationItem.objects.filter(public_id__in=served).select_related("output__current")
    by_id = {str(item.public_id): item for item in items.prefetch_related("inputs__asset")}
    return [_output(by_id[key], found=True) for key in served if key in by_id]


def _output(item: GenerationItem, *, found: bool = False) -> dict[str, Any]:
    inputs = [{"asset": str(link.asset.public_id), "role": link.role} for link in item.inputs.all()]
    return {
        "item": str(item.public_id),
        "asset": str(item.output.public_id) if item.output else None,
        "file": _file_of(item.output) if item.output else None,
        "inputs": inputs,
        "prompt": item.prompt,
        "found": found,
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
        "found": _found(plan),
    }


def _found(plan: Plan) -> list[dict[str, Any]]:
    """What there is already, and is not paid again."""
    return [
        {
            "cell": cell.description,
            "asset": cell.found.asset or None,
            "item": cell.found.item,
            "reason": cell.found.sentence,
        }
        for cell in plan.found
        if cell.found
    ]


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
