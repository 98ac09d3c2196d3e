"""Summaries for programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnlang.render.jsontext import json_text
from cnnlang.summary.columns import COLUMNS, EXTRA, plain

if TYPE_CHECKING:
    from cnnlang.summary import Summary

FORMAT_VERSION = 1


def summary_data(summary: Summary, extra: Sequence[str] = tuple(EXTRA)) -> dict[str, Any]:
    """A summary as plain data; a count that depends on a size that is not known is None, and `macs_formula` says it."""
    s = summary
    columns = [*COLUMNS, *(EXTRA[key] for key in extra)]
    return {
        "net": s.net,
        "file": s.file,
        "params": s.params,
        "params_train": s.params_train,
        "macs": plain(s.macs),
        **({} if isinstance(s.macs, int) else {"macs_formula": str(s.macs)}),
        "depth": s.depth,
        "activations": plain(s.activations),
        "peak_memory_bytes": s.peak_memory,
        "layers": [{column.key: column.data(row) for column in columns} for row in s.rows],
    }


def summary_json(summaries: Sequence[Summary], extra: Sequence[str] = ()) -> str:
    """One net at the top level, several under `nets`."""
    made = [summary_data(s, extra) for s in summaries]
    return json_text({"format_version": FORMAT_VERSION, **(made[0] if len(made) == 1 else {"nets": made})})


def summary_csv(summaries: Sequence[Summary], extra: Sequence[str] = ()) -> str:
    """A line for each row, with the net's name first where there are several."""
    columns = [*COLUMNS, *(EXTRA[key] for key in extra)]
    several = len(summaries) > 1
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*(["net"] if several else []), *(c.key for c in columns)])
    for s in summaries:
        for row in s.rows:
            cells = [c.data(row) if c.is_number and c.key != "receptive_field" else c.text(row) for c in columns]
            writer.writerow([*([s.net] if several else []), *("" if c is None else c for c in cells)])
    return out.getvalue().rstrip("\n")
