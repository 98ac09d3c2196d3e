"""VGG16: [N, 224, 224, 3] to [N, 1000], 138,357,544 parameters."""

import keras
from keras import layers
from safetensors.numpy import load_file

# Pixels from 0 to 255 become (pixel * SCALE - MEAN) / STD.
SCALE = 1 / 255
MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]
RESIZE = 256
CROP = 224


def VGG16(classes=1000):
    return keras.Sequential(
        [
            keras.Input((224, 224, 3), name="image"),
            # [N, 224, 224, 64]
            layers.Conv2D(64, 3, padding="same", activation="relu", name="features-0"),
            layers.Conv2D(64, 3, padding="same", activation="relu", name="features-2"),
            layers.MaxPooling2D(2),  # [N, 112, 112, 64]
            # [N, 112, 112, 128]
            layers.Conv2D(128, 3, padding="same", activation="relu", name="features-5"),
            layers.Conv2D(128, 3, padding="same", activation="relu", name="features-7"),
            layers.MaxPooling2D(2),  # [N, 56, 56, 128]
            layers.Conv2D(
                256, 3, padding="same", activation="relu", name="features-10"
            ),  # [N, 56, 56, 256]
            layers.Conv2D(
                256, 3, padding="same", activation="relu", name="features-12"
            ),
            layers.Conv2D(
                256, 3, padding="same", activation="relu", name="features-14"
            ),
            layers.MaxPooling2D(2),  # [N, 28, 28, 256]
            layers.Conv2D(
                512, 3, padding="same", activation="relu", name="features-17"
            ),  # [N, 28, 28, 512]
            layers.Conv2D(
                512, 3, padding="same", activation="relu", name="features-19"
            ),
            layers.Conv2D(
                512, 3, padding="same", activation="relu", name="features-21"
            ),
            layers.MaxPooling2D(2),  # [N, 14, 14, 512]
            layers.Conv2D(
                512, 3, padding="same", activation="relu", name="features-24"
            ),
            layers.Conv2D(
                512, 3, padding="same", activation="relu", name="features-26"
            ),
            layers.Conv2D(
                512, 3, padding="same", activation="relu", name="features-28"
            ),
            layers.MaxPooling2D(2),  # [N, 7, 7, 512]
            layers.Flatten(),  # [N, 25088]
            layers.Dense(4096, activation="relu", name="classifier-0"),  # [N, 4096]
            layers.Dropout(0.5),
            layers.Dense(4096, activation="relu", name="classifier-3"),
            layers.Dropout(0.5),
            layers.Dense(classes, name="classifier-6"),  # [N, 1000]
        ],
        name="VGG16",
    )


def load_weights(model, path):
    """Fill a model with the weights of a safetensors file, kept as PyTorch keeps them."""
    leaves = {"kernel": "weight", "bias": "bias"}
    # The dense layers that read a flattened map: its channels, height and width.
    flattened = {"classifier-0": (512, 7, 7)}
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
