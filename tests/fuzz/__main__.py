"""Runs every target, or those named, for so many seconds each, and says what was found.

Each is a process of its own, since Atheris ends its process. Inputs that broke something lie in var/fuzz.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path("var/fuzz")
BYTES, MEGABYTES, SECONDS_EACH = 20_000, 2048, 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    _set_up()
    from tests.fuzz.targets import TARGETS

    broken = []
    for name in given.targets or TARGETS:
        corpus = FOLDER / name
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(TARGETS[name].seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
        done = subprocess.run(
            [
                sys.executable, "-m", "tests.fuzz.one", name, str(corpus), f"-max_total_time={given.seconds}",
                f"-max_len={BYTES}", f"-rss_limit_mb={MEGABYTES}", f"-timeout={SECONDS_EACH}",
                f"-artifact_prefix={FOLDER}/{name}-", "-print_final_stats=1",
            ],
            stderr=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip
        runs = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        state = "sound" if done.returncode == 0 else "BROKEN"
        sys.stdout.write(f"{name}: {(runs or ['?'])[0]} inputs, {state}\n")
        sys.stdout.flush()
        if done.returncode:
            broken.append(name)
            sys.stdout.write(done.stderr[-3000:])
    return 1 if broken else 0


def _set_up() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
    django.setup()


if __name__ == "__main__":
    sys.exit(main())
