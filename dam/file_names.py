"""Which rows name files in the library's storage: every column of every app, with the folder of its files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.apps import apps
from django.db.models import FileField, Model, Q, QuerySet

from dam.models import AssetVersion, Rendition

MAX_LENGTH = 255  # of every such column
# Where files lie whose path is computed; the others' `upload_to` says it. And the way from row to asset.
FOLDERS: dict[type[Model], str] = {AssetVersion: "originals", Rendition: "renditions"}
_ASSET_OF: dict[type[Model], str] = {AssetVersion: "asset", Rendition: "version__asset"}
_OF_ASSET = re.compile(r"[^/]+/[0-9a-f]{2}/([0-9a-f]{32})/[^/]+")


class FileColumn(NamedTuple):
    """A column of file names, and the folder that they lie in."""

    model: type[Model]
    name: str
    folder: str

    def rows(self) -> QuerySet[Any]:
        """Those that name a file."""
        return self.model._base_manager.filter(**{f"{self.name}__startswith": f"{self.folder}/"})

    def naming(self, names: Sequence[str]) -> set[str]:
        """Those of the names that a row of this column has."""
        mine = [name for name in names if name.startswith(f"{self.folder}/") and is_text(name)]
        if not mine:
            return set()
        rows = self.model._base_manager.filter(self._near(mine), **{f"{self.name}__in": mine})
        return set(rows.values_list(self.name, flat=True))

    def _near(self, names: Sequence[str]) -> Q:
        """Names are in no database index; the ids of assets are, and nearly every name has one."""
        of_assets = [_OF_ASSET.fullmatch(name) for name in names]
        if self.model not in _ASSET_OF or not all(of_assets):
            return Q()
        ids = {UUID(match[1]) for match in of_assets if match}
        return Q(**{f"{_ASSET_OF[self.model]}__public_id__in": ids})


def file_columns() -> list[FileColumn]:
    """Every column that names files.

    Raises:
        TypeError: a model computes its paths, and nobody said here where they lead.
    """
    return [
        FileColumn(model, each.name, _folder(model, each))
        for model in apps.get_models()
        for each in model._meta.local_concrete_fields
        if isinstance(each, FileField)
    ]


def names_in_use(names: Sequence[str]) -> set[str]:
    """Those that some row names."""
    return set().union(*(column.naming(names) for column in file_columns()))


def is_text(name: str) -> bool:
    """Whether a row can have the name: a disk may call a file anything."""
    return len(name) <= MAX_LENGTH and name.encode("utf-8", "ignore").decode() == name


def _folder(model: type[Model], field: FileField) -> str:
    if model in FOLDERS:
        return FOLDERS[model]
    if callable(field.upload_to):
        raise TypeError(f"Say in dam.file_names in which folder the files of {model.__name__} lie.")
    return str(field.upload_to).split("/")[0]
