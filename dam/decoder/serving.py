"""Decodes one file after the other for the process at the other end of a channel."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from typing import IO, Any

import pillow_heif
from PIL import Image

from dam.decoder import manifests, pixels
from dam.decoder.channel import Channel, Values
from dam.decoder.limits import bounded, restart_clock, stop_clock
from dam.errors import Undecodable
from dam.svg import SVGError, rasterise

MOST = 10_000  # bytes of a job
FEW = 1_000_000  # pixels that are not worth asking for

Job = Mapping[str, Any]


class _Unwanted(Exception):
    """Whoever asked has no room for the picture."""


def serve(channel: Channel) -> None:
    """Until the other end is closed."""
    pillow_heif.register_heif_opener()
    # `dam.sniffing` checks every header against the bound and refuses; Pillow only warns.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    with suppress(EOFError, ConnectionError):
        while True:
            _answer(channel, *channel.receive_file(MOST))


def _answer(channel: Channel, job: Job, file: IO[bytes]) -> None:
    work = WORK[job["work"]]
    try:
        with bounded(job["seconds"], job["megabytes"]):
            said, content = work(channel, job, file)
    except Undecodable as error:
        channel.send({"refused": error.word, "values": error.values})
    except MemoryError:
        channel.send({"refused": "memory", "values": {"limit": job["megabytes"]}})
    except _Unwanted:
        return
    else:
        channel.send(said, content)


def _picture(channel: Channel, job: Job, file: IO[bytes]) -> tuple[Values, bytes]:
    room = partial(_room, channel, job)
    with pixels.decoded(file, job["at_most"], job["max_pixels"], room) as (header, image):
        picture = pixels.described(header, image, job["at_most"])
    manifest = manifests.said_in(file, header.mime)
    said = {
        "header": asdict(header),
        "width": picture.width,
        "height": picture.height,
        "mode": picture.image.mode,
        "size": picture.image.size,
        "metadata": {**picture.metadata, "c2pa": manifest} if manifest else picture.metadata,
    }
    return said, picture.image.tobytes()


def _drawing(_channel: Channel, _job: Job, file: IO[bytes]) -> tuple[Values, bytes]:
    try:
        return {}, rasterise(file.read())
    except SVGError as error:
        raise Undecodable("drawing") from error


@contextmanager
def _room(channel: Channel, job: Job, count: int) -> Iterator[None]:
    """Whoever asked counts the pixels that are in memory for it, and says when there is room for these."""
    if count > FEW:
        channel.send({"pixels": count})
        stop_clock()
        go, _content = channel.receive(MOST)
        if not go["go"]:
            raise _Unwanted
        restart_clock(job["seconds"])
    yield


WORK: dict[str, Callable[[Channel, Job, IO[bytes]], tuple[Values, bytes]]] = {
    "picture": _picture,
    "drawing": _drawing,
}
