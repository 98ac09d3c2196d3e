"""Writing a text back where it came from."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from cnnlang.files import replacing


def rewrite(path: Path, text: str) -> None:
    """Replace a text file whole, with the line ends and the permissions that it had."""
    with path.open("rb") as file:
        ends = "\r\n" if b"\r\n" in file.read() else "\n"
    with replacing(path) as file:
        file.write(text.replace("\n", ends).encode("utf-8"))
        if isinstance(file.name, str) and Path(file.name) != path:
            with contextlib.suppress(OSError):
                shutil.copymode(path, file.name)
