"""Kernels for other processors than this one, and what their innermost loops are made of."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any, NoReturn
from unittest.mock import patch

import pytest
from llvmlite import ir

import cnnlang
from cnnlang.backends.numba_cpu import Engine, driver, program
from cnnlang.backends.numba_cpu.emitter import Kernel
from cnnlang.backends.numba_cpu.kernels import WRITERS
from cnnlang.backends.numba_cpu.kernels.clock import Clock
from cnnlang.backends.numba_cpu.kernels.conv import Conv
from cnnlang.backends.numba_cpu.kernels.peak import Peak
from cnnlang.backends.numba_cpu.kernels.winograd import Winograd
from cnnlang.backends.numba_cpu.machine import OTHERS, Machine, assembly, host, object_code
from cnnlang.backends.numba_cpu.plan import plan, winograd
from cnnlang.backends.numba_cpu.plan.conv import tile
from cnnlang.ir import Graph
from tests.helpers import random_weights

# --- every kernel for every machine -----------------------------------------------------------------------------------

# maps large and small, so that every way of convolution is chosen
NETS = [
    """input x: [N, 3, 40, 44]
    conv(16, 3, stride=2, pad=1) -> maxpool(2) -> conv(16, 3, pad=1) -> relu -> lrn(5) -> avgpool(3, stride=1, pad=1)
    upsample(2, mode="bilinear") -> conv(20, 1) -> softmax -> upsample(2) -> conv(16, 3, pad=1) -> tanh""",
    """input x: [N, 16, 12, 12]
    depthwise(3, pad=1) -> silu -> conv(16, 3, pad=1) -> group_norm(4) -> channel_shuffle(4) -> prelu
    concat { | in | conv(5, 1) -> sigmoid } -> channels(1, 12) -> pixel_shuffle(1) -> crop(1)
    add { | in | deconv(11, 3, pad=1) } -> mul { | in | global_avgpool } -> minpool(2)
    gelu -> mish -> softplus -> elu -> selu -> hardswish -> leaky_relu -> bn -> flatten -> dense(7) -> log_softmax""",
    """input x: [N, 16, 240, 240]
    relu -> conv(16, 3, pad=1)""",
]


class Planned(Exception):
    """The stages of a plan, which is not carried out."""


def planned(machine: Machine) -> Iterator[tuple[Any, int]]:
    """The kernels that a machine needs for the nets, each with the lanes of its vectors."""
    for body in NETS:
        graph = cnnlang.loads(f"cnn 1\nnet A {{\n{body}\n}}").graph
        shape = tuple(1 if str(d) == "N" else int(str(d)) for d in graph.inputs[0].type.shape)

        def plan_for_it(graph: Graph, _: Machine, constants: Any, threads: int) -> NoReturn:
            raise Planned(plan(graph, machine, constants, threads))

        with patch.object(program, "plan", plan_for_it), pytest.raises(Planned) as found:
            Engine(graph, random_weights(graph)).program((shape,))
        yield from ((stage.spec, stage.width) for stage in found.value.args[0])


@cache
def specs(machine: Machine) -> list[tuple[Any, int]]:
    """A spec of each family, and more where it has several kinds; Winograd's too where there are few registers."""
    more = [*planned(machine), *planned(replace(machine, registers=32))]
    more += [(Peak(), machine.width), (Clock("llvm.readcyclecounter"), machine.width)]
    names = ("kind", "activation", "whole", "size")
    kinds = {(type(spec), width, *(getattr(spec, n, None) for n in names)): (spec, width) for spec, width in more}
    return list(kinds.values())


def test_the_nets_need_every_kernel() -> None:
    assert {type(spec) for spec, _ in specs(OTHERS["aarch64"])} == set(WRITERS)


def is_elf(code: bytes, number: int) -> bool:
    """Whether it is a relocatable object of a processor with this number, for 64 bits."""
    return code[:5] == b"\x7fELF\x02" and code[16:20] == bytes([1, 0, number, 0])


def is_wasm(code: bytes) -> bool:
    return code[:8] == b"\0asm\1\0\0\0" and b"linking" in code


IS_OF: dict[str, Callable[[bytes], bool]] = {
    "x86-64-avx512": lambda code: is_elf(code, 62),
    "x86-64-avx2": lambda code: is_elf(code, 62),
    "x86-64-sse": lambda code: is_elf(code, 62),
    "aarch64": lambda code: is_elf(code, 183),
    "wasm32": is_wasm,
    "wasm64": is_wasm,
}


def written(spec: Any, machine: Machine, name: str = "kernel") -> str:
    module = ir.Module(name)
    WRITERS[type(spec)](Kernel(module, name, machine.width), spec)
    return str(module)


@pytest.mark.parametrize("name", OTHERS)
def test_every_kernel_compiles_for(name: str) -> None:
    machine = OTHERS[name]
    texts = [written(spec, replace(machine, width=width), "a_kernel_of_ours") for spec, width in specs(machine)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for code in pool.map(lambda text: object_code(text, machine), texts):
            assert IS_OF[name](code)
            assert b"a_kernel_of_ours" in code
            # nothing of the C library, which a kernel in a browser would not have
            assert not re.search(rb"fmaf|rintf|expf|logf|fmaxf|fminf", code)


def driver_for(machine: Machine) -> bytes:
    module = ir.Module("run")
    driver.write(module, "run", machine.triple)
    return object_code(str(module), machine)


@pytest.mark.parametrize("name", OTHERS)
def test_the_driver_compiles_for(name: str) -> None:
    assert IS_OF[name](driver_for(OTHERS[name]))


def test_objects_are_told_apart() -> None:
    codes = {name: driver_for(OTHERS[name]) for name in ("aarch64", "wasm32", "x86-64-sse")}
    for name, code in codes.items():
        assert [other for other in codes if IS_OF[other](code)] == [name]


def test_a_machine_without_fused_multiplications_calls_nobody() -> None:
    text = written(Conv(1, 4, 2, 4, 4, "tanh"), OTHERS["x86-64-sse"])
    assert not re.search(r"\bcall", assembly(text, OTHERS["x86-64-sse"]))
    assert re.search(r"\bcall", assembly(text, replace(OTHERS["x86-64-sse"], fuses=True)))


def test_this_machine_fuses_where_it_says_so() -> None:
    text = assembly(written(Conv(1, 4, 2, 4, 4, "clamp"), host(4)), host(4))
    assert bool(re.search("vfmadd|fmla", text)) == host(4).fuses


# --- the inner loops --------------------------------------------------------------------------------------------------

WIDE, NARROW = OTHERS["x86-64-avx512"], OTHERS["x86-64-avx2"]
MOST = {16: 0.1, 8: 0.2}  # uses of the stack for each multiplication


def innermost(text: str) -> list[str]:
    """The lines of the loop that takes the most single numbers, each for whole vectors of sums."""
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith(".L"):
            blocks.append([])
        blocks[-1].append(line)
    loops = [block for block in blocks if any(line.endswith(f"\t{block[0].rstrip(':')}") for line in block[1:])]
    return max(loops, key=lambda block: sum("vbroadcastss" in line or "{1to" in line for line in block))


def faults(machine: Machine, spec: Any, sums: int, unroll: int) -> str:
    """What is wrong with a kernel's innermost loop; nothing if its sums stay in registers.

    LLVM begins to load the next weights before the last are done with, so where a tile fills the registers a few sums
    give way; they cost nothing as long as they are few.
    """
    loop = innermost(assembly(written(spec, machine), machine))
    multiplied = sum("vfmadd" in line for line in loop)
    on_stack = sum("%rsp" in line for line in loop)
    if multiplied == sums * unroll and on_stack <= MOST[machine.width] * multiplied:
        return ""
    return f"{spec}: {multiplied} multiplications for {sums * unroll}, {on_stack} on the stack"


def check_all(machine: Machine, cases: Iterable[tuple[Any, int, int]]) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda case: faults(machine, *case), cases))
    assert found
    assert [fault for fault in found if fault] == []


@cache
def tiles(machine: Machine) -> list[tuple[int, int, int]]:
    """Every tile that maps of 1 to 60 rows and columns may get, and rows of pixels."""
    sizes = [(h, w) for h in range(1, 61) for w in range(1, 61)] + [(1, w * w) for w in range(8, 61)]
    return sorted({tile(h, w, blocks, machine) for h, w in sizes for blocks in (1, 2, 3, 4)})


def case(tile: tuple[int, int, int], step: int, unroll: int) -> tuple[Conv, int, int]:
    rows, columns, vectors = tile
    return Conv(*tile, step, unroll, "clamp"), rows * columns * vectors, unroll


def fills(sums: int, vectors: int, machine: Machine) -> bool:
    """Whether a tile leaves few registers."""
    return sums + vectors + 1 > machine.registers - 3


@pytest.mark.parametrize("machine", [WIDE, NARROW], ids=["16", "8"])
def test_sums_stay_in_registers(machine: Machine) -> None:
    check_all(machine, [case(tile, machine.width, 4) for tile in tiles(machine)])


@pytest.mark.parametrize(("steps", "unroll"), [("twice", 4), ("argument", 4), ("planar", 1)])
@pytest.mark.parametrize("machine", [WIDE, NARROW], ids=["16", "8"])
def test_sums_stay_in_registers_with_other_steps(machine: Machine, steps: str, unroll: int) -> None:
    step = {"twice": 2 * machine.width, "argument": 0, "planar": 2}[steps]
    if steps == "argument":  # images side by side; each pixel's address stands in a register of its own
        large = [t for t in tiles(machine) if t[0] == 1 and t[1] <= 6]
    else:
        large = [t for t in tiles(machine) if fills(t[0] * t[1] * t[2], t[2], machine)]
    check_all(machine, [case(tile, step, unroll) for tile in large])


@pytest.mark.parametrize("machine", [WIDE, NARROW], ids=["16", "8"])
def test_products_of_winograd_stay_in_registers(machine: Machine) -> None:
    found = sorted({winograd.tile(n, blocks, machine.registers) for n in range(1, 200) for blocks in range(1, 13)})
    large = [(c, v) for c, v in found if fills(c * v, v, machine)]
    check_all(machine, [(Winograd(4, c, v, "clamp"), c * v, 4) for c, v in large])


def test_a_tile_that_is_too_large_is_found_out() -> None:
    assert faults(WIDE, Conv(4, 9, 1, 16, 4, "clamp"), 36, 4) != ""
    assert faults(NARROW, Conv(4, 5, 1, 8, 4, "clamp"), 20, 4) != ""
