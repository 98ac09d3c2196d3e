"""A net through its targets, each held to the float64 reference on the same weights and inputs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlang.errors import FindingsError, UsageError
from cnnlang.interpret import interpret, interpret_all
from cnnlang.program import Program
from cnnlang.verify.comparison import TOLERANCE, Difference, compare, is_steady, worst
from cnnlang.verify.departure import Departure, first_departure
from cnnlang.verify.runners import WAYS, Array, Runner, TargetFailed, Way, Weights, way
from cnnlang.verify.samples import calibrated_weights, prepared_inputs, usable_sizes

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic

BATCHES = (1, 3)


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What became of one target.

    Attributes
    ----------
    target
        Its name.
    status
        `agrees`, `departs`, `unsteady` (it differs, where a rounding of the input moves the reference itself too far),
        `fails` (its program ended in an error), `refuses` (E04xx) or `absent` (not installed).
    version
        What it ran in: `PyTorch 2.13.0`.
    difference
        The worst one of all outputs, inputs and batches.
    output
        The name of the output where it is.
    seconds
        The time of the fastest run of one sample, when all was made ready.
    departure
        The first layer that departs, where one does.
    message
        How it failed; the extra that is missing.
    findings
        What it refuses.
    """

    target: str
    status: str
    version: str = ""
    difference: Difference | None = None
    output: str = ""
    seconds: float | None = None
    departure: Departure | None = None
    message: str = ""
    findings: tuple[Diagnostic, ...] = ()

    @property
    def is_wrong(self) -> bool:
        """Whether the target's numbers are not the net's."""
        return self.status in ("departs", "unsteady", "fails")


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """A net held to its reference in several targets.

    Attributes
    ----------
    program
        The net.
    verdicts
        One a target.
    largest
        The largest number of the reference's outputs.
    finite
        The part of the reference's numbers that are finite: where it is 0, agreeing says little.
    sizes
        What the symbolic sizes were.
    inputs, batches, tolerance
        How many inputs were drawn, in which batches they ran, and what agrees.
    """

    program: Program
    verdicts: tuple[Verdict, ...]
    largest: float
    finite: float
    sizes: Mapping[str, int]
    inputs: int
    batches: tuple[int, ...]
    tolerance: float

    @property
    def is_wrong(self) -> bool:
        return any(v.is_wrong for v in self.verdicts)


def verify(
    program: Program,
    weights: Mapping[str, Any] | None = None,
    targets: Sequence[str] | None = None,
    *,
    inputs: int = 1,
    batches: Sequence[int] = BATCHES,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    ways: Mapping[str, Way] | None = None,
) -> Verification:
    """Run a net in each target and compare the numbers.

    Parameters
    ----------
    program
        The net.
    weights
        Arrays by path; None takes random ones that hide nothing.
    targets
        The targets by name; None takes all, and says which are not installed.
    inputs
        How many random inputs to draw for each input of the net.
    batches
        The numbers of samples that run together.
    seed
        Where random weights and inputs begin.
    tolerance
        The part of the reference's largest number that a target's may differ by.
    ways
        How targets run, by name; None for those of `WAYS`.

    Raises
    ------
    UsageError
        A target is unknown, or named and not installed.
    """
    known = WAYS if ways is None else ways
    chosen = {name: known[name] if name in known else way(name) for name in (targets or known)}
    if targets is not None:
        for name, found in chosen.items():
            if not found.is_installed:
                raise UsageError(absent(name, found))
    bench = _Bench.of(program, weights, inputs, tuple(batches), seed, tolerance)
    verdicts = tuple(bench.verdict(name, found) for name, found in chosen.items())
    return Verification(program, verdicts, bench.largest, bench.finite, bench.sizes, inputs, tuple(batches), tolerance)


def absent(name: str, found: Way) -> str:
    """What to install for a target."""
    needs = " and ".join([*found.needs, *([" or ".join(found.one_of)] if found.one_of else [])])
    return f"{name} needs {needs}: pip install 'cnnlang[{found.extra}]'"


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """The inputs, the reference's outputs for them, and what is compared."""

    program: Program
    weights: Weights
    samples: list[tuple[Array, ...]]  # for each draw, the net's inputs, as many samples as the largest batch has
    references: list[tuple[Array, ...]]
    batches: tuple[int, ...]
    sizes: Mapping[str, int]
    tolerance: float

    @classmethod
    def of(
        cls,
        program: Program,
        weights: Weights | None,
        inputs: int,
        batches: tuple[int, ...],
        seed: int,
        tolerance: float,
    ) -> _Bench:
        graph = program.graph
        sizes = usable_sizes(graph)
        shape = {**sizes, "N": max(batches)}
        samples = [prepared_inputs(program.inputs, shape, seed + i) for i in range(inputs)]
        if weights is None:
            weights = calibrated_weights(graph, [x[:1] for x in samples[0]], seed)
        references = []
        for arrays in samples:
            # one sample after the other: no operator looks at a sample's neighbours, and it takes less memory
            rows = [interpret(graph, weights, *(x[i : i + 1] for x in arrays)) for i in range(max(batches))]
            references.append(tuple(np.concatenate(column) for column in zip(*rows, strict=True)))
        return cls(program, weights, samples, references, batches, sizes, tolerance)

    @property
    def largest(self) -> float:
        found = [np.abs(r[np.isfinite(r)]).max(initial=0.0) for outputs in self.references for r in outputs]
        return float(max(found))

    @property
    def finite(self) -> float:
        outputs = [r for outputs in self.references for r in outputs]
        return sum(int(np.isfinite(r).sum()) for r in outputs) / max(sum(r.size for r in outputs), 1)

    def verdict(self, name: str, found: Way) -> Verdict:
        if not found.is_installed:
            return Verdict(name, "absent", message=absent(name, found))
        version = found.version()
        try:
            runner = found.make(self.program, self.weights)
            return self._compared(name, version, runner)
        except FindingsError as error:
            return Verdict(name, "refuses", version, findings=error.diagnostics)
        except TargetFailed as error:
            return Verdict(name, "fails", version, message=str(error))

    def _compared(self, name: str, version: str, runner: Runner) -> Verdict:
        names = self.program.graph.output_names
        found: list[tuple[Difference, str]] = []
        seconds = []
        for arrays, reference in zip(self.samples, self.references, strict=True):
            for batch in self.batches:
                given = tuple(x[:batch].copy() for x in arrays)
                runner(*given)  # what compiles does so now
                start = time.perf_counter()
                outputs = runner(*given)
                seconds.append((time.perf_counter() - start) / batch)
                if len(outputs) != len(reference):
                    raise TargetFailed(f"it has {len(outputs)} outputs, and the net {len(reference)}")
                found += [(compare(a, r[:batch]), n) for a, r, n in zip(outputs, reference, names, strict=True)]
        difference = worst([d for d, _ in found])
        output = next(n for d, n in found if d is difference)
        if all(d.agrees(self.tolerance) for d, _ in found):
            return Verdict(name, "agrees", version, difference, output, min(seconds))
        arrays, reference = self._first(runner)
        status = "departs" if is_steady(self.program.graph, self.weights, arrays, reference) else "unsteady"
        departure = self._departure(runner, arrays)
        return Verdict(name, status, version, difference, output, min(seconds), departure)

    def _first(self, runner: Runner) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """The first inputs with which an output departs, one sample of them where one is enough."""
        for batch in sorted({1, *self.batches}):
            for arrays, reference in zip(self.samples, self.references, strict=True):
                given, wanted = tuple(x[:batch] for x in arrays), tuple(r[:batch] for r in reference)
                outputs = runner(*(x.copy() for x in given))
                if not all(compare(a, r).agrees(self.tolerance) for a, r in zip(outputs, wanted, strict=True)):
                    return given, wanted
        msg = "it answers otherwise when it is asked again"
        raise TargetFailed(msg)

    def _departure(self, runner: Runner, arrays: tuple[Array, ...]) -> Departure | None:
        graph = self.program.graph
        seen = runner.values(*(x.copy() for x in arrays))
        return first_departure(graph, interpret_all(graph, self.weights, *arrays), seen, self.tolerance)
