"""Run a study's jobs on a Dask cluster whose workers share the study's folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from multiprocessing import current_process
from typing import TYPE_CHECKING

from busi_utils.errors import StudyError
from busi_utils.study.cells import Cell

if TYPE_CHECKING:
    from busi_utils.study.study import Study

_PATIENCE = "15s"  # to reach the scheduler


def run_on_cluster(
    run_job: Callable[[Study, list[Cell]], None],
    study: Study,
    work: list[list[Cell]],
    scheduler: str,
) -> Iterator[list[Cell]]:
    """Run jobs on a cluster; yield each when it is done.

    If a worker dies, Dask gives its jobs to another; cells that were finished are not trained
    again, since a job asks first which of its cells are missing.

    Parameters
    ----------
    run_job : callable
        Trains the cells of one job; runs on a worker, in a process of its own.
    study : Study
        Its folders must have the same paths on every worker.
    work : list of list of Cell
        Jobs.
    scheduler : str
        Address, for instance ``tcp://127.0.0.1:8786`` or, between machines, ``tls://host:8786``.

    Raises
    ------
    StudyError
        If no scheduler answers, it has no workers, or a job kills one worker after the other.
    """
    from distributed import Client, KilledWorker, as_completed

    try:
        client = Client(scheduler, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise StudyError(
            f"No Dask scheduler answers at '{scheduler}': start one as the README says, then pass "
            "SCHEDULER=tcp://127.0.0.1:8786, or tls://<host>:8786 of another machine."
        ) from error
    except TypeError as error:  # no certificate is configured
        raise StudyError(
            f"{scheduler} asks for TLS and no certificate is known: set DASK_CONFIG to the folder "
            "of its key, as the README says."
        ) from error
    with client:
        if not client.scheduler_info()["workers"]:
            raise StudyError(
                f"The scheduler at {scheduler} has no workers: start some with "
                f"'dask worker {scheduler} --nthreads 1 --no-nanny' and what the README adds."
            )
        # A result may differ in time and place: pure=False has each call computed.
        futures = {client.submit(_on_worker, run_job, study, job, pure=False): job for job in work}
        for future in as_completed(futures):
            try:
                future.result()
            except KilledWorker as error:
                raise StudyError(
                    f"Workers died while training {futures[future][0]} (often for want of "
                    "memory): give them more, then run again; finished cells are kept."
                ) from error
            yield futures[future]


def _on_worker(run_job: Callable[[Study, list[Cell]], None], study: Study, job: list[Cell]) -> None:
    """Run a job in a process of its own.

    Its memory returns, and Dask's threads cannot draw from the random numbers that networks are
    initialised with.
    """
    from busi_utils.study.execution import run_alone

    if current_process().daemon:
        raise StudyError(
            "This Dask worker may not start processes: start it with 'dask worker ... --no-nanny'."
        )
    run_alone(run_job, study, job)
