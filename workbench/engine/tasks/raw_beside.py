"""What a few architectures are given beside a text or a picture: regions that a detector found, an example to follow.

References:
    transformers, LxmertModel, VisualBertModel and SegGptImageProcessor
    Wang et al. 2023, SegGPT: Segmenting Everything In Context
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, first_line
from workbench.engine.generate import pictures
from workbench.engine.tasks import samples
from workbench.engine.tasks.inputs import Inputs, Request, check_text
from workbench.engine.tasks.processors import image_processor, processor
from workbench.engine.tasks.speaking import AT_ONCE
from workbench.engine.tasks.vision import picture, prepared

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel
    from workbench.engine.tasks.inputs import Spec

REGIONS = {"lxmert": ("visual_feats", "visual_pos"), "visual_bert": ("visual_embeds",)}
"""Architectures that are shown regions of a picture, which another model has found, and the names of their numbers."""

TOGETHER = (
    "idefics", "kosmos-2", "kyutai_speech_to_text", "lxmert", "sam3_lite_text", "tvp", "vilt", *AT_ONCE,
)  # fmt: skip
"""Architectures that make no vectors of a text alone, whatever their signatures allow.

A sound, regions or a film go with it, or what comes out first is a sound.
"""

FOLLOWS = ("seggpt",)
"""Architectures that are shown another picture and its mask, and do likewise."""

PAIRS = ("efficientloftr", "lightglue")
"""Architectures that are shown two pictures of one thing."""

_Shapes = dict[str, tuple[str | int, ...]]

WRITTEN: dict[str, Callable[[Any], _Shapes]] = {
    "blip_2_qformer": lambda config: {
        "query_embeds": ("queries", config.hidden_size),
        "encoder_hidden_states": ("patches", config.encoder_hidden_size),
    },
    "glm_image_vqmodel": lambda config: {"hidden_states": (config.latent_channels, "rows", "columns")},
    "kyutai_speech_to_text": lambda config: {"input_ids": ("moments", config.num_codebooks + 1)},
    "mimi_decoder": lambda config: {"latents": (config.hidden_size, "frames")},
    "muse_glimmer_assistant": lambda config: {
        "noise_embeds": (config.block_size, config.hidden_size),
        "context_hidden_states": ("tokens", config.hidden_size * len(config.target_layer_ids)),
    },
    "nemotron3_5_transcribe_word_timestamp": lambda config: {"inputs_embeds": ("frames", config.hidden_size)},
    "perceiver": lambda config: {"inputs": ("places", config.d_model)},
    "pocket_tts_audio_tokenizer_decoder": lambda config: {"latents": (config.hidden_size, "frames")},
    "speecht5": lambda config: dict.fromkeys(("input_values", "decoder_input_values"), ("places", config.hidden_size)),
    "vibevoice_acoustic_tokenizer_decoder": lambda config: {"hidden_states": (config.hidden_size, "frames")},
}
"""Parts of larger models that read what another part writes, which nobody can type: tensors in a file.

Each is named with its axes behind the batch, by the config: a number, or a word for what may be any number.
"""

BODIES = ("kyutai_speech_to_text", "perceiver", "speecht5")
"""Architectures whose bodies alone are such parts: Kyutai's reads the codes of a sound, the others any vectors."""

ACTS = ("pi0",)
"""Architectures that say what a robot does next, of a picture, a text and the state that it is in: that is a file too.

Their bodies read that state, and the moves to be made better, as vectors.
"""

SAMPLES = "sample_actions"
"""The method of those that makes moves of noise, in many passes."""

MARKED = {"glm_image": "image_token", "t5gemma2_encoder": "boi_token"}
"""Bodies for which a mark in the text stands for a picture, though the library has them not among those that see; by
the mark's name in their processors."""

METHODS = {"glm_image_vqmodel": "encode"}
"""What is called of architectures that have no ``forward``, by the name of the method."""

#: How many there are in an example of what may be any number.
_MANY = 6


def stands_between(model_type: str, head: str) -> bool:
    """Whether a model reads what another part of a larger one writes.

    Args:
        model_type: Of the config.
        head: Its Auto class.
    """
    return model_type in WRITTEN and (model_type not in BODIES or head == "AutoModel")


def reads_file(model_type: str, head: str) -> bool:
    """Whether a model reads tensors of a file: all that it reads, or beside a picture and a text.

    Args:
        model_type: Of the config.
        head: Its Auto class.
    """
    return model_type in ACTS or stands_between(model_type, head)


def takes(model: LoadedModel) -> tuple[str, ...]:
    """The arguments of the pass that raw outputs show: of ``forward``, or of what a model has in its place."""
    method = METHODS.get(model.facts.model_type, "forward")
    return tuple(name for name in inspect.signature(getattr(model.model, method)).parameters if name != "kwargs")


def passes(model: LoadedModel) -> bool:
    """Whether a model has a pass of its own over what it is given.

    Bark has none, and lets the models in it work one after the other; what follows things through a film is handed a
    session of it at each frame.
    """
    forward = model.model.forward
    if "inference_session" in inspect.signature(forward).parameters:
        return False
    return model.facts.model_type in METHODS or forward.__name__ != "_forward_unimplemented"


def moves(model: LoadedModel, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a robot is to do: ``actions`` of shape ``(1, chunk, numbers)``, made better step by step from noise.

    Args:
        model: Of any architecture; those that don't act, and bodies alone, give none.
        inputs: What a pass is called with, on the model's device.
    """
    if model.facts.model_type not in ACTS or not hasattr(model.model, SAMPLES):
        return {}
    sample: Any = getattr(model.model, SAMPLES)
    known = inspect.signature(sample).parameters
    return {"actions": sample(**{name: tensor for name, tensor in inputs.items() if name in known})}


def shapes(model: LoadedModel) -> _Shapes:
    """The tensors that a model of these reads of a file, with their axes; empty for models that read none.

    The batch is the first, but of regions, which stand in a file a row each.
    """
    config: Any = model.model.config
    kind = model.facts.model_type
    if kind in REGIONS:
        width = getattr(config, "visual_feat_dim", None) or config.visual_embedding_dim
        return {name: ("regions", 4 if name.endswith("pos") else width) for name in REGIONS[kind]}
    if not reads_file(kind, model.head):
        return {}
    if kind not in ACTS:
        found = WRITTEN[kind](config)
    elif model.head == "AutoModel":
        found = {"action_embeds": ("moves", config.dit_config.hidden_size)}
    else:
        found = {"state": (config.max_state_dim,)}
    return {name: (1, *axes) for name, axes in found.items()}


def example(model: LoadedModel) -> Path | None:
    """A file of tensors of the right shapes to try a model of these on, with numbers drawn once: they mean nothing.

    None for models that read no such file.
    """
    import numpy

    draw = numpy.random.default_rng(0)
    made: dict[str, Any] = {}
    for name, axes in shapes(model).items():
        sizes = [axis if isinstance(axis, int) else _MANY for axis in axes]
        if name == "input_ids":
            config: Any = model.model.config
            made[name] = draw.integers(0, min(config.vocab_size, config.codebook_vocab_size), sizes)
        else:
            made[name] = draw.standard_normal(sizes, dtype=numpy.float32)
    return samples.tensors(made) if made else None


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
    if model_type in ACTS:
        return ("image", "text", "beside")
    if model_type in MARKED:
        return ("text", "image")
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
    if model_type in ACTS:
        state = "State and moves, as vectors (.npz: action_embeds)" if head == "AutoModel" else "State (.npz: state)"
        return (("image", "Picture"), ("text", "What to do"), ("beside", state))
    if model_type in MARKED:
        return (("text", "Text"), ("image", "Picture, if there is one"))
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
    if path is None:
        if "visual_feats" not in takes(request.model):
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
    """The tensors that another part of the model has written, or the state of a robot, as the file has them.

    Raises:
        InputError: There is no file, it can't be read, or its arrays have no names that the model knows, or other
            shapes.
    """
    import numpy
    import torch

    path, name = request.given.beside, request.model.checkpoint.name
    reads, wanted = takes(request.model), shapes(request.model)
    written = " and ".join(f"{each} of shape ({', '.join(map(str, axes))})" for each, axes in wanted.items())
    remedy = f"Choose an .npz file with {written}, as NumPy's savez writes it."
    if path is None:
        why = f"{name} is a part of a larger model and reads what another part writes: {', '.join(wanted)}."
        if request.model.facts.model_type in ACTS:
            why = f"{name} says what a robot does next, and is told of it in numbers: {', '.join(wanted)}."
        raise InputError("There is nothing to run it on yet.", why=why, remedy=remedy)
    what = f"The tensors {path.name} can't be used."
    try:
        found = dict(numpy.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError, TypeError) as error:
        said = first_line(error).rstrip(".")
        raise InputError(what, why=f"The file can't be read: {said}.", remedy=remedy) from error
    if not found or set(found) - set(reads) or any(each.dtype.kind not in "biuf" for each in found.values()):
        held = ", ".join(found) or "nothing"
        raise InputError(what, why=f"It holds {held}, and the model reads {', '.join(reads[:6])}.", remedy=remedy)
    for each, axes in wanted.items():
        if each in found and not _fits(found[each].shape, axes):
            raise InputError(what, why=f"Its {each} are of shape {found[each].shape}.", remedy=remedy)
    return Inputs({each: torch.from_numpy(array) for each, array in found.items()})


def _fits(shape: tuple[int, ...], axes: tuple[str | int, ...]) -> bool:
    """Whether sizes are those that are wanted, of as many rows as there may be."""
    pairs = zip(shape[1:], axes[1:], strict=False)
    return len(shape) == len(axes) and all(size == axis for size, axis in pairs if isinstance(axis, int))


def told(request: Request) -> Inputs:
    """A text and a picture as the checkpoint's processor prepares them together; some do without the picture.

    Raises:
        InputError: One of them is missing, or the picture can't be read.
        NotSupported: The checkpoint has no processor that works here.
    """
    check_text(request.text)
    reader, text, kind = processor(request.model), request.text, request.model.facts.model_type
    if kind not in MARKED:
        return Inputs(prepared(reader, images=[picture(request)], text=[text]))
    if request.given.image is None:
        return Inputs(prepared(reader, text=[text]))
    return Inputs(prepared(reader, images=[picture(request)], text=[getattr(reader, MARKED[kind]) + text]))


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
