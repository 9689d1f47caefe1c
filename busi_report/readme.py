"""The README's headline: a template filled with recorded numbers, so that none is typed."""

from __future__ import annotations

from pathlib import Path

from busi_utils.errors import StudyError
from busi_utils.record.claims import verdict_counts
from busi_utils.record.numbers import read_metrics
from busi_utils.record.templates import fill
from busi_utils.workspace import REPOSITORY, Workspace, write_text

BEGIN, END = "<!-- headline:begin -->", "<!-- headline:end -->"
README = REPOSITORY / "README.md"
HEADLINE = REPOSITORY / "report" / "headline.md"


def update_readme(workspace: Workspace, path: Path = README) -> bool:
    """Rewrite the block between the markers from the metrics of a workspace.

    Returns
    -------
    bool
        Whether the file changed.

    Raises
    ------
    StudyError
        If the markers are not there.
    """
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise StudyError(f"{path} lacks the markers {BEGIN} and {END}: put them back.")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    renewed = f"{before}{BEGIN}\n{headline_block(workspace)}\n{END}{after}"
    if renewed == text:
        return False
    write_text(path, renewed)
    return True


def headline_block(workspace: Workspace) -> str:
    """Return ``report/headline.md`` filled from a workspace; one sentence if there is no run."""
    metrics = read_metrics(workspace)
    values = metrics | {
        "phantom": metrics.get("run", {}).get("dataset") == "phantom",
        "verdicts": verdict_counts(workspace),
        "figure": (workspace.figures / "summary.svg").is_file(),
    }
    text = fill(HEADLINE.read_text(encoding="utf-8"), values, HEADLINE.name)
    return text.replace("\u00a0", " ").strip()
