"""One process at a time: locks that the operating system frees if their holder dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from busi_utils.errors import StudyError
from busi_utils.workspace import Workspace, refusals_told


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
    try:
        with lock_file(workspace.root / f".{name}.lock", wait_s):
            yield
    except Timeout as error:
        raise StudyError(
            f"Another run is using {workspace.root} (lock '{name}'): wait until it ends, or give "
            "this one its own folder with WORKSPACE=<folder>."
        ) from error


@contextmanager
def lock_file(path: Path, wait_s: float = -1) -> Iterator[None]:
    """Hold a lock file, made with its folder; a negative ``wait_s`` waits without end.

    Raises
    ------
    StudyError
        If the file cannot be made.
    filelock.Timeout
        If another process still holds it after ``wait_s`` seconds.
    """
    lock = FileLock(path)
    with refusals_told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=wait_s)
        except NotImplementedError as error:  # where files cannot be locked
            raise OSError(str(error)) from error
    try:
        yield
    finally:
        lock.release()
