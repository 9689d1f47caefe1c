"""What the sections of notebook 04 are given: rows to train, a hospital's lines, an example."""

import pandas as pd

from busi_utils.analysis.attention_measures import Attention
from busi_utils.analysis.elsewhere import Elsewhere
from busi_utils.analysis.external import ExternalData, title_of_set
from busi_utils.study import execution
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace


def test_rows_are_trained_with_the_seeds_that_each_names(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(execution, "run_missing", lambda study, cells, *rest: asked.extend(cells))
    rows = {("clean", "mobilenetv2", "tuned"): [0, 1], ("raw", "xception", "original"): [7]}
    execution.run_rows(Study("phantom", Workspace(tmp_path)), rows)
    assert len(asked) == 15
    assert {(cell.cohort, cell.model, cell.seed) for cell in asked} == {
        ("clean", "mobilenetv2", 0),
        ("clean", "mobilenetv2", 1),
        ("raw", "xception", 7),
    }


def test_the_first_variant_stands_for_the_hospital():
    lines = [
        (variant, rule, networks)
        for variant in ("plain", "adapted")
        for rule in ("as_given", "lesions")
        for networks in ("one", "mean of 5")
    ]
    table = pd.DataFrame(lines, columns=["variant", "rule", "networks"])
    nothing = pd.DataFrame()
    data = ExternalData("busbra", nothing, "")
    away = Elsewhere("BUS-BRA", data, table, nothing, nothing, {}, {}, {})
    assert tuple(away.one) == ("plain", "lesions", "one")
    assert tuple(away.mean) == ("plain", "lesions", "mean of 5")
    assert len(away.variants) == 4
    assert title_of_set("busbra", "busi") == "BUS-BRA"
    assert title_of_set("busbra", "phantom").startswith("phantoms of a second scanner")
    assert list(away.tables) == [
        "external_busbra",
        "external_busbra_strata",
        "external_busbra_differences",
    ]


def test_there_is_no_example_without_images_or_a_kept_network(tmp_path, monkeypatch):
    from busi_utils.study import cell_training

    attention = Attention({}, {}, {}, 0)
    assert attention.example(Study("phantom", Workspace(tmp_path)), "mobilenetv2") is None
    monkeypatch.setattr(cell_training, "is_kept", lambda study, cell: False)
    study = Study("phantom", Workspace(tmp_path), {"phantom": tmp_path})
    assert attention.example(study, "mobilenetv2") is None
