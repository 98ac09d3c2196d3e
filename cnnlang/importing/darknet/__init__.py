"""Darknet's cfg and weights files."""
