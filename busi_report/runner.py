"""Executes the notebooks in order; one line of progress per notebook and cell, a log for each."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from busi_report.kernels import logged_kernel_manager, own_kernel
from busi_report.notebook_files import clean_notebook, machine_folders
from busi_report.parameters import bind, check_known, declared_parameters
from busi_report.progress import Progress
from busi_report.side_by_side import side_by_side
from busi_utils.errors import StudyError
from busi_utils.workspace import NOTEBOOKS, Workspace, refusals_told

CELL_TIMEOUT_S = 6 * 3600
_START_TIMEOUT_S = 300  # a kernel on a busy machine
_MESSAGE_TIMEOUT_S = 120  # the last outputs of a cell on a busy machine
_REFUSED = re.compile(r"\[Errno (?:13|28|30|122)\]")  # permission, space, read-only, quota
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class CellFailure(Exception):
    """A notebook stopped at a cell; the text says which, where and why."""


@dataclass(frozen=True)
class Run:
    """What a run needs to know.

    Attributes
    ----------
    workspace : Workspace
        Receives ``report/runs/<notebook>.ipynb`` and ``.log``.
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
    at_once : int
        Notebooks at a time; more than one only where none needs what another makes.
    """

    workspace: Workspace
    values: Mapping[str, Any]
    where: str = "parameters"
    folder: Path = NOTEBOOKS
    only: str = ""
    timeout_s: int = CELL_TIMEOUT_S
    at_once: int = 1

    @property
    def executed(self) -> Path:
        return self.workspace.report / "runs"


def find_notebooks(folder: Path, only: str = "") -> list[Path]:
    """Return the study's notebooks in order, or the one whose name starts with ``only``.

    Raises
    ------
    StudyError
        If there is none.
    """
    every = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not every:
        raise StudyError(f"There are no notebooks in {folder}: restore them.")
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
        Receives the lines of progress; standard output if None, and of notebooks side by side.

    Raises
    ------
    StudyError
        A wrong parameter.
    CellFailure
        A cell raised, timed out, or its kernel died; the half-run notebook is kept.
    """
    out = out or sys.stdout
    chosen = find_notebooks(run.folder, run.only)
    every = {path: declared_parameters(path) for path in find_notebooks(run.folder)}
    check_known(run.values, {name for one in every.values() for name in one}, run.where)
    bound = {path: bind(declared, run.values) for path, declared in every.items()}
    changed = {
        path: {k: v for k, v in bound[path].items() if v != every[path][k].default}
        for path in chosen
    }
    if run.at_once > 1 and len(chosen) > 1:
        jobs = [(_execute, (path, changed[path], run)) for path in chosen]
        return side_by_side(jobs, run.at_once)
    done = []
    for number, path in enumerate(chosen, start=1):
        print(f"[{number}/{len(chosen)}] {path.stem}", file=out, flush=True)
        done.append(_execute(path, changed[path], run, out))
    return done


def _execute(path: Path, parameters: dict[str, Any], run: Run, out: TextIO | None = None) -> Path:
    import papermill  # takes a second, which `--help` need not wait for

    target = run.executed / path.name
    logging.getLogger("papermill").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # what waits for a kernel may be left
    start, label = time.perf_counter(), "" if out else f"{path.stem[:2]} "
    out = out or sys.stdout
    with refusals_told(target), _log(target) as log, own_kernel() as config:
        progress = Progress(out, log, label)
        try:
            papermill.execute_notebook(
                path,
                target,
                parameters,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                cwd=path.parent,
                start_timeout=_START_TIMEOUT_S,
                execution_timeout=run.timeout_s,
                iopub_timeout=_MESSAGE_TIMEOUT_S,
                stdout_file=progress,
                stderr_file=log,
                on_notebook_start=progress.begin,
                on_cell_execute=progress.start,
                on_cell_executed=progress.end,
                record_timing=False,
                config=config,
                kernel_manager_class=logged_kernel_manager(log),
            )
        except (papermill.PapermillExecutionError, CellTimeoutError, DeadKernelError) as error:
            if getattr(error, "ename", "") == "KeyboardInterrupt":
                progress.stop("interrupted")
                raise KeyboardInterrupt from None
            progress.stop("failed")
            raise _failure(path, progress.place, error, log, target) from None
        except KeyboardInterrupt:
            progress.stop("interrupted")
            raise
        finally:
            # A disk that is full leaves half a notebook; what it broke is told, not that.
            with suppress(nbformat.reader.NotJSONError):
                if target.exists():
                    clean_notebook(target, machine_folders(run.workspace, parameters))
    print(
        f"{label or '      '}{path.stem} done in {time.perf_counter() - start:.0f} s",
        file=out,
        flush=True,
    )
    return target


def _log(target: Path) -> TextIO:
    target.parent.mkdir(parents=True, exist_ok=True)
    return open(target.with_suffix(".log"), "w", encoding="utf-8")


def _failure(path: Path, place: str, error: Exception, log: TextIO, target: Path) -> CellFailure:
    """Put place, traceback and the two files to look at into one message."""
    traceback = _ANSI.sub("", "\n".join(getattr(error, "traceback", None) or [str(error)])).strip()
    print(traceback, file=log)
    name, value = getattr(error, "ename", ""), getattr(error, "evalue", "")
    if name == "StudyError":
        reason, traceback = value, ""
    elif _REFUSED.match(value):
        reason, traceback = f"{value}: free space or permissions, then run again.", ""
    elif isinstance(error, CellTimeoutError):
        reason, traceback = "the cell took longer than its time limit (TIMEOUT=<seconds>).", ""
    elif isinstance(error, DeadKernelError):
        reason, traceback = "the kernel died, most often for want of memory.", ""
    else:
        reason = f"{name}: {value}"
    text = f"{path.stem} failed {place}: {reason}\nSee {target} and {log.name}."
    return CellFailure(f"{traceback}\n{text}" if traceback else text)
