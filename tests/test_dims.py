"""Symbolic sizes against plain integers: whatever is built of them, putting numbers in gives Python's own result."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlang.dims import Dim, Term, sign, solve, substitute, variables

H, W, N = Term.variable("H"), Term.variable("W"), Term.variable("N")

numbers = st.integers(-12, 12)
divisors = st.integers(1, 12)


@dataclass(frozen=True)
class Expr:
    """An expression as a tree: evaluated once with letters and once with numbers."""

    of: Callable[..., Any] | str | int
    parts: tuple[Expr, ...] = ()

    def value(self, letters: Mapping[str, Any]) -> Any:
        if isinstance(self.of, str):
            return letters[self.of]
        if isinstance(self.of, int):
            return self.of
        return self.of(*(part.value(letters) for part in self.parts))


def grown(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    sums = st.builds(
        lambda op, a, b: Expr(op, (a, b)), st.sampled_from([operator.add, operator.sub, operator.mul]), inner, inner
    )
    quotients = st.builds(
        lambda op, a, d: Expr(op, (a, Expr(d))), st.sampled_from([operator.floordiv, operator.mod]), inner, divisors
    )
    scaled = st.builds(lambda k, a: Expr(operator.mul, (Expr(k), a)), numbers, inner)
    shifted = st.builds(lambda k, a: Expr(operator.add, (Expr(k), a)), numbers, inner)
    return sums | quotients | scaled | shifted | st.builds(lambda a: Expr(operator.neg, (a,)), inner)


letters = st.sampled_from(["H", "W"]).map(Expr)
expressions = st.recursive(letters | numbers.map(Expr), grown, max_leaves=8)
bindings = st.fixed_dictionaries({"H": st.integers(-40, 400), "W": st.integers(-40, 400)})


@given(expressions, bindings)
def test_letters_then_numbers_is_numbers(expression: Expr, values: dict[str, Dim]) -> None:
    assert substitute(expression.value({"H": H, "W": W}), values) == expression.value(values)


@given(expressions, expressions, bindings)
def test_equal_terms_are_equal_numbers(left: Expr, right: Expr, values: dict[str, Dim]) -> None:
    one, other = left.value({"H": H, "W": W}), right.value({"H": H, "W": W})
    if one == other:
        assert left.value(values) == right.value(values)
        assert hash(one) == hash(other)
        assert str(one) == str(other)


@given(expressions, expressions)
def test_order_does_not_matter(left: Expr, right: Expr) -> None:
    one, other = left.value({"H": H, "W": W}), right.value({"H": H, "W": W})
    assert one + other == other + one
    assert one * other == other * one
    assert one - one == 0
    assert one + one == 2 * one


@given(expressions)
def test_a_term_is_never_a_plain_number(expression: Expr) -> None:
    value = expression.value({"H": H, "W": W})
    assert isinstance(value, int) == (variables(value) == set())


@given(expressions, expressions, bindings)
def test_substituting_terms_is_composing(outer: Expr, inner: Expr, values: dict[str, Dim]) -> None:
    replaced = substitute(outer.value({"H": H, "W": W}), {"H": inner.value({"H": H, "W": W})})
    within = inner.value(values)
    assert substitute(replaced, values) == outer.value({"H": within, "W": values["W"]})


@given(expressions)
def test_substituting_nothing_changes_nothing(expression: Expr) -> None:
    value = expression.value({"H": H, "W": W})
    assert substitute(value, {}) == value


@given(st.integers(1, 64), st.integers(-20, 20), st.integers(1, 100))
def test_solving_finds_the_variable(factor: int, offset: int, value: int) -> None:
    assert solve(factor * H + offset, factor * value + offset, {}) == {"H": value}


@given(st.integers(2, 64), st.integers(-20, 20), st.integers(1, 100), st.data())
def test_solving_finds_no_fractions(factor: int, offset: int, value: int, data: st.DataObject) -> None:
    rest = data.draw(st.integers(1, factor - 1))
    assert solve(factor * H + offset, factor * value + offset + rest, {}) is None


@pytest.mark.parametrize(
    ("dim", "value", "known", "found"),
    [
        (7, 7, {}, {}),
        (7, 8, {}, None),
        (H, 5, {"H": 5}, {}),
        (H, 5, {"H": 6}, None),
        (16 * H, 0, {}, None),  # a size is at least 1
        (H + W, 9, {"W": 4}, {"H": 5}),
        (H + W, 9, {}, None),  # two unknowns
        (H // 2, 3, {}, None),  # 6 and 7
        (H // 2, 3, {"H": 7}, {}),
    ],
)
def test_solving(dim: Dim, value: int, known: dict[str, int], found: dict[str, int] | None) -> None:
    assert solve(dim, value, known) == found


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (16 * H // 32, "H//2"),
        ((16 * H + 2 - 3) // 2 + 1, "8*H"),
        (((H + 1) // 2 + 1) // 2, "(H + 3)//4"),
        ((4 * H + 1) // 2, "2*H"),
        ((6 * H + 3) // 4, "H + (H + 1)//2"),
        (H * W, "H*W"),
        (2 * (H // 2), "2*(H//2)"),
        (H // 2 * W, "(H//2)*W"),
        ((2 * (H // 2) * W + 1) // 3, "(2*(H//2)*W + 1)//3"),
        (64 * H * W - 3, "64*H*W - 3"),
        (3 - H, "-H + 3"),
        (H % 4, "H - 4*(H//4)"),
        (H % 1, "0"),
        (N * 0 + 5, "5"),
    ],
)
def test_normal_forms(dim: Dim, text: str) -> None:
    assert str(dim) == text


@pytest.mark.parametrize("divisor", [0, -2, H])
def test_only_positive_integers_divide(divisor: Any) -> None:
    with pytest.raises(ValueError, match="positive integer only"):
        H // divisor


@given(expressions, st.fixed_dictionaries({"H": st.integers(1, 400), "W": st.integers(1, 400)}))
def test_a_sign_holds_for_all_sizes(expression: Expr, values: dict[str, Dim]) -> None:
    known = sign(expression.value({"H": H, "W": W}))
    assert known is None or known == sign(expression.value(values))


@pytest.mark.parametrize(
    ("dim", "known"),
    [(H * H + 3, 1), (2 * H - 1, 1), (H - 1, None), (1 - 2 * H, -1), (3, 1), (0, 0), (H // 2 + 1, None), (H - W, None)],
)
def test_signs(dim: Dim, known: int | None) -> None:
    assert sign(dim) == known


def test_variables() -> None:
    assert variables(H * ((W + N) // 3) + 1) == {"H", "W", "N"}
    assert variables(12) == set()
