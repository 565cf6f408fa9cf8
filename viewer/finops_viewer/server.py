"""The web server: an allow-list of published files, one stream of states, and nothing else."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import FrameType

import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finops_viewer import pages, publication
from finops_viewer.record import DATA
from finops_viewer.watch import State

PING_SECONDS = 15
GRACE_SECONDS = 1
RETRY_MILLISECONDS = 1000
"""How soon a page asks for the stream again when it was lost."""
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}
_NOT_LIVE, _LIVE = b'data-live="no"', b'data-live="yes"'


@dataclass(frozen=True)
class File:
    """Something the server has to give."""

    content: bytes
    media_type: str
    etag: str


class Stage:
    """What is served at the moment, and who listens for what comes next.

    Files are held in memory, so that a page and its assets are always of one publication.

    Args:
        directory: The published directory.
        live: Whether pages are to follow the stream of states.
    """

    def __init__(self, directory: Path, *, live: bool) -> None:
        self.state = State("fresh")
        self._directory = directory
        self._live = live
        self._files: Mapping[str, File] = {}
        self._run_id: str | None = None
        self._listeners: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self.show(State("fresh"))

    def show(self, state: State) -> None:
        """Serve the publication in place and tell every listener; from any thread."""
        manifest = publication.read_manifest(self._directory)
        if manifest is not None and manifest.get("run_id") != self._run_id:
            files = publication.read_files(self._directory, manifest)
            if files is not None:  # else renaming is under way, and the next state comes when it is done
                public = {name: content for name, content in files.items() if not name.startswith(f"{DATA}/")}
                self._files, self._run_id = self._prepared(public), manifest.get("run_id")
        if self._run_id is None:
            self._files = self._prepared(_waiting(state))
        self.state = state
        self._wake()

    def close(self) -> None:
        """End every stream of states; from any thread."""
        self._closed = True
        self._wake()

    def file(self, name: str) -> File | None:
        """A file by its path relative to the home page."""
        return self._files.get(name or "index.html")

    async def states(self) -> AsyncIterator[State]:
        """The current state, then each new one until the stage closes; a slow listener skips to the latest."""
        self._loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        self._listeners.add(woken)
        try:
            while not self._closed:
                woken.clear()
                yield self.state
                await woken.wait()
        finally:
            self._listeners.discard(woken)

    def _wake(self) -> None:
        def wake() -> None:
            for woken in self._listeners:
                woken.set()

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(wake)

    def _prepared(self, files: Mapping[str, bytes]) -> dict[str, File]:
        prepared = {}
        for name, content in files.items():
            body = content.replace(_NOT_LIVE, _LIVE, 1) if self._live and name.endswith(".html") else content
            media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
            prepared[name] = File(body, media_type, f'"{sha256(body).hexdigest()[:32]}"')
        return prepared


def application(stage: Stage, hosts: Collection[str]) -> ASGIApp:
    """The ASGI application.

    Args:
        stage: What it serves.
        hosts: The names, without ports, under which browsers may ask for it.
    """

    async def events(_: Request) -> Response:
        async def stream() -> AsyncIterator[ServerSentEvent]:
            async for state in stage.states():
                yield ServerSentEvent(json.dumps(state.document()), event="state", retry=RETRY_MILLISECONDS)

        return EventSourceResponse(stream(), ping=PING_SECONDS, shutdown_grace_period=GRACE_SECONDS / 2)

    async def file(request: Request) -> Response:
        found = stage.file(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such page.", status_code=404)
        headers = {"etag": found.etag}
        if request.headers.get("if-none-match") == found.etag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)

    routes = [Route("/events", events, methods=["GET"]), Route("/{name:path}", file, methods=["GET"])]
    return Guard(Starlette(routes=routes), hosts)


class WebServer(uvicorn.Server):
    """Runs the application; open streams end with it instead of keeping it.

    Args:
        stage: What it serves.
        hosts: As for :func:`application`.
    """

    def __init__(self, stage: Stage, hosts: Collection[str]) -> None:
        super().__init__(
            uvicorn.Config(
                application(stage, hosts),
                log_level="warning",
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._stage = stage

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end, on a signal."""
        self._stage.close()
        super().handle_exit(sig, frame)


class Guard:
    """Answers only to known host names, and puts the security headers on every answer.

    A page of another site can make a browser ask any address, even by pointing its own name at this machine; then
    the ``Host`` header gives it away.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                kept = [(name, value) for name, value in message["headers"] if name.decode().lower() not in HEADERS]
                message = {**message, "headers": kept + own}
            await send(message)

        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1 or host_name(given[0]) not in self._hosts:
            refusal = PlainTextResponse(
                "This server does not answer to that name; finops serve --allow-host NAME adds one.", status_code=421
            )
            await refusal(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)


def host_name(header: str) -> str:
    """The name in a ``Host`` header, in lower case and without the port."""
    end = header.find("]")
    name = header[: end + 1] if header.startswith("[") and end > 0 else header.partition(":")[0]
    return name.lower().rstrip(".")


def _waiting(state: State) -> dict[str, bytes]:
    message = state.message or "The first reports are being made."
    return {"index.html": pages.render_waiting(message, state.hint).encode(), **pages.assets()}
