"""Augmentations: what training does at random to each picture, so that the net sees none twice.

They work on the picture as numbers 0..255, after the input's `resize` and before its `scale`, `mean` and `std`; float
arrays are taken as they are, and their full range counts as 1 where pixels' counts as 255. Every picture has draws of
its own in every epoch, from a generator keyed by the section's `seed`, the epoch and the picture's number. In a net
with several pictures as inputs all are changed alike. A chain is applied in order; the result has the size of the net's
input. Class numbers and other targets do not change.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from cnnlang.errors import OperatorError
from cnnlang.signature import Amount, Declared, Positive, Registry, Size, Unit, number, synonyms

Degrees = Annotated[float, number("a number from 0 to 180", lambda v: 0 <= v <= 180)]
Slant = Annotated[float, number("a number from 0 up to, not including, 90", lambda v: 0 <= v < 90)]
Share = Annotated[float, number("a number above 0, at most 1", lambda v: 0 < v <= 1)]

PROBABILITY = synonyms(p="probability prob")


class Augmentation(Declared):
    """A random change of a picture.

    Class attributes
    ----------------
    crops
        Whether it cuts the picture to the net's size itself, in place of the central `crop` of the input's metadata.
    needs_colour
        Whether it needs three channels.
    """

    crops: ClassVar[bool] = False
    needs_colour: ClassVar[bool] = False


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation")
augmentation = AUGMENTATIONS


def _rising(low: float, high: float, name: str) -> None:
    if low > high:
        raise OperatorError(
            "E0305", f"`high` of `{name}` must not be below `low`, and {high:g} is below {low:g}", argument="high",
            help="write the smaller one first",
        )  # fmt: skip


# --- where the pixels are ---------------------------------------------------------------------------------------------


@augmentation("shift", "RandomTranslation", "translate", "random_shift", "width_shift_range", "height_shift_range")
class Shift(Augmentation):
    """Moves the picture by whole pixels, up to `pixels` up or down and left or right, each whole number as likely.

    `shift(2x4)` moves up to 2 up or down and 4 left or right. What comes in from outside is 0.

    Examples
    --------
    augment = shift(2)

    Source: torchvision.transforms.RandomAffine(translate), in pixels.
    """

    pixels: Amount


@augmentation("rotate", "RandomRotation", "rotation", "rotation_range", "random_rotation")
class Rotate(Augmentation):
    """Turns the picture about its centre by an angle that is uniform from -degrees to degrees.

    Bilinear; what comes in from outside is 0. The size stays.

    Examples
    --------
    augment = rotate(10)

    Source: torchvision.transforms.RandomRotation with bilinear interpolation.
    """

    degrees: Degrees

    argument_aliases = synonyms(degrees="angle limit")


@augmentation("shear", "RandomShear", "shear_range")
class Shear(Augmentation):
    """Slants the picture sideways: row y moves by (y - centre) tan(a), with a uniform from -degrees to degrees.

    Bilinear; what comes in from outside is 0. The size stays.

    Examples
    --------
    augment = shear(8)

    Source: torchvision.transforms.RandomAffine(shear).
    """

    degrees: Slant


@augmentation("scale", "zoom", "RandomZoom", "RandomScale", "zoom_range", "random_zoom")
class Scale(Augmentation):
    """Makes the picture larger or smaller about its centre by a factor that is uniform from `low` to `high`.

    Bilinear; what comes in from outside is 0. The size stays: `scale(1, 1.2)` shows the middle, larger.

    Examples
    --------
    augment = scale(0.9, 1.1)

    Source: torchvision.transforms.RandomAffine(scale).
    """

    low: Positive
    high: Positive

    argument_aliases = synonyms(low="min", high="max")

    def validate(self) -> None:
        _rising(self.low, self.high, "scale")


@augmentation("hflip", "RandomHorizontalFlip", "horizontal_flip", "fliplr", "flip_left_right", "mirror", "flip")
class HFlip(Augmentation):
    """Swaps left and right in a share `p` of the pictures.

    Examples
    --------
    augment = hflip
    augment = hflip(0.3)

    Source: torchvision.transforms.RandomHorizontalFlip.
    """

    p: Unit = 0.5

    argument_aliases = PROBABILITY


@augmentation("vflip", "RandomVerticalFlip", "vertical_flip", "flipud", "flip_up_down")
class VFlip(Augmentation):
    """Swaps top and bottom in a share `p` of the pictures.

    Examples
    --------
    augment = vflip

    Source: torchvision.transforms.RandomVerticalFlip.
    """

    p: Unit = 0.5

    argument_aliases = PROBABILITY


@augmentation("crop", "RandomCrop", "random_crop")
class Crop(Augmentation):
    """Cuts out a window of `size` at a random place, after `pad` rows and columns of 0 were put on every side.

    `size` is the size of the net's input. Where the input has `resize`, the window is cut from the resized picture,
    in place of the central `crop`.

    Examples
    --------
    augment = crop(32, pad=4) -> hflip

    Source: torchvision.transforms.RandomCrop; He et al. 2015 (CIFAR-10).
    """

    size: Size
    pad: Amount = (0, 0)

    argument_aliases = synonyms(pad="padding")
    crops = True


@augmentation("resized_crop", "RandomResizedCrop", "random_resized_crop", "RandomSizedCrop")
class ResizedCrop(Augmentation):
    """Cuts out a window and resizes it (bilinear, antialiased) to the size of the net's input.

    Its area is a share of the picture, uniform from `low` to `high`; its width by its height is from 3/4 to 4/3, its
    logarithm uniform; its place is uniform. It is cut from the picture as it is stored, before `resize` and `crop`.

    Examples
    --------
    augment = resized_crop -> hflip

    Source: Szegedy et al. 2015; torchvision.transforms.RandomResizedCrop.
    """

    low: Share = 0.08
    high: Share = 1.0

    crops = True

    def validate(self) -> None:
        _rising(self.low, self.high, "resized_crop")


@augmentation("cutout", "Cutout", "RandomErasing", "erase", "CoarseDropout")
class Cutout(Augmentation):
    """Sets a window of `size` to 0; its centre is any pixel, so that it may reach over the edge.

    Examples
    --------
    augment = cutout(16)

    Source: DeVries and Taylor 2017.
    """

    size: Size

    argument_aliases = synonyms(size="length")


# --- what the pixels are ----------------------------------------------------------------------------------------------


@augmentation("brightness", "RandomBrightness", "random_brightness", "brightness_range")
class Brightness(Augmentation):
    """Multiplies the picture by a factor that is uniform from 1 - amount to 1 + amount; clipped to the full range.

    Examples
    --------
    augment = brightness(0.2)

    Source: torchvision.transforms.ColorJitter(brightness).
    """

    amount: Unit

    argument_aliases = synonyms(amount="brightness")


@augmentation("contrast", "RandomContrast", "random_contrast")
class Contrast(Augmentation):
    """Moves every pixel from the picture's mean grey by a factor that is uniform from 1 - amount to 1 + amount.

    The grey of a colour is 0.299 R + 0.587 G + 0.114 B. Clipped to the full range.

    Examples
    --------
    augment = contrast(0.2)

    Source: torchvision.transforms.ColorJitter(contrast).
    """

    amount: Unit

    argument_aliases = synonyms(amount="contrast")


@augmentation("saturation", "RandomSaturation", "random_saturation")
class Saturation(Augmentation):
    """Moves every pixel from its own grey by a factor that is uniform from 1 - amount to 1 + amount.

    The grey of a colour is 0.299 R + 0.587 G + 0.114 B. Clipped to the full range. Needs three channels.

    Examples
    --------
    augment = saturation(0.2)

    Source: torchvision.transforms.ColorJitter(saturation).
    """

    amount: Unit

    argument_aliases = synonyms(amount="saturation")
    needs_colour = True


@augmentation("grayscale", "RandomGrayscale", "greyscale", "to_gray", "ToGray")
class Grayscale(Augmentation):
    """Gives every channel the pixel's grey, 0.299 R + 0.587 G + 0.114 B, in a share `p` of the pictures.

    Needs three channels.

    Examples
    --------
    augment = grayscale(0.1)

    Source: torchvision.transforms.RandomGrayscale.
    """

    p: Unit = 0.1

    argument_aliases = PROBABILITY
    needs_colour = True


@augmentation("noise", "GaussianNoise", "gaussian_noise", "GaussNoise", "random_noise")
class Noise(Augmentation):
    """Adds to every number one of its own, normal with standard deviation `std` times the full range.

    The full range is 255 for pixels, so that noise(0.02) is about 5 of 255; clipped to it. It is 1 for float arrays,
    which are not clipped.

    Examples
    --------
    augment = noise(0.02)

    Source: keras.layers.GaussianNoise.
    """

    std: Positive

    argument_aliases = synonyms(std="stddev sigma")
