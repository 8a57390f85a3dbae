"""Decoders that are really broken: code that a test plants into the processes that decode, and its files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dam import decoders
from tests.pictures import picture

# Python runs a `sitecustomize` that it finds before the program; it is for one of them alone.
ONLY_DECODERS = "import sys\nif 'dam.decoder' in sys.orig_argv:\n"
# What the decoder of JPEG does over a file with this word as its comment, in native code where that matters.
BROKEN_JPEG = """
import ctypes, os, signal, time
from PIL import JpegImagePlugin
load = JpegImagePlugin.JpegImageFile.load
crumbled = []
def planted(self):
    word = self.info.get("comment")
    if word == b"segfault":
        ctypes.string_at(0)
    if word == b"abort":
        os.abort()
    if word == b"spin":
        while True:
            pass
    if word == b"sleep":
        ctypes.CDLL(None).sleep(3600)
    if word == b"grow":
        held = []
        while True:
            held.append(bytearray(2**22))
    if word == b"crumble":  # and let the next file pay for it
        crumbled.append(self)
    elif crumbled:
        ctypes.string_at(0)
    return load(self)
JpegImagePlugin.JpegImageFile.load = planted
"""
NO_C2PA = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "c2pa" else find_spec(name, package)
"""


@contextmanager
def planted(folder: Path, code: str) -> Iterator[None]:
    """Every process that decodes, from here on, with this code in it."""
    body = "".join(f"    {line}\n" for line in code.splitlines())
    (folder / "sitecustomize.py").write_text(ONLY_DECODERS + body)
    with pytest.MonkeyPatch.context() as patch:
        before = os.environ.get("PYTHONPATH")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), before])))
        decoders.end()
        try:
            yield
        finally:
            decoders.end()


def over(word: str, seed: int = 0) -> bytes:
    """A sound JPEG over which `BROKEN_JPEG` does this."""
    return picture(seed=seed, comment=word.encode())
