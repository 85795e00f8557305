"""What a few architectures are given beside a text or a picture: regions that a detector found, an example to follow.

References:
    transformers, LxmertModel, VisualBertModel and SegGptImageProcessor
    Wang et al. 2023, SegGPT: Segmenting Everything In Context
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError, first_line
from workbench.engine.generate import pictures
from workbench.engine.tasks.inputs import Inputs, Request
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.vision import picture, prepared

if TYPE_CHECKING:
    from workbench.engine.tasks.inputs import Spec

REGIONS = {"lxmert": ("visual_feats", "visual_pos"), "visual_bert": ("visual_embeds",)}
"""Architectures that are shown regions of a picture, which another model has found, and the names of their numbers."""

FOLLOWS = ("seggpt",)
"""Architectures that are shown another picture and its mask, and do likewise."""

PAIRS = ("efficientloftr",)
"""Architectures that are shown two pictures of one thing."""

BETWEEN = (
    "blip_2_qformer", "mimi_decoder", "muse_glimmer_assistant", "nemotron3_5_transcribe_word_timestamp",
    "pocket_tts_audio_tokenizer_decoder", "vibevoice_acoustic_tokenizer_decoder",
)  # fmt: skip
"""Parts of larger models that read what another part writes, which nobody can type: tensors in a file."""

BODIES = ("kyutai_speech_to_text", "perceiver")
"""Architectures whose bodies alone are such parts: Kyutai's reads the codes of a sound, Perceiver's any vectors."""


def stands_between(model_type: str, head: str) -> bool:
    """Whether a model reads what another part of a larger one writes.

    Args:
        model_type: Of the config.
        head: Its Auto class.
    """
    return model_type in BETWEEN or (model_type in BODIES and head == "AutoModel")


def given(model_type: str, head: str) -> tuple[str, ...]:
    """The fields of `TaskInput` that a model of these is given; none for others.

    Args:
        model_type: Of the config.
        head: Its Auto class.
    """
    if model_type in REGIONS:
        return ("text", "beside")
    if stands_between(model_type, head):
        return ("beside",)
    if model_type in PAIRS:
        return ("image", "other")
    return ("image", "other", "beside") if model_type in FOLLOWS else ()


def inputs(spec: Spec, model_type: str, head: str) -> tuple[tuple[str, str], ...]:
    """The fields of raw outputs as they are for a model, with their labels.

    Args:
        spec: Of the task.
        model_type: Of the config.
        head: Its Auto class.
    """
    if model_type in REGIONS:
        names = ", ".join(REGIONS[model_type])
        return (("text", "Text"), ("beside", f"Regions of a picture that a detector found (.npz: {names})"))
    if stands_between(model_type, head):
        return (("beside", "What another part of the model writes (.npz)"),)
    if model_type in PAIRS:
        return (("image", "Picture"), ("other", "Second picture"))
    if model_type in FOLLOWS:
        shown = ("other", "Picture to learn from"), ("beside", "Mask of the picture to learn from (.png)")
        return (("image", "Picture"), *shown)
    return spec.inputs


def regions(request: Request) -> Inputs:
    """The numbers of the regions by the names that the model takes them by, each of shape ``(1, regions, numbers)``.

    Returns:
        The tensors; none where no file was given and the model reads a text alone as well.

    Raises:
        InputError: The file can't be read or has other numbers, or there is none and the model can't do without.
    """
    import numpy
    import torch

    path, wanted = request.given.beside, REGIONS[request.model.facts.model_type]
    takes = inspect.signature(request.model.model.forward).parameters
    if path is None:
        if "visual_feats" not in takes:
            return Inputs({})
        raise InputError(
            "There are no regions yet.",
            why=f"{request.model.checkpoint.name} reads a text beside regions of a picture that a detector found, and "
            "the library has no such detector.",
            remedy=f"Choose an .npz file with {' and '.join(wanted)}, a region a row.",
        )
    what = f"The regions {path.name} can't be used."
    remedy = f"Choose an .npz file with {' and '.join(wanted)}, a region a row."
    try:
        loaded = numpy.load(path, allow_pickle=False)
        found = {wanted[0]: loaded} if isinstance(loaded, numpy.ndarray) else dict(loaded)
    except (OSError, ValueError, EOFError) as error:
        said = first_line(error).rstrip(".")
        raise InputError(what, why=f"The file can't be read: {said}.", remedy=remedy) from error
    if set(found) != set(wanted) or any(each.ndim != 2 or each.dtype.kind not in "iuf" for each in found.values()):
        held = ", ".join(f"{name} of shape {each.shape}" for name, each in found.items()) or "nothing"
        raise InputError(what, why=f"It holds {held}.", remedy=remedy)
    return Inputs({name: torch.from_numpy(found[name].astype(numpy.float32))[None] for name in wanted})


def between(request: Request) -> Inputs:
    """The tensors that another part of the model has written, as the file has them.

    Raises:
        InputError: There is no file, it can't be read, or its arrays have no names that the model knows.
    """
    import numpy
    import torch

    path, name = request.given.beside, request.model.checkpoint.name
    takes = [each for each in inspect.signature(request.model.model.forward).parameters if each != "kwargs"]
    shape = _shape(request)
    remedy = f"Choose an .npz file with {takes[0]}{shape}, as NumPy's savez writes it."
    if path is None:
        why = f"{name} is a part of a larger model and reads what another part writes: {takes[0]}."
        raise InputError("There is nothing to run it on yet.", why=why, remedy=remedy)
    what = f"The tensors {path.name} can't be used."
    try:
        found = dict(numpy.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError, TypeError) as error:
        said = first_line(error).rstrip(".")
        raise InputError(what, why=f"The file can't be read: {said}.", remedy=remedy) from error
    if not found or set(found) - set(takes) or any(each.dtype.kind not in "biuf" for each in found.values()):
        held = ", ".join(found) or "nothing"
        raise InputError(what, why=f"It holds {held}, and the model reads {', '.join(takes[:6])}.", remedy=remedy)
    return Inputs({each: torch.from_numpy(array) for each, array in found.items()})


def _shape(request: Request) -> str:
    """Of which shape the tensor is, where the config says so."""
    config = request.model.model.config
    widths = {"kyutai_speech_to_text": ("moments", "num_codebooks", 1), "perceiver": ("places", "d_model", 0)}
    axis, name, more = widths.get(request.model.facts.model_type, ("", "", 0))
    return f" of shape (1, {axis}, {getattr(config, name) + more})" if axis else ""


def followed(request: Request) -> Inputs:
    """The picture, the one to learn from and its mask, as the checkpoint's processor prepares them.

    Raises:
        InputError: One of them is missing, can't be read, or can't be prepared.
        NotSupported: The checkpoint has no image processor that works here.
    """
    import torch

    opened = picture(request)
    given = request.given
    if given.other is None or given.beside is None:
        raise InputError(
            "There is nothing to learn from yet.",
            why=f"{request.model.checkpoint.name} is shown another picture and its mask, and marks the same in this.",
            remedy="Choose a second picture, and its mask in grey.",
        )
    shown, mask = pictures.read(given.other), pictures.read(given.beside).convert("L")
    tensors = prepared(image_processor(request.model), images=[opened], prompt_images=[shown], prompt_masks=[mask])
    return Inputs(tensors, {"target_size": torch.tensor([[opened.height, opened.width]])})
