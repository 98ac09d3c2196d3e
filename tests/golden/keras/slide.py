"""Slide: [N, 5, 5, 1] to [N, 3, 3, 1], 0 parameters."""

import keras
from keras import layers, ops


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


def Slide():
    return keras.Sequential(
        [
            keras.Input((5, 5, 1), name="image"),
            FixedConv2D(1, [[1, 0, 1], [0, 1, 0], [1, 0, 1]]),  # [N, 3, 3, 1]
        ],
        name="Slide",
    )
