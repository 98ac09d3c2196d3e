"""ONNX models: one file with the graph, the weights, the labels and what pictures must become.

What a reader of such a file can rely on
----------------------------------------
Initializers.
    A weight's initializer is called by its path (`layer1.0.conv1.weight`) and has exactly the weight's shape: slopes
    and group norms' `[C]` are reshaped by a node where they meet a map. Everything else that is constant has a name
    with `/` in it, which no path has: `conv1/weight` is the fixed kernel of the step `conv1`, `/constant/6.0` a number
    that several nodes share, `/normalize_1/mean` a constant of one step.

Steps.
    An operator of the language is a *step*, which is one ONNX node or several that follow each other. A step's name is
    what the file calls it where the file calls it anything: a path (`layer1.0.conv1`) or a label (`c3`). Others are
    called `{scope}/{operator}_{number}`: `layer1.0/relu_1`, at the net's own level `/relu_1`. Where two steps would
    have one name (a `shared` layer applied twice, a label in a block used twice) the later ones are `s/2`, `s/3`, ...

    A step of one node gives its node this name. The nodes of a longer step are called `{step}/{OpType}`, the second of
    a type `{step}/{OpType}_2`, and so on. A step's result is called by the name of the net's output if it is one (of
    the first such output), else by the step's name; an output that is the same value as another, as an input or as the
    result of a dropout comes from a node `{output}/Identity`. Values inside a step are called as the node that makes
    them. So the last part of a node's name after `/` tells: digits, a namesake; a capital, a part of a step; a small
    letter, a step that the file does not name; and a name without `/` is the file's own.

Hints.
    The `doc_string` of every node of a step is the operator as the language writes it, `conv(64, 7, stride=2, pad=3)`
    (a fixed kernel's numbers left out); `hints.read` makes an operator of it. It is there because ONNX says less
    (`"same"`, `depthwise`, `ceil`, steps of several nodes). A reader need not believe it: `steps.lowered(operator,
    types)` gives the nodes and constants of which such a step consists.

Steps of several nodes, x being the value and `.` the node before (a layer's weights by their last names):

    ===================  ===========================================================================================
    silu                 Sigmoid, Mul(x, .)
    mish                 Softplus, Tanh, Mul(x, .)
    gelu                 Div(x, sqrt 2), Erf, Add(., 1), Mul(x, .), Mul(., 0.5)
    prelu                Unsqueeze(weight, [1, 2]), PRelu(x, .); on features PRelu(x, weight)
    minpool              Neg, the nodes of maxpool, Neg
    maxpool              MaxPool; where padding reaches the kernel's size (dilation) Pad(-inf), MaxPool
    avgpool              AveragePool; with `ceil`, `count_pad` and padding Pad(0), AveragePool that counts no padding
    conv with `fill`     Pad(fill), Conv
    deconv               ConvTranspose; where `output_pad` reaches the stride (dilation) its pads after the map are
                         less by it, and what is left comes from Pad(0), Add(., Unsqueeze(bias))
    global_avgpool       GlobalAveragePool, Flatten; global_maxpool likewise
    adaptive_avgpool     AveragePool where the bins are equal, GlobalAveragePool for one bin; else
                         MatMul(rows, x), MatMul(., columns) with the constants `{step}/rows` and `{step}/columns`;
                         where a size is symbolic its matrix is computed from Shape(x)
    group_norm           Reshape(x, [0, groups, -1]), InstanceNormalization(., ones, zeros),
                         Reshape(., [0, C, H, W] or Shape(x)), Mul(., Unsqueeze(weight)), Add(., Unsqueeze(bias))
    lrn                  LRN where 0 < alpha <= k/10 and 0 < beta <= 1; else Mul(x, x), Reshape(., [0, 1, C, -1]),
                         AveragePool over rows, Reshape as above, Mul(., alpha), Add(., k), Pow(., beta), Div(x, .)
    normalize            Sub(x, mean), Div(., std)
    channel_shuffle      Reshape(x, [0, groups, C/groups, -1]), Transpose(0, 2, 1, 3), Reshape as above
    add, mul             of features over maps Unsqueeze(features, [2, 3]) for each; then Add or, of three and more,
                         Sum; Mul, Mul, ...
    ===================  ===========================================================================================

    Of one node: conv and depthwise Conv, dense Gemm(transB=1), bn BatchNormalization (momentum
    as ONNX counts it, 1 - momentum), flatten Flatten, pad and pad_channels Pad, crop and channels Slice, upsample
    Resize (nearest: asymmetric, floor; bilinear: linear, half_pixel), pixel_shuffle DepthToSpace (CRD), concat Concat,
    max Max, mean Mean, relu6 Clip, hardswish HardSwish, hardsigmoid HardSigmoid(1/6, 0.5), and the activations that
    ONNX calls by their names. `dropout` changes nothing in inference and is left out.

    Windows have explicit `pads`, never `auto_pad`. `ceil_mode` is 1 where no last window is dropped; where one is, or
    may be, the pads after the map say how many windows there are. Where a pool may follow, `Pad` pads with -0.0
    in place of 0.0, which ONNX Runtime would take for padding of the pool (see `runtime`); both mean 0.

Metadata (`metadata_props`, each a JSON value in ASCII).
    `cnnlang.labels`
        The list of labels.
    `cnnlang.inputs`
        By the name of an input an object of `scale`, `mean`, `std` (lists), `color`, `resize`, `crop`, `invert`, with
        the defaults written out, and without what is not there.
    `cnnlang.meta`
        The `meta` section as an object.
    `cnnlang.normalized`
        The list of the inputs whose preprocessing is in the graph: `{input}/preprocess` or, of several nodes,
        `{input}/preprocess/Mul` and so on, right behind the input; they have no hint.

Symbolic sizes are `dim_param`, as the language writes them: `N`, `16*H`, `H//2 + 1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic
    from cnnlang.program import Program

__all__ = ["LIMITS", "NEWEST", "OLDEST", "OPSET", "export", "refusals"]

OPSET = 17  # of 2022, which every runtime in use has
OLDEST, NEWEST = 15, 22  # the nodes written here are the same in all of these

LIMITS: Mapping[str, str] = {}


def export(program: Program, weights: Mapping[str, Any], *, normalize: bool = False, opset: int = OPSET) -> bytes:
    """A program as an ONNX model with weights.

    Parameters
    ----------
    program
        The net; its `aux` heads are left out.
    weights
        An array for each weight of the inference graph, by path; those of `aux` heads may be there.
    normalize
        Whether the model's inputs are pixels from 0 to 255, float32 [N, C, H, W] with channels in the input's order of
        colours, which the model brings to `(pixel * scale - mean) / std` itself. Features [N, C] are taken as they are
        unless the file says how they are prepared.
    opset
        The version of ONNX's operators, from 15 to 22.

    Returns
    -------
    bytes
        What a `.onnx` file holds.

    Raises
    ------
    FindingsError
        E0401: the model cannot be written.
    WeightsError
        The weights do not fit.
    UsageError
        The `onnx` library is not installed, or there is no such opset here.
    """
    from cnnlang.errors import FindingsError, UsageError

    if not OLDEST <= opset <= NEWEST:
        msg = f"opset {opset}: models are written for opsets from {OLDEST} to {NEWEST}"
        raise UsageError(msg)
    if refused := refusals(program):
        raise FindingsError(refused)
    from cnnlang.backends.onnx.metadata import properties
    from cnnlang.backends.onnx.steps import said, takes_pixels
    from cnnlang.weights import check_weights, expected_shapes

    try:
        from cnnlang.backends.onnx.encode import encode
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("onnx", "google"):
            raise
        msg = 'writing an ONNX model needs the onnx library: pip install "cnnlang[onnx]"'
        raise UsageError(msg) from None
    expected = expected_shapes(program.graph)
    heads = expected_shapes(program.training_graph).keys() - expected.keys()
    checked = check_weights(weights, expected, ignore=heads)
    pixels = [info.name for info in program.inputs if normalize and takes_pixels(info)]
    return encode(program, said(program, normalize), checked, properties(program, pixels), opset)


def refusals(program: Program) -> tuple[Diagnostic, ...]:
    """What ONNX cannot say of a program, each with its place; empty if it can say all."""
    from cnnlang.backends.onnx.refusing import find

    return find(program)
