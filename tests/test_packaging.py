"""What is installed is what is here: packages, data, start-up imports."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
TOPS = {"cnnlang": ROOT / "cnnlang", "cnnlang.grammar": ROOT / "grammar", "cnnlang.backends": ROOT / "backends"}


def folder(package: str) -> Path:
    """The real folder of a package, not through a link."""
    for top in sorted(TOPS, key=len, reverse=True):
        if package == top or package.startswith(f"{top}."):
            return TOPS[top].joinpath(*package[len(top) :].split(".")[1:])
    raise ValueError(package)


def test_every_package_is_listed() -> None:
    found = set()
    for top, start in TOPS.items():
        for init in start.rglob("__init__.py"):
            if not any(part.is_symlink() for part in [init.parent, *init.parent.parents]):
                found.add(".".join([top, *init.parent.relative_to(start).parts]))
    assert found == set(SETUPTOOLS["packages"])


def test_every_data_file_is_matched_by_a_glob() -> None:
    globs = [(folder(package), g) for package, found in SETUPTOOLS["package-data"].items() for g in found]
    matched = {p for start, pattern in globs for p in start.glob(pattern)}
    present = {
        p
        for package in SETUPTOOLS["packages"]
        for p in [*folder(package).iterdir(), *folder(package).glob("templates/*")]
        if p.is_file() and p.suffix not in (".py", ".pyc")
    }
    assert present == matched


def test_the_top_is_what_the_build_maps() -> None:
    assert SETUPTOOLS["package-dir"] == {name: path.name for name, path in TOPS.items()}


@pytest.mark.parametrize(
    "code",
    [
        "import cnnlang",
        "from cnnlang.cli import main; main(['--help'])",
        "from cnnlang.cli import main; main(['check', 'examples/resnet.cnn'])",
    ],
)
def test_nothing_heavy_is_imported_at_the_start(code: str) -> None:
    heavy = ("numpy", "numba", "torch", "PIL", "rich", "jinja2", "safetensors", "importlib.metadata")
    script = (
        f"import sys\ntry:\n    exec({code!r})\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8", cwd=ROOT, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_generated_pages_are_current() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
