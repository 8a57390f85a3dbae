"""Asset, its versions, renditions and lineage."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid6 import uuid7

from dam import territories
from dam.fingerprints import Fingerprint
from dam.languages import in_language
from dam.models.organisation import AssetSKU
from dam.roles import Role, has_role, sees_library

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from dam.models.organisation import SKU, Tag


def new_public_id() -> uuid.UUID:
    """A time-ordered id (RFC 9562, version 7): sorts by creation, says nothing about counts."""
    return uuid.UUID(int=uuid7().int)


class AssetKind(models.TextChoices):
    MODEL = "model", _("Model")
    GARMENT = "garment", _("Garment")
    ACCESSORY = "accessory", _("Accessory")
    PRODUCT = "product", _("Product")
    PROP = "prop", _("Prop")
    CHARACTER = "character", _("Character")
    SCENE = "scene", _("Scene")
    OTHER = "other", _("Other")


class AssetOrigin(models.TextChoices):
    UPLOADED = "uploaded", _("Uploaded")
    IMPORTED = "imported", _("Imported")
    GENERATED = "generated", _("Generated")


class AssetState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    IN_REVIEW = "in_review", _("In review")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    ARCHIVED = "archived", _("Archived")
    TRASHED = "trashed", _("Trashed")


class Making(models.TextChoices):
    """How a picture came to be, where the library or its file knows; empty: nobody says."""

    AI = "ai", _("Made by AI")
    PARTLY_AI = "partly_ai", _("Partly made by AI")
    POSSIBLY_AI = "possibly_ai", _("Possibly made by AI")
    ARRANGED = "arranged", _("Arranged from other pictures")


class ModelRelease(models.TextChoices):
    """Whether the people in a picture have agreed to its use."""

    NOT_NEEDED = "not_needed", _("Not needed (nobody recognisable)")
    MISSING = "missing", _("Missing")
    SIGNED = "signed", _("Signed")


def on_storefront() -> Q:
    """Approved, and usable today. As a condition it can stand beside others; a subquery in its place would
    be run again for every row of a large library."""
    usable = Q(usable_until=None) | Q(usable_until__gte=timezone.localdate())
    return Q(state=AssetState.APPROVED) & usable


class AssetQuerySet(models.QuerySet["Asset"]):
    """The domain's words for choosing assets."""

    def in_library(self) -> Self:
        """Everything that has not been trashed."""
        return self.exclude(state=AssetState.TRASHED)

    def for_storefront(self) -> Self:
        """Approved assets that may be used today."""
        return self.filter(on_storefront())

    def usable(self) -> Self:
        """Neither their licence, nor their release, nor one of what they were made from has run out."""
        return self.filter(Q(usable_until=None) | Q(usable_until__gte=timezone.localdate()))

    def usable_in_territory(self, code: str) -> Self:
        """What may be used in the territory with this code."""
        return self.filter(Q(usable_in=None) | Q(usable_in__contains=f",{code.strip().upper()},"))

    def visible_to(self, user: User | AnonymousUser | None) -> Self:
        """What this caller may open: editors the library, contributors the storefront and their own."""
        if sees_library(user):
            return self.in_library()
        if has_role(user, Role.CONTRIBUTOR):
            return self.for_storefront() | self.in_library().filter(owner=user)
        return self.for_storefront()

    def for_sku(self, code: str) -> Self:
        """Assets that show the SKU with this code."""
        return self.filter(sku_links__sku__code=code)

    def with_listing(self) -> Self:
        """Everything a list or a grid shows, in a fixed number of queries. What files
        say of themselves, which may be long, is not among it.
        """
        shown = self.select_related("current", "owner").defer("current__metadata")
        links = models.Prefetch("sku_links", AssetSKU.objects.select_related("sku"))
        # Begun anew, since Django refuses the same lookup twice, and what is listed may be listed again.
        return shown.prefetch_related(None).prefetch_related("tags", links)


class Asset(models.Model):
    """One managed picture. Written through the verbs of this app only."""

    public_id = models.UUIDField(_("id"), default=new_public_id, unique=True, editable=False)
    title = models.CharField(_("title (English)"), max_length=255, blank=True)
    title_zh = models.CharField(_("title (Chinese)"), max_length=255, blank=True)
    alt_text = models.CharField(_("alternative text (English)"), max_length=500, blank=True)
    alt_text_zh = models.CharField(_("alternative text (Chinese)"), max_length=500, blank=True)
    description = models.TextField(_("description (English)"), blank=True)
    description_zh = models.TextField(_("description (Chinese)"), blank=True)
    kind = models.CharField(_("kind"), max_length=16, choices=AssetKind.choices, default=AssetKind.OTHER)
    origin = models.CharField(
        _("origin"), max_length=16, choices=AssetOrigin.choices, default=AssetOrigin.UPLOADED, editable=False
    )
    state = models.CharField(_("state"), max_length=16, choices=AssetState.choices, default=AssetState.DRAFT)
    state_before_trash = models.CharField(max_length=16, blank=True, editable=False)
    trashed_at = models.DateTimeField(_("trashed"), null=True, blank=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="assets",
    )
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="merged_from"
    )
    current = models.OneToOneField(
        "AssetVersion",
        verbose_name=_("current version"),
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="current_of",
    )
    # Copied from the current version so that lists and filters need no join.
    colour_family = models.CharField(_("colour"), max_length=16, blank=True, editable=False)
    aspect = models.CharField(_("aspect"), max_length=12, blank=True, editable=False)
    making = models.CharField(
        _("how it was made"),
        max_length=12,
        choices=Making.choices,
        blank=True,
        editable=False,
        default="",
        db_default="",
    )
    focal_x = models.FloatField(
        _("focal point, from left"), default=0.5, validators=[MinValueValidator(0), MaxValueValidator(1)]
    )
    focal_y = models.FloatField(
        _("focal point, from top"), default=0.5, validators=[MinValueValidator(0), MaxValueValidator(1)]
    )
    rights_holder = models.CharField(_("rights holder"), max_length=255, blank=True)
    licence = models.CharField(_("licence"), max_length=255, blank=True)
    credit = models.CharField(_("credit line"), max_length=255, blank=True)
    rights_expire_on = models.DateField(_("rights expire on"), null=True, blank=True)
    model_release = models.CharField(
        _("model release"), max_length=16, choices=ModelRelease.choices, default=ModelRelease.NOT_NEEDED
    )
    release_expires_on = models.DateField(_("release expires on"), null=True, blank=True)
    # Kept by `dam.rights`: the earliest end among its ancestors, and among those and its own two.
    inherited_until = models.DateField(null=True, editable=False)
    usable_until = models.DateField(_("usable until"), null=True, editable=False)
    territories = models.JSONField(_("territories"), default=list, blank=True, validators=[territories.check])
    # Kept by `dam.rights`: where it and all it was made from may be used, like ",CN,DE,"; null: everywhere.
    usable_in = models.CharField(max_length=1200, null=True, editable=False)  # noqa: DJ001
    # Values of the library's own fields by slug (`dam.custom_fields`); what is empty has no entry.
    custom = models.JSONField(
        _("custom fields"), default=dict, blank=True, db_default=Value({}, models.JSONField())
    )
    # Fields that were filled from the file's own metadata, and from what: {"title": "xmp:dc:title"}.
    from_file = models.JSONField(default=dict, editable=False)
    tags: models.ManyToManyField[Tag, Any] = models.ManyToManyField(
        "Tag", verbose_name=_("tags"), blank=True, related_name="assets"
    )
    skus: models.ManyToManyField[SKU, AssetSKU] = models.ManyToManyField(
        "SKU", through="AssetSKU", verbose_name=_("SKUs"), related_name="assets"
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated = models.DateTimeField(_("updated"), auto_now=True)

    objects = AssetQuerySet.as_manager()

    class Meta:
        verbose_name = _("asset")
        verbose_name_plural = _("assets")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state", "-id"]),
            models.Index(fields=["kind", "-id"]),
            models.Index(fields=["owner", "-id"]),
            models.Index(fields=["usable_until"]),
            # Few of many, unless the library is full of generated pictures.
            models.Index(fields=["making", "-id"], condition=~Q(making=""), name="dam_asset_making"),
            # Rare sorts are gathered by this one, common ones are met soon along the primary key.
            models.Index(fields=["state", "kind", "origin", "colour_family", "-id"], name="dam_asset_sort"),
            models.Index(fields=["title", "id"], name="dam_asset_title"),
            models.Index(fields=["updated", "id"], name="dam_asset_updated"),
            # A whole title as somebody types it, in letters of any case.
            models.Index(Lower("title"), name="dam_asset_title_typed"),
            models.Index(Lower("title_zh"), name="dam_asset_title_zh_typed"),
        ]

    def __str__(self) -> str:
        return self.display_title

    @property
    def display_title(self) -> str:
        """The title in the reader's language, or the other one, or the id."""
        return in_language(self.title, self.title_zh) or str(self.public_id)

    @property
    def is_trashed(self) -> bool:
        return self.state == AssetState.TRASHED


def original_path(version: AssetVersion, filename: str) -> str:
    """Where an original lies: by public id, with the extension of its *content*."""
    key = version.asset.public_id.hex
    return f"originals/{key[-2:]}/{key}/{version.number}-{version.sha256[:12]}{version.extension}"


class AssetVersion(models.Model):
    """One file of an asset and what was read from it. Never changed after it was written."""

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"), default=1)
    file = models.FileField(_("file"), upload_to=original_path, max_length=255)
    original_name = models.CharField(_("file name"), max_length=255, blank=True)
    extension = models.CharField(max_length=8)
    mime = models.CharField(_("type"), max_length=32)
    size = models.BigIntegerField(_("size in bytes"))
    # Unique: two uploads of the same file at the same moment end as one asset.
    sha256 = models.CharField("SHA-256", max_length=64, unique=True)
    perceptual_hash = models.CharField(_("perceptual hash"), max_length=16, blank=True)
    # The hash in four bands (`dam.fingerprints`): near ones agree in one of them up to two bits.
    hash_band_0 = models.PositiveIntegerField(null=True, editable=False, db_index=True)
    hash_band_1 = models.PositiveIntegerField(null=True, editable=False, db_index=True)
    hash_band_2 = models.PositiveIntegerField(null=True, editable=False, db_index=True)
    hash_band_3 = models.PositiveIntegerField(null=True, editable=False, db_index=True)
    colour_layout = models.CharField(max_length=96, blank=True, editable=False)
    near_looked_for = models.BooleanField(default=False, editable=False)
    width = models.PositiveIntegerField(_("width"), help_text=_("Pixels, orientation applied"))
    height = models.PositiveIntegerField(_("height"), help_text=_("Pixels, orientation applied"))
    has_alpha = models.BooleanField(_("transparent"), default=False)
    colours = models.JSONField(_("dominant colours"), default=list)
    metadata = models.JSONField(_("embedded metadata"), default=dict)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = _("version")
        verbose_name_plural = _("versions")
        constraints = [models.UniqueConstraint(fields=["asset", "number"], name="dam_version_number")]
        indexes = [
            # What the search for near duplicates still has to do; a few rows of a million.
            models.Index(fields=["id"], condition=Q(near_looked_for=False), name="dam_version_near_pending")
        ]

    def __str__(self) -> str:
        return f"{self.asset.public_id} v{self.number}"

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self.perceptual_hash, self.colour_layout)

    @fingerprint.setter
    def fingerprint(self, seen: Fingerprint) -> None:
        self.perceptual_hash, self.colour_layout = seen.hash, seen.layout
        self.hash_band_0, self.hash_band_1, self.hash_band_2, self.hash_band_3 = seen.bands


def rendition_path(rendition: Rendition, filename: str) -> str:
    key = rendition.version.asset.public_id.hex
    version = rendition.version
    return f"renditions/{key[-2:]}/{key}/{version.number}-{rendition.recipe}{rendition.extension}"


class Rendition(models.Model):
    """A derived file, keyed by asset version and recipe."""

    version = models.ForeignKey(AssetVersion, on_delete=models.CASCADE, related_name="renditions")
    preset = models.CharField(_("preset"), max_length=32)
    recipe = models.CharField(_("recipe"), max_length=24, help_text=_("Hash of the preset's parameters"))
    file = models.FileField(_("file"), upload_to=rendition_path, max_length=255)
    extension = models.CharField(max_length=8)
    mime = models.CharField(_("type"), max_length=32)
    size = models.BigIntegerField(_("size in bytes"))
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("rendition")
        verbose_name_plural = _("renditions")
        constraints = [models.UniqueConstraint(fields=["version", "recipe"], name="dam_rendition_recipe")]

    def __str__(self) -> str:
        return f"{self.version} {self.preset}"


class Lineage(models.Model):
    """Parent → child: which assets a generated picture was made from, and in which role."""

    parent = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="children_links")
    child = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="parent_links")
    role = models.CharField(_("role"), max_length=24)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = _("lineage")
        verbose_name_plural = _("lineage")
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["parent", "child", "role"], name="dam_lineage_once"),
            models.CheckConstraint(condition=~Q(parent=models.F("child")), name="dam_lineage_no_self"),
        ]

    def __str__(self) -> str:
        return f"{self.parent_id} → {self.child_id} ({self.role})"
