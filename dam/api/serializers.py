"""How assets, tags, SKUs and collections look in the API, and what may be written to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from dam import custom_fields, editing, field_rules, organising, presets, rights, workflow
from dam.addresses import original_url, rendition_url, rendition_urls, thumbnail_url
from dam.api.fields import AccountField, CustomValues, SKUList, TagList, TerritoryList, WordList
from dam.articles import check_attributes
from dam.coverage import counted, pictures_of, rows_of
from dam.custom_values import PREFIX, merged
from dam.ingest import AssetMetadata
from dam.models import SKU, Asset, AssetKind, AssetState, Collection, SKURole, Tag
from dam.organising import shown_to
from dam.people import signed_in
from dam.presets import Preset
from dam.roles import Role, has_role, sees_library
from dam.tagging import ensure_skus, find_tags

SHOWN_PICTURES = 12  # of a SKU in one role


def check_state(state: str, user: User | AnonymousUser, asset: Asset | None = None) -> str:
    """Where the account may move the asset, or may begin with a new one; the trash is entered by DELETE."""
    if state == AssetState.TRASHED:
        raise serializers.ValidationError(_("Use DELETE to move an asset to the trash."))
    if asset is not None and asset.state == state:
        return state
    allowed = workflow.first_states(user) if asset is None else workflow.next_states(user, asset)
    if state not in allowed:
        raise serializers.ValidationError(
            _("You may not give this asset that state; possible are: %(states)s.")
            % {"states": ", ".join(state for state in allowed if state != AssetState.TRASHED) or "–"},
            code="not_permitted",
        )
    return state


def absolute(path: str, context: Mapping[str, Any]) -> str:
    """The path as an address that works from elsewhere."""
    request = context.get("request")
    return request.build_absolute_uri(path) if request and path else path


class ParentedSerializer(serializers.ModelSerializer):
    """Names what a thing lies below only to those to whom that is shown."""

    def to_representation(self, thing: Any) -> dict[str, Any]:
        told: dict[str, Any] = super().to_representation(thing)
        if not getattr(thing, "parent_shown", True):
            told["parent"] = None
        return told


class ColourSerializer(serializers.Serializer):
    """One dominant colour of a picture."""

    hex = serializers.CharField()
    share = serializers.FloatField(help_text="Share of the picture, 0 to 1.")
    family = serializers.CharField(required=False)


def look_up(context: dict[str, Any]) -> None:
    """Put into a serializer's context what every asset of a list is told with, before the list is there."""
    context.setdefault("presets", presets.active())
    if sees_library(context["request"].user):  # of others it is asked only for assets of their own
        context.setdefault("rules", field_rules.load())


# Fields of an asset that are told as they are, and days; fields of its current version by their names here.
_PLAIN = (
    "title", "title_zh", "alt_text", "alt_text_zh", "description", "description_zh", "kind", "state",
    "origin", "making", "aspect", "focal_x", "focal_y", "rights_holder", "licence", "credit", "model_release",
    "custom", "territories",
)  # fmt: skip
_DAYS = ("rights_expire_on", "release_expires_on", "usable_until")
_OF_VERSION = {
    "version": "number", "file_name": "original_name", "mime": "mime", "size": "size", "sha256": "sha256",
    "width": "width", "height": "height", "transparent": "has_alpha",
}  # fmt: skip
_MOMENT, _DAY, _TAGS, _SKUS = serializers.DateTimeField(), serializers.DateField(), TagList(), SKUList()


class AssetSerializer(serializers.ModelSerializer):
    """One asset, as every endpoint shows it; also what PATCH takes.

    Lists have many: what is told is read straight from the asset. REST framework's way, by a field object
    for each of the fifty values, says the same and takes five times as long (`tests/dam/test_api.py`).
    """

    id = serializers.UUIDField(source="public_id", read_only=True)
    owner = AccountField()
    version = serializers.IntegerField(source="current.number", read_only=True, allow_null=True)
    file_name = serializers.CharField(source="current.original_name", read_only=True, allow_null=True)
    mime = serializers.CharField(source="current.mime", read_only=True, allow_null=True)
    size = serializers.IntegerField(source="current.size", read_only=True, allow_null=True)
    sha256 = serializers.CharField(source="current.sha256", read_only=True, allow_null=True)
    width = serializers.IntegerField(source="current.width", read_only=True, allow_null=True)
    height = serializers.IntegerField(source="current.height", read_only=True, allow_null=True)
    transparent = serializers.BooleanField(source="current.has_alpha", read_only=True, allow_null=True)
    colours = serializers.SerializerMethodField()
    colour = serializers.CharField(source="colour_family", read_only=True, help_text="Main colour family.")
    tags = TagList(required=False)
    skus = SKUList(required=False)
    territories = TerritoryList(
        required=False, help_text="Where its licence covers it, as codes (ISO 3166-1); empty: everywhere."
    )
    custom = CustomValues(
        required=False, help_text="Those below contributor are told the values of public fields only."
    )
    missing = serializers.SerializerMethodField(
        help_text="Required fields that are empty, by the state that asks for them; null: not yours to fill."
    )
    next_states = serializers.SerializerMethodField(
        help_text="The states into which the caller may move it; the trash is entered by DELETE."
    )
    usable_in = serializers.SerializerMethodField(
        help_text="Where it may be used, what it was made from considered; null: everywhere."
    )
    thumbnail = serializers.SerializerMethodField()
    web = serializers.SerializerMethodField()
    original = serializers.SerializerMethodField()
    renditions = serializers.SerializerMethodField(help_text="Addresses by the names of presets.")

    class Meta:
        model = Asset
        fields = (
            "id", "title", "title_zh", "alt_text", "alt_text_zh", "description", "description_zh",
            "kind", "state", "origin", "making", "owner", "version", "file_name", "mime", "size", "sha256",
            "width", "height", "aspect", "transparent", "colours", "colour", "tags", "skus",
            "focal_x", "focal_y", "rights_holder", "licence", "credit", "rights_expire_on", "model_release",
            "release_expires_on", "usable_until", "territories", "usable_in", "custom", "missing",
            "next_states", "thumbnail", "web", "original", "renditions", "created", "updated",
        )  # fmt: skip
        read_only_fields = ("origin", "making", "aspect", "created", "updated")

    def to_representation(self, asset: Asset) -> dict[str, Any]:
        told = self._as_kept(asset) | {
            "id": str(asset.public_id),
            "owner": self._owner(asset),
            "colours": self.get_colours(asset),
            "colour": asset.colour_family,
            "tags": _TAGS.to_representation(_TAGS.get_attribute(asset)),
            "skus": _SKUS.to_representation(_SKUS.get_attribute(asset)),
            "missing": self.get_missing(asset),
            "next_states": self.get_next_states(asset),
            "usable_in": self.get_usable_in(asset),
            "thumbnail": self.get_thumbnail(asset),
            "web": self.get_web(asset),
            "original": self.get_original(asset),
            "renditions": self.get_renditions(asset),
            "created": _MOMENT.to_representation(asset.created),
            "updated": _MOMENT.to_representation(asset.updated),
        }
        if told["custom"] and not custom_fields.sees_all(self._caller()):
            told["custom"] = self._public_only(told["custom"])
        return {name: told[name] for name in AssetSerializer.Meta.fields}

    @staticmethod
    def _as_kept(asset: Asset) -> dict[str, Any]:
        told = {name: getattr(asset, name) for name in _PLAIN}
        days = {name: getattr(asset, name) for name in _DAYS}
        told |= {name: day and _DAY.to_representation(day) for name, day in days.items()}
        version = asset.current
        return told | {name: getattr(version, field, None) for name, field in _OF_VERSION.items()}

    def _owner(self, asset: Asset) -> str | None:
        """As `AccountField` tells it."""
        is_told = "request" not in self.context or has_role(self._caller(), Role.CONTRIBUTOR)
        return asset.owner.get_username() if asset.owner and is_told else None

    def _public_only(self, values: dict[str, Any]) -> dict[str, Any]:
        context = cast(dict[str, Any], self.context)
        if "public_fields" not in context:  # looked up once for a whole list
            context["public_fields"] = custom_fields.shown_to(self._caller())
        public = context["public_fields"]
        return {slug: value for slug, value in values.items() if slug in public}

    @extend_schema_field(serializers.ListField(child=serializers.CharField(), allow_null=True))
    def get_usable_in(self, asset: Asset) -> list[str] | None:
        return rights.where_usable(asset)

    @extend_schema_field(ColourSerializer(many=True))
    def get_colours(self, asset: Asset) -> list[dict[str, Any]]:
        found = asset.current.colours if asset.current else []
        return [{key: colour.get(key) for key in ("hex", "share", "family")} for colour in found]

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(AssetState.choices)))
    def get_next_states(self, asset: Asset) -> list[str]:
        return [state.value for state in workflow.next_states(self._caller(), asset)]

    @extend_schema_field(
        {
            "type": "object",
            "nullable": True,
            "additionalProperties": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"field": {"type": "string"}, "label": {"type": "string"}},
                },
            },
        }
    )
    def get_missing(self, asset: Asset) -> dict[str, list[dict[str, str]]] | None:
        context = cast(dict[str, Any], self.context)
        if not workflow.may_change(self._caller(), asset):
            return None
        if "rules" not in context:  # looked up once for a whole list
            context["rules"] = field_rules.load()
        rules: field_rules.Rules = context["rules"]
        found = field_rules.missing_by_step(
            asset, rules, has_tags=bool(asset.tags.all()), has_skus=bool(asset.sku_links.all())
        )
        return {
            step: [{"field": name, "label": rules.label(name)} for name in names]
            for step, names in found.items()
        }

    def get_thumbnail(self, asset: Asset) -> str:
        return self._addresses(asset).get("thumbnail", "")

    def get_web(self, asset: Asset) -> str:
        return self._addresses(asset).get("web", "")

    def get_original(self, asset: Asset) -> str:
        return self._absolute(original_url(asset))

    def get_renditions(self, asset: Asset) -> dict[str, str]:
        return self._addresses(asset)

    def _addresses(self, asset: Asset) -> dict[str, str]:
        """Three fields ask for them one after the other."""
        context = cast(dict[str, Any], self.context)
        known, addresses = context.get("addresses", (None, {}))
        if known is not asset:
            paths = rendition_urls(asset, self._presets_open_for(asset))
            addresses = {name: self._absolute(path) for name, path in paths.items()}
            context["addresses"] = asset, addresses
        return addresses

    def _presets_open_for(self, asset: Asset) -> list[Preset]:
        """Looked up once for a whole list."""
        context = cast(dict[str, Any], self.context)
        if "presets" not in context:
            context["presets"] = presets.active()
        user = context["request"].user if "request" in context else None
        return presets.open_to(user, asset, context["presets"])

    def _absolute(self, path: str) -> str:
        return absolute(path, self.context)

    def _caller(self) -> User | AnonymousUser:
        return self.context["request"].user if "request" in self.context else AnonymousUser()

    def validate_state(self, state: str) -> str:
        return check_state(state, self.context["request"].user, self.instance)

    @transaction.atomic
    def update(self, asset: Asset, validated: dict[str, Any]) -> Asset:
        """Write through the library's verbs."""
        actor = signed_in(self.context["request"])
        tags, skus = validated.pop("tags", None), validated.pop("skus", None)
        state, custom = validated.pop("state", ""), validated.pop("custom", {})
        validated |= {f"{PREFIX}{slug}": value for slug, value in custom.items()}
        with editing.moving([asset], actor=actor, state=state):
            if validated or tags is not None:
                editing.update_assets(
                    [asset],
                    actor=actor,
                    changes=validated,
                    add_tags=tags or (),
                    remove_tags=[] if tags is None else tags_besides(asset, tags),
                )
            if skus is not None:
                replace_skus(asset, skus, actor)
        return Asset.objects.with_listing().get(pk=asset.pk)


def tags_besides(asset: Asset, kept: list[str]) -> list[str]:
    """Slugs of the asset's tags that none of the words names."""
    named = {tag.pk for tag in find_tags(kept).values()}
    return [tag.slug for tag in asset.tags.all() if tag.pk not in named]


def replace_skus(asset: Asset, wanted: list[tuple[str, str]], actor: User) -> None:
    """Link and unlink until the asset shows exactly these SKUs in these roles."""
    present = {(link.sku.code, link.role): link for link in asset.sku_links.select_related("sku")}
    skus = ensure_skus(code for code, _role in wanted)
    for code, role in wanted:  # first, so that it is never without any
        if (code, role) not in present:
            editing.link_sku(asset, skus[code], role, actor=actor)
    for key in present.keys() - set(wanted):
        editing.unlink_sku(asset, present[key].sku, present[key].role, actor=actor)


class UploadSerializer(serializers.ModelSerializer):
    """What POST takes: the file and what is known about it."""

    file = serializers.FileField(allow_empty_file=True, help_text="The picture; its content is what counts.")
    tags = WordList(required=False, help_text="Slugs or labels; unknown ones are created.")
    skus = SKUList(required=False)
    custom = CustomValues(required=False)
    territories = TerritoryList(required=False)
    kind = serializers.ChoiceField(AssetKind.choices, default=AssetKind.OTHER)
    state = serializers.ChoiceField(
        AssetState.choices,
        default=AssetState.DRAFT,
        help_text="A picture that lacks fields which this state asks for comes in as a draft.",
    )

    class Meta:
        model = Asset
        fields = (
            "file", "title", "title_zh", "alt_text", "alt_text_zh", "description", "description_zh",
            "kind", "state", "licence", "rights_holder", "credit", "rights_expire_on", "model_release",
            "release_expires_on", "territories", "tags", "skus", "custom",
        )  # fmt: skip

    def validate_state(self, state: str) -> str:
        return check_state(state, self.context["request"].user)

    def metadata(self) -> AssetMetadata:
        """Everything but the file, as ingest takes it.

        Raises:
            BadValues: a custom field does not take its value.
        """
        return metadata_of({name: value for name, value in self.validated_data.items() if name != "file"})


def metadata_of(known: dict[str, Any]) -> AssetMetadata:
    """What an upload says about its asset.

    Raises:
        BadValues: a custom field does not take its value.
    """
    if given := known.pop("custom", None):
        known["custom"] = merged({}, given, custom_fields.by_slug(), known["kind"])
    return AssetMetadata(**known)


class TagSerializer(ParentedSerializer):
    """A tag, with its place in the tree."""

    parent = serializers.SlugRelatedField(  # type: ignore[assignment]  # the stubs mean Field.parent
        slug_field="slug", queryset=Tag.objects.all(), required=False, allow_null=True
    )
    synonyms = WordList(required=False)

    class Meta:
        model = Tag
        fields: tuple[str, ...] = ("slug", "label", "label_zh", "synonyms", "parent")

    def validate_parent(self, parent: Tag | None) -> Tag | None:
        if self.instance and organising.would_circle(self.instance, parent):
            raise serializers.ValidationError(organising.CIRCLE)
        return parent


class SKUSerializer(ParentedSerializer):
    """A sellable article."""

    parent = serializers.SlugRelatedField(  # type: ignore[assignment]  # the stubs mean Field.parent
        slug_field="code",
        queryset=SKU.objects.all(),
        required=False,
        allow_null=True,
        help_text="Code of the article that this one is a variant of; it is no variant itself.",
    )
    attributes = serializers.DictField(
        required=False,
        validators=[check_attributes],
        help_text="Names with texts or numbers; PATCH replaces all of them.",
    )

    class Meta:
        model = SKU
        fields: tuple[str, ...] = (
            "code", "name", "name_zh", "parent", "status", "barcode", "attributes", "created",
        )  # fmt: skip
        read_only_fields = ("created",)

    def validate_parent(self, parent: SKU | None) -> SKU | None:
        sku = self.instance or SKU(code=self.initial_data.get("code", ""))
        if problem := organising.parent_problem(sku, parent):
            raise serializers.ValidationError(problem)
        return parent


class PictureSerializer(serializers.ModelSerializer):
    """A picture of a SKU, in brief."""

    id = serializers.UUIDField(source="public_id")
    thumbnail = serializers.SerializerMethodField()
    web = serializers.SerializerMethodField()

    class Meta:
        model = Asset
        fields = ("id", "title", "title_zh", "state", "thumbnail", "web")

    def get_thumbnail(self, asset: Asset) -> str:
        return absolute(thumbnail_url(asset), self.context)

    def get_web(self, asset: Asset) -> str:
        return absolute(rendition_url(asset, "web"), self.context)


class RolePicturesSerializer(serializers.Serializer):
    """What a SKU has in one role, as far as the caller may see it."""

    role = serializers.ChoiceField(SKURole.choices)
    total = serializers.IntegerField()
    approved = serializers.IntegerField()
    missing = serializers.BooleanField(source="is_missing")
    pictures = PictureSerializer(many=True, help_text="The best of them: approved first, then the newest.")


class VariantSerializer(serializers.ModelSerializer):
    """A variant of an article, in brief."""

    class Meta:
        model = SKU
        fields = ("code", "name", "name_zh", "status", "attributes")


class SKUDetailSerializer(SKUSerializer):
    """A sellable article with its variants, and what it has pictures of."""

    variants = serializers.SerializerMethodField()
    coverage = serializers.SerializerMethodField()

    class Meta(SKUSerializer.Meta):
        fields = (*SKUSerializer.Meta.fields, "variants", "coverage")

    @extend_schema_field(VariantSerializer(many=True))
    def get_variants(self, sku: SKU) -> Any:
        shown = shown_to(self.context["request"].user, SKU, "skus").filter(parent=sku).order_by("code")
        return VariantSerializer(shown, many=True).data

    @extend_schema_field(RolePicturesSerializer(many=True))
    def get_coverage(self, sku: SKU) -> Any:
        links = counted().filter(asset__in=Asset.objects.visible_to(self.context["request"].user))
        pictures = pictures_of(sku, links, SHOWN_PICTURES)
        rows = [
            {
                "role": cell.role,
                "total": cell.total,
                "approved": cell.approved,
                "is_missing": cell.is_missing,
                "pictures": pictures[cell.role],
            }
            for cell in rows_of([sku], links=links)[0].cells
        ]
        return RolePicturesSerializer(rows, many=True, context=self.context).data


class CollectionSerializer(serializers.ModelSerializer):
    """A set of assets put together by people."""

    owner = serializers.CharField(source="owner.username", read_only=True, allow_null=True)

    class Meta:
        model = Collection
        fields = ("id", "name", "name_zh", "description", "owner", "created")
        read_only_fields = ("created",)


def visible_assets(ids: list[Any], user: User | AnonymousUser) -> list[Asset]:
    """The assets that these ids name, in that order.

    Raises:
        ValidationError: at least one of them is not there, or not for this account to see.
    """
    found = {asset.public_id: asset for asset in Asset.objects.visible_to(user).filter(public_id__in=ids)}
    if missing := [str(given) for given in ids if given not in found]:
        raise serializers.ValidationError(
            _("No such asset: %(ids)s.") % {"ids": ", ".join(missing)}, code="not_found"
        )
    return [found[given] for given in dict.fromkeys(ids)]


class CollectionItemsSerializer(serializers.Serializer):
    """Assets to put into a collection."""

    assets = serializers.ListField(child=serializers.UUIDField(), allow_empty=False, max_length=1000)

    def validate_assets(self, ids: list[Any]) -> list[Asset]:
        return visible_assets(ids, self.context["request"].user)


class AddedSerializer(serializers.Serializer):
    """How many assets were new to the collection."""

    added = serializers.IntegerField()
