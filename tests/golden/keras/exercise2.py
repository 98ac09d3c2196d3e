"""Exercise2: [N, 150, 150, 3] to [N, 5], 10,635,685 parameters."""

import keras
from keras import layers
from safetensors.numpy import load_file


def Exercise2():
    return keras.Sequential(
        [
            keras.Input((150, 150, 3), name="image"),
            layers.Conv2D(32, 3, padding="same", name="conv1"),  # [N, 150, 150, 32]
            layers.MaxPooling2D(2),  # [N, 75, 75, 32]
            layers.Conv2D(32, 4, name="conv2"),  # [N, 72, 72, 32]
            layers.MaxPooling2D(2),  # [N, 36, 36, 32]
            layers.Flatten(),  # [N, 41472]
            layers.Dense(256, activation="relu", name="dense1"),  # [N, 256]
            layers.Dense(5, activation="softmax", name="dense2"),  # [N, 5]
        ],
        name="Exercise2",
    )


def load_weights(model, path):
    """Fill a model with the weights of a safetensors file, kept as PyTorch keeps them."""
    leaves = {"kernel": "weight", "bias": "bias"}
    # The dense layers that read a flattened map: its channels, height and width.
    flattened = {"dense1": (32, 36, 36)}
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
