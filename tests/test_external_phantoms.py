"""Phantoms in the layouts of other hospitals are written once and replace nothing of others."""

import hashlib

import pytest

from busi_phantom.external_layout import write_busbra_phantoms, write_busuclm_phantoms
from busi_utils.errors import StudyError


def _fingerprint(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.mark.parametrize("write", [write_busbra_phantoms, write_busuclm_phantoms])
def test_phantoms_are_the_same_again_and_reused_when_complete(tmp_path, write):
    counts = {"benign": 2, "malignant": 2}
    first = write(tmp_path / "a", counts, seed=1)
    written = _fingerprint(first)
    assert _fingerprint(write(tmp_path / "b", counts, seed=1)) == written
    times = {path: path.stat().st_mtime_ns for path in first.rglob("*")}
    assert write(first, counts, seed=1) == first
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*")} == times
    next(first.glob("*/*.png")).unlink()
    assert _fingerprint(write(first, counts, seed=1)) == written
    changed = _fingerprint(write(first, counts, seed=2))
    assert changed.keys() == written.keys()
    assert not set(changed.values()) & set(written.values())
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"a", "b"}


def test_phantoms_never_replace_what_is_not_theirs(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StudyError, match="holds files that are no phantoms"):
        write_busbra_phantoms(tmp_path, {"benign": 5, "malignant": 4}, seed=1)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    with pytest.raises(StudyError, match="busbra has no class 'normal'"):
        write_busbra_phantoms(tmp_path / "new", {"normal": 1}, seed=1)
    for counts in ({"benign": -1}, {"benign": 0}, {}):
        with pytest.raises(StudyError, match="must be positive"):
            write_busuclm_phantoms(tmp_path / "new", counts, seed=1)
