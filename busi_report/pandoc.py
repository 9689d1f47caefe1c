"""pandoc, as it comes with the ``pypandoc-binary`` wheel: no network, no TeX."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pypandoc

from busi_utils.errors import StudyError
from busi_utils.workspace import REPOSITORY

CSS = REPOSITORY / "report" / "style.css"
SOURCE = "markdown+table_attributes"
"""What the report's templates are written in."""
MARKDOWN_OUTPUTS = REPOSITORY / "report" / "markdown_outputs.lua"
_EXTERNAL = re.compile(
    r"<(?:script|img|link|iframe|source|video|audio|object|embed)\b[^>]*?"
    r"(?:src|href|data)\s*=\s*[\"']?(?:https?:)?//[^\"'\s>]*"
    r"|@import\s+[^;]*//[^;]*|url\(\s*[\"']?(?:https?:)?//[^)]*",
    flags=re.IGNORECASE,
)


def pandoc(
    text: str, *, source: str, target: str, folder: Path, options: Sequence[str] = ()
) -> str:
    """Convert a document; HTML comes back as one self-contained file.

    Parameters
    ----------
    text : str
        The document in the format ``source``.
    source, target : str
        pandoc's names, such as ``markdown``, ``ipynb``, ``html``, ``typst``.
    folder : Path
        Where relative paths of the document start.
    options : sequence of str
        Further options of pandoc.

    Raises
    ------
    StudyError
        If pandoc fails or warns (a missing image or citation), or the page would ask a server.
    """
    command = [pypandoc.get_pandoc_path(), f"--from={source}", f"--to={target}", "--standalone"]
    command += ["--fail-if-warnings", *options]
    if target == "html":
        command.append("--embed-resources")
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        cwd=folder,
        env=os.environ | {"LC_ALL": "C.UTF-8"},  # else it cannot read a letter of another locale
        check=False,
    )
    if done.returncode:
        raise StudyError(f"pandoc could not make the {target} page: {done.stderr.strip()}")
    if target == "html":
        check_offline(done.stdout)
    return done.stdout


def as_url(path: Path) -> str:
    """Return a file as pandoc reads a style sheet or bibliography: `%` and `#` mean something."""
    return quote(str(path))


def check_offline(html: str) -> None:
    """Stop if a page would load a script, style, font or image from elsewhere.

    Raises
    ------
    StudyError
        Names the first such element. Plain links that a reader may click are no requests.
    """
    found = _EXTERNAL.search(html)
    if found:
        raise StudyError(f"The page would ask a server for '{found.group(0)[:120]}': embed it.")
