"""The study on a Dask cluster: a real scheduler and two workers on the loopback interface."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys

import dask
import distributed
import psutil
import pytest

from busi_utils.errors import StudyError
from busi_utils.recipes import RECIPES
from busi_utils.study.cells import grid
from busi_utils.study.execution import run_missing
from busi_utils.study.study import Study
from busi_utils.workspace import REPOSITORY

pytestmark = pytest.mark.slow

CELLS = grid("phantom", ["clean"], ["small"], ["short"], [0], range(3))


@pytest.fixture(scope="module")
def one_thread():
    """TensorFlow's results depend on the division of its sums among threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_NUM_INTRAOP_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def cluster(one_thread):
    with (
        dask.config.set({"distributed.worker.daemon": False}),  # as 'dask worker --no-nanny' is
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def studies(short_study) -> list[Study]:
    """The same data in two workspaces."""
    return [short_study(), short_study()]


def test_a_killed_worker_changes_no_prediction_and_nothing_is_written_twice(cluster, studies):
    ours, theirs = studies
    client = distributed.Client(cluster)
    pids = client.run(os.getpid)
    written: dict[str, int] = {}

    def after_each(line: str) -> None:
        if line.startswith("1/3"):  # two cells are under way or waiting
            first = next(cell for cell in CELLS if cell.record(ours.workspace).exists())
            written[str(first)] = first.record(ours.workspace).stat().st_mtime_ns
            os.kill(next(iter(pids.values())), signal.SIGKILL)

    assert run_missing(ours, CELLS, say=after_each, scheduler=cluster.scheduler_address) == 3
    assert run_missing(theirs, CELLS[1:], jobs=2, say=lambda line: None) == 2
    for cell in CELLS[1:]:
        a, b = (cell.predictions(study.workspace).read_bytes() for study in studies)
        assert a == b
        record = json.loads(cell.record(ours.workspace).read_text())
        assert record["epochs_run"] == len(record["history"]) == RECIPES["short"].epochs
    finished = next(cell for cell in CELLS if str(cell) in written)
    assert finished.record(ours.workspace).stat().st_mtime_ns == written[str(finished)]
    assert run_missing(ours, CELLS, say=lambda line: None, scheduler="tcp://nowhere:1") == 0


def test_a_scheduler_that_does_not_answer_is_told(studies, monkeypatch):
    monkeypatch.setattr("busi_utils.study.cluster._PATIENCE", "1s")
    other = grid("phantom", ["clean"], ["small"], ["short"], [7], [0])
    with pytest.raises(StudyError, match="No Dask scheduler answers"):
        run_missing(studies[0], other, say=lambda line: None, scheduler="tcp://127.0.0.1:9")


def test_what_the_readme_starts_listens_on_the_loopback_only():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\.venv/bin/dask (\w+)(.*)$", readme, flags=re.MULTILINE)
    first = {name: shlex.split(rest) for name, rest in reversed(lines)}
    for _, rest in lines:
        assert "--no-dashboard --dashboard-address 127.0.0.1:0" in rest
        assert "tls" in rest or "--host 127.0.0.1" in rest
    port, started, quiet = str(_free_port()), [], subprocess.DEVNULL
    try:
        for name, entry in (("scheduler", "dask_scheduler"), ("worker", "dask_worker")):
            rest = [word.replace("8786", port) for word in first[name]]
            rest += ["--port", port] if name == "scheduler" else []
            command = [sys.executable, "-m", f"distributed.cli.{entry}", *rest]
            started.append(subprocess.Popen(command, stdout=quiet, stderr=quiet))
        with distributed.Client(f"tcp://127.0.0.1:{port}", timeout="60s") as client:
            client.wait_for_workers(1, timeout=60)
            listening = [
                connection.laddr.ip
                for process in started
                for connection in psutil.Process(process.pid).net_connections()
                if connection.status == psutil.CONN_LISTEN
            ]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert len(listening) == 4  # each its own door and that of its measurements
    assert set(listening) == {"127.0.0.1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_tls_without_a_certificate_is_told(studies):
    other = grid("phantom", ["clean"], ["small"], ["short"], [7], [0])
    with pytest.raises(StudyError, match="set DASK_CONFIG"):
        run_missing(studies[0], other, say=lambda line: None, scheduler="tls://127.0.0.1:9")
