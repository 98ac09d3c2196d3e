"""`# allow W0504` at a line's end silences that lint there."""

from __future__ import annotations

import re

from cnnlang.source import Source

ALLOW = re.compile(r"#\s*allow((?:[\s,]+W\d{4})+)")


def allowed(source: Source) -> dict[int, set[str]]:
    """The lints that a text silences, by line."""
    found: dict[int, set[str]] = {}
    for number, line in enumerate(source.text.split("\n"), 1):
        if "allow" in line and (match := ALLOW.search(line)):
            found[number] = set(re.findall(r"W\d{4}", match[1]))
    return found
