"""Net: a convolutional network in NumPy and Numba, written by cnnlang.

input   image [N, 3, 32, 32]
output  output [N, 3]
2,659 parameters

Give `prepare` the weights once (a mapping from path to float32 array, such as `numpy.load("weights.npz")`), and
`forward` the input and what `prepare` made:

    weights = prepare(numpy.load("weights.npz"))
    y = forward(image, weights)

`forward` takes the mapping itself too, and then prepares it at every call. Any N will do. The first call compiles the
kernels, which Numba keeps beside this file.
"""

import math

import numpy as np
from numba import njit, prange

# fmt: off
LABELS = ("cat", "dog", "한국어")
META = {"source": 'a "book"', "licence": "CC0"}
# fmt: on


class Prepared(dict):
    """Weights as the kernels read them, by layer."""


@np.errstate(all="ignore")  # infinities and what is not a number go their way
def prepare(weights):
    """Fold batch normalisation into the layers before it, and lay the weights out as the kernels read them."""
    if isinstance(weights, Prepared):
        return weights
    p = weights
    w = Prepared()
    w["conv1"] = conv_layer(p["conv1.weight"], p["conv1.bias"])
    w["residual1.0.conv1"] = conv_layer(p["residual1.0.conv1.weight"], bn=scale_and_shift(p, "residual1.0.bn1"))
    w["residual1.0.conv2"] = conv_layer(p["residual1.0.conv2.weight"], bn=scale_and_shift(p, "residual1.0.bn2"))
    w["residual1.1.conv1"] = conv_layer(p["residual1.1.conv1.weight"], bn=scale_and_shift(p, "residual1.1.bn1"))
    w["residual1.1.conv2"] = conv_layer(p["residual1.1.conv2.weight"], bn=scale_and_shift(p, "residual1.1.bn2"))
    w["prelu1"] = np.array(p["prelu1.weight"], np.float32)
    w["dense1"] = dense_layer(p["dense1.weight"], p["dense1.bias"])
    return w


@np.errstate(all="ignore")
def forward(image, weights):
    """From image [N, 3, 32, 32] to [N, 3]."""
    image = as_input("image", image, (None, 3, 32, 32))
    w = prepare(weights)
    stem = conv(image, w["conv1"], stride=2, pad=1, act=LEAKY_RELU)  # [N, 8, 16, 16]
    x = avgpool(stem, 2, stride=2)  # [N, 8, 8, 8]

    # residual1.0: residual(width=8)
    y = conv(stem, w["residual1.0.conv1"], pad=1, act=RELU)  # [N, 8, 16, 16]
    y = conv(y, w["residual1.0.conv2"], pad=1)  # [N, 8, 16, 16]
    y = add(y, stem, act=RELU)  # [N, 8, 16, 16]

    # residual1.1: residual(width=8)
    z = conv(y, w["residual1.1.conv1"], pad=1, act=RELU)  # [N, 8, 16, 16]
    z = conv(z, w["residual1.1.conv2"], pad=1)  # [N, 8, 16, 16]
    y = add(z, y, act=RELU)  # [N, 8, 16, 16]

    y = maxpool(y, 3, stride=2, pad=(0, 1, 0, 1))  # [N, 8, 8, 8]
    x = concat(x, y)  # [N, 16, 8, 8]
    x = prelu(x, w["prelu1"])  # [N, 16, 8, 8]
    x = global_avgpool(x)  # [N, 16]
    x = dense(x, w["dense1"])  # [N, 3]
    return softmax(x)  # [N, 3]


def as_input(name, x, shape):
    """A contiguous float32 copy of an input; None in its shape stands for any size."""
    x = np.array(x, np.float32, order="C")
    if x.ndim != len(shape) or any(size not in (None, given) for size, given in zip(shape, x.shape, strict=True)):
        raise ValueError(f"{name} must be {list(shape)}, and is {list(x.shape)}")
    return x


def preprocess_image(pixels):
    """Pixels from 0 to 255, [N, H, W, 3], red first, resized to a shorter side of 40, cropped to 32x32 in the
    middle, as `forward` takes them.
    """
    x = np.asarray(pixels, np.float32)
    x = x[..., ::-1]
    x = x * (1 / 255)
    x = x - np.array([0.5, 0.4, 0.3], np.float32)
    x = x / np.array([0.25], np.float32)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)


# What may follow a layer at once.
NOTHING = 0
LEAKY_RELU = 1
RELU = 2


@njit(cache=True, error_model="numpy")
def activate(act, x):
    """One number through an activation."""
    if act == LEAKY_RELU:
        return x if x > 0.0 else 0.1 * x
    if act == RELU:
        return max(x, 0.0)
    return x


def pair(size):
    """A number for rows and columns alike, or (rows, columns)."""
    return size if isinstance(size, tuple) else (size, size)


def sides(pad):
    """A number for all four sides, or (top, bottom, left, right)."""
    return pad if isinstance(pad, tuple) else (pad, pad, pad, pad)


def windows(size, before, after, reach, stride, ceil=False):
    """How many windows fit along a side; with `ceil` the last may stand out, if it starts on the map or before it."""
    room = size + before + after - reach
    count = (-(-room // stride) if ceil else room // stride) + 1
    return count - 1 if ceil and (count - 1) * stride >= size + before else count


def padded(x, pad, value=0.0):
    """Maps with cells of a value around them."""
    top, bottom, left, right = sides(pad)
    if not any((top, bottom, left, right)):
        return x
    batch, channels, height, width = x.shape
    out = np.full((batch, channels, top + height + bottom, left + width + right), value, np.float32)
    out[:, :, top : top + height, left : left + width] = x
    return out


def conv_layer(weight, bias=None, bn=None, groups=1):
    """A kernel as the loops read it, [groups, rows, columns, inputs, outputs], and a bias for each output.

    Batch normalisation behind a convolution scales and shifts every output once more, and is folded in:
    scale * (weight * x + bias) + shift = (scale * weight) * x + (scale * bias + shift).
    """
    outputs, inputs, rows, columns = weight.shape
    bias = np.zeros(outputs) if bias is None else bias
    if bn is not None:
        scale, shift = bn
        weight, bias = weight * scale[:, None, None, None], bias * scale + shift
    kernel = weight.reshape(groups, outputs // groups, inputs, rows, columns).transpose(0, 3, 4, 2, 1)
    return np.array(kernel, np.float32, order="C"), np.array(bias, np.float32)


@njit(cache=True, fastmath={"contract"})
def add_products(sums, line, kernel, start, stride):
    """Add to the sums of each place of a row: the cell of the line that its window sees, times the kernel's numbers."""
    for j in range(sums.shape[0]):
        for o in range(sums.shape[1]):
            sums[j, o] += line[start + j * stride] * kernel[o]


@njit(parallel=True, cache=True)
def conv_rows(x, kernel, bias, stride, dilation, act, out):
    """Every row of the result on its own: the sum over the window's cells (u, v) and the input channels c."""
    groups, kernel_rows, kernel_columns, inputs, outputs = kernel.shape
    batch, _, rows, columns = out.shape
    for job in prange(batch * groups * rows):
        k = np.int64(job)  # a prange index is unsigned
        n, g, i = k // (groups * rows), k // rows % groups, k % rows
        sums = np.zeros((columns, outputs), np.float32)
        for u in range(kernel_rows):
            for v in range(kernel_columns):
                for c in range(inputs):
                    line = x[n, g * inputs + c, i * stride[0] + u * dilation[0]]
                    add_products(sums, line, kernel[g, u, v, c], v * dilation[1], stride[1])
        for o in range(outputs):
            for j in range(columns):
                out[n, g * outputs + o, i, j] = activate(act, sums[j, o] + bias[g * outputs + o])


def conv(x, layer, stride=1, pad=0, dilation=1, fill=0.0, act=NOTHING):
    """Convolution of maps [N, C, H, W]; `fill` is what the padding holds."""
    kernel, bias = layer
    stride, pad, dilation = pair(stride), sides(pad), pair(dilation)
    rows = windows(x.shape[2], pad[0], pad[1], dilation[0] * (kernel.shape[1] - 1) + 1, stride[0])
    columns = windows(x.shape[3], pad[2], pad[3], dilation[1] * (kernel.shape[2] - 1) + 1, stride[1])
    out = np.empty((x.shape[0], bias.size, rows, columns), np.float32)
    conv_rows(padded(x, pad, fill), kernel, bias, stride, dilation, act, out)
    return out


@njit(cache=True)
def avgpool_windows(maps, kernel, stride, dilation, out):
    for m in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                acc = 0.0
                for u in range(kernel[0]):
                    for v in range(kernel[1]):
                        x = maps[m, i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]]
                        acc = acc + x if x == x else x  # what is not a number stays so
                out[m, i, j] = acc


def avgpool(x, kernel, stride, pad=0, dilation=1, ceil=False, count_pad=True):
    """The average of each window."""
    batch, channels, height, width = x.shape
    kernel, stride, pad, dilation = pair(kernel), pair(stride), sides(pad), pair(dilation)
    reach = dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1
    rows = windows(height, pad[0], pad[1], reach[0], stride[0], ceil)
    columns = windows(width, pad[2], pad[3], reach[1], stride[1], ceil)
    below = max((rows - 1) * stride[0] + reach[0] - pad[0] - height, 0)
    beside = max((columns - 1) * stride[1] + reach[1] - pad[2] - width, 0)
    maps = padded(x, (pad[0], below, pad[2], beside), 0.0)
    out = np.empty((batch * channels, rows, columns), np.float32)
    avgpool_windows(maps.reshape(batch * channels, *maps.shape[2:]), kernel, stride, dilation, out)
    down = cells_inside(rows, height, pad[:2] if count_pad else (0, 0), pad[0], kernel[0], stride[0])
    across = cells_inside(columns, width, pad[2:] if count_pad else (0, 0), pad[2], kernel[1], stride[1])
    out /= down[:, None] * across
    return out.reshape(batch, channels, rows, columns)


def cells_inside(count, size, counted, before, kernel, stride):
    """How many cells of each window along a side lie on the map, with the padding that is counted at either end."""
    first = np.arange(count) * stride - before
    last = np.minimum(first + kernel, size + counted[1])
    return (last - np.maximum(first, -counted[0])).astype(np.float32)


def scale_and_shift(p, bn, eps=1e-5):
    """Batch normalisation as one scale and one shift a channel, from the paths (or the path) of its statistics."""
    if isinstance(bn, str):
        bn = [f"{bn}.{name}" for name in ("weight", "bias", "running_mean", "running_var")]
    weight, bias, mean, variance = (np.asarray(p[path], np.float64) for path in bn)
    scale = weight / np.sqrt(variance + eps)
    return scale, bias - mean * scale


@njit(cache=True, error_model="numpy")
def add_branch(sums, branch, count, act):
    """Take one more branch in; `count` is 0 until the last. Features have one number for all cells of a map."""
    every = 1 if branch.shape[1] > 1 else 0
    for row in range(sums.shape[0]):
        for i in range(sums.shape[1]):
            acc, x = sums[row, i], branch[row, i * every]
            acc = acc + x if x == x else x  # what is not a number stays so
            sums[row, i] = activate(act, acc) if count else acc


def add(*branches, act=NOTHING):
    """The sum of the branches, number by number."""
    shape = max((x.shape for x in branches), key=len)
    rows = shape[0] * shape[1]
    out = np.empty(shape, np.float32)
    sums = out.reshape(rows, -1)
    sums[:] = branches[0].reshape(rows, -1)
    for number, branch in enumerate(branches[1:], 2):
        count = number if number == len(branches) else 0
        add_branch(sums, branch.reshape(rows, -1), count, act)
    return out


@njit(cache=True)
def maxpool_windows(maps, kernel, stride, dilation, out):
    for m in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                acc = -math.inf
                for u in range(kernel[0]):
                    for v in range(kernel[1]):
                        x = maps[m, i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]]
                        acc = max(acc, x) if x == x else x  # what is not a number stays so
                out[m, i, j] = acc


def maxpool(x, kernel, stride, pad=0, dilation=1, ceil=False):
    """The largest number in each window."""
    batch, channels, height, width = x.shape
    kernel, stride, pad, dilation = pair(kernel), pair(stride), sides(pad), pair(dilation)
    reach = dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1
    rows = windows(height, pad[0], pad[1], reach[0], stride[0], ceil)
    columns = windows(width, pad[2], pad[3], reach[1], stride[1], ceil)
    below = max((rows - 1) * stride[0] + reach[0] - pad[0] - height, 0)
    beside = max((columns - 1) * stride[1] + reach[1] - pad[2] - width, 0)
    maps = padded(x, (pad[0], below, pad[2], beside), -math.inf)
    out = np.empty((batch * channels, rows, columns), np.float32)
    maxpool_windows(maps.reshape(batch * channels, *maps.shape[2:]), kernel, stride, dilation, out)
    return out.reshape(batch, channels, rows, columns)


def concat(*branches):
    """The channels of the branches one after the other."""
    return np.concatenate(branches, axis=1)


def by_channel(numbers, x):
    """One number a channel (or for all), as float32 in a shape that broadcasts over [N, C] or [N, C, H, W]."""
    return np.asarray(numbers, np.float32).reshape(-1, *(1,) * (x.ndim - 2))


def prelu(x, slope):
    """A leaky relu with one slope a channel."""
    return np.where(x > 0, x, by_channel(slope, x) * x)


def global_avgpool(x):
    """The average of each channel: y[c] = sum over i, j of x[c, i, j] / (H*W)."""
    return x.mean(axis=(2, 3))


def dense_layer(weight, bias=None, bn=None):
    """A weight [inputs, outputs] and a bias for each output; batch normalisation behind it is folded in."""
    bias = np.zeros(len(weight)) if bias is None else bias
    if bn is not None:
        scale, shift = bn
        weight, bias = weight * scale[:, None], bias * scale + shift
    return np.array(weight, np.float32).T, np.array(bias, np.float32)


def dense(x, layer):
    """Every output a weighted sum of all inputs: [N, inputs] to [N, outputs]."""
    weight, bias = layer
    return x @ weight + bias


def softmax(x):
    """Numbers above 0 whose sum over the channels is 1."""
    y = np.exp(x - x.max(axis=1, keepdims=True))
    return y / y.sum(axis=1, keepdims=True)
