"""SqueezeNet1_0: [N, 227, 227, 3] to [N, 1000], 1,248,424 parameters."""

import keras
from keras import layers
from safetensors.numpy import load_file

# Pixels from 0 to 255 become pixel * SCALE - MEAN.
# Their channels are in the order of COLOR.
SCALE = 1
MEAN = [104, 117, 123]
COLOR = "bgr"
RESIZE = 227
CROP = 227


def fire(x, squeeze, expand, name="fire"):
    """[N, H, W, in_channels] to [N, H, W, 2 * expand]."""
    x = layers.Conv2D(squeeze, 1, activation="relu", name=f"{name}-squeeze1x1")(x)
    y = layers.Conv2D(expand, 1, activation="relu", name=f"{name}-expand1x1")(x)
    z = layers.Conv2D(
        expand, 3, padding="same", activation="relu", name=f"{name}-expand3x3"
    )(x)
    return layers.Concatenate()([y, z])


def SqueezeNet1_0(classes=1000):
    image = keras.Input((227, 227, 3), name="image")
    # [N, 111, 111, 96]
    x = layers.Conv2D(96, 7, strides=2, activation="relu", name="conv1")(image)
    x = layers.MaxPooling2D(3, strides=2)(x)  # [N, 55, 55, 96]
    x = fire(x, 16, 64, name="fire2")  # [N, 55, 55, 128]
    x = fire(x, 16, 64, name="fire3")
    x = fire(x, 32, 128, name="fire4")  # [N, 55, 55, 256]
    x = layers.MaxPooling2D(3, strides=2)(x)  # [N, 27, 27, 256]
    x = fire(x, 32, 128, name="fire5")
    x = fire(x, 48, 192, name="fire6")  # [N, 27, 27, 384]
    x = fire(x, 48, 192, name="fire7")
    x = fire(x, 64, 256, name="fire8")  # [N, 27, 27, 512]
    x = layers.MaxPooling2D(3, strides=2)(x)  # [N, 13, 13, 512]
    x = fire(x, 64, 256, name="fire9")
    x = layers.Dropout(0.5)(x)
    x = layers.ZeroPadding2D(1)(x)
    # [N, 15, 15, 1000]
    x = layers.Conv2D(classes, 1, activation="relu", name="conv10")(x)
    x = layers.GlobalAveragePooling2D()(x)  # [N, 1000]
    return keras.Model(image, x, name="SqueezeNet1_0")


def load_weights(model, path):
    """Fill a model with the weights of a safetensors file, kept as PyTorch keeps them."""
    leaves = {"kernel": "weight", "bias": "bias"}
    tensors = load_file(path)
    for layer in model.layers:
        for variable in layer.weights:
            name = f"{layer.name.replace('-', '.')}.{leaves[variable.name]}"
            if name not in tensors:
                raise ValueError(f"{path} has no {name}")
            tensor, shape = tensors.pop(name), tuple(variable.shape)
            wanted, axes = shape[-1:], (0,)
            if len(shape) == 4:
                height, width, entering, leaving = shape
                wanted, axes = (leaving, entering, height, width), (2, 3, 1, 0)
            if tensor.shape != wanted:
                raise ValueError(f"{path}: {name} is {tensor.shape}, not {wanted}")
            variable.assign(tensor.transpose(axes).reshape(shape))
    if tensors:
        raise ValueError(f"{path} has more than the model: {', '.join(tensors)}")
