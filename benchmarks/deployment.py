"""One answer of the exported network against Keras' own ways of asking, in one run."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from busi_utils.study.cells import Cell
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace

_EXAMPLES = 8  # noise: what a network answers does not change how long it takes


def bench_deployment() -> pd.DataFrame:
    """Time the tuned network's build with random weights, image and mirror image, all cores.

    ``times_as_fast`` is against ``predict``, the way of tutorials.
    """
    import tensorflow as tf

    from busi_utils.deploy import formats, graph
    from busi_utils.deploy.latency import timed
    from busi_utils.deploy.prediction import session
    from busi_utils.study.setup import setup_of

    with tempfile.TemporaryDirectory() as folder:
        study = Study("phantom", Workspace(Path(folder)), {})
        setup = setup_of(study, Cell("phantom", "clean", "mobilenetv2", "scratch", 0, 0))
        model = formats.deployed(setup.network, setup.input_range)
    noise = np.random.default_rng(0).uniform(0, 255, (_EXAMPLES, *model.input.shape[1:]))
    noise = noise.astype(np.float32)
    core, call = graph.to_onnx(model), tf.function(partial(model, training=False))
    int8 = graph.as_int8(core, noise, max(formats.KEPT))
    fp32, small = (session(graph.shortened(part)) for part in (core, int8))
    ways = {
        "Keras predict": partial(model.predict, verbose=0),
        "tf.function": lambda grey: call(tf.constant(grey))["p"].numpy(),
        "ONNX Runtime": lambda grey: fp32.run(["p"], {"grey": grey}),
        "ONNX Runtime, 8 bits": lambda grey: small.run(["p"], {"grey": grey}),
    }
    table = pd.DataFrame(
        {"way": list(ways), "ms": [timed(ask, noise[:1])[0] for ask in ways.values()]}
    )
    return table.assign(times_as_fast=table["ms"].iloc[0] / table["ms"])
