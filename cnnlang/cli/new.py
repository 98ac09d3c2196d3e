"""`cnnlang new`: a file to begin with."""

from __future__ import annotations

import re
from pathlib import Path

import click

from cnnlang.cli.output import say
from cnnlang.errors import UsageError

STARTER = """\
cnn 1

# {name}: a small network for 28x28 gray pictures in ten classes. Try:
#   cnnlang check {file}
#   cnnlang summary {file}
#   cnnlang emit {file} --target torch

# A block is a piece to use again; `c` is given where it stands.
block stage(c) {{
  conv(c, 3, pad=1, bias=false) -> bn -> relu  # what one step makes flows into the next
  maxpool(2)                                   # half the height, half the width
}}

net {name}(classes=10) {{
  input image: [N, 1, 28, 28]  # pictures, channels, height, width

  stage(16)
  stage(32)

  # two ways side by side, added up: `in` is what comes in
  add {{
    | conv(32, 3, pad=1) -> relu
    | in
  }}

  global_avgpool -> dense(classes)

  # numbers that must stay as they are; `cnnlang summary` shows them all
  check {{ params == {params}, depth == 4 }}
}}
"""
PARAMS = "14_426"


@click.command(short_help="Write a commented file to begin with.")
@click.argument("name")
def command(name: str) -> int:
    """Write NAME.cnn, a small network with comments that checks clean. An existing file is never touched."""
    path = Path(name if name.endswith(".cnn") else f"{name}.cnn")
    text = STARTER.format(name=_net_name(path.stem), file=path.name, params=PARAMS)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        msg = f"{path} exists already; nothing was written"
        raise UsageError(msg) from None
    say(f"wrote {path}; now: cnnlang check {path}")
    return 0


def _net_name(stem: str) -> str:
    """A name for the net: `my-net 2` gives `MyNet2`."""
    words = re.findall(r"[A-Za-z0-9]+", stem)
    name = "".join(w[0].upper() + w[1:] for w in words)
    return name if name[:1].isalpha() and name != "N" else f"Net{name}"
