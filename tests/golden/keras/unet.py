"""UNet: [N, 16*H, 16*W, 3] to [N, 16*H, 16*W, 2], 31,031,810 parameters."""

import keras
from keras import layers
from safetensors.numpy import load_file


def twice(x, c, name="twice"):
    """[N, H, W, in_channels] to [N, H, W, c]."""
    x = layers.Conv2D(c, 3, padding="same", activation="relu", name=f"{name}-conv1")(x)
    return layers.Conv2D(c, 3, padding="same", activation="relu", name=f"{name}-conv2")(
        x
    )


def up(x, skip, c, name="up"):
    """[N, H, W, in_channels], skip [N, 2 * H, 2 * W, skip_channels]
    to [N, 2 * H, 2 * W, c].
    """
    y = layers.Conv2DTranspose(c, 2, strides=2, name=f"{name}-deconv1")(x)
    x = layers.Concatenate()([skip, y])
    return twice(x, c, name=f"{name}-twice1")


def UNet(classes=2, width=64):
    image = keras.Input((None, None, 3), name="image")
    level1 = twice(image, width, name="level1")  # [N, 16*H, 16*W, 64]
    x = layers.MaxPooling2D(2)(level1)  # [N, 8*H, 8*W, 64]
    level2 = twice(x, 2 * width, name="level2")  # [N, 8*H, 8*W, 128]
    x = layers.MaxPooling2D(2)(level2)  # [N, 4*H, 4*W, 128]
    level3 = twice(x, 4 * width, name="level3")  # [N, 4*H, 4*W, 256]
    x = layers.MaxPooling2D(2)(level3)  # [N, 2*H, 2*W, 256]
    level4 = twice(x, 8 * width, name="level4")  # [N, 2*H, 2*W, 512]
    x = layers.MaxPooling2D(2)(level4)  # [N, H, W, 512]
    x = twice(x, 16 * width, name="twice5")  # [N, H, W, 1024]
    x = up(x, level4, 8 * width, name="up1")  # [N, 2*H, 2*W, 512]
    x = up(x, level3, 4 * width, name="up2")  # [N, 4*H, 4*W, 256]
    x = up(x, level2, 2 * width, name="up3")  # [N, 8*H, 8*W, 128]
    x = up(x, level1, width, name="up4")  # [N, 16*H, 16*W, 64]
    x = layers.Conv2D(classes, 1, name="mask")(x)  # [N, 16*H, 16*W, 2]
    return keras.Model(image, x, name="UNet")


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
