"""The runner: order, progress, logs, clean copies, and every way in which a run can fail."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

import nbformat
import papermill
import pytest
from small_notebooks import a_run, write_notebook

from busi_report.__main__ import main
from busi_report.notebook_files import clean_notebook, keep_outputs, machine_folders, render_pages
from busi_report.pandoc import as_url, pandoc
from busi_report.parameters import declared_parameters
from busi_report.runner import CellFailure, find_notebooks, run_notebooks
from busi_utils.errors import StudyError
from busi_utils.locks import locked
from busi_utils.workspace import NOTEBOOKS, REPOSITORY, Workspace

pytestmark = pytest.mark.slow

CODE = "from pathlib import Path\nprint(epochs, seeds, Path.cwd().name, Path.home(), workspace)"


def test_a_good_run(tmp_path):
    """One run, looked at from all sides, since a kernel takes seconds to start."""
    finding = 'from IPython.display import Markdown\nMarkdown("**Finding.** One\\n\\n- two")'
    first = write_notebook(tmp_path / "nb" / "01_a.ipynb", CODE, "import math\nmath.pi", finding)
    root = str(tmp_path / "out")
    out = io.StringIO()
    run = a_run(tmp_path, {"epochs": 7, "workspace": root}, only="01")
    done = run_notebooks(run, out)

    lines = out.getvalue().splitlines()
    assert lines[0] == "[1/1] 01_a"
    assert re.fullmatch(r"\s+3/5  Section 1 \.\.\. [\d.]+ s", lines[3])
    assert "7 [0, 1] nb" in (run.executed / "01_a.log").read_text()

    text = done[0].read_text()
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert "7 [0, 1] nb ~ <workspace>" in notebook.cells[4].outputs[0].text
    assert "papermill" not in notebook.metadata
    assert not any("papermill" in c.metadata or "execution" in c.metadata for c in notebook.cells)
    assert notebook.cells[2].id == "injected-parameters"
    assert len(notebook.cells[4].outputs) == 1  # one stream, however the kernel sent it
    assert root not in text
    assert str(REPOSITORY) not in text

    keep_outputs(done[0], first)
    kept = nbformat.read(first, as_version=4)
    assert len(kept.cells) == 8  # no injected cell
    assert kept.cells[5].outputs[0].data["text/plain"].startswith("3.14")

    page = render_pages(done, run.workspace)[0].read_text()
    assert "<math" in page
    assert "<strong>Finding.</strong> One" in page
    assert "<li>two</li>" in page
    assert "IPython.core.display" not in page
    assert 'href="02_next.html"' in page
    assert not re.search(r"<(script|img|link|iframe)[^>]*(src|href)=[\"']?(https?:)?//", page)


def test_side_by_side_each_line_names_its_notebook_and_a_failure_ends_all(tmp_path, capfd):
    slow = "import time\nfor _ in range(600): time.sleep(0.1)"
    write_notebook(tmp_path / "nb" / "01_a.ipynb", "print('a')")
    write_notebook(tmp_path / "nb" / "02_b.ipynb", "print('b')")
    run = a_run(tmp_path, at_once=2)
    assert run_notebooks(run) == [run.executed / "01_a.ipynb", run.executed / "02_b.ipynb"]
    lines = capfd.readouterr().out.splitlines()
    pattern = r"0[12]( +\d/2  [\w ]+ \.\.\. [\d.]+ s| 0[12]_[ab] done in \d+ s)"
    assert all(re.fullmatch(pattern, line) for line in lines)
    assert len(lines) == 6

    write_notebook(tmp_path / "nb" / "01_a.ipynb", slow)
    write_notebook(tmp_path / "nb" / "02_b.ipynb", "1 / 0")
    with pytest.raises(CellFailure, match="02_b failed"):
        run_notebooks(run)
    out = capfd.readouterr().out
    assert "Section 1 ... failed" in out
    assert "Traceback" not in out


def test_paths_are_cleaned_from_text_but_never_from_pictures(tmp_path, monkeypatch):
    monkeypatch.setenv("BUSI_DATA", "/data/busi,local=/data/local")
    workspace = Workspace(tmp_path / "ws")
    folders = machine_folders(workspace, {"tables": "/data/lists", "workspace": "/x", "n": 3})
    text = f"{tmp_path}/ws/a /data/busi/b /data/busi2 /data/local /data/lists/c"
    warning = "/tmp/ipykernel_12/345.py:1: UserWarning"
    picture = "A" * 300_000 + "/data/busi/ipykernel_1/2.py"
    data = {"text/plain": f"{text}\n{warning}", "image/png": picture}
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("display_data", data)])
    path = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    clean_notebook(path, folders)
    cleaned = nbformat.read(path, as_version=4).cells[0].outputs[0].data
    assert cleaned["image/png"] == picture
    assert cleaned["text/plain"] == (
        "<workspace>/a <BUSI_DATA>/b /data/busi2 <BUSI_DATA> <tables>/c\n<cell>:1: UserWarning"
    )


def test_a_failing_cell_is_named_and_the_half_run_notebook_kept(tmp_path):
    write_notebook(tmp_path / "nb" / "01_a.ipynb", "print('before')", "1 / 0", "print('after')")
    write_notebook(tmp_path / "nb" / "02_b.ipynb", "print('never')")
    run, out = a_run(tmp_path), io.StringIO()
    with pytest.raises(CellFailure) as caught:
        run_notebooks(run, out)
    message = str(caught.value)
    assert "01_a failed in cell 3/4, 'Section 2': ZeroDivisionError" in message
    assert "----> 1 1 / 0" in message
    assert "3/4  Section 2 ... failed" in out.getvalue()
    assert "\x1b" not in message
    assert "before" in (run.executed / "01_a.ipynb").read_text()
    assert "ZeroDivisionError" in (run.executed / "01_a.log").read_text()
    assert not (run.executed / "02_b.ipynb").exists()


def test_what_a_long_cell_says_is_passed_on(tmp_path, monkeypatch):
    write_notebook(tmp_path / "nb" / "01_a.ipynb", "print('epoch 3/25')", "1")
    run, out = a_run(tmp_path), io.StringIO()
    run_notebooks(run, out)
    assert "epoch" not in out.getvalue()
    monkeypatch.setattr("busi_report.progress._LONG_S", -1.0)
    out = io.StringIO()
    run_notebooks(run, out)
    lines = [re.sub(r"[\d.]+ s", "s", line.strip()) for line in out.getvalue().splitlines()]
    begun = "2/3  Section 1 ..."
    assert lines[2:5] == [begun, "epoch 3/25", f"{begun} s"]
    assert "epoch 3/25" in (run.executed / "01_a.log").read_text()


def test_a_mendable_problem_is_one_sentence(tmp_path):
    code = "from busi_utils.errors import StudyError\nraise StudyError('No data: set BUSI_DATA.')"
    write_notebook(tmp_path / "nb" / "01_a.ipynb", code)
    with pytest.raises(CellFailure) as caught:
        run_notebooks(a_run(tmp_path), io.StringIO())
    assert "Traceback" not in str(caught.value)
    assert "No data: set BUSI_DATA." in str(caught.value)


def test_a_cell_that_takes_too_long_is_stopped(tmp_path):
    write_notebook(tmp_path / "nb" / "01_a.ipynb", "import time\ntime.sleep(60)")
    with pytest.raises(CellFailure, match=r"'Section 1': the cell took longer"):
        run_notebooks(a_run(tmp_path, timeout_s=3), io.StringIO())


def test_nothing_starts_with_a_wrong_parameter_of_a_later_notebook(tmp_path):
    write_notebook(tmp_path / "nb" / "01_a.ipynb", "1")
    write_notebook(tmp_path / "nb" / "02_b.ipynb", "1", parameters="late: int = 1")
    for values in ({"late": "x"}, {"lat": 1}):
        with pytest.raises(StudyError, match="lat"):
            run_notebooks(a_run(tmp_path, values), io.StringIO())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [["run"], ["report"], ["report", "--build-only"]])
def test_two_runs_at_once_are_told_apart(tmp_path, capsys, command):
    with locked(Workspace(tmp_path), "run"):
        assert main([*command, "--workspace", str(tmp_path)]) == 2
    assert "Another run is using" in capsys.readouterr().err


def test_only_names_one_notebook(tmp_path):
    for name in ("02_b", "01_a", "notes"):
        write_notebook(tmp_path / f"{name}.ipynb")
    assert [p.stem for p in find_notebooks(tmp_path)] == ["01_a", "02_b"]
    assert [p.stem for p in find_notebooks(tmp_path, "02")] == ["02_b"]
    with pytest.raises(StudyError, match="there are: 01_a, 02_b"):
        find_notebooks(tmp_path, "03")
    with pytest.raises(StudyError, match="no notebooks"):
        find_notebooks(tmp_path / "absent")


SCRIPT = """
import sys
from pathlib import Path
import busi_utils.workspace
busi_utils.workspace.NOTEBOOKS = Path(sys.argv[1])
from busi_report.__main__ import main
sys.exit(main(["run", "--parameters", sys.argv[1] + "/own.yaml", "--workspace", sys.argv[2]]))
"""


def test_ctrl_c_ends_with_a_sentence_and_leaves_no_kernel(tmp_path):
    mark = tmp_path / "kernel.pid"
    code = (
        "import os, time\nprint('half', flush=True)\n"
        f"open({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(300)"
    )
    write_notebook(tmp_path / "nb" / "01_a.ipynb", code)
    (tmp_path / "nb" / "own.yaml").write_text("dataset: phantom\n")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "nb"), str(tmp_path / "out")]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a job in the background is deaf
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, preexec_fn=heard, **pipes)
    try:
        for _ in range(3000):  # patient, as machines may be busy
            if mark.exists() and mark.read_text():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1].startswith("Stopped by Ctrl-C. Finished work is kept")
    assert "Traceback" not in errors
    assert "half" in (tmp_path / "out" / "report" / "runs" / "01_a.ipynb").read_text()
    for _ in range(100):
        try:
            os.kill(int(mark.read_text()), 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the kernel outlived the run")


def test_pages_are_made_in_a_folder_of_any_name_and_in_any_locale(tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    folder = tmp_path / 'o d\'d "q" $HOME, a=b #%41 é'
    folder.mkdir()
    style = folder / "style.css"
    style.write_text("p {color: red}")
    options = [f"--css={as_url(style)}", "--metadata=pagetitle:x"]
    page = pandoc("– é", source="markdown", target="html", folder=folder, options=options)
    assert "color: red" in page
    assert "– é" in page


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("0*.ipynb")), ids=lambda p: p.stem)
def test_a_notebook_alone_tells_its_parameters_and_how_to_get_the_helper(notebook):
    found = papermill.inspect_notebook(notebook)
    assert set(found) == set(declared_parameters(notebook))
    cells = nbformat.read(notebook, as_version=4).cells
    first = next(k for k, cell in enumerate(cells) if "from busi_utils" in cell.source)
    assert any("pip install --editable" in cell.source for cell in cells[:first])
