"""The commands behind the Makefile: ``python -m busi_utils <command>``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import StudyError

if TYPE_CHECKING:
    from .settings import Settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before anything imports TensorFlow


def _run(arguments: argparse.Namespace) -> None:
    from .settings import settings_from

    _run_notebooks(arguments, settings_from(arguments))


def _run_notebooks(arguments: argparse.Namespace, settings: Settings) -> None:
    from .notebook_files import keep_outputs, render_pages
    from .numbers import record_metrics
    from .paths import NOTEBOOKS
    from .runner import Run, run_notebooks

    print(settings.headline, flush=True)
    run = Run(
        workspace=settings.workspace,
        values=settings.values,
        where=settings.where,
        only=arguments.only,
        timeout_s=arguments.timeout or settings.timeout_s,
    )
    executed = run_notebooks(run)
    places = ("data", "weights", "tables", "workspace")  # folders of this machine
    shown = {k: v for k, v in settings.values.items() if k not in places}
    record_metrics("run", {"dataset": settings.dataset, "parameters": shown}, settings.workspace)
    render_pages(executed, settings.workspace)
    if arguments.keep_outputs:
        for path in executed:
            keep_outputs(path, NOTEBOOKS / path.name)


def _report(arguments: argparse.Namespace) -> None:
    from .paths import REPOSITORY
    from .readme import update_readme
    from .report import build_report
    from .settings import settings_from

    settings = settings_from(arguments)
    if not arguments.build_only:
        _run_notebooks(arguments, settings)
    for path in build_report(settings.workspace, settings.dataset):
        print(f"Report: {path}")
    if settings.workspace.root == REPOSITORY:
        update_readme(settings.workspace)


def _study(arguments: argparse.Namespace) -> None:
    from .cells import grid
    from .cohorts import COHORTS
    from .datasets import sources_of
    from .execution import run_missing
    from .paths import workspace_for
    from .recipes import recipe_of
    from .study import Study

    for cohort in arguments.cohorts:
        if cohort not in COHORTS:
            raise StudyError(f"There is no cohort '{cohort}'; there are: {', '.join(COHORTS)}.")
    for recipe in arguments.recipes:
        recipe_of(recipe)
    dataset = arguments.dataset
    study = Study(
        dataset,
        workspace_for(dataset, arguments.workspace),
        sources_of(dataset, arguments.data),
        arguments.weights,
        arguments.size or _published_size(dataset),
    )
    axes = (arguments.cohorts, arguments.models, arguments.recipes, arguments.seeds)
    cells = grid(dataset, *axes)
    print(f"{dataset}: {' x '.join(str(list(axis)) for axis in axes)} x 5 folds", flush=True)
    run_missing(study, cells, arguments.jobs, scheduler=arguments.scheduler)


def _published_size(dataset: str) -> int:
    from .parameters import parameter_file, read_parameter_file

    name = "demo" if dataset == "phantom" else "busi"
    return read_parameter_file(parameter_file(name))["image_size"]


def _bench(arguments: argparse.Namespace) -> None:
    from .bench import BENCHES
    from .numbers import record_metrics, save_table
    from .paths import workspace_for

    unknown = [name for name in arguments.names if name not in BENCHES]
    if unknown:
        raise StudyError(f"There is no benchmark '{unknown[0]}'; there are: {', '.join(BENCHES)}.")
    workspace = workspace_for("busi", arguments.workspace)
    for name in arguments.names or BENCHES:
        table = BENCHES[name]()
        save_table(f"bench_{name}", table, workspace)
        rows = [row.dropna().to_dict() for _, row in table.iterrows()]
        record_metrics(f"bench_{name}", {"rows": rows}, workspace)
        print(f"\n{name}\n{table.to_string(index=False)}", flush=True)


def _pretrain(arguments: argparse.Namespace) -> None:
    from .execution import run_alone
    from .models import backbone_of
    from .pretraining import SHIPPED, pretrain

    for model in arguments.models:
        backbone_of(model)
        path = SHIPPED / f"{model}.weights.h5"
        run_alone(pretrain, model, path)
        print(f"Weights learnt from phantoms: {path}")


def _download(arguments: argparse.Namespace) -> None:
    from .download import download_busi

    folder = Path(download_busi(arguments.folder))
    print(f"BUSI is in {folder}: run 'make report DATA={folder}'.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m busi_utils", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    places = argparse.ArgumentParser(add_help=False)
    places.add_argument("--data", default="", help="BUSI folder, or name=folder,name=folder")
    places.add_argument("--weights", default="", help="folder of ImageNet weights")
    places.add_argument("--workspace", default="", help="folder that receives what is made")
    shared = argparse.ArgumentParser(add_help=False, parents=[places])
    shared.add_argument("--parameters", default="", help="demo, busi or a .yaml file")
    shared.add_argument("--set", default="", help="overrides: 'epochs=5 seeds=[0, 1]'")
    shared.add_argument("--only", default="", help="number of the one notebook to run")
    shared.add_argument("--timeout", type=int, default=0, help="seconds that one cell may take")
    shared.add_argument("--keep-outputs", action="store_true", help="store outputs in notebooks/")
    run = commands.add_parser("run", parents=[shared], help="execute the notebooks")
    run.set_defaults(call=_run)
    report = commands.add_parser("report", parents=[shared], help="notebooks, then the report")
    report.add_argument("--build-only", action="store_true", help="only build from what is there")
    report.set_defaults(call=_report)
    study = commands.add_parser("study", parents=[places], help="train the missing cells of a grid")
    study.add_argument("--dataset", default="busi", help="busi or phantom")
    study.add_argument("--cohorts", nargs="+", default=["clean"])
    study.add_argument("--models", nargs="+", default=["mobilenetv2"])
    study.add_argument("--recipes", nargs="+", default=["original"])
    study.add_argument("--seeds", nargs="+", type=int, default=[0])
    study.add_argument(
        "--size", type=int, default=0, help="side of the input in pixels; default as published"
    )
    study.add_argument("--jobs", type=int, default=1, help="training processes at a time")
    study.add_argument("--scheduler", default="", help="Dask scheduler, tcp://host:8786")
    study.set_defaults(call=_study)
    bench = commands.add_parser("bench", help="time the fast ways against the ordinary ones")
    bench.add_argument("names", nargs="*", help="benchmarks; none: all")
    bench.add_argument("--workspace", default="", help="folder that receives the tables")
    bench.set_defaults(call=_bench)
    pretrain = commands.add_parser("pretrain", help="learn the demonstration's starting weights")
    pretrain.add_argument("models", nargs="*", default=["mobilenetv2", "mobilenetv3_small"])
    pretrain.set_defaults(call=_pretrain)
    download = commands.add_parser("download", help="fetch BUSI from its official source")
    download.add_argument("folder", help="where to put it")
    download.set_defaults(call=_download)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 success, 1 a cell failed, 2 something the user can mend, 130 Ctrl-C."""
    from .runner import CellFailure

    arguments = _parser().parse_args(argv)
    try:
        arguments.call(arguments)
    except StudyError as error:
        print(f"Stopped: {error}", file=sys.stderr)
        return 2
    except CellFailure as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nStopped by Ctrl-C. Finished work is kept; the next run goes on where this stopped.",
            file=sys.stderr,
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
