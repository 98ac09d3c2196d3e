"""Laws that every operator of the registry keeps, whatever it is: a new one is tested by being there."""

from __future__ import annotations

import functools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlang.dims import Dim, Term, substitute
from cnnlang.errors import OperatorError
from cnnlang.expand import check
from cnnlang.ir import TensorType, bind_type
from cnnlang.ops import OPERATORS, Op
from cnnlang.ops.conv import Conv
from cnnlang.ops.elementwise import Elementwise
from cnnlang.ops.merge import SameShape
from cnnlang.ops.pool import Pool
from cnnlang.signature import _plain
from cnnlang.source import Source
from tests.operator_cases import arguments, evaluate, make, random, shapes, weight_arrays

torch.set_num_threads(1)

NAMES = sorted(OPERATORS)
CODES = {"E0201", "E0202", "E0203", "E0205", "E0206", "E0207", "E0209", "E0305"}
TABLE = """
conv(channels, kernel, stride=1, pad=0, dilation=1, groups=1, bias=true, fill=0, weight=none)
depthwise(kernel, stride=1, pad=0, dilation=1, multiplier=1, bias=true, weight=none)
deconv(channels, kernel, stride=1, pad=0, output_pad=0, dilation=1, groups=1, bias=true)
dense(units, bias=true)
maxpool(kernel, stride=kernel, pad=0, dilation=1, ceil=false)
avgpool(kernel, stride=kernel, pad=0, ceil=false, count_pad=true)
global_avgpool
global_maxpool
adaptive_avgpool(size)
relu
relu6
leaky_relu(slope=0.01)
prelu
elu
selu
gelu
silu
hardswish
hardsigmoid
mish
softplus
sigmoid
tanh
softmax
log_softmax
bn(eps=1e-5, momentum=0.1)
lrn(size, alpha=0.0001, beta=0.75, k=1)
group_norm(groups, eps=1e-5)
normalize(mean, std)
flatten
pad(amount, mode="constant", value=0)
crop(amount)
upsample(scale, mode="nearest")
pixel_shuffle(r)
channel_shuffle(groups)
channels(start, stop)
pad_channels(before, after)
dropout(rate=0.5)
add
concat
mul
max
mean
"""


def test_the_signatures_are_the_languages() -> None:
    signatures = {cls.signature() for cls in OPERATORS.values()}
    assert set(TABLE.split("\n")) - {""} <= signatures


@pytest.mark.parametrize("name", NAMES)
def test_each_has_a_manual_page(name: str) -> None:
    text = OPERATORS[name].__doc__ or ""
    assert "Examples\n    --------" in text
    assert "Source: " in text
    example = text.split("--------\n")[1]
    assert name in example


@pytest.mark.parametrize("name", NAMES)
def test_the_manuals_examples_check(name: str) -> None:
    """Each line of an example is a chain that stands in a net, on a map of 64 or 3 channels or on features."""
    text = (OPERATORS[name].__doc__ or "").split("--------\n")[1].split("\n\n")[0]
    for line in text.splitlines():
        found = []
        for before in ("conv(64, 1)", "conv(3, 1)", "flatten"):
            net = f"cnn 1\nnet Example {{\n  input x: [N, 2, 33, 35]\n  {before} -> {line.strip()}\n}}\n"
            found.append([str(d.message) for d in check(Source("example.cnn", net)).diagnostics if d.is_error])
        assert [] in found, found


def test_no_foreign_name_means_two_operators() -> None:
    owners: dict[str, str] = {}
    for name, cls in OPERATORS.items():
        for alias in cls.aliases:
            assert owners.setdefault(_plain(alias), name) == name, alias
            assert OPERATORS.get(alias, cls) is cls, alias


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Conv2d", "conv"), ("nn.Conv2d", "conv"), ("Conv2D", "conv"), ("Convolution", "conv"),
        ("convolutional", "conv"), ("Linear", "dense"), ("fc", "dense"), ("InnerProduct", "dense"),
        ("gap", "global_avgpool"), ("batch_norm", "bn"),
        ("BatchNormalization", "bn"), ("ConvTranspose2d", "deconv"), ("Conv2DTranspose", "deconv"), ("ReLU", "relu"),
        ("DepthwiseConv2D", "depthwise"), ("MaxPooling2D", "maxpool"), ("AveragePooling2D", "avgpool"),
        ("GlobalAveragePooling2D", "global_avgpool"), ("LocalResponseNorm", "lrn"), ("Concatenate", "concat"),
        ("cat", "concat"), ("Eltwise", "add"), ("ZeroPadding2D", "pad"), ("UpSampling2D", "upsample"),
        ("swish", "silu"),
        ("Dropout2d", "dropout"), ("Flatten", "flatten"), ("shortcut", "add"), ("DepthToSpace", "pixel_shuffle"),
    ],
)  # fmt: skip
def test_other_frameworks_names_are_known(theirs: str, ours: str) -> None:
    assert OPERATORS.foreign(theirs) == ours


@pytest.mark.parametrize(
    ("operator", "theirs", "ours"),
    [
        ("conv", "filters", "channels"), ("conv", "kernel_size", "kernel"), ("conv", "strides", "stride"),
        ("conv", "padding", "pad"), ("conv", "out_channels", "channels"), ("conv", "use_bias", "bias"),
        ("depthwise", "depth_multiplier", "multiplier"), ("deconv", "output_padding", "output_pad"),
        ("dense", "out_features", "units"), ("maxpool", "pool_size", "kernel"),
        ("avgpool", "count_include_pad", "count_pad"),
        ("maxpool", "ceil_mode", "ceil"), ("bn", "epsilon", "eps"), ("leaky_relu", "negative_slope", "slope"),
        ("dropout", "p", "rate"), ("lrn", "local_size", "size"), ("group_norm", "num_groups", "groups"),
        ("upsample", "scale_factor", "scale"), ("pixel_shuffle", "upscale_factor", "r"),
    ],
)  # fmt: skip
def test_other_frameworks_arguments_are_known(operator: str, theirs: str, ours: str) -> None:
    assert OPERATORS[operator].argument_aliases[theirs] == ours


@pytest.mark.parametrize("name", NAMES)
def test_argument_aliases_lead_to_arguments(name: str) -> None:
    own = {field.name for field in OPERATORS[name].fields()}
    assert set(OPERATORS[name].argument_aliases.values()) <= own
    assert not own & set(OPERATORS[name].argument_aliases)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (make("conv", channels=64, kernel=(7, 7), stride=2, pad=3), "conv(64, 7, stride=2, pad=3)"),
        (make("conv", channels=8, kernel=(3, 5), pad=(1, 2), bias=False), "conv(8, 3x5, pad=1x2, bias=false)"),
        (make("conv", channels=8, kernel=3, pad=(0, 1, 0, 1)), "conv(8, 3, pad=(0, 1, 0, 1))"),
        (make("conv", channels=8, kernel=3, pad="same", fill=-0.5), 'conv(8, 3, pad="same", fill=-0.5)'),
        (make("conv", channels=1, kernel=2, weight=[[1, 0.5], [0, -1]]), "conv(1, 2, weight=[[1, 0.5], [0, -1]])"),
        (make("maxpool", kernel=3, stride=2), "maxpool(3, stride=2)"),
        (make("maxpool", kernel=2, stride=2), "maxpool(2)"),
        (make("avgpool", kernel=2, ceil=True, count_pad=False), "avgpool(2, ceil=true, count_pad=false)"),
        (make("normalize", mean=[0.5, 1], std=2), "normalize([0.5, 1], 2)"),
        (make("bn", eps=1e-3), "bn(eps=0.001)"),
        (make("relu"), "relu"),
    ],
)
def test_printing(op: Op, text: str) -> None:
    assert str(op) == text


def tried(name: str, given_arguments: dict[str, Any], types: list[TensorType]) -> tuple[Op, TensorType] | OperatorError:
    """The operator and its result's type, or its refusal."""
    try:
        op = make(name, **given_arguments)
        return op, op.result(*types)
    except OperatorError as error:
        return error


@pytest.mark.parametrize("name", NAMES)
def test_the_shape_rule_is_the_references_shape(name: str) -> None:
    taken = 0

    @settings(max_examples=80, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(arguments(name), shapes(name))
    def law(given_arguments: dict[str, Any], given_shapes: list[tuple[int, ...]]) -> None:
        nonlocal taken
        types = [TensorType(shape) for shape in given_shapes]
        outcome = tried(name, given_arguments, types)
        if isinstance(outcome, OperatorError):
            assert outcome.code in CODES
            assert f"`{name}`" in outcome.message or outcome.code in {"E0205", "E0207"}
            assert outcome.help
            return
        op, result = outcome
        taken += 1
        y = evaluate(op, *(random(*shape, seed=i) for i, shape in enumerate(given_shapes)))
        assert y.shape == result.shape
        assert all(isinstance(size, int) and size > 0 for spec in op.weights(*types) for size in spec.shape)
        macs = op.macs(*types)
        assert isinstance(macs, int)
        assert macs > 0 if op.counts_depth else macs == 0

    law()
    assert taken >= 10, f"only {taken} of the random arguments were taken: nothing is tested"


SIZES: list[Dim] = [Term.variable("H"), 2 * Term.variable("H"), 16 * Term.variable("H"), 4 * Term.variable("H") + 1]


@pytest.mark.parametrize("name", NAMES)
def test_symbolic_sizes_are_the_sizes_when_they_are_known(name: str) -> None:
    taken = 0

    @settings(max_examples=80, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(arguments(name), shapes(name), st.sampled_from(SIZES), st.integers(1, 9), st.booleans())
    def law(
        given_arguments: dict[str, Any], given_shapes: list[tuple[int, ...]], height: Dim, value: int, both: bool
    ) -> None:
        nonlocal taken
        values: dict[str, Dim] = {"N": given_shapes[0][0], "H": value}
        width = height + 3 if both else 7
        batch = Term.variable("N")
        symbolic = [
            TensorType(
                (batch, s[1], height if s[2] == given_shapes[0][2] else 5, width) if len(s) == 4 else (batch, s[1])
            )
            for s in given_shapes
            if len(s) == 2 or len(given_shapes[0]) == 4
        ]
        concrete = [bind_type(t, values) for t in symbolic]
        outcome, known = tried(name, given_arguments, symbolic), tried(name, given_arguments, concrete)
        if isinstance(outcome, OperatorError):
            # what is refused for every size is refused for one; what cannot be proved may still be so
            assert outcome.code == "E0205" or isinstance(known, OperatorError)
            return
        if isinstance(known, OperatorError):
            assert known.code in {"E0202", "E0209", "E0203"}  # it is too small, or two sizes happen to differ
            return
        taken += 1
        assert bind_type(outcome[1], values) == known[1]
        assert substitute(outcome[0].macs(*symbolic), values) == known[0].macs(*concrete)
        assert outcome[0].weights(*symbolic) == known[0].weights(*concrete)

    law()
    assert taken >= 10, f"only {taken} of the random arguments were taken: nothing is tested"


def symmetric(op: Op, x: TensorType) -> dict[str, Any] | None:
    """The arguments as PyTorch takes them; None for padding that it has not: unequal, or more than half the kernel."""
    shown = {field.name: getattr(op, field.name) for field in op.fields()}
    if isinstance(op, Pool):
        top, bottom, left, right = op.pads(x)
        shown["pad"] = (top, left)
        small = top <= op.kernel[0] // 2 and left <= op.kernel[1] // 2
        return shown if small and (top, left) == (bottom, right) else None
    return shown


@pytest.mark.parametrize("name", [name for name in NAMES if OPERATORS[name].torch])
def test_the_torch_text_says_the_same(name: str) -> None:
    compared = 0

    @settings(max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(arguments(name), shapes(name))
    def law(given_arguments: dict[str, Any], given_shapes: list[tuple[int, ...]]) -> None:
        nonlocal compared
        outcome = tried(name, given_arguments, [TensorType(shape) for shape in given_shapes])
        if isinstance(outcome, OperatorError):
            return
        op, _ = outcome
        shown = symmetric(op, TensorType(given_shapes[0]))
        if shown is None:
            return
        arrays = [random(*shape, seed=i) for i, shape in enumerate(given_shapes)]
        names = {f"x{i}": torch.from_numpy(a) for i, a in enumerate(arrays)}
        assert op.torch is not None
        text = op.torch.format(x="x0", xs=", ".join(names), **shown)
        scope = {"torch": torch, "F": F, "self": SimpleNamespace(training=False), **names}
        y = eval(text, scope)
        np.testing.assert_allclose(evaluate(op, *arrays), y.numpy(), rtol=1e-9, atol=1e-9, err_msg=text)
        compared += 1

    law()
    assert compared >= 10


NUMBERS = [-800.0, -88.5, -20.5, -6.0, -3.0, -1.0, -1e-3, 0.0, 1e-9, 0.5, 3.0, 6.0, 7.5, 19.0, 21.0, 100.0, 800.0]


@pytest.mark.parametrize("number", [*NUMBERS, math.inf, math.nan])
@pytest.mark.parametrize("name", [name for name in NAMES if issubclass(OPERATORS[name], Elementwise)])
def test_the_scalar_text_says_the_same(name: str, number: float) -> None:
    op = make(name)
    assert isinstance(op, Elementwise)
    text = op.scalar.format(**{field.name: getattr(op, field.name) for field in op.fields()})
    y = evaluate(op, np.full((1, 1), number))
    np.testing.assert_allclose(eval(text, {"math": math, "x": number}), y[0, 0], rtol=1e-9, atol=1e-12)


def folded(op: Pool | SameShape, cells: list[float], acc: float) -> float:
    for x in cells:
        acc = eval(op.step, {"acc": acc, "x": x})
    return float(eval(op.finish, {"acc": acc, "count": 6}))


@pytest.mark.parametrize("name", [name for name in NAMES if issubclass(OPERATORS[name], Pool)])
def test_a_pools_step_and_finish_say_the_same(name: str) -> None:
    op, x = make(name, kernel=(2, 3)), random(1, 1, 2, 3)
    assert isinstance(op, Pool)
    np.testing.assert_allclose(folded(op, x.ravel().tolist(), op.start), evaluate(op, x).item())


@pytest.mark.parametrize("name", [name for name in NAMES if issubclass(OPERATORS[name], SameShape)])
def test_a_merges_step_and_finish_say_the_same(name: str) -> None:
    op, xs = make(name), [random(1, 1, seed=i) for i in range(6)]
    assert isinstance(op, SameShape)
    first, *rest = [x.item() for x in xs]
    np.testing.assert_allclose(folded(op, rest, first), evaluate(op, *xs).item())


@pytest.mark.parametrize("name", NAMES)
def test_nan_stays_nan(name: str) -> None:
    """A window, a channel or a whole sample that holds NaN gives NaN, never a number made of the rest."""
    sample = {"kernel": 3, "channels": 2, "units": 2, "size": 3, "groups": 2, "mean": 0, "std": 1, "amount": 1,
              "scale": 2, "r": 2, "start": 0, "stop": 3, "before": 1, "after": 1}  # fmt: skip
    op = make(name, **{field.name: sample[field.name] for field in OPERATORS[name].fields() if field.required})
    shape = (1, 4) if name == "dense" else (1, 4, 5, 5)
    x = random(*shape)
    x[0, 1] = np.nan
    values = [x, random(*shape, seed=1)] if op.is_merge else [x]
    assert np.isnan(evaluate(op, *values)).any()


@pytest.mark.parametrize(
    ("name", "given_arguments", "shape", "macs"),
    [
        ("conv", {"channels": 6, "kernel": 5}, (1, 1, 32, 32), 6 * 25 * 28 * 28),
        ("conv", {"channels": 48, "kernel": 5, "pad": 2}, (1, 480, 14, 14), 112_896_000),
        ("conv", {"channels": 8, "kernel": (3, 1), "groups": 2, "stride": 2}, (3, 4, 9, 9), 8 * 2 * 3 * 4 * 5),
        ("depthwise", {"kernel": 3, "multiplier": 2}, (1, 4, 6, 5), 8 * 9 * 4 * 3),
        ("deconv", {"channels": 8, "kernel": 3, "stride": 2, "groups": 2}, (2, 4, 5, 6), 9 * 2 * 8 * 30),
        ("dense", {"units": 10}, (5, 84), 840),
        ("conv", {"channels": 1, "kernel": 3, "weight": [[1, 2, 1]] * 3}, (1, 3, 5, 5), 27 * 9),
        ("bn", {}, (1, 3, 5, 5), 0),
        ("avgpool", {"kernel": 2}, (1, 3, 6, 6), 0),
    ],
)
def test_macs(name: str, given_arguments: dict[str, Any], shape: tuple[int, ...], macs: int) -> None:
    assert make(name, **given_arguments).macs(TensorType(shape)) == macs


def torch_layer(name: str) -> torch.nn.Module:
    """PyTorch's layer for the random layer of `test_weights_begin_as_in_pytorch` on 6 channels."""
    layers: dict[str, functools.partial[torch.nn.Module]] = {
        "conv": functools.partial(torch.nn.Conv2d, 6, 4, (3, 2), groups=2),
        "depthwise": functools.partial(torch.nn.Conv2d, 6, 12, (3, 2), groups=6),
        "deconv": functools.partial(torch.nn.ConvTranspose2d, 6, 4, (3, 2), groups=2),
        "dense": functools.partial(torch.nn.Linear, 6, 5),
        "bn": functools.partial(torch.nn.BatchNorm2d, 6),
        "prelu": functools.partial(torch.nn.PReLU, 6),
        "group_norm": functools.partial(torch.nn.GroupNorm, 3, 6),
    }
    return layers[name]()


@pytest.mark.parametrize(
    "op",
    [
        make("conv", channels=4, kernel=(3, 2), groups=2),
        make("depthwise", kernel=(3, 2), multiplier=2),
        make("deconv", channels=4, kernel=(3, 2), groups=2),
        make("dense", units=5),
        make("bn"),
        make("prelu"),
        make("group_norm", groups=3),
    ],
    ids=lambda op: op.name,
)
def test_weights_begin_as_in_pytorch(op: Op) -> None:
    specs = op.weights(TensorType((2, 6) if op.name == "dense" else (2, 6, 9, 9)))
    torch.manual_seed(0)
    layer = torch_layer(op.name)
    state = {n: t for n, t in layer.state_dict().items() if n != "num_batches_tracked"}
    assert [(spec.name, spec.shape) for spec in specs] == [(n, tuple(t.shape)) for n, t in state.items()]
    assert {spec.name for spec in specs if spec.trained} == {n for n, _ in layer.named_parameters()}
    samples = {n: torch.stack([torch_layer(op.name).state_dict()[n] for _ in range(200)]) for n in state}
    for spec in specs:
        kind, value = spec.init
        drawn = samples[spec.name].numpy()
        if kind == "constant":
            np.testing.assert_allclose(drawn, value)
        else:
            assert 0.97 * value < np.abs(drawn).max() <= value * 1.000001
        if spec.fan_in:
            fans = torch.nn.init._calculate_fan_in_and_fan_out(state[spec.name])
            assert (spec.fan_in, spec.fan_out) == fans


SHARPEN = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]


def test_a_fixed_kernel_serves_every_pair_of_channels() -> None:
    op = make("conv", channels=4, kernel=3, groups=2, weight=SHARPEN)
    (spec,) = op.weights(TensorType((1, 6, 5, 5)))
    assert not spec.trained
    assert spec.shape == (4, 3, 3, 3)
    np.testing.assert_array_equal(spec.values, np.broadcast_to(SHARPEN, (4, 3, 3, 3)))


def test_a_fixed_kernel_of_four_dimensions_is_taken_as_it_is() -> None:
    kernel = random(2, 3, 1, 2).tolist()
    (spec,) = make("conv", channels=2, kernel=(1, 2), weight=kernel).weights(TensorType((1, 3, 5, 5)))
    np.testing.assert_array_equal(spec.values, kernel)


@pytest.mark.parametrize("bias", [None, True, False])
def test_a_fixed_kernel_has_a_bias_only_where_it_is_written(bias: bool | None) -> None:
    for name, needed in (("conv", {"channels": 1}), ("depthwise", {})):
        written = {} if bias is None else {"bias": bias}
        fixed = make(name, kernel=3, weight=SHARPEN, **needed, **written)
        free = make(name, kernel=3, **needed, **written)
        assert [s.name for s in fixed.weights(TensorType((1, 1, 5, 5)))] == ["weight", "bias"][: 2 if bias else 1]
        assert [s.name for s in free.weights(TensorType((1, 1, 5, 5)))] == ["weight", "bias"][
            : 1 if bias is False else 2
        ]


def test_the_lectures_image_and_kernel() -> None:
    image = np.array(
        [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]], dtype=np.float64
    )
    op = make("conv", channels=1, kernel=3, weight=[[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    np.testing.assert_array_equal(evaluate(op, image[None, None])[0, 0], [[4, 3, 4], [2, 4, 3], [2, 3, 4]])


def test_the_lectures_pools() -> None:
    x = np.array([[13, 20, 30, 0], [8, 12, 3, 0], [34, 70, 33, 5], [111, 80, 10, 23]], dtype=np.float64)[None, None]
    np.testing.assert_array_equal(evaluate(make("maxpool", kernel=2), x)[0, 0], [[20, 30], [111, 33]])
    np.testing.assert_array_equal(evaluate(make("avgpool", kernel=2), x)[0, 0], [[13.25, 8.25], [73.75, 17.75]])
    if "minpool" in OPERATORS:
        np.testing.assert_array_equal(evaluate(make("minpool", kernel=2), x)[0, 0], [[8, 0], [34, 5]])


def test_a_huge_fixed_kernel_is_refused_before_it_is_made() -> None:
    op = Conv.make({"channels": 2**36, "kernel": 3, "weight": SHARPEN})
    with pytest.raises(OperatorError, match=r"would hold more than 16,777,216 numbers") as caught:
        op.weights(TensorType((1, 1, 5, 5)))
    assert caught.value.code == "E0311"


def test_weights_follow_values_in_order() -> None:
    x = random(1, 3, 4, 4)
    op = make("bn")
    ones = [np.full(3, v) for v in (2.0, 3.0, 1.0, 4.0)]
    np.testing.assert_allclose(evaluate(op, x, weights=ones), (x - 1) / math.sqrt(4 + 1e-5) * 2 + 3)
    assert len(weight_arrays(op, x)) == 4
