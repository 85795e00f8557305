"""Text to audio: speech or music from a text.

Some models write the sound itself. Others, such as SpeechT5, write a spectrogram, which a second model, the vocoder,
turns into a sound, and are told whose voice to speak with by a vector. What else an architecture is given is in
`speaking`.

References:
    transformers, Pipelines: TextToAudioPipeline; Auto Classes: AutoModelForTextToWaveform,
    AutoModelForTextToSpectrogram
    Ao et al. 2021, SpeechT5; Kong et al. 2020, HiFi-GAN
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.facts import HEADS, auto_tables
from workbench.engine.tasks import speaking, vocoders
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, encoded
from workbench.engine.tasks.processors import feature_extractor
from workbench.engine.tasks.writing import drawing, watched
from workbench.engine.values import Sound, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="text-to-audio",
    heads=("AutoModelForTextToWaveform", "AutoModelForTextToSpectrogram", "AutoModelForSpeechSeq2Seq"),
    does="Speaks a text, or plays what it describes",
    inputs=(("text", "Text"), ("audio", "Sound to speak like, if there is one"), ("beside", "Voice")),
    options=("source_language", "target_language", "max_new_tokens", "seed"),
    shows="sound",
    example=TaskInput("The quick brown fox jumps over the lazy dog."),
    defaults=(("max_new_tokens", 256),),
)

#: Architectures that are told whose voice to speak with.
_WITH_A_VOICE = ("speecht5", "bark")


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: with a voice, languages or phonemes where it is given them."""
    kind = model.facts.model_type
    reads = kind in speaking.PHONEMES and model.tokenizer is None
    names = dict(SPEC.inputs) | ({"text": "Phonemes, blanks between"} if reads else {})
    takes = {"text", *(["beside"] if kind in _WITH_A_VOICE else []), *(["audio"] if kind in speaking.CONVERSES else [])}
    if kind == "bark":
        names["beside"] = "Voice (a preset, .npz), if there is one"
    told = kind in speaking.SEAMLESS
    unread = {"source_language", "target_language"} if not told else set()
    if model.head == "AutoModelForTextToSpectrogram" or not model.model.can_generate():
        unread.add("max_new_tokens")
    return replace(
        SPEC,
        inputs=tuple((field, names[field]) for field in SPEC.takes if field in takes),
        options=tuple(name for name in SPEC.options if name not in unread),
        example=TaskInput(speaking.SPELLED) if reads else SPEC.example,
    )


def speaks_alone(model: LoadedModel) -> bool:
    """Whether a model that was loaded without a head speaks all the same: of some the class is the same with it."""
    tables, kind = auto_tables(), type(model.model).__name__
    heads = SPEC.heads if model.head == "AutoModel" else ()
    return any(kind in tables[dict(HEADS)[head]].get(model.facts.model_type, ()) for head in heads)


def preprocess(request: Request) -> Inputs:
    """Tokenize the text; aside the numbers of the voice, where the model speaks with one.

    Raises:
        InputError: The text is empty, or the voice or the language is missing or not of this model.
        NotSupported: There is no tokenizer, or no vocoder where the model needs it from the start.
    """
    way = speaking.spoken_by(request)
    if way is not None:
        return way.prepare(request)
    made = encoded(request)
    if request.model.head != "AutoModelForTextToSpectrogram":
        return made
    return Inputs(made.tensors, {"speaker_embeddings": _voice(request)}, made.truncated)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass that draws its noise by the seed, or one a step where the model generates: ``waveform``.

    Where the model writes a spectrogram, the vocoder's pass is the last: ``spectrogram`` of shape
    ``(1, frames, mel_bins)`` comes with the waveform then.

    Raises:
        NotSupported: There is no vocoder for the spectrogram.
    """
    way = speaking.spoken_by(request)
    if way is not None:
        made = way.speak(request, inputs)
        return {name: (each.float() if each.is_floating_point() else each).cpu() for name, each in made.items()}
    if request.model.head == "AutoModelForTextToSpectrogram":
        return _by_spectrogram(request, inputs)
    model = request.model.model
    tensors = request.on_device(inputs.tensors)
    if model.can_generate():
        with watched(request, 1, draws=True) as (settings, _first):
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
    """Samples a second, as the configs say.

    Raises:
        NotSupported: They say nothing.
    """
    config = request.model.model.config
    if config.model_type in speaking.PHONEMES:
        return speaking.PHONEMES[config.model_type]
    if config.model_type in speaking.CONVERSES:
        return int(feature_extractor(request.model).sampling_rate)
    if config.model_type in vocoders.KINDS:
        return int(vocoders.vocoder(request.model).config.sampling_rate)
    generation = getattr(request.model.model, "generation_config", None)
    owners = (config, getattr(config, "audio_encoder", None), getattr(config, "codec_config", None), generation)
    for owner in owners:
        for name in ("sampling_rate", "sample_rate"):
            found = getattr(owner, name, None)
            if isinstance(found, int):
                return found
    raise NotSupported(
        f"What {request.model.checkpoint.name} says can't be played.",
        why="Its config does not say how many samples make a second.",
        remedy="Load another checkpoint.",
    )


def _by_spectrogram(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    model = request.model.model
    vocoder = vocoders.vocoder(request.model)
    tensors = request.on_device(inputs.tensors)
    speaker = request.on_device(inputs.aside)["speaker_embeddings"]
    with drawing(request, True):
        spectrogram = model.generate(**tensors, speaker_embeddings=speaker)[None]
    request.task.check()
    waveform = vocoder(spectrogram)
    return {"spectrogram": spectrogram.float().cpu(), "waveform": waveform.float().cpu()}


def _voice(request: Request) -> Tensor:
    import numpy
    import torch

    wanted = int(request.model.model.config.speaker_embedding_dim)
    path = request.given.beside
    if path is None:
        raise InputError(
            "There is no voice yet.",
            why=f"{request.model.checkpoint.name} is told whose voice to speak with by {wanted} numbers (an x-vector).",
            remedy="Choose a NumPy file (.npy) of them; the dataset Matthijs/cmu-arctic-xvectors has some.",
        )
    try:
        numbers = numpy.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        said = first_line(error).rstrip(".")
        raise InputError(
            f"The voice {path.name} can't be used.", why=f"It can't be read: {said}.", remedy="Choose a .npy file."
        ) from error
    if not isinstance(numbers, numpy.ndarray):
        raise InputError(
            f"The voice {path.name} can't be used.", why="It holds several arrays.", remedy="Choose a .npy file."
        )
    if numbers.size != wanted or numbers.dtype.kind not in "fiu":
        raise InputError(
            f"The voice {path.name} can't be used.",
            why=f"It holds {numbers.size:,} values, and the model wants {wanted:,} numbers.",
            remedy="Choose the x-vector of one speaker.",
        )
    return torch.from_numpy(numbers.reshape(1, wanted).astype(numpy.float32))
