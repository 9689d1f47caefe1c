"""What pandoc's page lacks for a reader at a screen: landmarks, tables that scroll, a script."""

from __future__ import annotations

import re

from busi_utils.workspace import REPOSITORY

SCRIPT = REPOSITORY / "report" / "screen.js"
_EMPTY_HEADER = re.compile(r"<th(\s[^>]*)?></th>")  # above an index of pandas
_TABLE = re.compile(r"<table\b.*?</table>", flags=re.DOTALL)


def for_screen(html: str) -> str:
    """Return pandoc's page with a main landmark and tables that scroll.

    Parameters
    ----------
    html : str
        A standalone page; whatever follows its contents list or title is the main part.
    """
    start = "</nav>" if "</nav>" in html else "</header>" if "</header>" in html else "<body>"
    before, _, rest = html.partition(start)
    whole = f"{before}{start}\n<main>{rest}".replace("</body>", "</main>\n</body>")
    return _TABLE.sub(_scrolling, _EMPTY_HEADER.sub(r"<td\1></td>", whole))


def with_script(html: str) -> str:
    """Return a page of the report with ``report/screen.js``; notebooks have nothing for it."""
    script = f"<script>\n{SCRIPT.read_text(encoding='utf-8')}</script>"
    return html.replace("</body>", f"{script}\n</body>")


def _scrolling(table: re.Match[str]) -> str:
    """Wrap a table: a keyboard reaches what a narrow screen hides."""
    caption = re.search(r"<caption>.*?(Table\s\w+)", table[0], flags=re.DOTALL)
    name = caption[1] if caption else "Table"
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{name}">{table[0]}</div>'
