"""One target under Atheris: `python -m tests.fuzz.one NAME CORPUS [options of libFuzzer]`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["dam"]):
    from tests.fuzz.__main__ import _set_up

    _set_up()
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target.feed)
    atheris.Fuzz()
