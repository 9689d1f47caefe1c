"""Metrics, tables and verdicts reach their files whole, or not at all."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from busi_utils.errors import StudyError
from busi_utils.record.numbers import (
    read_metrics,
    read_table,
    read_verdicts,
    record_metrics,
    record_verdict,
    save_table,
    significant,
)
from busi_utils.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def test_sections_are_merged_and_replaced_whole(workspace):
    record_metrics("audit", {"images": np.int64(780), "share": np.float64(0.25)}, workspace)
    record_metrics("baseline", {"ci": np.array([0.1, 0.2]), "old": 1}, workspace)
    record_metrics("baseline", {"ci": (0.3, 0.4)}, workspace)
    stored = json.loads(workspace.metrics.read_text())
    assert stored == {"audit": {"images": 780, "share": 0.25}, "baseline": {"ci": [0.3, 0.4]}}
    assert type(stored["audit"]["images"]) is int


@pytest.mark.parametrize(
    "bad", [float("nan"), np.inf, None, {1: 2}, {"a": [None]}, object(), {"x"}]
)
def test_what_is_not_plain_is_refused_and_the_old_file_kept(workspace, bad):
    record_metrics("audit", {"images": 780}, workspace)
    before = workspace.metrics.read_bytes()
    with pytest.raises(StudyError, match="baseline"):
        record_metrics("baseline", {"deep": {"value": bad}}, workspace)
    assert workspace.metrics.read_bytes() == before


def test_null_with_a_reason_is_kept(workspace):
    record_metrics("audit", {"auc": {"value": None, "reason": "one class only"}}, workspace)
    assert read_metrics(workspace)["audit"]["auc"]["value"] is None


def test_concurrent_writers_lose_nothing(workspace):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: record_metrics(f"s{k}", {"k": k}, workspace), range(24)))
    assert read_metrics(workspace) == {f"s{k}": {"k": k} for k in range(24)}


def test_tables_come_back_equal(workspace):
    frame = pd.DataFrame({"model": ["a", "NA"], "acc": [0.1, 1 / 3], "n": [1, 2]})
    save_table("models", frame, workspace)
    pd.testing.assert_frame_equal(read_table("models", workspace), frame, check_dtype=False)
    with pytest.raises(StudyError, match="no rows"):
        save_table("empty", frame.iloc[:0], workspace)
    with pytest.raises(StudyError, match="run its notebook"):
        read_table("absent", workspace)


def test_floats_keep_twelve_digits_and_all_else_is_untouched(workspace):
    assert [significant(x) for x in (0.1 + 0.2, 2 / 3e11, 123456.7890123)] == [
        0.3,
        6.66666666667e-12,
        123456.789012,
    ]
    assert str(significant(-0.0)) == "0.0"
    assert significant(1e-17) == 1e-17  # a p-value may be as small
    for value in (7, 2**60 + 1, True, "0.30000000000000004", None, pd.NA):
        assert significant(value) is value
    assert np.isnan(significant(np.nan))

    frame = pd.DataFrame(
        {
            "n": [2**60 + 1, 2],
            "kept": [True, False],
            "value": [0.1 + 0.2, np.nan],
            "mixed": ["0.30000000000000004", 1 - 0.9],
            "none": [None, -0.0],
        }
    )
    save_table("digits", frame, workspace)
    lines = (workspace.tables / "digits.csv").read_text().splitlines()
    assert lines[1:] == [f"{2**60 + 1},True,0.3,0.30000000000000004,", "2,False,,0.1,0.0"]
    record_metrics("digits", {"x": [np.float32(0.1), 0.1 + 0.2], "n": 3}, workspace)
    assert read_metrics(workspace)["digits"] == {"x": [0.10000000149, 0.3], "n": 3}


def test_verdicts_are_replaced_and_in_order_of_claim(workspace):
    record_verdict("C10", "future", "measured", "confirmed", workspace)
    record_verdict("C2b", "shallow", "depth 105 against 81", "unverifiable", workspace)
    record_verdict("C2b", "shallow", "depth 105 against 81", "refuted", workspace)
    table = read_verdicts(workspace)
    assert table["claim_id"].tolist() == ["C2b", "C10"]
    assert table["verdict"].tolist() == ["refuted", "confirmed"]
    with pytest.raises(StudyError, match="none of"):
        record_verdict("C1", "x", "y", "maybe", workspace)
