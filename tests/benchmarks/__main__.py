"""`python -m tests.benchmarks [--only duplicates]`: runs the benchmarks and writes docs/benchmarks.md."""

from __future__ import annotations

import argparse

from tests.benchmarks import duplicates

SUITES = {"duplicates": duplicates.run}


def main() -> None:
    """Run all of them, or the one that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(SUITES), help="this one alone")
    only = parser.parse_args().only
    for name, run in SUITES.items():
        if only in (None, name):
            run()


if __name__ == "__main__":
    main()
