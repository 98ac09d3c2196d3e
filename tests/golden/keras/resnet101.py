"""ResNet101: [N, 224, 224, 3] to [N, 1000], 44,549,160 parameters."""

import keras
from keras import layers
from safetensors.numpy import load_file

# Pixels from 0 to 255 become (pixel * SCALE - MEAN) / STD.
SCALE = 1 / 255
MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]
RESIZE = 256
CROP = 224


def bottleneck(x, width, stride=1, name="bottleneck"):
    """[N, H, W, in_channels] to [N, H / stride, W / stride, 4 * width]."""
    in_channels = x.shape[-1]
    y = layers.Conv2D(width, 1, use_bias=False, name=f"{name}-conv1")(x)
    y = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}-bn1")(y)
    y = layers.ReLU()(y)
    y = layers.ZeroPadding2D(1)(y)
    y = layers.Conv2D(width, 3, strides=stride, use_bias=False, name=f"{name}-conv2")(y)
    y = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}-bn2")(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(4 * width, 1, use_bias=False, name=f"{name}-conv3")(y)
    y = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}-bn3")(y)
    if stride != 1 or in_channels != 4 * width:
        x = layers.Conv2D(
            4 * width, 1, strides=stride, use_bias=False, name=f"{name}-downsample-0"
        )(x)
        x = layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, name=f"{name}-downsample-1"
        )(x)
    x = layers.Add()([y, x])
    return layers.ReLU()(x)


def ResNet101(classes=1000):
    image = keras.Input((224, 224, 3), name="image")
    x = layers.ZeroPadding2D(3)(image)
    # [N, 112, 112, 64]
    x = layers.Conv2D(64, 7, strides=2, use_bias=False, name="conv1")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="bn1")(x)
    x = layers.ReLU()(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(3, strides=2)(x)  # [N, 56, 56, 64]
    for i, n in enumerate([3, 4, 23, 3]):
        for j in range(n):
            width = 64 * 2**i
            stride = 2 if i > 0 and j == 0 else 1
            x = bottleneck(x, width, stride, name=f"layer{i + 1}-{j}")
    x = layers.GlobalAveragePooling2D()(x)  # [N, 2048]
    x = layers.Dense(classes, name="fc")(x)  # [N, 1000]
    return keras.Model(image, x, name="ResNet101")


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
            if tensor.shape != wanted:
                raise ValueError(f"{path}: {name} is {tensor.shape}, not {wanted}")
            variable.assign(tensor.transpose(axes).reshape(shape))
    if tensors:
        raise ValueError(f"{path} has more than the model: {', '.join(tensors)}")
