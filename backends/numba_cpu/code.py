"""Object code of kernels: made once a machine, kept in the user's cache, and loaded without Numba."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from llvmlite import ir

from cnnlang import cache
from cnnlang.backends.numba_cpu import driver
from cnnlang.backends.numba_cpu.emitter import Kernel
from cnnlang.backends.numba_cpu.kernels import WRITERS
from cnnlang.backends.numba_cpu.locks import Lock
from cnnlang.backends.numba_cpu.machine import Machine, object_code
from cnnlang.backends.numba_cpu.placing import Image, UnplaceableError
from cnnlang.backends.numba_cpu.version import version
from cnnlang.system import cache_folder, processors

if TYPE_CHECKING:
    import llvmlite.binding as llvm  # imported only where something is compiled

RUN = "run"

Object: TypeAlias = tuple[tuple[str, ...], bytes]  # the names of the arguments, and the object code


@dataclass(frozen=True, slots=True)
class Loaded:
    """A kernel in memory: its address, and the names of its arguments in the order of their words."""

    address: int
    arguments: tuple[str, ...]


class Code:
    """The kernels of one machine, loaded when they are first asked for."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._loaded: dict[Any, Loaded] = {}
        self._others: dict[int, Code] = {}
        self._lock = Lock()

    def load(self, specs: Iterable[Any]) -> dict[Any, Loaded]:
        """Every kernel that has been loaded, these among them."""
        with self._lock:
            self._load(specs)
            return self._loaded

    def of_width(self, lanes: int) -> Code:
        """The kernels of the same machine for vectors of so many lanes."""
        if lanes == self.machine.width:
            return self
        with self._lock:
            if lanes not in self._others:
                self._others[lanes] = Code(replace(self.machine, width=lanes))
            return self._others[lanes]

    def _load(self, specs: Iterable[Any]) -> None:
        wanted = [s for s in dict.fromkeys(specs) if s not in self._loaded]
        if not wanted:
            return
        found = {spec: self._kept(spec) for spec in wanted}
        missing = [spec for spec, kept in found.items() if kept is None]
        if missing:
            from concurrent.futures import ThreadPoolExecutor

            self.machine.target()  # what it prepares is prepared once
            with ThreadPoolExecutor(processors()) as pool:  # LLVM runs without the interpreter's lock
                found |= zip(missing, pool.map(self._compiled, missing), strict=True)
        names = [self._name(spec) for spec in wanted]
        objects = [one for one in found.values() if one is not None]
        for spec, (arguments, _), address in zip(wanted, objects, self._placed(names, objects), strict=True):
            self._loaded[spec] = Loaded(address, arguments)

    def _placed(self, names: Sequence[str], objects: Sequence[Object]) -> list[int]:
        """The addresses of functions, whose object code comes into memory."""
        try:
            return Image([code for _, code in objects], names).addresses
        except UnplaceableError:
            return [self._placed_by_llvm(name, code) for name, (_, code) in zip(names, objects, strict=True)]

    def _placed_by_llvm(self, name: str, code: bytes) -> int:
        import llvmlite.binding as llvm

        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        return int(self._engine.get_function_address(name))

    @cached_property
    def _engine(self) -> llvm.ExecutionEngine:
        import llvmlite.binding as llvm

        target = self.machine.target()
        empty = llvm.parse_assembly("")
        empty.triple = self.machine.triple
        return llvm.create_mcjit_compiler(empty, target)

    def _digest(self, spec: Any) -> str:
        return sha256(f"{spec!r} {self.machine!r} {version()}".encode()).hexdigest()

    def _name(self, spec: Any) -> str:
        return RUN if spec == RUN else f"kernel_{self._digest(spec)[:16]}"

    def _path(self, spec: Any) -> Path:
        return cache_folder() / f"{self._digest(spec)[:40]}.kernel"

    def _kept(self, spec: Any) -> Object | None:
        """A kernel from the cache."""
        body = cache.read_sealed(self._path(spec)) if version() else None
        if body is None:
            return None
        names, _, code = body.partition(b"\n")
        return tuple(names.decode().split()), code

    def _compiled(self, spec: Any) -> Object:
        """A kernel, compiled and kept."""
        name = self._name(spec)
        module = ir.Module(name)
        if spec == RUN:
            driver.write(module, name, self.machine.triple)
            arguments: Sequence[str] = ()
        else:
            kernel = Kernel(module, name, self.machine.width)
            WRITERS[type(spec)](kernel, spec)
            arguments = kernel.args.names
        code = object_code(str(module), self.machine)
        if version():
            cache.write_sealed(self._path(spec), " ".join(arguments).encode() + b"\n" + code)
        return tuple(arguments), code
