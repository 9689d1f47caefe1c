"""What one command asks for: which data, which parameters, which workspace."""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import dataclass
from typing import Any

from busi_report.parameters import parameter_file, parse_overrides, read_parameter_file
from busi_report.runner import CELL_TIMEOUT_S
from busi_utils.audit.datasets import DATA_VARIABLES, data_text, sources_of
from busi_utils.audit.external_sets import EXTERNAL_SETS
from busi_utils.errors import StudyError
from busi_utils.workspace import Workspace, folder_from, path_from, workspace_for

DEMO_CELL_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Settings:
    """Parameters after file and command line, and the workspace that they lead to."""

    dataset: str
    workspace: Workspace
    values: dict[str, Any]
    where: str

    @property
    def headline(self) -> str:
        """One line that says which study this is and where it goes."""
        if self.dataset == "phantom":
            what = "Demonstration on synthetic phantoms; what is missing is trained"
        elif os.environ.get("BUSI_DATA"):
            what = "Study on BUSI; what is missing is trained"
        else:
            what = "Study on BUSI from committed results (no images were named, nothing is trained)"
        return f"{what}; parameters from {self.where}; everything goes to {self.workspace.root}"

    @property
    def at_once(self) -> int:
        """Notebooks at a time: where nothing can be trained, none waits for another's results."""
        reading = self.dataset != "phantom" and not os.environ.get("BUSI_DATA")
        return min(2, os.cpu_count() or 1) if reading else 1

    @property
    def timeout_s(self) -> int:
        """Seconds that one cell may take: minutes where all is small, else hours of training."""
        return DEMO_CELL_TIMEOUT_S if self.dataset == "phantom" else CELL_TIMEOUT_S


def settings_from(arguments: Namespace) -> Settings:
    """Turn command-line arguments into settings, and set the data variables for the kernels.

    Parameters are those of ``busi.yaml`` unless ``arguments.parameters`` names others. Without a
    BUSI folder (argument or ``BUSI_DATA``) the study is read from its committed results. The
    demonstration never sees the data variables, so that it is the same on every machine.

    Raises
    ------
    StudyError
        If a folder does not exist, or arguments contradict each other.
    """
    given = arguments.data or os.environ.get("BUSI_DATA", "")
    name = arguments.parameters or "busi"
    for option, value in (("DATA", arguments.data), ("WEIGHTS", arguments.weights)):
        if value and parameter_file(name) == parameter_file("demo"):
            raise StudyError(f"{option} is of no use for the demonstration: leave one of them out.")
    if arguments.weights and not given:
        raise StudyError("WEIGHTS is of no use without data: pass DATA=<BUSI folder> too.")
    path = parameter_file(name)
    values = read_parameter_file(path)
    overrides = parse_overrides(arguments.set)
    values |= overrides
    dataset = values.get("dataset", "")
    if not isinstance(dataset, str) or not dataset:
        raise StudyError(f"{path} names no data set: add 'dataset: phantom' or 'dataset: busi'.")
    _set_variables(dataset, given, arguments.weights)
    root = arguments.workspace or values.get("workspace", "")
    if root:
        values["workspace"] = str(path_from(str(root), "workspace"))
    if tables := values.get("tables"):  # kernels run in notebooks/
        values["tables"] = str(path_from(str(tables), "folder of tables"))
    where = f"{path.name} and SET" if overrides else path.name
    return Settings(dataset, workspace_for(dataset, values.get("workspace", "")), values, where)


def _set_variables(dataset: str, data: str, weights: str) -> None:
    """Make folders absolute (kernels run elsewhere), and hide them from the demonstration."""
    if dataset == "phantom":
        for variable in DATA_VARIABLES:
            os.environ.pop(variable, None)
        return
    if data:
        os.environ["BUSI_DATA"] = data_text(dataset, sources_of(dataset, data))
    if weights or os.environ.get("BUSI_WEIGHTS"):
        folder = folder_from(weights, "BUSI_WEIGHTS", "weights")
        os.environ["BUSI_WEIGHTS"] = str(folder)
    for external in EXTERNAL_SETS.values():
        if os.environ.get(external.variable):
            folder = folder_from("", external.variable, external.title)
            os.environ[external.variable] = str(folder)
