"""LeNet5: [N, 1, 32, 32] to [N, 10], 61,706 parameters."""

from collections import OrderedDict

from torch import nn

COLOR = "gray"
RESIZE = 32
LABELS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]


class LeNet5(nn.Sequential):
    def __init__(self, classes=10):
        super().__init__(
            OrderedDict(
                conv1=nn.Conv2d(1, 6, 5),  # [N, 6, 28, 28]
                tanh1=nn.Tanh(),
                avgpool1=nn.AvgPool2d(2),  # [N, 6, 14, 14]
                conv2=nn.Conv2d(6, 16, 5),  # [N, 16, 10, 10]
                tanh2=nn.Tanh(),
                avgpool2=nn.AvgPool2d(2),  # [N, 16, 5, 5]
                conv3=nn.Conv2d(16, 120, 5),  # [N, 120, 1, 1]
                tanh3=nn.Tanh(),
                flatten=nn.Flatten(),  # [N, 120]
                dense1=nn.Linear(120, 84),  # [N, 84]
                tanh4=nn.Tanh(),
                dense2=nn.Linear(84, classes),  # [N, 10]
                softmax=nn.Softmax(dim=1),
            )
        )
