"""Times of deployed networks: what is timed, how often, in which order, and what is kept of it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from busi_utils.deploy import latency, tables, timing
from busi_utils.deploy.prediction import NETWORK, RELEASE
from busi_utils.errors import StudyError
from busi_utils.kept import keep_table, read_kept

FILES = ("deployed.keras", "h5.h5", "onnx_fp32.onnx", "onnx_int8.onnx", "litert_fp16.tflite")


@pytest.fixture
def timed(tmp_path, monkeypatch):
    """Names of two networks' files, and a machine of two cores."""
    for network in (latency.MAIN, "mobilenetv2_05/scratch-distilled"):
        for name in FILES:
            path = tmp_path / network / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    monkeypatch.setattr(tables, "TIMED", tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def test_every_way_is_a_job_and_the_released_file_is_one(timed):
    jobs = latency.jobs()
    names = [tuple(job[key] for key in latency._NAMES) for job in jobs]
    assert len(set(names)) == len(names)
    main = [name[2:] for name in names if name[0] == "mobilenetv2"]
    assert ("ONNX Runtime", "onnx_fp32", 32, 2) in main
    assert ("LiteRT", "litert_fp16", 1, 2) in main
    assert ("LiteRT", "litert_fp16", 32, 1) not in main  # its file takes one image
    assert (timing.RELEASED, Path(NETWORK).stem, 1, 1) in main
    other = [name[2:] for name in names if name[0] == "mobilenetv2_05"]
    assert sorted(other) == [
        ("LiteRT", "litert_fp16", 1, 1),
        ("ONNX Runtime", "onnx_fp32", 1, 1),
        ("ONNX Runtime", "onnx_int8", 1, 1),
    ]


def test_without_files_nothing_is_timed(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "TIMED", tmp_path)
    with pytest.raises(StudyError, match="make deployment"):
        latency.jobs()


def test_files_half_written_when_the_disk_was_full_are_not_timed(timed):
    (tables.TIMED / "mobilenetv2_05" / "scratch-distilled" / tables.LAST).unlink()
    with pytest.raises(StudyError, match=r"scratch-distilled is missing or not whole: run 'make"):
        latency.jobs()


def test_ways_take_turns_and_the_order_changes(timed, tmp_path, monkeypatch):
    asked = []

    def process(job):
        asked.append((job["model"], job["runtime"], job["format"], job["batch"], job["threads"]))
        number = len(asked)
        return {"milliseconds": [float(number)] * job["calls"], "peak_mb": number / 2}

    monkeypatch.setattr(latency, "_in_a_process", process)
    table = latency.measured()
    single = [name for name in asked if name[3] == 1]
    first, second, third = np.split(np.array(single), latency.ROUNDS)
    assert (second == first[::-1]).all()
    assert (third == first).all()
    assert len(set(asked)) == len(table) == len(asked) - 2 * len(first)  # batches: one round
    path = tmp_path / "latency.csv"
    keep_table(path, table, float_format="%.5g")
    kept = read_kept(path, tables.FORMS["latency"])
    tells = kept["p95_ms"].notna()
    assert (kept.loc[tells, "repeats"] >= latency.TAIL).all()
    assert (tells == ((kept["batch"] == 1) & (kept["model"] == "mobilenetv2"))).all()
    in_rounds = kept["batch"] == 1
    assert (kept["p50_low_ms"] <= kept["p50_ms"])[in_rounds].all()
    assert kept.loc[~in_rounds, ["p50_low_ms", "p50_high_ms"]].isna().all(axis=None)


def test_a_summary_tells_all_calls_and_the_spread_between_rounds():
    rounds = [{"milliseconds": [k] * 40, "peak_mb": peak} for k, peak in ((1, 5), (9, 8), (2, 7))]
    told = latency.summary(rounds)
    assert (told["repeats"], told["p50_ms"], told["p95_ms"]) == (120, 2, 9)
    assert (told["p50_low_ms"], told["p50_high_ms"], told["peak_mb"]) == (1, 9, 8)
    told = latency.summary([{"milliseconds": [1.0] * 99, "peak_mb": None}])
    assert np.isnan([told["p95_ms"], told["peak_mb"]]).all()


def test_the_peak_is_that_of_the_job_alone(monkeypatch):
    earlier = np.ones(30_000_000)  # 240 MB that the job has nothing to do with
    del earlier

    def job(megabytes):
        def ask(grey):
            return len(np.ones(megabytes * 125_000))

        monkeypatch.setattr(timing, "_loader", lambda job: lambda: (ask, (4, 4, 1)))
        return timing.run_job({"batch": 1, "calls": 2})

    monkeypatch.setattr(timing, "_SECONDS", 0)
    if timing._resident() is None:
        pytest.skip("this system does not forget a peak")
    assert len(job(80)["milliseconds"]) == 2
    assert job(80)["peak_mb"] == pytest.approx(80, abs=15)
    # Not that of the job before; below 32 MB the allocator may answer from what it kept of it.
    assert job(40)["peak_mb"] == pytest.approx(40, abs=15)
    monkeypatch.setattr(timing, "_resident", lambda: None)
    assert job(20)["peak_mb"] is None


@pytest.mark.slow
def test_the_released_file_is_timed_in_a_process_about_a_whole_frame():
    file = str(RELEASE / NETWORK)
    names = ("mobilenetv2", "tuned", timing.RELEASED, Path(NETWORK).stem, 1, 1)
    job = dict(zip(latency._NAMES, names, strict=True)) | {"file": file, "calls": 2}
    found = latency._in_a_process(job)
    assert len(found["milliseconds"]) >= 2
    assert min(found["milliseconds"]) > 0
    assert json.loads(json.dumps(found)) == found
    with pytest.raises(StudyError, match=r"mobilenetv2, tuned.*could not be timed"):
        latency._in_a_process(job | {"file": file + ".none"})
