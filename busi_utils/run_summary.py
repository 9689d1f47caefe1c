"""What the training of a data set took, from its run records."""

from __future__ import annotations

import json
from typing import Any

from .paths import Workspace
from .recipes import RECIPES


def training_summary(dataset: str, workspace: Workspace) -> dict[str, Any]:
    """Summarise the run records of every network trained on a data set, for the report.

    Returns
    -------
    dict
        ``cells`` (networks trained), ``minutes`` (sum over cells, frozen parts included), and as
        comma-separated text ``processors``, ``inits`` and the versions ``python``, ``tensorflow``,
        ``keras``. Empty if nothing has been trained.
    """
    paths = sorted((workspace.predictions / dataset).glob("*/*/*/seed*_fold*.json"))
    every_record = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    records = [r for r in every_record if r["recipe"] in RECIPES]
    if not records:
        return {}

    def every(values: Any) -> str:
        return ", ".join(sorted({str(value) for value in values}))

    return {
        "cells": len(records),
        "minutes": sum(r["seconds"] + r["seconds_frozen_part"] for r in records) / 60,
        "processors": every(record["processor"] for record in records),
        "inits": every(record["init"] for record in records),
        "python": every(record["python"] for record in records),
        "tensorflow": every(record["versions"]["tensorflow"] for record in records),
        "keras": every(record["versions"]["keras"] for record in records),
    }
