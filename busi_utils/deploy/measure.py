"""``make deployment``: bytes and answers in every format, by the networks of the five folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from busi_utils.deploy import formats, tables
from busi_utils.deploy.training import RELEASED
from busi_utils.kept import keep_table, read_kept
from busi_utils.study.cells import grid
from busi_utils.study.study import Study


def measure(study: Study, rows: Sequence[tuple[str, str]]) -> None:
    """Write what `tables` names, but for times; what is there is kept.

    Parameters
    ----------
    study : Study
        With its images.
    rows : sequence of (model, recipe)
        Networks whose bytes are counted, and whose files are kept for `latency`.

    Raises
    ------
    StudyError
        If images or weights are missing.
    """
    study.require_images(RELEASED)
    folder = tables.folder(study.workspace)
    cells = grid(study.dataset, ["clean"], [RELEASED.model], [RELEASED.recipe], [RELEASED.seed])

    def kept(name: str, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        path = folder / f"{name}.csv"
        if not path.exists():
            keep_table(path, compute(), float_format="%.7g")
        return read_kept(path, tables.FORMS[name])

    tried = kept("int8", lambda: formats.tried_int8(study, cells))
    number = formats.chosen_kept(tried)
    kept("answers", lambda: formats.answers(study, cells, number))
    kept("sizes", lambda: pd.concat([formats.sizes_of(study, *row, number) for row in rows]))
