"""SamePooling: [N, 4, 4, 1] to [N, 4, 4, 1], 0 parameters."""

import keras
from keras import layers


def SamePooling():
    return keras.Sequential(
        [
            keras.Input((4, 4, 1), name="image"),
            layers.MaxPooling2D(2, strides=1, padding="same"),  # [N, 4, 4, 1]
        ],
        name="SamePooling",
    )
