"""Where values lie: in blocks of channels as wide as a vector, one after the other, with room around each map.

The cell (channel c, row y, column x) of an image is at float
`offset + image * n + plane * (c // lanes) + row * y + lanes * x + c % lanes` of its buffer. The room around a map (its
halo) is where a convolution's window looks beyond the border; it holds what the convolution pads with. Features [N, C]
are maps of one cell. Lanes beyond the last channel hold any finite number: a convolution's weights for them are 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

BEYOND = 64  # floats that a vector may read behind the last cell


@dataclass(eq=False)
class Buffer:
    """A part of the arena."""

    size: int = 0  # floats
    offset: int = 0  # floats from the arena's begin
    is_cleared: bool = False  # begins as zeros, and nobody else may use it


@dataclass(frozen=True, slots=True)
class Halo:
    """Cells around a map, and the number in them."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0
    value: float = 0.0

    @property
    def is_none(self) -> bool:
        return not (self.top or self.bottom or self.left or self.right)

    def joined(self, other: Halo) -> Halo | None:
        """Room for both; None where they hold different numbers."""
        if self.is_none or other.is_none or self.value == other.value:
            value = other.value if self.is_none else self.value
            top, bottom = max(self.top, other.top), max(self.bottom, other.bottom)
            return Halo(top, bottom, max(self.left, other.left), max(self.right, other.right), value)
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A value's place in the arena, or a part of another value's."""

    buffer: Buffer
    images: int
    channels: int
    height: int
    width: int
    lanes: int
    halo: Halo = field(default_factory=Halo)
    offset: int = 0
    image: int = 0
    plane: int = 0
    row: int = 0

    @property
    def blocks(self) -> int:
        return -(-self.channels // self.lanes)

    def channel(self, c: int) -> int:
        """Floats from a cell of channel 0 to the same cell of channel c."""
        return self.plane * (c // self.lanes) + c % self.lanes

    def slice(self, start: int, channels: int) -> Place:
        """The channels from `start`, which begins a block."""
        return replace(self, channels=channels, offset=self.offset + self.channel(start))


def new_place(images: int, channels: int, height: int, width: int, lanes: int, halo: Halo) -> Place:
    """Room for a value."""
    row = (width + halo.left + halo.right) * lanes
    plane = row * (height + halo.top + halo.bottom)
    blocks = -(-channels // lanes)
    image = plane * blocks
    buffer = Buffer(image * images + BEYOND)
    offset = halo.top * row + halo.left * lanes
    return Place(buffer, images, channels, height, width, lanes, halo, offset, image, plane, row)
