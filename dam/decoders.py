"""The processes that decode files of strangers for this one: started when needed, kept, replaced.

A file that makes a decoder crash, hang or take all memory takes one of them with it and nothing else; it is
refused, and the next file finds another. They are programs of their own (`python -m dam.decoder`) without
this one's environment, and no forks of it, which gRPC and torch do not survive. Pools of processes that
libraries offer unpickle what a worker answers, which here may be what a file has made of it, and run the main
module of this program again in each.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import UnsupportedOperation
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

from django.conf import settings
from PIL import Image

from dam.decoder.channel import Channel, Values
from dam.decoder.pixels import Picture
from dam.errors import Undecodable
from dam.refusals import refusal
from dam.sniffing import FORMATS, Header
from dam.workload import Busy, pixel_budget, seconds_left

log = logging.getLogger(__name__)
T = TypeVar("T")

MOST = min(4, os.cpu_count() or 1)  # at once; each keeps about 30 MB of its own while it waits
FILES = 2000  # that one reads before another takes its place: libraries leak, and crumble
MOST_SAID = 1024 * 1024  # bytes; `dam.embedded_metadata` keeps a tenth of it
MOST_DRAWN = 64 * 1024 * 1024
GRACE = 5  # seconds beyond those after which a process ends itself
ROOT = Path(__file__).resolve().parents[1]
PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")  # what it may take to find Python's packages
FIXED = {
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # Each works on one file at a time, as many of them as there are cores.
    "OPENBLAS_NUM_THREADS": "1",
    "VIPS_CONCURRENCY": "1",
    # glibc keeps what the next picture of this size will need: a tenth of the time of a small one.
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024**2),
    "MALLOC_MMAP_THRESHOLD_": str(4 * 1024**2),
}


def picture(file: IO[bytes], at_most: int, patience: float | None) -> Picture:
    """Read a picture in one of these processes; see `dam.pictures.read`.

    Raises:
        Undecodable: it is not one, or crossed a bound.
        Busy: patience ran out.
    """
    job = {"work": "picture", "at_most": at_most, "max_pixels": settings.DAM_MAX_PIXELS}
    return _asked(job, file, max(MOST_SAID, 4 * at_most**2), patience, partial(_picture_in, job))


def drawing(file: IO[bytes]) -> bytes:
    """Render a drawing in one of these processes; see `dam.pictures.rendered`.

    Raises:
        Undecodable: it cannot be rendered, or crossed a bound.
    """
    return _asked({"work": "drawing"}, file, MOST_DRAWN, None, lambda _said, content: content)


def end() -> None:
    """End those that wait for work; the next file starts another."""
    while True:
        try:
            _waiting.pop().end()
        except IndexError:
            return


class _Died(Exception):
    """A process that decodes has ended in the middle of its work, or says what makes no sense."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class _Decoder:
    """One such process, and the channel to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-m", "dam.decoder"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=_environment(),
                cwd="/",
            )
        self._channel = Channel(ours)
        self.files = 0

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ask(
        self,
        job: Values,
        descriptor: int,
        most: int,
        deadline: float | None,
        read: Callable[[Values, bytes], T],
    ) -> T:
        """Let it do this job on this open file; returns what is read in all that it says, of which at most so
        many bytes.

        Raises:
            Undecodable: it refuses the file, or takes too long over it.
            Busy: there was no room for it before the deadline.
            _Died: it has not survived it.
        """
        self.files += 1
        # It ends itself when its time is over; should it have lost its clock, this one counts.
        self._channel.wait_at_most(2 * job["seconds"] + GRACE)
        try:
            self._channel.send(job, descriptor=descriptor)
            said, content = self._hear(most)
            if "pixels" not in said:
                return read(said, content)
            try:
                with pixel_budget.take(_pixels_in(job, said), seconds_left(deadline)):
                    self._channel.send({"go": True})
                    return read(*self._hear(most))
            except Busy:
                self._channel.send({"go": False})
                raise
        except (EOFError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._died(error, job["seconds"]) from error

    def end(self) -> None:
        """At once, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._channel.close()

    def forget(self) -> None:
        """It belongs to the process that this one was forked from."""
        self._channel.close()

    def _hear(self, most: int) -> tuple[Values, bytes]:
        said, content = self._channel.receive(most)
        if "refused" in said:
            raise _refusal_in(said)
        return said, content

    def _died(self, error: Exception, seconds: int) -> Exception:
        if isinstance(error, TimeoutError):
            return Undecodable("time", limit=seconds)
        try:
            code = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return _Died(type(error).__name__)  # it runs, and says what makes no sense
        if -code in (signal.SIGXCPU, signal.SIGALRM):
            return Undecodable("time", limit=seconds)
        return _Died(signal.Signals(-code).name if code < 0 else f"exit {code}")


def _pixels_in(job: Values, said: Values) -> int:
    """How many it asks for; never more than the picture may have."""
    pixels = said["pixels"]
    if not isinstance(pixels, int) or not 0 < pixels <= job["max_pixels"]:
        raise ValueError("pixels")
    return pixels


def _refusal_in(said: Values) -> Undecodable:
    values = dict(said["values"])
    if not all(
        isinstance(value, int) or (isinstance(value, str) and value.isprintable())
        for value in values.values()
    ):
        raise ValueError("values")
    refused = Undecodable(said["refused"], **values)
    str(refusal(refused))  # there is such a sentence, with no more in it than this
    return refused


def _picture_in(job: Values, said: Values, content: bytes) -> Picture:
    """What it says, if that can be the picture that it was asked for.

    Raises:
        KeyError, TypeError, ValueError: it cannot.
    """
    header, (width, height) = Header(**said["header"]), said["size"]
    sides = (width, height, said["width"], said["height"], header.width, header.height)
    if not all(isinstance(side, int) and 0 < side <= job["max_pixels"] for side in sides):
        raise ValueError("sides")
    bands = {"RGB": 3, "RGBA": 4}[said["mode"]]
    if max(width, height) > job["at_most"] or len(content) != width * height * bands:
        raise ValueError("size")
    if (header.mime, header.extension) not in FORMATS.values():
        raise ValueError("format")
    if not isinstance(said["metadata"], dict):
        raise TypeError("metadata")
    _check_keepable(said["metadata"])
    image = Image.frombytes(said["mode"], (width, height), content)
    return Picture(image, said["width"], said["height"], header, said["metadata"])


def _check_keepable(value: Any) -> None:
    """JSON has texts and numbers that databases refuse.

    Raises:
        ValueError: there is one of these.
    """
    if isinstance(value, dict):
        _check_keepable([*value.keys(), *value.values()])
    elif isinstance(value, list):
        for each in value:
            _check_keepable(each)
    elif isinstance(value, str):
        value.encode()  # no half of a surrogate pair
        if "\0" in value:
            raise ValueError("zero byte")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("no number")


def _asked(
    job: Values, file: IO[bytes], most: int, patience: float | None, read: Callable[[Values, bytes], T]
) -> T:
    """The answer of a process. A crash counts where nothing was read before: what broke it may else have been
    another file."""
    bounds = {"seconds": settings.DAM_DECODER_SECONDS, "megabytes": settings.DAM_DECODER_MEGABYTES}
    deadline = None if patience is None else time.monotonic() + patience
    with _descriptor(file) as descriptor:
        for new in (False, True):
            try:
                with _decoder(deadline, new=new) as decoder:
                    return decoder.ask(job | bounds, descriptor, most, deadline, read)
            except _Died as death:
                log.warning("a decoder ended over its file number %d: %s", decoder.files, death.how)
                if decoder.files == 1:
                    raise Undecodable("crash", how=death.how) from death
    raise AssertionError("A new one has read nothing before.")


@contextmanager
def _decoder(deadline: float | None, *, new: bool = False) -> Iterator[_Decoder]:
    """One that has nothing else to do. It is kept unless it has failed, or read enough.

    Raises:
        Busy: none was free before the deadline.
    """
    if not _free.acquire(timeout=seconds_left(deadline)):
        raise Busy
    try:
        decoder = _Decoder() if new else _kept() or _Decoder()
        fit = False
        try:
            yield decoder
            fit = decoder.files < FILES
        except Busy:
            fit = True
            raise
        except Undecodable as error:
            fit = error.word not in ("memory", "time") and decoder.files < FILES
            raise
        finally:
            if fit:
                _waiting.append(decoder)
            else:
                decoder.end()
    finally:
        _free.release()


def _kept() -> _Decoder | None:
    """The one that worked last, if it is still there."""
    while _waiting:
        try:
            decoder = _waiting.pop()
        except IndexError:  # another thread was faster
            return None
        if decoder.is_running:
            return decoder
        decoder.end()
    return None


@contextmanager
def _descriptor(file: IO[bytes]) -> Iterator[int]:
    """Of the file, as far as it is written; what is none is copied into one."""
    file.seek(0)
    try:
        descriptor = file.fileno()
    except (UnsupportedOperation, AttributeError):  # not what a full disk says, which has lost a part of it
        with TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            copy.flush()
            yield copy.fileno()
    else:
        yield descriptor


def _environment() -> dict[str, str]:
    """Where Python finds its packages, and nothing that is secret."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    return {**kept, **FIXED, "PYTHONPATH": path}


def _forget() -> None:
    """In a fork: the processes are those of the other one."""
    global _free
    _free = threading.BoundedSemaphore(MOST)
    while _waiting:
        _waiting.pop().forget()


_waiting: list[_Decoder] = []
_free = threading.BoundedSemaphore(MOST)
atexit.register(end)
os.register_at_fork(after_in_child=_forget)
