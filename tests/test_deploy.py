"""The files that containers run by: whole, closed, without a secret, and in step with the code."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crossplane
import kubernetes_validate
import pytest
import requests
import yaml
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

from atelier import http_telemetry, telemetry, worker_health  # noqa: F401  they declare their metrics
from generation.claiming import LEASE
from generation.tasks import SLICE_SECONDS
from search import telemetry as of_search  # noqa: F401
from tests.services.children import free_ports
from tests.services.processes import Process, eventually

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = [ROOT / "docker-compose.yml", ROOT / "docker-compose.monitoring.yml"]
ONCE = {"migrate", "buckets", "volumes"}  # they end
SECRETIVE = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$|DATABASE_URL|REDIS_URL")


def services(file: Path = COMPOSE[0]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text())["services"]
    return found


def every_service() -> dict[str, dict[str, Any]]:
    return {name: service for file in COMPOSE for name, service in services(file).items()}


def test_compose_files_follow_the_specification() -> None:
    command = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *map(str, COMPOSE)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(every_service()))
def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    service = every_service()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name == "volumes":  # hands new volumes to those who use them
        assert (service["user"], service["cap_add"], service["network_mode"]) == ("0:0", ["CHOWN"], "none")
    else:
        assert int(service["user"].split(":")[0]) > 0
        assert "cap_add" not in service
    assert not service.get("privileged")
    if not service["image"].startswith("${ATELIER_IMAGE"):
        assert re.search(r":[^:]*\d", service["image"]), "of a version"
    if name not in ONCE:
        assert service["healthcheck"]["test"]
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory"} <= set(limits)
        assert service["restart"] == "unless-stopped"


def test_what_compose_names_is_there() -> None:
    for file in COMPOSE:
        whole = yaml.safe_load(file.read_text())
        base = yaml.safe_load(COMPOSE[0].read_text())
        for name, service in whole["services"].items():
            assert set(service.get("depends_on", {})) <= set(base["services"]), name
            secrets = set(base["secrets"]) | set(whole["secrets"])
            assert set(service.get("secrets", [])) <= secrets, name
            for mount in service.get("volumes", []):
                source = mount.split(":")[0]
                known = (ROOT / source).exists() if source.startswith(".") else source in whole["volumes"]
                assert known, f"{name}: {source}"


def test_only_what_must_be_reached_is_published() -> None:
    published = {name: service["ports"] for name, service in every_service().items() if "ports" in service}
    assert published == {
        "proxy": ["${BIND:-127.0.0.1}:${PORT:-8080}:8080"],
        "grafana": ["127.0.0.1:3000:3000"],
    }
    inside = yaml.safe_load(COMPOSE[0].read_text())["networks"]["inside"]
    assert inside == {"internal": True}


def test_no_secret_stands_in_a_file_and_each_is_made(tmp_path: Path) -> None:
    for name, service in every_service().items():
        for variable, value in (service.get("environment") or {}).items():
            if SECRETIVE.search(variable) and not variable.endswith("FILE"):
                account = variable in ("S3_ACCESS_KEY", "MINIO_ACCESS_KEY_ID")
                assert account or re.fullmatch(r"\$\{\w+:-\}", str(value)), f"{name}: {variable}"
    script = shutil.copy(DEPLOY / "new-secrets.sh", tmp_path)
    subprocess.run(["sh", script], check=True, capture_output=True)
    made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    wanted = {
        secret["file"].removeprefix("deploy/secrets/")
        for file in COMPOSE
        for secret in yaml.safe_load(file.read_text())["secrets"].values()
    }
    assert set(made) == wanted
    assert len(set(made.values())) == len(made)
    assert made["postgres_password"] in made["database_url"]
    assert min(len(value) for value in made.values()) >= 40
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    subprocess.run(["sh", script], check=True, capture_output=True)
    assert {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()} == made


def test_every_setting_is_one_that_atelier_reads() -> None:
    known = set(re.findall(r"^# ([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    for name in ("web", "worker-encode", "beat", "migrate"):
        given = {variable.removesuffix("_FILE") for variable in services()[name]["environment"]}
        assert given <= known, name
    config = next(one for one in kubernetes() if one["kind"] == "ConfigMap")
    assert set(config["data"]) <= known


def test_what_stands_in_the_file_of_settings_reaches_each_process() -> None:
    for name, service in services().items():
        if service["image"].startswith("${ATELIER_IMAGE"):
            assert service["env_file"] == [{"path": ".env", "required": False}], name
            assert service["environment"]["PORT"] == "8000", "not that of the proxy"


def test_each_life_of_the_site_counts_in_a_folder_of_its_own(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    configuration = runpy.run_path(str(DEPLOY / "gunicorn.conf.py"))
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    assert folder.parent == tmp_path
    assert list(folder.iterdir()) == []
    runpy.run_path(str(DEPLOY / "gunicorn.conf.py"))  # read again, as gunicorn does when it is told to reload
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(folder)
    configuration["on_exit"](None)
    assert not folder.exists()


def test_what_ended_processes_have_counted_lies_in_one_file(tmp_path: Path) -> None:
    place = f"127.0.0.1:{free_ports(1)[0]}"
    site = Process(
        "gunicorn", "atelier.wsgi", "--config", str(DEPLOY / "gunicorn.conf.py"), "--bind", place,
        log=tmp_path / "web.log",
        settings_of_its_own={
            "DATABASE_URL": f"sqlite:///{tmp_path / 'without-tables.sqlite3'}",
            "METRICS_TOKEN": "of-the-test",
            "TMPDIR": str(tmp_path),
            "WEB_PROCESSES": "2",
        },
    )  # fmt: skip

    def processes(kind: str = "histogram") -> set[str]:
        return {file.stem.rpartition("_")[2] for file in tmp_path.glob(f"metrics-*/{kind}_*.db")}

    def told() -> dict[str, float]:
        """Sums by name."""
        headers = {"Authorization": "Bearer of-the-test"}
        answer = requests.get(f"http://{place}/metrics", headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        found: dict[str, float] = {}
        families = text_string_to_metric_families(answer.text)
        for sample in (one for family in families for one in family.samples):
            found[sample.name] = found.get(sample.name, 0) + sample.value
        return found

    try:
        eventually(lambda: len(processes()) == 2, "two processes count", process=site)
        first = processes()
        for _visit in range(8):
            eventually(lambda: visited(f"http://{place}/api/v1/"), "the site answers", process=site)
        assert told()["atelier_http_seconds_count"] == 8
        for process in first:
            os.kill(int(process), signal.SIGTERM)
        eventually(lambda: len(processes() - first) == 3, "two others and one file", process=site)
        assert not processes() & first
        assert processes("counter") <= processes()
        assert told()["atelier_http_seconds_count"] == 8
        assert visited(f"http://{place}/api/v1/")
        assert told()["atelier_http_seconds_count"] == 9
        assert not [name for name in told() if name.startswith("process_")], "`atelier.container` tells them"
    finally:
        site.kill()


def visited(address: str) -> bool:
    try:
        return bool(requests.get(address, timeout=60).status_code)
    except requests.ConnectionError:
        return False


def test_each_queue_has_its_worker() -> None:
    queues = sorted(queue.name for queue in settings.CELERY_TASK_QUEUES)

    def served(commands: Iterator[list[str]]) -> list[str]:
        return sorted(
            queue
            for command in commands
            if "--queues" in command
            for queue in command[command.index("--queues") + 1].split(",")
        )

    assert served(service.get("command", []) for service in services().values()) == queues
    assert served(container.get("args", []) for container in containers()) == queues


def test_a_worker_has_time_for_the_calls_that_it_waits_for() -> None:
    vendors = (declared["OPTIONS"] for declared in settings.GENERATION_PROVIDERS.values())
    longest = max(options.get("timeout_seconds", 0) for options in vendors)
    pod = next(
        one["spec"]["template"]["spec"]
        for one in kubernetes()
        if (one["kind"], one["metadata"]["name"]) == ("Deployment", "worker-generate")
    )
    composed = services()["worker-generate"]["stop_grace_period"]
    for seconds in (pod["terminationGracePeriodSeconds"], int(composed.removesuffix("s"))):
        assert seconds > SLICE_SECONDS + longest + LEASE.total_seconds()


def kubernetes() -> list[dict[str, Any]]:
    """What `kubectl apply --kustomize` would send, but for the names of image and namespace."""
    folder = DEPLOY / "kubernetes"
    named = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    extra = {"kustomization.yaml", "secrets.example.yaml"}
    assert {file.name for file in folder.iterdir()} - extra == set(named)
    return [one for name in named for one in yaml.safe_load_all((folder / name).read_text())]


def pods() -> list[dict[str, Any]]:
    return [one["spec"]["template"]["spec"] for one in kubernetes() if one["kind"] in ("Deployment", "Job")]


def containers() -> list[dict[str, Any]]:
    return [container for pod in pods() for container in pod["containers"]]


def test_kubernetes_would_take_the_manifests() -> None:
    of_operators = []
    for manifest in kubernetes():
        try:
            kubernetes_validate.validate(manifest, "1.37", strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            of_operators.append(manifest["kind"])
    assert sorted(of_operators) == ["Milvus", "ScaledObject", "ScaledObject", "ScaledObject"]


def test_pods_fit_the_restricted_standard() -> None:
    assert len(pods()) == 7
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            closed = container["securityContext"]
            assert closed["readOnlyRootFilesystem"] is True
            assert closed["allowPrivilegeEscalation"] is False
            assert closed["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert "cpu" in container["resources"]["requests"]


def test_kubernetes_runs_and_watches_the_same_as_compose() -> None:
    composed = services()
    for one in kubernetes():
        if one["kind"] not in ("Deployment", "Job"):
            continue
        service = composed[one["metadata"]["name"]]
        container = one["spec"]["template"]["spec"]["containers"][0]
        assert container.get("args") == service.get("command")
        memory = service["deploy"]["resources"]["limits"]["memory"]
        assert container["resources"]["limits"]["memory"] == f"{memory}i"
        if probe := container.get("livenessProbe", {}).get("exec"):
            assert probe["command"] == service["healthcheck"]["test"][1:]
            assert f"{container['livenessProbe']['timeoutSeconds']}s" == service["healthcheck"]["timeout"]


def test_what_scales_exists(told: set[str]) -> None:
    deployments = {one["metadata"]["name"] for one in kubernetes() if one["kind"] == "Deployment"}
    scaled = [one for one in kubernetes() if one["kind"] in ("ScaledObject", "HorizontalPodAutoscaler")]
    assert {one["spec"]["scaleTargetRef"]["name"] for one in scaled} < deployments
    for trigger in (one for scaler in scaled for one in scaler["spec"].get("triggers", [])):
        assert unknown_metrics(trigger["metadata"]["query"], told) == set()


def test_nginx_reads_its_file_and_hides_the_metrics(tmp_path: Path) -> None:
    file = DEPLOY / "nginx" / "nginx.conf"
    read = crossplane.parse(str(file))
    assert (read["status"], read["errors"]) == ("ok", [])
    if program := shutil.which("nginx"):
        # Names are looked up by Docker's name server, which is not here; older nginx cannot do it at all.
        text = file.read_text().replace("web:8000 resolve", "127.0.0.1:8000")
        here = tmp_path / "nginx.conf"
        here.write_text(text.replace("/tmp/", f"{tmp_path}/").replace("/var/cache/nginx", str(tmp_path)))  # noqa: S108
        done = subprocess.run([program, "-t", "-c", str(here)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    for directive in ("client_body_temp_path", "proxy_temp_path"):  # a tmpfs would count as memory
        assert [line["args"][0].rpartition("/")[0] for line in named(read, directive)] == ["/var/cache/nginx"]
    locations = {
        tuple(block["args"]): {line["directive"]: line["args"] for line in block["block"]}
        for block in blocks(read["config"][0]["parsed"])
        if block["directive"] == "location"
    }
    assert locations[("=", "/metrics")] == {"return": ["404"]}
    # What was withdrawn must not be given because the site is away.
    assert "proxy_cache_use_stale" not in locations[("/assets/",)]
    assert locations[("/api/v1/uploads/",)]["proxy_request_buffering"] == ["off"]


def named(read: dict[str, Any], directive: str) -> list[dict[str, Any]]:
    """Lines of nginx's file with this directive, but for those within a server."""
    http = next(block for block in blocks(read["config"][0]["parsed"]) if block["directive"] == "http")
    return [line for line in http["block"] if line["directive"] == directive]


def blocks(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if "block" in line:
            yield line
            yield from blocks(line["block"])


def unknown_metrics(expression: str, told: set[str]) -> set[str]:
    """Names in a query of Prometheus that nothing of ours tells. Of processes only workers tell."""
    asked = re.findall(r'\b((?:atelier|process)_[a-z_]+)(\{job="atelier-worker")?', expression)
    return {
        name
        for name, of_worker in asked
        if re.sub(r"_(bucket|count|sum|total)$", "", name) not in told
        or (name.startswith("process_") and not of_worker)
    }


@pytest.fixture
def told(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of all that site and workers tell."""
    texts = [telemetry.of_library(), worker_health.told()]
    (tmp_path / "memory.current").write_text("1")
    (tmp_path / "memory.stat").write_text("inactive_file 1")
    (tmp_path / "cpu.stat").write_text("usage_usec 1")
    monkeypatch.setattr("atelier.container.GROUP", tmp_path)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    texts.append(telemetry.of_process())
    return {one.name for text in texts for one in text_string_to_metric_families(text.decode())}


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "monitoring" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_alerts_and_dashboard_ask_for_metrics_that_exist(told: set[str]) -> None:
    rules = alerts()
    board = json.loads((DEPLOY / "monitoring/grafana/dashboards/atelier.json").read_text())
    asked = [rule["expr"] for rule in rules]
    asked += [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(asked) > 30
    assert [unknown for one in asked if (unknown := unknown_metrics(one, told))] == []
    assert unknown_metrics("rate(atelier_nothing_total[5m])", told) == {"atelier_nothing_total"}
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert {"summary", "action"} <= set(rule["annotations"])


def test_each_worker_is_missed_by_the_name_that_people_know_it_by() -> None:
    scraped = yaml.safe_load((DEPLOY / "monitoring" / "prometheus.yml").read_text())["scrape_configs"]
    workers = [name for name, service in services().items() if "--queues" in service.get("command", [])]
    named = {job["job_name"]: job["dns_sd_configs"][0]["names"] for job in scraped}
    assert named == {"atelier-web": ["web"], "atelier-worker": workers}
    for job in scraped:
        assert job["relabel_configs"] == [{"source_labels": ["__meta_dns_name"], "target_label": "part"}]
    (rule,) = (rule for rule in alerts() if rule["alert"] == "WorkerDown")
    missed = re.findall(r'absent\(up\{job="atelier-worker", part="([\w-]+)"\}\)', rule["expr"])
    assert missed == workers
    assert f"atelier_worker_silent_seconds > {worker_health.SILENT_SECONDS:.0f}" in rule["expr"]
