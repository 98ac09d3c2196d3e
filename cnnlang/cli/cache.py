"""`cnnlang cache`: what is kept between runs, and throwing it away."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import click

from cnnlang.cli.output import put

KINDS = {
    "compiled code": ("*.kernel", ".*.kernel.*", "net_*.py", "__pycache__/net_*"),  # the last two: Numba source
    "packed weights": ("*.packed", ".*.packed.*"),
    "notes on files and this machine": ("*.stamp", ".*.stamp.*"),
}


@click.group(short_help="Show or clear what is kept between runs.")
def command() -> None:
    """Kernels are compiled once a machine, and the weights of large nets packed once, and both are kept in the user's
    cache folder, or where CNNLANG_CACHE says: at most 2 GiB, what was used longest ago goes first.

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
    kinds = {kind: [size for path in _files(folder, kind) if (size := _size(path)) is not None] for kind in KINDS}
    count, size = sum(map(len, kinds.values())), sum(map(sum, kinds.values()))
    if form == "json":
        parts = {kind: {"files": len(sizes), "bytes": sum(sizes)} for kind, sizes in kinds.items()}
        put(json.dumps({"folder": str(folder), "files": count, "bytes": size, "kinds": parts}, indent=2))
        return 0
    put(f"{folder}: {_counted(count)}, {size / 1e6:.1f} MB")
    for kind, sizes in kinds.items():
        if sizes:
            put(f"  {kind}: {_counted(len(sizes))}, {sum(sizes) / 1e6:.1f} MB")
    return 0


@command.command("clear", short_help="Delete what is in it.")
def clear() -> int:
    """Delete what cnnlang has put there, and nothing else."""
    from cnnlang.system import cache_folder

    folder = cache_folder()
    files = [path for kind in KINDS for path in _files(folder, kind)]
    size = sum(_size(path) or 0 for path in files)
    for path in files:
        with contextlib.suppress(PermissionError):  # on Windows, where a file that somebody has open stays
            path.unlink(missing_ok=True)
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)  # Numba's, of the modules that are gone
    put(f"deleted {_counted(len(files))}, {size / 1e6:.1f} MB, from {folder}")
    return 0


def _files(folder: Path, kind: str) -> Iterator[Path]:
    """The files of a kind, those among them that a process has left unfinished."""
    for pattern in KINDS[kind]:
        yield from sorted(folder.glob(pattern))


def _size(path: Path) -> int | None:
    """Bytes; None for a file that another process has removed since."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _counted(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
