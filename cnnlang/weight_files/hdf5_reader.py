"""What a process of its own runs to read an HDF5 file: `python hdf5_reader.py FILE`.

The HDF5 library is C, and a damaged file may end the process that reads it, or keep it busy for ever; so that process
does nothing else. It imports nothing of cnnlang. It writes one line of JSON that lists what the file holds, then for
each number of an array that it reads from standard input that array's bytes, little-endian, after their count as eight
bytes; a negative count is that of an error's text.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import sys
from typing import Any, BinaryIO

os.environ["HDF5_PLUGIN_PRELOAD"] = "::"  # no filters from elsewhere on the machine
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each thread would count as memory

import h5py

MAX_OBJECTS = 100_000
MAX_DEPTH = 64
MAX_ATTRIBUTE = 2**20  # bytes
MAX_NAME = 4_096
BASE_MEMORY = 3 * 2**29
ALLOWED = 2**24  # bytes that an array may take, however little of it is stored
MOST_GROWTH = 100  # times its stored size that it may take beyond that

ATTRIBUTES = re.compile(r"name|dtype|(layer|weight)_names\d{0,6}")
BAD = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, LookupError, MemoryError, OverflowError)


class Refused(ValueError):
    """The file holds what is not read; the message says what."""


def limit_memory(size: int) -> None:
    """At most so many bytes beyond what the libraries take, where the system can hold a process to it."""
    try:
        import resource
    except ImportError:
        return
    limit = BASE_MEMORY + size
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def texts(value: Any) -> list[str]:
    """An attribute as texts; nothing where it holds something else."""
    items = value.ravel().tolist() if hasattr(value, "ravel") else [value]
    return [
        v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in items if isinstance(v, bytes | str)
    ]


def attributes(thing: Any) -> dict[str, list[str]]:
    found = {}
    for name in thing.attrs:
        if ATTRIBUTES.fullmatch(name):
            if h5py.h5a.get_info(thing.id, name.encode()).data_size > MAX_ATTRIBUTE:
                raise Refused(f"its attribute {name} is too large")
            found[name] = texts(thing.attrs[name])
    return found


def described(path: str, dataset: Any) -> dict[str, Any]:
    """An array's type by NumPy's name, and its shape."""
    if dataset.is_virtual or dataset.external:
        raise Refused(f"{path} lies in other files")
    try:
        dtype = dataset.dtype
    except BAD:
        return {"path": path, "dtype": "of an unknown type", "shape": []}
    shape = dataset.shape
    if shape is None:
        return {"path": path, "dtype": "empty", "shape": []}
    taken = math.prod(shape) * dtype.itemsize
    if taken > max(ALLOWED, MOST_GROWTH * dataset.id.get_storage_size()):
        raise Refused(f"{path} would take {taken:,} bytes, and next to nothing of it is stored")
    name = dtype.name
    if dtype.kind == "V" and dtype.itemsize == 2 and texts(dataset.attrs.get("dtype", "")) == ["bfloat16"]:
        name = "bfloat16"
    return {"path": path, "dtype": name, "shape": list(shape)}


def listing(file: Any) -> tuple[dict[str, Any], list[Any]]:
    """What the file holds, and its arrays in that order."""
    groups: dict[str, dict[str, list[str]]] = {"": attributes(file)}
    arrays: list[dict[str, Any]] = []
    datasets: list[Any] = []
    seen = {_address(file)}
    stack = [("", file, iter(sorted(file)), 0)]
    while stack:
        path, group, names, depth = stack[-1]
        name = next(names, None)
        if name is None:
            stack.pop()
            continue
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise Refused(f"{path or 'it'} has a link, {name}")
        thing, place = group[name], f"{path}/{name}" if path else name
        address = _address(thing)
        if len(place) > MAX_NAME or depth >= MAX_DEPTH or len(seen) >= MAX_OBJECTS:
            raise Refused("it has too many or too deep groups")
        if address in seen:
            raise Refused(f"{place} is there under two names")
        seen.add(address)
        if isinstance(thing, h5py.Group):
            groups[place] = attributes(thing)
            stack.append((place, thing, iter(sorted(thing)), depth + 1))
        elif isinstance(thing, h5py.Dataset):
            arrays.append(described(place, thing))
            datasets.append(thing)
    return {"groups": groups, "arrays": arrays}, datasets


def _address(thing: Any) -> tuple[int, Any]:
    info = h5py.h5o.get_info(thing.id)
    return info.fileno, info.addr


def numbers(dataset: Any, size: int) -> bytes:
    """An array's bytes."""
    taken = dataset.size * dataset.dtype.itemsize
    limit_memory(size + 4 * taken)
    array = dataset[()]
    if array.dtype.kind == "f":
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    data: bytes = array.tobytes()
    return data


def answer(out: BinaryIO, datasets: list[Any], size: int) -> None:
    for line in sys.stdin:
        try:
            data = numbers(datasets[int(line)], size)
            out.write(struct.pack("<q", len(data)) + data)
        except BAD as error:
            data = (str(error) or type(error).__name__).encode("utf-8", "replace")[:1_000]
            out.write(struct.pack("<q", -len(data)) + data)
        out.flush()


def main(path: str) -> None:
    out = sys.stdout.buffer
    size = os.stat(path).st_size  # noqa: PTH116  nothing that a process can do without is imported
    limit_memory(size)
    try:
        file = h5py.File(path, "r", locking=False)
        found, datasets = listing(file)
    except Refused as error:
        found, datasets = {"error": str(error)}, []
    except BAD as error:
        found, datasets = {"error": f"it is damaged: {error}"}, []
    out.write(json.dumps(found).encode() + b"\n")
    out.flush()
    answer(out, datasets, size)


if __name__ == "__main__":
    main(sys.argv[1])
