"""Text with placeholders: findings, alt texts and evidence stand in files, numbers come in here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jinja2
import pandas as pd

from busi_utils.errors import StudyError
from busi_utils.recipe_words import brief_of, label_of
from busi_utils.record import formats
from busi_utils.workspace import REPOSITORY

CAPTIONS = REPOSITORY / "report" / "captions.md"
_FILTERS = {
    "pct": formats.pct,
    "points": formats.points,
    "count": formats.count,
    "decimal": formats.decimal,
    "ci": formats.ci,
    "points_ci": formats.points_ci,
    "span": formats.span,
    "points_span": formats.points_span,
    "decimal_span": formats.decimal_span,
    "signed": formats.signed,
    "recipe": label_of,
    "brief": brief_of,
    "network": formats.network_title,
}
_SECTION = re.compile(r"^## (\S+)$", flags=re.MULTILINE)
_CHAPTER = re.compile(r"^# .*$", flags=re.MULTILINE)  # ends the section before it
_ALT = "Alt: "


def environment(loader: jinja2.BaseLoader | None = None) -> jinja2.Environment:
    """Return the one Jinja2 environment of report, captions and notebooks: Markdown, not HTML."""
    made = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        comment_start_string="{##",  # Markdown writes identifiers as {#name}
        comment_end_string="##}",
        autoescape=False,
    )
    made.filters |= _FILTERS
    return made


def fill(text: str, values: Mapping[str, Any], where: str) -> str:
    """Return a text with its placeholders filled, on one line a paragraph.

    Parameters
    ----------
    text : str
        Jinja2, with the filters of `formats`.
    values : Mapping
        A table (pd.DataFrame) is given as its rows: a list, or by name if its index has names of
        its own (``table.set_index(...)``).
    where : str
        Named if a placeholder cannot be filled.

    Raises
    ------
    StudyError
        If the text is no template, or a value lacks or has another type.
    """
    given = {name: _rows(value) for name, value in values.items()}
    try:
        return environment().from_string(text).render(given)
    except (jinja2.TemplateError, StudyError, TypeError, ValueError) as error:
        raise StudyError(f"{where} cannot be filled ({str(error).rstrip('.')}).") from error


def _rows(value: Any) -> Any:
    if isinstance(value, pd.Series):
        return value.to_dict()
    if not isinstance(value, pd.DataFrame):
        return value
    numbered = isinstance(value.index, pd.RangeIndex)
    return value.to_dict("records" if numbered else "index")


def caption(name: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """Return caption and alt text of a figure, or evidence and ``""``, from ``captions.md``.

    Parameters
    ----------
    name : str
        Heading of the section.
    values : Mapping
        See `fill`.

    Raises
    ------
    StudyError
        If there is no such section, or it cannot be filled.
    """
    pieces = _SECTION.split(_CHAPTER.sub("", CAPTIONS.read_text(encoding="utf-8")))
    sections = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    if name not in sections:
        raise StudyError(f"{CAPTIONS} has no section '## {name}': write one.")
    text = fill(sections[name].strip(), values, f"'{name}' of {CAPTIONS.name}")
    paragraphs = [" ".join(part.split(" ")) for part in re.split(r"\n\s*\n", text)]
    alts = [part.removeprefix(_ALT) for part in paragraphs if part.startswith(_ALT)]
    words = [part for part in paragraphs if not part.startswith(_ALT)]
    return " ".join(" ".join(words).split("\n")).strip(), " ".join(" ".join(alts).split("\n"))
