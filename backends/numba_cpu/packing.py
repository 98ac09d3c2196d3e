"""Weights as kernels read them: made on several processors, shared by the plans of a net, kept on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np

from cnnlang import cache
from cnnlang.backends.numba_cpu import store
from cnnlang.backends.numba_cpu.constants import Array, Constants, described
from cnnlang.backends.numba_cpu.locks import Lock
from cnnlang.backends.numba_cpu.version import WEIGHTS, version
from cnnlang.ir import Node
from cnnlang.system import cache_folder, processors
from cnnlang.weight_sources import Drawn, Lazy

NAMELESS = " at 0x"  # in the text of an object that is another in each process
LEAST = 1_000_000  # bytes that are worth a file: fewer are made as soon as read


class Layout(Protocol):
    """How the weights of one stage are packed; its `repr` tells all that decides about the numbers."""

    @property
    def packed(self) -> tuple[int, ...]:
        """The shape of the result."""

    def __call__(self, weight: Array, /) -> Array:
        """The packed weights, float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """An argument of a stage: a weight in a layout."""

    weight: Node
    layout: Layout

    @property
    def nbytes(self) -> int:
        return 4 * int(np.prod(self.layout.packed, dtype=np.int64))

    @property
    def key(self) -> str:
        """What the numbers depend on besides the weights."""
        return f"{self.layout!r} of {described(self.weight)}"


class Packer:
    """The packed weights of one net.

    Parameters
    ----------
    weights
        An array for each of its weights, by path. What is made of those that have an identity is kept on disk.
    """

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self.constants = Constants(weights)
        self._weights = weights
        self._made: WeakValueDictionary[str, Array] = WeakValueDictionary()
        self._lock = Lock()

    def arrays(self, wanted: Sequence[Packed]) -> list[Array]:
        """An array for each, for as long as somebody keeps it; equal ones are one."""
        with self._lock:
            by_key = {one.key: one for one in wanted}
            found = {key: array for key in by_key if (array := self._made.get(key)) is not None}
            missing = {key: one for key, one in by_key.items() if key not in found}
            if missing:
                found |= self._kept_or_made(missing)
                self._made.update(found)
            return [found[one.key] for one in wanted]

    def _kept_or_made(self, missing: Mapping[str, Packed]) -> dict[str, Array]:
        keys = sorted(missing)
        path = self._path(missing) if sum(one.nbytes for one in missing.values()) >= LEAST else None
        kept = store.load(path, [missing[key].layout.packed for key in keys]) if path else None
        if kept is None:
            kept = self._made_now([missing[key] for key in keys])
            if path and self._is_worth_keeping(path):
                store.save(path, kept)
        return dict(zip(keys, kept, strict=True))

    def _path(self, missing: Mapping[str, Packed]) -> Path | None:
        """Where they are kept; None where nothing tells these weights from others."""
        identity = self._weights.identity() if isinstance(self._weights, Lazy) else None
        own = version(WEIGHTS)
        if identity is None or own is None or any(NAMELESS in key for key in missing):
            return None
        whole = sha256("\n".join([own, identity, *sorted(missing)]).encode())
        return cache_folder() / f"{whole.hexdigest()[:40]}.packed"

    def _is_worth_keeping(self, path: Path) -> bool:
        """Not where weights were drawn at random, before they are drawn again: most seeds are used once."""
        if not isinstance(self._weights, Drawn):
            return True
        before = path.with_suffix(".stamp")
        if cache.read(before) is not None:
            return True
        cache.write(before, [])
        return False

    def _made_now(self, wanted: Sequence[Packed]) -> list[Array]:
        """On as many threads as there are processors: NumPy copies without the interpreter's lock."""
        from concurrent.futures import ThreadPoolExecutor

        def make(one: Packed) -> Array:
            array = np.ascontiguousarray(one.layout(self.constants[one.weight]), np.float32)
            assert array.shape == one.layout.packed
            return array

        order = sorted(range(len(wanted)), key=lambda i: -wanted[i].nbytes)  # the largest first: all end together
        with ThreadPoolExecutor(processors()) as pool:
            made = dict(zip(order, pool.map(lambda i: make(wanted[i]), order), strict=True))
        return [made[i] for i in range(len(wanted))]
