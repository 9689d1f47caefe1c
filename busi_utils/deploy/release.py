"""``make release``: the released network's file, its facts and its card."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from busi_utils import CLASSES
from busi_utils.deploy.graph import deployed, from_any_image, to_onnx, weights_as_fp16
from busi_utils.deploy.prediction import NETWORK, RELEASE, session
from busi_utils.deploy.training import RELEASED, released_network
from busi_utils.record.numbers import read_metrics
from busi_utils.record.templates import fill
from busi_utils.stats.calibration import apply_temperature, fit_temperature
from busi_utils.stats.metrics import encode
from busi_utils.study.predictions import PROBABILITIES, read_prediction_file
from busi_utils.study.setup import setup_of
from busi_utils.study.study import Study
from busi_utils.training.inference import prepared
from busi_utils.workspace import atomic_path, write_json, write_text

REFERRED = 0.2
"""Share of inner validation images whose confidence lies below the released threshold."""
_SIGNED = (1 / 127.5, -1.0)
_CARD = """\
# The released network

Research only, not a medical device. MobileNetV2 as this study tunes it, trained once on all \
{{ images }} images of `clean` (BUSI) with the settings that validation chose; no image is left to \
test this one network.

**What to expect** is therefore the cross-validated result of networks trained alike, on images \
that they had not seen: accuracy {{ baseline.tuned | ci("accuracy") }}, balanced accuracy \
{{ baseline.tuned | ci("balanced_accuracy") }}, recall of malignant images \
{{ baseline.tuned | ci("recall_malignant") }}.

**Elsewhere it is worse.** On {{ errors.external.title }}, another hospital, such networks tell \
malignant from benign with an AUC of {{ errors.external.one.auc | decimal }} (at home \
{{ errors.external.home.auc | decimal }}) and find {{ errors.external.one.sensitivity | pct }} \
of the malignant lesions (at home {{ errors.external.home.sensitivity | pct }}). The report says \
which lesions are missed most: the smallest.

**In**: `image`, uint8 (height, width), one B-mode frame in grey, of any size; letterbox and \
mirror image are part of the graph. **Out**: `probabilities`, float32 (3,), in the order \
{{ classes | join(", ") }}, divided by a temperature of {{ temperature | decimal(2) }} that inner \
validation chose; `mask`, float32 (224, 224), 0-1, where the network sees the lesion in the \
square. Below a confidence of {{ refer_below | pct }} the command says *I'd refer this*: so low \
were {{ share | pct }} of the inner validation images.

**File**: `mobilenetv2_fp16.onnx`, {{ (bytes / 1e6) | decimal(2) }} MB, weights stored in half \
precision and computed in single. On its own {{ images }} images its probabilities differ from \
Keras by at most {{ largest | decimal(4) }}; labels changed: {{ changed }}. SHA-256 in \
`release.json`, which `busi-predict` and the page compare.

**Not for**: Doppler, elastography, video, other organs, the axilla; any decision about a patient.

Weights began from Keras' ImageNet weights (Apache-2.0); BUSI: Al-Dhabyani et al. 2020, \
doi 10.1016/j.dib.2019.104863.
"""


def build_release(study: Study) -> None:
    """Train the network, or read the one kept, and write what stands in ``release/``.

    Parameters
    ----------
    study : Study
        With BUSI's images and ImageNet weights.

    Raises
    ------
    StudyError
        If images, weights, or predictions for temperature and threshold are missing.
    """
    temperature, refer_below = calibration_of(study)
    setup, network = setup_of(study, RELEASED), released_network(study)
    model = deployed(network.full, _SIGNED, temperature)
    whole = from_any_image(weights_as_fp16(to_onnx(model)), setup.size)
    file = whole.SerializeToString()
    with atomic_path(RELEASE / NETWORK) as temporary:
        temporary.write_bytes(file)
    files = study.bank_files(RELEASED.cohort).set_index("image_id")
    files = files.loc[study.folds(RELEASED.cohort)["image_id"]].reset_index()
    pixels = prepared(files, setup.recipe, setup.size)
    keras_p = _in_batches(model, pixels)
    graph = session(file)
    onnx_p = np.stack([graph.run(["probabilities"], {"image": one})[0] for one in pixels])
    facts: dict[str, Any] = {
        "name": f"{RELEASED.model} {RELEASED.recipe}, seed {RELEASED.seed}, all of clean",
        "classes": list(CLASSES),
        "size": setup.size,
        "images": len(pixels),
        "temperature": round(temperature, 4),
        "refer_below": round(refer_below, 4),
        "weights_sha256": setup.initial.sha256,
        "largest_difference": round(float(np.abs(keras_p - onnx_p).max()), 6),
        "labels_changed": int((keras_p.argmax(1) != onnx_p.argmax(1)).sum()),
        "files": {NETWORK: {"sha256": hashlib.sha256(file).hexdigest(), "bytes": len(file)}},
    }
    write_json(RELEASE / "release.json", facts)
    write_card(study, facts)


def write_card(study: Study, facts: dict[str, Any]) -> None:
    """Write ``release/README.md`` from the facts of a release and the numbers of the study."""
    values = read_metrics(study.workspace) | facts
    values |= {"share": REFERRED, "bytes": facts["files"][NETWORK]["bytes"]}
    values |= {"largest": facts["largest_difference"], "changed": facts["labels_changed"]}
    write_text(RELEASE / "README.md", fill(_CARD, values, "The card of the release") + "\n")


def calibration_of(study: Study) -> tuple[float, float]:
    """Return temperature and referral threshold, from inner validation images alone."""
    folder = RELEASED.validation(study.workspace).parent
    tables = [read_prediction_file(path) for path in sorted(folder.glob("seed*_fold?.csv"))]
    told = pd.concat(tables)
    y, p = encode(told["label"].to_numpy()), told[list(PROBABILITIES)].to_numpy()
    temperature = fit_temperature(y, p)
    confidence = apply_temperature(p, temperature).max(axis=1)
    return temperature, float(np.quantile(confidence, REFERRED))


def _in_batches(model: Any, pixels: np.ndarray, size: int = 32) -> np.ndarray:
    parts = range(0, len(pixels), size)
    grey = pixels[..., None].astype(np.float32)
    return np.concatenate([np.asarray(model(grey[k : k + size])["p"]) for k in parts])
