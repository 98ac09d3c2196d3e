"""What operators refuse: the exact message, its code, and a cure that works."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from cnnlang.dims import Dim, Term
from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops import OPERATORS, Op
from tests.operator_cases import make

N, H, W = (Term.variable(name) for name in "NHW")

MAP, FEATURES, SYMBOLIC = (N, 16, 28, 28), (N, 64), (N, 16, H, W)
BLUR = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


def refusal(name: str, arguments: dict[str, Any], *shapes: tuple[Dim, ...]) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        make(name, **arguments).result(*map(TensorType, shapes))
    return caught.value


@pytest.mark.parametrize(
    ("name", "arguments", "shape", "code", "message"),
    [
        ("dense", {"units": 10}, MAP, "E0201", "`dense` needs features [N, C], and was given [N, 16, 28, 28]"),
        # no window fits
        ("conv", {"channels": 8, "kernel": 5}, (N, 16, 2, 2), "E0202",
         "`conv`: no 5x5 window fits a [N, 16, 2, 2] map"),
        ("conv", {"channels": 8, "kernel": (5, 1), "pad": 1}, (N, 3, 2, 9), "E0202",
         "`conv`: no 5x1 window fits a [N, 3, 2, 9] map padded to 4x11"),
        ("conv", {"channels": 8, "kernel": 3, "dilation": 2}, (N, 3, 9, 4), "E0202",
         "`conv`: no 5x5 window (3x3, dilated) fits a [N, 3, 9, 4] map"),
        ("depthwise", {"kernel": 3}, (N, 3, 2, 2), "E0202", "`depthwise`: no 3x3 window fits a [N, 3, 2, 2] map"),
        ("maxpool", {"kernel": 3}, (N, 16, 2, 2), "E0202", "`maxpool`: no 3x3 window fits a [N, 16, 2, 2] map"),
        ("maxpool", {"kernel": 3, "stride": 1, "ceil": True}, (N, 16, 1, 2), "E0202",
         "`maxpool`: no 3x3 window fits a [N, 16, 1, 2] map"),
        ("avgpool", {"kernel": 7}, (N, 512, 4, 4), "E0202", "`avgpool`: no 7x7 window fits a [N, 512, 4, 4] map"),
        ("avgpool", {"kernel": 7}, (N, 512, H, 4), "E0202", "`avgpool`: no 7x7 window fits a [N, 512, H, 4] map"),
        ("deconv", {"channels": 8, "kernel": 1, "pad": 2}, (N, 16, 4, 4), "E0202",
         "`deconv`: padding takes away all that it makes of [N, 16, 4, 4], to 0x0"),
        # not provable
        ("dense", {"units": 10}, SYMBOLIC, "E0205",
         "`dense` needs a known number of features [N, C], and was given [N, 16, H, W]"),
        ("flatten", {}, SYMBOLIC, "E0205",
         "`flatten` needs a map of a known size, and was given [N, 16, H, W]"),
        ("conv", {"channels": 8, "kernel": 3, "stride": 2, "pad": "same_upper"}, SYMBOLIC, "E0205",
         "pad=\"same_upper\" with stride 2 needs to know H % 2"),
        # divisibility
        ("conv", {"channels": 32, "kernel": 3, "groups": 3}, MAP, "E0206",
         "`conv`: groups=3 must divide the 32 channels that it makes"),
        ("conv", {"channels": 33, "kernel": 3, "groups": 3}, MAP, "E0206",
         "`conv`: groups=3 must divide the 16 channels of [N, 16, 28, 28]"),
        ("deconv", {"channels": 32, "kernel": 3, "groups": 3}, MAP, "E0206",
         "`deconv`: groups=3 must divide the 32 channels that it makes"),
        ("deconv", {"channels": 33, "kernel": 3, "groups": 3}, MAP, "E0206",
         "`deconv`: groups=3 must divide the 16 channels of [N, 16, 28, 28]"),
        ("group_norm", {"groups": 3}, MAP, "E0206",
         "`group_norm`: groups=3 must divide the 16 channels of [N, 16, 28, 28]"),
        ("channel_shuffle", {"groups": 3}, MAP, "E0206",
         "`channel_shuffle`: groups=3 must divide the 16 channels of [N, 16, 28, 28]"),
        ("pixel_shuffle", {"r": 3}, MAP, "E0206",
         "`pixel_shuffle`: 3*3 = 9 must divide the 16 channels of [N, 16, 28, 28]"),
        # an even "same"
        ("conv", {"channels": 8, "kernel": 4, "pad": "same"}, MAP, "E0207",
         'pad="same" pads both sides alike, and a 4x4 kernel has no middle'),
        ("conv", {"channels": 8, "kernel": (3, 2), "pad": "same"}, MAP, "E0207",
         'pad="same" pads both sides alike, and a 3x2 kernel has no middle'),
        ("maxpool", {"kernel": 2, "pad": "same"}, MAP, "E0207",
         'pad="same" pads both sides alike, and a 2x2 kernel has no middle'),
        ("deconv", {"channels": 8, "kernel": 2, "pad": "same"}, MAP, "E0207",
         'pad="same" pads both sides alike, and a 2x2 kernel has no middle'),
        # out of range
        ("crop", {"amount": 14}, MAP, "E0209", "`crop`: nothing is left when 28 of 28 are taken off [N, 16, 28, 28]"),
        ("crop", {"amount": (0, 0, 20, 9)}, (N, 16, H, 28), "E0209",
         "`crop`: nothing is left when 29 of 28 are taken off [N, 16, H, 28]"),
        ("channels", {"start": 0, "stop": 17}, MAP, "E0209",
         "`channels`: 0 up to 17 is not a part of the 16 channels of [N, 16, 28, 28]"),
        ("channels", {"start": 4, "stop": 4}, MAP, "E0209",
         "`channels`: 4 up to 4 is not a part of the 16 channels of [N, 16, 28, 28]"),
        ("pad", {"amount": 28, "mode": "reflect"}, MAP, "E0209",
         "`pad`: a reflection adds less than the map has, and 28 is not below 28 of [N, 16, 28, 28]"),
        # arguments that contradict each other, or the value
        ("maxpool", {"kernel": 3, "pad": 2}, MAP, "E0305",
         "`maxpool`: padding of 2 is more than half of a window of 3"),
        ("avgpool", {"kernel": (5, 2), "pad": (0, 0, 0, 2)}, MAP, "E0305",
         "`avgpool`: padding of 2 is more than half of a window of 2"),
        ("deconv", {"channels": 8, "kernel": 2, "stride": 2, "output_pad": 2}, MAP, "E0305",
         "`deconv`: output_pad=2 must be below stride (2) or dilation (1)"),
        ("deconv", {"channels": 8, "kernel": 1, "stride": 2, "pad": "same_upper"}, MAP, "E0305",
         '`deconv`: pad="same_upper" with stride 2 needs a kernel that reaches 2 cells'),
        ("lrn", {"size": 4}, MAP, "E0305", "`lrn`: size=4 is even, and the channel itself must stand in the middle"),
        ("pad", {"amount": 1, "mode": "edge", "value": 2}, MAP, "E0305",
         '`pad`: `value` is for mode="constant", and the mode is "edge"'),
        ("conv", {"channels": 1, "kernel": 5, "weight": BLUR}, MAP, "E0305",
         "`conv`: `weight` is 3x3, and `kernel` is 5x5"),
        ("conv", {"channels": 1, "kernel": 3, "weight": [[BLUR]]}, MAP, "E0305",
         "`conv`: `weight` must be [1, 16, 3, 3] here, and is [1, 1, 3, 3]"),
        ("depthwise", {"kernel": 3, "weight": [[BLUR]]}, MAP, "E0305",
         "`depthwise`: `weight` must be [16, 1, 3, 3] here, and is [1, 1, 3, 3]"),
        ("normalize", {"mean": [1, 2], "std": 1}, MAP, "E0305",
         "`normalize`: `mean` has 2 numbers, and [N, 16, 28, 28] has 16 channels"),
        ("normalize", {"mean": 0, "std": [1, 2]}, MAP, "E0305",
         "`normalize`: `std` has 2 numbers, and [N, 16, 28, 28] has 16 channels"),
    ],
)  # fmt: skip
def test_refused(name: str, arguments: dict[str, Any], shape: tuple[Dim, ...], code: str, message: str) -> None:
    error = refusal(name, arguments, shape)
    assert (error.code, error.message) == (code, message)
    assert error.help
    assert error.argument is None or error.argument in {field.name for field in OPERATORS[name].fields()}
    if error.replacement is not None:
        assert error.argument is not None
        make(name, **{**arguments, error.argument: written(error.replacement)}).result(TensorType(shape))  # it cures


def written(text: str) -> Any:
    """A value as the language writes it: Python's way, and pairs such as `5x3`."""
    pair = re.fullmatch(r"(\d+)x(\d+)", text)
    return (int(pair[1]), int(pair[2])) if pair else eval(text, {})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("conv", {"channels": 8, "kernel": 3}),
        ("conv", {"channels": 9, "kernel": 3, "groups": 9}),  # the rank first, then what else is wrong
        ("depthwise", {"kernel": 3}),
        ("deconv", {"channels": 8, "kernel": 3}),
        ("maxpool", {"kernel": 2}),
        ("avgpool", {"kernel": 2}),
        ("global_avgpool", {}),
        ("global_maxpool", {}),
        ("adaptive_avgpool", {"size": 2}),
        ("lrn", {"size": 5}),
        ("pad", {"amount": 1}),
        ("crop", {"amount": 1}),
        ("upsample", {"scale": 2}),
        ("pixel_shuffle", {"r": 2}),
        ("channel_shuffle", {"groups": 2}),
    ],
)
def test_features_where_a_map_is_needed(name: str, arguments: dict[str, Any]) -> None:
    error = refusal(name, arguments, FEATURES)
    assert (error.code, error.message) == ("E0201", f"`{name}` needs a map [N, C, H, W], and was given [N, 64]")
    assert error.help == f"put `{name}` before `flatten` or the global pooling"


@pytest.mark.parametrize(
    ("name", "argument", "value", "must"),
    [
        ("conv", "kernel", 0, "a positive integer or a pair such as 5x3, not 0"),
        ("conv", "kernel", "3", 'a positive integer or a pair such as 5x3, not "3"'),
        ("conv", "channels", 2.5, "a positive integer, not 2.5"),
        ("conv", "stride", (1, 2, 3), "a positive integer or a pair such as 5x3, not (1, 2, 3)"),
        ("conv", "pad", -1,
         'an integer from 0, a pair, four numbers (top, bottom, left, right), "same" or "same_upper", not -1'),
        ("conv", "pad", "valid",
         'an integer from 0, a pair, four numbers (top, bottom, left, right), "same" or "same_upper", not "valid"'),
        ("conv", "bias", 1, "true or false, not 1"),
        ("conv", "weight", [[1, 2], [3]],
         "none, rows of numbers such as [[1, 0], [0, 1]], or [output][input][row][column], not [[1, 2], [3]]"),
        ("conv", "weight", [1, 2],
         "none, rows of numbers such as [[1, 0], [0, 1]], or [output][input][row][column], not [1, 2]"),
        ("conv", "weight", [[]],
         "none, rows of numbers such as [[1, 0], [0, 1]], or [output][input][row][column], not [[]]"),
        ("conv", "weight", [[1, "a"]],
         'none, rows of numbers such as [[1, 0], [0, 1]], or [output][input][row][column], not [[1, "a"]]'),
        ("conv", "weight", [list(range(100))] * 3 + [[1]],
         "none, rows of numbers such as [[1, 0], [0, 1]], or [output][input][row][column], not "
         "[[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1..."),
        ("conv", "fill", "a", 'a number, not "a"'),
        ("dense", "units", True, "a positive integer, not true"),
        ("dropout", "rate", 1, "a number from 0 up to, not including, 1, not 1"),
        ("bn", "eps", -1, "a number from 0 up to, not including, 1, not -1"),
        ("bn", "momentum", 1.5, "a number from 0 to 1, not 1.5"),
        ("upsample", "mode", "cubic", '"nearest" or "bilinear", not "cubic"'),
        ("upsample", "scale", 1.5, "a positive integer or a pair such as 5x3, not 1.5"),
        ("pad", "mode", "same", '"constant" or "reflect" or "edge", not "same"'),
        ("pad", "amount", "same", 'an integer from 0, a pair, or four numbers (top, bottom, left, right), not "same"'),
        ("normalize", "std", 0, "a number above 0, or a list of them with one a channel, not 0"),
        ("normalize", "mean", [], "a number, or a list of numbers with one a channel, not []"),
        ("channels", "start", -1, "an integer from 0, not -1"),
        ("maxpool", "ceil", 1, "true or false, not 1"),
        ("leaky_relu", "slope", float("inf"), "a number, not inf"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind(name: str, argument: str, value: Any, must: str) -> None:
    needed = {
        "channels": 8,
        "kernel": 3,
        "units": 8,
        "scale": 2,
        "amount": 1,
        "mean": 0,
        "std": 1,
        "start": 0,
        "stop": 1,
    }
    fields = {field.name: needed[field.name] for field in OPERATORS[name].fields() if field.required}
    with pytest.raises(OperatorError) as caught:
        make(name, **{**fields, argument: value})
    assert caught.value.code == "E0305"
    assert caught.value.argument == argument
    assert caught.value.message == f"`{argument}` of `{name}` must be {must}"


@pytest.mark.parametrize(
    ("name", "shapes", "code", "message", "help"),
    [
        ("add", [(N, 64, 56, 56), (N, 256, 56, 56)], "E0203", "`add` needs equal shapes",
         "the second branch fits with one step more:  -> conv(64, 1)"),
        ("add", [(N, 512, 28, 28), (N, 256, 56, 56)], "E0203", "`add` needs equal shapes",
         "the second branch fits with one step more:  -> conv(512, 1, stride=2)"),
        ("add", [(N, 256, 56, 56), (N, 512, 28, 28)], "E0203", "`add` needs equal shapes",
         "the first branch fits with one step more:  -> conv(512, 1, stride=2)"),
        ("max", [(N, 16, 26, 26), (N, 16, 28, 28)], "E0203", "`max` needs equal shapes",
         "the second branch fits with one step more:  -> crop(1)"),
        ("mean", [(N, 16, 26, 28), (N, 16, 28, 26)], "E0203", "`mean` needs equal shapes",
         "the heights differ; a padding, stride or upsampling in one branch sets it right"),
        ("mul", [(N, 16, 8, 8), (N, 4)], "E0203", "`mul` needs equal shapes, or features [N, C] over maps [N, C, H, W]",
         "the features of the second branch must be [N, 16]:  -> dense(16)"),
        ("max", [(N, 16, 8, 8), (N, 16)], "E0203", "`max` needs equal shapes",
         "the second branch is no map; leave its `flatten` or global pooling out"),
        ("max", [(N, 16), (N, 16, 8, 8)], "E0203", "`max` needs equal shapes",
         "the first branch is no map; leave its `flatten` or global pooling out"),
        ("add", [(N, 16), (N, 17)], "E0203", "`add` needs equal shapes",
         "the second branch fits with one step more:  -> dense(16)"),
        ("concat", [(N, 8, 28, 28), (N, 4, 14, 14)], "E0203", "`concat` needs equal heights and widths",
         "the first branch fits with one step more:  -> conv(8, 1, stride=2)"),
        ("concat", [(N, 8, 28, 28), (N, 4)], "E0203", "`concat` needs equal heights and widths",
         "make maps of all branches, or features of all, with `flatten` or `global_avgpool`"),
        ("concat", [(N, 8, 52, 52), (N, 4, 54, 57)], "E0203", "`concat` needs equal heights and widths",
         "the second branch fits with one step more:  -> crop((1, 1, 2, 3))"),
        ("concat", [(2, 8, 4, 4), (3, 8, 4, 4)], "E0203", "`concat` needs equal heights and widths",
         "the batches differ"),
        ("add", [(N, 8, H, W), (N, 8, 2 * (H // 2), W)], "E0205",
         "`add` needs equal shapes, and 2*(H//2) cannot be proved equal to H", "declare the input's size as 2*H"),
        ("concat", [(N, 8, 4 * (H // 4), 4 * (W // 4)), (N, 3, H, W)], "E0205",
         "`concat` needs equal heights and widths, and H cannot be proved equal to 4*(H//4)",
         "declare the input's size as 4*H and 4*W"),
        ("add", [(N, 8, H, H), (N, 8, W, W)], "E0205", "`add` needs equal shapes, and W cannot be proved equal to H",
         "declare the input's size as numbers, or change the paddings so that both come out alike"),
        ("add", [(N, 8, H + 1, W), (N, 8, H, W)], "E0203", "`add` needs equal shapes",
         "the first branch fits with one step more:  -> crop((0, 1, 0, 0))"),
    ],
)  # fmt: skip
def test_unequal_branches(name: str, shapes: list[tuple[Dim, ...]], code: str, message: str, help: str) -> None:
    error = refusal(name, {}, *shapes)
    assert (error.code, error.message, error.help) == (code, message, help)
    if error.after:
        assert error.branch is not None
        types = [TensorType(shape) for shape in shapes]
        types[error.branch] = call(error.after).result(types[error.branch])
        make(name).result(*types)  # the cure cures


def call(text: str) -> Op:
    """The operator of a call as the language writes it, which is Python's way too."""

    def called(name: str) -> Callable[..., Op]:
        names = [field.name for field in OPERATORS[name].fields()]
        return lambda *given, **named: make(name, **dict(zip(names, given, strict=False)), **named)

    made: Op = eval(text, {name: called(name) for name in OPERATORS})
    return made


@pytest.mark.parametrize(
    ("name", "arguments", "shape", "argument", "replacement", "before", "instead"),
    [
        ("dense", {"units": 10}, MAP, None, None, "flatten", None),
        ("dense", {"units": 10}, SYMBOLIC, None, None, "global_avgpool", None),
        ("flatten", {}, SYMBOLIC, None, None, None, "global_avgpool"),
        ("conv", {"channels": 8, "kernel": 4, "pad": "same"}, MAP, "pad", '"same_upper"', None, None),
        ("lrn", {"size": 4}, MAP, "size", "5", None, None),
        ("conv", {"channels": 8, "kernel": 5}, (N, 16, 2, 9), "kernel", "2x5", None, None),
        ("conv", {"channels": 30, "kernel": 3, "groups": 5}, MAP, "groups", "2", None, None),
        ("group_norm", {"groups": 32}, MAP, "groups", "16", None, None),
        ("maxpool", {"kernel": (3, 2), "pad": (2, 1)}, MAP, "pad", "1", None, None),
        ("pad", {"amount": (1, 30), "mode": "reflect"}, MAP, "amount", "1x27", None, None),
        ("channels", {"start": 8, "stop": 32}, MAP, "stop", "16", None, None),
        ("deconv", {"channels": 8, "kernel": 2, "stride": 2, "output_pad": 3}, MAP, "output_pad", "1", None, None),
        ("conv", {"channels": 1, "kernel": 5, "weight": BLUR}, MAP, "kernel", "3", None, None),
    ],
)
def test_cures(
    name: str,
    arguments: dict[str, Any],
    shape: tuple[Dim, ...],
    argument: str | None,
    replacement: str | None,
    before: str | None,
    instead: str | None,
) -> None:
    error = refusal(name, arguments, shape)
    assert (error.argument, error.replacement, error.before, error.instead) == (argument, replacement, before, instead)


def test_what_is_only_known_to_be_a_multiple_can_be_padded() -> None:
    """`"same_upper"` with stride 2 on 2*H needs no more than is known."""
    x = TensorType((N, 3, 2 * H, 4 * W))
    assert make("conv", channels=8, kernel=3, stride=2, pad="same_upper").result(x) == TensorType((N, 8, H, 2 * W))


def test_a_merge_of_many_says_which() -> None:
    error = refusal("add", {}, *[(N, 8, 4, 4)] * 6, (N, 9, 4, 4))
    assert error.help == "the 7th branch fits with one step more:  -> conv(8, 1)"
    assert (error.branch, error.after) == (6, "conv(8, 1)")
