"""The ways in and out: from the caller's arrays [N, C, H, W] to blocks or planes, and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cnnlang.backends.numba_cpu.kernels.move import Move, Rows
from cnnlang.backends.numba_cpu.plan.places import Place
from cnnlang.backends.numba_cpu.plan.stages import At, Outside, longs

AddStage = Callable[..., None]


def enter(stage: AddStage, index: int, place: Place) -> None:
    """Input number `index` becomes what lies in a place."""
    x, out = Outside(True, index), At(place.buffer, place.offset)
    channels, height, width = place.channels, place.height, place.width
    cells = height * width
    if place.lanes == 1 or _is_run(place):  # rows of planes, or features, as they are
        planes, rows, run = (channels, height, width) if place.lanes == 1 else (1, 1, channels)
        stage(
            "input", Rows(), place.images * planes * rows, x=x, out=out, planes=planes, height=rows, width=run,
            x_image=channels * cells, x_plane=cells, x_row=width,
            out_image=place.image, out_plane=place.plane, out_row=place.row,
        )  # fmt: skip
        return
    stage(
        "input", Move(whole=False), place.images * channels * height, x=x, out=out,
        channel_from=longs(np.arange(channels) * cells), channel_to=longs([place.channel(c) for c in range(channels)]),
        row_from=longs(np.arange(height) * width), column_from=longs(np.arange(width)),
        channels=channels, height=height, width=width, x_image=channels * cells,
        out_image=place.image, out_row=place.row, out_step=place.lanes, value=0.0,
    )  # fmt: skip


def leave(stage: AddStage, index: int, place: Place) -> None:
    """What lies in a place becomes output number `index`."""
    x, out = At(place.buffer, place.offset), Outside(False, index)
    channels, height, width = place.channels, place.height, place.width
    cells = height * width
    if _is_run(place):
        stage(
            "output", Rows(), place.images, x=x, out=out, planes=1, height=1, width=channels,
            x_image=place.image, x_plane=0, x_row=0, out_image=channels, out_plane=0, out_row=0,
        )  # fmt: skip
        return
    stage(
        "output", Move(whole=False), place.images * channels * height, x=x, out=out,
        channel_from=longs([place.channel(c) for c in range(channels)]), channel_to=longs(np.arange(channels) * cells),
        row_from=longs(np.arange(height) * place.row), column_from=longs(np.arange(width) * place.lanes),
        channels=channels, height=height, width=width, x_image=place.image,
        out_image=channels * cells, out_row=width, out_step=1, value=0.0,
    )  # fmt: skip


def _is_run(place: Place) -> bool:
    """Whether an image is one cell, whose channels follow each other in memory."""
    return place.height == place.width == 1 < place.lanes and (place.blocks == 1 or place.plane == place.lanes)
