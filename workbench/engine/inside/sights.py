"""The picture that a model is given, as it is drawn: with the processor's normalization undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.generate import pictures
from workbench.engine.inside.given import Sight

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.engine.models import LoadedModel

#: Pixels of the longer side of a picture that was cut into strips.
_SIDE = 1024


def sight_of(tensors: Mapping[str, Any], processor: Any, path: Path) -> Sight:
    """The picture as the processor made it.

    Args:
        tensors: What it made, by the argument of ``model(…)``.
        processor: How it normalizes.
        path: The picture's file.
    """
    pixels = tensors.get("pixel_values")
    if pixels is not None and pixels.ndim == 5 and pixels.shape[:2] == (1, 1):
        pixels = pixels[0]
    if pixels is not None and pixels.ndim == 4 and len(pixels) == 1:
        values = pixels[0].float().cpu().numpy()
        return Sight(_colors(values, processor), (values.shape[1], values.shape[2]))
    from PIL import Image

    opened = pictures.read(path)
    opened.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    merged = _merged(tensors, getattr(processor, "merge_size", 1) or 1)
    return Sight(np.asarray(opened), (opened.height, opened.width), whole=merged is not None, merged=merged)


def sight_within(module: nn.Module, call: Mapping[str, Any], processor: Any, path: Path) -> Sight | None:
    """The picture as a model inside another is given it; None where it is given none.

    Args:
        module: That model.
        call: What it is called with.
        processor: How the pixels were normalized.
        path: The picture's file.
    """
    grid, places = call.get("grid_thw"), call.get("pixel_position_ids")
    if grid is not None:
        one = len(grid) == 1 and int(grid[0, 0]) == 1
        sight = sight_of({"image_grid_thw": grid} if one else {}, None, path)
        return replace(sight, order=_ordered(module, call)) if one else sight
    if places is not None and len(places) == 1:
        # Those that are filled up have no place.
        seen = [(row, column, number) for number, (column, row) in enumerate(places[0].tolist()) if row >= 0]
        size = max(row for row, *_ in seen) + 1, max(column for _, column, _ in seen) + 1
        sight = replace(sight_of({}, None, path), whole=True, merged=size)
        return replace(sight, order=tuple(number for *_, number in sorted(seen)))
    pixels = [each for each in call.values() if getattr(each, "ndim", 0) in (4, 5) and each.shape[-3] == 3]
    if not pixels:
        return None
    crops = pixels[0].flatten(0, -4)
    # Those that were cut are drawn one below the other.
    sight = sight_of({"pixel_values": _stacked(crops)[None]}, processor, path)
    return replace(sight, crops=len(crops))


def _stacked(crops: Tensor) -> Tensor:
    """Pictures ``(crops, channels, height, width)`` as one, each below the one before."""
    return crops.transpose(0, 1).flatten(1, 2)


def _ordered(module: nn.Module, call: Mapping[str, Any]) -> tuple[int, ...]:
    """The position of each patch, row by row, of a model that reads a picture in blocks or in windows of blocks."""
    from transformers.vision_utils import get_vision_position_ids, get_vision_window_index

    config: Any = module.config
    grid, side = call["grid_thw"], config.spatial_merge_size
    places = get_vision_position_ids(grid, side)
    if hasattr(module, "permute_input_for_window_attn"):
        windows, _ = get_vision_window_index(grid, side, config.window_size, config.patch_size)
        places = places.reshape(-1, side**2, 2)[windows.to(places.device)].flatten(0, 1)
    by_row = sorted(range(len(places)), key=places.tolist().__getitem__)
    return tuple(by_row)


def _merged(tensors: Mapping[str, Any], side: int) -> tuple[int, int] | None:
    """Rows and columns that the processor tells of what it cut a picture into."""
    grid, strips = tensors.get("image_grid_thw"), tensors.get("flattened_patches")
    if grid is not None and len(grid) == 1:
        return int(grid[0, 1]) // side, int(grid[0, 2]) // side
    if strips is not None and len(strips) == 1:
        # Each begins with its row and column, counted from 1.
        return int(strips[0, :, 0].max()), int(strips[0, :, 1].max())
    return None


def _colors(values: np.ndarray, processor: Any) -> np.ndarray:
    """Numbers ``(channels, height, width)`` as colours, with what the processor did to them undone."""
    # Behind the colours some have what is known of each pixel, such as a trimap, which nothing was done to.
    values = values[:3] if len(values) > 3 else values
    mean, std = (getattr(processor, name, None) for name in ("image_mean", "image_std"))
    if getattr(processor, "do_normalize", False) and mean is not None and std is not None:
        mean, std = (np.broadcast_to(np.asarray(each, np.float32), len(values)) for each in (mean, std))
        values = values * std[:, None, None] + mean[:, None, None]
    if not getattr(processor, "do_rescale", True):
        values = values / 255
    values = values if len(values) == 3 else np.repeat(values[:1], 3, axis=0)
    return np.ascontiguousarray((values.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0))


def spectrogram(model: LoadedModel, values: Tensor) -> Sight | None:
    """The spectrogram ``(1, frames, bins)`` of a model that looks at it as a picture: a row a bin, low ones first."""
    config = model.model.config
    down, across = (getattr(config, f"{name}_stride", None) for name in ("frequency", "time"))
    if not (isinstance(down, int) and isinstance(across, int)) or values.ndim != 3:
        return None
    shades = values[0].T.float().numpy()
    shades = (shades - shades.min()) / ((shades.max() - shades.min()) or 1.0)
    grey = np.repeat((shades * 255).round().astype(np.uint8)[..., None], 3, axis=2)
    bins, frames = shades.shape
    merged = (bins - config.patch_size) // down + 1, (frames - config.patch_size) // across + 1
    return Sight(np.ascontiguousarray(grey), (bins, frames), merged=merged, front=2)
