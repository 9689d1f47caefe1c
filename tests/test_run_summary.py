"""What training took counts trained networks only."""

from busi_report.report import training_summary
from busi_utils.study.cells import Cell
from busi_utils.workspace import Workspace, write_json


def test_classifiers_without_a_trained_network_are_left_out(tmp_path):
    workspace = Workspace(tmp_path)
    assert training_summary("busi", workspace) == {}
    trained = {"seconds": 60, "seconds_frozen_part": 30, "init": "imagenet", "python": "3.11.7"}
    trained |= {"processor": "x", "versions": {"tensorflow": "2", "keras": "3"}}
    for fold in (0, 1):
        cell = Cell("busi", "clean", "mobilenetv2", "tuned", 0, fold)
        write_json(cell.record(workspace), trained | {"recipe": "tuned"})
    majority = Cell("busi", "clean", "majority", "reference", 0, 0)
    write_json(majority.record(workspace), {"recipe": "reference", "init": "none", "seconds": 9})
    found = training_summary("busi", workspace)
    assert (found["cells"], found["minutes"], found["inits"]) == (2, 3.0, "imagenet")
