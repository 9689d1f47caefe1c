"""Lesson 2: how sure? Bootstrap by image, by group, and of a difference, judged by coverage."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from busi_lessons.exercises import Exercise, Wrong, ask, numbers

DRAWS = 500
SECONDS = 60  # a slow answer is tried on fewer draws
REPLICATES = 400
_MIDDLE = "Take the middle 95 %; if you did: "
_ELSE = "If you do: take some hundred draws, and their quantiles at 0.025 and 0.975."


def hidden_study(
    rng: np.random.Generator, groups: int, largest: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Draw one study whose true accuracy is known.

    Larger groups are easier, so that an accuracy over groups is not the accuracy over images.

    Parameters
    ----------
    rng : numpy.random.Generator
    groups : int
        Independent groups; group g has 1 + g mod ``largest`` images, all right or all wrong.
    largest : int
        Images of the largest groups; 1 makes every image independent.

    Returns
    -------
    right : float (n,), 0 or 1
    group : int (n,)
    truth : float
        Expected accuracy over images.
    """
    size = 1 + np.arange(groups) % largest
    easy = 0.6 + 0.25 * (size - 1) / max(largest - 1, 1)
    found = (rng.random(groups) < easy).astype(float)
    order = rng.permutation(size.sum())
    group = np.repeat(np.arange(groups), size)[order]
    return found[group], group, float((size * easy).sum() / size.sum())


def by_group(values: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> tuple:
    """Percentile interval of a mean, all images of a drawn group together: the yardstick."""
    names, member = np.unique(group, return_inverse=True)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), REPLICATES)
    means = drawn @ np.bincount(member, values) / (drawn @ np.bincount(member))
    return tuple(np.quantile(means, [0.025, 0.975]))


def _try(answer: Callable, studies: Callable, rng: np.random.Generator) -> tuple:
    """Return the answer's and the yardstick's limits and the truth, for one draw a row."""
    own, theirs, truths = [], [], []
    started, draws = time.monotonic(), DRAWS
    while len(own) < draws:
        arguments, values, group, truth = studies(rng)
        low_high = ask(answer, *arguments, np.random.default_rng(len(own)))
        limits = numbers(low_high, (2,), "the interval (low, high)")
        if limits[0] > limits[1]:
            raise Wrong("the lower limit lies above the upper one.")
        own.append(limits)
        theirs.append(by_group(values, group, rng))
        truths.append(truth)
        if len(own) == 20:
            spent = time.monotonic() - started
            draws = int(np.clip(20 * SECONDS / max(spent, 1e-9), 100, DRAWS))
    return np.array(own), np.array(theirs), np.array(truths)


def _judged(own: np.ndarray, theirs: np.ndarray, truth: np.ndarray, why: dict[str, str]) -> None:
    """Compare coverage, place and width with the yardstick's on the same draws."""
    covers = [((a[:, 0] <= truth) & (truth <= a[:, 1])).mean() for a in (own, theirs)]
    width = [np.diff(a, axis=1).mean() for a in (own, theirs)]
    shift = (own.mean(axis=1) - theirs.mean(axis=1)).mean() / width[1]
    seen = f"over {len(truth)} draws it holds the truth in {covers[0]:.0%}"
    if width[0] < 1e-9:
        raise Wrong(
            "the interval has no width: every draw gives one mean. Draw with replacement, and "
            "average each draw by itself."
        )
    middles = np.column_stack([own.mean(axis=1), theirs.mean(axis=1)])
    if np.isin(own, [0, 1]).all():
        raise Wrong("limits of 0 and 1 say nothing: take the quantiles of the means of the draws.")
    if np.ptp(middles[:, 0]) < 1e-9 or abs(np.corrcoef(middles.T)[0, 1]) < 0.5:
        raise Wrong(
            "the interval does not follow what is asked for: compute it from all you are given."
        )
    if np.median(np.abs(middles[:, 0])) > 1:
        raise Wrong("the limits lie beyond 1: return shares, not per cent.")
    if abs(shift) > 0.2:
        raise Wrong(f"{seen}, and lies beside it. {why['place']}")
    ratio = width[0] / width[1]
    off = np.abs((own - theirs).mean(axis=0)) / width[1]
    if off.max() > 0.06 and off.min() < 0.04:
        raise Wrong(
            f"the {('lower', 'upper')[off.argmax()]} limit does not leave 2.5 % of the draws "
            "beyond it: take the quantiles at 0.025 and 0.975 of many means over images."
        )
    for level, least, most in ((90, 0.81, 0.867), (99, 1.23, 1.37)):
        if least < ratio < most:
            reason = why["wide" if level > 95 else "narrow"]
            raise Wrong(f"{seen}, and is as wide as an interval of {level} %. {_MIDDLE}{reason}")
    if ratio > 1.15:
        raise Wrong(f"{seen}, but is {ratio:.1f} times as wide as it should be. {why['wide']}")
    if 0.72 < ratio < 0.81 and "twice" in why:
        raise Wrong(f"{seen}, not 95 %. {why['twice']} {_ELSE}")
    if 0.47 < ratio < 0.545:
        error = "one standard error each way"
        raise Wrong(f"{seen}, and is as wide as {error}. {_MIDDLE}{why['narrow']}")
    if ratio < 0.87 or covers[0] < covers[1] - 0.02 - 2 / len(truth):
        raise Wrong(f"{seen}, not 95 %. {why['narrow']} {_ELSE}")
    if off.max() > 0.06:
        raise Wrong("the limits are not the quantiles at 0.025 and 0.975 of many means.")


def _by_image(answer: Callable, rng: np.random.Generator) -> None:
    def studies(rng):
        right, group, truth = hidden_study(rng, 150, 1)
        return (right,), right, group, truth

    why = {
        "place": "It should surround the share of ones.",
        "wide": "The spread of single images is not that of a mean; draw as many as there are.",
        "narrow": "Draw as many images as there are, with replacement, again and again.",
    }
    _judged(*_try(answer, studies, rng), why)


def _in_groups(answer: Callable, rng: np.random.Generator) -> None:
    def studies(rng):
        right, group, truth = hidden_study(rng, 120, 4)
        return (right, group), right, group, truth

    why = {
        "place": "A group that is drawn brings all its images: the accuracy is over images.",
        "wide": "Draw as many groups as there are, no fewer.",
        "narrow": "Copies are right or wrong together: draw groups, not images; as many as exist.",
        "twice": "A group that is drawn twice counts twice; a test of membership forgets that.",
    }
    _judged(*_try(answer, studies, rng), why)


def _paired(answer: Callable, rng: np.random.Generator) -> None:
    def studies(rng):
        a, group, truth = hidden_study(rng, 120, 3)
        lost = rng.random(120) < 0.08  # model b fails on some groups that a gets right
        won = rng.random(120) < 0.08  # and is right on some that a fails on
        b = np.where(a == 1, ~lost[group], won[group]).astype(float)
        return (a, b, group), a - b, group, 0.08 * (2 * truth - 1)

    why = {
        "place": "The difference asked for is a less b, over images.",
        "wide": "Both models saw the same images: draw once, and use the draw for both.",
        "narrow": "Copies are right or wrong together: draw groups, not images; as many as exist.",
        "twice": "A group that is drawn twice counts twice; a test of membership forgets that.",
    }
    _judged(*_try(answer, studies, rng), why)


def _resampled(values, rng):
    drawn = rng.integers(0, len(values), (REPLICATES, len(values)))
    return values[drawn].mean(axis=1)


def _middle(means, level=0.95):
    return np.quantile(means, [(1 - level) / 2, (1 + level) / 2])


def _two_deviations(right, rng):
    return right.mean() - 2 * right.std(), right.mean() + 2 * right.std()


def _one_error(right, rng):
    half = right.std() / np.sqrt(len(right))
    return right.mean() - half, right.mean() + half


def _mean_of_groups(right, group, rng):
    sums, sizes = np.bincount(group, right), np.bincount(group)
    return _middle(_resampled(sums / sizes, rng))


def _drawn_once(right, group, rng):
    names = np.unique(group)
    drawn = (rng.choice(names, len(names)) for _ in range(REPLICATES))
    return _middle([right[np.isin(group, some)].mean() for some in drawn])


def _drawn_apart(a, b, group, rng):
    low_a, high_a = by_group(a, group, rng)
    low_b, high_b = by_group(b, group, rng)
    half = np.hypot(high_a - low_a, high_b - low_b) / 2
    return (a - b).mean() - half, (a - b).mean() + half


EXERCISES = {
    "image_interval": Exercise(
        task="returns the 95 % bootstrap interval (low, high) of an accuracy",
        examine=_by_image,
        hint="rng.integers(0, n, (400, n)) draws 400 samples of n positions at once; take the mean "
        "of each row of right[positions], then np.quantile at 0.025 and 0.975.",
        right="It holds the truth about as often as it says.",
        wrong={
            "spread of images": (_two_deviations, "spread of single images"),
            "one standard error": (_one_error, "one standard error"),
            "five per cent above": (
                lambda right, rng: np.quantile(_resampled(right, rng), [0.025, 0.95]),
                "the upper limit",
            ),
            "five per cent each side": (
                lambda right, rng: _middle(_resampled(right, rng), 0.9),
                "an interval of 90 %",
            ),
        },
    ),
    "group_interval": Exercise(
        task="returns the 95 % interval (low, high) of an accuracy, drawing whole groups",
        examine=_in_groups,
        hint="Count per group: how many images, how many right. A draw of groups then needs only "
        "these two columns: sum of right over sum of images.",
        right="It holds the truth about as often as it says, copies or not.",
        wrong={
            "draw images": (lambda r, g, rng: _middle(_resampled(r, rng)), "draw groups, not"),
            "drawn twice, counted once": (_drawn_once, "counts twice"),
            "mean of group accuracies": (_mean_of_groups, "brings all its images"),
        },
    ),
    "paired_interval": Exercise(
        task="returns the 95 % interval (low, high) of accuracy a less accuracy b, paired",
        examine=_paired,
        hint="The difference of two accuracies on the same images is the mean of right_a - "
        "right_b: one column, for which exercise 2 already has the interval.",
        right="One draw serves both models: what is hard for both cancels.",
        wrong={
            "drawn apart": (_drawn_apart, "draw once, and use the draw"),
            "b less a": (lambda a, b, g, rng: by_group(b - a, g, rng), "a less b"),
            "draw images": (
                lambda a, b, g, rng: _middle(_resampled(a - b, rng)),
                "draw groups, not images",
            ),
        },
    ),
}
