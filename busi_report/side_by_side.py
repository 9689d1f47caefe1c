"""Runs a few jobs at a time, each in a process of its own; all end with the first that fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any

from busi_utils.errors import StudyError
from busi_utils.study.execution import end_with_parent

Job = tuple[Callable[..., Any], tuple[Any, ...]]
"""A module's function and its arguments."""


_GRACE_S = 2


def side_by_side(jobs: Sequence[Job], at_once: int) -> list[Any]:
    """Return the jobs' results in order; jobs start in order, ``at_once`` of them at a time.

    Raises
    ------
    Exception
        What the first job to fail has raised; the others are interrupted as by Ctrl-C.
    """
    context, results = get_context("spawn"), [None] * len(jobs)
    waiting, running = list(enumerate(jobs)), {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                number, job = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(*job, theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours] = number, process
            for ready in wait(list(running)):
                number, process = running.pop(ready)
                results[number] = _result(ready, process)
    finally:
        for _, process in running.values():
            process.join(timeout=_GRACE_S)  # Ctrl-C in a terminal has reached it already
            if process.is_alive():
                os.kill(process.pid, signal.SIGINT)
        for _, process in running.values():
            process.join()
    return results


def _work(function: Callable[..., Any], arguments: tuple[Any, ...], answer: Connection) -> None:
    Thread(target=end_with_parent, daemon=True).start()
    try:
        answer.send((function(*arguments), None))
    except (Exception, KeyboardInterrupt) as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is ending
        answer.send((None, error))


def _result(answer: Connection, process: BaseProcess) -> Any:
    try:
        value, error = answer.recv()
    except EOFError:
        raise StudyError(
            "A notebook's process was killed, most often for want of memory: close what is not "
            "needed and run again."
        ) from None
    finally:
        process.join()
    if error is not None:
        raise error
    return value
