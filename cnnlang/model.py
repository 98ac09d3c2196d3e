"""A net with weights that runs."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.dims import Dim, Variable, variables
from cnnlang.errors import InputError, UsageError
from cnnlang.interpret import bind_sizes
from cnnlang.ir import Node
from cnnlang.ops.base import Input
from cnnlang.signature import is_int
from cnnlang.system import need_memory, processors
from cnnlang.weight_sources import fixed
from cnnlang.weights import check_weights, expected_shapes, lazy_initialise, lazy_weights, save_weights

if TYPE_CHECKING:
    from cnnlang.backends.numba_cpu.profile import Profile
    from cnnlang.program import Program

Array = NDArray[np.float32]
FLOAT32 = np.dtype(np.float32)


class Model:
    """A net, compiled, with its weights.

    Parameters
    ----------
    program
        The net.
    weights
        A file of weights (`.safetensors`, `.npz`, `.pth`, `.weights.h5`, `.keras`, `.onnx`), or arrays by parameter
        path; None begins anew.
    seed
        Where weights begin, if none are given.
    threads
        How many threads run it; None for as many as there are processors.

    Raises
    ------
    FindingsError
        The net cannot be expressed.
    WeightsError
        The weights cannot be read or do not fit.
    UsageError
        There are not so many threads or not so much memory, or the cache folder cannot be used.

    Examples
    --------
    >>> model = Model(program, "lenet5.safetensors")        # doctest: +SKIP
    >>> model(images).shape                                 # doctest: +SKIP
    (32, 10)
    """

    def __init__(
        self,
        program: Program,
        weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        from cnnlang.backends.numba_cpu import Engine

        self._graph = program.graph
        numbers = sum(math.prod(shape) for shape in expected_shapes(self._graph).values())
        # as given, and as the kernels read them
        need_memory(2 * 4 * numbers, f"{self._graph.name} with {numbers:,} weights")
        self._weights = lazy_weights_for(program, weights, seed)
        self._engine = Engine(program.graph, self._weights, _checked_threads(threads))
        self._fitting: set[tuple[tuple[int, ...], ...]] = set()

    @property
    def weights(self) -> Mapping[str, Array]:
        """The weights by parameter path, float32, not to be written to.

        Those of a `.safetensors` file are read from it, and those of a seed drawn, when they are asked for. A
        `WeightsError` says so where the file has been written to since.
        """
        return MappingProxyType(self._weights)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the weights to a `.safetensors`, `.npz` or `.pth` file.

        Raises
        ------
        WeightsError
            The file's name ends otherwise.
        UsageError
            The file cannot be written.
        """
        save_weights(path, self._weights)

    def __call__(self, *inputs: Any) -> Array | tuple[Array, ...]:
        """Run the net.

        Parameters
        ----------
        *inputs
            For each input of the net an array of real numbers, [N, C, H, W] or [N, C]; what is not float32 becomes so.

        Returns
        -------
        ndarray or tuple of ndarray
            float32; a tuple where the net has several outputs.

        Raises
        ------
        InputError
            There are too few or too many inputs, or one does not fit.
        """
        arrays = [_real(node, x) for node, x in zip(self._graph.inputs, inputs, strict=False)]
        shapes = tuple([x.shape for x in arrays])
        if shapes not in self._fitting or len(arrays) < len(inputs):
            shapes += tuple(np.shape(x) for x in inputs[len(arrays) :])
            self._check(shapes)
            self._fitting.add(shapes)
        results = self._engine.runner(shapes)(arrays)
        return results[0] if len(results) == 1 else tuple(results)

    def profile(self, batch: int = 1, rounds: int = 10) -> Profile:
        """How long each layer takes, on random inputs.

        Parameters
        ----------
        batch
            Samples in a call; of a large one, those are timed that are run at a time.
        rounds
            Calls; the least time counts.

        Raises
        ------
        UsageError
            The net has symbolic sizes besides the batch.
        """
        from cnnlang.backends.numba_cpu.profile import profile

        shapes = []
        for node in self._graph.inputs:
            unknown = {name for dim in node.type.shape[1:] for name in variables(dim)}
            if unknown:
                sizes = ", ".join(f"{name}=..." for name in sorted(unknown))
                msg = f"{self._graph.name} takes inputs {node.type}: give sizes, {sizes}"
                raise UsageError(msg)
            rest = tuple(int(str(dim)) for dim in node.type.shape[1:])
            shapes.append((batch if not isinstance(node.type.batch, int) else node.type.batch, *rest))
        program, samples = self._engine.planned(tuple(shapes))
        rng = np.random.default_rng(0)
        inputs = [rng.normal(size=(samples, *shape[1:])).astype(np.float32) for shape in shapes]
        return profile(program, inputs, self._engine.code, rounds)

    def _check(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        try:
            bind_sizes(self._graph, list(shapes))
        except InputError as error:
            hints = [_what_fits(node, shape) for node, shape in zip(self._graph.inputs, shapes, strict=False)]
            msg = "; ".join([str(error), *(hint for hint in hints if hint)])
            raise InputError(msg) from None

    def __repr__(self) -> str:
        return f"<model of {self._graph.name}>"


def weights_for(
    program: Program, given: str | os.PathLike[str] | Mapping[str, Any] | None, seed: int = 0
) -> dict[str, Array]:
    """The weights of a program's inference graph by path: those of a file or mapping; None begins anew from a seed.

    Raises
    ------
    WeightsError
        The weights cannot be read or do not fit.
    """
    return dict(lazy_weights_for(program, given, seed))


def lazy_weights_for(
    program: Program, given: str | os.PathLike[str] | Mapping[str, Any] | None, seed: int = 0
) -> Mapping[str, Array]:
    """The same, not to be written to, and read or drawn when they are asked for, where that can be."""
    if given is None:
        return lazy_initialise(program.graph, seed, program.train.get("init"))
    expected = expected_shapes(program.graph)
    heads = expected_shapes(program.training_graph).keys() - expected.keys()  # a trained file has the aux heads too
    if isinstance(given, Mapping):
        return fixed(check_weights(given, expected, ignore=heads))
    return lazy_weights(given, expected, ignore=heads, program=program)


def _real(node: Node, x: Any) -> Array:
    """An input as float32; `InputError` for what are no real numbers."""
    if type(x) is np.ndarray and x.dtype is FLOAT32 and x.flags.c_contiguous:  # as is, for what is below takes a while
        return x
    label = node.op.label if isinstance(node.op, Input) else node.name
    try:
        array = np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists; tensors that are not on the CPU
        msg = f"input `{label}` is no array: {error}"
        raise InputError(msg) from None
    if array.dtype == np.uint8:
        msg = (
            f"input `{label}` is uint8, which are pixels from 0 to 255, and the net takes what has been made of them: "
            "give it floats, (x / 255 - mean) / std with the input's own numbers"
        )
        raise InputError(msg)
    if array.dtype.kind not in "fiub":
        msg = f"input `{label}` must be real numbers, and is {array.dtype}"
        raise InputError(msg)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _what_fits(node: Node, shape: tuple[int, ...]) -> str | None:
    """`a height of 16 or 32 would fit`, and how to lay an array out that is laid out otherwise."""
    channels, rank = node.type.channels, node.type.rank
    if len(shape) == rank - 1:
        return "a batch of one is x[None]" if shape[0] == channels else None
    if len(shape) != rank:
        return None
    if rank == 4 and shape[3] == channels != shape[1]:
        return "channels come before height and width: x.transpose(0, 3, 1, 2)"
    names = ("batch", "number of channels", "height", "width")
    found = []
    for name, dim, size in zip(names, node.type.shape, shape, strict=False):
        fitting = _nearest(dim, size)
        if fitting and size not in fitting:
            found.append(f"a {name} of {' or '.join(map(str, fitting))}")
    return f"{' and '.join(found)} would fit" if found else None


def _nearest(dim: Dim, size: int) -> list[int]:
    """The sizes `factor*variable + rest`, for the variable from 1, that are nearest below and above."""
    if isinstance(dim, int):
        return [dim]
    match dim.parts:
        case (((Variable(),), factor), *others) if factor > 0 and all(product == () for product, _ in others):
            rest = others[0][1] if others else 0
            below = (size - rest) // factor
            return sorted({factor * v + rest for v in (max(below, 1), max(below + 1, 1))})
    return []


def _checked_threads(threads: int | None) -> int:
    most = processors()
    if threads is None:
        return most
    if not is_int(threads) or not 1 <= threads <= most:
        msg = f"threads must be from 1 to {most} here, not {threads!r}"
        raise UsageError(msg)
    return threads
