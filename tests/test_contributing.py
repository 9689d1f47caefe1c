"""What CONTRIBUTING shows can be pasted, works, and is as short as it says."""

import re

import numpy as np
import pytest

from busi_lessons.exercises import Lesson
from busi_utils.models import build_backbone
from busi_utils.workspace import REPOSITORY

BLOCKS = re.findall(r"```python\n(.*?)```", (REPOSITORY / "CONTRIBUTING.md").read_text(), re.S)


def run(k):
    assert len([line for line in BLOCKS[k].splitlines() if line.strip()]) < 20
    space = {}
    exec(BLOCKS[k], space)
    return space


@pytest.mark.slow
def test_the_network_can_be_built_and_has_its_layers():
    network = run(0)["network"]
    model = build_backbone(network, 64)
    for layer in (network.cut_before, network.last_at_14):
        assert model.get_layer(layer)


def test_the_recipe_differs_in_one_choice():
    ((name, recipe),) = run(1)["recipe"].items()
    tuned = run(1)["RECIPES"]["tuned"].as_dict()
    assert [k for k, v in recipe.as_dict().items() if v != tuned[k]] == ["dropout"]
    assert name.startswith("tuned-")


def test_the_reader_reads_a_table_with_images_and_masks(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            (tmp_path / folder / f"{name}.png").write_bytes(b"")
    (tmp_path / "labels.csv").write_text("file,diagnosis,code\na,benign,w1\nb,malignant,w1\n")
    listing = run(2)["read_clinic"](tmp_path)
    assert listing["patient"].tolist() == ["w1", "w1"]
    assert listing["label"].tolist() == ["benign", "malignant"]


def test_the_exercise_can_be_checked():
    exercise = run(3)["exercise"]
    lesson = Lesson("made_up", 1, {"share": exercise})
    assert lesson.check("share", np.mean).state == "right"
    for answer, words in exercise.wrong.values():
        assert words in lesson.check("share", answer).text
