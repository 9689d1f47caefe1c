"""The one exception that the study raises for something the user can mend."""

import os
import sys
from collections.abc import Callable
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


def told(command: Callable[[], int | None]) -> int:
    """Run a command; whatever the user can mend becomes one sentence on standard error.

    Returns
    -------
    int
        The exit code: the command's own (None: 0), 2 where nothing could be done, 130 for Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a locale may lack a letter of a name or a dash
            stream.reconfigure(errors="backslashreplace")
    code = 2
    try:
        code = command() or 0
    except StudyError as error:
        print(f"Stopped: {error}", file=sys.stderr)
    except OSError as error:
        what = error.filename2 or error.filename or "A file or standard output"  # 2: of a copy
        print(
            f"Stopped: {what} could not be read or written ({error.strerror or error}): free "
            "space or correct its permissions, then run again.",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print(
            "\nStopped by Ctrl-C. Finished work is kept; the next run goes on where this stopped.",
            file=sys.stderr,
        )
        code = 130
    return max(code, _output_refused(say=not code))


def _output_refused(*, say: bool) -> int:
    """Write what still waits for standard output; 2 if the disk under it, or its reader, refuses.

    Python itself would try at the very end, and print a part of a traceback.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor is it tried again
        if say:
            print(
                f"Stopped: standard output was not taken ({error.strerror or error}): free space "
                "or name another file for it, then run again; other files are whole.",
                file=sys.stderr,
            )
        return 2
    return 0
