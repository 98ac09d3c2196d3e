"""ONNX's single-node conformance tests: what the language says is run; what it cannot say has a reason."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.backend.test.case.node import collect_testcases

from cnnlang.errors import OperatorError
from cnnlang.interpret import interpret
from cnnlang.ops import OPERATORS
from tests.helpers import run_numba
from tests.onnx_nodes import BUILDERS, CannotSayError, NodeTest

# each is called with a graph, its weights by path and its inputs
RUNNERS: list[tuple[str, Callable[..., tuple[Any, ...]]]] = [("reference", interpret), ("numba", run_numba)]

# node types of which the language has no operator
NO_OPERATOR = {
    "CausalConvWithState": "it has a state from call to call; a net has none",
    "ConvInteger": "values are float32; whole numbers of a fixed width are not",
    "DeformConv": "where a window looks is fixed, not computed",
    "GridSample": "where a place looks is fixed, not computed",
    "Hardmax": "no such activation",
    "LayerNormalization": "its scale is one number for each element, `group_norm`'s for each channel",
    "LpNormalization": "no such normalisation",
    "LpPool": "no such pool",
    "MatMulInteger": "values are float32; whole numbers of a fixed width are not",
    "MaxUnpool": "the places of the largest numbers are no value of a net",
    "MeanVarianceNormalization": "it needs statistics over the batch in inference",
    "Min": "no such merge",
    "QLinearConv": "values are float32; whole numbers of a fixed width are not",
    "QLinearMatMul": "values are float32; whole numbers of a fixed width are not",
    "RMSNormalization": "no such normalisation",
    "RoiAlign": "where a window looks is fixed, not computed",
    "Shrink": "no such activation",
    "SoftmaxCrossEntropyLoss": "a loss is named in the `train` section and is no step of a net",
    "Softsign": "no such activation",
    "ThresholdedRelu": "no such activation",
}

# tests of node types that the language has, which ask for more than it says; by the reason
CANNOT_SAY = {
    "`avgpool` has no dilation": "averagepool_2d_dilations",
    "`avgpool`: padding of 2 is more than half of a window of 3": "averagepool_2d_pads",
    "`channels` and `crop` take all that lies between, in its order": "slice_neg_steps",
    "`elu` has no alpha but 1": "celu celu_bfloat16 celu_float16 elu elu_example",
    "`flatten` keeps the samples apart": """
        flatten_axis0 flatten_axis2 flatten_axis3 flatten_negative_axis1 flatten_negative_axis2
        flatten_negative_axis4""",
    "`gelu` is exact, not the tanh approximation": "gelu_tanh_1 gelu_tanh_2",
    "`hardsigmoid` has slope 1/6 and 0.5 in the middle": "hardsigmoid hardsigmoid_default hardsigmoid_example",
    "`maxpool`: padding of 2 is more than half of a window of 3": "maxpool_2d_pads",
    "`pad` is constant, reflect or edge": "wrap_pad",
    "`selu` has the paper's two numbers": "selu selu_example",
    "`upsample` enlarges by whole numbers": """
        resize_downsample_scales_linear resize_downsample_scales_linear_align_corners
        resize_downsample_scales_linear_half_pixel_symmetric resize_downsample_scales_nearest
        resize_downsample_sizes_linear_pytorch_half_pixel resize_downsample_sizes_nearest
        resize_downsample_sizes_nearest_not_larger resize_downsample_sizes_nearest_not_smaller
        resize_tf_crop_and_resize resize_tf_crop_and_resize_axes_2_3 resize_tf_crop_and_resize_axes_3_2
        resize_tf_crop_and_resize_extrapolation_value resize_upsample_scales_linear_half_pixel_symmetric
        resize_upsample_sizes_nearest resize_upsample_sizes_nearest_axes_2_3 resize_upsample_sizes_nearest_axes_3_2
        resize_upsample_sizes_nearest_not_larger""",
    "`upsample` has half-pixel places, and the nearest cell is the one that covers the place": """
        resize_upsample_scales_linear_align_corners resize_upsample_sizes_nearest_ceil_half_pixel
        resize_upsample_sizes_nearest_floor_align_corners
        resize_upsample_sizes_nearest_round_prefer_ceil_asymmetric""",
    "`upsample` is nearest or bilinear": """
        resize_downsample_scales_cubic resize_downsample_scales_cubic_A_n0p5_exclude_outside
        resize_downsample_scales_cubic_align_corners resize_downsample_scales_cubic_antialias
        resize_downsample_scales_linear_antialias resize_downsample_sizes_cubic
        resize_downsample_sizes_cubic_antialias resize_downsample_sizes_linear_antialias resize_upsample_scales_cubic
        resize_upsample_scales_cubic_A_n0p5_exclude_outside resize_upsample_scales_cubic_align_corners
        resize_upsample_scales_cubic_asymmetric resize_upsample_sizes_cubic""",
    "a graph is for inference; training has operators of its own": """
        batchnorm_epsilon_training_mode batchnorm_example_training_mode training_dropout training_dropout_default
        training_dropout_zero_ratio""",
    "a layer's bias is the same for all samples": "gemm_default_matrix_bias",
    "a layer's weight is one matrix for all samples": "matmul_1d_3d matmul_3d matmul_4d matmul_bcast",
    "a merge has at least two branches": "max_one_input mean_one_input sum_one_input",
    "a tensor has at least one element": """
        reduce_max_empty_set reduce_max_empty_set_bool slice_start_out_of_bounds split_zero_size_splits_opset13
        split_zero_size_splits_opset18""",
    "maps have a height and a width and no depth": """
        averagepool_3d_default averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False
        averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True
        averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_False
        averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True averagepool_3d_dilations_small
        convtranspose_3d maxpool_3d_default maxpool_3d_dilations maxpool_3d_dilations_use_ref_impl
        maxpool_3d_dilations_use_ref_impl_large""",
    "the bounds of `relu` are 0 and none, of `relu6` 0 and 6": """
        clip clip_default_inbounds clip_default_int8_inbounds clip_default_int8_max clip_default_max clip_example
        clip_inbounds clip_min_greater_than_max clip_outbounds clip_splitbounds""",
    "the places of the largest numbers are no value of a net": """
        maxpool_with_argmax_2d_precomputed_pads maxpool_with_argmax_2d_precomputed_strides""",
    "values are float32; whole numbers of a fixed width are not": """
        add_int16 add_int8 add_uint16 add_uint32 add_uint64 add_uint8 mul_int16 mul_int8 mul_uint16 mul_uint32
        mul_uint64 mul_uint8""",
    "which numbers `dropout` kept is no value of a net": """
        dropout_default_mask dropout_default_mask_ratio training_dropout_default_mask training_dropout_mask
        training_dropout_zero_ratio_mask""",
}

# what a net of convolutions is made of, in ONNX's names
CONCERNS = re.compile(
    r"Conv|[Pp]ool|Norm|^LRN|[Ee]lu|S[iw]|Hard|[Ss]oftmax|^Soft|^Tanh|Mish|^Shrink|^Clip|Pad$|Resize|Upsample|Depth"
    r"|Dropout|Gemm|MatMul|Flatten|^Concat$|^Split$|Slice|^(Add|Mul|Sum|Max|Min|Mean)$|ReduceM(ean|ax)|RoiAlign|GridSample"
)
NOT_MEANT = {"Sin", "Sign", "Sinh", "Size", "StringNormalizer", "SwiGLU"}  # what the expression above finds besides


def node_tests() -> dict[str, NodeTest]:
    """Each single-node test by its name; those that say the same node in other operators are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their references overflow and divide by zero on purpose
        collected = collect_testcases(None)
    found = {}
    for case in collected:
        graph = case.model.graph
        name = case.name.removeprefix("test_")
        if len(graph.node) != 1 or "_expanded" in name or not CONCERNS.search(graph.node[0].op_type):
            continue
        node = graph.node[0]
        arrays, outputs = case.data_sets[0]
        by_name = dict(zip((i.name for i in graph.input), arrays, strict=True))
        found[name] = NodeTest(
            name,
            node.op_type,
            {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute},
            [np.asarray(by_name[i]) if i else None for i in node.input],
            [np.asarray(y) for y in outputs],
            case.rtol,
            case.atol,
        )
    return found


TESTS = node_tests()
REASONS = {name: reason for reason, names in CANNOT_SAY.items() for name in names.split()}
SAYABLE = [name for name, test in TESTS.items() if test.op_type in BUILDERS and name not in REASONS]


@pytest.mark.parametrize("runner", [run for _, run in RUNNERS], ids=[name for name, _ in RUNNERS])
@pytest.mark.parametrize("name", SAYABLE)
def test_node(name: str, runner: Callable[..., tuple[Any, ...]]) -> None:
    test = TESTS[name]
    said = BUILDERS[test.op_type](test)
    results = runner(said.graph, said.weights, *(x for _, x in said.inputs))
    for result, (_, expected) in zip(results, said.outputs, strict=True):
        np.testing.assert_allclose(result, expected, rtol=test.rtol, atol=test.atol)


@pytest.mark.parametrize("name", REASONS)
def test_what_cannot_be_said(name: str) -> None:
    """Fails when the language learns to say it: then it leaves the table."""
    test = TESTS[name]
    with pytest.raises((CannotSayError, OperatorError), match=f"^{re.escape(REASONS[name])}$"):
        BUILDERS[test.op_type](test)


def test_every_node_type_is_said_or_has_a_reason() -> None:
    types = {test.op_type for test in TESTS.values()}
    assert types == set(BUILDERS) | set(NO_OPERATOR) | NOT_MEANT
    assert not set(BUILDERS) & set(NO_OPERATOR)


@pytest.mark.parametrize("op_type", NO_OPERATOR)
def test_what_no_operator_says(op_type: str) -> None:
    """Fails when the language gets the operator: then it needs a builder."""
    assert OPERATORS.foreign(op_type) is None
    assert op_type.lower() not in OPERATORS


def test_enough_is_run() -> None:
    """A change in what is collected cannot empty these tests unseen."""
    assert len(SAYABLE) >= 195
