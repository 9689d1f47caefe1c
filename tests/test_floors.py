"""The import rule of the house: a floor knows itself and the floors below it."""

import ast
from pathlib import Path

from busi_utils.workspace import REPOSITORY

ABOVE_ONE_ANOTHER = [
    "busi_utils.stats",
    "busi_phantom",
    "busi_utils.audit",
    "busi_utils.training",
    "busi_utils.study",
    "busi_utils.analysis",
    "busi_utils.record",
    "busi_utils.plots",
    "busi_utils.deploy",
    "busi_utils.notebook",
    "busi_lessons",
    "busi_report",
    "benchmarks",
]


def height(module: str) -> int:
    """Return the number of a module's floor; what lies directly in busi_utils is the ground."""
    found = [
        i for i, floor in enumerate(ABOVE_ONE_ANOTHER, 1) if (module + ".").startswith(floor + ".")
    ]
    return found[0] if found else 0


def imports_of(path: Path) -> set[str]:
    """Return the modules of this repository that a file imports, at the top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name the whole way"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith(("busi_", "benchmarks"))}


def test_no_import_runs_upwards():
    upward = [
        f"{module} -> {name}"
        for folder in ("busi_utils", "busi_phantom", "busi_lessons", "busi_report", "benchmarks")
        for path in (REPOSITORY / folder).rglob("*.py")
        for module in [".".join(path.relative_to(REPOSITORY).with_suffix("").parts)]
        for name in imports_of(path)
        if height(name) > height(module)
    ]
    assert not upward


def test_stats_know_nothing_of_the_study():
    for path in (REPOSITORY / "busi_utils" / "stats").glob("*.py"):
        allowed = ("busi_utils.stats", "busi_utils.errors", "busi_utils.CLASSES")
        allowed += ("busi_utils.SUM_TOLERANCE",)
        found = imports_of(path) - {"busi_utils"}
        assert all(name.startswith(allowed) for name in found), path.name
