"""The claims of the original report, in its own words, and what became of each."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from busi_utils.record.numbers import VERDICT_COLUMNS, read_verdicts
from busi_utils.workspace import Workspace

OPEN = "not yet examined"


@dataclass(frozen=True)
class Claim:
    """One claim: its number here, the section of the original, and the words quoted from it."""

    claim_id: str
    section: str
    words: str


CLAIMS = (
    Claim("C1", "V.A", "Training Accuracy 65%, Testing Accuracy 70%"),
    Claim("C2", "V", "Underfitting; shallow depth … Limited representational power"),
    Claim("C3", "V.B, VI", "EfficientNetB3 was justified as the superior model for deployment"),
    Claim("C4", "VI", "Small model size (3.4 MB)"),
    Claim("C5", "VI", "Very fast inference … Suitable for mobile devices"),
    Claim(
        "C6",
        "IV.B",
        "Total images: 760; BUSI dataset + Kaggle + additional Bangladeshi images; Mask images "
        "(+45.5%) removed",
    ),
    Claim("C7", "V.B", "Preprocessing and dataset cleaning significantly affect accuracy"),
    Claim("C8", "II", "Breast ultrasound … achieved 85–92% accuracy in previous studies"),
    Claim(
        "C9",
        "VII",
        "Dataset quality heavily influences model success … More sophisticated CNNs are needed",
    ),
    Claim(
        "C10",
        "VIII",
        "Attention layers, a MobileNetV2-Tiny, MobileNetV3 and V4, distillation [as improvements]",
    ),
)


def words_of(claim_id: str) -> str:
    """Return the words of the original that make a claim."""
    return next(claim.words for claim in CLAIMS if claim.claim_id == claim_id)


def judged(claim_id: str, evidence: str, verdict: str, dataset: str) -> tuple[str, str, str, str]:
    """Return a claim's number, words, evidence and verdict, as `numbers.record_verdict` takes them.

    On phantoms nothing is judged: the evidence says so and the verdict is ``unverifiable``.
    """
    if dataset == "phantom":
        evidence = f"Synthetic data say nothing of this claim. {evidence}"
        verdict = "unverifiable"
    return claim_id, words_of(claim_id), evidence, verdict


# Claims that no number can decide, with what a reader can check.
UNVERIFIABLE = {
    "C8": "The original names no study for this range. Published results stand, with their "
    "protocols, in the section on the literature."
}


def claim_table(workspace: Workspace) -> pd.DataFrame:
    """Return every claim with its evidence and verdict; a claim without a row is open.

    Returns
    -------
    pd.DataFrame
        Columns ``claim_id, section, claim`` (the original's words), ``evidence, verdict``.
    """
    found = read_verdicts(workspace).set_index(VERDICT_COLUMNS[0])
    rows = []
    for claim in CLAIMS:
        evidence, verdict = "", OPEN
        if claim.claim_id in UNVERIFIABLE:
            evidence, verdict = UNVERIFIABLE[claim.claim_id], "unverifiable"
        elif claim.claim_id in found.index:
            evidence, verdict = found.loc[claim.claim_id, ["evidence", "verdict"]]
        rows.append((claim.claim_id, claim.section, f"“{claim.words}”", evidence, verdict))
    return pd.DataFrame(rows, columns=["claim_id", "section", "claim", "evidence", "verdict"])
