"""The one exception that the study raises for something the user can mend."""

import sys
from importlib.util import find_spec


class StudyError(Exception):
    """A problem that the user can mend; its text is one sentence: what, where, what to do."""


def require_tensorflow(what: str) -> None:
    """Stop where training would start, if only the packages for reading are installed.

    Parameters
    ----------
    what : str
        What needs TensorFlow, as the start of a sentence: ``Training 5 cells``.

    Raises
    ------
    StudyError
        Says what to install.
    """
    if find_spec("tensorflow") is None:
        raise StudyError(
            f"{what} needs TensorFlow, which is not installed in {sys.prefix}: run 'make setup' "
            f"once, or '{sys.executable} -m pip install -c requirements.lock -e .[train]' in "
            "the repository. What is stored is read without it."
        )
