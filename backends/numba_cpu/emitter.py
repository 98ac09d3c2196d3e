"""Writing kernels as LLVM code: loops, pointers and vectors for a machine of some vector width.

A kernel is a function `void kernel(int64 *args, int64 begin, int64 end, int64 thread)`: it does the items `begin` to
`end` of its work, and finds sizes and addresses in the words of `args`, which it names when it begins. So one compiled
kernel serves every shape; what the innermost loop must know (the sizes of a tile, a stride) is a literal of its spec.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

F32 = ir.FloatType()
F64 = ir.DoubleType()
I64 = ir.IntType(64)
I32 = ir.IntType(32)
I1 = ir.IntType(1)
PTR = ir.PointerType()
VOID = ir.VoidType()
BYTES = 4  # of a float32

Value = Any  # an `ir.Value`, or a number that stands for a constant


class Args:
    """The words of a kernel's arguments, by name, loaded where they are first named at the kernel's begin."""

    def __init__(self, kernel: Kernel, words: Value) -> None:
        self._kernel, self._words = kernel, words
        self.names: list[str] = []

    def _address(self, name: str) -> Value:
        if name in self.names:
            msg = f"the argument {name} is taken twice"
            raise ValueError(msg)
        self.names.append(name)
        return self._kernel.at(self._words, len(self.names) - 1, I64)

    def word(self, name: str) -> Value:
        return self._kernel.b.load(self._address(name), align=8, typ=I64)

    def words(self, *names: str) -> list[Value]:
        return [self.word(name) for name in names]

    def pointer(self, name: str) -> Value:
        return self._kernel.b.load(self._address(name), align=8, typ=PTR)

    def number(self, name: str) -> Value:
        """A float32, in the lower half of its word."""
        return self._kernel.b.load(self._address(name), align=8, typ=F32)


@dataclass(eq=False)
class Carried:
    """Values that a loop hands from turn to turn: set `values` in the body; `final` holds them behind the loop."""

    values: list[Value]
    final: list[Value]


class Kernel:
    """One function that is being written.

    Parameters
    ----------
    module
        Where it stands.
    name
        Its symbol.
    width
        Lanes of a vector of float32.
    """

    def __init__(self, module: ir.Module, name: str, width: int) -> None:
        self.module, self.width = module, width
        self.vector = ir.VectorType(F32, width)
        self.mask = ir.VectorType(I32, width)
        function = ir.Function(module, ir.FunctionType(VOID, [PTR, I64, I64, I64]), name)
        self.words, self.begin, self.end, self.thread = function.args
        self.b = ir.IRBuilder(function.append_basic_block("entry"))
        self.args = Args(self, self.words)

    # --- whole numbers and addresses ----------------------------------------------------------------------------------

    def index(self, value: Value) -> Value:
        return value if isinstance(value, ir.Value) else I64(value)

    def add(self, *terms: Value) -> Value:
        number = sum(t for t in terms if isinstance(t, int))
        total = None
        for term in terms:
            if not isinstance(term, int):
                total = term if total is None else self.b.add(total, term, flags=["nsw"])
        if total is None:
            return I64(number)
        return self.b.add(total, I64(number), flags=["nsw"]) if number else total

    def sub(self, a: Value, b: Value) -> Value:
        return self.b.sub(self.index(a), self.index(b), flags=["nsw"])

    def mul(self, *factors: Value) -> Value:
        number = 1
        product = None
        for factor in factors:
            if isinstance(factor, int):
                number *= factor
            else:
                product = factor if product is None else self.b.mul(product, factor, flags=["nsw"])
        if product is None:
            return I64(number)
        return product if number == 1 else self.b.mul(product, I64(number), flags=["nsw"])

    def divmod(self, a: Value, b: Value) -> tuple[Value, Value]:
        """Quotient and remainder of numbers that are not negative."""
        a, b = self.index(a), self.index(b)
        return self.b.udiv(a, b), self.b.urem(a, b)

    def least(self, a: Value, b: Value) -> Value:
        a, b = self.index(a), self.index(b)
        return self.b.select(self.b.icmp_signed("<", a, b), a, b)

    def at(self, pointer: Value, offset: Value, type: ir.Type = F32) -> Value:
        """The address so many elements behind a pointer."""
        return self.b.gep(pointer, [self.index(offset)], inbounds=True, source_etype=type)

    def is_set(self, pointer: Value) -> Value:
        """Whether a pointer points anywhere."""
        return self.b.icmp_unsigned("!=", self.b.ptrtoint(pointer, I64), I64(0))

    def entry(self, table: Value, place: Value) -> Value:
        """A whole number from a table of int64."""
        return self.b.load(self.at(table, place, I64), align=8, typ=I64)

    def put_entry(self, value: Value, table: Value, place: Value) -> None:
        self.b.store(value, self.at(table, place, I64), align=8)

    def scratch(self, count: Value) -> Value:
        """Memory for so many floats while the kernel runs."""
        typed = self.b.alloca(F32, self.index(count))
        typed.align = 64
        return self.b.inttoptr(self.b.ptrtoint(typed, I64), PTR)

    # --- loops --------------------------------------------------------------------------------------------------------

    @contextmanager
    def loop(
        self, start: Value, stop: Value, step: int = 1, carry: Sequence[Value] = ()
    ) -> Iterator[tuple[Value, Carried]]:
        """`for i in range(start, stop, step)`, with values that go from turn to turn."""
        b = self.b
        start, stop = self.index(start), self.index(stop)
        before = b.block
        head, body, done = (b.append_basic_block(name) for name in ("head", "body", "done"))
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(start, before)
        phis = [b.phi(value.type) for value in carry]
        for phi, value in zip(phis, carry, strict=True):
            phi.add_incoming(value, before)
        b.cbranch(b.icmp_signed("<", i, stop), body, done)
        b.position_at_end(body)
        carried = Carried(list(phis), list(phis))
        yield i, carried
        following = self.add(i, step)
        i.add_incoming(following, b.block)
        for phi, value in zip(phis, carried.values, strict=True):
            phi.add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(done)

    # --- floats and vectors -------------------------------------------------------------------------------------------

    def load(self, pointer: Value) -> Value:
        """A vector."""
        return self.b.load(pointer, align=BYTES, typ=self.vector)

    def store(self, value: Value, pointer: Value) -> None:
        self.b.store(value, pointer, align=BYTES)

    def store_some(self, value: Value, pointer: Value, lanes: Value) -> None:
        """Only these lanes: the memory of the others is not touched."""
        name = f"llvm.masked.store.v{self.width}f32.p0"
        self.call(name, VOID, value, pointer, I32(BYTES), lanes)

    def scalar(self, pointer: Value) -> Value:
        return self.b.load(pointer, align=BYTES, typ=F32)

    def constant(self, value: float) -> Value:
        return ir.Constant(self.vector, [value] * self.width)

    @property
    def none(self) -> Value:
        """No lane: what comparisons of vectors answer."""
        return ir.Constant(ir.VectorType(I1, self.width), [0] * self.width)

    def splat(self, scalar: Value) -> Value:
        """A number in every lane."""
        undefined = ir.Constant(ir.VectorType(scalar.type, self.width), ir.Undefined)
        one = self.b.insert_element(undefined, scalar, I32(0))
        return self.b.shuffle_vector(one, undefined, ir.Constant(self.mask, [0] * self.width))

    def splat_word(self, word: Value) -> Value:
        """A whole number, of less than 32 bits, in every lane."""
        return self.splat(self.b.trunc(word, I32))

    def call(self, name: str, result: ir.Type, *operands: Value) -> Value:
        """Call a function of LLVM's own, or of the system's."""
        type = ir.FunctionType(result, [operand.type for operand in operands])
        return self.b.call(self.module.globals.get(name) or ir.Function(self.module, type, name), operands)

    def intrinsic(self, name: str, *operands: Value) -> Value:
        """An LLVM intrinsic on vectors, such as `llvm.fma`."""
        return self.call(f"{name}.v{self.width}f32", self.vector, *operands)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        return self.intrinsic("llvm.fma", a, b, c)

    def clamp(self, x: Value, low: Value, high: Value) -> Value:
        """NaN stays NaN."""
        x = self.b.select(self.b.fcmp_ordered("<", x, low), low, x)
        return self.b.select(self.b.fcmp_ordered(">", x, high), high, x)

    def with_residual(self, values: list[Value], residual: Value, places: Sequence[Value]) -> list[Value]:
        """Vectors, each with what stands at its place added where there is a residual at all."""
        with self.b.if_else(self.is_set(residual)) as (there, absent):
            with there:
                added = [self.b.fadd(v, self.load(place)) for v, place in zip(values, places, strict=True)]
                block = self.b.block
            with absent:
                other = self.b.block
        phis = []
        for new, old in zip(added, values, strict=True):
            phi = self.b.phi(self.vector)
            phi.add_incoming(new, block)
            phi.add_incoming(old, other)
            phis.append(phi)
        return phis

    def finish(self) -> None:
        self.b.ret_void()
