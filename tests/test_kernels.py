"""Where a kernel keeps what it needs, and who clears it away."""

import io
import os
from pathlib import Path

import nbformat
import pytest
from small_notebooks import a_run, write_notebook

from busi_report.kernels import own_kernel
from busi_report.runner import run_notebooks
from busi_utils.locks import lock_file

pytestmark = pytest.mark.slow

KERNEL = """\
from pathlib import Path
from ipykernel.kernelapp import IPKernelApp
kernel = IPKernelApp.instance()
print(Path(kernel.ip).parent == Path(kernel.connection_file).parent, Path(kernel.ip).parent)
print(*sorted(path.name for path in Path.cwd().iterdir()))"""


def test_what_a_kernel_needs_lies_in_a_short_private_folder(tmp_path, monkeypatch):
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    write_notebook(tmp_path / "nb" / "01_a.ipynb", KERNEL)
    (done,) = run_notebooks(a_run(tmp_path), io.StringIO())
    told = nbformat.read(done, as_version=4).cells[-1].outputs[0].text.splitlines()
    assert told[0].startswith("True /tmp/busi-kernel-")
    assert told[1] == "01_a.ipynb"  # nothing lies beside the sources
    assert not Path(told[0].split()[1]).exists()
    assert not list(long.iterdir())


def test_the_next_run_removes_what_a_killed_one_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("busi_report.kernels._short_place", lambda: str(tmp_path))
    killed, alive, young = (tmp_path / f"busi-kernel-{name}" for name in "abc")
    for folder in (killed, alive, young):
        folder.mkdir()
        os.utime(folder, (1, 1))
    os.utime(young)
    with lock_file(alive / "alive.lock"):
        os.utime(alive, (1, 1))
        with own_kernel():
            assert [p.exists() for p in (killed, alive, young)] == [False, True, True]
