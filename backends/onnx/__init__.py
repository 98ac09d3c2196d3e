"""ONNX models: one file with the graph, the weights, the labels and what pictures must become.

What a reader of such a file can rely on
----------------------------------------
Initializers.
    A weight's initializer is called by its path (`layer1.0.conv1.weight`) and has exactly the weight's shape: slopes and
    group norms' `[C]` are reshaped by a node where they meet a map. Everything else that is constant has a name with
    `/` in it, which no path has: `conv1/weight` is the fixed kernel of the step `conv1`, `constant/6.0` a number that
    several nodes share, `normalize_1/mean` a constant of one step.

Steps.
    An operator of the language is a *step*, which is one ONNX node or several that follow each other. A step's name is
    what the file calls it where the file calls it anything: a path (`layer1.0.conv1`) or a label (`c3`). Other steps are
    called `{scope}/{operator}_{number}`: `layer1.0/relu_1`, at the net's own level `/relu_1`. Where two steps would have
    one name (a `shared` layer applied twice, a label in a block used twice) the later ones are `s/2`, `s/3`, ...
    A step of one node gives its node this name. The nodes of a longer step are called `{step}/{OpType}`, the second of a
    type `{step}/{OpType}_2`, and so on. A step's result is called by the name of the net's output if it is one (of the
    first such output), else by the step's name; other outputs that are the same value are `Identity` nodes
    named `{output}/Identity`. Values inside a step are called as the node that makes them.

    So the last part of a node's name after `/` tells: digits, a namesake; a capital, a part of a step; a small letter, a
    step that the file does not name; and without `/` it is a name of the file.

Hints.
    The `doc_string` of every node of a step is the operator as the language writes it, `conv(64, 7, stride=2, pad=3)`
    (a fixed kernel's numbers left out); `cnnlang.backends.onnx.hints.read` makes an operator of it. It is there because ONNX
    says less (`"same"`, `depthwise`, `ceil`, decomposed steps); `lowered(operator, ...)` gives the nodes that a step must
    consist of if the hint is true, so that a reader need not believe it.

Steps of several nodes, x first (the weights of a layer by their last names):

    =====================  ==========================================================================================
    silu                   Sigmoid, Mul(x, .)
    mish                   Softplus, Tanh, Mul(x, .)
    gelu                   Div(x, sqrt 2), Erf, Add(., 1), Mul(x, .), Mul(., 0.5)
    prelu                  Unsqueeze(weight, [1, 2]), PRelu(x, .)      (on features: PRelu alone)
    minpool                Neg, the nodes of maxpool, Neg
    maxpool                MaxPool; where padding reaches the kernel's size (dilation) Pad(-inf), MaxPool
    avgpool                AveragePool; with `ceil`, `count_pad` and padding Pad(0), AveragePool that counts no padding
    conv with `fill`       Pad(fill), Conv
    global_avgpool         GlobalAveragePool, Flatten                    (global_maxpool likewise)
    adaptive_avgpool       AveragePool where the bins are equal, GlobalAveragePool for one bin;
                           else MatMul(rows, x), MatMul(., columns) with `{step}/rows` and `{step}/columns`; where the
                           size is symbolic both matrices are computed from Shape(x)
    group_norm             Reshape(x, [0, groups, -1]), InstanceNormalization(., ones, zeros), Reshape(., [0, C, H, W] or
                           Shape(x)), Mul(., Unsqueeze(weight)), Add(., Unsqueeze(bias))
    normalize              Sub(x, mean), Div(., std)
    channel_shuffle        Reshape(x, [0, groups, C/groups, -1]), Transpose(0, 2, 1, 3), Reshape(., [0, C, H, W] or
                           Shape(x))
    add, mul of features   Unsqueeze(features, [2, 3]) for each, then Add, Mul or Sum
    mul of three or more   Mul, Mul, ...                                 (add: Sum; max, mean: Max, Mean)
    =====================  ==========================================================================================

    Of one node: conv and depthwise Conv, deconv ConvTranspose, dense Gemm(transB=1), bn BatchNormalization (momentum
    as ONNX counts it, 1 - momentum), lrn LRN, flatten Flatten, pad and pad_channels Pad, crop and channels Slice, upsample
    Resize (nearest: asymmetric, floor; bilinear: linear, half_pixel), pixel_shuffle DepthToSpace (CRD), concat Concat,
    relu6 Clip, hardswish HardSwish, hardsigmoid HardSigmoid(1/6, 0.5), and those that ONNX calls by their names.
    `dropout` changes nothing in inference and is left out.

    Windows have explicit `pads`, never `auto_pad`. `ceil_mode` is 1 where no last window is dropped; where one is, or may be,
    the pads after the map say how many windows there are.

Metadata (`metadata_props`, each a JSON value in ASCII).
    `cnnlang.labels`: the list of labels. `cnnlang.meta`: the `meta` section as an object. `cnnlang.inputs`: by the name of an
    input the object `{"scale": .., "mean": [..], "std": [..], "color": "rgb", "resize": .., "crop": [h, w], "invert": ..}`,
    defaults written out, what is not there left out. `cnnlang.normalized`: the list of inputs whose preprocessing
    `(pixel * scale - mean) / std` is in the graph: the nodes `{input}/preprocess/...` right behind the input.

Symbolic sizes are `dim_param`, as the language writes them: `N`, `16*H`, `H//2 + 1`.
"""
