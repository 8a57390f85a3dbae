"""Factories: users, tags, SKUs, collections, and assets that went through the real ingest."""

from __future__ import annotations

from typing import Any

import factory
from django.contrib.auth.models import Group, Permission, User
from factory.django import DjangoModelFactory

from dam.ingest import AssetMetadata, ingest
from dam.models import SKU, Asset, AssetKind, AssetOrigin, AssetState, Collection, Tag
from dam.roles import Role
from tests.pictures import picture

EDITED_APPS = ("dam", "search", "generation")
PASSWORD = "a long pass phrase 1"


class UserFactory(DjangoModelFactory[User]):
    """Somebody with an account and no rights; `password` is PASSWORD."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda number: f"user{number}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")
    password = factory.django.Password(PASSWORD)


class EditorFactory(UserFactory):
    """Staff with every permission of the library, search and generation; no superuser."""

    username = factory.Sequence(lambda number: f"editor{number}")
    is_staff = True

    @factory.post_generation
    def permissions(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
        if create:
            self.user_permissions.set(Permission.objects.filter(content_type__app_label__in=EDITED_APPS))


class ReviewerFactory(EditorFactory):
    """An editor who may also approve and reject."""

    username = factory.Sequence(lambda number: f"reviewer{number}")

    @factory.post_generation
    def role(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
        if create:
            self.groups.add(Group.objects.get(name=Role.REVIEWER))


class AdministratorFactory(UserFactory):
    username = factory.Sequence(lambda number: f"administrator{number}")
    is_staff = True
    is_superuser = True


class TagFactory(DjangoModelFactory[Tag]):
    class Meta:
        model = Tag

    slug = factory.Sequence(lambda number: f"tag-{number}")
    label = factory.LazyAttribute(lambda tag: tag.slug.replace("-", " ").capitalize())


class SKUFactory(DjangoModelFactory[SKU]):
    class Meta:
        model = SKU

    code = factory.Sequence(lambda number: f"SKU-{number:04}")
    name = "Linen shirt"
    name_zh = "亚麻衬衫"


class CollectionFactory(DjangoModelFactory[Collection]):
    class Meta:
        model = Collection

    name = factory.Sequence(lambda number: f"Collection {number}")


class AssetFactory(factory.Factory[Asset]):
    """An approved asset. `file` (bytes) is its file; `picture__colour="blue"`, `picture__size=…` make one.

    Everything else is AssetMetadata, and `owner` and `origin`.
    """

    class Meta:
        model = Asset

    class Params:
        number = factory.Sequence(lambda number: number)

    title = factory.LazyAttribute(lambda asset: f"Asset {asset.number}")
    kind = AssetKind.OTHER
    state = AssetState.APPROVED
    owner = None
    origin = AssetOrigin.UPLOADED
    filename = factory.LazyAttribute(lambda asset: f"asset-{asset.number}.jpg")
    file = factory.LazyAttribute(lambda asset: None)
    picture = factory.Dict({"seed": factory.SelfAttribute("..number")})

    @classmethod
    def _create(cls, model_class: type[Asset], *args: Any, **kwargs: Any) -> Asset:
        file, drawn = kwargs.pop("file"), kwargs.pop("picture")
        owner, origin, filename = kwargs.pop("owner"), kwargs.pop("origin"), kwargs.pop("filename")
        return ingest(
            picture(**drawn) if file is None else file,
            filename=filename,
            owner=owner,
            origin=origin,
            metadata=AssetMetadata(**kwargs),
        ).asset
