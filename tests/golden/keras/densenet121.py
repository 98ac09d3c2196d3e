"""DenseNet121: [N, 224, 224, 3] to [N, 1000], 7,978,856 parameters."""

import keras
from keras import layers
from safetensors.numpy import load_file

# Pixels from 0 to 255 become (pixel * SCALE - MEAN) / STD.
SCALE = 1 / 255
MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]
RESIZE = 256
CROP = 224


def dense_layer(x, growth, name="dense_layer"):
    """[N, H, W, in_channels] to [N, H, W, in_channels + growth]."""
    y = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}-norm1")(x)
    y = layers.ReLU()(y)
    y = layers.Conv2D(4 * growth, 1, use_bias=False, name=f"{name}-conv1")(y)
    y = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}-norm2")(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(growth, 3, padding="same", use_bias=False, name=f"{name}-conv2")(
        y
    )
    return layers.Concatenate()([x, y])


def transition(x, name="transition"):
    """[N, H, W, in_channels] to [N, H / 2, W / 2, in_channels // 2]."""
    in_channels = x.shape[-1]
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}-norm")(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(in_channels // 2, 1, use_bias=False, name=f"{name}-conv")(x)
    return layers.AveragePooling2D(2)(x)


def DenseNet121(classes=1000):
    image = keras.Input((224, 224, 3), name="image")
    x = layers.ZeroPadding2D(3)(image)
    # [N, 112, 112, 64]
    x = layers.Conv2D(64, 7, strides=2, use_bias=False, name="features-conv0")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="features-norm0")(x)
    x = layers.ReLU()(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(3, strides=2)(x)  # [N, 56, 56, 64]
    for i, n in enumerate([6, 12, 24, 16]):
        for j in range(n):
            x = dense_layer(x, 32, name=f"features-denseblock{i + 1}-denselayer{j + 1}")
        if i + 1 < 4:
            x = transition(x, name=f"features-transition{i + 1}")
    # [N, 7, 7, 1024]
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="features-norm5")(x)
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)  # [N, 1024]
    x = layers.Dense(classes, name="classifier")(x)  # [N, 1000]
    return keras.Model(image, x, name="DenseNet121")


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
