"""The alerts as Prometheus evaluates them (`promtool test rules`): when each fires, and when it does not."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ALERTS = Path(__file__).resolve().parents[1] / "deploy" / "monitoring" / "alerts.yml"
RULES = {
    rule["alert"]: rule
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
PARTS = ("encode", "generate", "import", "default")
WORKERS = {f'up{{job="atelier-worker", part="worker-{part}", instance="{part}"}}': "1x60" for part in PARTS}
ENCODER = {"job": "atelier-worker", "part": "worker-encode", "instance": "encode"}
SEARCHES = "atelier_search_seconds_bucket"
ENDED = 'atelier_generation_ended_last_hour{provider="p", cause="", state='


@dataclass(frozen=True)
class Case:
    """Series by minute in promtool's notation, and what comes of them.

    Attributes:
        quiet: a minute at which the alert does not fire.
        fires: a later minute at which it does; None: it never does.
        labels: of the alert that fires, beside its severity.
    """

    name: str
    alert: str
    series: dict[str, str]
    quiet: int
    fires: int | None = None
    labels: dict[str, str] = field(default_factory=dict)


def web(*values: str) -> dict[str, str]:
    return {f'up{{job="atelier-web", instance="{number}"}}': value for number, value in enumerate(values)}


def answers(right: str, wrong: str) -> dict[str, str]:
    name = "atelier_http_seconds_count"
    return {f'{name}{{status="2xx"}}': right, f'{name}{{status="5xx"}}': wrong}


def searches(quick: int) -> dict[str, str]:
    """A hundred a minute, of which so many take at most 0.3 s, and the others at most 0.6 s."""
    counted = {"0.3": quick, "0.6": 100, "+Inf": 100}
    return {f'{SEARCHES}{{le="{bound}"}}': f"0+{count}x60" for bound, count in counted.items()}


CASES = [
    Case("the only web process ends", "SiteDown", web("1x9 0x50"), 11, 13),
    Case("one of two web processes ends", "SiteDown", web("1x9 0x50", "1x60"), 50),
    Case("there is no web process", "SiteDown", {}, 1, 3),
    Case("a web process loses it", "DatabaseAway", {"atelier_database_up": "1x9 0x50"}, 10, 12),
    Case(
        "a worker does not answer",
        "WorkerDown",
        {**WORKERS, next(iter(WORKERS)): "1x9 0x50"},
        14,
        16,
        ENCODER,
    ),
    Case(
        "a worker was never started",
        "WorkerDown",
        {name: value for name, value in WORKERS.items() if "encode" not in name},
        4,
        6,
        {"job": "atelier-worker", "part": "worker-encode"},
    ),
    Case(
        "a worker is deaf",
        "WorkerDown",
        {
            **WORKERS,
            'atelier_worker_silent_seconds{job="atelier-worker", part="worker-encode", instance="encode"}': (
                "0x9 100x50"
            ),
        },
        14,
        16,
        ENCODER,
    ),
    Case("all workers answer", "WorkerDown", WORKERS, 50),
    Case("one answer in ten", "ErrorsForVisitors", answers("0+90x60", "0x9 0+10x50"), 9, 25),
    Case("one answer in a hundred", "ErrorsForVisitors", answers("0+99x60", "0+1x60"), 50),
    Case("one search in ten is slow", "SlowSearch", searches(quick=90), 14, 40),
    Case("one search in fifty is slow", "SlowSearch", searches(quick=98), 50),
    Case("some fall back", "SearchWithoutMeaning", {"atelier_search_degraded_total": "0x9 0+1x50"}, 10, 30),
    Case(
        "they wait, and become no fewer",
        "IndexBehind",
        {'atelier_outbox_oldest_seconds{space="s"}': "0+60x60", 'atelier_outbox_waiting{space="s"}': "9x60"},
        16,
        40,
        {"space": "s"},
    ),
    Case(
        "they wait behind a large import, and become fewer",
        "IndexBehind",
        {
            'atelier_outbox_oldest_seconds{space="s"}': "0+60x60",
            'atelier_outbox_waiting{space="s"}': "9000-100x60",
        },
        50,
    ),
    Case("put off", "IndexPutOff", {'atelier_outbox_put_off{space="s"}': "0x9 3x50"}, 20, 30, {"space": "s"}),
    Case("one fails", "NotIndexed", {'atelier_outbox_failed{space="s"}': "0x9 1x50"}, 20, 30),
    Case(
        "none is made",
        "GenerationBehind",
        {'atelier_generation_oldest_seconds{provider="p"}': "0+60x60", f'{ENDED}"succeeded"}}': "0x60"},
        31,
        40,
        {"provider": "p"},
    ),
    Case(
        "a large job goes on",
        "GenerationBehind",
        {'atelier_generation_oldest_seconds{provider="p"}': "0+60x60", f'{ENDED}"succeeded"}}': "9x60"},
        50,
    ),
    Case(
        "three in ten fail",
        "ProviderFails",
        {f'{ENDED}"failed"}}': "0x9 3x50", f'{ENDED}"succeeded"}}': "7x60"},
        15,
        25,
        {"provider": "p"},
    ),
    Case(
        "one in ten fails",
        "ProviderFails",
        {f'{ENDED}"failed"}}': "1x60", f'{ENDED}"succeeded"}}': "9x60"},
        50,
    ),
    Case("an hour", "WebhooksWait", {"atelier_webhooks_waiting_oldest_seconds": "0+60x90"}, 60, 75),
    Case("six hours", "FilesNotRemoved", {"atelier_removals_waiting_oldest_seconds": "0+600x90"}, 36, 75),
]


def filled(text: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels.get(found[1], ""), text)


def expected(case: Case) -> list[dict[str, Any]]:
    rule = RULES[case.alert]
    moments: list[dict[str, Any]] = [
        {"eval_time": f"{case.quiet}m", "alertname": case.alert, "exp_alerts": []}
    ]
    if case.fires is not None:
        told = {name: filled(text, case.labels) for name, text in rule["annotations"].items()}
        alert = {"exp_labels": {**rule["labels"], **case.labels}, "exp_annotations": told}
        moments.append({"eval_time": f"{case.fires}m", "alertname": case.alert, "exp_alerts": [alert]})
    return moments


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed here")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.name}")
def test_an_alert_fires_when_it_should_and_not_before(case: Case, tmp_path: Path) -> None:
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    test = {"interval": "1m", "input_series": series, "alert_rule_test": expected(case)}
    file = tmp_path / "alerts.test.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]})
    )
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    assert {case.alert for case in CASES if case.fires is not None} == set(RULES)
