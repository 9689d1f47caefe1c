"""The commands that export, time and release networks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from busi_report.options import place_options
from busi_utils.errors import require_tensorflow

if TYPE_CHECKING:
    from busi_utils.study.study import Study


def deployment_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the parser's commands."""
    for name, call, words in (
        ("deployment", _deployment, "bytes and answers of the networks in every format"),
        ("latency", _latency, "time them on this machine"),
        ("release", _release, "train the released network; without images: its card anew"),
    ):
        commands.add_parser(name, parents=[place_options()], help=words).set_defaults(call=call)


def _busi(arguments: argparse.Namespace, what: str) -> Study:
    from busi_utils.audit.datasets import sources_of
    from busi_utils.study.study import Study
    from busi_utils.workspace import workspace_for

    require_tensorflow(what)
    sources = sources_of("busi", arguments.data)
    return Study("busi", workspace_for("busi"), sources, arguments.weights)


def _deployment(arguments: argparse.Namespace) -> None:
    from busi_report.parameters import parameter_file, read_parameter_file
    from busi_utils.deploy.measure import measure

    rows = read_parameter_file(parameter_file("busi"))["deployed_rows"]
    study = _busi(arguments, "Exporting networks")
    measure(study, [tuple(row.split()) for row in rows], to_time=True)


def _latency(arguments: argparse.Namespace) -> None:
    from busi_utils.deploy.latency import keep_latency

    require_tensorflow("Timing Keras")
    print(f"Kept: {keep_latency()}")


def _release(arguments: argparse.Namespace) -> None:
    from busi_utils.deploy.release import build_release, write_card

    study = _busi(arguments, "Training the released network")
    (build_release if study.sources else write_card)(study)
