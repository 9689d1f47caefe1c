"""What several files of tests share, and the order: what is slow comes last."""

import os
import shutil

import pytest
from hypothesis import settings
from joblib import parallel_config
from small_external import BUSBRA_COUNTS, BUSUCLM_COUNTS

from busi_phantom.busi_layout import write_phantom_dataset
from busi_phantom.external_layout import write_busbra_phantoms, write_busuclm_phantoms
from busi_utils.audit.preparation import prepare_data
from busi_utils.models import MODELS
from busi_utils.recipes import RECIPES
from busi_utils.workspace import Workspace

# How long an example takes says something of the machine, not of the code.
settings.register_profile("study", deadline=None)
settings.load_profile("study")


@pytest.fixture(scope="session")
def small_phantom(tmp_path_factory):
    """A prepared phantom of few images: (folder of images, workspace).

    All processes of pytest-xdist use one: what is there already is kept.
    """
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small_phantom"
    write_phantom_dataset(root / "data", {"benign": 12, "malignant": 10, "normal": 9}, seed=5)
    prepare_data({"phantom": root / "data"}, "phantom", Workspace(root / "prepared"))
    return root / "data", Workspace(root / "prepared")


@pytest.fixture(scope="module")
def short_study(small_phantom, tmp_path_factory):
    """Make a `ShortStudy` of that phantom in a workspace of its own."""
    from short_study import SHORT, SMALL, ShortStudy

    data, prepared = small_phantom

    def make() -> ShortStudy:
        root = tmp_path_factory.mktemp("study") / "work"
        shutil.copytree(prepared.root, root)
        return ShortStudy("phantom", Workspace(root), {"phantom": data}, size=64)

    with pytest.MonkeyPatch.context() as patch:
        for registry, entries in ((MODELS, SMALL), (RECIPES, SHORT)):
            for name, entry in entries.items():
                patch.setitem(registry, name, entry)
        yield make


@pytest.fixture(scope="session")
def external_phantoms(tmp_path_factory):
    root = tmp_path_factory.mktemp("external")
    write_busbra_phantoms(root / "busbra", BUSBRA_COUNTS, seed=3)
    write_busuclm_phantoms(root / "busuclm", BUSUCLM_COUNTS, seed=3)
    return root


@pytest.fixture
def busbra(external_phantoms, tmp_path):
    return shutil.copytree(external_phantoms / "busbra", tmp_path / "busbra")


@pytest.fixture
def busuclm(external_phantoms, tmp_path):
    return shutil.copytree(external_phantoms / "busuclm", tmp_path / "busuclm")


@pytest.fixture(scope="session", autouse=True)
def _threads():
    """Let joblib use threads: processes of its own would take seconds to start."""
    with parallel_config("threading"):
        yield


def pytest_collection_modifyitems(items):
    """Put what is slow last."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
