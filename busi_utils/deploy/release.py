"""``make release``: train the released network, write its files, their hashes and its card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from busi_utils import CLASSES
from busi_utils.analysis.small_lesions import small_lesions
from busi_utils.audit.images import RULES
from busi_utils.deploy import formats, tables
from busi_utils.deploy.graph import shortened
from busi_utils.deploy.letterbox import from_any_image
from busi_utils.deploy.prediction import NETWORK, RELEASE, RESTORE
from busi_utils.deploy.runtimes import runtime_of
from busi_utils.deploy.training import RELEASED, released_network
from busi_utils.errors import StudyError
from busi_utils.kept import read_json, read_kept
from busi_utils.record.numbers import read_metrics
from busi_utils.record.templates import environment
from busi_utils.stats.calibration import apply_temperature, fit_temperature, risk_coverage
from busi_utils.stats.metrics import MALIGNANT, encode
from busi_utils.study.cells import grid
from busi_utils.study.predictions import (
    PROBABILITIES,
    available_seeds,
    out_of_fold,
    predictions_folder,
    read_prediction_file,
)
from busi_utils.study.setup import setup_of
from busi_utils.study.study import Study
from busi_utils.workspace import (
    REPOSITORY,
    Workspace,
    atomic_path,
    write_json,
    write_text,
)

REFERRED = 0.2
"""Share of the inner validation images whose confidence lies below the released threshold."""
LARGEST = 10_000_000  # bytes of the files in ``release/`` together
BESIDE = REPOSITORY / "build" / "release"
"""Receives what would make ``release/`` too large."""
_CARD = Path(__file__).parents[1] / "data" / "release_card.md"
_ROW = (RELEASED.dataset, RELEASED.cohort, RELEASED.model, RELEASED.recipe)


def calibration(workspace: Workspace) -> dict[str, Any]:
    """Return temperature and referral threshold, from inner validation images of all folds.

    The networks that answered them were trained like the released one, on fewer images; no answer
    to a test image takes part.

    Returns
    -------
    dict
        ``temperature``, ``refer_below``, and what the threshold means for these images.
    """
    seeds = available_seeds(predictions_folder(workspace, *_ROW))
    cells = grid(*(name if k == 0 else [name] for k, name in enumerate(_ROW)), seeds)
    found = [read_prediction_file(cell.validation(workspace)) for cell in cells]
    y = np.concatenate([encode(table["label"].to_numpy()) for table in found])
    p = np.concatenate([table[PROBABILITIES].to_numpy(float) for table in found])
    temperature = fit_temperature(y, p)
    curve = risk_coverage(y, apply_temperature(p, temperature))
    answered = curve[curve["coverage"] >= 1 - REFERRED].iloc[0]
    return {
        "temperature": round(temperature, 6),
        "refer_below": round(float(answered["confidence"]), 3),
        "referred_share": REFERRED,
        "error_answered": round(float(answered["risk"]), 4),
        "error_all": round(float(curve["risk"].iloc[-1]), 4),
        "validation_answers": len(y),
    }


def referral(y: np.ndarray, p: np.ndarray, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what temperature and threshold of a release mean for images that did not set them.

    Parameters
    ----------
    y : np.ndarray
        (n,) labels.
    p : np.ndarray
        (seeds, n, 3) probabilities; the answers of all seeds are counted together.
    facts : mapping
        ``temperature, refer_below``.

    Returns
    -------
    dict
        ``referred`` (share of the answers), ``wrong`` (share of the rest), ``malignant`` (answers
        about malignant images among the rest), ``missed`` (of these, those that say another class),
        ``n``.
    """
    tempered = np.stack([apply_temperature(one, facts["temperature"]) for one in p])
    answered = tempered.max(axis=-1) >= facts["refer_below"]
    wrong, malignant = tempered.argmax(axis=-1) != y, answered & (y == MALIGNANT)
    return {
        "referred": float(1 - answered.mean()),
        "wrong": float(wrong[answered].mean()),
        "malignant": int(malignant.sum()),
        "missed": int((malignant & wrong).sum()),
        "n": int(answered.size),
    }


def build_release(study: Study) -> None:
    """Train the network, or read the one kept, and write what stands in ``release/``.

    Raises
    ------
    StudyError
        If images, weights or the table of `formats.tried_int8` are missing, or the files have more
        than 10 MB together.
    """
    tried = read_kept(
        tables.folder(study.workspace) / "int8.csv", tables.FORMS["int8"], "run make deployment."
    )
    kept, calibrated = formats.chosen_kept(tried), calibration(study.workspace)
    network, setup = released_network(study), setup_of(study, RELEASED)
    images = list(study.folds(RELEASED.cohort)["image_id"])
    examples = formats.squares(study, RELEASED, formats.spread(images, formats.EXAMPLES))
    model = formats.deployed(network, setup.input_range, calibrated["temperature"])
    exported = formats.export(network, model, examples, kept)
    files = {
        NETWORK: _whole(exported["onnx_fp16"], setup.size),
        "mobilenetv2_int8.onnx": _whole(exported["onnx_int8"], setup.size),
        "mobilenetv2_int8_weights.tflite": exported["litert_int8_weights"],
    }
    if sum(map(len, files.values())) > LARGEST:
        raise StudyError("The released files have more than 10 MB together: leave a format out.")
    beside = {"mobilenetv2_fp16.tflite": exported["litert_fp16"]}
    for folder, part in ((RELEASE, files), (BESIDE, beside)):
        for name, data in part.items():
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(data)
    facts = {
        "name": "MobileNetV2 of the study, tuned, trained on all of clean",
        "classes": list(CLASSES),
        "size": setup.size,
        "trained_on": len(images),
        "int8_convolutions_kept": kept,
        "files": {name: _told(data) for name, data in files.items()},
        "built_beside": {name: _told(data) for name, data in beside.items()},
        **calibrated,
    }
    seen = formats.squares(study, RELEASED, images)
    p = model.predict(seen, verbose=0)["p"]
    for name in ("onnx_fp16", "onnx_int8", "litert_int8_weights"):
        q = formats.one_by_one(runtime_of(name, exported[name]), seen)
        facts |= {name: formats.changes(p, q)}
    write_json(RELEASE / "release.json", facts)
    write_card(study)


def _told(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _whole(core: bytes, size: int) -> bytes:
    return shortened(from_any_image(onnx.load_from_string(core), size))


def write_card(study: Study) -> None:
    """Write ``release/README.md`` from its template, the metrics and ``release.json``."""
    facts = read_json(RELEASE / "release.json", RESTORE)
    found = out_of_fold(study.workspace, *_ROW)
    small = small_lesions(found, study.manifest, RELEASED.seed, n_replicates=1)
    values = read_metrics(study.workspace) | {"release": facts, "small": small, "rules": RULES}
    values["referral"] = referral(found.y, found.p, facts)
    text = environment().from_string(_CARD.read_text(encoding="utf-8")).render(values)
    write_text(RELEASE / "README.md", text.replace("\u00a0", " ").strip() + "\n")
