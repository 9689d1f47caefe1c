"""What captions and evidence say of the audit's tables."""

import pandas as pd
import pytest
from small_busi import small_manifest

from busi_utils.audit import counts as audit
from busi_utils.record import templates


@pytest.mark.parametrize(("images", "share"), [(7, 46.2), (6, 45.5)])
def test_evidence_on_the_account_of_the_data(images, share):
    totals = audit.total_readings(small_manifest(), claimed=images)
    shares = audit.share_readings(small_manifest(), claimed=share)
    held = {"held": 7, "masks": 8}
    total = totals.loc[totals["off"].abs().idxmin()]
    evidence, _ = templates.caption("C6a", held | {"claimed": images, "total": total})
    assert "7 images and 8 masks" in evidence
    assert evidence.endswith(f"counting gives 7 (every image{'' if images == 7 else ', 1 off'})")
    evidence, _ = templates.caption("C6c", held | {"claimed": share, "share": shares.iloc[0]})
    assert "46.15 % (one mask per lesion image)" in evidence
    assert evidence.endswith(", nearly the claim" if share == 46.2 else "image)")
    against_images = shares[shares["reading"] == "all masks, against images"].iloc[0]
    evidence, _ = templates.caption("C6c", held | {"claimed": share, "share": against_images})
    assert "114.29 % (all masks)" in evidence


def test_the_shortcuts_are_told_in_words():
    values = {
        "marks": audit.marked_share(small_manifest()),
        "width": {"normal": 700.0, "benign": 510.0, "malignant": 510.0},
        "gaps": {
            "normal and benign": 0.9,
            "normal and malignant": 1.0,
            "benign and malignant": 0.0,
        },
        "what": "BUSI",
    }
    caption, _ = templates.caption("shortcuts", values)
    assert "0.0 % of normal, 33.3 % of benign, 0.0 % of malignant images carry" in caption
    assert "700 (normal), 510 (benign), 510 (malignant) pixels" in caption
    assert "of normal and malignant images differ most, by up to 100 points" in caption
    assert caption.endswith("those of benign and malignant images least, by up to 0.")


def test_the_other_captions_of_the_audit():
    timing = pd.DataFrame({"images": [780, 7800], "cpu_seconds": [1.0, 12.0]})
    caption, _ = templates.caption("duplicate_scaling", {"exponent": 1.079, "timing": timing})
    assert "power 1.08 of" in caption
    assert caption.endswith("(exponent fitted to 2 sizes, 780 to 7,800).")
    chosen = pd.DataFrame({"sort": ["exact", "cropped"]})
    caption, alt = templates.caption("duplicate_pairs", {"chosen": chosen, "what": "BUSI"})
    assert "of BUSI, one of each sort (exact, cropped); r is" in caption
    assert alt.startswith("2 pairs of ultrasound images;")
