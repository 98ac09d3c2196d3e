"""Activations on vectors. NaN travels; each is within 5 ulp of the exact function, `sigmoid` within 2.

`gelu` is within 27 ulp, or 4e-13 where its result is small.
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

from llvmlite import ir

from cnnlang.backends.numba_cpu.emitter import Kernel, Value

Activation: TypeAlias = Literal[
    "clamp", "leaky_relu", "elu", "selu", "gelu", "silu", "hardswish", "hardsigmoid", "mish", "softplus", "sigmoid",
    "tanh",
]  # fmt: skip

LN2_HIGH, LN2_LOW = 0.693145751953125, 1.42860682030941723212e-6
# Cephes' expf: exp(r) = 1 + r + r^2 P(r) on |r| <= ln(2)/2
EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
# Cephes' logf: log(1 + r) = r - r^2/2 + r^3 P(r)
LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
# tanh(x) = x P(x^2) / Q(x^2): the least relative error for |x| <= 9, fitted by Lawson's iteration
TANH_ABOVE = (1.3354291894529524e-8, 2.0608842532965355e-5, 3.495575161650777e-3, 1.338101476430893e-1, 1.0)
TANH_BELOW = (7.776413895044243e-7, 3.2856123289093375e-4, 2.5876935571432114e-2, 4.6714329719543457e-1, 1.0)
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def activated(k: Kernel, kind: Activation, x: Value, parameters: list[Value]) -> Value:
    """An activation of a vector; `parameters` are two numbers: the bounds of `clamp`, the slope of `leaky_relu`."""
    return _KINDS[kind](k, x, parameters)


def _clamp(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    low, high = map(k.splat, parameters)
    return k.clamp(x, low, high)


def _leaky_relu(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    return k.b.select(k.b.fcmp_ordered("<", x, k.constant(0.0)), k.b.fmul(x, k.splat(parameters[0])), x)


def exp(k: Kernel, x: Value) -> Value:
    """e^x: 0 below -103.97, infinite above 88.72, with the numbers between that float32 can hold."""
    bounded = k.clamp(x, k.constant(-104.0), k.constant(89.0))
    n = k.intrinsic("llvm.rint", k.b.fmul(bounded, k.constant(1 / math.log(2))))
    r = k.fma(n, k.constant(-LN2_HIGH), bounded)
    r = k.fma(n, k.constant(-LN2_LOW), r)
    p = _polynomial(k, EXP, r)
    p = k.b.fadd(k.fma(k.b.fmul(r, r), p, r), k.constant(1.0))
    # 2^n in two steps, so that neither step leaves the range of a float's exponent
    whole = k.b.fptosi(k.b.select(k.b.fcmp_unordered("uno", x, x), k.constant(0.0), n), k.mask)
    half = k.b.ashr(whole, _same(k, 1))
    return k.b.fmul(k.b.fmul(p, _power_of_two(k, half)), _power_of_two(k, k.b.sub(whole, half)))


def _power_of_two(k: Kernel, n: Value) -> Value:
    return k.b.bitcast(k.b.shl(k.b.add(n, _same(k, 127)), _same(k, 23)), k.vector)


def log(k: Kernel, x: Value) -> Value:
    """The natural logarithm of normal positive numbers."""
    bits = k.b.bitcast(x, k.mask)
    exponent = k.b.sub(k.b.lshr(bits, _same(k, 23)), _same(k, 126))
    mantissa = k.b.bitcast(k.b.or_(k.b.and_(bits, _same(k, 0x007FFFFF)), _same(k, 0x3F000000)), k.vector)
    small = k.b.fcmp_ordered("<", mantissa, k.constant(math.sqrt(0.5)))
    r = k.b.fsub(k.b.select(small, k.b.fadd(mantissa, mantissa), mantissa), k.constant(1.0))
    e = k.b.sitofp(exponent, k.vector)
    e = k.b.select(small, k.b.fsub(e, k.constant(1.0)), e)
    square = k.b.fmul(r, r)
    p = k.b.fmul(k.b.fmul(_polynomial(k, LOG, r), r), square)
    p = k.fma(e, k.constant(-2.12194440e-4), p)
    p = k.fma(square, k.constant(-0.5), p)
    return k.fma(e, k.constant(0.693359375), k.b.fadd(r, p))


def _same(k: Kernel, value: int) -> Any:
    return ir.Constant(k.mask, [value] * k.width)


def _polynomial(k: Kernel, coefficients: tuple[float, ...], x: Value) -> Value:
    value = k.constant(coefficients[0])
    for c in coefficients[1:]:
        value = k.fma(value, x, k.constant(c))
    return value


def _sigmoid(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    one = k.constant(1.0)
    return k.b.fdiv(one, k.b.fadd(one, exp(k, k.b.fneg(x))))


def _tanh(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    """A rational function of x, which is within 2.1e-8 of tanh where |x| <= 9; within 5 ulp as it is rounded."""
    bounded = k.clamp(x, k.constant(-9.0), k.constant(9.0))
    square = k.b.fmul(bounded, bounded)
    above = k.b.fmul(_polynomial(k, TANH_ABOVE, square), bounded)
    value = k.b.fdiv(above, _polynomial(k, TANH_BELOW, square))
    return k.clamp(value, k.constant(-1.0), k.constant(1.0))


def expm1(k: Kernel, x: Value) -> Value:
    """e^x - 1 for x <= 0, exact near 0 too: tanh(x/2) * (e^x + 1)."""
    half = _tanh(k, k.b.fmul(x, k.constant(0.5)), [])
    return k.b.fmul(half, k.b.fadd(exp(k, x), k.constant(1.0)))


def _elu(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    zero = k.constant(0.0)
    return k.b.select(k.b.fcmp_ordered("<", x, zero), expm1(k, k.clamp(x, k.constant(-104.0), zero)), x)


def _selu(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    zero = k.constant(0.0)
    low = k.b.fmul(expm1(k, k.clamp(x, k.constant(-104.0), zero)), k.constant(SELU_ALPHA))
    return k.b.fmul(k.b.select(k.b.fcmp_ordered("<", x, zero), low, x), k.constant(SELU_SCALE))


def _silu(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    return k.b.fdiv(x, k.b.fadd(k.constant(1.0), exp(k, k.b.fneg(x))))


def _hardsigmoid(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    moved = k.clamp(k.b.fadd(x, k.constant(3.0)), k.constant(0.0), k.constant(6.0))
    return k.b.fmul(moved, k.constant(1 / 6))


def _hardswish(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    return k.b.fmul(x, _hardsigmoid(k, x, parameters))


def _softplus(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    """log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)."""
    e = exp(k, k.b.fneg(k.intrinsic("llvm.fabs", x)))
    one = k.constant(1.0)
    # log1p: the rounding of 1 + e is made good again
    total = k.b.fadd(one, e)
    lost = k.b.fdiv(k.b.fsub(e, k.b.fsub(total, one)), total)
    return k.b.fadd(k.b.fadd(log(k, total), lost), k.clamp(x, k.constant(0.0), k.constant(math.inf)))


def _mish(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    return k.b.fmul(x, _tanh(k, _softplus(k, x, parameters), parameters))


def _gelu(k: Kernel, x: Value, parameters: list[Value]) -> Value:
    """x * Phi(x), with erfc by Numerical Recipes' rational Chebyshev fit: 1.2e-7 relative."""
    z = k.b.fmul(k.intrinsic("llvm.fabs", x), k.constant(math.sqrt(0.5)))
    t = k.b.fdiv(k.constant(1.0), k.fma(z, k.constant(0.5), k.constant(1.0)))
    fit = (
        0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
        -1.26551223,
    )  # fmt: skip
    power = k.fma(k.b.fneg(z), z, _polynomial(k, fit, t))
    tail = k.b.fmul(k.b.fmul(t, exp(k, power)), k.constant(0.5))  # Phi(-|x|)
    phi = k.b.select(k.b.fcmp_ordered("<", x, k.constant(0.0)), tail, k.b.fsub(k.constant(1.0), tail))
    return k.b.fmul(x, phi)


_KINDS = {
    "clamp": _clamp,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "gelu": _gelu,
    "silu": _silu,
    "hardswish": _hardswish,
    "hardsigmoid": _hardsigmoid,
    "mish": _mish,
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
}
