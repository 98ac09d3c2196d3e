"""The kernels: for each kind of `Spec` the function that writes its code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnlang.backends.numba_cpu.emitter import Kernel
from cnnlang.backends.numba_cpu.kernels import channels, clock, conv, move, peak, pointwise, window, winograd

WRITERS: dict[type, Callable[[Kernel, Any], None]] = {
    conv.Conv: conv.write,
    winograd.Winograd: winograd.write,
    winograd.WinogradInput: winograd.write_input,
    winograd.WinogradOutput: winograd.write_output,
    window.Pool: window.write_pool,
    window.Depthwise: window.write_depthwise,
    window.Bilinear: window.write_bilinear,
    pointwise.Pointwise: pointwise.write,
    move.Move: move.write,
    move.Shift: move.write_shift,
    move.Rows: move.write_rows,
    move.Fill: move.write_fill,
    channels.Softmax: channels.write_softmax,
    channels.LocalResponse: channels.write_local_response,
    channels.GroupNorm: channels.write_group_norm,
    peak.Peak: peak.write,
    clock.Clock: clock.write,
}
