"""What the documentation shows is run: `.cnn` texts check, Python and shell lines do what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cnnlang
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


def test_the_mistake_in_the_readme_is_told_as_it_shows() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (net,), (told,) = (re.findall(rf"```{kind}\n(.*?)```", readme, re.DOTALL) for kind in ("cnn", "text"))
    wrong = re.sub(r"\| if stride.*", "| in", net)
    findings = check(Source("resnet18.cnn", wrong)).diagnostics
    assert "\n".join(render_full(d) for d in findings).rstrip() == told.rstrip()


def test_the_python_in_the_readme_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", cwd=ROOT, check=True
    )
    assert "11181642 1813566464 18" in done.stdout
    assert "(1, 10) (64, 3, 7, 7)" in done.stdout
    assert "class ResNet18(nn.Sequential)" in done.stdout


SIZE = re.compile(r"^\| (\w+) \| \[\w+\.cnn\]\((examples/\w+\.cnn)\) (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)


def test_the_sizes_of_emitted_source_are_current() -> None:
    rows = SIZE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(rows) == 11
    for name, file, *sizes in rows:
        net = cnnlang.load(ROOT / file, net=name)
        texts = [(ROOT / file).read_text(encoding="utf-8"), net.emit("torch"), net.emit("keras")]
        assert [name, *(len(text.splitlines()) for text in texts)] == [name, *map(int, sizes)]
        assert max(map(int, sizes[1:])) < (120 if name.startswith("ResNet") else 150)


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://)([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []
