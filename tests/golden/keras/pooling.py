"""Pooling: [N, 4, 4, 1] to [N, 2, 2, 1], [N, 2, 2, 1], [N, 2, 2, 1], 0 parameters."""

import keras
from keras import layers


@keras.saving.register_keras_serializable()
class MinPooling2D(layers.MaxPooling2D):
    """The smallest number in each window."""

    def call(self, inputs):
        return -super().call(-inputs)


def Pooling():
    image = keras.Input((4, 4, 1), name="image")
    largest = layers.MaxPooling2D(2)(image)  # [N, 2, 2, 1]
    smallest = MinPooling2D(2)(image)
    average = layers.AveragePooling2D(2)(image)
    return keras.Model(image, [largest, smallest, average], name="Pooling")
