"""Object code of kernels: made once a machine, kept in the user's cache, and loaded without Numba."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite import ir

from cnnlang.backends.numba_cpu import driver
from cnnlang.backends.numba_cpu.emitter import Kernel
from cnnlang.backends.numba_cpu.kernels import WRITERS
from cnnlang.backends.numba_cpu.machine import Machine, object_code
from cnnlang.files import write_bytes
from cnnlang.system import cache_folder

RUN = "run"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A kernel in memory: its address, and the names of its arguments in the order of their words."""

    address: int
    arguments: tuple[str, ...]


@cache
def _version() -> str:
    """What the code depends on besides the machine: this package's own text and LLVM's version."""
    own = sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        own.update(path.read_bytes())
    return f"{own.hexdigest()}-{llvmlite.__version__}"


class Code:
    """The kernels of one machine, loaded when they are first asked for."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        target = machine.target()
        empty = llvm.parse_assembly("")
        empty.triple = machine.triple
        self._engine = llvm.create_mcjit_compiler(empty, target)
        self._loaded: dict[Any, Loaded] = {}
        self._lock = threading.Lock()

    def load(self, specs: Iterable[Any]) -> dict[Any, Loaded]:
        """Every kernel that has been loaded, these among them."""
        with self._lock:
            self._load(specs)
            return self._loaded

    def _load(self, specs: Iterable[Any]) -> None:
        wanted = [s for s in dict.fromkeys(specs) if s not in self._loaded]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            made = list(pool.map(self._object, wanted))
        for spec, (name, arguments, code) in zip(wanted, made, strict=True):
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            self._loaded[spec] = Loaded(_address(self._engine, name), arguments)

    def _object(self, spec: Any) -> tuple[str, tuple[str, ...], bytes]:
        key = f"{spec!r} {self.machine!r} {_version()}"
        digest = sha256(key.encode()).hexdigest()
        name = RUN if spec == RUN else f"kernel_{digest[:16]}"
        path = cache_folder() / f"{digest[:40]}.kernel"
        kept = _kept(path)
        if kept is not None:
            return name, *kept
        module = ir.Module(name)
        if spec == RUN:
            driver.write(module, name, self.machine.triple)
            arguments: Sequence[str] = ()
        else:
            kernel = Kernel(module, name, self.machine.width)
            WRITERS[type(spec)](kernel, spec)
            arguments = kernel.args.names
        code = object_code(str(module), self.machine)
        write_bytes(path, _sealed(arguments, code))
        return name, tuple(arguments), code


def _sealed(arguments: Sequence[str], code: bytes) -> bytes:
    """A file of the cache: a hash of what follows, the names of the arguments, the object code."""
    body = " ".join(arguments).encode() + b"\n" + code
    return sha256(body).hexdigest().encode() + b"\n" + body


def _kept(path: Path) -> tuple[tuple[str, ...], bytes] | None:
    """What a file of the cache holds; None where there is none, or a damaged one."""
    try:
        seal, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if seal != sha256(body).hexdigest().encode():
        return None
    names, _, code = body.partition(b"\n")
    return tuple(names.decode().split()), code


def _address(engine: llvm.ExecutionEngine, name: str) -> int:
    engine.finalize_object()
    return int(engine.get_function_address(name))
