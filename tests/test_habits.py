"""What people type who know PyTorch, Keras, Caffe, Darknet or Python, and what the printed cures make of it."""

from __future__ import annotations

import pytest

from cnnlang.edits import apply_edits, choose_cures
from cnnlang.expand import check
from cnnlang.source import Source

MAP = "cnn 1\nnet A {\n  input x: [N, 3, 32, 32]\n  LINE\n}\n"
WIDE = "cnn 1\nnet A {\n  input x: [N, 64, 32, 32]\n  LINE\n}\n"
ROW = "cnn 1\nnet A {\n  input x: [N, 400]\n  LINE\n}\n"
TWO = "cnn 1\nnet A {\n  input x: [N, 3, 32, 32]\n  conv(3, 1) as y\n  LINE\n  relu\n}\n"
TOP = "cnn 1\nnet A {\n  LINE\n  conv(8, 3)\n}\n"

PYTORCH = [
    (MAP, "Conv2d(3, 64, 3)", "conv(64, 3)"),
    (MAP, "Conv2d(3, 64, kernel_size=3, padding=1)", "conv(64, kernel=3, pad=1)"),
    (MAP, "Conv2d(in_channels=3, out_channels=64, kernel_size=3)", "conv(channels=64, kernel=3)"),
    (MAP, "Conv2d(64, 3)", "conv(64, 3)"),
    (MAP, "conv2d(3, 64, 3)", "conv(64, 3)"),
    (MAP, "conv(3, 64, 3)", "conv(64, 3)"),
    (MAP, "conv(64, kernel_size=3, padding_mode=2)", "conv(64, kernel=3)"),
    (ROW, "Linear(400, 120)", "dense(120)"),
    (ROW, "Linear(120)", "dense(120)"),
    (ROW, "Linear(in_features=400, out_features=120, bias=False)", "dense(units=120, bias=false)"),
    (ROW, "LazyLinear(120)", "dense(120)"),
    (ROW, "dense(400, 120)", "dense(120)"),
    (WIDE, "BatchNorm2d(64)", "bn"),
    (WIDE, "BatchNorm2d(num_features=64, eps=1e-3)", "bn(eps=1e-3)"),
    (WIDE, "bn(64)", "bn"),
    (WIDE, "batch_norm", "bn"),
    (WIDE, "GroupNorm(32, 64)", "group_norm(32)"),
    (WIDE, "group_norm(32, 64)", "group_norm(32)"),
    (WIDE, "GroupNorm(num_groups=32, num_channels=64)", "group_norm(groups=32)"),
    (WIDE, "LayerNorm(64)", "group_norm(1)"),
    (WIDE, "LocalResponseNorm(5)", "lrn(5)"),
    (MAP, "MaxPool2d(2)", "maxpool(2)"),
    (MAP, "MaxPool2d(kernel_size=2, stride=2)", "maxpool(kernel=2, stride=2)"),
    (MAP, "MaxPool2d(2, ceil_mode=True)", "maxpool(2, ceil=true)"),
    (MAP, "max_pool2d(2)", "maxpool(2)"),
    (MAP, "AvgPool2d(2, count_include_pad=False)", "avgpool(2, count_pad=false)"),
    (MAP, "AdaptiveAvgPool2d(1)", "adaptive_avgpool(1)"),
    (MAP, "AdaptiveAvgPool2d(output_size=(1, 1))", "adaptive_avgpool(size=(1, 1))"),
    (MAP, "Flatten()", "flatten()"),
    (MAP, "Flatten(start_dim=1)", "flatten"),
    (MAP, "view(-1, 3072)", "flatten"),
    (MAP, "reshape(-1, 3072)", "flatten"),
    (MAP, "Dropout(0.5)", "dropout(0.5)"),
    (MAP, "Dropout2d(p=0.2)", "dropout(rate=0.2)"),
    (MAP, "ReLU(inplace=True)", "relu"),
    (MAP, "relu(inplace=true)", "relu"),
    (MAP, "relu(true)", "relu"),
    (MAP, "LeakyReLU(0.1)", "leaky_relu(0.1)"),
    (MAP, "LeakyReLU(negative_slope=0.1)", "leaky_relu(slope=0.1)"),
    (MAP, "PReLU(num_parameters=3)", "prelu"),
    (MAP, "SiLU()", "silu()"),
    (MAP, "GELU()", "gelu()"),
    (MAP, "Hardswish()", "hardswish()"),
    (ROW, "Softmax(dim=1)", "softmax"),
    (ROW, "softmax(1)", "softmax"),
    (ROW, "log_softmax(dim=1)", "log_softmax"),
    (ROW, "dense(10) -> softmax -> CrossEntropyLoss()", "dense(10) -> softmax"),
    (MAP, "ConvTranspose2d(3, 32, 2, stride=2)", "deconv(32, 2, stride=2)"),
    (MAP, "deconv(32, 3, stride=2, padding=1, output_padding=1)", "deconv(32, 3, stride=2, pad=1, output_pad=1)"),
    (MAP, 'Upsample(scale_factor=2, mode="bilinear", align_corners=False)', 'upsample(scale=2, mode="bilinear")'),
    (MAP, "UpsamplingBilinear2d(scale_factor=2)", 'upsample(scale=2, mode="bilinear")'),
    (MAP, "interpolate(scale_factor=2)", "upsample(scale=2)"),
    (MAP, "ZeroPad2d(1)", "pad(1)"),
    (MAP, "ReflectionPad2d(1)", 'pad(1, mode="reflect")'),
    (MAP, "ReplicationPad2d(padding=1)", 'pad(amount=1, mode="edge")'),
    (MAP, "ConstantPad2d(1, 0.5)", "pad(1, value=0.5)"),
    (MAP, 'pad(1, mode="replicate")', 'pad(1, mode="edge")'),
    (MAP, "conv(12, 1) -> PixelShuffle(upscale_factor=2)", "conv(12, 1) -> pixel_shuffle(r=2)"),
    (MAP, "conv(8, 3) -> Identity()", "conv(8, 3)"),
    (MAP, "Sequential(conv(8, 3), relu)", "conv(8, 3) -> relu"),
    (MAP, "Sequential([conv(8, 3), relu])", "conv(8, 3) -> relu"),
    (MAP, "ModuleList([conv(8, 3), relu])", "conv(8, 3) -> relu"),
    (TWO, "cat([x, y], 1)", "concat { | x | y }"),
    (TWO, "cat([x, y], dim=1)", "concat { | x | y }"),
    (MAP, "conv(x.shape[1], 3)", "conv(x.channels, 3)"),
    (MAP, "conv(in.shape[1], 3)", "conv(in.channels, 3)"),
    (MAP, "conv(in.c, 3)", "conv(in.channels, 3)"),
    (MAP, "conv(in.out_channels, 3)", "conv(in.channels, 3)"),
]
KERAS = [
    (MAP, 'Conv2D(32, (3,3), activation="relu")', "conv(32, (3,3)) -> relu"),
    (
        MAP,
        'Conv2D(filters=32, kernel_size=(3, 3), strides=2, padding="same")',
        'conv(channels=32, kernel=(3, 3), stride=2, pad="same_upper")',
    ),
    (MAP, 'conv(32, 3, padding="same")', 'conv(32, 3, pad="same")'),
    (MAP, 'conv(32, 3, padding="valid")', "conv(32, 3, pad=0)"),
    (MAP, 'conv(32, 3, pad="SAME")', 'conv(32, 3, pad="same")'),
    (MAP, "conv(32, 3, input_shape=(32, 32, 3))", "conv(32, 3)"),
    (MAP, "conv(32, 3, use_bias=false)", "conv(32, 3, bias=false)"),
    (MAP, 'conv(32, 3, name="conv1")', "conv(32, 3) as conv1"),
    (MAP, "conv(32, 3, activation=relu)", "conv(32, 3) -> relu"),
    (MAP, 'conv(32, 3, activation="swish")', "conv(32, 3) -> silu"),
    (MAP, "conv(32, 3, activation=none)", "conv(32, 3)"),
    (MAP, 'conv(32, 3, kernel_initializer="he_normal")', "conv(32, 3)"),
    (MAP, 'conv(32, 3, data_format="channels_first")', "conv(32, 3)"),
    (MAP, "conv(32, 3, dilation_rate=2)", "conv(32, 3, dilation=2)"),
    (MAP, "Conv2DTranspose(32, 2, strides=2)", "deconv(32, 2, stride=2)"),
    (MAP, "DepthwiseConv2D(3, depth_multiplier=2)", "depthwise(3, multiplier=2)"),
    (MAP, 'SeparableConv2D(64, 3, padding="same")', 'depthwise(3, pad="same") -> conv(64, 1)'),
    (MAP, "separable_conv(64, 3)", "depthwise(3) -> conv(64, 1)"),
    (MAP, "MaxPooling2D((2, 2))", "maxpool((2, 2))"),
    (MAP, "MaxPooling2D(pool_size=2, strides=2)", "maxpool(kernel=2, stride=2)"),
    (MAP, 'MaxPooling2D(2, padding="same")', 'maxpool(2, pad="same_upper")'),
    (MAP, "maxpooling(2)", "maxpool(2)"),
    (MAP, "average_pool(2)", "avgpool(2)"),
    (MAP, "AveragePooling2D(2)", "avgpool(2)"),
    (MAP, "GlobalAveragePooling2D()", "global_avgpool()"),
    (MAP, "GlobalMaxPooling2D()", "global_maxpool()"),
    (MAP, "gap", "global_avgpool"),
    (MAP, "gap(keepdims=True)", "global_avgpool"),
    (ROW, 'Dense(10, activation="softmax")', "dense(10) -> softmax"),
    (ROW, "dense(units=10, input_dim=400)", "dense(units=10)"),
    (WIDE, "BatchNormalization(momentum=0.99, epsilon=0.001)", "bn(momentum=0.01, eps=0.001)"),
    (WIDE, "BatchNormalization(axis=1)", "bn"),
    (MAP, "dropout(50)", "dropout(0.5)"),
    (MAP, "SpatialDropout2D(0.2)", "dropout(0.2)"),
    (MAP, 'Activation("relu")', "relu"),
    (MAP, "LeakyReLU(alpha=0.1)", "leaky_relu(slope=0.1)"),
    (MAP, "ZeroPadding2D(1)", "pad(1)"),
    (MAP, "ZeroPadding2D(padding=1)", "pad(amount=1)"),
    (MAP, "UpSampling2D(size=2)", "upsample(scale=2)"),
    (MAP, 'UpSampling2D(2, interpolation="bilinear")', 'upsample(2, mode="bilinear")'),
    (TWO, "Concatenate([x, y])", "concat { | x | y }"),
    (TWO, "Add([x, y])", "add { | x | y }"),
    (TWO, "Multiply([x, y])", "mul { | x | y }"),
    (TWO, "Average([x, y])", "mean { | x | y }"),
    (MAP, "Concatenate { | conv(3, 1) | conv(4, 1) }", "concat { | conv(3, 1) | conv(4, 1) }"),
    (TOP, "Input(shape=(28, 28, 1))", "input image: [N, 1, 28, 28]"),
]
CAFFE = [
    (MAP, "Convolution(num_output=20, kernel_size=5)", "conv(channels=20, kernel=5)"),
    (ROW, "InnerProduct(num_output=500)", "dense(units=500)"),
    (ROW, "fc(120)", "dense(120)"),
    (ROW, "dropout(dropout_ratio=0.4)", "dropout(rate=0.4)"),
    (WIDE, "LRN(local_size=5, alpha=1e-4, beta=0.75)", "lrn(size=5, alpha=1e-4, beta=0.75)"),
    (ROW, "dense(10) -> SoftmaxWithLoss", "dense(10)"),
    (TWO, "Eltwise(x, y)", "add { | x | y }"),
    (MAP, "conv(8, 3, bias_term=false)", "conv(8, 3, bias=false)"),
    (MAP, "conv(8, 3, group=1)", "conv(8, 3, groups=1)"),
    (MAP, "convolutional(filters=32, size=3, batch_normalize=1)", "conv(channels=32, kernel=3) -> bn"),
    (MAP, "conv(filters=32, size=3, activation=leaky)", "conv(channels=32, kernel=3) -> leaky_relu"),
    (ROW, "connected(output=10, activation=linear)", "dense(units=10)"),
    (TWO, "residual(x, y)", "add { | x | y }"),
    (TWO, "shortcut(x)", "add { | x | in }"),
    (TWO, "route(x, y)", "concat { | x | y }"),
    (MAP, "maxpool(size=2, stride=2)", "maxpool(kernel=2, stride=2)"),
    (MAP, "upsample(stride=2)", "upsample(scale=2)"),
    (MAP, "logistic", "sigmoid"),
]
PYTHON = [
    (MAP, "conv(16 / 2, 3)", "conv(16 // 2, 3)"),
    (MAP, "conv(int(16 / 2), 3)", "conv(16 // 2, 3)"),
    (MAP, "conv(64.0, 3)", "conv(64, 3)"),
    (MAP, 'conv("64", 3)', "conv(64, 3)"),
    (MAP, 'conv(64, "3x3")', "conv(64, 3x3)"),
    (MAP, "conv(64, 3, bias=0)", "conv(64, 3, bias=false)"),
    (MAP, 'conv(64, 3, bias="true")', "conv(64, 3, bias=true)"),
    (MAP, "conv(64, 3, pad=None)", "conv(64, 3)"),
    (MAP, "conv(len(x), 3)", "conv(x.channels, 3)"),
    (MAP, "conv(x, 3)", "conv(x.channels, 3)"),
    (MAP, "conv(8, 3) -> print(x)", "conv(8, 3)"),
    (MAP, "for c in 3 { conv(c + 1, 1) }", "for c in range(3) { conv(c + 1, 1) }"),
    (MAP, "for i, c in [8, 16] { conv(c + i, 1) }", "for i, c in enumerate([8, 16]) { conv(c + i, 1) }"),
    (MAP, "conv(3, 1) * 2.0", "conv(3, 1) * 2"),
    (MAP, "conv(8 + (3 > 2), 3)", "conv(8 + (1 if 3 > 2 else 0), 3)"),
    (TWO, "add(x, y)", "add { | x | y }"),
    (TWO, "conv(3, 1) -> y", "conv(3, 1) -> add { | in | y }"),
    (MAP, "conv(8, (3))", "conv(8, (3))"),
    (MAP, "conv(8, 3, stride=[2, 2], pad=1)", "conv(8, 3, stride=[2, 2], pad=1)"),
]
HABITS = [*PYTORCH, *KERAS, *CAFFE, *PYTHON]


def cured(text: str) -> tuple[str, bool]:
    """A text after the printed cures, and whether it then checks."""
    for _ in range(6):
        source = Source("a.cnn", text)
        found = [d for d in check(source).diagnostics if d.code != "W0505"]
        mended = apply_edits(text, [e for _, cure in choose_cures(found, source) for e in cure.edits])
        if not found or mended == text:
            break
        text = mended
    return text, not any(d.is_error for d in found)


@pytest.mark.parametrize(("net", "line", "expected"), HABITS, ids=[line for _, line, _ in HABITS])
def test_a_habit_is_cured(net: str, line: str, expected: str) -> None:
    text, checks = cured(net.replace("LINE", line))
    assert text == net.replace("LINE", expected)
    assert checks


def test_sixty_habits() -> None:
    assert len({line for _, line, _ in HABITS}) == len(HABITS) >= 60


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Rescaling(0.1)", "pictures are scaled beside the input: `input image: [...] { scale = 1/255 }`"),
        ("Resize(224)", "pictures are resized beside the input, `{ resize = 256 }`; maps get larger by `upsample(2)`"),
        ("Pooling(2)", "there are `maxpool`, `minpool` and `avgpool`"),
        ("Upsample(size=64)", "write how many times larger it gets: `upsample(2)`"),
        ("CenterCrop(28)", "`crop` takes cells off each side: `crop(2)` makes 28x28 of 32x32"),
        ("InstanceNorm2d(3)", "it is `group_norm` with as many groups as channels: `group_norm(64)` of 64 channels"),
        ("LSTM(3)", "the language is about convolutional networks: there are no recurrent layers"),
        ("permute(0, 2, 3, 1)", "values are [N, C, H, W] throughout; layout is a backend's business"),
        ("conv(in.shape, 3)", "write the size that is meant: `in.channels`"),
        ("Lambda", "`Lambda` changes nothing: take it away"),
    ],
)
def test_what_only_its_author_can_mend_is_explained(line: str, words: str) -> None:
    found = check(Source("a.cnn", MAP.replace("LINE", line))).diagnostics
    assert [h.text for d in found for h in d.help] == [words]
