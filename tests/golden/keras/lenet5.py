"""LeNet5: [N, 32, 32, 1] to [N, 10], 61,706 parameters."""

import keras
from keras import layers
from safetensors.numpy import load_file

COLOR = "gray"
RESIZE = 32
LABELS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]


def LeNet5(classes=10):
    return keras.Sequential(
        [
            keras.Input((32, 32, 1), name="image"),
            layers.Conv2D(6, 5, activation="tanh", name="conv1"),  # [N, 28, 28, 6]
            layers.AveragePooling2D(2),  # [N, 14, 14, 6]
            layers.Conv2D(16, 5, activation="tanh", name="conv2"),  # [N, 10, 10, 16]
            layers.AveragePooling2D(2),  # [N, 5, 5, 16]
            layers.Conv2D(120, 5, activation="tanh", name="conv3"),  # [N, 1, 1, 120]
            layers.Flatten(),  # [N, 120]
            layers.Dense(84, activation="tanh", name="dense1"),  # [N, 84]
            layers.Dense(classes, activation="softmax", name="dense2"),  # [N, 10]
        ],
        name="LeNet5",
    )


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
