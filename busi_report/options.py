"""Options that several commands share, each number in its range."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from busi_utils.errors import StudyError
from busi_utils.parameters import check_range


def place_options() -> argparse.ArgumentParser:
    """Return the options that name folders."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--data", default="", help="BUSI folder, or name=folder,name=folder")
    options.add_argument("--weights", default="", help="folder of ImageNet weights")
    options.add_argument("--workspace", default="", help="folder that receives what is made")
    return options


def run_options() -> argparse.ArgumentParser:
    """Return the options of a run of the notebooks, folders among them."""
    options = argparse.ArgumentParser(add_help=False, parents=[place_options()])
    options.add_argument("--parameters", default="", help="demo, busi or a .yaml file")
    options.add_argument("--set", default="", help="overrides: 'epochs=5 seeds=[0, 1]'")
    options.add_argument("--only", default="", help="number of the one notebook to run")
    options.add_argument(
        "--timeout",
        type=_number("timeout", or_none=True),
        default=0,
        help="seconds that one cell may take",
    )
    options.add_argument("--keep-outputs", action="store_true", help="store outputs in notebooks/")
    return options


def cell_options() -> argparse.ArgumentParser:
    """Return the options that name a grid of cells."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--cohorts", nargs="+", default=["clean"])
    options.add_argument("--models", nargs="+", default=["mobilenetv2"])
    options.add_argument("--recipes", nargs="+", default=["original"])
    options.add_argument("--seeds", nargs="+", type=_number("seeds"), default=[0])
    options.add_argument(
        "--size",
        type=_number("image_size", or_none=True),
        default=0,
        help="side of the input in pixels; default as published",
    )
    options.add_argument(
        "--jobs", type=_number("jobs"), default=1, help="training processes at a time"
    )
    return options


def _number(name: str, *, or_none: bool = False) -> Callable[[str], int]:
    """Return the reader of a whole number in its range; 0 may stand for none given."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise StudyError(f"{name} is {text!r}: give a whole number.") from None
        if not (or_none and value == 0):
            check_range(name, value, name)
        return value

    return read
