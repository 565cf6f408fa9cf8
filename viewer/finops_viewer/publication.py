"""A publication on disk: all files or none of them.

The files of a publication are written beside their places, synced, and listed in a journal (the coming
manifest). Only then are they renamed into place, the manifest last. What a kill leaves behind is settled by the
next one who takes the lock: with a journal the renaming is finished, without one the leftovers are removed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from finops_core.errors import FinopsError

MANIFEST = "manifest.json"
JOURNAL = ".manifest.next.json"
LOCK = ".publish.lock"
NEW = ".new"
LOCK_SECONDS = 60.0


@contextmanager
def publishing(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, with leftovers of an interrupted publication settled.

    Raises:
        FinopsError: The directory cannot be written, or another process has been publishing for a minute.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / LOCK, timeout=LOCK_SECONDS):
            _settle(directory)
            yield
    except Timeout as e:
        raise FinopsError(
            f"another process has been publishing to {directory} for {LOCK_SECONDS:.0f} s",
            hint="Wait for it to end, or name another directory with --reports.",
        ) from e
    except OSError as e:
        raise FinopsError(
            f"cannot publish to {directory}: {e.strerror or e}", hint="Name a writable directory with --reports."
        ) from e


def write(directory: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    """Replace the publication; call it inside :func:`publishing`.

    Args:
        directory: Where the files go.
        files: Contents by name; a name may lie in one folder, such as ``assets/viewer.css``.
        manifest: What the manifest says beside the files and their SHA-256.
    """
    before = read_manifest(directory) or {}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    for name, content in files.items():
        place = directory / name
        if before.get("files", {}).get(name) == sums[name] and place.is_file() and place.read_bytes() == content:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        _write_synced(_beside(place), content)
    text = json.dumps({**manifest, "files": sums}, indent=2, ensure_ascii=False).encode()
    _write_synced(_beside(directory / JOURNAL), text)
    _beside(directory / JOURNAL).replace(directory / JOURNAL)
    _sync_folder(directory)
    _settle(directory)
    for gone in sorted(set(before.get("files", {})) - set(sums)):
        if _is_inside(gone):
            (directory / gone).unlink(missing_ok=True)


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """The manifest of the publication that is in place; ``None`` if there is none, or it cannot be understood."""
    try:
        manifest = json.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and isinstance(manifest.get("files"), dict) else None


def read_files(directory: Path, manifest: Mapping[str, Any]) -> dict[str, bytes] | None:
    """The files that a manifest lists, by name; ``None`` if one of them is not what the manifest says.

    Links are not followed: they could lead out of the directory.
    """
    files = {}
    for name, checksum in manifest["files"].items():
        content = _regular(directory / name) if _is_inside(name) else None
        if content is None or hashlib.sha256(content).hexdigest() != checksum:
            return None
        files[name] = content
    return files


def _regular(path: Path) -> bytes | None:
    if path.parent.is_symlink():
        return None
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            return file.read()
    return None


def _settle(directory: Path) -> None:
    """Finish what a journal lists, or remove what was written without one."""
    journal = directory / JOURNAL
    if journal.is_file():
        for name in json.loads(journal.read_bytes())["files"]:
            place = directory / name
            if _beside(place).is_file():
                _beside(place).replace(place)
                _sync_folder(place.parent)
        journal.replace(directory / MANIFEST)
        _sync_folder(directory)
    else:
        for pattern in (f".*{NEW}", f"*/.*{NEW}"):
            for leftover in directory.glob(pattern):
                leftover.unlink(missing_ok=True)


def _is_inside(name: str) -> bool:
    """Whether a manifest's name stays in the directory; a manifest that was tampered with must not delete others."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _beside(place: Path) -> Path:
    return place.with_name(f".{place.name}{NEW}")


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder, and renames are durable there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
