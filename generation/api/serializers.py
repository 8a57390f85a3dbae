"""How plans, jobs and items look in the API, and what is sent to make them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from dam.addresses import rendition_url, thumbnail_url
from dam.models import Asset, SKURole
from generation.claiming import why_waiting
from generation.costs import Report
from generation.filling import MAX_SKUS
from generation.finding import How
from generation.jobs import JobProgress, progress_of
from generation.models import (
    GenerationItem,
    GenerationJob,
    InputRole,
    JobKind,
    JobPriority,
    VerdictEntry,
)
from generation.orders import KINDS, MOST_TOGETHER, SELECTIONS, Order, is_slot
from generation.planning import MAX_CELLS
from generation.progress import Watched
from generation.prompts import LANGUAGES
from generation.providers.base import Cause
from generation.quality.wording import quality_of
from generation.retention import leaves_on
from generation.review import Judged
from generation.selection import DEFAULT_LIMIT

CELLS_SHOWN = 200


@extend_schema_field(
    {
        "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "description": "A sentence to search by; or ids, “sku:CODE”, “collection:ID”, as a list or by comma.",
    }
)
class SelectionField(serializers.Field):
    """What `select_assets` takes, as one text or as a list of names."""

    default_error_messages = {"invalid": _("Give a sentence, or a list of ids, sku:CODE, collection:ID.")}

    def to_internal_value(self, data: Any) -> str:
        parts = data if isinstance(data, list) else [data]
        if not all(isinstance(part, str) for part in parts):
            self.fail("invalid")
        return ",".join(parts)

    def to_representation(self, value: str) -> str:
        return value


class FillSerializer(serializers.Serializer):
    """What the pictures are for: those that are approved are linked to their SKU in this role."""

    role = serializers.ChoiceField(SKURole.choices, help_text="The role that the SKUs lack pictures in.")
    skus = serializers.ListField(
        child=serializers.CharField(max_length=64), allow_empty=False, max_length=MAX_SKUS, help_text="Codes."
    )


class ChoicesSerializer(serializers.Serializer):
    """What every order may say: how its pictures are made."""

    provider = serializers.CharField(required=False, max_length=32)
    language = serializers.ChoiceField(LANGUAGES, required=False, help_text="Language of the prompts.")
    limit_per_selection = serializers.IntegerField(
        min_value=1, max_value=500, default=DEFAULT_LIMIT, help_text="How many a sentence selects at most."
    )
    style = serializers.SlugField(  # type: ignore[assignment]  # `style` is an argument of fields too
        required=False, help_text="A style set; see `/generation/styles/`."
    )
    like = SelectionField(required=False, help_text="Pictures whose style is wanted, at most three.")
    negative = serializers.CharField(
        required=False, allow_blank=True, max_length=500, help_text="What is not to be seen."
    )
    again = serializers.BooleanField(
        default=False, help_text="Make, and pay, once more what there is a picture of already."
    )

    def chosen(self) -> dict[str, Any]:
        """These choices as an `Order` names them."""
        sent = self.validated_data
        words = {name: sent.get(name, "") for name in ("provider", "language", "style", "like", "negative")}
        return {**words, "limit": sent["limit_per_selection"], "again": sent["again"]}

    def validate_provider(self, name: str) -> str:
        if name not in settings.GENERATION_PROVIDERS:
            known = ", ".join(sorted(settings.GENERATION_PROVIDERS))
            raise serializers.ValidationError(
                _("There is no provider “%(name)s”. Known: %(known)s.") % {"name": name, "known": known}
            )
        return name


class OrderSerializer(ChoicesSerializer):
    """What to plan. Outfits take models, garments and accessories; scenes take products and scenes;
    an edit takes assets and an instruction; a composition takes a sentence and choices.
    """

    kind = serializers.ChoiceField(JobKind.choices)
    models = SelectionField(required=False)
    garments = SelectionField(required=False)
    accessories = SelectionField(required=False)
    products = SelectionField(required=False)
    scenes = SelectionField(required=False)
    assets = SelectionField(required=False)
    sentence = serializers.CharField(required=False, allow_blank=True, max_length=500)
    instruction = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    choices = serializers.DictField(
        child=serializers.UUIDField(),
        required=False,
        help_text="Composition: slot number (from 0) → id of the asset to use instead of the one found.",
    )
    template = serializers.CharField(
        required=False,
        max_length=80,
        help_text="A prompt template: its key, or key@version; see `/generation/templates/`.",
    )
    slots = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=500),
        required=False,
        help_text="What goes into the slots of the template, by name.",
    )
    fill = FillSerializer(required=False)
    garments_together = serializers.IntegerField(
        min_value=1, max_value=MOST_TOGETHER, default=1, help_text="Outfits: garments in each picture."
    )

    def validate_kind(self, kind: str) -> str:
        if kind not in SELECTIONS:
            raise serializers.ValidationError(_("This kind has an address of its own: /generation/try-ons/."))
        return kind

    def validate_choices(self, choices: dict[str, Any]) -> dict[int, str]:
        if not all(map(is_slot, choices)):
            raise serializers.ValidationError(_("The slots are numbered from 0."))
        return {int(number): str(asset_id) for number, asset_id in choices.items()}

    def order(self) -> Order:
        """The order that was sent."""
        sent = self.validated_data
        fill = sent.get("fill") or {"role": "", "skus": ()}
        return Order(
            kind=sent["kind"],
            selections={name: sent[name] for name in KINDS if name in sent},
            sentence=sent.get("sentence", ""),
            instruction=sent.get("instruction", ""),
            template=sent.get("template", ""),
            slots=sent.get("slots", {}),
            garments_together=sent["garments_together"],
            **self.chosen(),
            fill_role=fill["role"],
            fill_skus=fill["skus"],
            choices=sent.get("choices", {}),
        )

    def to_representation(self, order: Order) -> dict[str, Any]:
        """An order as it is sent."""
        words = {
            name: text
            for name in ("instruction", "provider", "language", "style", "like", "negative", "again")
            if (text := getattr(order, name))
        }
        return {
            "kind": order.kind,
            **order.selections,
            **words,
            "limit_per_selection": order.limit,
            "fill": {"role": order.fill_role, "skus": list(order.fill_skus)},
        }


class PlanOrderSerializer(OrderSerializer):
    """What to plan, and which part of the matrix to show."""

    offset = serializers.IntegerField(
        min_value=0, max_value=MAX_CELLS, default=0, help_text=f"Show {CELLS_SHOWN} cells from this one on."
    )


class NewJobSerializer(OrderSerializer):
    """What to make, and what it may cost."""

    budget = serializers.DecimalField(
        max_digits=12, decimal_places=4, min_value=Decimal(0), required=False, allow_null=True
    )
    retry_poor = serializers.BooleanField(
        default=False,
        help_text="Make a picture once more, within the budget, where its scores speak against it.",
    )


class AssetBriefSerializer(serializers.ModelSerializer):
    """An asset where it is an input or a result."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    thumbnail = serializers.SerializerMethodField()
    web = serializers.SerializerMethodField()

    class Meta:
        model = Asset
        fields = ("id", "title", "title_zh", "kind", "state", "thumbnail", "web")
        read_only_fields = fields

    def get_thumbnail(self, asset: Asset) -> str:
        return self._absolute(thumbnail_url(asset))

    def get_web(self, asset: Asset) -> str:
        return self._absolute(rendition_url(asset, "web"))

    def _absolute(self, path: str) -> str:
        request = self.context.get("request")
        return request.build_absolute_uri(path) if request and path else path


class MoneySerializer(serializers.Serializer):
    """An amount and its currency."""

    amount = serializers.DecimalField(max_digits=14, decimal_places=6, coerce_to_string=False)
    currency = serializers.CharField()


class CellInputSerializer(serializers.Serializer):
    """An input of a planned picture."""

    asset = serializers.UUIDField()
    role = serializers.ChoiceField(InputRole.choices)


class CellSerializer(serializers.Serializer):
    """One picture that the job would make."""

    inputs = CellInputSerializer(many=True)
    prompt = serializers.CharField()
    left_out = serializers.CharField(help_text="Of the prompt, where the provider takes few words.")

    def to_representation(self, cell: Any) -> dict[str, Any]:
        inputs = [{"asset": str(asset.public_id), "role": role} for role, asset in cell.inputs]
        return {"inputs": inputs, "prompt": cell.prompt, "left_out": cell.left_out}


class FoundCellSerializer(serializers.Serializer):
    """A cell that there is something for already, and that is not paid again unless “again” is sent."""

    inputs = CellInputSerializer(many=True)
    how = serializers.ChoiceField([str(how) for how in How])
    reason = serializers.CharField()
    asset = serializers.UUIDField(allow_null=True, help_text="The picture that there is.")
    item = serializers.UUIDField(help_text="The item that made it, or is making it.")

    def to_representation(self, cell: Any) -> dict[str, Any]:
        return {
            "inputs": [{"asset": str(asset.public_id), "role": role} for role, asset in cell.inputs],
            "how": str(cell.found.how),
            "reason": cell.found.sentence,
            "asset": cell.found.asset or None,
            "item": cell.found.item,
        }


class ExclusionSerializer(serializers.Serializer):
    """What was left out, why, and how many pictures that takes away."""

    description = serializers.CharField()
    reason = serializers.CharField()
    cells = serializers.IntegerField()


class SlotSerializer(serializers.Serializer):
    """A thing the sentence of a composition names, and what was found for it."""

    role = serializers.CharField()
    text = serializers.CharField()
    chosen = AssetBriefSerializer(allow_null=True)
    alternatives = AssetBriefSerializer(many=True)


class PlanSerializer(serializers.Serializer):
    """A plan: the matrix, what is left out, count, price and time."""

    kind = serializers.ChoiceField(JobKind.choices)
    provider = serializers.CharField()
    picture_count = serializers.IntegerField()
    cost = serializers.SerializerMethodField()
    found_count = serializers.SerializerMethodField(help_text="Cells that there is something for already.")
    saved = serializers.SerializerMethodField(help_text="What is not paid again.")
    seconds = serializers.FloatField()
    parameters = serializers.DictField()
    slots = SlotSerializer(many=True)
    excluded = ExclusionSerializer(many=True)
    assets = serializers.SerializerMethodField(help_text="The assets that the cells name.")
    cells = serializers.SerializerMethodField(help_text=f"{CELLS_SHOWN} cells, from “offset” on.")
    found = serializers.SerializerMethodField(help_text=f"{CELLS_SHOWN} of them, from “offset” on.")

    @extend_schema_field(MoneySerializer)
    def get_cost(self, plan: Any) -> dict[str, Any]:
        return money(plan.cost, plan.currency)

    @extend_schema_field(MoneySerializer)
    def get_saved(self, plan: Any) -> dict[str, Any]:
        return money(plan.saved, plan.currency)

    def get_found_count(self, plan: Any) -> int:
        return len(plan.found)

    @extend_schema_field(AssetBriefSerializer(many=True))
    def get_assets(self, plan: Any) -> Any:
        cells = (*self._part(plan.cells), *self._part(plan.found))
        shown = {asset.pk: asset for cell in cells for _role, asset in cell.inputs}
        return AssetBriefSerializer(list(shown.values()), many=True, context=self.context).data

    @extend_schema_field(CellSerializer(many=True))
    def get_cells(self, plan: Any) -> Any:
        return CellSerializer(self._part(plan.cells), many=True).data

    @extend_schema_field(FoundCellSerializer(many=True))
    def get_found(self, plan: Any) -> Any:
        return FoundCellSerializer(self._part(plan.found), many=True).data

    def _part(self, cells: Any) -> Any:
        offset = self.context.get("offset", 0)
        return cells[offset : offset + CELLS_SHOWN]


class JobSerializer(serializers.ModelSerializer):
    """A job and how far it is."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    owner = serializers.CharField(source="owner.username", read_only=True, allow_null=True)
    counts = serializers.SerializerMethodField(help_text="Items by state.")
    cost = serializers.SerializerMethodField(help_text="What the answered calls have cost.")
    committed = serializers.DecimalField(
        max_digits=14,
        decimal_places=6,
        coerce_to_string=False,
        read_only=True,
        help_text="Spent or set aside; never above the budget.",
    )

    team = serializers.CharField(source="team.name", read_only=True, allow_null=True)
    waiting = serializers.SerializerMethodField(
        help_text="Why an active job makes no pictures for now; empty where it does."
    )

    class Meta:
        model = GenerationJob
        fields = (
            "id", "kind", "title", "owner", "team", "provider", "state", "priority", "waiting", "parameters",
            "request", "budget", "committed", "cost", "counts", "created", "finished",
        )  # fmt: skip
        read_only_fields = fields

    def get_waiting(self, job: GenerationJob) -> str:
        return why_waiting(job)

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_counts(self, job: GenerationJob) -> dict[str, int]:
        return dict(self._progress(job).counts)

    @extend_schema_field(MoneySerializer)
    def get_cost(self, job: GenerationJob) -> dict[str, Any]:
        return money(self._progress(job).cost, job.currency)

    def _progress(self, job: GenerationJob) -> JobProgress:
        known = cast(dict[str, Any], self.context).setdefault("progress", {})
        if job.pk not in known:
            known[job.pk] = progress_of(job)
        return known[job.pk]


class InputSerializer(serializers.Serializer):
    """An input of an item."""

    role = serializers.ChoiceField(InputRole.choices)
    asset = AssetBriefSerializer()
    version = serializers.IntegerField(
        source="version.number", default=None, allow_null=True, help_text="That of the asset's file."
    )


class CheckSerializer(serializers.Serializer):
    """One thing that was looked at on a result."""

    name = serializers.CharField(help_text="“likeness” comes once for each input that was compared.")
    label = serializers.CharField()  # type: ignore[assignment]
    score = serializers.FloatField(help_text="From 0 to 1; below 0.5 it speaks against the picture.")
    sentence = serializers.CharField()


class QualitySerializer(serializers.Serializer):
    """What the result's own pixels and inputs say about it; no vendor is asked."""

    state = serializers.ChoiceField(("due", "scored", "failed"))
    score = serializers.FloatField(allow_null=True, help_text="That of the worst check.")
    sentence = serializers.CharField(help_text="What speaks against it, or why there are no scores.")
    followed = serializers.CharField(help_text="What was done about it; empty for nothing.")
    checks = CheckSerializer(many=True)


class ItemSerializer(serializers.ModelSerializer):
    """One picture of a job: what goes in, what came out, what was thought of it."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    job = serializers.UUIDField(source="job.public_id", read_only=True)
    inputs = InputSerializer(many=True, read_only=True)
    output = AssetBriefSerializer(read_only=True, allow_null=True)
    cost = serializers.DecimalField(max_digits=12, decimal_places=6, coerce_to_string=False, read_only=True)
    regenerates = serializers.UUIDField(source="regenerates.public_id", read_only=True, allow_null=True)
    parameters = serializers.SerializerMethodField(help_text="All that it was, or is to be, made with.")
    quality = serializers.SerializerMethodField()
    reviewed_by = serializers.CharField(source="reviewed_by.username", read_only=True, allow_null=True)
    leaves_on = serializers.SerializerMethodField(
        help_text="The day on which a rejected picture goes to the trash; null where it does not."
    )

    class Meta:
        model = GenerationItem
        fields = (
            "id", "job", "position", "state", "cause", "reason", "attempts", "prompt", "parameters", "model",
            "cost", "inputs", "output", "regenerates", "quality", "verdict", "verdict_note", "reviewed_by",
            "reviewed_at", "leaves_on", "created", "finished",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_parameters(self, item: GenerationItem) -> dict[str, Any]:
        return {**item.job.parameters, **item.parameters}

    @extend_schema_field(serializers.DateField(allow_null=True))
    def get_leaves_on(self, item: GenerationItem) -> Any:
        return leaves_on(item)

    @extend_schema_field(QualitySerializer)
    def get_quality(self, item: GenerationItem) -> Any:
        return QualitySerializer(quality_of(item)).data


class NoteSerializer(serializers.Serializer):
    """A verdict's note."""

    note = serializers.CharField(required=False, allow_blank=True, max_length=2000, default="")


class PrioritySerializer(serializers.Serializer):
    """Before or behind other jobs."""

    priority = serializers.ChoiceField(JobPriority.choices)


class DeadLettersSerializer(serializers.Serializer):
    """Which failed items are meant; all of them without any of these."""

    cause = serializers.ChoiceField(Cause.choices, required=False)
    provider = serializers.CharField(max_length=32, required=False)
    job = serializers.UUIDField(required=False, help_text="The id of a job.")
    owner = serializers.CharField(max_length=150, required=False, help_text="A username.")
    items = serializers.ListField(
        child=serializers.UUIDField(), required=False, max_length=1000, help_text="Ids of items."
    )


class DeadCountSerializer(serializers.Serializer):
    """How many items ended for a cause at a provider."""

    cause = serializers.ChoiceField(Cause.choices, allow_blank=True)
    provider = serializers.CharField()
    count = serializers.IntegerField()


class MakeAgainSerializer(serializers.Serializer):
    """What the picture may cost."""

    budget = serializers.DecimalField(
        max_digits=12, decimal_places=4, min_value=Decimal(0), required=False, allow_null=True
    )


class ApprovalSerializer(NoteSerializer):
    """A verdict's note, and the role in which the picture shows the SKUs of its inputs."""

    sku_role = serializers.ChoiceField(
        SKURole.choices,
        required=False,
        allow_blank=True,
        default="",
        help_text="Without it: worn by somebody “on_model”, in a scene “scene”, else as its source does.",
    )


class VerdictsSerializer(ApprovalSerializer):
    """The same verdict on many results."""

    verdict = serializers.ChoiceField(("approve", "reject", "regenerate"))
    items = serializers.ListField(child=serializers.UUIDField(), allow_empty=False, max_length=500)


class RefusalSerializer(serializers.Serializer):
    """A result that got no verdict, and why."""

    id = serializers.UUIDField()
    reason = serializers.CharField()


class JudgedSerializer(serializers.Serializer):
    """What became of a verdict on many results."""

    deed = serializers.UUIDField(help_text="What `POST …/undo/` takes to take all of it back.")
    done = serializers.ListField(child=serializers.UUIDField())
    refused = RefusalSerializer(many=True)
    again = serializers.ListField(
        child=serializers.UUIDField(), help_text="Items that are new, in the order of “done”."
    )

    def to_representation(self, judged: Judged) -> dict[str, Any]:
        return {
            "deed": str(judged.deed),
            "done": [str(item.public_id) for item in judged.done],
            "refused": [
                {"id": str(item.public_id), "reason": str(reason)} for item, reason in judged.refused
            ],
            "again": [str(item.public_id) for item in judged.again],
        }


class DeedSerializer(serializers.Serializer):
    """What was decided at one stroke."""

    deed = serializers.UUIDField()


class UndoneSerializer(serializers.Serializer):
    """How many verdicts were taken back, and why others stay."""

    count = serializers.IntegerField()
    reasons = serializers.ListField(child=serializers.CharField())


class VerdictEntrySerializer(serializers.ModelSerializer):
    """A verdict that was given once; the last that was not taken back holds."""

    actor = serializers.CharField(
        source="actor_name", help_text="Empty: it followed from what was done in the library."
    )
    again = serializers.UUIDField(source="again.public_id", read_only=True, allow_null=True)
    undone_by = serializers.CharField(source="undone_by.username", read_only=True, allow_null=True)

    class Meta:
        model = VerdictEntry
        fields = ("deed", "verdict", "note", "actor", "given", "again", "undone_at", "undone_by")
        read_only_fields = fields


class WatchedSerializer(serializers.Serializer):
    """How far a job is, how fast it goes and what came last."""

    state = serializers.CharField(source="job.state")
    active = serializers.BooleanField(source="is_active")
    counts = serializers.DictField(child=serializers.IntegerField(), source="progress.counts")
    total = serializers.IntegerField(source="progress.total")
    done = serializers.IntegerField(source="progress.done")
    per_minute = serializers.FloatField(allow_null=True, help_text="Pictures a minute, lately.")
    seconds_left = serializers.FloatField(allow_null=True)
    cost = serializers.SerializerMethodField()
    budget = serializers.DecimalField(
        source="job.budget", max_digits=12, decimal_places=4, coerce_to_string=False, allow_null=True
    )
    unscored = serializers.IntegerField(help_text="Results whose scores are still to come.")
    newest = serializers.SerializerMethodField()

    @extend_schema_field(MoneySerializer)
    def get_cost(self, watched: Watched) -> dict[str, Any]:
        return money(watched.progress.cost, watched.job.currency)

    @extend_schema_field(AssetBriefSerializer(many=True))
    def get_newest(self, watched: Watched) -> Any:
        outputs = [item.output for item in watched.newest]
        return AssetBriefSerializer(outputs, many=True, context=self.context).data


class DaysSerializer(serializers.Serializer):
    """Which days, both among them; by default the last thirty."""

    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False)


class SumSerializer(serializers.Serializer):
    """What calls cost together."""

    pictures = serializers.IntegerField()
    cost = serializers.DecimalField(max_digits=14, decimal_places=6, coerce_to_string=False)
    assumed = serializers.DecimalField(
        max_digits=14,
        decimal_places=6,
        coerce_to_string=False,
        help_text="How much of it is for calls that got no answer and may have been charged.",
    )
    currency = serializers.CharField()


class SpentSerializer(SumSerializer):
    """What one job cost on one day."""

    day = serializers.DateField()
    team = serializers.CharField(help_text="The one that paid; empty for none.")
    owner = serializers.CharField()
    job = serializers.UUIDField()
    title = serializers.CharField()
    provider = serializers.CharField()


class TotalSerializer(SumSerializer):
    """What everything of one name cost together."""

    name = serializers.CharField()


class CostsSerializer(serializers.Serializer):
    """What was spent; currencies are never added up."""

    since = serializers.DateField()
    until = serializers.DateField()
    totals = serializers.SerializerMethodField()
    by_team = serializers.SerializerMethodField()
    by_provider = serializers.SerializerMethodField()
    rows = SpentSerializer(many=True)

    @extend_schema_field(TotalSerializer(many=True))
    def get_totals(self, report: Report) -> Any:
        return TotalSerializer(report.by(""), many=True).data

    @extend_schema_field(TotalSerializer(many=True))
    def get_by_team(self, report: Report) -> Any:
        return TotalSerializer(report.by("team"), many=True).data

    @extend_schema_field(TotalSerializer(many=True))
    def get_by_provider(self, report: Report) -> Any:
        return TotalSerializer(report.by("provider"), many=True).data


class RetrySerializer(serializers.Serializer):
    """What a second try may cost in all."""

    budget = serializers.DecimalField(
        max_digits=12,
        decimal_places=4,
        min_value=Decimal(0),
        required=False,
        help_text="The job's new budget.",
    )


def money(amount: Decimal, currency: str) -> dict[str, Any]:
    """An amount as the API shows it."""
    return {"amount": float(amount), "currency": currency}
