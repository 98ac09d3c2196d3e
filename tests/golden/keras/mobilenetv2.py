"""MobileNetV2: [N, 224, 224, 3] to [N, 1000], 3,504,872 parameters."""

import keras
from keras import layers
from safetensors.numpy import load_file

# Pixels from 0 to 255 become (pixel * SCALE - MEAN) / STD.
SCALE = 1 / 255
MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]
RESIZE = 256
CROP = 224


def narrow(x, expand, width, stride, name="narrow"):
    """[N, H, W, in_channels] to [N, H / stride, W / stride, width]."""
    in_channels = x.shape[-1]
    wide = expand * in_channels
    i = 1 if expand > 1 else 0
    if expand > 1:
        x = layers.Conv2D(wide, 1, use_bias=False, name=f"{name}-0-0")(x)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}-0-1")(x)
        x = layers.ReLU(6)(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3, strides=stride, use_bias=False, name=f"{name}-{i}-0")(
        x
    )
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}-{i}-1")(x)
    x = layers.ReLU(6)(x)
    x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}-{i + 1}")(x)
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name=f"{name}-{i + 2}"
    )(x)


def inverted_residual(x, expand, width, stride, name="inverted_residual"):
    """[N, H, W, in_channels] to [N, H / stride, W / stride, width]."""
    in_channels = x.shape[-1]
    if stride == 1 and in_channels == width:
        y = narrow(x, expand, width, stride, name=f"{name}-conv")
        x = layers.Add()([x, y])
    else:
        x = narrow(x, expand, width, stride, name=f"{name}-conv")
    return x


def MobileNetV2(classes=1000):
    image = keras.Input((224, 224, 3), name="image")
    x = layers.ZeroPadding2D(1)(image)
    # [N, 112, 112, 32]
    x = layers.Conv2D(32, 3, strides=2, use_bias=False, name="features-0-0")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="features-0-1")(x)
    x = layers.ReLU(6)(x)
    for first, expand, width, n, stride in [
        (1, 1, 16, 1, 1),
        (2, 6, 24, 2, 2),
        (4, 6, 32, 3, 2),
        (7, 6, 64, 4, 2),
        (11, 6, 96, 3, 1),
        (14, 6, 160, 3, 2),
        (17, 6, 320, 1, 1),
    ]:
        for j in range(n):
            x = inverted_residual(
                x, expand, width, stride if j == 0 else 1, name=f"features-{first + j}"
            )
    # [N, 7, 7, 1280]
    x = layers.Conv2D(1280, 1, use_bias=False, name="features-18-0")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="features-18-1")(x)
    x = layers.ReLU(6)(x)
    x = layers.GlobalAveragePooling2D()(x)  # [N, 1280]
    x = layers.Dropout(0.2)(x)
    x = layers.Dense(classes, name="classifier-1")(x)  # [N, 1000]
    return keras.Model(image, x, name="MobileNetV2")


def load_weights(model, path):
    """Fill a model with the weights of a safetensors file, kept as PyTorch keeps them."""
    leaves = {
        "kernel": "weight",
        "gamma": "weight",
        "bias": "bias",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
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
                if isinstance(layer, layers.DepthwiseConv2D):
                    wanted = (entering * leaving, 1, height, width)
            if tensor.shape != wanted:
                raise ValueError(f"{path}: {name} is {tensor.shape}, not {wanted}")
            variable.assign(tensor.transpose(axes).reshape(shape))
    if tensors:
        raise ValueError(f"{path} has more than the model: {', '.join(tensors)}")
