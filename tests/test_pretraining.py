"""The demonstration's starting weights: they tell phantoms apart that nobody has seen."""

import errno
import os
from types import SimpleNamespace

import numpy as np
import pytest

from busi_phantom.render import render_phantoms
from busi_utils import CLASSES
from busi_utils.audit.images import letterbox
from busi_utils.errors import StudyError
from busi_utils.models import MODELS, backbone_of, to_input
from busi_utils.training import pretraining
from busi_utils.training.classifiers import logistic_on_features
from busi_utils.training.pretraining import SHIPPED, phantom_weights
from busi_utils.training.weights import RANDOM, load_backbone

pytestmark = pytest.mark.slow

N = 120


@pytest.fixture(scope="module")
def phantoms() -> tuple[np.ndarray, np.ndarray]:
    labels = [CLASSES[k % 3] for k in range(N)]
    images = [letterbox(phantom.image, 64) for phantom in render_phantoms(labels, 77_000)]
    return np.stack(images), np.arange(N) % 3


@pytest.mark.parametrize("model", ["mobilenetv2", "mobilenetv3_small"])
def test_shipped_weights_beat_random_ones_on_fresh_phantoms(model, phantoms):
    pixels, y = phantoms
    x = to_input(pixels, backbone_of(model).input_range)

    def accuracy(initial) -> float:
        maps = load_backbone(MODELS[model], 64, initial)(x, training=False)  # predict would trace
        features = np.mean(maps, axis=(1, 2))
        odd = np.arange(N) // 3 % 2 == 1
        p, _ = logistic_on_features(features[~odd], y[~odd], np.flatnonzero(~odd), features[odd], 0)
        return float(np.mean(p.argmax(axis=1) == y[odd]))

    initial = phantom_weights(MODELS[model])
    assert (initial.init, initial.path.parent) == ("phantom", SHIPPED)
    learnt = accuracy(initial)
    assert learnt > 0.55  # chance is a third
    assert learnt > accuracy(RANDOM)


@pytest.mark.parametrize("free", [0, 2**30])
def test_a_full_disk_under_the_weights_is_told_and_leaves_nothing(tmp_path, monkeypatch, free):
    asked = []

    def half(path):
        asked.append(path)
        path.write_bytes(b"HDF")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    network = SimpleNamespace(count_params=lambda: 1000, save_weights=half)
    monkeypatch.setattr(pretraining, "_pretrain", lambda entry: network)
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=free))
    with pytest.raises(StudyError, match="No space left on device"):
        pretraining.pretrain(backbone_of("mobilenetv2"), tmp_path / "a.weights.h5")
    assert len(asked) == (free > 0)  # HDF5 does not survive a disk that fills under it
    assert all(path.name.endswith(".weights.h5") for path in asked)
    assert not list(tmp_path.iterdir())
