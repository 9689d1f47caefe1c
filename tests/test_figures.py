"""Figures: one look, readable in grey and for the colour-blind, byte-identical, labelled."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from busi_utils import CLASSES
from busi_utils.errors import StudyError
from busi_utils.plots.future import by_cost
from busi_utils.plots.theme import (
    CLASS_COLOURS,
    STAMP,
    model_style,
    read_figures,
    save_figure,
    use_theme,
)
from busi_utils.workspace import REPOSITORY, Workspace


def test_marks_of_equal_cost_do_not_hide_each_other():
    costs = {"megabytes": [9.7, 9.7, 90], "milliseconds": [1, 20, 300]}
    accuracy = {f"balanced_accuracy{end}": 0.8 for end in ("", "_low", "_high")}
    table = pd.DataFrame({"name": list("abc"), "start": "pretrained"} | costs).assign(**accuracy)
    fig = by_cost(table, {"megabytes": "MB", "milliseconds": "ms"})
    tied, apart = ([float(line.get_xdata()[0]) for line in ax.lines] for ax in fig.axes)
    assert tied[1] / tied[0] > 1.05
    assert tied[2] == 90
    assert apart == costs["milliseconds"]


@pytest.fixture(autouse=True)
def _theme():
    with mpl.rc_context():
        use_theme()
        yield
        plt.close("all")


def draw(width=6.0):
    fig, ax = plt.subplots(figsize=(width, 3))
    for name in CLASSES:
        ax.plot([0, 1, 2], [0, 1, len(name)], color=CLASS_COLOURS[name], label=name)
    ax.legend()
    ax.set_title("Lines go up")
    return fig


def save(fig, root, name="lines", dataset="phantom"):
    return save_figure(
        fig,
        name,
        caption="Three lines.",
        alt="Three rising lines.",
        notebook="02_test",
        dataset=dataset,
        parameters={"seeds": np.arange(2)},
        workspace=Workspace(root),
    )


def test_two_runs_give_the_same_bytes(tmp_path):
    first = save(draw(), tmp_path / "a")
    second = save(draw(), tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".png").read_bytes() == second.with_suffix(".png").read_bytes()
    assert b"<dc:date>" not in first.read_bytes()


def test_another_process_gives_the_same_bytes(tmp_path):
    here = save(draw(), tmp_path / "a")
    code = f"from test_figures import *; use_theme(); save(draw(), Path({str(tmp_path / 'b')!r}))"
    paths = [str(REPOSITORY), str(Path(__file__).parent)]
    changed = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PYTHONPATH": os.pathsep.join(paths)}
    subprocess.run([sys.executable, "-c", code], env=os.environ | changed, check=True, timeout=120)
    for suffix in (".svg", ".png"):
        there = (tmp_path / "b" / here.relative_to(tmp_path / "a")).with_suffix(suffix)
        assert there.read_bytes() == here.with_suffix(suffix).read_bytes()


def test_the_last_bit_of_a_coordinate_leaves_no_trace(tmp_path):
    def nudged(by):
        fig = draw()
        left, low, width, height = np.sqrt([2, 3, 50, 60]) / 10  # no seventh decimal that ends in 5
        fig.get_layout_engine().set(rect=(left + by, low - by, width + by, height))
        return fig

    plain, moved = (save(nudged(by), tmp_path / str(by), dataset="busi") for by in (0.0, 1e-15))
    assert plain.read_bytes() == moved.read_bytes()
    assert 'id="lines-p' in plain.read_text()
    assert '"-0' not in plain.read_text()


def test_text_stays_text_and_phantoms_are_stamped(tmp_path):
    svg = save(draw(), tmp_path).read_text()
    assert "Lines go up" in svg
    assert svg.count(STAMP) == 1
    assert STAMP not in save(draw(), tmp_path, "real", "busi").read_text()


def test_stamp_lies_in_the_raster_too(tmp_path):
    grey = np.asarray(Image.open(save(draw(), tmp_path).with_suffix(".png")).convert("L"))
    real = np.asarray(
        Image.open(save(draw(), tmp_path, "real", "busi").with_suffix(".png")).convert("L")
    )
    strip = grey.shape[0] - real.shape[0]
    assert strip == pytest.approx(50, abs=1)  # 0.25 inch at 200 dpi
    assert (grey[:strip] < 128).sum() > 200
    assert np.abs(grey[strip:].astype(int) - real).mean() < 2  # the figure itself is as it was


def test_saving_twice_stamps_once_and_the_manifest_keeps_both(tmp_path):
    fig = draw()
    save(fig, tmp_path)
    assert save(fig, tmp_path).read_text().count(STAMP) == 1
    save(fig, tmp_path, "other")
    entries = read_figures(Workspace(tmp_path))
    assert set(entries) == {"lines", "other"}
    assert entries["lines"]["file"] == "lines.svg"
    assert entries["lines"]["parameters"] == {"seeds": [0, 1]}
    assert {"caption", "alt", "notebook", "dataset"} <= set(entries["lines"])


def test_small_type_and_missing_text_are_refused(tmp_path):
    with pytest.raises(StudyError, match="would print at"):
        save(draw(width=12), tmp_path)
    with pytest.raises(StudyError, match="lower-case"):
        save(draw(), tmp_path, "Bad Name")
    with pytest.raises(StudyError, match="caption"):
        save_figure(
            draw(),
            "x",
            caption=" ",
            alt="a",
            notebook="n",
            dataset="busi",
            parameters={},
            workspace=Workspace(tmp_path),
        )
    assert not list(tmp_path.rglob("*.svg"))


def test_classes_differ_in_grey_and_by_marker():
    grey = {k: float(np.dot(to_rgb(v), (0.299, 0.587, 0.114))) for k, v in CLASS_COLOURS.items()}
    for one, two in itertools.combinations(CLASSES, 2):
        assert abs(grey[one] - grey[two]) > 0.1
    assert set(CLASS_COLOURS) == set(CLASSES)


def test_models_keep_their_style_and_families_their_colour():
    main = ["mobilenetv2", "xception", "efficientnetb3", "efficientnetv2b0", "mobilenetv1"]
    assert len({model_style(m)["color"] for m in main}) == len(main)
    assert len({model_style(m)["marker"] for m in main}) == len(main)
    assert model_style("mobilenetv2_05")["color"] == model_style("mobilenetv2")["color"]
    assert model_style("mobilenetv2_05") != model_style("mobilenetv2")
    with pytest.raises(StudyError, match="No colour"):
        model_style("resnet")
