"""Time the fast ways against the ordinary ones: ``python -m benchmarks [NAME ...]``.

Each benchmark returns a table of times side by side, taken in one run.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before anything imports TensorFlow

import pandas as pd

from benchmarks.statistics import bench_statistics
from benchmarks.training import bench_fine_tuning, bench_head_training
from busi_utils.analysis.costs import model_costs
from busi_utils.errors import StudyError, require_tensorflow, told
from busi_utils.models import MODELS
from busi_utils.record.numbers import record_metrics, save_table
from busi_utils.workspace import workspace_for

SMALL = ["mobilenetv2", "mobilenetv2_05", "mobilenetv2_035", "mobilenetv4_small"]
"""Networks that are also trained on smaller images."""
BENCHES: dict[str, Callable[[], pd.DataFrame]] = {
    "statistics": bench_statistics,
    "head_training": bench_head_training,
    "fine_tuning": bench_fine_tuning,
    "costs": lambda: pd.concat(
        [model_costs(list(MODELS), 224), *(model_costs(SMALL, size) for size in (160, 128, 64))]
    ),
}


def main() -> int:
    """Run the named benchmarks, or all; return 2 if there is none of a name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="benchmarks; none: all")
    parser.add_argument("--workspace", default="", help="folder that receives the tables")
    return told(lambda: _run(parser.parse_args()))


def _run(arguments: argparse.Namespace) -> None:
    for name in arguments.names:
        if name not in BENCHES:
            known = ", ".join(BENCHES)
            raise StudyError(f"There is no benchmark '{name}'; there are: {known}.")
    require_tensorflow("A benchmark")
    workspace = workspace_for("busi", arguments.workspace)
    for name in arguments.names or BENCHES:
        table = BENCHES[name]()
        save_table(f"bench_{name}", table, workspace)
        rows = [row.dropna().to_dict() for _, row in table.iterrows()]
        record_metrics(f"bench_{name}", {"rows": rows}, workspace)
        print(f"\n{name}\n{table.to_string(index=False)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
