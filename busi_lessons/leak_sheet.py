"""The leak sheet: eight questions to a study, answered in a file that a program reads.

The kinds are those of Kapoor and Narayanan, Leakage and the reproducibility crisis in machine-
learning-based science, Patterns 2023;4(9):100804, in our own words.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from busi_utils.errors import StudyError

KINDS = {
    "no_test_set": "Was anything (epochs, settings, the model) chosen on the images of the test?",
    "preprocessing": "Was anything computed from training and test images together?",
    "feature_selection": "Were features or regions chosen by looking at the test images, too?",
    "duplicates": "Can an image and its copy lie in training and in test?",
    "illegitimate_features": "Can the model use what will not be there, or tells the label?",
    "temporal": "Does the test hold cases from before the training ones, but the claim the future?",
    "non_independence": "Can one patient, visit or device lie in training and in test?",
    "sampling_bias": "Do the test cases differ from those that the claim is about?",
}
FOUND = ("yes", "no", "unknown")


def read_leak_sheet(path: str | Path) -> pd.DataFrame:
    """Read a filled-in leak sheet and check that it says something about every kind of leak.

    Parameters
    ----------
    path : path
        YAML: ``study`` and ``answers``, one entry a kind with ``found`` (yes, no or unknown, in
        quotes or not), ``evidence`` (a sentence) and, unless nothing was found, ``remedy``.

    Returns
    -------
    pandas.DataFrame
        Columns ``kind, question, found, evidence, remedy`` in the order of ``KINDS``.

    Raises
    ------
    StudyError
        If the file cannot be read, a kind is missing or unknown, or an answer lacks its reason.
    """
    path = Path(path)
    try:
        sheet = yaml.safe_load(path.read_text(encoding="utf-8"))
        answers = dict(sheet["answers"])
    except (OSError, UnicodeError, yaml.YAMLError, TypeError, KeyError, ValueError) as error:
        raise StudyError(
            f"The leak sheet {path} cannot be read ({type(error).__name__}): start from a copy of "
            "notebooks/lessons/leak_sheet.yaml."
        ) from error
    if odd := sorted(set(map(str, answers)) ^ set(KINDS)):
        where = "is no kind of leak" if odd[0] in map(str, answers) else "is not answered"
        raise StudyError(f"In the leak sheet {path} {odd[0]!r} {where}: answer the eight kinds.")
    rows = [_row(path, kind, answers[kind]) for kind in KINDS]
    return pd.DataFrame(rows, columns=["kind", "question", "found", "evidence", "remedy"])


def _row(path: Path, kind: str, answer: object) -> tuple[str, str, str, str, str]:
    entry = answer if isinstance(answer, dict) else {}
    found = {True: "yes", False: "no"}.get(entry.get("found"), entry.get("found"))
    if found not in FOUND:
        raise StudyError(
            f"In the leak sheet {path} 'found' of {kind} is {found!r}: write yes, no or unknown."
        )
    said = {name: str(entry.get(name) or "").strip() for name in ("evidence", "remedy")}
    for name, needed in (("evidence", True), ("remedy", found != "no")):
        if needed and len(said[name].split()) < 3:
            raise StudyError(
                f"In the leak sheet {path} {kind} is answered {found!r} without {name}: say in a "
                "sentence what was looked at"
                + (" and what is done about it." if name == "remedy" else ".")
            )
    return kind, KINDS[kind], found, said["evidence"], said["remedy"]
