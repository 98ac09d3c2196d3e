"""What ships with cnnlang: `from std.resnet import bottleneck`."""
