"""What is configured, reachable, too small, and what to do about it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.http.request import validate_host
from django.utils.translation import gettext as _
from kombu.exceptions import KombuError
from kombu.utils.url import maybe_sanitize_url
from PIL import Image

from atelier import restore
from atelier.celery import app as celery_app
from atelier.version import VERSION
from dam import matting, pictures
from dam.decoder import manifests
from dam.errors import IngestError
from dam.models import Asset, PendingRemoval, RenditionPreset
from dam.provenance import aigc, credentials
from generation.providers.registry import get_provider
from generation.wording import readiness
from search import calibration, policy, spend, spend_report
from search.encoders.base import EncoderError, Runtime
from search.encoders.paid import PaidEncoder
from search.encoders.registry import get_encoder
from search.index import IndexMismatch, IndexUnavailable
from search.index.connection import connect, milvus_uri
from search.index.standing import LITE_LIMIT, standing_of
from search.models import IndexEntry, IndexState, Space, SpaceState
from search.spaces import encoder_of, index_of

UNINDEXED = 100_000  # vectors; so many wait for Milvus's own index during any large import
SMALL_DISK_GB = 5
DECODER_OWN_MEGABYTES, BYTES_PER_PIXEL = 128, 8  # of a process that decodes, as it starts; of usual pictures


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line: which part, how it stands, and what to do where it does not stand well."""

    part: str
    level: Level
    sentence: str
    advice: str = ""


def examine() -> list[Finding]:
    """Look at every part. A part that breaks in an unforeseen way is a finding, not a traceback."""
    findings: list[Finding] = []
    for part, look in PARTS.items():
        try:
            findings += look()
        except Exception as error:  # noqa: BLE001  the doctor must speak about whatever it meets
            findings.append(Finding(part, Level.PROBLEM, f"{type(error).__name__}: {error}"))
    return findings


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", Level.OK, f"Python {version}, Django {django.get_version()}")
    if settings.DEBUG:
        yield Finding(
            "debug", Level.WARNING, _("DEBUG is on."), _("Unset DEBUG wherever others reach the site.")
        )


def _versions() -> Iterator[Finding]:
    """Which code runs on which tables: the last migration of each application."""
    last: dict[str, str] = {}
    with contextlib.suppress(DatabaseError):  # “database” says so
        for app, name in sorted(MigrationRecorder(connection).applied_migrations()):
            if app in ("dam", "search", "generation"):
                last[app] = name
    applied = "; ".join(f"{app} {name}" for app, name in last.items())
    yield Finding("version", Level.OK, f"Atelier {VERSION}; {applied}" if applied else f"Atelier {VERSION}")
    if restore.unfinished():
        yield Finding(
            "restore",
            Level.PROBLEM,
            _("A restore was interrupted; the library is not whole."),
            _("Run the same “manage.py restore” again."),
        )


def _data() -> Iterator[Finding]:
    folder = settings.ATELIER_DATA
    if not os.access(folder, os.W_OK):
        yield Finding(
            "data",
            Level.PROBLEM,
            _("The data folder %(folder)s cannot be written.") % {"folder": folder},
            _("Give this user write permission there, or set ATELIER_DATA."),
        )
        return
    free = shutil.disk_usage(folder).free / 1024**3
    level = Level.OK if free >= SMALL_DISK_GB else Level.WARNING
    advice = "" if level == Level.OK else _("Make room, or move ATELIER_DATA to a larger disk.")
    sentence = _("%(folder)s, %(free).0f GB free") % {"folder": folder, "free": free}
    yield Finding("data", level, sentence, advice)


def _database() -> Iterator[Finding]:
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield Finding("database", Level.PROBLEM, str(error).strip(), _("Check DATABASE_URL."))
        return
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        sentence = _("%(count)d migrations have not been applied.") % {"count": len(waiting)}
        yield Finding("database", Level.PROBLEM, sentence, "manage.py migrate")
        return
    count = Asset.objects.in_library().count()
    yield Finding(
        "database",
        Level.OK,
        _("%(engine)s, %(count)d assets") % {"engine": connection.vendor, "count": count},
    )


def _cache() -> Iterator[Finding]:
    cache.set("atelier-doctor", "1", 10)
    if cache.get("atelier-doctor") != "1":
        yield Finding("cache", Level.PROBLEM, _("The cache forgets at once."), _("Check REDIS_URL."))
        return
    yield Finding("cache", Level.OK, "Redis" if settings.REDIS_URL else _("in each process"))


def _broker() -> Iterator[Finding]:
    name = maybe_sanitize_url(settings.REDIS_URL) or _("a folder under the data folder")
    try:
        with celery_app.connection_for_write() as link:
            link.ensure_connection(max_retries=1, timeout=3)
    except (KombuError, OSError) as error:
        yield Finding("broker", Level.PROBLEM, f"{name}: {error}", _("Start Redis, or correct REDIS_URL."))
        return
    yield Finding("broker", Level.OK, str(name))
    answers = celery_app.control.inspect(timeout=2).ping() or {}
    if answers:
        yield Finding("worker", Level.OK, ", ".join(sorted(answers)))
    else:
        yield Finding(
            "worker",
            Level.WARNING,
            _("No worker answers."),
            _("“make run” starts one. Until then uploads wait; “manage.py index” works them off."),
        )


def _storage() -> Iterator[Finding]:
    name = default_storage.save("doctor/probe.txt", ContentFile(b"probe"))
    try:
        with default_storage.open(name) as file:
            intact = BytesIO(file.read()).getvalue() == b"probe"
    finally:
        default_storage.delete(name)
    where = f"S3: {settings.S3_BUCKET}" if settings.S3_BUCKET else str(settings.MEDIA_ROOT)
    if not intact:
        yield Finding("storage", Level.PROBLEM, _("%(where)s loses what is written.") % {"where": where})
        return
    yield Finding("storage", Level.OK, where)
    if count := PendingRemoval.objects.filter(attempts__gt=0).count():
        yield Finding(
            "storage",
            Level.WARNING,
            _("It did not delete %(count)d files of deleted assets.") % {"count": count},
            _("Let Atelier delete files there; “manage.py reconcile --only files --fix” tries again."),
        )


def _decoder() -> Iterator[Finding]:
    """The process that decodes uploads, and whether its memory suffices for the largest that are taken."""
    pixel = BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    try:
        pictures.read(pixel, at_most=1)
    except IngestError as error:
        advice = _("No upload can be read. DAM_DECODER_MEGABYTES may be too little, or packages are missing.")
        yield Finding("decoder", Level.PROBLEM, str(error), advice)
        return
    bounds = {"megabytes": settings.DAM_DECODER_MEGABYTES, "seconds": settings.DAM_DECODER_SECONDS}
    sentence = _("a process of its own, at most %(megabytes)d MB and %(seconds)d s a file") % bounds
    needed = DECODER_OWN_MEGABYTES + settings.DAM_MAX_PIXELS * BYTES_PER_PIXEL // 1024**2
    if needed <= settings.DAM_DECODER_MEGABYTES:
        yield Finding("decoder", Level.OK, sentence)
        return
    advice = _("Pictures of DAM_MAX_PIXELS may need %(needed)d MB: raise the one, or lower the other.")
    yield Finding("decoder", Level.WARNING, sentence, advice % {"needed": needed})


def _mail() -> Iterator[Finding]:
    if not settings.EMAIL_HOST:
        yield Finding("mail", Level.OK, _("Nothing is sent by mail; EMAIL_URL is not set."))
        return
    sentence = _("%(server)s; letters lead to %(site)s") % {
        "server": settings.EMAIL_HOST,
        "site": settings.SITE_URL,
    }
    if validate_host(urlsplit(settings.SITE_URL).hostname or "", settings.ALLOWED_HOSTS):
        yield Finding("mail", Level.OK, sentence)
        return
    advice = _("Set SITE_URL to the address at which people open the site; ALLOWED_HOSTS names its host too.")
    yield Finding("mail", Level.WARNING, sentence, advice)


def _encoder() -> Iterator[Finding]:
    try:
        encoder = get_encoder(settings.SEARCH_ENCODER)
        spec, runtime = encoder.space, encoder.runtime()
    except EncoderError as error:
        yield Finding(
            "encoder", Level.PROBLEM, str(error), _("Set SEARCH_ENCODER to an encoder that is there.")
        )
        return
    yield Finding("encoder", Level.OK, f"{spec.encoder}, {spec.dimension}")
    if runtime is not None:
        yield _runtime(runtime)
    if spec.encoder == "starter":
        yield Finding(
            "encoder",
            Level.WARNING,
            _("“starter” is a floor, not the ceiling."),
            _("For a library in use, “manage.py index --reindex openclip:…” takes a better one."),
        )


def _runtime(runtime: Runtime) -> Finding:
    """Who computes the vectors, and whether that is what it should be."""
    names = {"engine": runtime.engine, "precision": runtime.precision}
    sentence = _("Runs in %(engine)s, %(precision)s") % names
    if runtime.problem:
        advice = _("Vectors are right but slow. Set SEARCH_RUNTIME=torch to settle for that.")
        return Finding("encoder runtime", Level.WARNING, f"{sentence}. {runtime.problem}", advice)
    if not runtime.exported:
        sentence += ", " + _("exported at its first use")
    elif runtime.cosine is not None:
        sentence += ", " + _("cosine to torch %(cosine).5f") % {"cosine": runtime.cosine}
    return Finding("encoder runtime", Level.OK, sentence)


def _paid_encoders() -> Iterator[Finding]:
    """Keys, addresses and budgets; the vendor is asked only for what costs nothing."""
    if sentence := policy.problem():
        yield Finding("policy", Level.PROBLEM, sentence)
    wanted = [settings.SEARCH_ENCODER, policy.quality_encoder()]
    encoders = {encoder.space.encoder: encoder for encoder in spend_report.paid_encoders()}
    for name in filter(None, wanted):
        with contextlib.suppress(EncoderError):  # “encoder” and “policy” have said so
            encoder = get_encoder(name)
            if isinstance(encoder, PaidEncoder):
                encoders[encoder.space.encoder] = encoder
    for name, encoder in encoders.items():
        part = f"encoder {name}"
        try:
            if sentence := encoder.problem():
                yield Finding(part, Level.PROBLEM, sentence)
                continue
            encoder.reach()
            used_up = spend.refusal(encoder)
        except EncoderError as error:
            yield Finding(part, Level.PROBLEM, str(error), _("What is to be encoded waits until then."))
            continue
        if used_up is not None:
            yield Finding(part, Level.WARNING, str(used_up))
        else:
            cost = spend.shown(spend.to_micros(encoder.ceiling_per_picture * 1000))
            said = {"cost": cost, "currency": encoder.currency, "as_of": encoder.prices[0].as_of}
            sentence = _("answers; 1,000 pictures cost at most %(cost)s %(currency)s (prices of %(as_of)s)")
            yield Finding(part, Level.OK, sentence % said)
    with contextlib.suppress(EncoderError):  # amounts that are none: said of each encoder
        for name, sentence in calibration.held_up().items():
            yield Finding(f"calibration {name}", Level.WARNING, sentence)


def _index() -> Iterator[Finding]:
    space = Space.objects.filter(state=SpaceState.LIVE).first()
    try:
        uri = milvus_uri()
        capabilities = connect()[1]
    except IndexUnavailable as error:
        yield Finding("milvus", Level.PROBLEM, str(error))
        return
    offers = _("with full text") if capabilities.full_text else _("vectors and filters only")
    yield Finding("milvus", Level.OK, f"{uri}, {capabilities.version}, {offers}")
    count = Asset.objects.in_library().count()
    if capabilities.lite and count > LITE_LIMIT:
        yield Finding(
            "milvus",
            Level.WARNING,
            _("%(count)d assets are many for Milvus Lite.") % {"count": count},
            _("Start a Milvus server, set MILVUS_URI and run “manage.py reconcile --fix --only index”."),
        )
    if space is not None:
        yield from _collection(space)
        yield from _space(space)


def _collection(space: Space) -> Iterator[Finding]:
    """What its server says of the collection, before anything is asked of it that would load it."""
    standing = standing_of(space.collection)
    if not standing.exists:
        yield Finding(
            "index",
            Level.WARNING,
            _("The collection %(name)s is not in Milvus.") % {"name": space.collection},
            _("“manage.py reconcile --fix --only index” builds it from the database."),
        )
        return
    if standing.loading < 100:
        yield Finding(
            "index",
            Level.WARNING,
            _("Milvus has loaded %(share)d %% of the collection %(name)s.")
            % {"share": standing.loading, "name": space.collection},
            _("The next search loads it; if this stays, Milvus lacks memory."),
        )
    if not standing.index_type:
        yield Finding(
            "index",
            Level.PROBLEM,
            _("The vectors of %(name)s have no index in Milvus.") % {"name": space.collection},
            _("Create one (docs/scaling.md), or drop the collection and run “manage.py reconcile --fix”."),
        )
    if standing.unindexed > UNINDEXED:
        yield Finding(
            "index",
            Level.WARNING,
            _("Milvus has not indexed %(count)d vectors yet.") % {"count": standing.unindexed},
            _("Until then search is slower and finds less; if this stays, look at Milvus's index node."),
        )
    if standing.lost_replicas:
        yield Finding(
            "index",
            Level.WARNING,
            _("%(count)d replicas of the collection have no node.") % {"count": standing.lost_replicas},
            _("Start query nodes, or load the collection with fewer replicas."),
        )


def _schema(space: Space, lacking: list[str]) -> Finding:
    """By which encoder and schema the collection was made."""
    made = {
        "collection": space.collection,
        "encoder": space.encoder,
        "weights": space.weights,
        "dimension": space.dimension,
        "fields": ", ".join(lacking),
    }
    if not lacking:
        sentence = _(
            "%(collection)s: %(encoder)s, weights %(weights)s, %(dimension)d; schema of this version"
        )
        return Finding("schema", Level.OK, sentence % made)
    return Finding(
        "schema",
        Level.WARNING,
        _("%(collection)s has the schema of an earlier version: it lacks %(fields)s.") % made,
        _("Nothing is to be done: a worker builds its successor beside it, from the vectors in the tables."),
    )


def _space(space: Space) -> Iterator[Finding]:
    try:
        encoder_of(space)
        stored = index_of(space).count()
        yield _schema(space, index_of(space).lacking)
    except (EncoderError, IndexMismatch, IndexUnavailable) as error:
        yield Finding("index", Level.PROBLEM, str(error))
        return
    entries = IndexEntry.objects.filter(space=space)
    waiting = entries.filter(state__in=(IndexState.PENDING, IndexState.WORKING)).count()
    failed = entries.filter(state=IndexState.FAILED).count()
    sentence = _("%(stored)d vectors, %(waiting)d waiting, %(failed)d failed") % {
        "stored": stored,
        "waiting": waiting,
        "failed": failed,
    }
    if failed:
        yield Finding("index", Level.WARNING, sentence, _("“manage.py index --status” names them."))
    elif waiting:
        yield Finding("index", Level.WARNING, sentence, _("“manage.py index” works them off."))
    else:
        yield Finding("index", Level.OK, sentence)


def _matting() -> Iterator[Finding]:
    sentence = matting.problem()
    if not sentence:
        yield Finding("matting", Level.OK, str(settings.DAM_MATTING))
    elif RenditionPreset.objects.filter(cutout=True, active=True).exists():
        yield Finding(
            "matting", Level.PROBLEM, sentence, _("Until then presets that remove backgrounds give nothing.")
        )
    else:
        yield Finding("matting", Level.WARNING, sentence, _("Presets cannot remove backgrounds."))


def _labels() -> Iterator[Finding]:
    """What generated pictures say of themselves."""
    if sentence := credentials.problem():
        yield Finding("signing", Level.PROBLEM, sentence, _("Until then generated pictures stay unsigned."))
    elif credentials.is_configured():
        yield Finding("signing", Level.OK, _("generated pictures are signed (C2PA)"))
    else:
        yield Finding(
            "signing",
            Level.OK,
            _("No certificate is configured: generated pictures are labelled, and not signed (C2PA)."),
            ""
            if manifests.is_installed()
            else _("Manifests in uploads are not read either; pip install c2pa-python."),
        )
    producer = settings.DAM_AIGC_PRODUCER
    if producer == "Atelier":
        yield Finding(
            "labels",
            Level.OK,
            _("China's label names “Atelier” as the producer; set DAM_AIGC_PRODUCER to your name or code."),
        )
    elif not aigc.is_plain(producer):
        yield Finding(
            "labels",
            Level.WARNING,
            _("DAM_AIGC_PRODUCER has characters that China's label does not allow; they are escaped."),
            _("Write it in printable ASCII, without space, quotation mark, percent sign and backslash."),
        )
    else:
        yield Finding("labels", Level.OK, producer)


def _providers() -> Iterator[Finding]:
    for name in settings.GENERATION_PROVIDERS:
        provider = get_provider(name)
        problem = provider.check()
        needed = name == settings.GENERATION_PROVIDER
        level = Level.OK if problem is None else Level.PROBLEM if needed else Level.WARNING
        yield Finding(f"provider {name}", level, problem or readiness(provider.capability))


PARTS: dict[str, Callable[[], Iterator[Finding]]] = {
    "python": _python,
    "version": _versions,
    "data": _data,
    "database": _database,
    "cache": _cache,
    "broker": _broker,
    "storage": _storage,
    "decoder": _decoder,
    "mail": _mail,
    "encoder": _encoder,
    "paid encoders": _paid_encoders,
    "milvus": _index,
    "matting": _matting,
    "providers": _providers,
    "labels": _labels,
}
