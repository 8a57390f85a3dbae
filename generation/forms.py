"""The studio's form: what to make, by whom, within which budget."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from generation import wording
from generation.models import CombinationRule, PromptTemplate, StyleSet
from generation.orders import MOST_TOGETHER, ORDERED, SELECTIONS, Order, is_slot
from generation.prompts import Template, TemplateError
from generation.providers.registry import get_provider
from generation.rules import RuleError, check_terms
from generation.templates import check, templates_for

SLOT_PREFIX = "slot-"
TEMPLATE_FIELDS = (
    "key", "kind", "name", "name_zh", "text", "text_zh", "slots", "negative", "negative_zh",
)  # fmt: skip
_UNSAID: tuple[Any, ...] = ("", [], True)  # of a slot, what it is without being said
_COMMAS = str.maketrans("，、；;", ",,,,")
# What a person writes into the slots of a prompt template, and the pictures whose style is wanted.
WORD_PREFIX, LIKE = "word-", "like"
# What the pictures are for travels beside the form: the role, and the code of each SKU that lacks it.
FILL_ROLE, FILL = "fill_role", "fill"


def provider_choices() -> list[tuple[str, str]]:
    """Every declared provider with its price."""
    return [(name, _provider_label(name)) for name in settings.GENERATION_PROVIDERS]


def _provider_label(name: str) -> str:
    capability = get_provider(name).capability
    if not capability.price_known:
        return _("%(name)s (price not set)") % {"name": name}
    if not capability.price_per_picture:
        return _("%(name)s (free)") % {"name": name}
    price = wording.money(capability.price_per_picture, capability.currency)
    return _("%(name)s (%(price)s each)") % {"name": name, "price": price}


def budget_field(**given: Any) -> forms.DecimalField:
    """What a job may cost; empty for no bound."""
    return forms.DecimalField(
        label=gettext_lazy("Budget"),
        required=False,
        min_value=Decimal(0),
        max_digits=12,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget,
        **given,
    )


class StudioForm(forms.Form):
    """Everything of an order but the picked pictures, which are checkboxes of their own."""

    kind = forms.ChoiceField(choices=ORDERED, widget=forms.HiddenInput)
    template = forms.ChoiceField(
        label=gettext_lazy("Prompt template"), required=False, widget=UnfoldAdminSelectWidget
    )
    sentence = forms.CharField(
        label=gettext_lazy("What is to be seen?"),
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": gettext_lazy("an elf archer wearing a crown of fire")}
        ),
    )
    instruction = forms.CharField(
        label=gettext_lazy("What is to be changed?"),
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 3, "placeholder": gettext_lazy("Put a plain white background behind it")}
        ),
    )
    provider = forms.ChoiceField(
        label=gettext_lazy("Made by"), choices=provider_choices, widget=UnfoldAdminSelectWidget
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language of the prompts"),
        required=False,
        choices=[("", gettext_lazy("As I write")), ("en", "English"), ("zh", "中文")],
        widget=UnfoldAdminSelectWidget,
    )
    style = forms.ChoiceField(label=gettext_lazy("Style"), required=False, widget=UnfoldAdminSelectWidget)
    negative = forms.CharField(
        label=gettext_lazy("Not to be seen"),
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": gettext_lazy("hands in pockets, sunglasses")}
        ),
    )
    garments_together = forms.TypedChoiceField(
        label=gettext_lazy("Garments in each look"),
        required=False,
        coerce=int,
        empty_value=1,  # type: ignore[arg-type]  # the stubs know texts alone
        choices=[(count, str(count)) for count in range(1, MOST_TOGETHER + 1)],
        widget=UnfoldAdminSelectWidget,
    )
    budget = budget_field(help_text=gettext_lazy("Never more than this is spent. Empty: no bound."))

    retry_poor = forms.BooleanField(
        label=gettext_lazy("Make poor pictures once more"),
        required=False,
        help_text=gettext_lazy("Within the budget, where a picture's scores speak against it."),
        widget=UnfoldBooleanSwitchWidget,
    )

    again = forms.BooleanField(
        label=gettext_lazy("Make again what there is"),
        required=False,
        help_text=gettext_lazy("Pictures that there are of exactly this are made, and paid, once more."),
        widget=UnfoldBooleanSwitchWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self["kind"].value()
        self.templates = templates_for(kind) if kind in SELECTIONS else []
        fields: Any = self.fields
        fields["template"].choices = [(one.key, one.display_name) for one in self.templates]
        styles = [(style.slug, str(style)) for style in StyleSet.objects.order_by("slug")]
        fields["style"].choices = [("", _("None")), *styles]

    @property
    def chosen_template(self) -> Template | None:
        """The template that is chosen, or the kind's own."""
        name = self["template"].value()
        first = self.templates[0] if self.templates else None
        return next((one for one in self.templates if one.key == name), first)

    def words(self) -> dict[str, str]:
        """What stands in the slots of the chosen template."""
        template = self.chosen_template
        named = [slot.name for slot in template.slots] if template else []
        return {name: str(self.data.get(WORD_PREFIX + name, "")).strip() for name in named}

    def order(self) -> Order:
        """The order that was sent, with the pictures that are ticked."""
        data: Any = self.data
        kind = self.cleaned_data["kind"]
        return Order(
            kind=kind,
            selections={name: ",".join(data.getlist(name)) for name in SELECTIONS[kind]},
            sentence=self.cleaned_data["sentence"],
            instruction=self.cleaned_data["instruction"],
            provider=self.cleaned_data["provider"],
            language=self.cleaned_data["language"],
            template=self.cleaned_data["template"],
            slots=self.words(),
            style=self.cleaned_data["style"],
            like=",".join(data.getlist(LIKE)),
            negative=self.cleaned_data["negative"],
            garments_together=self.cleaned_data["garments_together"],
            again=self.cleaned_data["again"],
            fill_role=data.get(FILL_ROLE, ""),
            fill_skus=data.getlist(FILL),
            choices=_slot_choices(data),
        )


def _slot_choices(data: QueryDict) -> dict[int, str]:
    numbers = {name: name.removeprefix(SLOT_PREFIX) for name in data if name.startswith(SLOT_PREFIX)}
    return {int(number): str(data[name]) for name, number in numbers.items() if is_slot(number)}


class TryOnForm(forms.Form):
    """What a person tries on: words that find garments, or those that are ticked beside the form."""

    garments = forms.CharField(
        label=gettext_lazy("Garments"),
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": gettext_lazy("Words, names with ; between them, sku:CODE, collection:ID")}
        ),
    )
    accessories = forms.CharField(
        label=gettext_lazy("Accessories"),
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextInputWidget,
    )
    provider = forms.ChoiceField(
        label=gettext_lazy("Made by"),
        choices=provider_choices,
        initial=lambda: settings.GENERATION_PROVIDER,
        widget=UnfoldAdminSelectWidget,
    )
    budget = budget_field()


class RuleForm(forms.ModelForm):
    """A combination rule, its terms written with commas."""

    terms = forms.CharField(
        label=gettext_lazy("Tags and kinds"),
        help_text=gettext_lazy("By comma: tags by any of their words, or kind:accessory."),
        widget=UnfoldAdminTextInputWidget,
    )
    others = forms.CharField(
        label=gettext_lazy("Do not go with"),
        required=False,
        help_text=gettext_lazy("By comma; empty: the rule is how many of the first go together at most."),
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = CombinationRule
        fields = ("name", "name_zh", "terms", "at_most", "others", "active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("terms", "others"):
            self.initial[name] = ", ".join(getattr(self.instance, name))

    def clean_terms(self) -> list[str]:
        return self._terms("terms")

    def clean_others(self) -> list[str]:
        return self._terms("others")

    def _terms(self, name: str) -> list[str]:
        try:
            return check_terms(self.cleaned_data[name].translate(_COMMAS).split(","))
        except RuleError as error:
            raise forms.ValidationError(str(error)) from error


class SlotsField(forms.JSONField):
    """Slots as JSON, one a line, without what says nothing."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list) or not value:
            return super().prepare_value(value)
        said = ({name: part for name, part in slot.items() if part not in _UNSAID} for slot in value)
        lines = ",\n".join(f" {json.dumps(slot, ensure_ascii=False)}" for slot in said)
        return f"[\n{lines}\n]"


class TemplateForm(forms.ModelForm):
    """A prompt template; what is wrong in a text or a slot is said at the form."""

    slots = SlotsField(
        label=gettext_lazy("Slots"),
        required=False,
        initial=list,
        help_text=gettext_lazy(
            'A list: [{"name": "season", "type": "choice", "label": "Season", "label_zh": "季节", '
            '"choices": ["summer", "winter"]}]. Types: text, choice, colour, number.'
        ),
    )

    class Meta:
        model = PromptTemplate
        fields = TEMPLATE_FIELDS
        help_texts = {
            "text": gettext_lazy("In braces: {pictures}, {accessory}, {sentence}, {instruction}, and slots."),
            "key": gettext_lazy("What orders call it by. A change is kept as the next version of its key."),
        }

    def clean_slots(self) -> Any:
        return self.cleaned_data["slots"] or []

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            row = PromptTemplate(**{name: cleaned[name] for name in TEMPLATE_FIELDS})
            try:
                check(row)
            except TemplateError as error:
                raise forms.ValidationError(str(error)) from error
            cleaned["slots"] = row.slots
        return cleaned
