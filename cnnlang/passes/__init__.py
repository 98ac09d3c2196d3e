"""Passes: a graph in, an equal graph out."""
