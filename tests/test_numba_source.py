"""The Numba source against the float64 reference, and what the module is like to read, to call and to trust."""

from __future__ import annotations

import ast
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import cnnlang
import cnnlang.expand
from cnnlang.backends.numba_source import emit, emit_graph
from cnnlang.dims import Term
from cnnlang.errors import FindingsError, OperatorError
from cnnlang.interpret import interpret
from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops import OPERATORS, Op
from cnnlang.ops.base import Input, Weight, WeightSpec
from cnnlang.ops.elementwise import Elementwise
from cnnlang.ops.merge import SameShape
from cnnlang.ops.pool import Pool
from cnnlang.program import Program
from cnnlang.source import Source
from tests.helpers import (
    apply,
    assert_close,
    graph_of,
    is_steady,
    plain_module,
    random_inputs,
    random_weights,
    run_numba,
)
from tests.operator_cases import accepted, arguments, shapes

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
GOLDEN = HERE / "golden"
N = Term.variable("N")

patient = settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


def agree(net: Graph | Program, sizes: Mapping[str, int] | None = None, *, jit: bool = False, seed: int = 0) -> None:
    """The module gives what the reference gives, in float32."""
    graph = net if isinstance(net, Graph) else net.graph
    weights, inputs = random_weights(graph, seed), random_inputs(graph, {"N": 2, **(sizes or {})}, seed)
    compare(net, weights, inputs, interpret(graph, weights, *inputs), jit=jit)


def compare(net: Graph | Program, weights: Any, inputs: Any, reference: Any, *, jit: bool = False) -> None:
    for actual, expected in zip(run_numba(net, weights, *inputs, jit=jit), reference, strict=True):
        assert actual.dtype == np.float32
        assert_close(actual, expected)


def program(body: str, more: str = "") -> Program:
    return cnnlang.loads(f"cnn 1\n{more}\nnet Net {{\n{body}\n}}\n", net="Net").program


# --- every operator ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_operator(name: str) -> None:
    """With arguments of their kinds, on shapes that it takes."""
    tried = 0

    @patient
    @given(arguments(name), shapes(name), st.integers(0, 99))
    def holds(values: dict[str, object], sizes: list[tuple[int, ...]], seed: int) -> None:
        nonlocal tried
        try:
            graph = graph_of(OPERATORS[name].make(values), *sizes)
        except OperatorError:
            assume(False)
        weights, inputs = random_weights(graph, seed), random_inputs(graph, {}, seed)
        reference = interpret(graph, weights, *inputs)
        assume(is_steady(graph, weights, inputs, reference))
        compare(graph, weights, inputs, reference)
        tried += 1

    holds()
    assert tried >= 20


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_infinities_and_nan(name: str) -> None:
    """Go their way as in the reference."""
    op, sizes = sample(name)
    graph = graph_of(op, *sizes)
    weights, inputs = random_weights(graph), random_inputs(graph, {})
    for special in (np.nan, np.inf, -np.inf):
        for place in range(3):
            spoilt = [x.copy() for x in inputs]
            spoilt[place % len(spoilt)].flat[place * 7 % inputs[0].size] = special
            (expected,) = interpret(graph, weights, *spoilt)
            (actual,) = run_numba(graph, weights, *spoilt)
            assert_close(actual, expected)


def sample(name: str) -> tuple[Op, list[tuple[int, ...]]]:
    """An operator with the first arguments and shapes that it takes."""
    for index in range(8):
        values: dict[str, Any] = {}
        for field in OPERATORS[name].fields():
            if field.required:
                choices = accepted(field.kind)
                values[field.name] = choices[index % len(choices)]
        for shape in ((2, 4, 7, 6), (2, 4)):
            try:
                op = OPERATORS[name].make(values)
                sizes = [shape] * (op.arity or 2)
                op.result(*map(TensorType, sizes))
            except OperatorError:
                continue
            return op, sizes
    pytest.fail(f"no sample of {name}")


VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("conv", {"channels": 8, "kernel": (3, 5), "stride": (2, 1), "pad": (1, 0, 2, 1), "groups": 2, "fill": 0.5}),
    ("conv", {"channels": 3, "kernel": 3, "dilation": (2, 1), "pad": "same", "bias": False}),
    ("conv", {"channels": 2, "kernel": 4, "stride": 2, "pad": "same_upper", "fill": -1}),
    ("conv", {"channels": 4, "kernel": 3, "weight": [[1, 0, -1], [2, 0, -2], [1, 0, -1]]}),
    ("conv", {"channels": 5, "kernel": 1, "pad": 1}),
    ("depthwise", {"kernel": 3, "stride": 2, "pad": "same_upper", "multiplier": 2}),
    ("deconv", {"channels": 6, "kernel": (3, 2), "stride": (2, 3), "pad": (1, 0, 1, 1), "output_pad": (1, 0)}),
    ("deconv", {"channels": 6, "kernel": 2, "stride": 2, "groups": 2}),
    ("deconv", {"channels": 2, "kernel": 3, "dilation": 2, "bias": False}),
    ("maxpool", {"kernel": 3, "stride": 2, "pad": 1, "ceil": True}),
    ("maxpool", {"kernel": 2, "dilation": 2, "stride": 1}),
    ("avgpool", {"kernel": 3, "stride": 2, "pad": 1, "ceil": True, "count_pad": False}),
    ("avgpool", {"kernel": (2, 3), "stride": 2, "pad": "same_upper", "count_pad": True}),
    ("adaptive_avgpool", {"size": (3, 4)}),
    ("leaky_relu", {"slope": 0.2}),
    ("lrn", {"size": 3, "alpha": 0.1, "beta": 0.5, "k": 2}),
    ("group_norm", {"groups": 2, "eps": 1e-3}),
    ("pad", {"amount": (0, 1, 2, 1), "value": 3.5}),
    ("pad", {"amount": 2, "mode": "reflect"}),
    ("upsample", {"scale": (2, 3), "mode": "bilinear"}),
]  # fmt: skip


def test_compiled() -> None:
    """All operators of the registry, and variants of their arguments, compiled in one module."""
    cases = [sample(name) for name in sorted(OPERATORS)]
    cases += [(OPERATORS[name].make(values), [(2, 4, 7, 6)]) for name, values in VARIANTS]
    inputs: list[Node] = []
    outputs: list[Node] = []
    for number, (op, sizes) in enumerate(cases):
        given = [Node.of(Input(shape, f"x{number}_{i}")) for i, shape in enumerate(sizes)]
        inputs.extend(given)
        outputs.append(apply(op, *given, name=f"layer{number}"))
    # what follows at once, in each family that takes it in
    for producer in ("conv1", "add", "bn"):
        source = next(o for o in outputs if o.op.name == producer.strip("1"))
        fresh = Node(source.op, source.inputs, source.type)
        outputs.append(apply(OPERATORS["hardswish"].make({}), fresh, name=""))
    graph = Graph("All", tuple(inputs), tuple(outputs), tuple(f"y{i}" for i in range(len(outputs))))
    agree(graph, jit=True)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_compiled_kernels_keep_what_is_not_a_number(special: float) -> None:
    graph = program(
        """input x: [N, 2, 6, 6]
        conv(3, 3, pad=1) -> relu as a
        output pooled = a -> maxpool(2)
        output average = a -> avgpool(3, stride=1)
        output largest = max { | a -> relu6 | a }
        output normal = a -> bn -> silu"""
    ).graph
    weights, (x,) = random_weights(graph), random_inputs(graph, {"N": 2})
    x[1, 0, 2, 3] = special
    actual = run_numba(graph, weights, x, jit=True)
    for result, expected in zip(actual, interpret(graph, weights, x), strict=True):
        assert_close(result, expected)


# --- one class, no change here ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class SmallestPool(Pool):
    """The smallest number in each window."""

    start, step, over = math.inf, "min(acc, x)", "min"
    name = "smallest_pool"


@dataclass(frozen=True, eq=False, repr=False)
class Cube(Elementwise):
    """y = scale * x**3."""

    scale: float = 0.5

    scalar = "{scale} * x * x * x"
    name = "cube"

    @classmethod
    def fields(cls) -> Any:
        return (type("Field", (), {"name": "scale"}),)

    def reference(self, *inputs: Any) -> Any:
        return self.scale * inputs[0] ** 3


@dataclass(frozen=True, eq=False, repr=False)
class Min(SameShape):
    """The smallest of the branches."""

    step, over = "min(acc, x)", "min"
    name = "min"


@pytest.mark.parametrize("jit", [False, True])
def test_a_new_member_of_a_family_is_data(jit: bool) -> None:
    x = Node.of(Input((N, 2, 6, 6), "x"))
    left = Node.of(SmallestPool((3, 3), (1, 1), (1, 1, 1, 1)), x)
    right = Node.of(Cube(0.25), x)
    y = Node.of(Min(), left, right)
    agree(Graph("New", (x,), (left, right, y), ("a", "b", "c")), jit=jit)


@dataclass(frozen=True, eq=False, repr=False)
class Unheard(Op):
    name = "unheard"

    def result(self, *inputs: TensorType) -> TensorType:
        return inputs[0]

    def reference(self, *inputs: Any) -> Any:
        return inputs[0]


def test_an_operator_without_a_rule() -> None:
    net = program("input x: [N, 2]\nrelu\ntanh").graph
    (relu,) = (n for n in net.nodes if n.op.name == "relu")
    (tanh,) = (n for n in net.nodes if n.op.name == "tanh")
    graph = net.rewrite(lambda n: Node.of(Unheard(), *n.inputs, span=n.span) if n.op in (relu.op, tanh.op) else None)
    with pytest.raises(FindingsError) as caught:
        emit_graph(graph)
    assert [(d.code, d.message, d.span) for d in caught.value.diagnostics] == [
        ("E0401", "the target `numba` cannot express `unheard`", relu.span),
        ("E0401", "the target `numba` cannot express `unheard`", tanh.span),
    ]


# --- nets -------------------------------------------------------------------------------------------------------------

NETS = {
    "several inputs and outputs": (
        """input image: [N, 3, 8, 8]
        input depth: [N, 1, 8, 8]
        concat { | image | depth } -> conv(4, 3) as both
        output map = both -> relu
        output class = both -> global_avgpool -> dense(3)
        output def = class""",
        "",
    ),
    "a result that is read on": (
        """input x: [N, 2, 6, 6]
        conv(3, 3) as a
        output first = a
        output second = a -> relu -> conv(2, 1) -> bn
        output third = second -> relu""",
        "",
    ),
    "shared weights under several bns": (
        """input left: [N, 3, 6, 6]
        input right: [N, 3, 6, 6]
        shared eye = Eye()
        output a = left -> eye -> bn
        output b = right -> eye -> bn -> relu
        output c = right -> eye""",
        "block Eye() { conv(4, 3) -> bn -> relu -> conv(2, 1) }",
    ),
    "symbolic sizes": (
        """input x: [N, 3, 4*H, 4*W]
        conv(4, 3, pad="same_upper", stride=2) as a
        maxpool(2) -> conv(8, 3, pad=1) -> relu
        deconv(4, 2, stride=2)
        concat { | a | in }
        upsample(2, mode="bilinear") -> pad(1, mode="edge")""",
        "",
    ),
    "squeeze and excitation": (
        """input x: [N, 8, 5, 5]
        mul { | in | global_avgpool -> dense(2) -> relu -> dense(8) -> sigmoid }
        add { | global_maxpool | in } -> gelu""",
        "",
    ),
    "names of Python's, and of the module's own": (
        """input weights: [N, 2, 6, 6]
        relu as np
        conv(2, 1) as padded
        bn as activate
        sigmoid as lambda
        add { | np | lambda } as None_
        mul { | None_ | np } as print
        add { | print | lambda | in } as p
        add { | p | print } as x""",
        "",
    ),
    "a net that changes nothing": ("input x: [N, 2, 6, 6]\ndropout(0.5)", ""),
    "outputs that are inputs": (
        "input x: [N, 2]\ninput y: [N, 2]\noutput a = y\noutput b = x -> relu\noutput c = y",
        "",
    ),
    "fixed kernels": (
        """input x: [N, 2, 6, 6]
        conv(2, 3, weight=[[1, 0, -1], [2, 0, -2], [1, 0, -1]]) -> bn
        conv(1, 1x2, weight=[[[[1, 2]], [[3, 4]]]], bias=true) -> tanh
        depthwise(2, weight=[[1, 1], [1, -1]])""",
        "",
    ),
    "normalize by many numbers": (
        """input x: [N, 9, 2, 2]
        normalize(mean=[1, 2, 3, 4, 5, 6, 7, 8, 9], std=[1, 2, 1, 2, 1, 2, 1, 2, 1])
        normalize(mean=0.5, std=2)""",
        "",
    ),
}


@pytest.mark.parametrize("title", NETS)
def test_net(title: str) -> None:
    agree(program(*NETS[title]), {"H": 3, "W": 2})


@st.composite
def webs(draw: st.DrawFn) -> Graph:
    """Layers that read any values before them, so that many values live at once."""
    values = [Node.of(Input((N, 2, 3, 3), f"x{i}")) for i in range(draw(st.integers(1, 2)))]
    inputs = tuple(values)
    for number in range(draw(st.integers(1, 12))):
        name = draw(st.sampled_from(["add", "relu", "conv", "bn", "max", "tanh"]))
        read = [draw(st.sampled_from(values)) for _ in range(draw(st.integers(2, 3)) if name in ("add", "max") else 1)]
        op = OPERATORS[name].make({"channels": 2, "kernel": 1} if name == "conv" else {})
        label = draw(st.sampled_from(["", "", "a", "x", "conv", "layer1.0", "a b\n"]))
        node = apply(op, *read, name=f"{label}.{name}{number}" if label else f"{name}{number}")
        values.append(node if node.weights else Node(node.op, node.inputs, node.type, None, label or name))
    outputs = tuple(draw(st.lists(st.sampled_from(values), min_size=1, max_size=4)))
    return Graph("Web", inputs, outputs, tuple(f"out{i}" for i in range(len(outputs))))


@settings(deadline=None, max_examples=150)
@given(webs())
def test_no_value_is_written_over_while_it_is_needed(graph: Graph) -> None:
    agree(graph)


def nets_of_examples() -> list[Any]:
    found = []
    for path in sorted(EXAMPLES.glob("*.cnn")):
        checked = cnnlang.expand.check(Source(path.name, path.read_text(encoding="utf-8"), path.resolve()))
        found += [pytest.param(path, name, id=f"{path.stem}-{name}") for name in checked.programs]
    return found


@pytest.mark.parametrize(("path", "net"), nets_of_examples())
def test_example(path: Path, net: str) -> None:
    """Compiled, batches 3 and 1 (the first sample's result does not depend on the others)."""
    loaded = cnnlang.load(path, net=net)
    sizes = {"H": 2, "W": 3} if "16*H" in str(loaded.graph.inputs[0].type) else {"H": 40, "W": 50}
    weights, inputs = random_weights(loaded.graph), random_inputs(loaded.graph, {"N": 3, **sizes})
    reference = interpret(loaded.graph, weights, *inputs)
    model = loaded.compile(weights)
    for batch in (3, 1):
        result = model(*(x[:batch] for x in inputs))
        results = result if isinstance(result, tuple) else (result,)
        for actual, expected in zip(results, reference, strict=True):
            assert np.ptp(expected[:batch]) > 0
            assert_close(actual, expected[:batch])


# --- the text ---------------------------------------------------------------------------------------------------------

BLOCKS = """
block residual(width) {
  add { | conv(width, 3, pad=1, bias=false) -> bn -> relu -> conv(width, 3, pad=1, bias=false) -> bn | in }
  relu
}
"""
TEXTBOOK = """
  input image: [N, 3, 32, 32] { mean = [0.5, 0.4, 0.3], std = 0.25, color = "bgr", resize = 40, crop = 32 }
  labels ["cat", "dog", "한국어"]
  meta { source = "a \\"book\\"", licence = "CC0" }

  conv(8, 3, stride=2, pad=1) -> leaky_relu(0.1) as stem
  residual(8) * 2
  maxpool(3, stride=2, pad=(0, 1, 0, 1))
  concat { | stem -> avgpool(2) | in } -> prelu
  global_avgpool -> dense(3) -> softmax
"""


def test_golden(update_golden: bool) -> None:
    """What a module looks like, whole."""
    text = emit(program(TEXTBOOK, BLOCKS))
    golden = GOLDEN / "numba_source.py"
    if update_golden:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_every_example_is_clean(tmp_path: Path) -> None:
    """For ruff: its rules here, and its format."""
    for parameters in nets_of_examples():
        path, net = parameters.values
        (tmp_path / f"{net}.py").write_text(cnnlang.load(path, net=net).emit("numba"), encoding="utf-8")
    (tmp_path / "textbook.py").write_text(emit(program(TEXTBOOK, BLOCKS)), encoding="utf-8")
    options = ["--line-length", "120", "--isolated"]
    rules = ["--select", "E,F,W,B,I,UP,SIM,RET,PT,RUF,PTH", "--ignore", "RUF001,RUF002,RUF003"]
    for command in (["check", *rules], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options, "--no-cache", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_only_what_is_needed() -> None:
    """The functions of the module are those that this net calls."""
    names = {n.name for n in functions(emit(program("input x: [N, 4]\ndense(3) -> softmax")))}
    assert names == {"prepare", "forward", "as_input", "dense_layer", "dense", "softmax"}
    names = {n.name for n in functions(emit(program("input x: [N, 4, 4, 4]\nmaxpool(2) -> tanh -> maxpool(2)")))}
    assert names == {
        *("prepare", "forward", "as_input", "pair", "sides", "padded", "windows"),
        *("maxpool", "maxpool_windows", "activate", "activate_all", "activated"),
    }


def test_a_deep_net_compiles_few_kernels() -> None:
    text = cnnlang.load(EXAMPLES / "resnet.cnn", net="ResNet152").emit("numba")
    compiled = [f.name for f in functions(text) if any("njit" in ast.dump(d) for d in f.decorator_list)]
    assert sorted(compiled) == [
        *("activate", "add_branch", "add_products", "conv_rows", "maxpool_windows"),
    ]


def functions(text: str) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]


def test_a_chain_of_thousands() -> None:
    x = start = Node.of(Input((N, 2), "x"))
    for number in range(3000):
        x = apply(OPERATORS["dense"].make({"units": 2}), x, name=f"dense{number}")
    graph = Graph("Deep", (start,), (x,), ("output",))
    module = plain_module(emit_graph(graph))
    weights = {path: np.eye(2, dtype=np.float32) if path.endswith("weight") else np.zeros(2) for path in graph.weights}
    np.testing.assert_array_equal(module["forward"]([[1, 2]], weights), [[1, 2]])


EVIL = [
    '"""\nraise SystemExit("escaped")\n"""',
    "'; raise SystemExit()",
    "x\n    raise SystemExit()",
    "\\",
    '\\"""',
    "a\u2028b",
    "{{ 7 }}",
    "\x00",
]


@pytest.mark.parametrize("evil", EVIL)
def test_no_text_of_a_file_becomes_code(evil: str) -> None:
    """Labels, names and paths stand in the module as data, whatever they say."""
    spec = WeightSpec("weight", (2, 2), fan_in=2)
    x = Node.of(Input((N, 2), evil), name=evil)
    dense = OPERATORS["dense"].make({"units": 2, "bias": False})
    y = Node.of(dense, x, Node.of(Weight((2, 2), f"{evil}.weight", spec)), name=evil)
    y = Node.of(OPERATORS["relu"].make({}), y, name=evil)
    z = Node.of(OPERATORS["add"].make({}), y, x, name=evil)
    graph = Graph(evil, (x,), (y, z), (evil, evil + "2"))
    agree(graph)
    harmless = Graph("Net", *rename(graph))
    assert shape_of(emit_graph(graph)) == shape_of(emit_graph(harmless))


def rename(graph: Graph) -> tuple[tuple[Node, ...], tuple[Node, ...], tuple[str, ...]]:
    """The same graph with tame names."""
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        op = node.op
        if isinstance(op, Input):
            op = Input(op.shape, "x")
        elif isinstance(op, Weight):
            op = Weight(op.shape, "a.weight", op.spec)
        new[node] = Node(op, tuple(new[n] for n in node.inputs), node.type, None, "a")
    return tuple(new[n] for n in graph.inputs), tuple(new[n] for n in graph.outputs), ("a", "a2")


def shape_of(text: str) -> list[str]:
    """The kinds of the statements of a module, inside its functions too."""
    return [type(node).__name__ for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]


def test_paths_need_no_order() -> None:
    """A graph that comes from elsewhere calls its weights as it likes."""
    x = Node.of(Input((N, 3, 4, 4), "x"))
    conv = OPERATORS["conv"].make({"channels": 3, "kernel": 1, "bias": False})
    bn = OPERATORS["bn"].make({"eps": 0.25})

    def weights(op: Op, letters: str) -> list[Node]:
        return [Node.of(Weight(s.shape, p, s)) for p, s in zip(letters, op.weights(x.type), strict=True)]

    y = Node.of(bn, Node.of(conv, x, *weights(conv, "W")), *weights(bn, "abcd"))
    z = Node.of(bn, Node.of(OPERATORS["relu"].make({}), y), *weights(bn, "efgh"))
    graph = Graph("Net", (x,), (z,), ("output",))
    agree(graph)
    assert 'w["conv"] = conv_layer(p["W"], bn=scale_and_shift(p, ("a", "b", "c", "d"), eps=0.25))' in emit_graph(graph)


def test_the_files_names() -> None:
    text = emit(
        program("""input image: [N, 2, 6, 6]
        conv(3, 3) -> relu as seen
        add { | seen -> conv(3, 1) -> tanh -> dropout(0.5) as other | seen }
        flatten as flat
        output first = flat -> dense(4)
        output second = flat -> dense(3) as last""")
    )
    (forward,) = (f for f in functions(text) if f.name == "forward")
    assigned = [
        n.targets[0].id for n in forward.body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)
    ]
    assert assigned == ["image", "w", "seen", "other", "x", "flat", "first", "last"]
    assert text.count("    return first, last\n") == 1


def test_labels_and_meta_are_data() -> None:
    text = emit(
        program(
            'input x: [N, 2]\nlabels ["\\"\\"\\"", "\\\\"]\nmeta { source = "\\"\\"\\"; raise SystemExit()" }\nrelu'
        )
    )
    module = plain_module(text)
    assert module["LABELS"] == ('"""', "\\")
    assert module["META"] == {"source": '"""; raise SystemExit()'}


# --- calling the module -----------------------------------------------------------------------------------------------


def test_the_module_stands_alone(tmp_path: Path) -> None:
    """In a process that has NumPy and Numba, and no cnnlang."""
    net = program(TEXTBOOK, BLOCKS)
    weights, (x,) = random_weights(net.graph), random_inputs(net.graph, {"N": 2})
    np.savez(tmp_path / "weights.npz", **weights)
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "net.py").write_text(emit(net), encoding="utf-8")
    (tmp_path / "main.py").write_text(
        "import sys\n"
        "import numpy as np\n"
        "import net\n"
        "np.save('y.npy', net.forward(np.load('x.npy'), net.prepare(np.load('weights.npz'))))\n"
        "assert not any(name.startswith('cnnlang') for name in sys.modules)\n",
        encoding="utf-8",
    )
    subprocess.run([sys.executable, "main.py"], cwd=tmp_path, check=True)
    (expected,) = interpret(net.graph, weights, x)
    assert_close(np.load(tmp_path / "y.npy"), expected)


def test_forward_takes_weights_or_what_prepare_made_of_them() -> None:
    net = program(TEXTBOOK, BLOCKS)
    weights, (x,) = random_weights(net.graph), random_inputs(net.graph, {"N": 2})
    before = {path: array.copy() for path, array in weights.items()}
    module = plain_module(emit(net))
    prepared = module["prepare"](weights)
    y = module["forward"](x, prepared)
    np.testing.assert_array_equal(module["forward"](x, weights), y)
    assert module["prepare"](prepared) is prepared
    for path, array in weights.items():
        np.testing.assert_array_equal(array, before[path])
        array += 1  # nothing that was prepared is a view of it
    np.testing.assert_array_equal(module["forward"](x, prepared), y)


def test_forward_leaves_its_input_alone() -> None:
    graph = program("input x: [N, 2, 2, 2]\nflatten").graph
    module = plain_module(emit_graph(graph))
    x = np.ones((1, 2, 2, 2), np.float32)
    y = module["forward"](x)
    y += 1
    np.testing.assert_array_equal(x, 1)


@pytest.mark.parametrize("shape", [(2, 3, 32), (2, 1, 32, 32), (2, 3, 32, 31)])
def test_forward_refuses_another_shape(shape: tuple[int, ...]) -> None:
    module = plain_module(emit(program(TEXTBOOK, BLOCKS)))
    with pytest.raises(ValueError, match=r"^image must be \[None, 3, 32, 32\], and is \[2, "):
        module["forward"](np.zeros(shape), {})


def test_preprocess_is_what_the_file_says() -> None:
    net = program(TEXTBOOK, BLOCKS)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    x = plain_module(emit(net))["preprocess_image"](pixels)
    blue_first = pixels[..., ::-1].transpose(0, 3, 1, 2) / 255
    mean = np.array([0.5, 0.4, 0.3])[:, None, None]
    np.testing.assert_allclose(x, (blue_first - mean) / 0.25, rtol=1e-5, atol=1e-6)
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
