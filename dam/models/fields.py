"""Fields that administrators add to assets, and which fields must be filled before which state."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dam.languages import in_language
from dam.models.asset import AssetKind, AssetState


class FieldType(models.TextChoices):
    TEXT = "text", _("Text")
    LONG_TEXT = "long_text", _("Long text")
    NUMBER = "number", _("Number")
    YES_NO = "yes_no", _("Yes or no")
    DATE = "date", _("Date")
    CHOICE = "choice", _("Choice")
    CHOICES = "choices", _("Several choices")


class CustomField(models.Model):
    """One field that a library has beside those that are built in. Values lie in `Asset.custom`, by slug."""

    slug = models.CharField(
        _("slug"),
        max_length=40,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[a-z][a-z0-9_]*\Z",
                _("A letter a–z, then letters a–z, digits and “_”: “season”, “shoot_2026”."),
            )
        ],
        help_text=_("Its name in tables, addresses and the API, as “custom.season”."),
    )
    label = models.CharField(_("label (English)"), max_length=80)
    label_zh = models.CharField(_("label (Chinese)"), max_length=80, blank=True)
    help_text = models.CharField(_("help (English)"), max_length=300, blank=True)
    help_text_zh = models.CharField(_("help (Chinese)"), max_length=300, blank=True)
    type = models.CharField(_("type"), max_length=12, choices=FieldType.choices, default=FieldType.TEXT)
    choices = models.JSONField(_("choices"), default=list, blank=True)
    kinds = models.JSONField(_("kinds"), default=list, blank=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("A retired field keeps its values, shows them and is no longer asked for."),
    )
    public = models.BooleanField(
        _("public"),
        default=False,
        help_text=_(
            "Shown to everybody who may open the asset, the shop included; "
            "otherwise to contributors and above."
        ),
    )
    # How far assets have been told of new labels: those with greater keys wait; null: none do. Concerned are
    # those with these choices; without any, all that have a value.
    told_up_to = models.BigIntegerField(null=True, editable=False)
    told_choices = models.JSONField(default=list, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("custom field")
        verbose_name_plural = _("custom fields")
        ordering = ["position", "slug"]

    def __str__(self) -> str:
        return in_language(self.label, self.label_zh) or self.slug

    @property
    def name(self) -> str:
        """What tables, rules and the audit log call it."""
        return f"custom.{self.slug}"

    @property
    def display_help(self) -> str:
        return in_language(self.help_text, self.help_text_zh)

    @property
    def has_choices(self) -> bool:
        return self.type in (FieldType.CHOICE, FieldType.CHOICES)

    def is_for(self, kind: str) -> bool:
        """Whether assets of this kind have it; a field for no kind is for all."""
        return not self.kinds or kind in self.kinds

    def choice_labels(self) -> dict[str, str]:
        """Value of each choice → its label in the reader's language."""
        return {
            choice["value"]: in_language(choice.get("label", ""), choice.get("label_zh", ""))
            or choice["value"]
            for choice in self.choices
        }


class FieldRule(models.Model):
    """What must be filled before assets of a kind may enter a state; approval asks for both states'."""

    kind = models.CharField(
        _("kind"), max_length=16, choices=[("", _("All kinds")), *AssetKind.choices], blank=True, default=""
    )
    state = models.CharField(
        _("before"),
        max_length=16,
        choices=[
            (AssetState.IN_REVIEW.value, AssetState.IN_REVIEW.label),
            (AssetState.APPROVED.value, AssetState.APPROVED.label),
        ],
    )
    required = models.JSONField(_("required fields"), default=list)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("rule for required fields")
        verbose_name_plural = _("rules for required fields")
        ordering = ["kind", "-state"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "state"],
                name="dam_field_rule_once",
                violation_error_message=_(
                    "There is a rule for this kind and state already. Change that one."
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} → {self.get_state_display()}"
