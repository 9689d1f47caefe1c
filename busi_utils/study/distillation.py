"""What teachers say of the views that a student learns from (Hinton, Vinyals, Dean 2015).

A student's teachers are networks tuned on the training part of its own fold with its own seed, so
none of them has seen an image on which the student is validated or tested.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from busi_utils import CLASSES
from busi_utils.recipes import recipe_of
from busi_utils.study.cells import Cell
from busi_utils.study.setup import setup_of
from busi_utils.study.study import Study
from busi_utils.training.checkpoints import load_state, save_state
from busi_utils.training.heads import Network
from busi_utils.workspace import CACHE

TEACHERS_RECIPE = "tuned"
_BATCH = 64


def teachers_of(cell: Cell) -> list[Cell]:
    """Return the cells whose networks teach the student of a cell; none for most recipes."""
    names = recipe_of(cell.recipe).teachers
    return [replace(cell, model=name, recipe=TEACHERS_RECIPE) for name in names]


def taught(
    study: Study, networks: Iterable[tuple[Cell, Network]], image_ids: Sequence[str]
) -> np.ndarray:
    """Return the mean probability of teachers for every random view of a student's images.

    Views are drawn by image and number, so a student with smaller images sees the same ones.

    Parameters
    ----------
    study : Study
    networks : iterable of (Cell, Network)
        The trained teachers; each is used before the next is asked for.
    image_ids : sequence of str
        The training images of the student.

    Returns
    -------
    np.ndarray
        Float32 (images of the data set, views, classes); NaN where no student learns.
    """
    return np.mean([_said(study, cell, net, image_ids) for cell, net in networks], axis=0)


def _said(study: Study, cell: Cell, network: Network, image_ids: Sequence[str]) -> np.ndarray:
    """Return what one teacher says, kept on this machine for the next student."""
    file = _file(study, cell, network)
    if (kept := load_state(file)) is not None:
        return kept[1]["said"][0]
    bank = setup_of(study, cell).bank(study.bank_files(cell.cohort))
    rows = bank.rows(image_ids)
    bank.require_for_training(rows)
    x = tf.TensorSpec([None, *network.top.input.shape[1:]], tf.float32)
    ask = tf.function(lambda x: network.top(x, training=False)[0], input_signature=[x])
    said = np.full((len(bank.sha256), bank.n_views, len(CLASSES)), np.nan, np.float32)
    for view in range(2, bank.n_views):
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            batch = bank.batch(part, np.full(len(part), view))
            said[part, view] = ask(tf.constant(batch)).numpy()
    save_state(file, {}, {"said": [said]})
    return said


def _file(study: Study, cell: Cell, network: Network) -> Path:
    """A network trained again is another teacher, so its last layer enters the name."""
    last = network.top.get_layer("classes").kernel.numpy().tobytes()
    digest = hashlib.sha256(study.config_hash(cell).encode() + last).hexdigest()
    return CACHE / "taught" / f"{digest[:16]}.npz"
