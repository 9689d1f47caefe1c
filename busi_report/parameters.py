"""Parameters of a run: read from YAML and the command line, checked against every notebook.

papermill only warns about an unknown parameter and passes a value of any type; here either stops
the run before the first cell, with a sentence that says what was meant.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml

from busi_utils.errors import StudyError
from busi_utils.parameters import SCALARS, Parameter
from busi_utils.workspace import NOTEBOOKS, path_from

_OF_DATASET = {"phantom": "demo"}


def declared_parameters(notebook: Path) -> dict[str, Parameter]:
    """Return the typed assignments of the cell tagged ``parameters``, by name.

    Raises
    ------
    StudyError
        If the notebook cannot be read, has not exactly one such cell, or a line of it is no typed
        assignment of a literal whose type fits.
    """
    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except Exception as error:  # nbformat raises many kinds for a damaged file
        raise StudyError(f"{notebook} is no readable notebook: restore it.") from error
    tagged = [c for c in cells if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise StudyError(f"{notebook.name} has {len(tagged)} cells tagged 'parameters', not one.")
    try:
        lines = ast.parse(tagged[0].source).body
    except SyntaxError as error:
        raise StudyError(
            f"{notebook.name}: line {error.lineno} of the parameters cell is no valid Python."
        ) from error
    parameters = [_parameter(line, notebook) for line in lines]
    return {parameter.name: parameter for parameter in parameters}


def _parameter(line: ast.stmt, notebook: Path) -> Parameter:
    if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value):
        raise StudyError(
            f"{notebook.name}: line {line.lineno} of the parameters cell is no typed assignment "
            "such as 'epochs: int = 25'."
        )
    kind = ast.unparse(line.annotation)
    if re.sub(r"^list\[(\w+)\]$", r"\1", kind) not in SCALARS:
        raise StudyError(
            f"{notebook.name}: parameter '{line.target.id}' has the type {kind}; use one of "
            f"{', '.join(SCALARS)} or a list of it, such as list[int]."
        )
    parameter = Parameter(line.target.id, kind, None, notebook.stem)
    return Parameter(line.target.id, kind, parameter.read(_literal(line, notebook)), notebook.stem)


def _literal(line: ast.AnnAssign, notebook: Path) -> Any:
    try:
        return ast.literal_eval(line.value)
    except ValueError as error:
        raise StudyError(
            f"{notebook.name}: line {line.lineno} of the parameters cell needs a plain value, "
            f"not {ast.unparse(line.value)}."
        ) from error


def parameter_file(name: str) -> Path:
    """Return the file of a published parameter set, by its name or its data set, or the path given.

    These are ``busi`` and ``demo``; the data set of the latter is ``phantom``.
    """
    if name.endswith((".yaml", ".yml")):
        return path_from(name, "parameter file")
    return NOTEBOOKS / "parameters" / f"{_OF_DATASET.get(name, name)}.yaml"


def read_parameter_file(path: Path) -> dict[str, Any]:
    """Read one of ``notebooks/parameters/*.yaml``.

    Raises
    ------
    StudyError
        If it is absent, is no YAML mapping, or sets a name twice.
    """
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise StudyError(f"Parameter file {path} was not found; there are: {there}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudyError(
            f"{path} is not UTF-8 (byte {error.start + 1}): save it as UTF-8 and run again."
        ) from error
    values = _yaml(text, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise StudyError(f"{path} must hold 'name: value' lines.")
    names = re.findall(r"^([^\s#:]+)\s*:", text, flags=re.MULTILINE)
    for name in names:
        if names.count(name) > 1:
            raise StudyError(f"{path} sets '{name}' twice: delete one of the lines.")
    return values


def parse_overrides(text: str) -> dict[str, Any]:
    """Read ``SET="epochs=5 seeds=[0, 1]"``: values are YAML, pairs are parted by white space.

    Raises
    ------
    StudyError
        If a part is not of the form ``name=value``.
    """
    values = {}
    for part in re.split(r"\s+(?=[A-Za-z_]\w*=)", text.strip()) if text.strip() else []:
        name, sign, value = part.partition("=")
        if not sign or not name.isidentifier():
            raise StudyError(f"SET: '{part}' is not of the form name=value.")
        values[name] = _yaml(value, f"SET: {name}")
    return values


def check_known(values: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Stop at a name that no notebook declares.

    Raises
    ------
    StudyError
        Names the nearest declared parameter, or lists them all.
    """
    known = sorted(known)
    for name in values:
        if name in known:
            continue
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
        meant = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(known)}."
        raise StudyError(f"{where}: no notebook has a parameter '{name}'; {meant}")


def bind(declared: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return every parameter of one notebook: the given value in its type, else the default."""
    return {
        name: parameter.read(values[name]) if name in values else parameter.default
        for name, parameter in declared.items()
    }


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise StudyError(f"{where} is no valid YAML{line}: correct it.") from error
