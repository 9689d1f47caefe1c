"""A study of seconds: a small network and recipes of few epochs.

Every process that receives a `ShortStudy` knows them from then on; in the tests' own process they
are known as long as the fixture `short_study` lasts. TensorFlow is imported only where a network is
built.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from busi_utils.models import MODELS, SIGNED, Backbone
from busi_utils.recipes import RECIPES, Recipe
from busi_utils.study.cells import Cell
from busi_utils.study.execution import _context, _start_process
from busi_utils.study.study import Study

if TYPE_CHECKING:
    import keras

    from busi_utils.training.weights import InitialWeights

SMALL = {"small": Backbone("small", "Small", "Small", SIGNED, "conv_3", "conv_4", "", "")}
SHORT = {
    "short": replace(RECIPES["scratch"], views=2, epochs=6, batch_size=8),
    "short-upper_blocks": replace(
        RECIPES["original"],
        init="random",
        cut="middle",
        views=2,
        epochs=8,
        patience=5,
        batch_size=8,
        bn_momentum=0.9,
        mask_weight=0.5,
        head="mask",
    ),
}


class ShortStudy(Study):
    """A study whose networks may be ``small`` and whose recipes ``short``."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        MODELS.update(SMALL)
        RECIPES.update(SHORT)
        vars(self).update(state)

    def initial_weights(self, entry: Backbone, recipe: Recipe) -> InitialWeights:
        import keras

        keras.applications.Small = _small_network
        return super().initial_weights(entry, recipe)


def _small_network(input_tensor: keras.KerasTensor, **_: Any) -> keras.Model:
    """Return a network of stride 32, as those of the registry are, in a tenth of their layers:
    to trace a graph takes longer than to train it on a few small images.
    """
    from keras import Model, layers

    x = input_tensor
    for number, channels in enumerate((8, 8, 16, 16, 32)):
        x = layers.Conv2D(channels, 3, 2, "same", use_bias=False, name=f"conv_{number}")(x)
        x = layers.BatchNormalization(name=f"norm_{number}")(x)
        x = layers.Activation("relu", name=f"relu_{number}")(x)
        x = layers.DepthwiseConv2D(3, padding="same", name=f"depthwise_{number}")(x)
    return Model(input_tensor, x, name="small")


class CellProcess:
    """A process that trains one cell.

    Attributes
    ----------
    lines : list of str
        What it reported so far.
    """

    def __init__(self, study: Study, cell: Cell, cache: Path, waits_at: int = 0) -> None:
        """Start it; after ``waits_at`` epochs (0: never) it waits for a signal."""
        context = _context()
        self._ours, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(study, cell, cache, waits_at, theirs))
        self._process.start()
        theirs.close()
        self.lines: list[str] = []

    def read(self, start: str = "") -> None:
        """Read its reports up to one that starts so, or to its end."""
        try:
            while not start or not self.lines or not self.lines[-1].startswith(start):
                self.lines.append(self._ours.recv())
        except EOFError:
            pass

    def kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)

    def exitcode(self) -> int:
        self._process.join(240)
        return self._process.exitcode


def _run(study: Study, cell: Cell, cache: Path, waits_at: int, pipe: Connection) -> None:
    _start_process()
    from busi_utils.study import cell_training

    def report(line: str) -> None:
        pipe.send(line)
        if waits_at and line.startswith(f"epoch {waits_at}"):
            signal.pause()

    cell_training.CACHE = cache
    cell_training.run_cell(study, cell, report)
