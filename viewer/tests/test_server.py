"""What the server answers, and to whom."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner
from finops_viewer.publisher import HtmlPublisher
from finops_viewer.serve import listening, serve
from finops_viewer.server import HEADERS, Stage, WebServer, host_name
from finops_viewer.watch import State

from finops_core.errors import FinopsError, UsageError
from finops_core.report import Report
from finops_core.site import Site

HOSTS = {"localhost", "127.0.0.1"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Running:
    """A server on a free port of this machine."""

    stage: Stage
    port: int
    _connections: list[http.client.HTTPConnection] = field(default_factory=list)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        connection.close()
        return answer

    def stream(self) -> Iterator[dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        self._connections.append(connection)
        connection.request("GET", "/events", headers={"Connection": "close"})
        response = connection.getresponse()
        assert response.headers["content-type"].startswith("text/event-stream")
        return self._states(response)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    @staticmethod
    def _states(response: http.client.HTTPResponse) -> Iterator[dict[str, str]]:
        while line := response.readline():
            if line.startswith(b"data:"):
                yield json.loads(line[5:])


@contextmanager
def serving(stage: Stage) -> Iterator[Running]:
    listener = listening("127.0.0.1", 0)
    server = WebServer(stage, HOSTS)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    running = Running(stage, listener.getsockname()[1])
    yield running
    running.close()
    stage.close()
    server.should_exit = True
    thread.join(5)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def calm(sample_pages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that no test changes; its directory also holds what nobody published."""
    directory = Path(shutil.copytree(sample_pages, tmp_path_factory.mktemp("calm") / "html"))
    (directory / "notes.html").write_text("private")
    (directory / "link.html").symlink_to("/etc/passwd")
    with serving(Stage(directory, live=True)) as running:
        yield running


@pytest.fixture
def published(sample_pages: Path, tmp_path: Path) -> Path:
    """Pages that a test may change."""
    return Path(shutil.copytree(sample_pages, tmp_path / "html"))


@pytest.fixture
def server(published: Path) -> Iterator[Running]:
    with serving(Stage(published, live=True)) as running:
        yield running


def test_pages_and_assets_are_served_as_published(calm: Running, sample_pages: Path) -> None:
    home = calm.ask("/")
    assert home.status == 200
    assert home.body == calm.ask("/index.html").body
    assert home.body.replace(b'data-live="yes"', b'data-live="no"') == (sample_pages / "index.html").read_bytes()
    style = calm.ask("/assets/viewer.css")
    assert style.headers["content-type"].startswith("text/css")
    assert style.body == (sample_pages / "assets/viewer.css").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/manifest.json",
        "/data/finops_understanding.json",
        "/.publish.lock",
        "/notes.html",
        "/link.html",
        "/../notes.html",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../data/finops_understanding.json",
        "/assets/..%2fdata/finops_understanding.json",
        "//etc/passwd",
        "/index.html/",
        "/INDEX.HTML",
        "/index.html%00",
    ],
)
def test_nothing_but_published_pages_is_served(calm: Running, path: str) -> None:
    assert calm.ask(path).status == 404


def test_a_page_that_was_replaced_by_a_link_is_not_served(tmp_path: Path, published: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes((published / "index.html").read_bytes())
    (published / "index.html").unlink()
    (published / "index.html").symlink_to(secret)
    assert b"No reports yet" in Stage(published, live=True).file("index.html").content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_allowed(calm: Running, method: str) -> None:
    for path in ("/", "/events"):
        assert calm.ask(path, method).status == 405


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:8000", 200),
        ("LocalHost.:9", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil.example:8000", 421),
        ("", 421),
        ("[::1", 421),
        ("localhost@evil.example", 421),
    ],
)
def test_only_known_host_names_are_answered(calm: Running, host: str, status: int) -> None:
    answer = calm.ask("/", host=host)
    assert answer.status == status
    assert (b"finops_understanding" in answer.body) == (status == 200)
    assert calm.ask("/events", host=host, method="POST").status == (405 if status == 200 else 421)


@pytest.mark.parametrize(("header", "name"), [("[::1]:8000", "[::1]"), ("a.b:1", "a.b"), ("A.b.", "a.b")])
def test_a_host_name_is_read_without_its_port(header: str, name: str) -> None:
    assert host_name(header) == name


@pytest.mark.parametrize("path", ["/", "/nothing", "/assets/page.js"])
def test_every_answer_has_the_security_headers(calm: Running, path: str) -> None:
    answers = [calm.ask(path), calm.ask(path, host="evil.example"), calm.ask(path, "POST")]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "server" not in answer.headers


def test_an_unchanged_file_is_not_sent_again(calm: Running) -> None:
    first = calm.ask("/assets/echarts.min.js")
    again = calm.ask("/assets/echarts.min.js", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")


def test_the_stream_tells_the_current_state_and_each_new_one(
    server: Running, published: Path, site_in: Callable[..., Site], reports: list[Report]
) -> None:
    server.stage.show(State("fresh", "run-1"))
    states = server.stream()
    assert next(states)["run_id"] == "run-1"
    server.stage.show(State("building", "run-1"))
    assert next(states)["phase"] == "building"
    HtmlPublisher().publish(reports[:1], site_in(published, run_id="run-2"))
    server.stage.show(State("fresh", "run-2"))
    assert next(states) == {"phase": "fresh", "run_id": "run-2", "message": "", "hint": ""}
    assert b"run-2" in server.ask(f"/{reports[0].name}.html").body
    assert server.ask(f"/{reports[1].name}.html").status == 404, "not part of the new publication"


def test_two_hundred_streams_and_a_hung_client_leave_it_answering(server: Running) -> None:
    hung = socket.create_connection(("127.0.0.1", server.port))
    hung.sendall(b"GET / HTTP/1.1\r\nHost: local")
    streams = [server.stream() for _ in range(200)]
    assert all(next(stream)["phase"] == "fresh" for stream in streams)
    started = time.monotonic()
    assert server.ask("/").status == 200
    assert time.monotonic() - started < 1
    server.stage.show(State("building"))
    assert all(next(stream)["phase"] == "building" for stream in streams)
    hung.close()


def test_without_any_publication_a_page_says_why(tmp_path: Path) -> None:
    with serving(Stage(tmp_path / "none", live=True)) as server:
        assert b"The first reports are being made" in server.ask("/").body
        server.stage.show(State("failed", "", "there is no call log at <x>", "Make one."))
        body = server.ask("/").body
        assert b"there is no call log at &lt;x&gt;" in body
        assert b"Make one." in body
        assert server.ask("/assets/viewer.css").status == 200


def test_a_publication_that_is_being_renamed_is_not_shown(
    published: Path, site_in: Callable[..., Site], reports: list[Report]
) -> None:
    stage = Stage(published, live=False)
    before = stage.file("index.html")
    HtmlPublisher().publish(reports, site_in(published, run_id="run-2"))
    (published / "finops_understanding.html").write_text("of a third publication")
    stage.show(State("fresh", "run-2"))
    assert stage.file("index.html") == before


def test_a_taken_port_names_a_free_one() -> None:
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FinopsError, match=f"port {port} is taken") as error:
            listening("127.0.0.1", port)
    free = int(error.value.hint.rsplit(" ", 1)[1])
    listening("127.0.0.1", free).close()


def test_an_address_of_another_machine_is_one_message() -> None:
    with pytest.raises(FinopsError, match=r"cannot listen on 192\.0\.2\.1"):
        listening("192.0.2.1", 8000)


def test_listening_for_others_needs_a_name_they_use() -> None:
    result = CliRunner().invoke(serve, ["--host", "0.0.0.0"])
    assert isinstance(result.exception, UsageError)
    assert "--allow-host" in result.exception.hint


BUILDING = """
import sys, time
import duckdb
from finops_viewer import build
from finops_viewer.serve import serve
build.Source.is_current = lambda self: False
endless = "SELECT count(*) FROM range(1000000000000) AS t WHERE t.range % 7 = 3"
build.Source.build = lambda self: duckdb.sql(endless).fetchall()
sys.exit(serve.main(sys.argv[1:], standalone_mode=False))
"""
SERVING = "import sys; from finops_viewer.serve import serve; sys.exit(serve.main(sys.argv[1:], standalone_mode=False))"


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
@pytest.mark.parametrize(("code", "watch"), [(SERVING, True), (SERVING, False), (BUILDING, True)])
def test_ctrl_c_with_open_streams_ends_at_once_with_exit_code_0(
    published: Path, tmp_path: Path, code: str, watch: bool
) -> None:
    arguments = ["--reports", str(published), "--log", "none.csv", "--port", "0", *(["--watch"] if watch else [])]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    clients = Running(None, 0)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.split("127.0.0.1:")[1].split("/")[0])
        clients.port = port
        streams = [clients.stream() for _ in range(3)]
        phase = "building" if code == BUILDING else "fresh"
        assert all(next(stream)["phase"] == phase for stream in streams)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
        assert time.monotonic() - started < 2
        assert process.stderr is not None
        assert set(process.stderr.read().splitlines()) <= {"Processing none.csv ..."}
    finally:
        clients.close()
        process.kill()
        process.communicate()
