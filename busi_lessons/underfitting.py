"""Lesson 3: is it underfitting? Dropout in the log, the input's scale, batch norm's averages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from busi_lessons.exercises import Exercise, NotTried, Wrong, ask, close, numbers
from busi_lessons.material import labelled, scores, small_network

SCALINGS = ("raw", "unit", "symmetric", "standardised")
WRITTEN, REMEASURED = "original-unfrozen", "original-unfrozen_bn_remeasured"


def _inference(answer: Callable, rng: np.random.Generator) -> None:
    for _ in range(4):
        net = small_network(rng)
        X, y = labelled(net, rng)
        found = numbers(ask(answer, net, X, y), (), "the accuracy")
        right = (scores(net, X).argmax(axis=1) == y).mean()
        if close(found, right):
            continue
        if found > 1:
            raise Wrong("an accuracy lies between 0 and 1: divide by the number of rows.")
        if close(found, (_halved(net, X) == y).mean()):
            raise Wrong(
                "the hidden values were scaled down as well. Training already divided what it kept "
                "by 1 - dropout, so inference uses them as they are."
            )
        for what in ("b1", "b2", "b1 and b2", "max(0, .)"):
            if close(found, (_without(what, net, X).argmax(axis=1) == y).mean()):
                raise Wrong(f"{what} is missing.")
        if close(found, 1 - right):
            raise Wrong("that is the share of rows that the network gets WRONG.")
        trials = [(scores(net, X, rng).argmax(axis=1) == y).mean() for _ in range(20)]
        if min(trials) - 0.02 < found < max(trials) + 0.02:
            raise Wrong(
                f"it gives {found:.3f} where the network has {right:.3f}: dropout seems to be on."
            )
        raise Wrong(
            f"it gives {found:.3f} instead of {right:.3f}: compare with the formula, and take the "
            "largest score of each row."
        )


def _without(what: str, net: dict, X: np.ndarray) -> np.ndarray:
    """Return the scores that come of a forgotten term."""
    hidden = X @ net["W1"] + net["b1"] * ("b1" not in what)
    hidden = hidden if "max" in what else np.maximum(hidden, 0)
    return hidden @ net["W2"] + net["b2"] * ("b2" not in what)


def scaled_pixels(rng: np.random.Generator, scaling: str) -> np.ndarray:
    """Return eight pictures (8, 24, 24), as they look after one of ``SCALINGS``."""
    brightness, contrast = rng.uniform(25, 120), rng.uniform(6, 30)
    grey = np.clip(rng.normal(brightness, contrast, (8, 24, 24)), 0, 255).round()
    if scaling == "raw":
        return grey
    if scaling == "unit":
        return grey / 255
    if scaling == "symmetric":
        return grey / 127.5 - 1
    return (grey - grey.mean()) / grey.std()


def _scaling(answer: Callable, rng: np.random.Generator) -> None:
    wrong = []
    for case in range(40):
        scaling = SCALINGS[case % 4]
        try:
            found = ask(answer, scaled_pixels(rng, scaling))
        except NotTried:
            if not case:
                raise
            raise Wrong(f"nothing is returned for a batch that is '{scaling}'.") from None
        if not isinstance(found, str) or found not in SCALINGS:
            raise Wrong(f"return one of {', '.join(SCALINGS)}, not {str(found)[:30]!r}.")
        if found != scaling:
            wrong.append((scaling, found))
    if not wrong:
        return
    true, named = max(set(wrong), key=wrong.count)
    are = {
        "unit": "lie from 0 to 1, and dark ones far below 1",
        "symmetric": "lie from -1 to 1, dark ones all below 0, and their mean need not be 0",
        "standardised": "are negative in places too, but their mean is 0, and some lie beyond 1",
        "raw": "are whole numbers from 0 to 255",
    }
    raise Wrong(
        f"{len(wrong)} of 40 are misjudged, mostly '{true}' as '{named}': {true} values "
        f"{are[true]}; {named} ones {are[named]}."
    )


def _running(answer: Callable, rng: np.random.Generator) -> None:
    for momentum in (0.99, 0.9, 0.6):
        seen = rng.normal(3, 1, 30)
        found = numbers(ask(answer, seen, momentum), (30,), "the stored means")
        right = _stored(seen, momentum)
        if close(found, right):
            continue
        if close(found, _stored(seen, 1 - momentum)):
            raise Wrong(
                "momentum and its rest are exchanged: in Keras momentum is the share of the OLD "
                "value that is kept (PyTorch counts the other way round)."
            )
        if close(found, np.cumsum(seen) / np.arange(1, 31)):
            raise Wrong("that is the plain mean so far; old batches should fade.")
        if close(found, _stored(seen, momentum, seen[0])):
            raise Wrong("it starts from the first batch; the stored mean starts from 0.")
        if close(found[1:], right[:-1]):
            raise Wrong("it is one step late: store each batch before going on.")
        k = np.flatnonzero(np.abs(found - right) > 1e-6)[0]
        before = right[k - 1] if k else 0.0
        raise Wrong(
            f"after batch {k + 1} it holds {found[k]:.3f} instead of {right[k]:.3f}, which is "
            f"{momentum} * {before:.3f} + {1 - momentum:.2f} * {seen[k]:.3f}."
        )


def _stored(seen, momentum, start=0.0):
    values = []
    for batch in seen:
        start = momentum * start + (1 - momentum) * batch
        values.append(start)
    return np.array(values)


def hidden_trace(rng: np.random.Generator) -> pd.DataFrame:
    """Make up a trace with the columns that the study's have."""
    epochs = np.arange(1, 16)
    fresh = 0.85 - 0.4 * np.exp(-epochs / 4)
    stored = fresh - rng.uniform(0.1, 0.25) * np.exp(-epochs / 5)  # late epochs cross
    noise = rng.normal(0, 0.02, (3, 15))
    return pd.DataFrame(
        {
            "epoch": epochs,
            f"val_accuracy {WRITTEN}": stored + noise[0],
            f"val_accuracy {REMEASURED}": fresh + noise[1],
            f"train_accuracy {WRITTEN}": np.minimum(stored + 0.08 + noise[2], 1),
        }
    )


def _lost(answer: Callable, rng: np.random.Generator) -> None:
    for _ in range(3):
        trace = hidden_trace(rng)
        found = numbers(ask(answer, trace), (), "the loss")
        stored, fresh = (trace[f"val_accuracy {name}"] for name in (WRITTEN, REMEASURED))
        right = 100 * (fresh - stored).mean()
        if close(found, right):
            continue
        if close(found, -right):
            raise Wrong("the sign is turned: a loss is what remeasured gives more than stored.")
        if close(100 * found, right):
            raise Wrong("that is a share; points are hundredths, so multiply by 100.")
        if close(found, 100 * (trace[f"train_accuracy {WRITTEN}"] - stored).mean()):
            raise Wrong(
                "training less validation tells of overfitting; here two readings of the SAME "
                "weights on the SAME validation images are compared."
            )
        if close(found, 100 * (fresh - stored).abs().mean()):
            raise Wrong("in some epochs the stored average reads higher: leave those negative.")
        raise Wrong(
            f"it gives {found:.2f} points instead of {right:.2f}: take the mean of the difference "
            "over all epochs."
        )


def _dropped(net, X, y):
    return (scores(net, X, np.random.default_rng(0)).argmax(axis=1) == y).mean()


def _halved(net, X):
    hidden = np.maximum(X @ net["W1"] + net["b1"], 0) * (1 - net["dropout"])
    return (hidden @ net["W2"] + net["b2"]).argmax(axis=1)


def _by_maximum(x):
    return "raw" if x.max() > 2 else "unit" if x.max() > 0.5 else "symmetric"


def _by_sign(x):
    return "symmetric" if x.min() < 0 else "unit" if x.max() <= 1 else "raw"


def _fitting_gap(trace):
    return 100 * (trace[f"train_accuracy {WRITTEN}"] - trace[f"val_accuracy {WRITTEN}"]).mean()


def _lost_by_epoch(trace):
    return trace[f"val_accuracy {REMEASURED}"] - trace[f"val_accuracy {WRITTEN}"]


EXERCISES = {
    "accuracy_in_inference": Exercise(
        task="returns a network's accuracy with dropout off",
        examine=_inference,
        hint="Copy `scores` without the three lines of dropout, then argmax and compare with y.",
        right="The same weights, without the handicap of training.",
        wrong={
            "as logged": (_dropped, "dropout seems to be on"),
            "scale down as well": (lambda n, X, y: (_halved(n, X) == y).mean(), "scaled down"),
        },
    ),
    "which_scaling": Exercise(
        task="names the scaling of a batch of pictures",
        examine=_scaling,
        hint="No single number decides. Are there negative values? Is the mean 0? Are all values "
        "within -1 and 1? Ask in an order that leaves one scaling after the other out.",
        right="All forty batches, dark and flat ones too.",
        wrong={
            "by the maximum": (_by_maximum, "are misjudged, mostly"),
            "by the sign": (_by_sign, "standardised values are negative in places too"),
        },
    ),
    "stored_means": Exercise(
        task="returns what batch norm has stored after each batch",
        examine=_running,
        hint="Start from 0 and go through the batches: new = momentum * old + (1 - momentum) * "
        "this batch. Keep every value.",
        right="Old values fade as a power of the momentum.",
        wrong={
            "the other convention": (lambda s, m: _stored(s, 1 - m), "are exchanged"),
            "plain mean": (lambda s, m: np.cumsum(s) / np.arange(1, len(s) + 1), "plain mean"),
            "start from the first": (lambda s, m: _stored(s, m, s[0]), "starts from the first"),
        },
    ),
    "lost_points": Exercise(
        task="returns how many points the stored averages cost, as a mean over epochs",
        examine=_lost,
        hint="Two columns of the trace hold validation accuracy: through the averages that "
        "training stored, and through averages measured anew. Subtract, average, times 100.",
        right="The same weights and images; only the averages differ.",
        wrong={
            "training less validation": (_fitting_gap, "tells of overfitting"),
            "distances": (
                lambda t: (
                    100
                    * (t[f"val_accuracy {REMEASURED}"] - t[f"val_accuracy {WRITTEN}"]).abs().mean()
                ),
                "leave those negative",
            ),
            "a share": (lambda t: _lost_by_epoch(t).mean(), "multiply by 100"),
        },
    ),
}
