"""The README's headline: rendered from recorded numbers, so that none is typed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from busi_utils.errors import StudyError
from busi_utils.record.claims import OPEN, claim_table
from busi_utils.record.formats import ci, pct, points_ci
from busi_utils.record.numbers import read_metrics
from busi_utils.workspace import REPOSITORY, Workspace, write_text

BEGIN, END = "<!-- headline:begin -->", "<!-- headline:end -->"
README = REPOSITORY / "README.md"
NOT_RUN = (
    "The study on BUSI has not been run in this repository yet: `make report DATA=<BUSI folder> "
    "WEIGHTS=<folder>` fills this block."
)
_FIGURE = (
    "![What each choice of the recipe is worth: accuracy of MobileNetV2 with 95 % intervals]"
    "(figures/baseline_changes.svg)"
)


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
    """Return the headline table and figure as Markdown, or one sentence if there is no run."""
    metrics = read_metrics(workspace)
    if "baseline" not in metrics or metrics.get("run", {}).get("dataset") == "phantom":
        return NOT_RUN
    lines = ["| MobileNetV2 | accuracy |", "|---|---|"]
    lines += [f"| {what} | {value} |" for what, value in _rows(metrics["baseline"])]
    parts = ["\n".join(lines)]
    if "errors" in metrics:
        parts.append(_external_sentence(metrics["errors"]["external"]))
    if "audit" in metrics:
        parts.append(_data_sentence(metrics["audit"]))
    claims = claim_table(workspace)
    examined = claims[claims["verdict"] != OPEN]
    lines = [f"- {row.claim}: **{row.verdict}**" for row in examined.itertuples()]
    parts.append("Claims of the original examined so far:\n\n" + "\n".join(lines))
    if (workspace.figures / "baseline_changes.svg").is_file():
        parts.append(_FIGURE)
    return "\n\n".join(parts).replace("\u00a0", " ")


def _rows(baseline: Mapping[str, Any]) -> list[tuple[str, str]]:
    reported, written = baseline["reported"], baseline["written"]
    rows = [
        (
            "as the original reports it (no interval given)",
            f"{pct(reported['test'], 0)}; train {pct(reported['train'], 0)}",
        ),
        ("its recipe rerun, random split", ci(written["raw"], "accuracy")),
        ("its recipe rerun, one image per duplicate group", ci(written["clean"], "accuracy")),
        (
            "... on its own training images, dropout and augmentation off",
            pct(written["clean"]["train_accuracy"]),
        ),
    ]
    if "tuned" in baseline:
        tuned = baseline["tuned"]
        seeds = f"{tuned['seeds']} seed" + ("s" if tuned["seeds"] > 1 else "")
        what = f"the same network, tuned, lesion masks as a second task ({seeds})"
        rows.append((what, ci(tuned, "accuracy")))
        if "worth_value" in tuned:
            rows.append(("... against the recipe as written", points_ci(tuned, "worth", 1)))
    return rows


def _external_sentence(external: Mapping[str, Any]) -> str:
    away, home = external["one"], external["home"]
    return (
        f"On {external['title']}, {external['images']:,} images of another hospital on which "
        "nothing was trained or chosen, the tuned network separates malignant from benign lesions "
        f"with an AUC of {_auc(away)}; at home {_auc(home)}."
    )


def _auc(row: Mapping[str, float]) -> str:
    return f"{row['auc']:.3f} (95 % CI {row['auc_low']:.3f}–{row['auc_high']:.3f})"


def _data_sentence(audit: Mapping[str, Any]) -> str:
    return (
        f"{audit['images']:,} images, of which {audit['images_with_twin']:,} have a duplicate; on "
        f"a random split {pct(audit['leaking_raw'])} have one in another fold."
    )
