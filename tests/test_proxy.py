"""The proxy by deploy/nginx/nginx.conf: how much it takes, what it logs and hides, whom it believes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import crossplane
import pytest
import yaml
from django.conf import settings

from tests.services.children import HOST, free_ports, start_tied
from tests.test_deploy import COMPOSE, DEPLOY, kubernetes

pytestmark = pytest.mark.once
FILE = DEPLOY / "nginx" / "nginx.conf"
NGINX = shutil.which("nginx") or ""
with_nginx = pytest.mark.skipif(not NGINX, reason="nginx is not installed here")
WAIT_SECONDS = 10.0
MEGABYTE = 1024**2
SECRET = "zqsecretofthelink"


@dataclass
class Proxy:
    """nginx as it runs here, before a stand-in for the site that answers with the headers that reached it."""

    port: int
    folder: Path
    site: ThreadingHTTPServer

    def get(self, path: str, **headers: str) -> HTTPResponse:
        line = HTTPConnection(HOST, self.port, timeout=WAIT_SECONDS)
        line.request("GET", path, headers=headers)
        return line.getresponse()

    def takes(self, path: str, size: int) -> bool:
        """Whether it asks for a body of so many bytes (none is sent) or says at once that it is too large."""
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
        with socket.create_connection((HOST, self.port), timeout=WAIT_SECONDS) as line:
            line.sendall(head.encode())
            status = int(line.makefile("rb").readline().split()[1])
        assert status in (100, 413), path
        return status == 100

    def logged(self, count: int) -> list[dict[str, Any]]:
        """The lines of the access log, as soon as there are so many."""
        log, deadline = self.folder / "access.log", time.monotonic() + WAIT_SECONDS
        while len(lines := log.read_text().splitlines()) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        return [json.loads(line) for line in lines]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        told = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    site = ThreadingHTTPServer((HOST, 0), _Handler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    (port,) = free_ports(1)
    file = for_this_machine(tmp_path, port=port, site=site.server_port)
    # Started by root it would work as another user, who may not write where tests do.
    beside = "daemon off;" if os.geteuid() else "daemon off; user root;"
    command = [NGINX, "-c", str(file), "-g", beside]
    process = start_tied(command, folder=tmp_path, environment=os.environ, log=tmp_path / "output.log")
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not _listens(port):
            assert process.poll() is None, (tmp_path / "output.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield Proxy(port, tmp_path, site)
    finally:
        process.terminate()
        process.wait(timeout=WAIT_SECONDS)
        site.shutdown()
        site.server_close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def for_this_machine(folder: Path, *, port: int, site: int) -> Path:
    """The proxy's file with its folders here, its own port, and the site's without Docker's name server."""
    text = FILE.read_text().replace("/tmp/", f"{folder}/")  # noqa: S108
    for there, here in {
        "/var/cache/nginx": f"{folder}/cache",
        "/dev/stdout": f"{folder}/access.log",
        "/dev/stderr": f"{folder}/error.log",
        "listen 8080": f"listen {HOST}:{port}",
        "web:8000 resolve": f"{HOST}:{site}",  # which older nginx cannot do at all
    }.items():
        assert there in text
        text = text.replace(there, here)
    (folder / "cache").mkdir()
    file = folder / "nginx.conf"
    file.write_text(text)
    return file


@with_nginx
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    file = for_this_machine(tmp_path, port=8080, site=8000)
    done = subprocess.run([NGINX, "-t", "-c", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@with_nginx
def test_more_is_taken_where_files_are_sent_and_uploads_of_any_length(proxy: Proxy) -> None:
    limits = {"/share/a/password/": 12, "/i18n/setlang/": 12, "/admin/": 128, "/api/v1/search/": 128}
    for path, most in limits.items():
        assert proxy.takes(path, most * MEGABYTE), path
        assert not proxy.takes(path, most * MEGABYTE + 1), path
    assert proxy.takes("/api/v1/uploads/", settings.DAM_MAX_ARCHIVE_BYTES)
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE < 12 * MEGABYTE
    assert settings.DAM_MAX_FILE_BYTES < 128 * MEGABYTE


@with_nginx
def test_no_log_tells_the_secret_of_a_shared_link(proxy: Proxy) -> None:
    shared = (f"/share/{SECRET}/", f"/share/{SECRET}/all/", f"/%73hare/{SECRET}/", f"//share/{SECRET}/")
    for path in (*shared, "/assets/known/"):
        assert proxy.get(path).status == 200
    proxy.site.shutdown()
    proxy.site.server_close()
    assert proxy.get(f"/share/{SECRET}/").status == 502  # with all of the request in a log of errors
    told = [(line["uri"], line["status"]) for line in proxy.logged(6)]
    assert told == [*[("/share/", 200)] * 4, ("/assets/known/", 200), ("/share/", 502)]
    for file in ("access.log", "error.log", "output.log"):
        assert SECRET not in (proxy.folder / file).read_text(), file


@with_nginx
def test_a_visitor_cannot_say_where_they_are(proxy: Proxy) -> None:
    headers = json.loads(proxy.get("/", **{"X-Forwarded-For": "203.0.113.9"}).read())
    assert headers["X-Forwarded-For"] == HOST


@with_nginx
def test_a_forgotten_slash_leads_to_the_same_port_and_scheme(proxy: Proxy) -> None:
    answer = proxy.get("/admin")
    assert (answer.status, answer.headers["Location"]) == (301, "/admin/")


def test_only_the_network_of_this_machine_may_say_where_a_visitor_is() -> None:
    outside = yaml.safe_load(COMPOSE[0].read_text())["networks"]["outside"]
    (subnet,) = outside["ipam"]["config"]
    assert [line["args"] for line in named("set_real_ip_from")] == [[subnet["subnet"]]]


def test_the_metrics_are_hidden_and_what_was_withdrawn_is_not_given() -> None:
    for directive in ("client_body_temp_path", "proxy_temp_path"):  # a tmpfs would count as memory
        assert [line["args"][0].rpartition("/")[0] for line in named(directive)] == ["/var/cache/nginx"]
    assert locations()["/metrics"] == {"return": ["404"]}
    # What was withdrawn must not be given because the site is away.
    assert "proxy_cache_use_stale" not in locations()["/assets/"]
    assert locations()["/api/v1/uploads/"]["proxy_request_buffering"] == ["off"]


def test_the_ingress_has_the_same_limits_and_logs_no_shared_link() -> None:
    prefix = "nginx.ingress.kubernetes.io/"
    paths = {
        path["path"]: {name.removeprefix(prefix): value for name, value in annotations.items()}
        for one in kubernetes()
        if one["kind"] == "Ingress"
        for annotations in [one["metadata"]["annotations"]]
        for rule in one["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    assert set(paths) == {"/", "/admin/", "/api/v1/", "/api/v1/uploads/", "/share/"}
    for path, given in paths.items():
        within = max((name for name in locations() if path.startswith(name)), key=len)
        here = {line["directive"]: line["args"] for line in http()} | server() | locations()[within]
        assert given["proxy-body-size"] == here["client_max_body_size"][0], path
        assert f"{given['proxy-read-timeout']}s" == here["proxy_read_timeout"][0], path
        (buffered,) = here.get("proxy_request_buffering", ["on"])
        assert given.get("proxy-request-buffering", "on") == buffered, path
    assert [path for path, given in paths.items() if given.get("enable-access-log") == "false"] == ["/share/"]


def http() -> list[dict[str, Any]]:
    """The lines of the proxy's file within `http`."""
    read = crossplane.parse(str(FILE))
    assert (read["status"], read["errors"]) == ("ok", [])
    (block,) = (line["block"] for line in read["config"][0]["parsed"] if line["directive"] == "http")
    lines: list[dict[str, Any]] = block
    return lines


def named(directive: str) -> list[dict[str, Any]]:
    """Those with this directive, but for those within a server."""
    return [line for line in http() if line["directive"] == directive]


def server() -> dict[str, list[str]]:
    """What holds in the server, by directive."""
    return {line["directive"]: line["args"] for line in named("server")[0]["block"]}


def locations() -> dict[str, dict[str, list[str]]]:
    """What holds in each location, by its path and by directive."""
    return {
        line["args"][-1]: {inner["directive"]: inner["args"] for inner in line["block"]}
        for line in named("server")[0]["block"]
        if line["directive"] == "location"
    }
