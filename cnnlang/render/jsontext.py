"""JSON that a person can read too."""

from __future__ import annotations

import json
import re
from typing import Any

# texts in JSON hold no line end, so that this finds lists only
_FLAT_LIST = re.compile(r"\[\n\s*([^\[\]{}]*?)\n\s*\]")
_LINE_END = re.compile(r",\n *")


def json_text(data: Any) -> str:
    """Data as JSON, indented, a list of plain values on one line.

    Raises
    ------
    ValueError
        A number is nan or infinite, which JSON has not.
    """
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    return _FLAT_LIST.sub(lambda found: f"[{_LINE_END.sub(', ', found[1])}]", text)
