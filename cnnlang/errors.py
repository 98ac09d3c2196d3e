"""The exceptions that cnnlang raises for mistakes of its user's; anything else is a bug.

CnnError
 +- FindingsError     errors in a `.cnn` file, as diagnostics
 +- OperatorError     an operator was given what it cannot take (turned into a diagnostic where there is a file)
 +- WeightsError      a weights file or mapping that cannot be read or does not fit the net
 +- InputError        an image or array that cannot be read or does not fit the net's input
 +- UsageError        a net, option or value that does not exist; an extra that is not installed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnlang.diagnostics import Diagnostic


class CnnError(Exception):
    """Catches every mistake of a user's."""


class FindingsError(CnnError):
    """A `.cnn` file has errors.

    Attributes
    ----------
    diagnostics
        Every finding, lints included, in the order of the text.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(diagnostics)

    def __str__(self) -> str:
        from cnnlang.render import render_full

        return "\n" + "\n".join(render_full(d) for d in self.diagnostics)


class OperatorError(CnnError):
    """What an operator was given breaks one of its rules.

    Parameters
    ----------
    code
        The diagnostic's code (E02xx, E03xx).
    message
        One line: what must hold and what was given.
    argument
        The argument at fault, by name, where one is.
    help
        The cure, in one sentence.
    replacement
        Text that, put in place of the argument's value, cures it.
    before
        A step that, put before this one (`flatten`), cures it.
    instead
        A step that, put in place of this one (`global_avgpool` for `flatten`), cures it.
    after
        A step that, put after what input number `branch` (from 0) is, cures it: `conv(64, 1)` at a branch's end.
    branch
        The input at fault, by number from 0, where one of several is.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        argument: str | None = None,
        help: str | None = None,
        replacement: str | None = None,
        before: str | None = None,
        instead: str | None = None,
        after: str | None = None,
        branch: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.argument = argument
        self.help = help
        self.replacement = replacement
        self.before = before
        self.instead = instead
        self.after = after
        self.branch = branch


class WeightsError(CnnError):
    """A weights file or mapping cannot be read, or does not fit the net."""


class InputError(CnnError):
    """An image or array cannot be read, or does not fit the net's input."""


class UsageError(CnnError):
    """A net, option or value that does not exist, or an extra that is not installed."""
