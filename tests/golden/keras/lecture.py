"""Lecture: [N, 32, 32, 3] to [N, 10], 62,006 parameters."""

import keras
from keras import layers
from safetensors.numpy import load_file


def Lecture(classes=10):
    return keras.Sequential(
        [
            keras.Input((32, 32, 3), name="image"),
            layers.Conv2D(6, 5, activation="relu", name="c1"),  # [N, 28, 28, 6]
            layers.MaxPooling2D(2),  # [N, 14, 14, 6]
            layers.Conv2D(16, 5, activation="relu", name="c2"),  # [N, 10, 10, 16]
            layers.MaxPooling2D(2),  # [N, 5, 5, 16]
            layers.Flatten(),  # [N, 400]
            layers.Dense(120, activation="relu", name="d1"),  # [N, 120]
            layers.Dense(84, activation="relu", name="d2"),  # [N, 84]
            layers.Dense(classes, activation="softmax", name="d3"),  # [N, 10]
        ],
        name="Lecture",
    )


def load_weights(model, path):
    """Fill a model with the weights of a safetensors file, kept as PyTorch keeps them."""
    leaves = {"kernel": "weight", "bias": "bias"}
    # The dense layers that read a flattened map: its channels, height and width.
    flattened = {"d1": (16, 5, 5)}
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
