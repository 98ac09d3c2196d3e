"""`.weights.h5` and `.keras` files, written by Keras itself from the source that is emitted for it.

Keras finds an array by the class of its layer and by how many of that class come before in the model's own order of
depth, which is nothing that another program should guess; so the model is made, filled and saved by Keras, in a process
of its own.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlang.errors import UsageError
from cnnlang.files import replacing
from cnnlang.weight_files.fitting import Weights
from cnnlang.weight_files.keras_process import NO_KERAS
from cnnlang.weight_files.safetensors_file import save_safetensors

if TYPE_CHECKING:
    from cnnlang.program import Program

PATIENCE = 1_800  # seconds
OF_LOADING = ("load_weights", "layers_in")  # functions behind the net's own


def save_keras(path: Path, program: Program, weights: Weights) -> None:
    """Write weights for a net that is emitted for Keras: `model.load_weights(path)` reads them.

    Raises
    ------
    FindingsError
        The net cannot be expressed in Keras.
    UsageError
        Keras or its backend is not installed or fails; or the file cannot be written.
    """
    from cnnlang.backends.keras_source import emit

    text = emit(program)
    functions = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    function = next(name for name in reversed(functions) if name not in OF_LOADING)
    with tempfile.TemporaryDirectory(prefix="cnnlang-") as name:
        folder = Path(name)
        (folder / "net.py").write_text(text, encoding="utf-8")
        save_safetensors(folder / "net.safetensors", weights)
        made = folder / f"net{'.keras' if path.suffix.lower() == '.keras' else '.weights.h5'}"
        _run(path, folder, function, made)
        with replacing(path) as target, made.open("rb") as source:
            shutil.copyfileobj(source, target, 2**20)


def _run(path: Path, folder: Path, function: str, made: Path) -> None:
    script = Path(__file__).with_name("keras_process.py")
    words = [folder / "net.py", function, folder / "net.safetensors", made]
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(script), *map(str, words)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        msg = f"{path} cannot be written: Keras takes more than {PATIENCE // 60} minutes"
        raise UsageError(msg) from None
    if done.returncode == NO_KERAS:
        needed = 'Keras, with PyTorch, JAX or TensorFlow: pip install "cnnlang[keras]" torch'
        msg = f"{path}: writing such a file needs {needed}"
        raise UsageError(msg)
    if done.returncode or not made.is_file():
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        msg = f"{path} cannot be written, for Keras says: {lines[-1][:300] if lines else 'nothing'}"
        raise UsageError(msg)
