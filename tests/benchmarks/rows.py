"""What a benchmark reports: rows of a figure beside its peer's, printed and written to files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "var" / "bench"


@dataclass(frozen=True)
class Row:
    """One figure and the peer's, both measured in this run; `ratio` is figure / peer."""

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float | None

    @property
    def ratio(self) -> float | None:
        return round(self.value / self.peer_value, 4) if self.peer_value else None

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "ratio": self.ratio}


def report(suite: str, about: str, rows: list[Row]) -> None:
    """Print the table, write the bench file, and put the table into its section of the page."""
    table = as_table(rows)
    print(f"\n{suite}: {about}\n\n{table}\n")
    RESULTS.mkdir(parents=True, exist_ok=True)
    body = json.dumps([row.as_dict() for row in rows], indent=2, ensure_ascii=False)
    (RESULTS / f"{suite}.json").write_text(body + "\n", encoding="utf-8")
    _write_section(suite, f"{about}\n\n{table}")


def as_table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| figure | value | unit | peer | peer's value | ratio |", "|---|---:|---|---|---:|---:|"]
    for row in rows:
        peer_value = "" if row.peer_value is None else f"{row.peer_value:g}"
        ratio = "" if row.ratio is None else f"{row.ratio:g}"
        lines.append(f"| `{row.name}` | {row.value:g} | {row.unit} | {row.peer} | {peer_value} | {ratio} |")
    return "\n".join(lines)


def _write_section(suite: str, body: str) -> None:
    begin, end = f"<!-- {suite} -->", f"<!-- /{suite} -->"
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else "# Benchmarks\n\nWritten by `make bench`.\n"
    section = f"{begin}\n## {suite}\n\n{body}\n{end}"
    before, found, rest = page.partition(begin)
    page = f"{before}{section}{rest.partition(end)[2]}" if found else f"{page.rstrip()}\n\n{section}\n"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
