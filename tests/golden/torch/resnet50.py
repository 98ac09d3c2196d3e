"""ResNet50: [N, 3, 224, 224] to [N, 1000], 25,557,032 parameters."""

from collections import OrderedDict

import torch.nn.functional as F
from torch import nn

# Pixels from 0 to 255 become (pixel * SCALE - MEAN) / STD.
SCALE = 1 / 255
MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]
RESIZE = 256
CROP = 224


class Bottleneck(nn.Module):
    """[N, in_channels, H, W] to [N, 4 * width, H / stride, W / stride]."""

    def __init__(self, in_channels, width, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        if stride != 1 or in_channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, 4 * width, 1, stride=stride, bias=False),
                nn.BatchNorm2d(4 * width),
            )
        else:
            self.downsample = nn.Identity()

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))  # [N, width, H, W]
        y = F.relu(self.bn2(self.conv2(y)))  # [N, width, H / stride, W / stride]
        y = self.bn3(self.conv3(y))  # [N, 4 * width, H / stride, W / stride]
        return F.relu(y + self.downsample(x))


class ResNet50(nn.Sequential):
    def __init__(self, classes=1000):
        super().__init__(
            OrderedDict(
                # [N, 64, 112, 112]
                conv1=nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
                bn1=nn.BatchNorm2d(64),
                relu=nn.ReLU(),
                maxpool=nn.MaxPool2d(3, stride=2, padding=1),  # [N, 64, 56, 56]
                layer1=nn.Sequential(
                    Bottleneck(64, 64), *(Bottleneck(256, 64) for _ in range(2))
                ),  # [N, 256, 56, 56]
                layer2=nn.Sequential(
                    Bottleneck(256, 128, 2), *(Bottleneck(512, 128) for _ in range(3))
                ),  # [N, 512, 28, 28]
                layer3=nn.Sequential(
                    Bottleneck(512, 256, 2), *(Bottleneck(1024, 256) for _ in range(5))
                ),  # [N, 1024, 14, 14]
                layer4=nn.Sequential(
                    Bottleneck(1024, 512, 2), *(Bottleneck(2048, 512) for _ in range(2))
                ),  # [N, 2048, 7, 7]
                global_avgpool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),  # [N, 2048]
                fc=nn.Linear(2048, classes),  # [N, 1000]
            )
        )
