"""Forms of the library's pages: uploading, and choosing what to do with chosen assets."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from dam import custom_fields, import_runs, organising, territories, uploads, workflow
from dam.coverage import CoverageQuery
from dam.custom_forms import form_field
from dam.custom_values import PREFIX, BadValues, Fields, as_begun, merged
from dam.ingest import AssetMetadata
from dam.models import (
    SKU,
    Asset,
    AssetKind,
    AssetState,
    Collection,
    FieldType,
    Import,
    ImportSource,
    ModelRelease,
    SKURole,
    SKUStatus,
    Tag,
    UploadPurpose,
    UploadSession,
)
from dam.roles import Role, has_role, sees_library

LONGEST_CODE = 64  # characters of a SKU's code
DATE = UnfoldAdminTextInputWidget(attrs={"type": "date"})


class WordsField(forms.Field):
    """Words with commas between them."""

    widget = UnfoldAdminTextInputWidget

    def to_python(self, value: Any) -> list[str]:
        words = (value or "").replace("，", ",").split(",")
        return [word.strip() for word in words if word.strip()]

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or ()) != self.to_python(data)


class TerritoriesField(WordsField):
    """Countries with commas between them, by code or name."""

    def __init__(self, **given: Any) -> None:
        super().__init__(
            label=_("Territories"),
            required=False,
            help_text=_("Countries by code or name, with commas between them (DE, 中国); empty: everywhere."),
            **given,
        )

    def clean(self, value: Any) -> list[str]:
        return territories.codes_of(super().clean(value))


class SharedFieldsForm(forms.Form):
    """Rights and the library's own fields, as many pictures have them alike.

    Attributes:
        custom_fields: the library's own fields by slug, also those that are retired.
        own: the names of those that are asked for.
    """

    rights_holder = forms.CharField(
        label=_("Rights holder"), max_length=255, required=False, widget=UnfoldAdminTextInputWidget
    )
    licence = forms.CharField(
        label=_("Licence"), max_length=255, required=False, widget=UnfoldAdminTextInputWidget
    )
    credit = forms.CharField(
        label=_("Credit line"), max_length=255, required=False, widget=UnfoldAdminTextInputWidget
    )
    rights_expire_on = forms.DateField(label=_("Rights expire on"), required=False, widget=DATE)
    model_release = forms.ChoiceField(
        label=_("Model release"),
        choices=ModelRelease.choices,
        widget=UnfoldAdminSelectWidget,
        required=False,
    )
    release_expires_on = forms.DateField(label=_("Release expires on"), required=False, widget=DATE)
    territories = TerritoriesField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.custom_fields = custom_fields.by_slug()
        asked = [field for field in self.custom_fields.values() if field.active]
        self.own = [field.name for field in asked]
        self.fields |= {field.name: form_field(field, None) for field in asked}


class AssetForm(forms.ModelForm):
    """The words and rights of one asset; a subclass for each page adds the library's own fields.

    Attributes:
        custom_fields: the library's own fields by slug.
        refusal: why the verb refused what was sent; shown with all that was typed.
    """

    custom_fields: Fields = {}
    refusal = ""

    territories = TerritoriesField()

    class Meta:
        model = Asset
        fields = forms.ALL_FIELDS
        widgets = {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
            "description_zh": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for slug, field in self.custom_fields.items():
            if field.name in self.fields and not self.fields[field.name].disabled:
                self.initial[field.name] = as_begun(field, self.instance.custom.get(slug))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        changed = {
            slug: cleaned[field.name]
            for slug, field in self.custom_fields.items()
            if field.name in cleaned and field.name in self.changed_data
        }
        try:
            merged(self.instance.custom, changed, self.custom_fields, cleaned.get("kind", self.instance.kind))
        except BadValues as bad:
            for slug, sentence in bad.problems.items():
                self.add_error(f"{PREFIX}{slug}", sentence)
        if self.refusal:
            raise forms.ValidationError(self.refusal)
        return cleaned


class SKUForm(forms.ModelForm):
    """A SKU; its attributes are whatever the shop's own system says about it."""

    class Meta:
        model = SKU
        fields = ("code", "name", "name_zh", "parent", "status", "barcode", "attributes")
        widgets = {"attributes": UnfoldAdminTextareaWidget(attrs={"rows": 4})}
        help_texts = {"attributes": _("Names with texts or numbers: {“colour”: “navy”, “size”: 38}")}

    def clean_attributes(self) -> dict[str, Any]:
        return self.cleaned_data["attributes"] or {}

    def clean_parent(self) -> SKU | None:
        parent = self.cleaned_data["parent"]
        sku = SKU(pk=self.instance.pk, code=self.cleaned_data.get("code", ""))
        if problem := organising.parent_problem(sku, parent):
            raise forms.ValidationError(problem)
        return parent


class CoverageForm(forms.Form):
    """Which SKUs the page of coverage shows."""

    q = forms.CharField(label=_("Code or name"), required=False, max_length=200)
    missing = forms.ChoiceField(
        label=_("Missing"), required=False, choices=[("", _("Anything or nothing")), *SKURole.choices]
    )
    parent = forms.CharField(label=_("Article (code) and its variants"), required=False, max_length=64)
    collection = forms.ModelChoiceField(
        label=_("Collection"), required=False, queryset=Collection.objects.all(), empty_label=_("Any")
    )
    status = forms.ChoiceField(
        label=_("Status"), required=False, choices=[("", _("Any")), *SKUStatus.choices]
    )
    count = forms.ChoiceField(
        label=_("What counts"),
        required=False,
        choices=[("", _("Pictures in any state")), ("approved", _("Approved pictures"))],
    )

    def query(self) -> CoverageQuery:
        """The filters that were chosen."""
        chosen = self.cleaned_data
        return CoverageQuery(
            text=chosen["q"],
            missing=chosen["missing"],
            parent=chosen["parent"],
            status=chosen["status"],
            collection=chosen["collection"].pk if chosen["collection"] else None,
            approved_only=chosen["count"] == "approved",
        )


class SKUTableForm(forms.Form):
    """A table of SKUs, and how strictly it is taken."""

    table = forms.FileField(label=_("Table (CSV or XLSX)"))
    partial = forms.BooleanField(label=_("Take the good rows although others are bad"), required=False)
    discontinue_missing = forms.BooleanField(
        label=_("Discontinue SKUs that the table does not name"), required=False
    )


class MetadataTableForm(forms.Form):
    """A table of assets' words, as it was exported and edited."""

    table = forms.FileField(label=_("Table (CSV or XLSX)"))


class CollectionForm(forms.ModelForm):
    """What a collection is called, and until when its link works."""

    class Meta:
        model = Collection
        fields = ("name", "name_zh", "description")
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 3})}


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """Several files under one name; each is judged by ingest, so an empty one passes here."""

    widget = ManyFilesInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_empty_file=True, **kwargs)

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        files = data if isinstance(data, list | tuple) and data else [None]
        return [super(ManyFilesField, self).clean(file, initial) for file in files]


def collections_of(user: User) -> QuerySet[Collection]:
    """Into which collections the account may put assets: editors into all, others into their own."""
    return Collection.objects.all() if sees_library(user) else Collection.objects.filter(owner=user)


class UploadForm(SharedFieldsForm):
    """What is known about a whole batch of files; offers the states that the account may give."""

    BATCH = ("kind", "state", "collection", "tags", "skus", "sku_role")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allowed = workflow.first_states(user)
        cast(forms.ChoiceField, self.fields["state"]).choices = [
            (state.value, state.label) for state in allowed
        ]
        cast(forms.ModelChoiceField, self.fields["collection"]).queryset = collections_of(user)
        # What is said of a file travels in a header, where a long text has no room.
        self.own = [name for name in self.own if not self._is_long(name)]

    pictures = ManyFilesField(label=_("Pictures"))
    kind = forms.ChoiceField(
        label=_("Kind"), choices=AssetKind.choices, initial=AssetKind.OTHER, widget=UnfoldAdminSelectWidget
    )
    state = forms.ChoiceField(
        label=_("State"),
        initial=AssetState.DRAFT,
        widget=UnfoldAdminSelectWidget,
    )
    collection = forms.ModelChoiceField(
        label=_("Collection"),
        queryset=Collection.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    tags = WordsField(
        label=_("Tags"),
        required=False,
        help_text=_("Words with commas between them; new ones are created."),
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": _("summer, linen")}),
    )
    skus = WordsField(
        label=_("SKUs"),
        required=False,
        help_text=_("Codes with commas between them; SKUs that are not there yet are added."),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    sku_role = forms.ChoiceField(
        label=_("Shown as"), choices=SKURole.choices, required=False, widget=UnfoldAdminSelectWidget
    )

    @property
    def parts(self) -> list[tuple[str, list[forms.BoundField], bool]]:
        """The fields as the page groups them: title, fields, and whether one of them is wrong."""
        rights = list(SharedFieldsForm.base_fields)
        groups = [("", self.BATCH), (_("Rights"), rights), (_("More fields"), self.own)]
        return [
            (str(title), [self[name] for name in names], any(name in self.errors for name in names))
            for title, names in groups
            if names
        ]

    def _is_long(self, name: str) -> bool:
        return self.custom_fields[name.removeprefix(PREFIX)].type == FieldType.LONG_TEXT

    def clean_skus(self) -> list[str]:
        codes: list[str] = self.cleaned_data["skus"]
        if long := next((code for code in codes if len(code) > LONGEST_CODE), None):
            raise forms.ValidationError(
                _("“%(value)s” is no SKU: give a code of at most 64 characters.") % {"value": long}
            )
        return codes

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = {name.removeprefix(PREFIX): cleaned.get(name) for name in self.own}
        try:
            cleaned["custom"] = merged({}, given, self.custom_fields, cleaned.get("kind", AssetKind.OTHER))
        except BadValues as bad:
            for slug, sentence in bad.problems.items():
                self.add_error(f"{PREFIX}{slug}", sentence)
        return cleaned

    def metadata(self) -> AssetMetadata:
        """What ingest is told of each file."""
        given = self.cleaned_data
        role = given["sku_role"] or SKURole.PACKSHOT
        return AssetMetadata(
            kind=given["kind"],
            state=given["state"],
            tags=given["tags"],
            skus=[(code, role) for code in dict.fromkeys(given["skus"])],
            rights_holder=given["rights_holder"],
            licence=given["licence"],
            credit=given["credit"],
            rights_expire_on=given["rights_expire_on"],
            model_release=given["model_release"] or ModelRelease.NOT_NEEDED,
            release_expires_on=given["release_expires_on"],
            territories=given["territories"],
            custom=given["custom"],
        )


class ImportForm(forms.Form):
    """Where an import comes from, and what holds for all of its pictures."""

    archive = forms.FileField(label=pgettext_lazy("file", "Archive"), required=False)
    upload = forms.UUIDField(required=False, widget=forms.HiddenInput)
    s3 = forms.CharField(
        label=_("S3 prefix"),
        max_length=1024,
        required=False,
        help_text=_("An address like s3://bucket/prefix."),
        widget=UnfoldAdminTextInputWidget,
    )
    folder = forms.CharField(
        label=_("Folder on the server"), max_length=1024, required=False, widget=UnfoldAdminTextInputWidget
    )
    manifest = forms.FileField(label=_("Manifest"), required=False)
    kind = forms.ChoiceField(
        label=_("Kind"), choices=AssetKind.choices, initial=AssetKind.OTHER, widget=UnfoldAdminSelectWidget
    )
    state = forms.ChoiceField(label=_("State"), initial=AssetState.DRAFT, widget=UnfoldAdminSelectWidget)
    tags = WordsField(
        label=_("Tags"),
        required=False,
        help_text=_("Words with commas between them; new ones are created."),
        widget=UnfoldAdminTextInputWidget,
    )
    dry_run = forms.BooleanField(
        label=_("Check first and show every problem; nothing is written yet"), required=False, initial=True
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user
        cast(forms.ChoiceField, self.fields["state"]).choices = [
            (state.value, state.label) for state in workflow.first_states(user)
        ]
        if not (settings.DAM_IMPORT_S3 and has_role(user, Role.EDITOR)):
            del self.fields["s3"]
        if not (settings.DAM_IMPORT_FOLDERS and has_role(user, Role.ADMINISTRATOR)):
            del self.fields["folder"]

    def clean_upload(self) -> UploadSession | None:
        if not (public_id := self.cleaned_data.get("upload")):
            return None
        found = UploadSession.objects.filter(owner=self._user, public_id=public_id).first()
        if found is None:
            raise forms.ValidationError(_("There is no such upload, or it has expired. Begin anew."))
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = [bool(cleaned.get("archive") or cleaned.get("upload"))]
        given += [bool(cleaned.get(name)) for name in ("s3", "folder")]
        if sum(given) != 1 and not self.errors:
            raise forms.ValidationError(_("Choose one source: an archive, a prefix or a folder."))
        return cleaned

    def create(self) -> Import:
        """Begin the import.

        Raises:
            ImportProblem, UploadRefused: see `create_import` and `open_upload`.
        """
        given = self.cleaned_data
        source = ImportSource.S3 if given.get("s3") else ImportSource.FOLDER
        upload = given.get("upload")
        if given.get("archive"):
            upload = uploads.receive(self._user, given["archive"], UploadPurpose.IMPORT)
        table = given.get("manifest")
        return import_runs.create_import(
            self._user,
            source=ImportSource.ARCHIVE if upload else source,
            location=given.get("s3") or given.get("folder") or "",
            upload=upload,
            table=uploads.receive(self._user, table, UploadPurpose.IMPORT) if table else None,
            defaults=AssetMetadata(kind=given["kind"], state=given["state"], tags=given["tags"]),
            dry_run=given["dry_run"],
        )


class AddToCollectionForm(forms.Form):
    """Into which collection the chosen assets go: one that is open to the account, or a new one."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ModelChoiceField, self.fields["collection"]).queryset = collections_of(user)

    collection = forms.ModelChoiceField(
        label=_("Collection"),
        queryset=Collection.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    new_collection = forms.CharField(
        label=_("Or a new one called"),
        max_length=120,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if bool(cleaned.get("collection")) == bool(cleaned.get("new_collection")):
            raise forms.ValidationError(_("Choose a collection, or give the name of a new one."))
        return cleaned


class _OfferingForm(forms.Form):
    """A form that offers words while somebody types: those alone that their account is shown."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user


class LinkSKUForm(_OfferingForm):
    """Which SKU the chosen assets show, and how."""

    sku = forms.CharField(
        label=_("SKU"),
        max_length=LONGEST_CODE,
        help_text=_("The code of a SKU that is there."),
        widget=UnfoldAdminTextInputWidget(attrs={"list": "known-words", "autocomplete": "off"}),
    )
    role = forms.ChoiceField(label=_("Shown as"), choices=SKURole.choices, widget=UnfoldAdminSelectWidget())

    def known(self) -> list[str]:
        """Some codes."""
        shown = organising.shown_to(self._user, SKU, "skus")
        return list(shown.order_by("code").values_list("code", flat=True)[:200])

    def clean_sku(self) -> SKU:
        sku = SKU.objects.filter(code=self.cleaned_data["sku"].strip()).first()
        if sku is None:
            raise forms.ValidationError(_("There is no SKU of this code. Add it under “SKUs” first."))
        return sku


class AddTagsForm(_OfferingForm):
    """Which tags the chosen assets get."""

    tags = WordsField(
        label=_("Tags"),
        help_text=_("Words with commas between them; new ones are created."),
        widget=UnfoldAdminTextInputWidget(attrs={"list": "known-words", "autocomplete": "off"}),
    )

    def known(self) -> list[str]:
        """Some tags."""
        return [str(tag) for tag in organising.shown_to(self._user, Tag, "tags")[:200]]
