"""Packed weights on disk: one file for the weights of a plan, mapped into memory where it is read.

A file is a seal (the SHA-256 of the head), the head, and the numbers. The head has the place of each array, and a sum
of each piece of the numbers, which tells a damaged file: adding is twenty times as fast as hashing, and against whoever
means it there is the file's owner (`cnnlang.cache`).
"""

from __future__ import annotations

import json
import math
import mmap
import os
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from cnnlang import cache
from cnnlang.backends.numba_cpu.constants import Array

PIECE = 2**14  # bytes of a sum; arrays begin where this divides
HEAD = 2**24  # bytes that a head has at most


def load(path: Path, shapes: Sequence[tuple[int, ...]]) -> list[Array] | None:
    """The arrays of a file, read-only float32; None where there is none, or a damaged one."""
    descriptor = cache.open_own(path)
    if descriptor is None:
        return None
    try:
        return _mapped(descriptor, shapes)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    finally:
        os.close(descriptor)


def _mapped(descriptor: int, shapes: Sequence[tuple[int, ...]]) -> list[Array] | None:
    size = os.fstat(descriptor).st_size
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        seal = file.readline(100).strip().decode("ascii")
        text = file.readline(HEAD)
        start = -(-file.tell() // PIECE) * PIECE
    if seal != sha256(text).hexdigest():
        return None
    head = json.loads(text)
    offsets = _offsets(shapes)
    if head["shapes"] != [list(shape) for shape in shapes] or size != start + offsets[-1]:
        return None
    if sys.platform == "win32":
        whole = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
    else:
        whole = mmap.mmap(descriptor, size, mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0), mmap.PROT_READ)
    numbers = np.frombuffer(whole, np.uint8, offset=start)
    if not np.array_equal(_sums(numbers), np.frombuffer(bytes.fromhex(head["sums"]), "<u8")):
        return None
    return [
        numbers[offset : offset + 4 * math.prod(shape)].view(np.float32).reshape(shape)
        for shape, offset in zip(shapes, offsets, strict=False)
    ]


def save(path: Path, arrays: Sequence[Array]) -> None:
    """Keep contiguous arrays of float32, if that can be."""
    parts: list[bytes | memoryview] = []
    sums = []
    for array in arrays:
        flat = array.reshape(-1).view(np.uint8)
        whole = len(flat) // PIECE * PIECE
        rest = np.zeros(-(-len(flat) // PIECE) * PIECE - whole, np.uint8)
        rest[: len(flat) - whole] = flat[whole:]
        parts += [flat[:whole].data, rest.data]
        sums += [_sums(flat[:whole]), _sums(rest)]
    all_sums = np.concatenate(sums).astype("<u8").tobytes().hex()
    text = json.dumps({"shapes": [array.shape for array in arrays], "sums": all_sums}).encode() + b"\n"
    head = sha256(text).hexdigest().encode() + b"\n" + text
    cache.write(path, [head + bytes(-len(head) % PIECE), *parts])


def _sums(numbers: Array) -> Array:
    """The sum of each piece, as whole numbers of 64 bits."""
    sums: Array = numbers.view("<u8").reshape(-1, PIECE // 8).sum(axis=1, dtype=np.uint64)
    return sums


def _offsets(shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """Where each array begins in the numbers, and where they end."""
    found = [0]
    for shape in shapes:
        found.append(found[-1] + -(-4 * math.prod(shape) // PIECE) * PIECE)
    return found
