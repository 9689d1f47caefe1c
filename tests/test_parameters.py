"""A wrong parameter stops the run with a sentence that says what was meant."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from papermill.inspection import _infer_parameters
from papermill.iorw import load_notebook_node
from small_notebooks import write_notebook

from busi_report.__main__ import main
from busi_report.parameters import (
    bind,
    check_known,
    declared_parameters,
    parse_overrides,
    read_parameter_file,
)
from busi_report.runner import find_notebooks
from busi_utils.errors import StudyError
from busi_utils.notebook import Page
from busi_utils.parameters import Parameter, check_given
from busi_utils.workspace import NOTEBOOKS


@pytest.fixture
def declared(tmp_path):
    return declared_parameters(write_notebook(tmp_path / "01_a.ipynb", "1"))


def test_values_come_in_their_declared_type(declared):
    bound = bind(declared, {"rate": 1, "seeds": [4], "flag": False, "other": 1})
    assert bound["rate"] == 1.0
    assert type(bound["rate"]) is float
    assert bound == {
        "dataset": "phantom",
        "workspace": "",
        "epochs": 3,
        "rate": 1.0,
        "flag": False,
        "seeds": [4],
    }


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("flag='false'", "write false without quotes"),
        ("flag=0", "give true or false"),
        ("rate=1e-4", "write 0.0001"),
        ("epochs=2.0", "write 2"),
        ("epochs=true", "give a whole number"),
        ("epochs='5'", "write 5"),
        ("seeds=3", r"write \[3\]"),
        ("seeds=[1, x]", "give a whole number"),
        ("dataset=3", "put it in quotes"),
        ("dataset=no", "put it in quotes"),
        ("rate=", "give a number"),
        ("rate=.nan2", "give a number"),
    ],
)
def test_ill_typed_values_are_refused(declared, text, remedy):
    with pytest.raises(StudyError, match=remedy) as caught:
        bind(declared, parse_overrides(text))
    assert "01_a" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelt_name_is_answered_with_the_nearest(declared):
    with pytest.raises(StudyError, match="'epoch'; did you mean 'epochs'"):
        check_known({"epoch": 1}, declared, "SET")
    with pytest.raises(StudyError, match="known are: dataset"):
        check_known({"zzzzzz": 1}, declared, "SET")


def test_overrides_are_yaml_with_spaces():
    assert parse_overrides("a=5  b=[0, 1] c='x y' d={p: 1}") == {
        "a": 5,
        "b": [0, 1],
        "c": "x y",
        "d": {"p": 1},
    }
    assert parse_overrides("  ") == {}
    with pytest.raises(StudyError, match="not of the form"):
        parse_overrides("epochs 5")
    with pytest.raises(StudyError, match="no valid YAML"):
        parse_overrides("a=[1")


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("epochs = 3", "no typed assignment"),
        ("epochs: int = 'x'", "declared int"),
        ("epochs: dict = {}", "has the type dict"),
        ("epochs: int = max(1, 2)", "plain value"),
    ],
)
def test_a_careless_parameters_cell_is_refused(tmp_path, cell, complaint):
    with pytest.raises(StudyError, match=complaint):
        declared_parameters(write_notebook(tmp_path / "01_a.ipynb", parameters=cell))


def test_parameter_files(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("seed: 1  # a\nseed: 2\n")
    with pytest.raises(StudyError, match="sets 'seed' twice"):
        read_parameter_file(path)
    path.write_text("seed: [1\n")
    with pytest.raises(StudyError, match="no valid YAML in line"):
        read_parameter_file(path)
    path.write_text("just text\n")
    with pytest.raises(StudyError, match="name: value"):
        read_parameter_file(path)
    with pytest.raises(StudyError, match="there are: own"):
        read_parameter_file(tmp_path / "absent.yaml")


@pytest.mark.parametrize("name", ["demo", "busi"])
def test_the_studys_own_files_fit_its_notebooks(name):
    values = read_parameter_file(NOTEBOOKS / "parameters" / f"{name}.yaml")
    every = [declared_parameters(path) for path in find_notebooks(NOTEBOOKS)]
    known = {key for one in every for key in one}
    check_known(values, known, name)
    assert set(values) == known  # one line per parameter
    for one in every:
        bound = bind(one, values)
        if name == "busi":  # opening a notebook by hand shows the study from committed results
            assert bound == {key: parameter.default for key, parameter in one.items()}


@pytest.mark.parametrize(
    ("name", "kind", "value", "words"),
    [
        ("jobs", "int", 0, "from 1 to 1024"),
        ("jobs", "int", -3, "from 1 to 1024"),
        ("seed", "int", -1, "from 0 to 4294966"),
        ("model_seeds", "list[int]", [20261125], "from 0 to 4294966"),
        ("seeds", "list[int]", [], "empty list: name at least one"),
        ("seeds", "list[int]", [0, 1, 0], "names 0 twice"),
        ("seeds", "list[int]", "[0, 1]", r"write \[0, 1\] without quotes \(papermill: -y"),
        ("n_replicates", "int", 0, "from 10 to"),
        ("image_size", "int", 100, "multiple of 32"),
        ("severities", "list[int]", [6], "from 1 to 5"),
        ("rate", "float", float("nan"), "finite"),
    ],
)
def test_numbers_out_of_range_stop_at_every_door(name, kind, value, words):
    with pytest.raises(StudyError, match=words) as told:
        Parameter(name, kind, None, "02_b").read(value)
    assert f"Parameter '{name}' of 02_b " in str(told.value)
    with pytest.raises(StudyError, match=words):
        check_given("02_b", {"__annotations__": {name: kind, "x": dict[str, int]}, name: value})


def test_a_notebook_run_by_plain_papermill_stops_where_its_page_opens(monkeypatch):
    shell = SimpleNamespace(user_ns={"__annotations__": {"seeds": list[int]}, "seeds": "[0, 1]"})
    monkeypatch.setattr("busi_utils.notebook.get_ipython", lambda: shell)
    with pytest.raises(StudyError, match=r"is declared list.int., but .* is text"):
        Page("02_b", "busi")


@pytest.mark.parametrize("path", find_notebooks(NOTEBOOKS), ids=lambda path: path.stem)
def test_papermill_lists_every_parameter(path):
    found = [found.name for found in _infer_parameters(load_notebook_node(str(path)))]
    assert found == list(declared_parameters(path))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["study", "--jobs", "0"], "jobs is 0: give a number from 1"),
        (["study", "--seeds", "-1"], "seeds is -1"),
        (["study", "--size", "100"], "multiple of 32"),
        (["study", "--models", "mobilnet"], "Unknown model"),
        (["run", "--timeout", "soon"], "timeout is 'soon': give a whole number"),
    ],
)
def test_numbers_on_the_command_line_have_ranges(arguments, words, capsys):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
