"""Text to audio: speech or music from a text.

References:
    transformers, Pipelines: TextToAudioPipeline; Auto Classes: AutoModelForTextToWaveform
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.errors import NotSupported
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, encoded
from workbench.engine.tasks.writing import drawing, watched
from workbench.engine.values import Sound, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="text-to-audio",
    heads=("AutoModelForTextToWaveform",),
    does="Speaks a text, or plays what it describes",
    inputs=(("text", "Text"),),
    options=("max_new_tokens", "seed"),
    shows="sound",
    example=TaskInput("The quick brown fox jumps over the lazy dog."),
    defaults=(("max_new_tokens", 256),),
)

#: Architectures that are given more than a text: a voice, or a conversation.
_MORE_THAN_TEXT = ("bark", "csm", "dia", "speecht5", "seamless_m4t", "seamless_m4t_v2")


def preprocess(request: Request) -> Inputs:
    """Tokenize the text.

    Raises:
        InputError: The text is empty.
        NotSupported: The architecture needs more than a text.
    """
    config = request.model.model.config
    if config.model_type in _MORE_THAN_TEXT:
        raise NotSupported(
            f"{request.model.checkpoint.name} needs more than a text.",
            why=f"The architecture {config.model_type} is given a voice or a conversation as well.",
            remedy="Load a checkpoint that speaks from a text alone, such as VITS (facebook/mms-tts).",
        )
    return encoded(request)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass that draws its noise by the seed, or one a step where the model generates: ``waveform``."""
    model = request.model.model
    tensors = request.on_device(inputs.tensors)
    if model.can_generate():
        with watched(request, 1) as (settings, _first), drawing(request, True):
            # Whether it draws is for the checkpoint's own generation config to say: music that isn't drawn is dull.
            del settings["do_sample"]
            waveform = model.generate(**tensors, **settings)
    else:
        with drawing(request, True):
            waveform = model(**tensors)[0]
    return {"waveform": waveform.float().cpu()}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The waveform as samples of shape ``(samples,)``, with how many make a second."""
    samples = outputs["waveform"].squeeze()
    samples = samples.mean(dim=0) if samples.dim() > 1 else samples
    return Outcome({"samples": samples}, (Sound(samples.numpy(), rate(request)),))


def rate(request: Request) -> int:
    """Samples a second, as the config says.

    Raises:
        NotSupported: It says nothing.
    """
    config = request.model.model.config
    for owner in (config, getattr(config, "audio_encoder", None), getattr(config, "codec_config", None)):
        for name in ("sampling_rate", "sample_rate"):
            found = getattr(owner, name, None)
            if isinstance(found, int):
                return found
    raise NotSupported(
        f"What {request.model.checkpoint.name} says can't be played.",
        why="Its config does not say how many samples make a second.",
        remedy="Load another checkpoint.",
    )
