"""The Jupyter kernels of a run: this interpreter, private sockets, output into a log."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from jupyter_client.manager import AsyncKernelManager
from traitlets.config import Config


def logged_kernel_manager(log: TextIO) -> type[AsyncKernelManager]:
    """Let what the kernel's process itself writes, such as TensorFlow's notes, go to the log."""

    class LoggedKernelManager(AsyncKernelManager):
        async def start_kernel(self, **options: Any) -> None:
            await super().start_kernel(stdout=log, stderr=log, **options)

    return LoggedKernelManager


@contextmanager
def own_kernel() -> Iterator[Config]:
    """Give kernels this interpreter, a private folder, and sockets in it instead of TCP ports.

    Two runs can then never meet on one port, and no kernel or start-up file that a user has
    installed elsewhere is taken. A socket's path may hold about 100 characters only, hence the
    short folder.
    """
    with tempfile.TemporaryDirectory(prefix="busi", ignore_cleanup_errors=True) as folder:
        kernel = Path(folder) / "kernels" / "python3"
        kernel.mkdir(parents=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
        (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        settings = {
            "JUPYTER_PATH": folder,
            "JUPYTER_RUNTIME_DIR": folder,
            "IPYTHONDIR": str(Path(folder) / "ipython"),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # figures go into outputs
            "OPENBLAS_NUM_THREADS": "1",  # small products: a second thread mostly waits, spinning
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # a debugger's warning, of no use here
        }
        former = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        try:
            posix = {"transport": "ipc", "ip": str(Path(folder) / "socket")}  # sockets' common stem
            yield Config(KernelManager=posix if os.name == "posix" else {"transport": "tcp"})
        finally:
            for name, value in former.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value
