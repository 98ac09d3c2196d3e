"""The machine that kernels are compiled for, this one or another, and compiling them to object code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cnnlang.backends.numba_cpu.names import names

if TYPE_CHECKING:
    import llvmlite.binding as llvm  # imported only where something is compiled

WIDTHS = {"avx512f": 16, "avx": 8}  # lanes of float32, by the feature that gives them; 4 everywhere else


@dataclass(frozen=True, slots=True)
class Machine:
    """A processor.

    A kernel's arguments are words of 64 bits. Where addresses have 32 bits (wasm32) it takes the lower half of a word
    as the address, which holds every address there is; memory beyond 4 GiB is reached by another triple (wasm64), with
    the same kernels.

    Attributes
    ----------
    triple, cpu, features
        LLVM's names for it.
    width
        Lanes of float32 in its vectors.
    registers
        How many vectors it holds in registers.
    fuses
        Whether it multiplies and adds with one rounding; else a kernel does both one after the other.
    """

    triple: str
    cpu: str
    features: str
    width: int
    registers: int
    fuses: bool = True

    def target(self) -> llvm.TargetMachine:
        import llvmlite.binding as llvm

        _initialise()
        if self.triple != llvm.get_default_triple():
            _initialise_others()
        target = llvm.Target.from_triple(self.triple)
        return target.create_target_machine(cpu=self.cpu, features=self.features, opt=3)


# Machines that kernels can be compiled for anywhere. "simd128" has no fused instruction that is the same everywhere.
OTHERS = {
    "x86-64-avx512": Machine("x86_64-unknown-linux-gnu", "x86-64-v4", "", 16, 32),
    "x86-64-avx2": Machine("x86_64-unknown-linux-gnu", "x86-64-v3", "", 8, 16),
    "x86-64-sse": Machine("x86_64-unknown-linux-gnu", "x86-64-v2", "", 4, 16, fuses=False),
    "aarch64": Machine("aarch64-unknown-linux-gnu", "generic", "+neon", 4, 32),
    "wasm32": Machine("wasm32-unknown-unknown", "generic", "+simd128,+atomics,+bulk-memory", 4, 16, fuses=False),
    "wasm64": Machine("wasm64-unknown-unknown", "generic", "+simd128,+atomics,+bulk-memory", 4, 16, fuses=False),
}


@cache
def _initialise() -> None:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@cache
def _initialise_others() -> None:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@cache
def host(width: int | None = None) -> Machine:
    """This machine; `width` takes narrower vectors than it has."""
    triple, cpu, features = names()
    there = features.split(",")
    widest = next((w for name, w in WIDTHS.items() if f"+{name}" in there), 4)
    chosen = min(width or widest, widest)
    registers = 32 if "+avx512f" in there or triple.startswith(("aarch64", "arm64")) else 16
    fuses = "+fma" in there or not triple.startswith("x86_64")
    return Machine(triple, cpu, features, chosen, registers, fuses)


def object_code(text: str, machine: Machine) -> bytes:
    """A module of LLVM code, optimised, as an object file."""
    module, target = _optimised(text, machine)
    return bytes(target.emit_object(module))


def assembly(text: str, machine: Machine) -> str:
    """The same as assembly, for whoever wants to look at a kernel."""
    module, target = _optimised(text, machine)
    return str(target.emit_assembly(module))


def _optimised(text: str, machine: Machine) -> tuple[llvm.ModuleRef, llvm.TargetMachine]:
    import llvmlite.binding as llvm

    target = machine.target()
    if not machine.fuses:  # LLVM would call a function of the C library for each lane
        text = text.replace("llvm.fma.", "llvm.fmuladd.")
    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    module.data_layout = str(target.target_data)
    options = llvm.create_pipeline_tuning_options(2)
    # the kernels are written unrolled and in vectors: LLVM shall not do it again
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    passes = llvm.create_pass_builder(target, options)
    passes.getModulePassManager().run(module, passes)
    return module, target
