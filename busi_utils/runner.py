"""Executes the notebooks in order; one line of progress per notebook and cell, a log for each."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from traitlets.config import Config

from .errors import StudyError
from .locks import locked
from .notebook_files import cell_titles, clean_notebook
from .parameters import bind, check_known, declared_parameters
from .paths import NOTEBOOKS, Workspace

CELL_TIMEOUT_S = 24 * 3600
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class CellFailure(Exception):
    """A notebook stopped at a cell; the text says which, where and why."""


@dataclass(frozen=True)
class Run:
    """What a run needs to know.

    Attributes
    ----------
    workspace : Workspace
        Receives ``report/notebooks_run/<notebook>.ipynb`` and ``.log``.
    values : Mapping
        Parameters from file and command line; each notebook gets those that it declares.
    where : str
        Where they came from, for messages.
    folder : Path
        Holds the notebooks, ``[0-9][0-9]_*.ipynb``.
    only : str
        Leading digits of the one notebook to run; empty: all.
    timeout_s : int
        Seconds that one cell may take.
    """

    workspace: Workspace
    values: Mapping[str, Any]
    where: str = "parameters"
    folder: Path = NOTEBOOKS
    only: str = ""
    timeout_s: int = CELL_TIMEOUT_S

    @property
    def executed(self) -> Path:
        return self.workspace.report / "notebooks_run"


def find_notebooks(folder: Path, only: str = "") -> list[Path]:
    """Return the study's notebooks in order, or the one whose name starts with ``only``.

    Raises
    ------
    StudyError
        If there is none.
    """
    every = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not every:
        raise StudyError(f"There are no notebooks in {folder}.")
    chosen = [path for path in every if path.name.startswith(only)]
    if len(chosen) != 1 and only:
        names = ", ".join(path.stem for path in every)
        raise StudyError(f"ONLY={only} names no single notebook; there are: {names}.")
    return chosen


def run_notebooks(run: Run, out: TextIO | None = None) -> list[Path]:
    """Execute the notebooks of a run, and return the executed copies.

    Parameters are checked against all notebooks first, so that nothing starts that cannot end.

    Parameters
    ----------
    run : Run
        What to execute.
    out : text stream, optional
        Receives the lines of progress; standard output if None.

    Raises
    ------
    StudyError
        A wrong parameter, or another run at work in the workspace.
    CellFailure
        A cell raised, timed out, or its kernel died; the half-run notebook is kept.
    """
    out = out or sys.stdout
    every = {path: declared_parameters(path) for path in find_notebooks(run.folder)}
    check_known(run.values, {name for one in every.values() for name in one}, run.where)
    bound = {path: bind(declared, run.values) for path, declared in every.items()}
    chosen = find_notebooks(run.folder, run.only)
    done = []
    with locked(run.workspace, "run", wait_s=0):
        for number, path in enumerate(chosen, start=1):
            print(f"[{number}/{len(chosen)}] {path.stem}", file=out, flush=True)
            changed = {k: v for k, v in bound[path].items() if v != every[path][k].default}
            done.append(_execute(path, changed, run, out))
    return done


def _execute(path: Path, parameters: dict[str, Any], run: Run, out: TextIO) -> Path:
    import papermill  # takes a second, which `--help` need not wait for

    target = run.executed / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    start = time.perf_counter()
    with open(target.with_suffix(".log"), "w", encoding="utf-8") as log, _short_runtime_folder():
        progress = _Progress(out, log)
        try:
            papermill.execute_notebook(
                path,
                target,
                parameters,
                kernel_name="python3",
                progress_bar=False,
                cwd=path.parent,
                execution_timeout=run.timeout_s,
                stdout_file=log,
                stderr_file=log,
                on_notebook_start=progress.begin,
                on_cell_execute=progress.start,
                on_cell_executed=progress.end,
                record_timing=False,
                config=_kernel_config(),
            )
        except papermill.PapermillExecutionError as error:
            raise _failure(path, progress, error, log, target) from None
        except (CellTimeoutError, DeadKernelError) as error:
            raise _failure(path, progress, error, log, target) from None
        finally:
            if target.exists():
                clean_notebook(target, run.workspace)
    seconds = time.perf_counter() - start
    print(f"      {path.stem} done in {seconds:.0f} s", file=out, flush=True)
    return target


class _Progress:
    """Prints one line for each code cell, under the title of the heading above it."""

    def __init__(self, out: TextIO, log: TextIO) -> None:
        self._out, self._log = out, log
        self._titles: list[str] = []
        self._order: dict[int, int] = {}
        self._start = 0.0
        self.place = "before its first cell"

    def begin(self, notebook: NotebookNode) -> None:
        self._titles = cell_titles(notebook)
        runs = [k for k, c in enumerate(notebook.cells) if c.cell_type == "code" and c.source]
        self._order = {index: number for number, index in enumerate(runs, start=1)}

    def start(self, cell: NotebookNode, cell_index: int) -> None:
        number = f"{self._order[cell_index]}/{len(self._order)}"
        self.place = f"in cell {number}, '{self._titles[cell_index]}'"
        self._start = time.perf_counter()
        print(f"\n--- cell {number}: {self._titles[cell_index]}", file=self._log, flush=True)

    def end(self, cell: NotebookNode, cell_index: int, execute_reply: Any) -> None:
        seconds = time.perf_counter() - self._start
        number = f"{self._order[cell_index]}/{len(self._order)}"
        line = f"{number:>7}  {seconds:6.1f} s  {self._titles[cell_index]}"
        print(line, file=self._out, flush=True)
        print(f"--- {seconds:.1f} s", file=self._log, flush=True)


def _failure(
    path: Path, progress: _Progress, error: Exception, log: TextIO, target: Path
) -> CellFailure:
    """Put place, traceback and the two files to look at into one message."""
    traceback = "\n".join(getattr(error, "traceback", None) or [str(error)])
    traceback = _ANSI.sub("", traceback).strip()
    print(traceback, file=log)
    name, value = getattr(error, "ename", ""), getattr(error, "evalue", "")
    if name == "StudyError":
        reason, traceback = value, ""
    elif isinstance(error, CellTimeoutError):
        reason, traceback = "the cell took longer than its time limit (TIMEOUT=<seconds>).", ""
    elif isinstance(error, DeadKernelError):
        reason, traceback = "the kernel died, most often for want of memory.", ""
    else:
        reason = f"{name}: {value}"
    text = f"{path.stem} failed {progress.place}: {reason}\nSee {target} and {log.name}."
    return CellFailure(f"{traceback}\n{text}" if traceback else text)


def _kernel_config() -> Config:
    """Let kernels talk over sockets in a folder: two runs can never meet on one TCP port."""
    transport = "ipc" if os.name == "posix" else "tcp"
    return Config({"KernelManager": {"transport": transport}})


@contextmanager
def _short_runtime_folder() -> Iterator[None]:
    """Keep the sockets in a fresh folder; a socket's path may hold about 100 characters only."""
    settings = {
        "JUPYTER_PREFER_ENV_PATH": "1",  # never a kernel of the same name from the home folder
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
    }
    with tempfile.TemporaryDirectory(prefix="busi", ignore_cleanup_errors=True) as folder:
        settings["JUPYTER_RUNTIME_DIR"] = folder
        former = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        try:
            yield
        finally:
            for name, value in former.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value
