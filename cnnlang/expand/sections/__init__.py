"""What stands beside the layers: the sections of a net, pictures and classes, and its own checks."""
