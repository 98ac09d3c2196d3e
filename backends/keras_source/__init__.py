"""Keras 3 source."""
