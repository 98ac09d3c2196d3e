"""Models that come in: a file of another framework becomes a `.cnn` file, and its weights safetensors."""
