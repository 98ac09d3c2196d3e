"""How pictures become a net's input: the metadata behind `input image: [N, 3, 224, 224] { ... }`, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from cnnlang.dims import Dim
from cnnlang.errors import OperatorError
from cnnlang.signature import (
    Declared,
    Flag,
    Kind,
    Value,
    is_int,
    number,
    per_channel,
    show_number,
    show_value,
    synonyms,
)

MAX_SIDE = 16_384  # a resized picture is bounded, whatever the file says


def _sides(value: Value) -> tuple[int, int] | None:
    if value is None:
        return None
    h, w = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    if not all(is_int(v) and 1 <= v <= MAX_SIDE for v in (h, w)):
        raise ValueError
    return h, w


def _resize(value: Value) -> int | tuple[int, int] | None:
    sides = _sides(value)
    return sides[0] if sides and is_int(value) else sides


def _show_sides(value: tuple[int, int] | None) -> str:
    return "none" if value is None else str(value[0]) if value[0] == value[1] else f"{value[0]}x{value[1]}"


def _show_resize(value: int | tuple[int, int] | None) -> str:
    return f"{value[0]}x{value[1]}" if isinstance(value, tuple) else show_value(value)


def _color(value: Value) -> str | None:
    if value not in (None, "rgb", "bgr", "gray"):
        raise ValueError
    return str(value) if value else None


def _show_scale(value: float) -> str:
    parts = round(1 / value) if value > 1e-9 else 0
    return f"1/{parts}" if parts > 1 and value == 1 / parts else show_number(value)


_SCALE = number("a number above 0", lambda v: v > 0)
Scale = Annotated[float, Kind(_SCALE.words, _SCALE.convert, _show_scale)]
Mean = Annotated[tuple[float, ...], per_channel("a number, or a list with one a channel")]
Std = Annotated[tuple[float, ...], per_channel("a number above 0, or a list with one a channel", lambda v: v > 0)]
Color = Annotated[str | None, Kind('"rgb", "bgr" or "gray"', _color)]
Resize = Annotated[
    int | tuple[int, int] | None,
    Kind(f"the shorter side, from 1 to {MAX_SIDE}, or a pair such as 224x224", _resize, _show_resize),
]
Crop = Annotated[
    tuple[int, int] | None, Kind(f"an integer from 1 to {MAX_SIDE}, or a pair such as 224x192", _sides, _show_sides)
]


@dataclass(frozen=True, eq=False, repr=False)
class Preprocess(Declared):
    """Pixels from 0 to 255 become `(pixel * scale - mean) / std`.

    Pictures and uint8 arrays are pixels; float arrays are taken as they are. First `invert` turns a pixel into
    255 - pixel, then `resize` makes the shorter side so long (a pair: makes the sides, whatever the proportions;
    bilinear, antialiased), then `crop` takes the middle.

    Attributes
    ----------
    scale
        What a pixel is multiplied with.
    mean, std
        In the order of `color`, after scaling.
    color
        The order of the channels; unless written, rgb for three channels and gray for one.
    """

    scale: Scale = 1 / 255
    mean: Mean = (0.0,)
    std: Std = (1.0,)
    color: Color = None
    resize: Resize = None
    crop: Crop = None
    invert: Flag = False

    name = "input"
    argument_aliases = synonyms(
        scale="rescale scale_factor factor multiplier",
        mean="means average subtract offset image_mean",
        std="stds stddev sigma divide variance image_std",
        color="colour color_mode colorspace color_space mode channels channel_order",
        resize="size target_size image_size shorter_side",
        crop="center_crop centercrop crop_size",
        invert="inverted negate negative",
    )

    @classmethod
    def make(
        cls, values: Mapping[str, Value], channels: int | None = None, sides: tuple[Dim, ...] | None = None
    ) -> Preprocess:
        """From what the file says, by name, for an input with so many channels.

        Parameters
        ----------
        values
            Evaluated values of the language.
        channels
            The input's channels; None checks nothing against them.
        sides
            The input's height and width, `()` for a vector [N, C]; None checks nothing against them.

        Raises
        ------
        OperatorError
            E0318 with the argument's name.
        """
        _refuse_unknown(values)
        try:
            made = super().make(values)
        except OperatorError as error:
            message = error.message.replace("of `input` ", "", 1)
            raise OperatorError("E0318", message, argument=error.argument) from None
        made._check_channels(values, channels)
        made._check_sides(values, sides)
        return made

    def _check_channels(self, values: Mapping[str, Value], channels: int | None) -> None:
        if channels is None:
            return
        for name, given in (("mean", self.mean), ("std", self.std)):
            if len(given) not in (1, channels):
                here = _count(channels, "channel")
                message = f"`{name}` has {_count(len(given), 'number')}, and the input has {here}"
                raise OperatorError("E0318", message, argument=name, help=f"write one number, or {channels}")
        needed = {"rgb": 3, "bgr": 3, "gray": 1}.get(self.color or "", channels)
        if needed != channels:
            message = f"{_name(self.color)} pictures have {_count(needed, 'channel')}, and the input has {channels}"
            right = {1: '"gray"', 3: '"rgb"'}.get(channels)
            raise OperatorError(
                "E0318",
                message,
                argument="color",
                help=f"write color = {right}" if right else "leave `color` out: pictures have 1 or 3 channels",
                replacement=right,
            )

    def _check_sides(self, values: Mapping[str, Value], sides: tuple[Dim, ...] | None) -> None:
        if sides == ():
            for name in ("color", "resize", "crop", "invert"):
                if name in values:
                    message = f"`{name}` is for pictures, and the input is a vector [N, C]"
                    raise OperatorError("E0318", message, argument=name, help=f"leave `{name}` out")
        if self.crop and self.resize and not self._crop_fits():
            made = f"of a shorter side of {self.resize}" if isinstance(self.resize, int) else _size(self.resize)
            message = f"`crop` takes {_size(self.crop)} out of a picture that `resize` makes {made}"
            raise OperatorError("E0318", message, argument="crop", help="make `resize` at least as large as `crop`")
        match sides:
            case (int() as height, int() as width):
                self._check_result((height, width))

    def _crop_fits(self) -> bool:
        """Whether there is a picture that `crop` fits, once it is resized."""
        assert self.crop
        if isinstance(self.resize, tuple):
            return self.crop[0] <= self.resize[0] and self.crop[1] <= self.resize[1]
        return self.resize is None or min(self.crop) <= self.resize  # the longer side may be as long as it likes

    def _check_result(self, wanted: tuple[int, int]) -> None:
        sides = _show_sides(wanted)
        if self.crop and self.crop != wanted:
            message = f"`crop` gives {_size(self.crop)}, and the input takes {_size(wanted)}"
            raise OperatorError("E0318", message, argument="crop", help=f"write crop = {sides}", replacement=sides)
        if self.resize is None or self.crop:
            return
        right = min(wanted) if isinstance(self.resize, int) else wanted
        if self.resize != right:
            given = f"a shorter side of {self.resize}" if isinstance(self.resize, int) else _size(self.resize)
            message = f"`resize` gives {given}, and the input takes {_size(wanted)}"
            text = _show_resize(right)
            cure = f"add crop = {sides}, or write resize = {text}"
            raise OperatorError("E0318", message, argument="resize", help=cure, replacement=text)

    def order(self, channels: int) -> str | None:
        """The order of the channels of pictures; None where pictures cannot be this input."""
        return self.color or {1: "gray", 3: "rgb"}.get(channels)


def _refuse_unknown(values: Mapping[str, Value]) -> None:
    known = [f.name for f in Preprocess.fields()]
    for name in values:
        if name in known:
            continue
        other = Preprocess.argument_aliases.get(name.lower())
        import difflib

        close = difflib.get_close_matches(name, known, 1, 0.6)
        meant = other or (close[0] if close else None)
        help = f"did you mean `{meant}`?" if meant else f"an input has {', '.join(f'`{k}`' for k in known)}"
        raise OperatorError("E0318", f"an input has no `{name}`", argument=name, help=help)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _name(color: str | None) -> str:
    return {"rgb": "RGB", "bgr": "BGR"}.get(color or "", "gray")


def _size(sides: tuple[Any, Any]) -> str:
    return f"{sides[0]}x{sides[1]}"
