"""The commands behind the Makefile: ``python -m busi_report <command>``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from busi_report.deployment import deployment_commands
from busi_report.options import cell_options, place_options, run_options
from busi_utils.errors import StudyError, require_tensorflow, told

if TYPE_CHECKING:
    from busi_report.settings import Settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before anything imports TensorFlow


def _run(arguments: argparse.Namespace) -> None:
    from busi_report.settings import settings_from

    settings = settings_from(arguments)
    with _alone(settings):
        _run_notebooks(arguments, settings)


def _alone(settings: Settings) -> AbstractContextManager[None]:
    """Hold a workspace from the first notebook to the last page: no other run writes between."""
    from busi_utils.locks import locked

    return locked(settings.workspace, "run", wait_s=0)


def _run_notebooks(arguments: argparse.Namespace, settings: Settings) -> None:
    from busi_report.notebook_files import keep_outputs, render_pages
    from busi_report.runner import Run, run_notebooks
    from busi_utils.record.numbers import record_metrics
    from busi_utils.workspace import NOTEBOOKS

    print(settings.headline, flush=True)
    run = Run(
        workspace=settings.workspace,
        values=settings.values,
        where=settings.where,
        only=arguments.only,
        timeout_s=arguments.timeout or settings.timeout_s,
        at_once=settings.at_once,
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
    from busi_report.readme import update_readme
    from busi_report.report import build_report
    from busi_report.settings import settings_from
    from busi_utils.workspace import REPOSITORY

    settings = settings_from(arguments)
    with _alone(settings):
        if not arguments.build_only:
            _run_notebooks(arguments, settings)
        paths, gaps = build_report(settings.workspace, settings.dataset)
        for path in paths:
            print(f"Report: {path}")
        if gaps:
            print(f"Left for a person to state, in report/report.md: {', '.join(gaps)}.")
        if settings.workspace.root == REPOSITORY:
            update_readme(settings.workspace)


def _doctor(arguments: argparse.Namespace) -> None:
    from busi_report.doctor import page

    print(page(arguments))


def _study(arguments: argparse.Namespace) -> None:
    from busi_utils.audit.cohorts import COHORTS
    from busi_utils.audit.datasets import sources_of
    from busi_utils.models import backbone_of
    from busi_utils.recipes import recipe_of
    from busi_utils.study.cells import grid
    from busi_utils.study.execution import run_missing
    from busi_utils.study.study import Study
    from busi_utils.workspace import workspace_for

    for cohort in arguments.cohorts:
        if cohort not in COHORTS:
            raise StudyError(f"There is no cohort '{cohort}'; there are: {', '.join(COHORTS)}.")
    for recipe in arguments.recipes:
        recipe_of(recipe)
    for model in arguments.models:
        backbone_of(model)
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
    from busi_report.parameters import parameter_file, read_parameter_file

    return read_parameter_file(parameter_file(dataset))["image_size"]


def _pretrain(arguments: argparse.Namespace) -> None:
    require_tensorflow("Learning the demonstration's starting weights")
    from busi_utils.models import backbone_of
    from busi_utils.study.execution import run_alone
    from busi_utils.training.pretraining import SHIPPED, pretrain

    for model in arguments.models:
        path = SHIPPED / f"{model}.weights.h5"
        run_alone(pretrain, backbone_of(model), path)
        print(f"Weights learnt from phantoms: {path}")


def _audit(arguments: argparse.Namespace) -> None:
    from busi_utils.audit.any_folder import audit_folder
    from busi_utils.audit.folder_page import write_audit
    from busi_utils.workspace import REPOSITORY, path_from

    if not arguments.data:
        raise StudyError("No folder was named: run make audit DATA=<folder of images>.")
    names = dict(pair.partition("=")[::2] for pair in arguments.classes)
    folder = path_from(arguments.data, "image folder")
    found = audit_folder(folder, names)
    place = path_from(arguments.workspace or REPOSITORY / "audits" / folder.name, "workspace")
    print(write_audit(found, folder.name, place))
    print(f"This page and its tables are in {place}.")


def _download(arguments: argparse.Namespace) -> None:
    from busi_utils.audit.download import download_busi

    folder = Path(download_busi(arguments.folder))
    print(f"BUSI is in {folder}: run 'make report DATA={folder}'.")


def _page(arguments: argparse.Namespace) -> None:
    from busi_report.page import build_page

    path = build_page()
    print(f"Page: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if arguments.check:
        from busi_report.page_check import check_page

        check_page(path, arguments.data)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m busi_report", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    places, shared, cells = place_options(), run_options(), cell_options()
    run = commands.add_parser("run", parents=[shared], help="execute the notebooks")
    run.set_defaults(call=_run)
    report = commands.add_parser("report", parents=[shared], help="notebooks, then the report")
    report.add_argument("--build-only", action="store_true", help="only build from what is there")
    report.set_defaults(call=_report)
    doctor = commands.add_parser("doctor", parents=[shared, cells], help="say what is there")
    doctor.set_defaults(call=_doctor)
    study = commands.add_parser(
        "study", parents=[places, cells], help="train the missing cells of a grid"
    )
    study.add_argument("--dataset", default="busi", help="busi or phantom")
    study.add_argument("--scheduler", default="", help="Dask scheduler, tcp://127.0.0.1:8786")
    study.set_defaults(call=_study)
    audit = commands.add_parser("audit", help="audit any folder of breast-ultrasound images")
    audit.add_argument("--data", default="", help="the folder")
    audit.add_argument("--workspace", default="", help="folder that receives page and tables")
    audit.add_argument("--classes", nargs="*", default=[], help="what classes are called: 0=benign")
    audit.set_defaults(call=_audit)
    pretrain = commands.add_parser("pretrain", help="learn the demonstration's starting weights")
    pretrain.add_argument("models", nargs="*", default=["mobilenetv2", "mobilenetv3_small"])
    pretrain.set_defaults(call=_pretrain)
    download = commands.add_parser("download", help="fetch BUSI from its official source")
    download.add_argument("folder", help="where to put it")
    download.set_defaults(call=_download)
    deployment_commands(commands)
    page = commands.add_parser("page", help="build the page of the released network (needs npm)")
    page.add_argument("--check", action="store_true", help="compare it with Python in Chromium")
    page.add_argument("--data", default="", help="with --check: BUSI folder, else phantoms")
    page.set_defaults(call=_page)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 success, 1 a cell failed, 2 something the user can mend, 130 Ctrl-C."""

    def command() -> int | None:
        from busi_report.runner import CellFailure

        arguments = _parser().parse_args(argv)
        try:
            return arguments.call(arguments)
        except CellFailure as error:
            print(error, file=sys.stderr)
            return 1

    return told(command)


if __name__ == "__main__":
    sys.exit(main())
