"""What orders the library: tags, SKUs and collections."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dam.articles import check_attributes, check_barcode, check_code, value_of
from dam.languages import in_language, reads_chinese


class Tag(models.Model):
    """A word of the library's tree, with a label in each language and synonyms."""

    slug = models.SlugField(_("slug"), max_length=80, unique=True, allow_unicode=True)
    label = models.CharField(_("label (English)"), max_length=80)
    label_zh = models.CharField(_("label (Chinese)"), max_length=80, blank=True)
    synonyms = models.JSONField(_("synonyms"), default=list, blank=True)
    parent = models.ForeignKey(
        "self",
        verbose_name=_("parent"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
    )

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["slug"]

    def __str__(self) -> str:
        return (self.label_zh if reads_chinese() else self.label) or self.label or self.slug


class SKUStatus(models.TextChoices):
    ACTIVE = "active", _("Active")
    DISCONTINUED = "discontinued", _("Discontinued")


class SKUQuerySet(models.QuerySet["SKU"]):
    """The domain's words for choosing SKUs."""

    def matching(self, text: str) -> Self:
        """Those whose code, name or barcode holds every word of the text."""
        found = self
        for word in text.split():
            found = found.filter(
                Q(code__icontains=word)
                | Q(name__icontains=word)
                | Q(name_zh__icontains=word)
                | Q(barcode=word)
            )
        return found

    def with_attribute(self, name: str, value: str) -> Self:
        """Those with this value, in letters of any case, or as the number that it is; empty: with any."""
        text = KeyTextTransform(name, "attributes")
        if not value:
            return self.alias(attribute=text).filter(attribute__isnull=False)
        # As expressions: in a keyword, a name such as “range” would be taken for a lookup.
        found = Q(attribute_text__iexact=value)
        chosen = self.alias(attribute_text=text)
        if not isinstance(number := value_of(value), str):
            chosen = chosen.alias(attribute_value=KeyTransform(name, "attributes"))
            found |= Q(attribute_value=number)
        return chosen.filter(found)


class SKU(models.Model):
    """A sellable article that assets show; a variant (a size, a colour) names the article it is one of."""

    code = models.CharField(_("code"), max_length=64, unique=True, validators=[check_code])
    name = models.CharField(_("name (English)"), max_length=255, blank=True)
    name_zh = models.CharField(_("name (Chinese)"), max_length=255, blank=True)
    parent = models.ForeignKey(
        "self",
        verbose_name=_("variant of"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="variants",
    )
    status = models.CharField(_("status"), max_length=16, choices=SKUStatus.choices, default=SKUStatus.ACTIVE)
    barcode = models.CharField(
        _("barcode"), max_length=14, blank=True, db_index=True, validators=[check_barcode]
    )
    attributes = models.JSONField(_("attributes"), default=dict, blank=True, validators=[check_attributes])
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = SKUQuerySet.as_manager()

    class Meta:
        verbose_name = _("SKU")
        verbose_name_plural = _("SKUs")
        ordering = ["code"]
        constraints = [models.CheckConstraint(condition=~Q(parent=F("pk")), name="dam_sku_no_self")]
        indexes = [models.Index(Lower("code"), name="dam_sku_code_typed")]

    def __str__(self) -> str:
        return self.code

    @property
    def display_name(self) -> str:
        """The name in the reader's language, or the other one, or nothing."""
        return in_language(self.name, self.name_zh)


class SKURole(models.TextChoices):
    PACKSHOT = "packshot", _("Packshot")
    ON_MODEL = "on_model", _("On model")
    DETAIL = "detail", _("Detail")
    SCENE = "scene", _("Scene")


class AssetSKU(models.Model):
    """This asset shows this SKU, in this role."""

    asset = models.ForeignKey("dam.Asset", on_delete=models.CASCADE, related_name="sku_links")
    sku = models.ForeignKey(SKU, verbose_name=_("SKU"), on_delete=models.CASCADE, related_name="asset_links")
    role = models.CharField(_("role"), max_length=16, choices=SKURole.choices, default=SKURole.PACKSHOT)

    class Meta:
        verbose_name = _("SKU of an asset")
        verbose_name_plural = _("SKUs of an asset")
        constraints = [models.UniqueConstraint(fields=["asset", "sku", "role"], name="dam_asset_sku_role")]

    def __str__(self) -> str:
        return f"{self.sku} ({self.get_role_display()})"


class Collection(models.Model):
    """A set of assets put together by people; `dam.models.sharing` has the links to it."""

    name = models.CharField(_("name (English)"), max_length=120)
    name_zh = models.CharField(_("name (Chinese)"), max_length=120, blank=True)
    description = models.TextField(_("description"), blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="collections",
    )
    assets = models.ManyToManyField("dam.Asset", through="CollectionItem", related_name="collections")
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("collection")
        verbose_name_plural = _("collections")
        ordering = ["name"]

    def __str__(self) -> str:
        return (self.name_zh if reads_chinese() else self.name) or self.name


class CollectionItem(models.Model):
    """An asset's place in a collection."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="items")
    asset = models.ForeignKey("dam.Asset", on_delete=models.CASCADE, related_name="collection_links")
    position = models.PositiveIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("asset of a collection")
        verbose_name_plural = _("assets of a collection")
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["collection", "asset"], name="dam_collection_once")]
        indexes = [models.Index(fields=["collection", "position", "id"], name="dam_collection_order")]

    def __str__(self) -> str:
        return f"{self.collection_id}: {self.asset_id}"
