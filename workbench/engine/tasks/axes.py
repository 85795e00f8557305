"""What the axes of a tensor are: of outputs as the library documents them, of inputs by their names.

References:
    transformers, Model outputs: the shape that each field is documented with
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from workbench.engine.models import LoadedModel

_IMAGE = ("channels", "height", "width")
_INPUTS = {
    ("input_ids", 2): ("batch", "sequence"),
    ("attention_mask", 2): ("batch", "sequence"),
    ("token_type_ids", 2): ("batch", "sequence"),
    ("decoder_input_ids", 2): ("batch", "sequence"),
    ("offset_mapping", 3): ("batch", "sequence", "start and end"),
    ("pixel_values", 4): ("batch", *_IMAGE),
    ("pixel_values", 5): ("batch", "frames", *_IMAGE),
    ("pixel_values_videos", 5): ("batch", "frames", *_IMAGE),
    ("pixel_mask", 3): ("batch", "height", "width"),
    ("bool_masked_pos", 2): ("batch", "patches"),
    ("input_values", 2): ("batch", "samples"),
    ("target_size", 2): ("batch", "height and width"),
    ("past_values", 2): ("batch", "moments"),
    ("past_values", 3): ("batch", "moments", "channels"),
}
_WORDS = {"batch_size": "batch", "sequence_length": "sequence", "num_channels": "channels", "seq_len": "sequence"}


def inputs(name: str, dimensions: int) -> tuple[str, ...]:
    """The axes of what a model is called with; empty where its name does not tell them."""
    return _INPUTS.get((name, dimensions), ())


@contextmanager
def watched(model: LoadedModel) -> Iterator[dict[str, tuple[str, ...]]]:
    """The axes of what comes out of a model, by the names of `outputs`, filled in at its first pass.

    Those after it, one for each token that is written, are left alone: to look at each took a share of the time.
    """
    found: dict[str, tuple[str, ...]] = {}
    handles: dict[Any, RemovableHandle] = {}

    def note(module: Any, _arguments: Any, output: Any) -> None:
        handles[module].remove()
        found.update(outputs(output))

    for each in {model.model.base_model, model.model}:
        handles[each] = each.register_forward_hook(note)
    try:
        yield found
    finally:
        for handle in handles.values():
            handle.remove()


def outputs(output: Any, name: str = "", known: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """The axes of every tensor in an output, by its name; those in tuples have their place after it."""
    import torch

    if isinstance(output, torch.Tensor):
        return {name: known} if name and len(known) == output.ndim else {}
    parts: list[tuple[str, Any]] = []
    if isinstance(output, dict):
        parts = [(str(key), value) for key, value in output.items()]
    elif isinstance(output, (tuple, list)):
        parts = [(str(index), value) for index, value in enumerate(output)]
    fields = documented(type(output)) if isinstance(output, dict) else {}
    found: dict[str, tuple[str, ...]] = {}
    for key, value in parts:
        found |= outputs(value, f"{name}.{key}" if name else key, fields.get(key, known))
    return found


@functools.cache
def documented(kind: type) -> dict[str, tuple[str, ...]]:
    """The axes of each field of a class of outputs, as its documentation writes its shape."""
    text = kind.__doc__ or ""
    found = {}
    # Each field's name, with all that is said of it up to the next one.
    for name, said in re.findall(r"^ *(\w+) \(`(.*?)(?=^ *\w+ \(`|\Z)", text, re.MULTILINE | re.DOTALL):
        shape = re.search(r"of shape\s+`\(([^`]*)\)`", said)
        if shape:
            axes = [" ".join(each.split()) for each in shape[1].split(",")]
            found[name] = tuple(_WORDS.get(each, each.removeprefix("config.")) for each in axes if each)
    return found
