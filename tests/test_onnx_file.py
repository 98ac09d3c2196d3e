"""How ONNX models are written: names, patterns, hints, sizes, opsets, weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cnnlang
from cnnlang import UsageError, WeightsError
from cnnlang.backends.onnx import NEWEST, OLDEST, OPSET, export, hints
from cnnlang.backends.onnx.steps import lowered, said
from cnnlang.expand import check
from cnnlang.ir import TensorType
from cnnlang.ops import OPERATORS
from cnnlang.source import Source
from tests.helpers import random_weights
from tests.operator_cases import arguments
from tests.run_onnx import agree, assert_sound, exported, model_of, program

SLOW = list(HealthCheck)


# --- names and patterns -----------------------------------------------------------------------------------------------

NAMED = """
  input image: [N, 2, 9, 9]
  shared s = conv(2, 3, pad=1)
  s -> relu as r
  s -> relu -> silu
  group g { conv(2, 3) as st -> relu }
  { conv(2, 1) -> gelu } * 2
  dropout
  conv(2, 1) as "layer1.0"
  conv(1, 3, weight=[[0, 1, 0], [1, 1, 1], [0, 1, 0]]) as kept
  flatten as ff
  output k = ff -> dense(3) as logits -> softmax
  output same = k
  output kept
  output image
"""


def test_names_are_the_files_own() -> None:
    model = model_of(program(NAMED))
    assert [n.name for n in model.graph.node] == [
        "s", "r", "s/2", "/relu_1", "/silu_1/Sigmoid", "/silu_1/Mul", "g.st", "g/relu_1",
        "repeat1.0.conv1",
        *(f"repeat1.0/gelu_1/{part}" for part in ("Div", "Erf", "Add", "Mul", "Mul_2")),
        "repeat1.1.conv1",
        *(f"repeat1.1/gelu_1/{part}" for part in ("Div", "Erf", "Add", "Mul", "Mul_2")),
        "layer1.0", "kept", "ff", "logits", "/softmax_1", "same/Identity",
    ]  # fmt: skip
    made = {n.name: n.output[0] for n in model.graph.node}
    assert made["/silu_1/Mul"] == "/silu_1"
    assert (made["/softmax_1"], made["kept"], made["r"], made["g.st"]) == ("k", "kept", "r", "g.st")
    assert [o.name for o in model.graph.output] == ["k", "same", "kept", "image"]
    assert [i.name for i in model.graph.input] == ["image"]
    weights = [i.name for i in model.graph.initializer if "/" not in i.name]
    assert weights == list(program(NAMED).graph.weights)
    assert [i.name for i in model.graph.initializer if "/" in i.name] == [
        f"/constant/{np.sqrt(2)!r}".replace("np.float64(", "").replace(")", ""),
        "/constant/1.0",
        "/constant/0.5",
        "kept/weight",
    ]
    agree(program(NAMED), {})


def test_names_that_would_be_alike() -> None:
    net = check(
        Source(
            "a.cnn",
            "cnn 1\n"
            "block twice { conv(2, 1) as image\n relu as out\n relu as constant\n relu as inner }\n"
            "net A { input image: [N, 2, 5, 5]\n twice\n twice\n"
            ' conv(2, 1) as "a.weight" -> relu as b\n conv(2, 1) as "relu_1"\n relu\n relu\n output out = relu }\n',
        )
    ).programs["A"]
    model = said(net, normalize=False)
    assert_sound(net, model)
    names = [n.name for n in model.nodes]
    assert [n for n in names if n.startswith(("inner", "out", "constant"))] == [
        "out/2", "constant", "inner", "out/3", "constant/2", "inner/2",
    ]  # fmt: skip
    agree(net, {})


PATTERNS = [
    ("silu", "Sigmoid Mul"),
    ("mish", "Softplus Tanh Mul"),
    ("gelu", "Div Erf Add Mul Mul"),
    ("prelu", "Unsqueeze PRelu"),
    ("global_avgpool -> prelu", "GlobalAveragePool Flatten PRelu"),
    ("minpool(2)", "Neg MaxPool Neg"),
    ("maxpool(2, ceil=true)", "MaxPool"),
    ("maxpool(2, pad=2, dilation=3)", "Pad MaxPool"),
    ("avgpool(2, pad=1)", "AveragePool"),
    ("avgpool(2, pad=1, stride=4, ceil=true)", "AveragePool"),
    ("avgpool(3, pad=1, stride=2, ceil=true)", "Pad AveragePool"),
    ("avgpool(3, pad=1, stride=2, ceil=true, count_pad=false)", "AveragePool"),
    ("conv(4, 3, pad=1, fill=1)", "Pad Conv"),
    ("conv(4, 3, fill=1)", "Conv"),
    ("depthwise(3, pad=1)", "Conv"),
    ("deconv(4, 2, stride=2)", "ConvTranspose"),
    ("flatten -> dense(3)", "Flatten Gemm"),
    ("bn", "BatchNormalization"),
    ("adaptive_avgpool(1)", "GlobalAveragePool"),
    ("adaptive_avgpool(5)", "AveragePool"),
    ("adaptive_avgpool(3)", "MatMul MatMul"),
    ("group_norm(2)", "Reshape InstanceNormalization Reshape Unsqueeze Unsqueeze Mul Add"),
    ("normalize(1, 2)", "Sub Div"),
    ("channel_shuffle(2)", "Reshape Transpose Reshape"),
    ("lrn(5)", "LRN"),
    ("lrn(5, alpha=-1)", "Mul Reshape AveragePool Reshape Mul Add Pow Div"),
    ("add { | in | relu | tanh }", "Relu Tanh Sum"),
    ("mul { | in | global_avgpool }", "GlobalAveragePool Flatten Unsqueeze Mul"),
    ("mul { | in | relu | tanh }", "Relu Tanh Mul Mul"),
    ("mean { | in | relu }", "Relu Mean"),
    ("max { | in | relu }", "Relu Max"),
    ("concat { | in | relu }", "Relu Concat"),
    ("relu6", "Clip"),
    ("hardswish", "HardSwish"),
    ("dropout -> relu -> dropout", "Relu Identity"),
]


@pytest.mark.parametrize(("steps", "types"), PATTERNS)
def test_pattern(steps: str, types: str) -> None:
    net = program(f"input x: [N, 4, 10, 10]\n{steps}")
    assert [n.op_type for n in said(net, normalize=False).nodes] == types.split()
    agree(net, {})


def test_a_steps_nodes_carry_the_operator() -> None:
    net = program('input x: [N, 4, 9, 9]\nconv(2, 3, pad="same", bias=false) -> group_norm(2, eps=1e-3) -> relu')
    model = model_of(net)
    texts = {n.name: n.doc_string for n in model.graph.node}
    assert texts["conv1"] == 'conv(2, 3, pad="same", bias=false)'
    assert {t for name, t in texts.items() if name.startswith("group_norm1/")} == {"group_norm(2, eps=0.001)"}
    assert texts["/relu_1"] == "relu"
    fixed = program("input x: [N, 1, 9, 9]\nconv(1, 3, weight=[[0, 1, 0], [1, 1, 1], [0, 1, 0]])")
    assert [n.doc_string for n in model_of(fixed).graph.node] == ["conv(1, 3, bias=false)"]


@pytest.mark.parametrize("name", sorted(OPERATORS))
@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@given(st.data())
def test_a_hint_is_read_as_it_was_written(name: str, data: st.DataObject) -> None:
    try:
        operator = OPERATORS[name].make(data.draw(arguments(name)))
    except cnnlang.OperatorError:
        return
    plain = hints.without_kernel(operator)
    assert str(hints.read(hints.write(operator))) == str(plain)


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.from_regex(r"(conv|pad|relu|add|avgpool)\(([\w=\"\[\]().,x -]{0,30})\)?", fullmatch=True),
    )
)
def test_a_hint_is_read_or_refused(text: str) -> None:
    found = hints.read(text)
    assert found is None or hints.read(str(found)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "", "conv", "conv(64)", "pad(1,2)", "conv(64, 7, 9, 9, 9, 9, 9, 9, 9, 9)", "conv(64, 7, stride=-1)", "relu(1)",
        "nothing(1)",
        "conv(64, 7, stride=2, stride=3)", "conv(64, 7", "conv(64, 7) -> relu", "conv(__import__)", "relu\n",
        "conv(" + "9" * 5000 + ")", "conv(64, 7x)", "avgpool(3, pad=[[1]])",
        "pad(1, value=1e999)", "pad(1, value=nan)", "leaky_relu(-inf)", "conv(1, 99999999999999999999)",
        "conv(1, 99999999999999999999x1)", "maxpool(1e3)",
    ],
)  # fmt: skip
def test_no_hint(text: str) -> None:
    assert hints.read(text) is None


def test_one_step_by_itself_is_what_the_model_has() -> None:
    net = program("input x: [N, 4, 7, 9]\ngroup_norm(2)")
    one = lowered(OPERATORS["group_norm"].make({"groups": 2}), net.inputs[0].node.type)
    whole = said(net, normalize=False)
    assert [n.op_type for n in one.nodes] == [n.op_type for n in whole.nodes]
    assert [n.attributes for n in one.nodes] == [n.attributes for n in whole.nodes]
    assert [v.tolist() for v in one.constants.values()] == [v.tolist() for v in whole.constants.values()]
    assert one.nodes[0].inputs[0] == "x0"
    assert {"weight", "bias"} <= {name for n in one.nodes for name in n.inputs}


def test_every_operator_is_said_by_itself() -> None:
    given: dict[str, Any] = {
        "channels": 4,
        "kernel": 3,
        "units": 4,
        "groups": 2,
        "size": 3,
        "amount": 1,
        "scale": 2,
        "r": 2,
    }
    given |= {"mean": 0.5, "std": 2.0, "start": 0, "stop": 2, "before": 1, "after": 1}
    for name, operator in OPERATORS.items():
        op = operator.make({f.name: given[f.name] for f in operator.fields() if f.required})
        x = TensorType((1, 8) if name == "dense" else (1, 8, 6, 6))
        model = lowered(op, *[x] * (2 if operator.is_merge else 1))
        assert bool(model.nodes) == (name != "dropout")


# --- the model --------------------------------------------------------------------------------------------------------


def test_the_model_says_who_made_it_and_for_what() -> None:
    model = model_of(program("input x: [N, 3]\ndense(2)"))
    assert (model.producer_name, model.producer_version) == ("cnnlang", cnnlang.__version__)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    assert model.ir_version == 8
    assert model.graph.name == "A"


@pytest.mark.parametrize("opset", range(OLDEST, NEWEST + 1))
def test_opset(opset: int) -> None:
    net = program(
        "input x: [N, 4, 9, 9]\nconv(4, 3) -> bn -> avgpool(2, ceil=true) -> group_norm(2) -> flatten -> dense(3)"
    )
    assert model_of(net, opset=opset).opset_import[0].version == opset
    agree(net, {}, opset=opset)


@pytest.mark.parametrize("opset", [OLDEST - 1, NEWEST + 1, 0])
def test_no_such_opset(opset: int) -> None:
    with pytest.raises(UsageError, match=f"opset {opset}: models are written for opsets from 15 to 22"):
        export(program("input x: [N, 3]\nrelu"), {}, opset=opset)


def test_symbolic_sizes_are_names() -> None:
    model = model_of(program("input x: [N, 3, 16*H, W]\nmaxpool(2)\nconv(2, 3)"))

    def sizes(value: onnx.ValueInfoProto) -> list[str]:
        return [d.dim_param or str(d.dim_value) for d in value.type.tensor_type.shape.dim]

    assert sizes(model.graph.input[0]) == ["N", "3", "16*H", "W"]
    assert sizes(model.graph.output[0]) == ["N", "2", "8*H - 2", "W//2 - 2"]


def test_weights_are_those_given_and_bytes_are_the_same() -> None:
    net = program("input x: [N, 3, 8, 8]\nconv(4, 3) as stem -> bn -> prelu")
    weights = random_weights(net.graph)
    model = onnx.load_from_string(exported(net, weights))
    found = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer if "/" not in i.name}
    assert list(found) == list(weights)
    for path, array in weights.items():
        np.testing.assert_array_equal(found[path], array)
    assert export(net, weights) == export(net, dict(reversed(weights.items())))


def test_heads_that_only_train_are_left_out() -> None:
    net = program("input x: [N, 3, 8, 8]\nconv(4, 3) as c\naux head = c -> global_avgpool -> dense(2)\nglobal_avgpool")
    weights = random_weights(net.training_graph)
    model = onnx.load_from_string(exported(net, weights))
    assert [i.name for i in model.graph.initializer] == ["c.weight", "c.bias"]
    with pytest.raises(WeightsError, match=r"missing: c\.weight"):
        export(net, {})
