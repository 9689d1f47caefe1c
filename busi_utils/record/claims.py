"""The claims of the original report, one statement a row, in its own words; what became of each."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from busi_utils.record.numbers import VERDICT_COLUMNS, VERDICTS, read_verdicts
from busi_utils.workspace import Workspace

OPEN = "not yet examined"


@dataclass(frozen=True)
class Claim:
    """One claim: its number here, the section of the original, and the words quoted from it."""

    claim_id: str
    section: str
    words: str


CLAIMS = (
    Claim("C1a", "V.A", "Testing Accuracy … 70%"),
    Claim("C1b", "V.A", "Training Accuracy … 65%"),
    Claim("C2a", "V.A", "Underfitting"),
    Claim("C2b", "V.A", "shallow depth"),
    Claim("C2c", "V.B, VI", "Limited representational power … Cannot capture deep features"),
    Claim("C2d", "VI", "Struggles with complex textures"),
    Claim("C2e", "V.B", "[It] struggled due to … Small dataset size"),
    Claim("C3a", "V.B, VI", "EfficientNetB3 was justified as the superior model"),
    Claim("C3b", "III, V.B", "[MobileNetV2 is worse than the deeper] Xception"),
    Claim(
        "C3c", "III", "evaluated against Xception and EfficientNetB3 using the same dataset split"
    ),
    Claim("C4a", "VI", "3.4 MB"),
    Claim("C4b", "VI", "Small model size"),
    Claim("C5a", "V.B", "Lightweight models can run faster"),
    Claim("C5b", "VI", "Very fast inference"),
    Claim("C5c", "I, VI", "Suitable for mobile devices … web browsers"),
    Claim("C6a", "IV.B", "Total images: 760"),
    Claim("C6b", "IV.B", "Includes BUSI dataset + Kaggle + additional Bangladeshi images"),
    Claim("C6c", "IV.B", "Mask images (+45.5%) removed"),
    Claim("C7a", "V.B", "Preprocessing … significantly affect[s] accuracy"),
    Claim("C7b", "V.B", "dataset cleaning significantly affect[s] accuracy"),
    Claim("C8", "II", "Breast ultrasound … achieved 85–92% accuracy in previous studies"),
    Claim("C9a", "VII", "Dataset quality heavily influences model success"),
    Claim("C9b", "VII", "More sophisticated CNNs … are needed"),
    Claim("C10a", "VIII", "feature extractor combined with attention layers"),
    Claim("C10b", "VIII", "a MobileNetV2-Tiny variant for mobile offline diagnosis"),
    Claim("C10c", "VIII", "Testing MobileNetV3 … for performance comparison"),
    Claim("C10d", "VIII", "Testing … MobileNetV4 for performance comparison"),
    Claim("C10e", "VIII", "knowledge distillation from EfficientNetB3 into MobileNetV2"),
    Claim("C11", "II", "Transfer learning using ImageNet weights … improve[s] performance"),
    Claim("C12a", "VI", "Noise and artifacts vary across hospitals"),
    Claim("C12b", "VI", "Lesions have irregular boundaries"),
    Claim("C13a", "VII", "lightweight CNNs can classify breast ultrasound images"),
    Claim("C13b", "VII", "Lightweight models alone are not enough for medical-grade accuracy"),
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
    "C3c": "No figure for either network is printed, so there is nothing to compare.",
    "C6b": "The local images are not to be had, and the BUSI of Kaggle is BUSI once more.",
    "C8": "No study is named for this range; the published figures of Table S1 span 70 to 99 %, "
    "by protocol.",
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


def verdict_counts(workspace: Workspace) -> dict[str, int]:
    """Return how many claims have each verdict, in the order of `VERDICTS`; open ones left out."""
    found = claim_table(workspace)["verdict"].value_counts()
    return {verdict: int(found[verdict]) for verdict in VERDICTS if verdict in found}
