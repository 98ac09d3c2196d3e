"""Views: the fixed changes of a picture whose results a net averages when it predicts (test-time augmentation).

`tta = mean { | in | hflip | ten_crop(224) }` makes one view for `in`, one for `hflip` and ten for `ten_crop`, and
merges the results of all twelve, each with the same weight. They work on the picture as augmentations do, and nothing
in them is random. For an output that is a map, `hflip` and `vflip` are undone on the result; no other view can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from cnnlang.signature import Declared, Number, Registry, Size, integer, synonyms

Pixels = Annotated[int, integer("an integer")]


class View(Declared):
    """A fixed change of a picture.

    Class attributes
    ----------------
    count
        How many pictures it makes of one.
    crops
        Whether it cuts the picture to the net's size itself, in place of the central `crop` of the input's metadata.
    is_undone
        Whether it can be undone on a map that the net makes.
    """

    count: ClassVar[int] = 1
    crops: ClassVar[bool] = False
    is_undone: ClassVar[bool] = False


VIEWS: Registry[View] = Registry("view")
view = VIEWS


@view("hflip", "horizontal_flip", "fliplr", "mirror", "flip", "HorizontalFlip")
class HFlipped(View):
    """Left and right swapped.

    Examples
    --------
    tta = mean { | in | hflip }
    """

    is_undone = True


@view("vflip", "vertical_flip", "flipud", "VerticalFlip")
class VFlipped(View):
    """Top and bottom swapped.

    Examples
    --------
    tta = mean { | in | vflip | hflip -> vflip }
    """

    is_undone = True


@view("shift", "translate", "roll")
class Shifted(View):
    """Moved by whole pixels, `down` and `right` (up and left where negative); what comes in from outside is 0.

    Examples
    --------
    tta = mean { | in | shift(1, 0) | shift(-1, 0) }
    """

    down: Pixels
    right: Pixels

    argument_aliases = synonyms(down="dy y", right="dx x")


@view("rotate", "rotation", "Rotate90")
class Rotated(View):
    """Turned about its centre by `degrees`, counter-clockwise; bilinear, what comes in from outside is 0.

    Examples
    --------
    tta = mean { | in | rotate(5) | rotate(-5) }
    """

    degrees: Number

    argument_aliases = synonyms(degrees="angle")


@view("five_crop", "FiveCrop", "FiveCrops")
class FiveCrop(View):
    """Five windows of `size`: the four corners and the centre, cut from the picture after `resize`.

    `size` is the size of the net's input; the picture must be at least that large.

    Examples
    --------
    tta = mean { | five_crop(224) }

    Source: torchvision.transforms.FiveCrop.
    """

    size: Size

    count = 5
    crops = True


@view("ten_crop", "TenCrop", "TenCrops")
class TenCrop(View):
    """The five windows of `five_crop`, and the same with left and right swapped.

    Examples
    --------
    tta = mean { | ten_crop(224) }

    Source: Krizhevsky et al. 2012; torchvision.transforms.TenCrop.
    """

    size: Size

    count = 10
    crops = True


@dataclass(frozen=True, slots=True)
class TestTime:
    """What `tta` says.

    Attributes
    ----------
    merge
        `mean` or `max`: how the results of all views become one, number by number.
    branches
        For each branch its chain of views, in order; an empty chain is the picture itself.
    """

    merge: str
    branches: tuple[tuple[View, ...], ...]

    __test__ = False  # its name begins as pytest's classes do

    @property
    def count(self) -> int:
        """How many views of one picture there are."""
        total = 0
        for chain in self.branches:
            views = 1
            for step in chain:
                views *= step.count
            total += views
        return total

    def __str__(self) -> str:
        chains = [" -> ".join(map(str, chain)) or "in" for chain in self.branches]
        return f"{self.merge} {{ {' '.join(f'| {c}' for c in chains)} }}"
