"""Symbolic sizes: integer terms with floor division, in a normal form, so that equal sizes are equal objects.

A size is an `int` or a `Term`. A term is a sum of products of atoms; an atom is a variable (`H`) or a floor division
of a term by a positive integer. Laws used, exact over the integers for d, e > 0:

    (d*q + r) // d == q + r // d          (whole multiples leave the division)
    (x // d) // e  == x // (d*e)          (more generally (x//d + c) // e == (x + c*d) // (d*e))
    (g*x) // (g*d) == x // d              (a common factor cancels; a constant rest below g is dropped)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, order=True)
class Variable:
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Floor:
    """`term // divisor`, divisor at least 2, where nothing more can be taken out."""

    term: Term
    divisor: int

    def __str__(self) -> str:
        text = str(self.term)
        return f"{text}//{self.divisor}" if text.isidentifier() else f"({text})//{self.divisor}"


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A sum of `coefficient * product`; the empty product is the constant. Never a plain constant: that is an `int`."""

    parts: tuple[tuple[Product, int], ...]

    @staticmethod
    def variable(name: str) -> Term:
        return Term((((Variable(name),), 1),))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Term) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __add__(self, other: Dim) -> Dim:
        return _sum(_parts(self), _parts(other), 1)

    __radd__ = __add__

    def __sub__(self, other: Dim) -> Dim:
        return _sum(_parts(self), _parts(other), -1)

    def __rsub__(self, other: Dim) -> Dim:
        return _sum(_parts(other), _parts(self), -1)

    def __neg__(self) -> Dim:
        return 0 - self

    def __mul__(self, other: Dim) -> Dim:
        result: dict[Product, int] = {}
        for left, a in _parts(self).items():
            for right, b in _parts(other).items():
                product = tuple(sorted(left + right, key=str))
                result[product] = result.get(product, 0) + a * b
        return _term(result)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: Dim) -> Dim:
        if not isinstance(divisor, int) or divisor <= 0:
            msg = "a symbolic size can be divided by a positive integer only"
            raise ValueError(msg)
        return _floor(_parts(self), divisor)

    def __mod__(self, divisor: Dim) -> Dim:
        return self - divisor * (self // divisor)

    def __str__(self) -> str:
        text = ""
        for product, k in self.parts:
            alone = len(product) == 1 and abs(k) == 1
            body = "*".join(f"({a})" if isinstance(a, Floor) and not alone else str(a) for a in product)
            part = str(abs(k)) if not product else body if abs(k) == 1 else f"{abs(k)}*{body}"
            text += f" {'-' if k < 0 else '+'} {part}" if text else ("-" if k < 0 else "") + part
        return text

    __repr__ = __str__


Atom: TypeAlias = Variable | Floor
Product: TypeAlias = tuple[Atom, ...]
Dim: TypeAlias = int | Term


def _parts(dim: Dim) -> dict[Product, int]:
    return dict(dim.parts) if isinstance(dim, Term) else {(): dim}


def _term(parts: Mapping[Product, int]) -> Dim:
    kept = {p: k for p, k in parts.items() if k}
    if not kept.keys() - {()}:
        return kept.get((), 0)
    return Term(tuple(sorted(kept.items(), key=lambda item: _place(item[0]))))


def _place(product: Product) -> tuple[bool, bool, str]:
    """Where a product stands in a sum: variables first, then floors, the constant last."""
    return not product, any(isinstance(atom, Floor) for atom in product), "*".join(map(str, product))


def _sum(left: dict[Product, int], right: dict[Product, int], sign: int) -> Dim:
    for product, k in right.items():
        left[product] = left.get(product, 0) + sign * k
    return _term(left)


def _floor(parts: dict[Product, int], divisor: int) -> Dim:
    whole = {p: k // divisor for p, k in parts.items()}
    rest = {p: k % divisor for p, k in parts.items() if k % divisor}
    if not rest.keys() - {()}:
        return _term(whole)
    constant = rest.pop((), 0)
    if len(rest) == 1:
        ((product, k),) = rest.items()
        if k == 1 and len(product) == 1 and isinstance(product[0], Floor):  # (x//d + c) // e
            inner = product[0]
            return _term(whole) + ((inner.term + constant * inner.divisor) // (inner.divisor * divisor))
    common = math.gcd(divisor, *rest.values())
    divisor //= common
    rest = {p: k // common for p, k in rest.items()}
    rest[()] = constant // common
    if divisor == 1:
        return _term(whole) + _term(rest)
    if common > 1:
        return _term(whole) + _floor(rest, divisor)
    inside = _term(rest)
    assert isinstance(inside, Term)
    return _term(whole) + Term((((Floor(inside, divisor),), 1),))


def substitute(dim: Dim, values: Mapping[str, Dim]) -> Dim:
    """The size with variables replaced by sizes."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for product, k in dim.parts:
        part: Dim = k
        for atom in product:
            if isinstance(atom, Variable):
                part = part * values.get(atom.name, Term(((((atom,), 1)),)))
            else:
                part = part * (substitute(atom.term, values) // atom.divisor)
        total = total + part
    return total


def variables(dim: Dim) -> set[str]:
    """The names of the variables in a size."""
    if isinstance(dim, int):
        return set()
    found: set[str] = set()
    for product, _ in dim.parts:
        for atom in product:
            found |= {atom.name} if isinstance(atom, Variable) else variables(atom.term)
    return found


def sign(dim: Dim) -> int | None:
    """-1, 0 or 1 where a size has that sign for all sizes from 1; None where that is not known."""
    if isinstance(dim, int):
        return (dim > 0) - (dim < 0)
    if not all(isinstance(atom, Variable) for product, _ in dim.parts for atom in product):
        return None
    for direction in (1, -1):  # a product of variables is at least 1
        grows = all(direction * k > 0 for product, k in dim.parts if product)
        if grows and sum(direction * k for _, k in dim.parts) > 0:
            return direction
    return None


def solve(dim: Dim, value: int, known: Mapping[str, int]) -> dict[str, int] | None:
    """The one unknown variable of a size `k*V + c` for which it equals a value; None where there is no such integer."""
    left = substitute(dim, known)
    if isinstance(left, int):
        return {} if left == value else None
    match left.parts:
        case (((Variable(name),), k), *rest) if len(rest) <= 1 and all(p == () for p, _ in rest):
            offset = rest[0][1] if rest else 0
            quotient, remainder = divmod(value - offset, k)
            return {name: quotient} if remainder == 0 and quotient > 0 else None
    return None
