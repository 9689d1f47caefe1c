"""The Jupyter kernels of a run: this interpreter, private sockets, output into a log."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from filelock import Timeout
from jupyter_client.manager import AsyncKernelManager
from traitlets.config import Config

from busi_utils.errors import StudyError
from busi_utils.locks import lock_file
from busi_utils.workspace import REPOSITORY, write_json

_PREFIX, _LOCK = "busi-kernel-", "alive.lock"
_YOUNG_S = 60  # a folder may not have its lock yet
_LONGEST = 65  # bytes before a private folder's own name and a socket's


def logged_kernel_manager(log: TextIO) -> type[AsyncKernelManager]:
    """Let what the kernel's process itself writes, such as TensorFlow's notes, go to the log."""

    class LoggedKernelManager(AsyncKernelManager):
        async def start_kernel(self, **options: Any) -> None:
            await super().start_kernel(stdout=log, stderr=log, **options)

    return LoggedKernelManager


def _short_place() -> str:
    """Return the folder of temporary files, or a shorter one: a socket's path holds 104 bytes."""
    place = tempfile.gettempdir()
    if os.name == "posix" and len(os.fsencode(place)) > _LONGEST:
        if not os.access("/tmp", os.W_OK):
            raise StudyError(
                f"TMPDIR={place} is too long for the sockets of a kernel: name a folder of at most "
                f"{_LONGEST} bytes."
            )
        return "/tmp"
    return place


def _sweep(place: str) -> None:
    """Remove the private folders of runs that were killed: nobody holds their locks."""
    for folder in Path(place).glob(f"{_PREFIX}*"):
        with suppress(Timeout, StudyError, OSError):
            if time.time() - folder.stat().st_mtime > _YOUNG_S:
                with lock_file(folder / _LOCK, wait_s=0):
                    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_kernel() -> Iterator[Config]:
    """Give kernels this interpreter, a private folder, and sockets in it instead of TCP ports.

    Two runs can then never meet on one port, and no kernel or start-up file that a user has
    installed elsewhere is taken. What a killed run left there goes with the next.
    """
    place = _short_place()
    _sweep(place)
    private = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place, ignore_cleanup_errors=True)
    with private as folder, lock_file(Path(folder) / _LOCK):
        kernel = Path(folder) / "kernels" / "python3"
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
        write_json(kernel / "kernel.json", spec)  # a full disk is told of this place
        former_path = os.environ.get("PYTHONPATH")
        settings = {
            "JUPYTER_PATH": folder,
            "JUPYTER_RUNTIME_DIR": folder,
            "IPYTHONDIR": str(Path(folder) / "ipython"),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # figures go into outputs
            "OPENBLAS_NUM_THREADS": "1",  # small products: a second thread mostly waits, spinning
            "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), former_path])),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # a debugger's warning, of no use here
        }
        former = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        try:
            posix = {"transport": "ipc", "ip": str(Path(folder) / "socket")}  # sockets' common stem
            connection = {"connection_file": str(Path(folder) / "connection.json")}
            yield Config(KernelManager=connection | (posix if os.name == "posix" else {}))
        finally:
            for name, value in former.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value
