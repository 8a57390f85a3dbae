"""The permission matrix of files and shared pages, which lie outside the API and the admin."""

from __future__ import annotations

from django.urls import reverse

from dam.addresses import original_url, rendition_url
from dam.presets import preset_of
from tests.permissions.world import World

FILES = """
path                 on what                  nobody store  contr  owner  edit   revie  admin

original             shown                    200    200    200    200    200    200    200
original             draft                    404    404    404    200    200    200    200
original             hidden                   404    404    404    404    200    200    200
original             expired                  404    404    404    404    200    200    200
original             trashed                  404    404    404    404    200    200    200
original             revised, as it was       404    404    404    200    200    200    200
web                  shown                    200    200    200    200    200    200    200
web                  draft                    404    404    404    200    200    200    200
web                  hidden                   404    404    404    404    200    200    200
web                  expired                  404    404    404    404    200    200    200
web                  trashed                  404    404    404    404    200    200    200
web                  revised, as it was       302    302    302    200    200    200    200
press                shown                    404    404    404    200    200    200    200
press                draft                    404    404    404    200    200    200    200
media                shown                    404    404    404    404    404    404    404
difference-file      revised                  401    403    404    200    200    200    200
storefront           -                        200    200    200    200    200    200    200
share                own link                 200    200    200    200    200    200    200
share                locked link              401    401    401    401    401    401    401
share-original       own link, shown          200    200    200    200    200    200    200
share-original       own link, draft          404    404    404    404    404    404    404
share-original       own link, hidden         404    404    404    404    404    404    404
share-original       own link, foreign        404    404    404    404    404    404    404
share-original       locked link, shown       302    302    302    302    302    302    302
share-picture        own link, shown          200    200    200    200    200    200    200
share-picture        own link, hidden         404    404    404    404    404    404    404
home                 -                        302    302    302    302    302    302    302
find                 -                        302    302    302    302    302    302    302
schema               -                        200    200    200    200    200    200    200
docs                 -                        200    200    200    200    200    200    200
"""
# Addresses without a row of their own: the forms of a shared page, and the choice of a language.
WITHOUT_ROW = {"share-unlock", "share-all", "set_language"}
SENT_AS_FILES = ("original", "web", "press", "share-original", "share-picture")


def address(world: World, name: str, what: str) -> str:
    """Where this file or page lies."""
    thing, _comma, more = what.partition(", ")
    if name.startswith("share"):
        parts = {"token": world.things[thing].token}
        if name != "share":
            parts["public_id"] = world.assets[more].public_id
        return reverse(name, kwargs=parts | ({"preset": "web"} if name == "share-picture" else {}))
    if name == "difference-file":
        numbers = {"before": 1, "after": 2}
        return reverse(name, kwargs={"public_id": world.assets[thing].public_id, **numbers})
    if name not in ("original", "web", "press", "media"):
        return reverse(name)
    asset = world.assets[thing]
    version = asset.versions.get(number=2) if more else asset.current
    if name == "original":
        return original_url(asset, version)
    if name == "media":
        return f"/media/{asset.current.file.name}"
    preset = preset_of(world.things["preset"]) if name == "press" else "web"
    return rendition_url(asset, preset, version)
