"""The door for notebooks: what they record is shown where it is recorded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython import get_ipython
from IPython.display import Image, display
from matplotlib.figure import Figure

from busi_utils.audit.datasets import sources_of
from busi_utils.parameters import check_given
from busi_utils.plots import theme
from busi_utils.record import numbers, rules, templates
from busi_utils.record.claims import judged
from busi_utils.study.rows import unknown_starts
from busi_utils.study.study import Study
from busi_utils.workspace import workspace_for

_SHOWN_DPI = 100


class Page:
    """One notebook, bound to its data set and to the workspace that keeps what it records.

    Parameters
    ----------
    notebook : str
        Its name, for instance ``02_mobilenetv2_baseline``.
    dataset : str
        ``busi`` or ``phantom``.
    workspace : str
        Folder of results; empty: the repository for BUSI, ``demo/`` for the phantoms.
    parameters : Mapping, optional
        What every figure of the notebook depends on; goes into the figure manifest.

    Raises
    ------
    StudyError
        If a parameter of the notebook at work has another type than its line declares or lies
        outside its range: plain papermill passes what it is given.
    """

    def __init__(
        self,
        notebook: str,
        dataset: str,
        workspace: str = "",
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        if (shell := get_ipython()) is not None:
            check_given(notebook, shell.user_ns)
        self.notebook, self.dataset = notebook, dataset
        self.place = workspace_for(dataset, workspace)
        self.parameters = dict(parameters or {})
        self.what = "synthetic phantoms" if dataset == "phantom" else "BUSI"
        theme.use_theme()

    def open_study(self, data: str, weights: str, image_size: int) -> Study:
        """Return the study: its images if they are at hand, else its stored results."""
        sources = sources_of(self.dataset, data)
        return Study(self.dataset, self.place, sources, weights, image_size)

    def save_table(
        self, name: str, table: pd.DataFrame, columns: Sequence[str] | None = None, digits: int = 3
    ) -> pd.DataFrame:
        """Write ``report/tables/<name>.csv``; return the columns to be shown, rounded."""
        numbers.save_table(name, table, self.place)
        return table[list(columns or table.columns)].round(digits)

    def kept_table(self, name: str, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Return a stored table, or compute and store it: for what needs TensorFlow or hours."""
        if not (self.place.tables / f"{name}.csv").exists():
            numbers.save_table(name, compute(), self.place)
        return numbers.read_table(name, self.place)

    def save_figure(
        self,
        fig: Figure | None,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> None:
        """Save a figure and show it with its finding, which ``report/captions.md`` words.

        Parameters
        ----------
        fig : Figure or None
            None where the images that it shows are not at hand: the stored figure is shown.
        name : str
            Identifier of the figure and of its caption.
        parameters : Mapping, optional
            What this figure depends on; none: those of the page.
        **values
            Fill the placeholders of the caption; ``what`` (the data) is known.
        """
        if fig is not None:
            caption, alt = templates.caption(name, {"what": self.what} | values)
            if self._unknown_starts:
                caption += f" Networks started from {', '.join(self._unknown_starts)}."
            theme.save_figure(
                fig,
                name,
                caption=caption,
                alt=alt,
                notebook=self.notebook,
                dataset=self.dataset,
                parameters=self.parameters if parameters is None else parameters,
                workspace=self.place,
            )
            plt.close(fig)
        self._show_figure(name)

    @cached_property
    def _unknown_starts(self) -> list[str]:
        """What no text may call ImageNet weights."""
        return unknown_starts(self.place, self.dataset)

    def _show_figure(self, name: str) -> None:
        entry = theme.read_figures(self.place).get(name)
        path = self.place.figures / (entry["raster"] if entry else "none")
        if entry is None or entry["dataset"] != self.dataset or not path.is_file():
            self.say(f"*Figure `{name}` needs the images, which are not at hand: name `data`.*")
            return
        width = _pixels(path) * _SHOWN_DPI // theme.RASTER_DPI
        display(Image(filename=str(path), width=width, alt=entry["alt"]))
        _show(f"**Finding.** {entry['caption']}")

    def say(self, text: str, **values: Any) -> None:
        """Show Markdown whose placeholders are filled with computed values.

        Parameters
        ----------
        text : str
            Jinja2, with the filters of `busi_utils.record.formats`, such as ``{{ x | pct }}``.
        **values
            Fill the placeholders; ``what`` (the data) and ``dataset`` are known.
        """
        known = {"what": self.what, "dataset": self.dataset}
        _show(templates.fill(inspect.cleandoc(text), known | values, self.notebook))

    def record_metrics(self, section: str, values: Mapping[str, Any]) -> None:
        """Put numbers for the report's prose into one section of ``report/metrics.json``."""
        numbers.record_metrics(section, values, self.place)

    def record_verdict(
        self,
        claim_id: str,
        rule: str,
        inputs: Mapping[str, Any],
        **values: Any,
    ) -> None:
        """Judge one claim of the original by a rule; show claim, rule, numbers, evidence, verdict.

        Parameters
        ----------
        claim_id : str
            As in `busi_utils.record.claims`; the evidence is worded in ``report/captions.md``.
        rule : str
            Name of a function of `busi_utils.record.rules`, whose docstring states the rule.
        inputs : Mapping
            Its arguments.
        **values
            Fill the placeholders of the evidence, beside the inputs.
        """
        evidence, _ = templates.caption(claim_id, {**inputs, **values})
        decide = getattr(rules, rule)
        row = judged(claim_id, evidence, decide(**inputs), self.dataset)
        numbers.record_verdict(*row, self.place)
        stated = " ".join(inspect.cleandoc(decide.__doc__).split("\n\n")[0].split())
        shown = ", ".join(f"{name} = {_short(value)}" for name, value in inputs.items())
        lines = [
            f"**{claim_id}** “{row[1]}”",
            f"*Rule.* {stated}",
            f"*Numbers.* {shown}",
            f"*Evidence.* {row[2]}",
            f"*Verdict.* **{row[3]}**",
        ]
        _show("\n\n".join(lines))


def _show(markdown: str) -> None:
    """Show Markdown; where it is not rendered its text is read as it stands."""
    display({"text/markdown": markdown, "text/plain": markdown}, raw=True)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_short(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_short(v) for v in value) + "]"
    return str(value)


def _pixels(path: Path) -> int:
    """Return the width of a PNG file in pixels, from its header."""
    with open(path, "rb") as handle:
        return int.from_bytes(handle.read(20)[16:], "big")
