"""The machine that kernels are compiled for, and compiling them to object code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm

WIDTHS = {"avx512f": 16, "avx": 8}  # lanes of float32, by the feature that gives them; 4 everywhere else
REGISTERS = {16: 32, 8: 16, 4: 16}


@dataclass(frozen=True, slots=True)
class Machine:
    """A processor: LLVM's names for it, the lanes of its vectors, and how many vectors it holds in registers."""

    triple: str
    cpu: str
    features: str
    width: int
    registers: int

    def target(self) -> llvm.TargetMachine:
        _initialise()
        target = llvm.Target.from_triple(self.triple)
        return target.create_target_machine(cpu=self.cpu, features=self.features, opt=3)


@cache
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@cache
def host(width: int | None = None) -> Machine:
    """This machine; `width` takes narrower vectors than it has."""
    _initialise()
    features = llvm.get_host_cpu_features()
    widest = next((w for name, w in WIDTHS.items() if features.get(name)), 4)
    chosen = min(width or widest, widest)
    triple = llvm.get_default_triple()
    registers = 32 if features.get("avx512f") or "aarch64" in triple else 16
    return Machine(triple, llvm.get_host_cpu_name(), features.flatten(), chosen, registers if chosen >= 4 else 16)


def object_code(text: str, machine: Machine) -> bytes:
    """A module of LLVM code, optimised, as an object file."""
    module, target = _optimised(text, machine)
    return bytes(target.emit_object(module))


def assembly(text: str, machine: Machine) -> str:
    """The same as assembly, for whoever wants to look at a kernel."""
    module, target = _optimised(text, machine)
    return str(target.emit_assembly(module))


def _optimised(text: str, machine: Machine) -> tuple[llvm.ModuleRef, llvm.TargetMachine]:
    target = machine.target()
    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    module.data_layout = str(target.target_data)
    options = llvm.create_pipeline_tuning_options(2)
    # the kernels are written unrolled and in vectors: LLVM shall not do it again
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    passes = llvm.create_pass_builder(target, options)
    passes.getModulePassManager().run(module, passes)
    return module, target
