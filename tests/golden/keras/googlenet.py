"""GoogLeNet: [N, 224, 224, 3] to [N, 1000], 6,998,552 parameters."""

import keras
from keras import layers, ops
from safetensors.numpy import load_file

# Pixels from 0 to 255 become pixel * SCALE - MEAN.
# Their channels are in the order of COLOR.
SCALE = 1
MEAN = [104, 117, 123]
COLOR = "bgr"
RESIZE = 256
CROP = 224


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


def inception(x, b1, r3, b3, r5, b5, proj, name="inception"):
    """[N, H, W, in_channels] to [N, H, W, b1 + b3 + b5 + proj]."""
    branch1 = layers.Conv2D(b1, 1, activation="relu", name=f"{name}-conv1")(x)
    branch2 = layers.Conv2D(r3, 1, activation="relu", name=f"{name}-conv2")(x)
    branch2 = layers.Conv2D(
        b3, 3, padding="same", activation="relu", name=f"{name}-conv3"
    )(branch2)
    branch3 = layers.Conv2D(r5, 1, activation="relu", name=f"{name}-conv4")(x)
    branch3 = layers.Conv2D(
        b5, 5, padding="same", activation="relu", name=f"{name}-conv5"
    )(branch3)
    branch4 = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    branch4 = layers.Conv2D(proj, 1, activation="relu", name=f"{name}-conv6")(branch4)
    return layers.Concatenate()([branch1, branch2, branch3, branch4])


def head(x, classes, name="head"):
    """[N, H, W, in_channels] to [N, 1000]."""
    x = layers.AveragePooling2D(5, strides=3)(x)
    x = layers.Conv2D(128, 1, activation="relu", name=f"{name}-conv1")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(1024, activation="relu", name=f"{name}-dense1")(x)
    x = layers.Dropout(0.7)(x)
    return layers.Dense(classes, name=f"{name}-dense2")(x)


def GoogLeNet(classes=1000, with_aux=False):
    image = keras.Input((224, 224, 3), name="image")
    x = layers.ZeroPadding2D(3)(image)
    # [N, 112, 112, 64]
    x = layers.Conv2D(64, 7, strides=2, activation="relu", name="conv1")(x)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.MaxPooling2D(3, strides=2)(x)  # [N, 56, 56, 64]
    x = LocalResponseNorm(5)(x)
    x = layers.Conv2D(64, 1, activation="relu", name="conv2")(x)
    # [N, 56, 56, 192]
    x = layers.Conv2D(192, 3, padding="same", activation="relu", name="conv3")(x)
    x = LocalResponseNorm(5)(x)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.MaxPooling2D(3, strides=2)(x)  # [N, 28, 28, 192]
    x = inception(x, 64, 96, 128, 16, 32, 32, name="inception3a")  # [N, 28, 28, 256]
    x = inception(x, 128, 128, 192, 32, 96, 64, name="inception3b")  # [N, 28, 28, 480]
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.MaxPooling2D(3, strides=2)(x)  # [N, 14, 14, 480]
    # [N, 14, 14, 512]
    inception4a = inception(x, 192, 96, 208, 16, 48, 64, name="inception4a")
    x = inception(inception4a, 160, 112, 224, 24, 64, 64, name="inception4b")
    x = inception(x, 128, 128, 256, 24, 64, 64, name="inception4c")
    # [N, 14, 14, 528]
    inception4d = inception(x, 112, 144, 288, 32, 64, 64, name="inception4d")
    # [N, 14, 14, 832]
    x = inception(inception4d, 256, 160, 320, 32, 128, 128, name="inception4e")
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.MaxPooling2D(3, strides=2)(x)  # [N, 7, 7, 832]
    x = inception(x, 256, 160, 320, 32, 128, 128, name="inception5a")
    x = inception(x, 384, 192, 384, 48, 128, 128, name="inception5b")  # [N, 7, 7, 1024]
    x = layers.GlobalAveragePooling2D()(x)  # [N, 1024]
    x = layers.Dropout(0.4)(x)
    x = layers.Dense(classes, name="dense1")(x)  # [N, 1000]
    if with_aux:
        aux1 = head(inception4a, classes, name="aux1-head1")
        aux2 = head(inception4d, classes, name="aux2-head1")
        return keras.Model(image, [x, aux1, aux2], name="GoogLeNet")
    return keras.Model(image, x, name="GoogLeNet")


def load_weights(model, path):
    """Fill a model with the weights of a safetensors file, kept as PyTorch keeps them."""
    leaves = {"kernel": "weight", "bias": "bias"}
    # The dense layers that read a flattened map: its channels, height and width.
    flattened = {"aux1-head1-dense1": (128, 4, 4), "aux2-head1-dense1": (128, 4, 4)}
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
    # The auxiliary heads are in the file, and in the model only `with_aux`.
    heads = ("aux1.", "aux2.")
    tensors = {n: t for n, t in tensors.items() if not n.startswith(heads)}
    if tensors:
        raise ValueError(f"{path} has more than the model: {', '.join(tensors)}")
