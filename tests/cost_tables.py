"""The tables of docs/costs.md and its Chinese sister: `python -m tests.cost_tables` writes them anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atelier.costs import Library

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = ("costs.md", "costs.zh.md")
SIZES = (10**5, 10**6, 10**8)
STUDIO_BYTES, STUDIO_RENDITIONS = 5_000_000, 250_000  # an assumption, not measured: photos of 24 megapixels
NAMES_ZH = {
    "originals": "原始文件",
    "renditions": "衍生文件",
    "a backup": "一份备份",
    "Milvus in memory": "Milvus 内存",
    "encoding, 2 cores": "编码，2 核",
    "encoding, one L4 and 8 cores (reckoned)": "编码，一块 L4 加 8 核（推算）",
    "hours": "小时",
}


def tables(page: str) -> dict[str, str]:
    """Markdown by the name of its place in the page."""
    from atelier.costs import Library

    word = _in_chinese if page.endswith(".zh.md") else str
    photos = [Library(assets) for assets in SIZES]
    studio = [
        Library(assets, original_bytes=STUDIO_BYTES, rendition_bytes=STUDIO_RENDITIONS) for assets in SIZES
    ]
    wide = [Library(assets, dimension=1024) for assets in SIZES]
    return {
        "photos": _sizes(photos, word),
        "studio": _sizes(studio, word, only=("originals", "renditions", "a backup")),
        "wide": _sizes(wide, word, only=("PostgreSQL", "Milvus")),
        "generation": _generation(word),
    }


def written(page: str) -> str:
    """The page with its tables as they are now."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for name, table in tables(page).items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, _found, rest = text.partition(begin)
        text = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return text


def _sizes(libraries: list[Library], word: Callable[[str], str], only: tuple[str, ...] = ()) -> str:
    from atelier.costs import estimate

    columns = [estimate(library) for library in libraries]
    rows = [
        "| | " + " | ".join(f"{library.assets:,}" for library in libraries) + " |",
        "|---|---:|---:|---:|",
    ]
    for lines in zip(*columns, strict=True):
        if not only or lines[0].what.startswith(only):
            amounts = " | ".join(f"{_short(line.value)} {word(line.unit)}" for line in lines)
            rows.append(f"| {word(lines[0].what)} | {amounts} |")
    return "\n".join(rows)


def _generation(word: Callable[[str], str]) -> str:
    from atelier.costs import generation

    chinese = word is _in_chinese
    head = ("模型", "尺寸", "1,000 张", "批量接口", "价格日期") if chinese else (
        "model", "size", "1,000 pictures", "in batches", "price of"
    )  # fmt: skip
    rows = ["| " + " | ".join(head) + " |", "|---|---|---:|---:|---|"]
    for model, size, price in generation():
        amount = (
            f"{price:.2f} {model.currency}"
            if price is not None
            else ("未公布" if chinese else "not published")
        )
        batch = (
            f"{price * model.batch:.2f} {model.currency}" if price is not None and model.batch < 1 else "–"
        )
        rows.append(f"| {model.name} | {size or '–'} | {amount} | {batch} | {model.as_of} |")
    return "\n".join(rows)


def _short(value: float) -> str:
    """Three figures that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _in_chinese(text: str) -> str:
    for english, chinese in NAMES_ZH.items():
        text = text.replace(english, chinese)
    return text


def main() -> None:
    """Write both pages."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
    import django

    django.setup()
    for page in PAGES:
        (DOCS / page).write_text(written(page), encoding="utf-8")


if __name__ == "__main__":
    main()
