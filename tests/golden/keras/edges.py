"""Edges: [N, H, W, 1] to [N, H, W, 1], [N, H, W, 1], [N, H, W, 1], [N, H, W, 1], [N,
H, W, 1], [N, H, W, 1], [N, H//8, W//8, 1], [N, H//8, W//8, 1], [N, H//8, W//8,
1], 0 parameters.
"""

import keras
from keras import layers, ops

COLOR = "gray"


@keras.saving.register_keras_serializable()
class EdgePadding2D(layers.ZeroPadding2D):
    """Padding that repeats the map's first and last cells."""

    def call(self, inputs):
        for axis, (before, after) in enumerate(self.padding, 1):
            size = ops.shape(inputs)[axis]
            cells = ops.clip(ops.arange(-before, size + after), 0, size - 1)
            inputs = ops.take(inputs, cells, axis=axis)
        return inputs


@keras.saving.register_keras_serializable()
class FixedConv2D(layers.Layer):
    """A convolution by a given kernel, which is no weight.

    `kernel` is [output][input / groups][row][column], or rows that serve every pair.
    """

    def __init__(
        self,
        filters,
        kernel,
        strides=1,
        padding="valid",
        dilation_rate=1,
        groups=1,
        use_bias=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel = kernel
        self.strides = strides
        self.padding = padding
        self.dilation_rate = dilation_rate
        self.groups = groups
        self.use_bias = use_bias

    def build(self, input_shape):
        if self.use_bias:
            shape = (self.filters,)
            self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")

    def call(self, inputs):
        kernel = ops.convert_to_tensor(self.kernel, dtype=inputs.dtype)
        into = inputs.shape[-1] // self.groups
        kernel = ops.broadcast_to(kernel, (self.filters, into, *kernel.shape[-2:]))
        kernel = ops.transpose(kernel, (2, 3, 1, 0))
        x = ops.conv(
            inputs, kernel, self.strides, self.padding, None, self.dilation_rate
        )
        return x + self.bias if self.use_bias else x

    def get_config(self):
        config = {
            "filters": self.filters,
            "kernel": self.kernel,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "use_bias": self.use_bias,
        }
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable()
class MinPooling2D(layers.MaxPooling2D):
    """The smallest number in each window."""

    def call(self, inputs):
        return -super().call(-inputs)


def look(x, kernel):
    """[N, H, W, 1] to [N, H, W, 1]."""
    x = EdgePadding2D(len(kernel) // 2)(x)
    return FixedConv2D(1, kernel)(x)


def Edges():
    photo = keras.Input((None, None, 1), name="photo")
    to_right = look(photo, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])  # [N, H, W, 1]
    downwards = look(photo, [[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    branch2 = FixedConv2D(1, [[-1]])(to_right)
    branch4 = FixedConv2D(1, [[-1]])(downwards)
    edges = layers.Maximum()([to_right, branch2, downwards, branch4])
    blur = look(
        photo, [[0.0625, 0.125, 0.0625], [0.125, 0.25, 0.125], [0.0625, 0.125, 0.0625]]
    )
    sharpen = look(photo, [[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    x = look(
        edges,
        [
            [0, 0, 0, 0, -1, 2, -1],
            [0, 0, 0, -1, 2, -1, 0],
            [0, 0, -1, 2, -1, 0, 0],
            [0, 0, -1, 2, -1, 0, 0],
            [0, 0, -1, 2, -1, 0, 0],
            [0, 0, -1, 2, -1, 0, 0],
            [0, 0, -1, 2, -1, 0, 0],
        ],
    )
    curve = layers.ReLU()(x)
    brightest = layers.MaxPooling2D(8)(photo)  # [N, H//8, W//8, 1]
    average = layers.AveragePooling2D(8)(photo)
    darkest = MinPooling2D(8)(photo)
    return keras.Model(
        photo,
        [to_right, downwards, edges, blur, sharpen, curve, brightest, average, darkest],
        name="Edges",
    )
