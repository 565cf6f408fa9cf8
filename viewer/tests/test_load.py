"""The server keeps answering while many clients follow it, some never end, and others ask as fast as they can."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from finops_viewer.publisher import HtmlPublisher

from finops_core.report import Report
from finops_core.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")]

STREAMS = 200
HUNG = 50
LOAD_SECONDS = 4
ASKING = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture
def html(sample_pages: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample_pages, tmp_path / "html"))


@pytest.fixture
def server(html: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """``finops serve --watch`` in a process of its own, and its port."""
    finops = Path(sys.executable).with_name("finops")
    process = subprocess.Popen(
        [finops, "serve", "--watch", "--reports", html, "--log", "none.csv", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    yield process, int(process.stdout.readline().split("127.0.0.1:")[1].split("/")[0])
    process.kill()
    process.communicate()


def sending(port: int, text: bytes) -> socket.socket:
    """A connection over which so much was sent."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(text)
    return client


def read_until(client: socket.socket, text: bytes) -> None:
    """Read a stream until it says something."""
    heard = b""
    while text not in heard:
        more = client.recv(65536)
        assert more, f"the stream ended after {heard!r}"
        heard += more


def ask(port: int) -> float:
    """Seconds in which the home page is answered."""
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    connection.close()
    return time.monotonic() - started


def load(port: int) -> tuple[int, int]:
    """Ordinary requests as fast as they are answered: how many, and how many of them went wrong."""
    if (wrk := shutil.which("wrk")) is None:
        return load_from_python(port)
    address = f"http://127.0.0.1:{port}/finops_understanding.html"
    command = [
        wrk,
        "--threads",
        "2",
        "--connections",
        "20",
        "--duration",
        f"{LOAD_SECONDS}s",
        "--timeout",
        "5s",
        address,
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    answered = re.search(r"(\d+) requests in", said)
    assert answered, said
    wrong = re.findall(r"(?:Non-2xx or 3xx responses:|connect|read|write|timeout) (\d+)", said)
    return int(answered[1]), sum(map(int, wrong))


def load_from_python(port: int) -> tuple[int, int]:
    """The same with threads; a slower load than that of wrk."""
    end = time.monotonic() + LOAD_SECONDS
    statuses: list[int] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        while time.monotonic() < end:
            connection.request("GET", "/finops_understanding.html")
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(statuses), sum(status != 200 for status in statuses)


def test_two_hundred_streams_hung_clients_and_a_load_leave_it_answering(
    server: tuple[subprocess.Popen[str], int], html: Path, site_in: Callable[..., Site], reports: list[Report]
) -> None:
    process, port = server
    streams = [sending(port, ASKING % b"/events" + b"\r\n") for _ in range(STREAMS)]
    for stream in streams:
        read_until(stream, b'"run_id": "run-1"')
    hung = [sending(port, b"") for _ in range(HUNG)]  # say nothing
    hung += [sending(port, ASKING % b"/") for _ in range(HUNG)]  # never end their request
    # Never read their answer, of 700 KiB.
    hung += [sending(port, ASKING % b"/assets/echarts.min.js" + b"\r\n") for _ in range(HUNG)]
    slow = sending(port, b"")
    waited: list[float] = []

    def trickle() -> None:
        for byte in ASKING % b"/" + b"\r\n":
            slow.sendall(bytes([byte]))
            time.sleep(0.05)

    def watch() -> None:
        while trickling.is_alive() or loading.is_alive():
            waited.append(ask(port))
            time.sleep(0.1)

    done: list[tuple[int, int]] = []
    trickling = threading.Thread(target=trickle)
    loading = threading.Thread(target=lambda: done.append(load(port)))
    for thread in (trickling, loading):
        thread.start()
    watch()
    read_until(slow, b"HTTP/1.1 200 OK")
    ((answered, wrong),) = done
    assert wrong == 0
    assert answered > 100
    assert max(waited) < 2, "seconds for a page during the load"
    HtmlPublisher().publish(reports, site_in(html, run_id="run-2"))
    for stream in streams:
        read_until(stream, b'"run_id": "run-2"')
    assert ask(port) < 1
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 0
    assert time.monotonic() - started < 2
    assert process.stdout is not None
    assert "Traceback" not in process.stdout.read()
    for client in (*streams, *hung, slow):
        client.close()
