"""The one style: the same tokens, with other spaces and line ends between them.

Nothing is printed from the tree: the formatter moves the tokens of the text, so that a number stays as it is written
and no comment is lost. All that it leaves out are commas that a line end or a closing bracket makes needless.
"""

from __future__ import annotations

from cnnlang.errors import FindingsError
from cnnlang.source import Source
from cnnlang.syntax.columns import align
from cnnlang.syntax.lines import Layout
from cnnlang.syntax.parser import parse
from cnnlang.syntax.spacing import Spacing
from cnnlang.syntax.tokens import COMMENT, LINE_END, lex
from cnnlang.syntax.tree import Block, File, Import, Net


def format_source(source: Source) -> str:
    """A text in the one style.

    Two spaces a level, lines of at most 120 columns where they can be broken, at most one blank line; `->` begins the
    line that it continues. Lines are the author's: a body or a list on one line stays there if it fits.

    Raises
    ------
    FindingsError
        The text has syntax errors.
    """
    file, findings = parse(source)
    if file is None:
        raise FindingsError(findings)
    tokens = lex(source.text)
    spacing = Spacing(file, [token for token in tokens if token.kind not in (COMMENT, LINE_END)])
    lines = Layout(source, tokens, spacing).lines()
    texts = align(lines, _tables(file))
    return "".join("\n" * line.blank_before + text + "\n" for line, text in zip(lines, texts, strict=True))


def _tables(file: File) -> set[str]:
    """The names of blocks and nets: consecutive calls to one of them are a table."""
    names = {item.name.name for item in file.items if isinstance(item, Block | Net)}
    for item in file.items:
        if isinstance(item, Import):
            names |= {(name.alias or name.name).name for name in item.names}
    return names
