"""GoogLeNet: [N, 3, 224, 224] to [N, 1000], 6,998,552 parameters."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

# Pixels from 0 to 255 become pixel * SCALE - MEAN.
# Their channels are in the order of COLOR.
SCALE = 1
MEAN = [104, 117, 123]
COLOR = "bgr"
RESIZE = 256
CROP = 224


class Inception(nn.Module):
    """[N, in_channels, H, W] to [N, b1 + b3 + b5 + proj, H, W]."""

    def __init__(self, in_channels, b1, r3, b3, r5, b5, proj):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, b1, 1)
        self.conv2 = nn.Conv2d(in_channels, r3, 1)
        self.conv3 = nn.Conv2d(r3, b3, 3, padding=1)
        self.conv4 = nn.Conv2d(in_channels, r5, 1)
        self.conv5 = nn.Conv2d(r5, b5, 5, padding=2)
        self.conv6 = nn.Conv2d(in_channels, proj, 1)

    def forward(self, x):
        branch1 = F.relu(self.conv1(x))  # [N, b1, H, W]
        branch2 = F.relu(self.conv2(x))  # [N, r3, H, W]
        branch2 = F.relu(self.conv3(branch2))  # [N, b3, H, W]
        branch3 = F.relu(self.conv4(x))  # [N, r5, H, W]
        branch3 = F.relu(self.conv5(branch3))  # [N, b5, H, W]
        branch4 = F.max_pool2d(x, 3, stride=1, padding=1)  # [N, in_channels, H, W]
        branch4 = F.relu(self.conv6(branch4))  # [N, proj, H, W]
        # [N, b1 + b3 + b5 + proj, H, W]
        return torch.cat([branch1, branch2, branch3, branch4], dim=1)


class Head(nn.Sequential):
    """[N, in_channels, H, W] to [N, 1000]."""

    def __init__(self, in_channels, classes):
        super().__init__(
            OrderedDict(
                avgpool=nn.AvgPool2d(5, stride=3),
                conv1=nn.Conv2d(in_channels, 128, 1),
                relu1=nn.ReLU(),
                flatten=nn.Flatten(),
                dense1=nn.Linear(128 * 4 * 4, 1024),
                relu2=nn.ReLU(),
                dropout=nn.Dropout(0.7),
                dense2=nn.Linear(1024, classes),
            )
        )


class GoogLeNet(nn.Module):
    def __init__(self, classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.conv2 = nn.Conv2d(64, 64, 1)
        self.conv3 = nn.Conv2d(64, 192, 3, padding=1)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.dense1 = nn.Linear(1024, classes)
        self.aux1 = nn.Sequential(OrderedDict(head1=Head(512, classes)))
        self.aux2 = nn.Sequential(OrderedDict(head1=Head(528, classes)))

    def forward(self, image):
        x = F.relu(self.conv1(image))  # [N, 64, 112, 112]
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)  # [N, 64, 56, 56]
        x = F.local_response_norm(x, 5)
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))  # [N, 192, 56, 56]
        x = F.local_response_norm(x, 5)
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)  # [N, 192, 28, 28]
        x = self.inception3a(x)  # [N, 256, 28, 28]
        x = self.inception3b(x)  # [N, 480, 28, 28]
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)  # [N, 480, 14, 14]
        inception4a = self.inception4a(x)  # [N, 512, 14, 14]
        x = self.inception4b(inception4a)
        x = self.inception4c(x)
        inception4d = self.inception4d(x)  # [N, 528, 14, 14]
        x = self.inception4e(inception4d)  # [N, 832, 14, 14]
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)  # [N, 832, 7, 7]
        x = self.inception5a(x)
        x = self.inception5b(x)  # [N, 1024, 7, 7]
        x = F.dropout(x.mean(dim=(2, 3)), 0.4, self.training)  # [N, 1024]
        x = self.dense1(x)  # [N, 1000]
        if self.training:
            return x, self.aux1(inception4a), self.aux2(inception4d)
        return x
