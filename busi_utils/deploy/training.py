"""The released network's training: all of `clean`, once, by the recipe that validation chose."""

from __future__ import annotations

import tensorflow as tf

from busi_utils import CLASSES
from busi_utils.study.cell_training import NowAndThen
from busi_utils.study.cells import Cell
from busi_utils.study.setup import setup_of
from busi_utils.study.study import Study
from busi_utils.training.checkpoints import assign, load_state, save_state, values_of
from busi_utils.training.heads import Network
from busi_utils.training.trainer import Part, Trainer
from busi_utils.workspace import CACHE

RELEASED = Cell("busi", "clean", "mobilenetv2", "tuned", 0, 0)
"""Names model, recipe and seed of the release; its fold means nothing: all images train it."""


def released_network(study: Study) -> Network:
    """Train the network on every image of `clean`, or read the one kept from an earlier call.

    Nothing is watched while it learns and nothing is chosen: the tuned recipe keeps its end.

    Raises
    ------
    StudyError
        If images or weights are missing.
    """
    study.require_images(RELEASED)
    setup, images = setup_of(study, RELEASED), study.folds(RELEASED.cohort)
    kept = CACHE / "networks" / f"released_{study.config_hash(RELEASED, setup.initial.sha256)}.npz"
    tf.config.experimental.enable_op_determinism()
    network = setup.network
    if (found := load_state(kept)) is not None:
        assign(network.top.variables, found[1]["top"])
        return network
    bank, report = setup.bank(study.bank_files(RELEASED.cohort)), NowAndThen("the released network")
    whole = Part(bank.rows(images["image_id"]), images["label"].map(CLASSES.index).to_numpy())
    bank.require_for_training(whole.rows, report)
    trainer = Trainer(network, bank, setup.recipe, RELEASED.seed, kept)
    while trainer.progress.epoch < setup.recipe.epochs:
        row = trainer.train_epoch(whole)
        trainer.progress.epoch += 1
        report(f"epoch {trainer.progress.epoch}/{setup.recipe.epochs}: loss {row['loss']:.3f}")
    save_state(kept, vars(trainer.progress), {"top": values_of(network.top.variables)})
    return network
