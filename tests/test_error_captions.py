"""Findings and evidence of notebook 04 follow their numbers."""

import pandas as pd
import pytest

from busi_utils.record.templates import caption


def _beyond(low: float, high: float) -> pd.DataFrame:
    row = {"of": "malignant", "attribute": "burnt-in marks", "group": "present"}
    row |= {"reference": "none", "value": (low + high) / 2, "low": low, "high": high}
    return pd.DataFrame([row])


def test_subgroups_are_named_or_none_is_said_to_differ():
    text, alt = caption("subgroups", {"beyond": _beyond(-30, -2), "n": 12})
    assert "malignant images, burnt-in marks present against none −16.0\u00a0points" in text
    assert text.startswith("Shown after Holm's correction over 12 differences: ")
    assert alt.startswith("Accuracy and recalls")
    text, _ = caption("subgroups", {"beyond": _beyond(-30, -2).head(0), "n": 12})
    assert text.startswith("No subgroup is shown to differ. Bars are")


def _robustness(**paired: float) -> str:
    recall = {"recall_malignant": 0.4, "recall_malignant_low": 0.3, "recall_malignant_high": 0.5}
    values = {
        "model": "mobilenetv2",
        "worst": {"corruption": "gain", "value": 9.0},
        "least": {"corruption": "blur", "value": 3.0},
        "missed": {"corruption": "blur"} | recall,
        "paired": pd.DataFrame([{"title": "Other", "value": 1.0} | paired] if paired else []),
    }
    text, alt = caption("robustness", values)
    assert alt.startswith("Accuracy and malignant recall")
    return text


def test_robustness_says_when_networks_do_not_differ():
    text = _robustness(low=-1.0, high=3.0)
    assert "loses most to gain (9.0 points" in text
    assert "blur leaves a malignant recall of 40" in text
    assert text.endswith(
        "Other loses 1.0 points more over all damage, no more than chance (-1.0 to +3.0)."
    )
    assert "chance" not in _robustness(low=0.2, high=3.0)
    assert _robustness().endswith("(95\u00a0% CI 30–50).")


@pytest.mark.parametrize(
    ("ends", "verb"),
    [((-0.3, -0.1), "improves"), ((0.1, 0.3), "worsens"), ((-0.1, 0.1), "does not demonstrably")],
)
def test_scaling_is_judged_by_the_interval_of_the_log_loss(ends, verb):
    nll = {"before": 0.4, "after": 0.41, "difference_low": ends[0], "difference_high": ends[1]}
    values = {"nll": nll, "all": {"risk": 0.2}, "referred": {"risk": 0.1}, "examined": 0.6}
    text, _ = caption("clinical_use", values | {"useful": [0.1, 0.6]})
    assert f"Temperature scaling {verb}" in text
    assert text.endswith(
        "from a threshold probability of 0.10 to 0.60, the last that was examined."
    )
    text, _ = caption("clinical_use", values | {"useful": [0.1, 0.5]})
    assert text.endswith("of 0.10 to 0.50.")
    text, _ = caption("clinical_use", values | {"useful": []})
    assert text.endswith("at no threshold probability.")


@pytest.mark.parametrize(
    ("behind", "start"), [(True, "The middle of the image"), (False, "Maximum")]
)
def test_grad_cam_is_set_beside_the_middle_of_the_image(behind, start):
    hits = pd.DataFrame(
        {"gradcam": [0.1, 0.4], "centre": [0.2, 0.5], "chance": [0.05, 0.2]},
        index=["benign", "malignant"],
    )
    check = {"value": -0.25, "low": -0.3, "high": -0.2}
    values = {"model": "mobilenetv2", "hits": hits, "behind": behind, "check": check}
    text, _ = caption("attention_localisation", values)
    assert text.startswith(start)
    assert (
        "MobileNetV2: benign 10\u00a0%, middle of the image 20\u00a0%, chance 5\u00a0%; malig"
        in text
    )
    assert text.endswith(
        "chance 20\u00a0%. After the trained weights were shuffled, the maps "
        "correlate with the true ones by -0.25 (95 % CI -0.30 to -0.20)."
    )


def test_evidence_lists_every_fault():
    worth = {"worth_value": -2.0, "worth_low": -3.0, "worth_high": -1.0}
    one, two = ({"label": name} | worth for name in ("squeezed", "copies parted"))
    for claim, kinds in (("C7a", ("preprocessing", "bug")), ("C7b", ("learnt", "told"))):
        of = dict(zip(kinds, ([one], [two]), strict=True))
        text, _ = caption(claim, {"of": of, "learnt_shown": 0})
        if claim == "C7a":
            assert text.count("−2.0") == 2
            assert text.index("squeezed") < text.index("bugs, which do not count: copies parted")
        else:
            assert text.startswith("learnt from uncleaned data: −2.0 to −2.0 points")
            assert "in 1 comparison, none shown;" in text
            assert text.endswith("adds: −2.0\u00a0points (−3.0\u00a0to\u00a0−1.0)")
