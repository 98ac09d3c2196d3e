"""Models that come in: a file of another framework becomes a `.cnn` file, and its weights safetensors."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlang.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnlang.api import Net
    from cnnlang.importing.reading import Reading

__all__ = ["Imported", "import_model", "read_model", "written"]

StrPath = str | os.PathLike[str]
SUFFIXES = {".onnx": "onnx", ".cfg": "darknet", ".prototxt": "caffe", ".pbtxt": "caffe"}
ELSEWHERE = {
    ".caffemodel": "name the .prototxt file of this net, and these numbers with `--weights`",
    ".weights": "name the .cfg file of this net, and these numbers with `--weights`",
    ".pt": "PyTorch's files hold no net that can be read; export it with torch.onnx.export",
    ".pth": "PyTorch's files hold no net that can be read; export it with torch.onnx.export",
    ".h5": "Keras' files are not read; export it with model.export(..., format='onnx')",
    ".keras": "Keras' files are not read; export it with model.export(..., format='onnx')",
    ".pb": "TensorFlow's files are not read; make an ONNX file of it with tf2onnx",
    ".tflite": "TensorFlow's files are not read; make an ONNX file of it with tf2onnx",
}
HEAD_BYTES = 4096
SHORTER = 0.75  # a text by which names are left out


@dataclass(frozen=True, eq=False, repr=False)
class Imported:
    """A net that came in, in the language.

    Attributes
    ----------
    name
        The net's name.
    text
        The `.cnn` file.
    weights
        Its weights by path, float32, each read when it is asked for; empty where the file held none.
    notes
        What there is to know about the choices that were made, a sentence each.
    """

    name: str
    text: str
    weights: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def net(self) -> Net:
        """The net, checked."""
        from cnnlang.api import loads

        return loads(self.text, name=f"{self.name}.cnn")

    def save(self, path: StrPath, *, force: bool = False) -> list[Path]:
        """Write the net, and its weights if there are any to a `.safetensors` file beside it: both or neither.

        Parameters
        ----------
        path
            A file whose name ends with `.cnn`.
        force
            Whether files that are there may be replaced.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        UsageError
            The name ends otherwise, a file is there already, or one cannot be written.
        """
        from cnnlang.importing.saving import save

        return save(Path(path), self.text, self.weights, force=force)

    def __repr__(self) -> str:
        return f"<imported net {self.name}: {self.text.count(chr(10))} lines, {len(self.weights)} weights>"


def import_model(
    path: StrPath,
    *,
    weights: StrPath | bool = True,
    name: str | None = None,
    input_size: tuple[int, int, int] | None = None,
    keep_names: bool | None = None,
) -> Imported:
    """A model of another framework in the language.

    Parameters
    ----------
    path
        A `.onnx` file, a Darknet `.cfg` or a Caffe `.prototxt`.
    weights
        The `.weights` file of a cfg, the `.caffemodel` of a prototxt; True for the one that lies beside it under the
        same name, if there is one, False for none. An ONNX file holds its own.
    name
        What to call the net; by default as the file does, else as the file is called.
    input_size
        Channels, height and width of the input, for a prototxt that does not give them.
    keep_names
        Whether layers keep the names that the file gives them; None for what reads better: names of a prototxt that
        stand in the way of blocks are left out, and the weights are called as the text says.

    Raises
    ------
    FindingsError
        E0601: the file is damaged; E0602, for every layer that the language cannot say; E0603: it is beyond a limit.
    UsageError
        There is no such file, it is of no known kind, or the name is none.
    """
    reading = read_model(path, weights=weights, name=name, input_size=input_size)
    return written(reading, keep_names=keep_names)


def written(reading: Reading, *, keep_names: bool | None = None) -> Imported:
    """What was read, in the language.

    Parameters
    ----------
    reading
        What a reader made of the file.
    keep_names
        Whether the layers keep their names; None for what reads better, where the format leaves the choice.

    Raises
    ------
    FindingsError
        The language cannot say all of it.
    """
    from cnnlang.importing.lift import write
    from cnnlang.importing.saving import Renamed

    foreign = reading.foreign
    made = write(foreign if keep_names is not False else replace(foreign, keeps_names=False), reading.net)
    if keep_names is None and foreign.keeps_names and reading.prefers_blocks:
        other = write(replace(foreign, keeps_names=False), reading.net)
        made = other if other.text.count("\n") < SHORTER * made.text.count("\n") else made
    weights = Renamed(foreign.weights, {made.paths[path]: path for path in foreign.weights})
    return Imported(reading.net, made.text, weights, reading.notes)


def read_model(
    path: StrPath,
    *,
    weights: StrPath | bool = True,
    name: str | None = None,
    input_size: tuple[int, int, int] | None = None,
) -> Reading:
    """Read a model of another framework, and say what becomes of each of its layers.

    Parameters and errors are those of `import_model`, but layers that cannot be said are findings of the result.
    """
    place = Path(path)
    if place.is_dir():
        msg = f"{path}: this is a folder; name a file in it"
        raise UsageError(msg)
    if not place.exists():
        msg = f"{path}: there is no such file"
        raise UsageError(msg)
    if name is not None:
        _need_name(name)
    kind = _kind(place)
    if kind == "darknet":
        from cnnlang.importing.darknet import reader as darknet

        found = _weights_beside(place, weights, ".weights")
        return darknet.read(place, found, name=name or net_name(place.stem))
    if kind == "caffe":
        from cnnlang.importing.caffe import reader as caffe

        found = _weights_beside(place, weights, ".caffemodel")
        reading = caffe.read(place, found, input_size=input_size)
    elif isinstance(weights, str | os.PathLike):
        msg = f"{weights}: an ONNX file holds its own weights"
        raise UsageError(msg)
    else:
        from cnnlang.importing import onnx

        reading = onnx.survey(place)
    return replace(reading, net=name or net_name(reading.net or place.stem))


def _weights_beside(path: Path, weights: StrPath | bool, suffix: str) -> Path | None:
    if isinstance(weights, bool):
        beside = path.with_suffix(suffix)
        return beside if weights and beside.is_file() else None
    if Path(weights).suffix.lower() != suffix:
        msg = f"{weights}: the weights of {path} are in a {suffix} file"
        raise UsageError(msg)
    return Path(weights)


def _kind(path: Path) -> str:
    """What kind of file it is: by the end of its name, else by how it begins.

    Raises
    ------
    UsageError
        It is of no kind that can be read.
    """
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if suffix in ELSEWHERE:
        msg = f"{path}: {ELSEWHERE[suffix]}"
        raise UsageError(msg)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        msg = f"{path}: {(error.strerror or str(error)).lower()}"
        raise UsageError(msg) from None
    if re.search(rb"^\s*\[net(work)?\]", head, re.MULTILINE):
        return "darknet"
    if re.search(rb"^\s*(layers?\s*\{|name\s*:|input\s*:)", head, re.MULTILINE):
        return "caffe"
    msg = f"{path}: models are read from .onnx, .cfg (Darknet) and .prototxt (Caffe) files"
    raise UsageError(msg)


def net_name(text: str) -> str:
    """A net's name from what a file or its author calls it: `yolov4-tiny` is `yolov4_tiny`."""
    from cnnlang.importing.lift.names import safe

    return safe(text, "Net")


def _need_name(name: str) -> None:
    from cnnlang.importing.lift.names import is_name, reserved

    if not is_name(name) or name in reserved():
        msg = (
            f"`{name}` cannot be a net's name: it is a word of letters, digits and `_`, and none of the language's own"
        )
        raise UsageError(msg)
