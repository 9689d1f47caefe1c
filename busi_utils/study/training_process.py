"""Imported first in every process that trains: TensorFlow, with its native notes sent to nowhere.

Where processes are forked from a server (see `execution`), the server alone pays for the import.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

from busi_utils.study import cell_training as cell_training  # noqa: E402
