"""AlexNet: [N, 227, 227, 3] to [N, 1000], 60,965,224 parameters."""

import keras
from keras import layers, ops
from safetensors.numpy import load_file

# Pixels from 0 to 255 become pixel * SCALE - MEAN.
# Their channels are in the order of COLOR.
SCALE = 1
MEAN = [104, 117, 123]
COLOR = "bgr"
RESIZE = 256
CROP = 227


@keras.saving.register_keras_serializable()
class LocalResponseNorm(layers.Layer):
    """A channel is damped by the squares of its neighbours."""

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def call(self, inputs):
        channels = inputs.shape[-1]
        half = min(self.size // 2, channels - 1)
        sides = ((0, 0), (0, 0), (0, 0), (half, half))
        squares = ops.pad(ops.square(inputs), sides)
        total = sum(squares[..., i : i + channels] for i in range(2 * half + 1))
        return inputs / (self.k + self.alpha / self.size * total) ** self.beta

    def get_config(self):
        config = {"size": self.size, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **config, "k": self.k}


def AlexNet(classes=1000):
    return keras.Sequential(
        [
            keras.Input((227, 227, 3), name="image"),
            # [N, 55, 55, 96]
            layers.Conv2D(96, 11, strides=4, activation="relu", name="conv1"),
            LocalResponseNorm(5),
            layers.MaxPooling2D(3, strides=2),  # [N, 27, 27, 96]
            layers.Conv2D(
                256, 5, padding="same", groups=2, activation="relu", name="conv2"
            ),  # [N, 27, 27, 256]
            LocalResponseNorm(5),
            layers.MaxPooling2D(3, strides=2),  # [N, 13, 13, 256]
            # [N, 13, 13, 384]
            layers.Conv2D(384, 3, padding="same", activation="relu", name="conv3"),
            layers.Conv2D(
                384, 3, padding="same", groups=2, activation="relu", name="conv4"
            ),
            layers.Conv2D(
                256, 3, padding="same", groups=2, activation="relu", name="conv5"
            ),  # [N, 13, 13, 256]
            layers.MaxPooling2D(3, strides=2),  # [N, 6, 6, 256]
            layers.Flatten(),  # [N, 9216]
            layers.Dense(4096, activation="relu", name="fc6"),  # [N, 4096]
            layers.Dropout(0.5),
            layers.Dense(4096, activation="relu", name="fc7"),
            layers.Dropout(0.5),
            layers.Dense(classes, name="fc8"),  # [N, 1000]
        ],
        name="AlexNet",
    )


def load_weights(model, path):
    """Fill a model with the weights of a safetensors file, kept as PyTorch keeps them."""
    leaves = {"kernel": "weight", "bias": "bias"}
    # The dense layers that read a flattened map: its channels, height and width.
    flattened = {"fc6": (256, 6, 6)}
    tensors = load_file(path)
    for layer in model.layers:
        for variable in layer.weights:
            name = f"{layer.name.replace('-', '.')}.{leaves[variable.name]}"
            if name not in tensors:
                raise ValueError(f"{path} has no {name}")
            tensor, shape = tensors.pop(name), tuple(variable.shape)
            wanted, axes = shape[-1:], (0,)
            if len(shape) == 2:
                wanted, axes = shape[::-1], (1, 0)
            if len(shape) == 4:
                height, width, entering, leaving = shape
                wanted, axes = (leaving, entering, height, width), (2, 3, 1, 0)
            if tensor.shape != wanted:
                raise ValueError(f"{path}: {name} is {tensor.shape}, not {wanted}")
            if len(shape) == 2 and layer.name in flattened:
                tensor = tensor.reshape(-1, *flattened[layer.name])
                tensor = tensor.transpose(0, 2, 3, 1).reshape(wanted)
            variable.assign(tensor.transpose(axes).reshape(shape))
    if tensors:
        raise ValueError(f"{path} has more than the model: {', '.join(tensors)}")
