"""What the documentation shows is run: `.cnn` texts check, Python and shell lines do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cnnlang.expand import check
from cnnlang.render import render_full
from cnnlang.source import Source

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def snippets(language: str) -> list[object]:
    found = []
    for page in PAGES:
        for i, text in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)):
            found.append(pytest.param(text, id=f"{page.name}-{i + 1}"))
    return found


@pytest.mark.parametrize("text", snippets("cnn"))
def test_a_network_in_the_documentation_checks(text: str) -> None:
    checked = check(Source("snippet.cnn", text))
    assert [render_full(d) for d in checked.diagnostics] == []
    assert checked.programs


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://)([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []
