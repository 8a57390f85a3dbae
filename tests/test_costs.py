"""`manage.py costs` and the tables of docs/costs.md: one arithmetic, on the figures that were measured."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from atelier import costs
from atelier.costs import Library, estimate
from tests.cost_tables import DOCS, PAGES, SIZES, written

BENCHMARKS = (DOCS / "benchmarks.md").read_text()
SCALING = (DOCS / "scaling.md").read_text()


def lines(*options: str) -> dict[str, dict[str, Any]]:
    out = StringIO()
    call_command("costs", "--json", *options, stdout=out)
    return {line["what"]: line for line in json.loads(out.getvalue())}


def test_figures_follow_what_is_given() -> None:
    found = lines("--assets", "1000000", "--original-kb", "5000", "--dimension", "1024", "--spaces", "2")
    assert found["originals"]["value"] == 5000
    assert found["originals"]["formula"] == "1,000,000 × 5,000,000 B"
    assert found["PostgreSQL"]["value"] == pytest.approx(2.3 + 2 * (1.293 + 4.096))
    assert found["Milvus in memory, HNSW"]["value"] == pytest.approx(2 * (4096 + 132 + 700) * 1.2 / 1000)
    assert found["encoding, 2 cores, bf16"]["value"] == pytest.approx(2e6 / 74.77 / 3600)
    for wrong in ("0", "-5"):
        with pytest.raises(CommandError) as caught:
            call_command("costs", "--assets", wrong)
        assert caught.value.returncode == 2
    out = StringIO()
    call_command("costs", "--assets", "100000", stdout=out)
    assert re.search(r"originals +3\.0 GB +=", out.getvalue())


def test_measured_figures_are_those_of_the_benchmarks() -> None:
    for name, rate in (("pictures_per_second", "bf16"), ("pictures_per_second_int8", "int8")):
        assert f"| `encode.{name}` | {costs.CPU_RATES[rate]:g} |" in BENCHMARKS
    for figure in ("1,011", "700", "385", "204", "241"):
        assert f"| {figure} |" in SCALING
    (vector_row,) = re.findall(r"kept vector.*\| ([\d,]+) \|", SCALING)
    assert int(vector_row.replace(",", "")) == costs.VECTOR_ROW_BYTES + 4 * 512


def test_the_clothing_photos_have_the_size_that_is_reckoned_with(clothing: Path) -> None:
    sizes = [path.stat().st_size for path in clothing.rglob("*.jpg")]
    assert (len(sizes), round(sum(sizes) / len(sizes))) == (1441, costs.ORIGINAL_BYTES)


def test_a_gpu_is_as_fast_as_its_cores_decode() -> None:
    assert f"| `cuda.pictures_per_second_vit_b_32_8_workers` | {costs.GPU_RATE:g} |" in BENCHMARKS
    assert costs.gpu_rate(cores=8) == pytest.approx(costs.GPU_RATE / 2)
    assert costs.gpu_rate(cores=640) == pytest.approx(121e12 * 0.3 / 8.8e9)


def test_prices_are_those_of_the_table_of_providers(settings: Any) -> None:
    settings.GENERATION_PRICES = {"gpt-image-2.5": {"picture": "0.05", "currency": "CNY"}}
    found = {(model.name, size): price for model, size, price in costs.generation(inputs=2)}
    assert (
        found["gemini-nano-banana-2.1", "1K"]
        == Decimal(1120 * 30 + 2 * Decimal("1101") * Decimal("1.5")) / 1000
    )
    assert found["gpt-image-2.5", ""] == 50
    assert found["gpt-image-2.6-sunburst", ""] is None


def test_the_pages_have_the_tables_of_today(settings: Any) -> None:
    settings.GENERATION_PRICES = {}
    for page in PAGES:
        assert written(page) == (DOCS / page).read_text(), "python -m tests.cost_tables writes them"
    page = (DOCS / "costs.md").read_text()
    for size in SIZES:
        originals = estimate(Library(size))[0].value
        assert f"{originals:.3g} GB" in page or f"{originals:,.0f} GB" in page
