"""``make doctor``: one page on what is installed, found and stored, and what each task would do."""

from __future__ import annotations

import os
import platform
import re
import sys
import tomllib
from argparse import Namespace
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from busi_report.settings import Settings, settings_from
from busi_utils.audit.datasets import DATA_VARIABLES, sources_of
from busi_utils.audit.external_sets import EXTERNAL_SETS
from busi_utils.audit.folds import FOLDS
from busi_utils.audit.sources import find_images
from busi_utils.errors import StudyError
from busi_utils.models import MODELS
from busi_utils.recipes import RECIPES
from busi_utils.study.cells import Cell, grid, read_record
from busi_utils.study.predictions import record_files
from busi_utils.study.study import Study, duration, plan
from busi_utils.training.weights import find_weights, named
from busi_utils.workspace import REPOSITORY

_CELL = re.compile(r"seed(\d+)_fold(\d+)")
_TOOK = re.compile(r"^--- ([\d.]+) s$", re.MULTILINE)
_SHOWN = 12  # lines of a kind


def page(arguments: Namespace) -> str:
    """Return the page; a part that cannot be told says in a sentence why.

    ``arguments`` are those of a run and of ``study``: places, parameters, and a grid.
    """
    weights = arguments.weights or os.environ.get("BUSI_WEIGHTS", "")
    settings, told = _settings(arguments)
    sources = {} if settings.dataset == "phantom" else sources_of(settings.dataset)
    size = arguments.size or settings.values.get("image_size", 224)
    study = Study(settings.dataset, settings.workspace, sources, weights, size)
    parts = {
        "Installed": _installed(),
        "Images": _images(study, told),
        "Initial weights": _weights(weights),
        f"Stored results in {settings.workspace.root}": _cells(study),
        "What a task would do now": _tasks(study, arguments),
    }
    lines = []
    for title, part in parts.items():
        lines += [title, "-" * len(title)]
        try:
            for line in part:
                lines.append(f"  {line}")
        except (StudyError, OSError) as error:
            lines.append(f"  {error}")
        lines.append("")
    return "\n".join(lines)


def _settings(arguments: Namespace) -> tuple[Settings, list[str]]:
    """Return the settings, without folders that are none, and the sentence about these."""
    try:
        return settings_from(arguments), []
    except StudyError as error:
        for variable in DATA_VARIABLES:
            os.environ.pop(variable, None)
        arguments.data = arguments.weights = ""
        return settings_from(arguments), [str(error)]


def _installed() -> Iterator[str]:
    yield f"Python {platform.python_version()} in {sys.prefix}, {platform.platform(terse=True)}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        yield "  this Python is not supported: use 3.11, 3.12 or 3.13"
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        yield "  on an Intel Mac some packages have no wheels: use Linux"
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    yield _packages(project["dependencies"], "reading (report, notebooks, lab)")
    yield _packages(
        project["optional-dependencies"]["train"], "training and tests (demo, study, test, bench)"
    )


def _packages(names: list[str], purpose: str) -> str:
    """Say which packages of a purpose are missing or of another version than the lock's."""
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    missing, other = [], []
    for name in names:
        try:
            found = version(name)
        except PackageNotFoundError:
            missing.append(name)
            continue
        locked = re.findall(rf"^{re.escape(name)}==([^\s;]+)", lock, re.MULTILINE)
        if locked and found not in locked:
            other.append(f"{name} {found} (locked: {locked[0]})")
    words = f"for {purpose}: {len(names) - len(missing)} of {len(names)} packages"
    words += f", missing {', '.join(missing)}: run make setup" if missing else ""
    return words + (f"; not as locked: {', '.join(other)}" if other else "")


def _images(study: Study, told: list[str]) -> Iterator[str]:
    yield from told
    for name, folder in study.sources.items():
        try:
            yield f"{name}: {len(find_images({name: folder}))} images in {folder}"
        except StudyError as error:
            yield f"{name}: {error}"
    if not study.sources and not told:
        yield "no BUSI folder was named (DATA=<folder> or BUSI_DATA): stored results are read"
    for external in EXTERNAL_SETS.values():
        folder = os.environ.get(external.variable, "")
        yield f"{external.title}: {folder or f'not named ({external.variable}=<folder>)'}"


def _weights(folder: str) -> Iterator[str]:
    """Name every file by its hash, as a run record would."""
    missing = []
    for entry in MODELS.values():
        if (path := find_weights(entry, folder)) is None:
            missing.append(entry.name)
            continue
        start = named(entry, path)
        yield f"{entry.name}: {start.init} ({start.origin or 'its hash is not known'}), {path}"
    if missing:
        yield f"no file for {', '.join(missing)} (WEIGHTS=<folder>, BUSI_WEIGHTS, Keras' cache)"


def stored_cells(study: Study) -> list[Cell]:
    """Return every cell of which a record lies in the workspace, trained or derived."""
    cells = []
    for path in record_files(study.workspace, study.dataset):
        if match := _CELL.fullmatch(path.stem):
            numbers = (int(number) for number in match.groups())
            cells.append(Cell(study.dataset, *path.parts[-4:-1], *numbers))
    return cells


def _cells(study: Study) -> Iterator[str]:
    cells = stored_cells(study)
    if not cells:
        yield "none"
        return
    there = set(cells) - set(study.missing(cells))
    for cohort in sorted({cell.cohort for cell in cells}):
        rows = sorted({(c.model, c.recipe, c.seed) for c in cells if c.cohort == cohort})
        lack = {row: _lacking(study, cohort, row, there) for row in rows}
        lack = {row: folds for row, folds in lack.items() if folds}
        yield f"{cohort}: {len(rows) - len(lack)} of {len(rows)} rows (model, recipe, seed) whole"
        for (model, recipe, seed), folds in list(lack.items())[:_SHOWN]:
            which = "every fold" if len(folds) == FOLDS else f"fold {', '.join(map(str, folds))}"
            yield f"  {model} {recipe} seed {seed}: {which} missing or out of date"
        if len(lack) > _SHOWN:
            yield f"  and {len(lack) - _SHOWN} more"
    seconds = sum(_seconds(study, c) for c in cells if c.recipe in RECIPES)
    yield f"{len(there)} cells are up to date; trained anew, all would take {_long(seconds)}"


def _lacking(study: Study, cohort: str, row: tuple[str, str, int], there: set[Cell]) -> list[int]:
    return [f for f in range(FOLDS) if Cell(study.dataset, cohort, *row, f) not in there]


def _seconds(study: Study, cell: Cell) -> float:
    record = read_record(cell, study.workspace)
    return record.get("seconds", 0) + record.get("seconds_frozen_part", 0)


def _long(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h" if seconds > 2 * 3600 else duration(seconds)


def _tasks(study: Study, arguments: Namespace) -> Iterator[str]:
    trains = find_spec("tensorflow") is not None
    first = "" if trains else "add TensorFlow (2 GB), then "
    if study.sources:
        what = "look for copies in the images, train what is missing, write the report"
    else:
        what = "read what is stored, train nothing, write the report"
    yield f"make report: {first if study.sources else ''}{what}; {_last(study.workspace.report)}"
    yield f"make demo: {first}train on phantoms in demo/; {_last(REPOSITORY / 'demo' / 'report')}"
    yield f"make test: {first}run every test and the demonstration"
    axes = (arguments.cohorts, arguments.models, arguments.recipes, arguments.seeds)
    cells = grid(study.dataset, *axes)
    todo = study.missing(cells)
    yield f"make study: {first if todo else ''}{len(cells) - len(todo)} of {len(cells)} cells there"
    for line in plan(todo, arguments.jobs, study.dataset, study.workspace):
        yield f"{line} to train"
    if todo and not study.sources:
        yield "  which needs images: DATA=<BUSI folder>"


def _last(report: Path) -> str:
    """Say how long the notebooks took when they last ran here, from their logs."""
    logs = [p.read_text(encoding="utf-8", errors="replace") for p in report.glob("runs/*.log")]
    seconds = sum(float(took) for log in logs for took in _TOOK.findall(log))
    return f"its notebooks last took {_long(seconds)} in all" if logs else "never run here"
