"""`cnnlang emit`: a net as source for a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cnnlang.backends import TARGETS
from cnnlang.cli.options import choose_net, file_argument
from cnnlang.cli.output import put, say


@click.command(short_help="Turn a net into PyTorch or Numba source.")
@file_argument
@click.option("--target", type=click.Choice(list(TARGETS)), required=True, help="What to make.")
@click.option("-o", "--output", metavar="FILE", help="Write there instead of to standard output.")
@choose_net
def command(
    file: str, target: str, output: str | None, net: str | None, overrides: dict[str, Any], root: Path | None
) -> int:
    """Print FILE's net for a target.

    torch: a PyTorch module. numba: a module of NumPy and Numba. graph: the typed graph as text.
    """
    from cnnlang.backends import emit
    from cnnlang.cli.options import checked_file
    from cnnlang.expand import pick

    text = emit(pick(checked_file(file, net, overrides, root), net), target).rstrip("\n")
    if output is None or output == "-":
        put(text)
        return 0
    from cnnlang.files import write_bytes

    write_bytes(output, f"{text}\n".encode())
    say(f"wrote {output}")
    return 0
