"""Run the cells that are missing, each job in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from pathlib import Path
from threading import Thread
from typing import Any

from busi_utils.errors import StudyError, require_tensorflow
from busi_utils.locks import locked
from busi_utils.models import backbone_of
from busi_utils.recipes import ONE_TRAINING, recipe_of, settings_of
from busi_utils.study.cells import Cell, grid
from busi_utils.study.cluster import run_on_cluster
from busi_utils.study.inputs import require_masks, require_start, rest_of_rows
from busi_utils.study.study import Study, duration, jobs_of, plan


def run_missing(
    study: Study,
    cells: Sequence[Cell],
    jobs: int = 1,
    say: Callable[[str], None] = print,
    scheduler: str = "",
) -> int:
    """Train every cell that has no up-to-date result; return how many that were.

    What is there is left alone. A run that is interrupted, even killed, goes on where it stopped:
    finished cells are kept, the cell in hand resumes after its last whole epoch.

    Parameters
    ----------
    study : Study
        Data, weights and workspace.
    cells : sequence of Cell
        What is wanted.
    jobs : int
        Processes at a time; the cores are shared among them.
    say : callable
        Receives the plan, then one line per finished job, with the time left.
    scheduler : str
        Address of a Dask scheduler whose workers train; empty: processes of this machine.

    Raises
    ------
    StudyError
        If data or weights are missing, another run trains in this workspace, or a process dies;
        see also `cluster.run_on_cluster`.
    """
    if any(settings_of(cell.recipe).get("mask_weight") for cell in cells):
        require_masks(study)
    todo = study.missing(cells)
    say(f"{len(cells)} cells wanted, {len(cells) - len(todo)} there, {len(todo)} to train")
    if not todo:
        return 0
    require_tensorflow(f"Training {len(todo)} cells, the first of them {todo[0]},")
    for line in plan(todo, jobs, study.dataset, study.workspace):
        say(line)
    study.require_images(todo[0])  # before weights are downloaded for them
    with locked(study.workspace, "study", wait_s=0):
        run_alone(_find_weights, study, todo)
        work = jobs_of(todo)
        done = (
            run_on_cluster(_train, study, work, scheduler)
            if scheduler
            else _run_here(study, work, jobs)
        )
        _tell(done, len(todo), say)
    return len(todo)


def run_rows(
    study: Study,
    rows: Mapping[tuple[str, str, str], Sequence[int]],
    jobs: int = 1,
    say: Callable[[str], None] = print,
) -> int:
    """Train what is missing of rows ``(cohort, model, recipe)``, all folds of the seeds named.

    See `run_missing`.
    """
    cells = []
    for row, seeds in rows.items():
        cells += grid(study.dataset, *([name] for name in row), seeds)
    return run_missing(study, cells, jobs, say)


def _find_weights(study: Study, cells: Sequence[Cell]) -> None:
    """Stop before anything starts if weights lack or are not those of the rest of a row; make
    those that can be made only once.
    """
    for model, recipe in sorted({(cell.model, cell.recipe) for cell in cells}):
        initial = study.initial_weights(backbone_of(model), recipe_of(recipe))
        same = [c for c in cells if (c.model, c.recipe) == (model, recipe)]
        require_start(study, rest_of_rows(study, same), initial)


def _tell(done: Iterable[list[Cell]], cells_all: int, say: Callable[[str], None]) -> None:
    """Report each finished job and the time left."""
    started, cells_done = time.perf_counter(), 0
    for job in done:
        cells_done += len(job)
        seconds = time.perf_counter() - started
        left = seconds / cells_done * (cells_all - cells_done)
        say(f"{cells_done}/{cells_all} {job[-1]}: {duration(left)} left")


def _run_here(study: Study, work: list[list[Cell]], jobs: int) -> Iterator[list[Cell]]:
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # One job a process: its memory returns.
    pool = ProcessPoolExecutor(
        jobs, mp_context=_context(), initializer=_start_process, max_tasks_per_child=1
    )
    try:
        with _deaths_told():
            futures = {pool.submit(_train_with, threads, study, job): job for job in work}
            for future in as_completed(futures):
                future.result()
                yield futures[future]
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _deaths_told() -> Iterator[None]:
    """Say so if a training process, or the server that forks them, was killed."""
    try:
        yield
    except (BrokenProcessPool, EOFError, ConnectionError) as error:
        raise StudyError(
            "A training process was killed (often for want of memory): run again with fewer jobs; "
            "finished cells are kept and the one in hand resumes after its last epoch."
        ) from error


def run_alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a module's function in a process of its own, with TensorFlow, and return its result."""
    require_tensorflow(f"{function.__module__}.{function.__name__.lstrip('_')}")
    pool = ProcessPoolExecutor(1, mp_context=_context(), initializer=_start_process)
    with _deaths_told(), pool:
        return pool.submit(function, *arguments).result()


def _context() -> BaseContext:
    """Fork from a server that has imported TensorFlow and done nothing with it: seconds a job.

    A process that has used TensorFlow, or whose driver holds a GPU, does not survive a fork.
    """
    if "forkserver" not in get_all_start_methods() or Path("/dev/nvidia0").exists():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.training_process"])
    return context


def _start_process() -> None:
    """End with the parent, even if it is killed; import TensorFlow if no server has."""
    Thread(target=end_with_parent, daemon=True).start()
    from busi_utils.study import training_process  # noqa: F401


def end_with_parent() -> None:
    """Wait for the parent's end, then end too: to be called in a thread of a child process."""
    wait([parent_process().sentinel])
    os._exit(1)  # an orphan would go on training beside the run that follows


def _train_with(threads: int, study: Study, cells: list[Cell]) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    _train(study, cells)


def _train(study: Study, cells: list[Cell]) -> None:
    from busi_utils.study.average_readings import AverageReadings
    from busi_utils.study.cell_training import run_cell

    todo = study.missing(cells)  # a job that is run again may find some of them done
    if len(todo) > 1 and todo[0].recipe in ONE_TRAINING:
        AverageReadings(study, todo[0]).run()
        return
    for cell in todo:
        run_cell(study, cell)
