"""With this folder on PYTHONPATH, Python is as in the base environment: nothing that trains."""

import importlib.metadata
import sys

HIDDEN = ("tensorflow", "keras", "dask", "distributed")

sys.modules.update(dict.fromkeys(HIDDEN))  # an import of them fails as if they were not installed
_version = importlib.metadata.version


def version(name):
    """Know nothing of what is hidden."""
    if name in HIDDEN:
        raise importlib.metadata.PackageNotFoundError(name)
    return _version(name)


importlib.metadata.version = version
