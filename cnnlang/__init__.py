"""A small language for convolutional neural networks, and its compiler."""
