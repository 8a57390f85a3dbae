"""`python -m tests.benchmarks [--only search]`: runs the benchmarks and writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.benchmarks import (
    cuda,
    duplicates,
    encode,
    generation,
    ingest,
    listing,
    pages,
    quality,
    relevance,
    search,
    upgrade,
)

SUITES = {
    "cuda": cuda.run,
    "duplicates": duplicates.run,
    "encode": encode.run,
    "generation": generation.run,
    "ingest": ingest.run,
    "listing": listing.run,
    "pages": pages.run,
    "quality": quality.run,
    "relevance": relevance.run,
    "search": search.run,
    "upgrade": upgrade.run,
}


def main() -> None:
    """Run the one that is named, or all of them, each in a process and with a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(SUITES), help="this one alone")
    parser.add_argument("--assets", type=int, action="append", help="search: with so many (may be repeated)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="search: keep servers' data here, or find it"
    )
    chosen = parser.parse_args()
    only = chosen.only
    if only == "search":
        search.run(chosen.assets or search.SIZES, chosen.keep)
    elif only:
        SUITES[only]()
    for name in [] if only else SUITES:
        subprocess.run([sys.executable, "-m", "tests.benchmarks", "--only", name], check=True)


if __name__ == "__main__":
    main()
