"""What a process of its own runs to make a file for Keras: `python keras_process.py SOURCE FUNCTION WEIGHTS OUT`.

SOURCE is what `cnnlang emit --target keras` writes for a net, FUNCTION its function, WEIGHTS a safetensors file. Keras
keeps settings for a whole process, among them its backend, so this process does nothing else. It imports nothing of
cnnlang.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

BACKENDS = ("torch", "jax", "tensorflow")
NO_KERAS = 3  # what the process ends with where there is none


def main(source: str, function: str, weights: str, out: str) -> int:
    """Make the model, fill it, and let Keras save it; `NO_KERAS` where none could."""
    found = [name for name in BACKENDS if find_spec(name)]
    if not find_spec("keras") or not (found or "KERAS_BACKEND" in os.environ):
        return NO_KERAS
    if "KERAS_BACKEND" not in os.environ:
        os.environ["KERAS_BACKEND"] = found[0]
    module: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(Path(source).read_text(encoding="utf-8"), "emitted", "exec"), module)
    model = module[function]()
    module["load_weights"](model, weights)
    if out.endswith(".keras"):
        model.save(out)
    else:
        model.save_weights(out)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
