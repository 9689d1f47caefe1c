"""Locks that keep two processes from writing one file, or two runs from sharing one workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from .errors import StudyError
from .paths import Workspace


@contextmanager
def locked(workspace: Workspace, name: str, *, wait_s: float = 60.0) -> Iterator[None]:
    """Hold the lock ``name`` of a workspace; the operating system frees it if the process dies.

    Parameters
    ----------
    workspace : Workspace
        Its root receives the hidden file ``.<name>.lock``, which git ignores.
    name : str
        What is locked, for instance ``figures``.
    wait_s : float
        Seconds to wait for another holder; 0 gives up at once.

    Raises
    ------
    StudyError
        If another process still holds the lock after ``wait_s`` seconds.
    """
    workspace.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workspace.root / f".{name}.lock")
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise StudyError(
            f"Another run is using {workspace.root} (lock '{name}'): wait until it ends, or give "
            "this one its own folder with WORKSPACE=<folder>."
        ) from error
    try:
        yield
    finally:
        lock.release()
