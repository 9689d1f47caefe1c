"""What a reader could do with the network: trust its probabilities, act on them, refer the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from busi_utils.stats.bootstrap import bootstrap_replicates
from busi_utils.stats.calibration import DECIMALS, SMALLEST
from busi_utils.stats.metrics import ECE_BINS, MALIGNANT, confidence_bin
from busi_utils.stats.resampling import as_line, bootstrap_ratios, leading_sums, replicate, summable
from busi_utils.study.chosen_on_validation import calibrated, sensitivity_at_validated_threshold
from busi_utils.study.predictions import OutOfFold
from busi_utils.study.rows import Row, read_row
from busi_utils.study.study import Study

WORKLOADS = (0.0, 0.1, 0.2, 0.3, 0.5)
THRESHOLDS = np.linspace(0.02, 0.6, 59)
_FEWER = 2000  # replicates of what is only drawn


@dataclass(frozen=True)
class InUse:
    """Probabilities before and after scaling, and what each function below makes of them."""

    before: OutOfFold
    after: OutOfFold
    temperatures: np.ndarray  # (seeds, folds)
    calibration: pd.DataFrame
    floor: dict[str, float]  # of the calibration error, if the network were calibrated
    referral: pd.DataFrame
    risks: pd.DataFrame  # the same at many workloads
    benefits: pd.DataFrame
    sensitivity: pd.DataFrame  # at thresholds chosen on validation images

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the report, by name."""
        return {
            "calibration": self.calibration,
            "referral": self.referral,
            "decision_curve": self.benefits,
            "sensitivity_at_threshold": self.sensitivity,
        }


def in_use(study: Study, row: Row, seed: int, n_replicates: int) -> InUse:
    """Return what the probabilities of one row, all its seeds, are worth to a reader."""
    before, (after, temperatures) = read_row(study, row), calibrated(study, row)
    return InUse(
        before,
        after,
        temperatures,
        calibration_table(before, after, seed, n_replicates),
        ece_if_calibrated(after, seed, min(n_replicates, _FEWER)),
        referral_table(after, seed, n_replicates),
        referral_table(after, seed, min(n_replicates, _FEWER), np.linspace(0, 0.9, 31)),
        decision_curves(after, seed, n_replicates),
        sensitivity_at_validated_threshold(study, [row], seed, n_replicates),
    )


def calibration_table(
    before: OutOfFold, after: OutOfFold, seed: int, n_replicates: int
) -> pd.DataFrame:
    """Return calibration error, Brier score and log loss before and after scaling.

    The calibration error of n images exceeds that of the network, since the accuracy of a bin
    scatters, and a resample adds scatter once more: its interval leans upwards and may even leave
    the value out. `ece_if_calibrated` says how much is scatter; Brier score and log loss are free
    of it.

    Parameters
    ----------
    before, after : OutOfFold
        The same images and seeds; see `chosen_on_validation.calibrated`.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.

    Returns
    -------
    pd.DataFrame
        Rows ``ece, brier, nll`` (`metrics.weighted_metrics`; mean of -log p of the true class, in
        nats): ``metric``, then ``before, after`` and their paired ``difference`` (after - before),
        each with ``_low`` and ``_high``.
    """
    y, groups = before.y, before.groups
    both = {"before": before.p, "after": after.p}
    replicates = bootstrap_replicates(y, both, groups, seed, n_replicates, wanted=("ece", "brier"))
    losses = {name: (_log_loss(y, p), np.ones(len(y))) for name, p in both.items()}
    nll = bootstrap_ratios(losses, groups, seed, n_replicates)
    rows = []
    for metric in ("ece", "brier", "nll"):
        drawn = nll if metric == "nll" else pd.DataFrame({n: replicates[n][metric] for n in both})
        drawn = drawn.assign(difference=drawn["after"] - drawn["before"])
        rows.append({"metric": metric} | as_line(drawn))
    return pd.DataFrame(rows)


def ece_if_calibrated(found: OutOfFold, seed: int, n_replicates: int) -> dict[str, float]:
    """Return the calibration error that these images would show if the network were calibrated.

    Each image is made right with the probability that it was given ("consistency resampling"); the
    seeds of a row share the draw, as they share the image.

    Returns
    -------
    dict
        ``value`` (mean), ``low`` and ``high`` (2.5th and 97.5th percentile) of the expected
        calibration error (`metrics.weighted_metrics`), averaged over seeds.

    References
    ----------
    Bröcker & Smith, Weather Forecast 2007;22:651-661.
    """
    draws = np.random.default_rng(seed).random((n_replicates, len(found.y)))
    errors = np.zeros(n_replicates)
    for confidence in found.p.max(axis=2):
        bins = np.eye(ECE_BINS)[confidence_bin(confidence)]
        gaps = ((draws < confidence) - summable(confidence)) @ bins
        errors += np.abs(gaps).sum(axis=1) / len(found.y) / len(found.seeds)
    low, high = np.quantile(errors, [0.025, 0.975])
    return {"value": float(errors.mean()), "low": float(low), "high": float(high)}


def _log_loss(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return each image's negative log-likelihood, mean over seeds, (n,)."""
    losses = -np.log(np.maximum(p[:, np.arange(len(y)), y], SMALLEST)).mean(axis=0)
    return np.round(losses, DECIMALS)


def referral_table(
    found: OutOfFold,
    seed: int,
    n_replicates: int,
    workloads: Sequence[float] | np.ndarray = WORKLOADS,
) -> pd.DataFrame:
    """Return how often the network errs if the images it is least sure of go to a reader.

    Confidence is the largest of the three probabilities. With many workloads this is the
    risk-coverage curve (`calibration.risk_coverage`) with its interval at each point; the share
    referred is kept in every resample.

    Parameters
    ----------
    found : OutOfFold
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.
    workloads : sequence of float
        Shares of the images referred, in [0, 1).

    Returns
    -------
    pd.DataFrame
        ``referred``, ``coverage`` (1 - referred), then, averaged over seeds and each with ``_low``
        and ``_high``: ``risk`` (errors among the images answered), ``missed`` (share of the
        malignant images answered that are not called malignant) and ``missed_of_all`` (those among
        all malignant images, the referred ones included).

    Raises
    ------
    ValueError
        If a workload is not in [0, 1).

    References
    ----------
    Geifman & El-Yaniv, Selective classification for deep neural networks, NeurIPS 2017.
    """
    referred = np.asarray(workloads, dtype=float)
    if not ((referred >= 0) & (referred < 1)).all():
        raise ValueError("A workload is a share of the images in [0, 1).")

    def statistics(weights: np.ndarray) -> dict[tuple[float, str], np.ndarray]:
        risks = np.mean([_referral(found.y, p, weights, 1 - referred) for p in found.p], axis=0)
        names = ("risk", "missed", "missed_of_all")
        return {(w, n): risks[i, m] for i, w in enumerate(referred) for m, n in enumerate(names)}

    drawn = replicate(statistics, found.groups, seed, n_replicates)
    return pd.DataFrame([{"referred": w, "coverage": 1 - w} | as_line(drawn[w]) for w in referred])


def _referral(
    y: np.ndarray, p: np.ndarray, weights: np.ndarray, coverages: np.ndarray
) -> np.ndarray:
    """Return risk, missed and missed of all, (coverages, 3, r), of one seed."""
    malignant, wrong = y == MALIGNANT, p.argmax(axis=1) != y
    marks = np.stack([wrong, malignant, malignant & wrong]).astype(float)
    amounts = coverages[:, None] * weights.sum(axis=0)
    errors, answered, missed = leading_sums(p.max(axis=1), marks, weights, amounts).swapaxes(0, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = errors / amounts, missed / answered, missed / (malignant @ weights)
    return np.stack(shares, axis=1)


def decision_curves(
    found: OutOfFold,
    seed: int,
    n_replicates: int,
    thresholds: Sequence[float] | np.ndarray = THRESHOLDS,
) -> pd.DataFrame:
    r"""Return the net benefit of acting on "malignant" over threshold probabilities.

    .. math:: \mathrm{NB}(t) = \frac{\mathrm{TP}_t}{n} - \frac{\mathrm{FP}_t}{n} \frac{t}{1 - t}

    A reader who acts at probability t holds one missed cancer as bad as (1 - t) / t needless
    biopsies. The network is worth acting on where ``gain``, its net benefit less the better of "act
    on all" and "act on none", is above 0.

    Parameters
    ----------
    found : OutOfFold
        Calibrated, see `chosen_on_validation`: its probabilities are compared with thresholds.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.
    thresholds : sequence of float
        In (0, 1).

    Returns
    -------
    pd.DataFrame
        ``threshold``, then ``net_benefit``, ``act_on_all`` and ``gain``, means over seeds, each
        with ``_low`` and ``_high``; "act on none" is 0.

    References
    ----------
    Vickers & Elkin, Med Decis Making 2006;26:565-574.
    """
    malignant, every = found.y == MALIGNANT, np.ones(len(found.y))
    sums = {}
    for t in thresholds:
        worth = np.where(malignant, 1.0, -t / (1 - t))
        acted = (found.p[:, :, MALIGNANT] >= t).mean(axis=0)
        sums |= {(t, "net_benefit"): (acted * worth, every), (t, "act_on_all"): (worth, every)}
    drawn = bootstrap_ratios(sums, found.groups, seed, n_replicates)
    rows = []
    for t in thresholds:
        at = drawn[t].copy()
        at["gain"] = at["net_benefit"] - at["act_on_all"].clip(lower=0)
        rows.append({"threshold": t} | as_line(at))
    return pd.DataFrame(rows)
