"""The columns of a summary, for every form of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from cnnlang.dims import Dim, Term
from cnnlang.summary.rows import Row


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key in JSON and CSV, its heading in tables, and what stands in it."""

    key: str
    heading: str
    text: Callable[[Row], str]
    data: Callable[[Row], object]
    is_number: bool = True


def number(value: Dim | None) -> str:
    """`25,557,032`; `?` for what depends on a size that is not known, nothing for nothing."""
    if value is None:
        return ""
    return "?" if isinstance(value, Term) else f"{value:,}"


def shortened(text: str) -> str:
    """A cell of a narrow table: `64x112x112` for a shape, `118 M` for a large number."""
    if re.fullmatch(r"\[N(, \d+)+\]", text):
        return text[4:-1].replace(", ", "x")
    digits = text.replace(",", "")
    if not digits.isdigit() or len(digits) < 6:
        return text
    thousands = (len(digits) - 1) // 3
    return f"{int(digits) / 1000**thousands:.3g} {' kMGTPE'[min(thousands, 6)]}"


def plain(value: Dim | None) -> int | None:
    """A number for programs; None where it depends on a size that is not known."""
    return value if isinstance(value, int) else None


def _field(row: Row) -> str:
    return "all" if row.receptive_field is None else "{}x{}".format(*row.receptive_field)


def _field_data(row: Row) -> object:
    return None if row.receptive_field is None else list(row.receptive_field)


COLUMNS = (
    Column("name", "name", lambda r: r.name, lambda r: r.name, False),
    Column("operator", "operator", lambda r: r.operator, lambda r: r.operator, False),
    Column("shape", "output", lambda r: str(r.type), lambda r: [plain(d) or str(d) for d in r.type.shape], False),
    Column("activation", "activation", lambda r: number(r.activation), lambda r: plain(r.activation)),
    Column("params", "params", lambda r: number(r.params), lambda r: r.params),
    Column("macs", "MACs", lambda r: number(r.macs), lambda r: plain(r.macs)),
)

EXTRA = {
    "receptive_field": Column("receptive_field", "receptive field", _field, _field_data),
    "connections": Column(
        "connections", "connections", lambda r: number(r.connections), lambda r: plain(r.connections)
    ),
    "fully_connected": Column(
        "fully_connected",
        "fully connected",
        lambda r: number(r.fully_connected),
        lambda r: plain(r.fully_connected),
    ),
}
