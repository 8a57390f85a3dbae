"""What orders the library: tags, SKUs and collections."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _


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
        chinese = (translation.get_language() or "").startswith("zh")
        return (self.label_zh if chinese else self.label) or self.label or self.slug


class SKU(models.Model):
    """A sellable article that assets show."""

    code = models.CharField(_("code"), max_length=64, unique=True)
    name = models.CharField(_("name (English)"), max_length=255, blank=True)
    name_zh = models.CharField(_("name (Chinese)"), max_length=255, blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("SKU")
        verbose_name_plural = _("SKUs")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


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
        chinese = (translation.get_language() or "").startswith("zh")
        return (self.name_zh if chinese else self.name) or self.name


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

    def __str__(self) -> str:
        return f"{self.collection_id}: {self.asset_id}"
