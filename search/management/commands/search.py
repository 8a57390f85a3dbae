"""Search the library from the command line."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from PIL import Image

from dam.colours import FAMILIES
from dam.ingest import IngestError
from dam.management import completion as dam_completion
from dam.management.base import AtelierCommand
from dam.models import Asset, AssetKind, AssetOrigin, AssetState
from search.pictures import open_query_picture
from search.query import SearchError, SearchRequest, SearchResults, search
from search.query_log import Source
from search.request import HEX, Filters
from search.word_models import Entrance

USAGE = 2


def colour_argument(value: str) -> str:
    """A family of colours or #rrggbb."""
    value = value.lower()
    if value not in FAMILIES and not HEX.fullmatch(value):
        raise ArgumentTypeError(f"“{value}” is no colour: give #rrggbb or one of {', '.join(FAMILIES)}")
    return value


def colours(prefix: str) -> dict[str, str]:
    """The families of colours, for the shell's completion."""
    return {family: "" for family in FAMILIES if family.startswith(prefix)}


STATES = [state for state in AssetState.values if state != AssetState.TRASHED]
FILTERS: dict[str, dict[str, Any]] = {
    "kind": {"choices": AssetKind.values},
    "state": {"choices": STATES},
    "origin": {"choices": AssetOrigin.values},
    "aspect": {"choices": ("portrait", "landscape", "square")},
    "colour": {"type": colour_argument, "metavar": "NAME|#RRGGBB"},
    "tag": {},
    "sku": {"metavar": "CODE"},
    "collection": {"type": int, "metavar": "KEY"},
    "owner": {"type": int, "metavar": "KEY"},
}


class Command(AtelierCommand):
    help = "Search the library by words in English or Chinese, by a picture, or by an asset."
    examples = (
        ("by words, in either language", 'search "red dress"'),
        ("garments only, for a program to read", "search 红色连衣裙 --kind garment --json"),
        (
            "what looks like this picture, of summer but not of the sale",
            "search --image photo.jpg --tag summer --not-tag sale",
        ),
        ("by a colour, as far as it was approved", 'search dress --colour "#61b2e4" --state approved'),
        ("more like this asset", "search --like 019361f2-8d1b-7c5e-9f3a-2b6d4c8e0a17 --limit 20"),
    )
    exit_codes = {1: "Milvus or the encoder does not answer, or there is no such asset"}
    values = {
        "tag": dam_completion.tags,
        "not_tag": dam_completion.tags,
        "all_tags": dam_completion.tags,
        "sku": dam_completion.skus,
        "not_sku": dam_completion.skus,
        "collection": dam_completion.collections,
        "not_collection": dam_completion.collections,
        "owner": dam_completion.account_keys,
        "not_owner": dam_completion.account_keys,
        "colour": colours,
        "not_colour": colours,
    }

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("text", nargs="?", default="", help="what to look for, in English or Chinese")
        parser.add_argument("--image", type=Path, help="find assets that look like this picture")
        parser.add_argument("--like", metavar="ID", help="find assets like this one")
        for name, options in FILTERS.items():
            told = {"action": "append", "default": [], **options}
            parser.add_argument(f"--{name}", help=f"only with this {name}; may be repeated", **told)
            parser.add_argument(f"--not-{name}", help=f"none with this {name}; may be repeated", **told)
        parser.add_argument(
            "--all-tags", action="append", default=[], metavar="TAG", help="with each of these"
        )
        parser.add_argument(
            "--created-from", type=date.fromisoformat, metavar="YYYY-MM-DD", help="on this day or later"
        )
        parser.add_argument(
            "--created-to", type=date.fromisoformat, metavar="YYYY-MM-DD", help="on this day or earlier"
        )
        parser.add_argument("--collapse", action="store_true", help="one hit for pictures of the same thing")
        parser.add_argument("--literal", action="store_true", help="correct nothing in the text")
        parser.add_argument("--limit", type=int, default=10, help="default: %(default)s")
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        colours = [colour.lower() for colour in options["colour"]]
        picked = tuple(colour for colour in colours if HEX.fullmatch(colour))
        if not (options["text"].strip() or options["image"] or options["like"] or picked):
            raise CommandError(
                'Say what to look for: "words", --image FILE, --like ID or --colour "#1e90ff".',
                returncode=USAGE,
            )
        request = SearchRequest(
            text=options["text"],
            image=_picture(options["image"]),
            like=_asset(options["like"]),
            filters=_filters(options),
            colours=picked,
            collapse=options["collapse"],
            literal=options["literal"],
            limit=options["limit"],
        )
        try:
            results = search(request, user=None, source=Source(Entrance.COMMAND))
        except SearchError as error:
            raise CommandError(str(error), returncode=1) from error
        if results.degraded:
            print(results.degraded, file=sys.stderr)
            if not results.hits:
                raise CommandError("Milvus does not answer; `manage.py doctor` says more.", returncode=1)
        if options["json"]:
            self.stdout.write(json.dumps(_document(options["text"], results), ensure_ascii=False, indent=2))
        else:
            self._table(results)

    def _table(self, results: SearchResults) -> None:
        if results.corrections:
            wanted = results.understood.wanted
            self.stdout.write(f"Showing results for “{wanted}”; --literal searches for what was typed.")
        if not results.hits:
            self.stdout.write(f"{results.empty_because} `manage.py index --status` says what is indexed.")
            return
        for rank, hit in enumerate(results.hits, start=1):
            asset = hit.asset
            title = " · ".join(part for part in (asset.title, asset.title_zh) if part)
            self.stdout.write(f"{rank:>3}. {hit.score:.4f}  {asset.kind:<10} {title}  [{asset.public_id}]")
        self.stdout.write(
            f"{results.total} candidates in {results.took_ms:.0f} ms, encoder {results.encoder}"
        )


def _filters(options: dict[str, Any]) -> Filters:
    given: dict[str, Any] = {name: options[name] for name in Filters.__dataclass_fields__}
    given["colour"] = [colour for colour in given["colour"] if not HEX.fullmatch(colour)]
    several = {name: tuple(values) for name, values in given.items() if isinstance(values, list)}
    return Filters(**{**given, **several})


def _picture(path: Path | None) -> Image.Image | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return open_query_picture(file)
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror}).", returncode=USAGE) from error
    except IngestError as error:
        raise CommandError(f"{path}: {error}", returncode=USAGE) from error


def _asset(public_id: str | None) -> Asset | None:
    if public_id is None:
        return None
    try:
        return Asset.objects.select_related("current").get(public_id=UUID(public_id))
    except ValueError as error:
        raise CommandError(f"“{public_id}” is not an asset's id.", returncode=USAGE) from error
    except Asset.DoesNotExist as error:
        raise CommandError(f"There is no asset {public_id}.", returncode=1) from error


def _document(query: str, results: SearchResults) -> dict[str, Any]:
    return {
        "query": query,
        "encoder": results.encoder,
        "took_ms": round(results.took_ms, 1),
        "total": results.total,
        "groups": results.groups,
        "complete": results.complete,
        "degraded": results.degraded,
        "understood": asdict(results.understood),
        "empty_because": results.empty_because,
        "results": [
            {
                "id": str(hit.asset.public_id),
                "title": hit.asset.title,
                "title_zh": hit.asset.title_zh,
                "kind": hit.asset.kind,
                "score": hit.score,
                "file": hit.asset.current.file.name if hit.asset.current else "",
                "similar": hit.similar,
                "why": asdict(hit.why),
            }
            for hit in results.hits
        ],
    }
