"""`python -m tests.benchmarks [--only duplicates]`: runs the benchmarks and writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import subprocess
import sys

from tests.benchmarks import duplicates, encode, listing

SUITES = {"duplicates": duplicates.run, "encode": encode.run, "listing": listing.run}


def main() -> None:
    """Run the one that is named, or all of them, each in a process and with a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(SUITES), help="this one alone")
    only = parser.parse_args().only
    if only:
        SUITES[only]()
        return
    for name in SUITES:
        subprocess.run([sys.executable, "-m", "tests.benchmarks", "--only", name], check=True)


if __name__ == "__main__":
    main()
