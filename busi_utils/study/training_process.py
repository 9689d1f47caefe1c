"""Imported first in every process that trains: TensorFlow, with its native notes sent to nowhere.

Where processes are forked from a server (see `execution`), the server alone pays for the import.
"""

import ctypes
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

_ARENA_MAX, _MMAP_MAX, _TRIM_THRESHOLD = -8, -4, -1  # names of the C library's <malloc.h>


def _keep_freed_memory() -> None:
    """Have glibc keep what is freed for the next step, which takes the same blocks again.

    Given back to the system and zeroed anew each time, they cost 40 % of a step of a whole network.
    The process ends with its job, so its memory returns. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        for option, value in ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1)):
            mallopt(option, value)


_keep_freed_memory()

from busi_utils.study import cell_training as cell_training  # noqa: E402
