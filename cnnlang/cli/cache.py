"""`cnnlang cache`: what compiled code is kept, and throwing it away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import click

from cnnlang.cli.output import put


@click.group(short_help="Show or clear the cache of compiled code.")
def command() -> None:
    """Kernels are compiled once a machine and kept in the user's cache folder, or where CNNLANG_CACHE says.

    It may be cleared at any time: what is needed is made again.
    """


@command.command("info", short_help="Show where it is and how much is in it.")
@click.option(
    "--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True, help="The form."
)
def info(form: str) -> int:
    """Show the folder, the number of files in it, and their size."""
    from cnnlang.system import cache_folder

    folder = cache_folder()
    sizes = [path.stat().st_size for path in _files(folder)]
    if form == "json":
        put(json.dumps({"folder": str(folder), "files": len(sizes), "bytes": sum(sizes)}, indent=2))
    else:
        put(f"{folder}: {_counted(len(sizes))}, {sum(sizes) / 1e6:.1f} MB")
    return 0


@command.command("clear", short_help="Delete what is in it.")
def clear() -> int:
    """Delete the kernels and modules that cnnlang has put there, and nothing else."""
    from cnnlang.system import cache_folder

    folder = cache_folder()
    files = list(_files(folder))
    size = sum(path.stat().st_size for path in files)
    for path in files:
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)  # Numba's, of the modules that are gone
    put(f"deleted {_counted(len(files))}, {size / 1e6:.1f} MB, from {folder}")
    return 0


def _files(folder: Path) -> Iterator[Path]:
    """What cnnlang writes: kernels, modules of Numba source, and what Numba compiled of them."""
    for pattern in ("*.kernel", "net_*.py", "__pycache__/net_*"):
        yield from sorted(folder.glob(pattern))


def _counted(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
