"""Maps of what moves a class score: by its gradient (Grad-CAM) and by hiding parts (occlusion)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

from busi_utils.models import to_input
from busi_utils.training.checkpoints import assign, values_of
from busi_utils.training.heads import Network

_BATCH = 32
_BATCH_FORWARD = 128  # without gradients to keep


class Looking:
    """A network cut at its last feature map, asked for class scores before the softmax.

    Parameters
    ----------
    network : Network
        Flat or nested: only its pooling and class layers are looked up by name.
    input_range : str
        See `inference.wanted_range`.
    """

    def __init__(self, network: Network, input_range: str) -> None:
        self.network, self.input_range = network, input_range
        full = network.full
        self.classes = full.get_layer("classes")
        # One graph: a head may read earlier maps too, which no model above the last map could.
        self._both = keras.Model(full.input, [full.get_layer("pooled").input, self.classes.input])
        x, y = tf.TensorSpec([None, *full.input.shape[1:]]), tf.TensorSpec([None], tf.int32)
        self._weigh = tf.function(self._cams, input_signature=[x, y], autograph=False)
        score = lambda x: self._scores(x)[1]  # noqa: E731
        self._score = tf.function(score, input_signature=[x], autograph=False)

    def _scores(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the last feature map and the class scores before the softmax."""
        features, hidden = self._both(x, training=False)
        return features, tf.matmul(hidden, self.classes.kernel) + self.classes.bias

    def _cams(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            features, scores = self._scores(x)
            score = tf.gather(scores, y, batch_dims=1)
        gradient = tape.gradient(score, features)
        averaged = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        maps = [tf.reduce_sum(weights * features, axis=-1) for weights in (averaged, gradient)]
        return tf.nn.relu(tf.stack(maps, axis=1))

    def cams(self, images: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r"""Return Grad-CAM and HiResCAM maps of the given classes, each (n, k, k), not negative.

        .. math:: L = \mathrm{ReLU}\Bigl(\sum_k \overline{\partial s_y / \partial A^k} \, A^k\Bigr)

        with the feature maps A of the last layer before pooling and the score s before the softmax.
        HiResCAM leaves the gradient at its place instead of averaging it over the map, which
        matters for a head that weighs places differently.

        Parameters
        ----------
        images : np.ndarray
            Shape (n, size, size), uint8.
        y : np.ndarray
            Shape (n,), int.

        References
        ----------
        Selvaraju et al., Grad-CAM, ICCV 2017. Draelos & Carin, HiResCAM, arXiv:2011.08891.
        """
        both = self._batched(lambda x, c: self._weigh(x, c).numpy(), images, y)
        return both[:, 0], both[:, 1]

    def gradcam_randomised(
        self, images: np.ndarray, y: np.ndarray, part: str, seed: int
    ) -> np.ndarray:
        """Return Grad-CAM maps after weights were drawn anew; the network is restored afterwards.

        A map that stays the same does not show what the network has learnt.

        Parameters
        ----------
        images, y
            As in `cams`.
        part : {"head", "top"}
            The class layer alone, or all that was trained.
        seed : int
            Of the draw.

        References
        ----------
        Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018.
        """
        variables = self.classes.variables if part == "head" else self.network.top.variables
        kept, rng = values_of(variables), np.random.default_rng(seed)
        # Each array is shuffled: its distribution stays, what it has learnt is gone.
        assign(variables, [rng.permutation(v.ravel()).reshape(v.shape) for v in kept])
        try:
            return self.cams(images, y)[0]
        finally:
            assign(variables, kept)

    def occlusion(self, images: np.ndarray, y: np.ndarray, grid: int) -> np.ndarray:
        """Return how far the score of a class falls when a block is hidden, (n, grid, grid).

        A block is replaced by the mean grey level of its image; what raises the score counts as 0.

        Parameters
        ----------
        images, y
            As in `cams`.
        grid : int
            Blocks a side.

        References
        ----------
        Zeiler & Fergus, Visualizing and understanding convolutional networks, ECCV 2014.
        """
        score = lambda x, c: self._score(x).numpy()[np.arange(len(c)), c]  # noqa: E731
        whole = self._batched(score, images, y, _BATCH_FORWARD)
        edges = np.linspace(0, images.shape[1], grid + 1).round().astype(int)
        means = images.reshape(len(images), -1).mean(axis=1).astype(np.uint8)
        falls = np.empty((len(images), grid, grid))
        for row, column in np.ndindex(grid, grid):
            hidden = images.copy()
            rows, columns = (slice(*edges[i : i + 2]) for i in (row, column))
            hidden[:, rows, columns] = means[:, None, None]
            falls[:, row, column] = whole - self._batched(score, hidden, y, _BATCH_FORWARD)
        return np.maximum(falls, 0)

    def _batched(
        self,
        call: Callable[..., np.ndarray],
        images: np.ndarray,
        y: np.ndarray,
        batch: int = _BATCH,
    ) -> np.ndarray:
        parts = []
        for start in range(0, len(images), batch):
            some = slice(start, start + batch)
            x = tf.constant(to_input(images[some], self.input_range))
            parts.append(call(x, tf.constant(y[some], tf.int32)))
        return np.concatenate(parts)


@lru_cache(maxsize=1)
def looking(network: Network, input_range: str) -> Looking:
    """Return the `Looking` of a network, traced once however often its weights are replaced."""
    return Looking(network, input_range)
