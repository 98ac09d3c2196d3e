"""What a reader of another framework's files hands over: the net, and what became of each of its layers.

A reader is a module with `read(path, ...) -> Reading`; `cnnlang.importing.read_model` chooses one. Of a file that is
damaged it raises `FindingsError` with E0601 or E0603; layers that cannot be said are findings of the reading, so that
`cnnlang import --dry-run` can list what can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlang.errors import FindingsError

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic
    from cnnlang.importing.foreign import Foreign


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer or node of the file.

    Attributes
    ----------
    kind
        What the file calls its kind: `convolutional`, `InnerProduct`, `Conv`.
    becomes
        What it is in the language: `conv -> bn -> leaky_relu`; in words where it is no step (`the input`, `nothing`).
    why
        Why it cannot be said, in a few words; empty where it can.
    """

    kind: str
    becomes: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What came of reading a file.

    Attributes
    ----------
    form
        What kind of file it is: `Darknet cfg`.
    net
        The net's name.
    layers
        Every layer in the order of the file.
    findings
        E0602, one for each layer that cannot be said, each with its place; empty where all can be.
    notes
        What a user should know of the choices that were made, a sentence each.
    prefers_blocks
        Whether names of layers are left out where the text is much shorter without them: `res2a_branch2a` can be no
        path of a block's, and a net of such names is a flat list.
    """

    form: str
    net: str
    layers: tuple[Layer, ...]
    findings: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()
    _foreign: Foreign | None = None
    prefers_blocks: bool = False

    @property
    def foreign(self) -> Foreign:
        """The net.

        Raises
        ------
        FindingsError
            E0602 for every layer that cannot be said.
        """
        if self.findings or self._foreign is None:
            raise FindingsError(self.findings)
        return self._foreign

    @property
    def sayable(self) -> bool:
        """Whether all of the file can be said."""
        return self._foreign is not None and not self.findings


def counted(layers: Sequence[Layer]) -> list[tuple[int, Layer]]:
    """Equal layers with their number, in the order in which they are first seen, those that cannot be said first."""
    counts = Counter(layers)
    return [(n, layer) for layer, n in sorted(counts.items(), key=lambda item: not item[0].why)]
