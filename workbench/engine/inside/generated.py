"""What ``generate()`` alone prepares: codes of a sound beside each token, a song's rows, one model after the other."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

from workbench.engine.inside.submodels import composed, joined
from workbench.engine.tasks import notes, raw_beside, transcribing
from workbench.engine.tasks.any_to_any import TALKERS
from workbench.engine.tasks.inputs import Request
from workbench.engine.tasks.speaking import stoppable

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

#: What each step of ``generate()`` has a part of, of models that write beside what they hear.
STEPS = {
    "kyutai_speech_to_text": ("input_ids",),
    "voxtral_realtime": ("input_ids", "encoder_inputs_embeds"),
}
#: Models that write the codes of a song after a text, several at each step.
SONGS = ("musicgen", "musicgen_melody")
#: What ``generate()`` calls a tensor that is for the model that thinks alone.
OWN = {"pixel_values": "thinker_pixel_values"}
#: Tokens at most of each model that writes before the one that is looked into.
SHORT = 8


def by_generate(
    request: Request, tensors: dict[str, Tensor], most: int
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """What a model is given that ``generate()`` alone prepares passes of.

    Args:
        request: The model, and a task to ask whether to stop.
        tensors: What the task's own preprocessing made.
        most: Positions at most.

    Returns:
        Arguments of a pass, empty where the model has none of its own, and of ``generate()``; None for other models.
    """
    model = request.model
    kind = model.facts.model_type
    if composed(model):
        # The model that talks refuses a picture's numbers, which the library would hand to each.
        named = {OWN.get(name, name): each for name, each in tensors.items()} if _talks(model) else tensors
        return {}, named | _writing(model)
    writes = not (raw_beside.stands_between(kind, model.head) or transcribing.goes_along(model))
    if kind in transcribing.PACED and writes:
        run = tensors | {"max_new_tokens": _moments(model, tensors, most), "do_sample": False}
        return joined(model, run, STEPS[kind], task=request.task), run
    if kind in SONGS:
        # With guidance each step is a pass over the text and over none.
        run = tensors | {"max_new_tokens": SHORT, "do_sample": False, "guidance_scale": 1.0}
        return tensors | joined(model, run, ("decoder_input_ids",), task=request.task), run
    if kind == notes.ARCHITECTURE:
        return _notes(request, tensors["input_features"], most), {}
    return None


def _notes(request: Request, features: Tensor, most: int) -> dict[str, Any]:
    """What Pop2Piano makes of a song, a row a part of it, and the notes that it writes for each."""
    import torch

    model: Any = request.model.model
    settings = copy.deepcopy(model.generation_config)
    features = features.to(model.device, model.dtype)
    with torch.inference_mode(), stoppable(request):
        # The library writes what it is told into the config that it is told of.
        written = model.generate(
            features, generation_config=settings, max_new_tokens=max(1, most // len(features)), do_sample=False
        )
        heard, _ = model.get_mel_conditioner_outputs(features, "composer1", settings)
    return {"input_features": heard, "decoder_input_ids": written}


def _moments(model: LoadedModel, tensors: dict[str, Tensor], most: int) -> int:
    """Tokens that a model writes beside a sound, one a moment, as far as it is looked into."""
    config: Any = model.model.config
    if "input_values" in tensors:
        return min(most, int(tensors["input_values"].shape[-1]) // int(config.frame_size))
    return min(most, math.ceil(int(tensors["input_features"].shape[-1]) / int(config.audio_length_per_tok)))


def _writing(model: LoadedModel) -> dict[str, Any]:
    """How the models of one without a pass work one after the other, as short as they can."""
    if model.facts.model_type not in TALKERS:
        return {"semantic_max_new_tokens": SHORT}
    told = {"thinker_max_new_tokens": SHORT, "thinker_do_sample": False}
    if not _talks(model):
        return told | {"generation_mode": "text"}
    pad = getattr(model.tokenizer, "pad_token_id", None)
    more = {"thinker_pad_token_id": pad} if pad is not None else {}
    return told | more | {"talker_max_new_tokens": SHORT, "generation_mode": "audio"}


def _talks(model: LoadedModel) -> bool:
    return bool(getattr(model.model, "has_talker", False))
