"""Speech recognition: what was said, and when.

Four kinds of models do it. With CTC an encoder gives each 20 ms a letter or nothing; with an encoder-decoder such as
Whisper a decoder writes the text, looking at what the encoder heard; a transducer such as Parakeet goes along the sound
and writes where it hears something; and some are asked for a transcript, see `transcribing`. Pop2Piano, which stands
among them, writes notes, see `notes`; and aligners are told what was said, see `aligning`.

References:
    transformers, Pipelines: AutomaticSpeechRecognitionPipeline; Auto Classes: AutoModelForCTC,
    AutoModelForSpeechSeq2Seq
    Graves et al. 2006, Connectionist Temporal Classification; Radford et al. 2022, Whisper
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.tasks import aligning, languages, long_sounds, notes, transcribing
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.processors import feature_extractor
from workbench.engine.tasks.sounds import SOUND, features, long_enough
from workbench.engine.tasks.writing import watched
from workbench.engine.values import Chunk, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


#: Auto classes of models that go along the sound.
TRANSDUCERS = ("AutoModelForTDT", "AutoModelForRNNT")

SPEC = Spec(
    name="automatic-speech-recognition",
    heads=("AutoModelForSpeechSeq2Seq", "AutoModelForCTC", *TRANSDUCERS, aligning.HEAD),
    does="Writes down what was said",
    inputs=SOUND,
    options=(
        "timestamps", "says_language", "source_language", "target_language", "speech_task", "chunk_length",
        "chunk_overlap", "max_new_tokens", "num_beams",
    ),
    shows="transcript",
    example=TaskInput(),
    defaults=(("max_new_tokens", 256), ("num_beams", 1)),
)  # fmt: skip

#: Seconds that a CTC model hears at once of a long sound, unless it is told otherwise: what it takes grows with their
#: square.
AT_ONCE = 30


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: the settings that it reads."""
    if model.head == "AutoModelForCTC":
        return replace(
            SPEC,
            options=("timestamps", "chunk_length", "chunk_overlap"),
            defaults=(*SPEC.defaults, ("chunk_length", AT_ONCE)),
        )
    if aligning.aligns(model):
        said = TaskInput("The quick brown fox jumps over the lazy dog.")
        does = "Says when each word of a transcript was said"
        return replace(SPEC, does=does, inputs=aligning.INPUTS, options=("source_language",), example=said)
    if model.head in TRANSDUCERS:
        # It goes along the sound, and is at its end where the sound is.
        return replace(SPEC, options=())
    kind = model.facts.model_type
    if kind == notes.ARCHITECTURE:
        return replace(SPEC, options=("max_new_tokens",))
    offered = languages.offered(model)
    unread = languages.SETTINGS - {*offered}
    unread |= {"max_new_tokens"} if kind in transcribing.PACED else set()
    unread |= {"chunk_length", "chunk_overlap"} if kind in transcribing.LANGUAGES else set()
    unread |= set() if kind == languages.WHISPER else {"says_language"}
    return replace(
        SPEC, options=tuple(name for name in SPEC.options if name not in unread), choices=tuple(offered.items())
    )


def preprocess(request: Request) -> Inputs:
    """The sound at the model's rate: its samples, or its spectrogram.

    Raises:
        InputError: There is no sound, it can't be read, or the model can't say when something was said in this way.
    """
    if _is_piano(request):
        return notes.preprocess(request)
    if aligning.aligns(request.model):
        return aligning.preprocess(request)
    wanted = request.options.timestamps
    can: tuple[str, ...] = ("none", "word", "char") if _is_ctc(request) else ("none", "segment", "word")
    if not (_is_ctc(request) or _is_whisper(request)):
        can = ("none",)
    if wanted not in can:
        raise InputError(
            f"The time stamps can't be those of each {wanted}.",
            why="CTC models know letters and words, Whisper segments and words, others nothing of time.",
            remedy=f"Choose {' or '.join(can)}.",
        )
    if transcribing.asked(request):
        return transcribing.preprocess(request)
    arguments: dict[str, Any] = {"return_attention_mask": True}
    made = features(request, **arguments)
    extractor = feature_extractor(request.model)
    if _is_whisper(request) and made.aside["samples"].shape[1] > extractor.n_samples:
        made = features(request, truncation=False, padding="longest", **arguments)
    return made


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass (CTC): ``logits`` of shape ``(1, frames, vocab)``; or one a token: ``sequences`` of shape ``(1, seq)``.

    Raises:
        InputError: The sound is too short for the model.
    """
    if _is_piano(request):
        return notes.forward(request, inputs)
    if aligning.aligns(request.model):
        return aligning.forward(request, inputs)
    with long_enough(request):
        return _logits(request, inputs) if _is_ctc(request) else _sequences(request, inputs)


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Ids to text, and to parts with the seconds they were said at where time stamps were asked for.

    Returns:
        The ids; and as items the transcript followed by its `Chunk`s.
    """
    if _is_ctc(request):
        return _letters(request, outputs)
    if _is_piano(request):
        return notes.postprocess(request, inputs, outputs)
    if aligning.aligns(request.model):
        return aligning.postprocess(request, inputs, outputs)
    if transcribing.asked(request):
        written = outputs["sequences"][:, transcribing.prompt(request, inputs) :]
        return Outcome({"new_ids": written}, (transcribing.text(request, written),))
    if _is_whisper(request):
        return _whispered(request, outputs)
    # A transducer means each token it writes; the tokenizers of CTC would take two alike for one.
    alike = {"group_tokens": False} if request.model.head in TRANSDUCERS else {}
    ids = long_sounds.joined(outputs, request.tokenizer)
    text = str(request.tokenizer.decode(ids, skip_special_tokens=True, **alike))
    return Outcome({"sequences": outputs["sequences"]}, (text,))


def _whispered(request: Request, outputs: dict[str, Tensor]) -> Outcome:
    import torch

    config, extractor = request.model.model.config, feature_extractor(request.model)
    parts = long_sounds.apart(outputs, extractor.sampling_rate)
    for part, mark in zip(parts, outputs.get("languages", torch.empty(1, 0))[0], strict=False):
        # Its tokenizer looks for the mark of the language in front of what is written.
        if mark >= 0:
            part["tokens"] = torch.cat([mark[None, None], part["tokens"]], dim=1)
    wanted, told = request.options.timestamps, request.options.says_language or None
    text, more = request.tokenizer._decode_asr(
        parts,
        return_timestamps={"none": None, "segment": True, "word": "word"}[wanted],
        return_language=told,
        time_precision=extractor.chunk_length / config.max_source_positions,
    )
    chunks = [_chunk(each) for each in more.get("chunks", ())]
    return Outcome({"sequences": outputs["sequences"]}, (str(text), *chunks))


def _chunk(found: dict[str, Any]) -> Chunk:
    start, end = found.get("timestamp", (None, None))
    return Chunk(found["text"], start, end, found.get("language") or "")


def _logits(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    import torch

    model = request.model.model
    if not long_sounds.is_long(request, inputs):
        return {"logits": model(**request.on_device(inputs.tensors)).logits.float().cpu()}
    step = long_sounds.frame(request)
    kept: list[Tensor] = []
    for part in long_sounds.parts(request, inputs):
        logits = model(**request.on_device(part.tensors)).logits.float().cpu()
        kept.append(long_sounds.own(logits, part, step))
    return {"logits": torch.cat(kept, dim=1)}


def _letters(request: Request, outputs: dict[str, Tensor]) -> Outcome:
    ids = outputs["logits"].argmax(dim=-1)
    wanted, tokenizer = request.options.timestamps, request.tokenizer
    text = str(tokenizer.decode(ids[0], skip_special_tokens=False))
    chunks: list[Chunk] = []
    if wanted != "none":
        found = tokenizer.decode(
            ids[0],
            skip_special_tokens=False,
            output_char_offsets=wanted == "char",
            output_word_offsets=wanted == "word",
        )
        frame = long_sounds.frame(request) / feature_extractor(request.model).sampling_rate
        chunks = [
            Chunk(each[wanted], float(each["start_offset"] * frame), float(each["end_offset"] * frame))
            for each in found[f"{wanted}_offsets"]
        ]
    return Outcome({"ids": ids}, (text, *chunks))


def _sequences(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    if request.model.head in TRANSDUCERS:
        names = ("input_features", "attention_mask")
        given = {name: tensor for name, tensor in inputs.tensors.items() if name in names}
        return {"sequences": request.model.model.generate(**request.on_device(given)).sequences.cpu()}
    if transcribing.asked(request) or not long_sounds.is_long(request, inputs):
        length = transcribing.prompt(request, inputs) if transcribing.asked(request) else 1
        return _written(request, inputs.tensors, length)
    written, strides = [], []
    for part in long_sounds.parts(request, inputs):
        written.append(_written(request, part.tensors, 1))
        strides.append(part.stride)
    return long_sounds.together(written, strides)


def _written(request: Request, tensors: dict[str, Tensor], length: int) -> dict[str, Tensor]:
    """What ``generate`` writes of a sound: ``sequences`` of shape ``(1, seq)``, and what else was asked of Whisper.

    Args:
        request: Its options say how.
        tensors: The sound, as it was prepared.
        length: Tokens that what is written begins with.

    Raises:
        InputError: More tokens are asked for than the decoder has places, or a language that the model does not have.
    """
    import torch

    model = request.model.model
    more = languages.told(request) | (_asked_of_whisper(request, tensors) if _is_whisper(request) else {})
    try:
        with watched(request, length) as (settings, _first):
            if model.config.model_type in transcribing.PACED:
                del settings["max_new_tokens"]
            made = model.generate(**request.on_device(tensors), **settings, **more)
    except ValueError as error:
        if "max_new_tokens" not in str(error):
            raise
        most = getattr(model.config, "max_target_positions", "fewer")
        raise InputError(
            "The decoder can't write that many tokens.",
            why=f"It has {most} positions, some of them taken by its prompt, and {request.options.max_new_tokens} new "
            "tokens were asked for.",
            remedy="Ask for fewer new tokens.",
        ) from error
    if isinstance(made, torch.Tensor):
        return {"sequences": made.cpu()}
    found = {"sequences": made["sequences"].cpu()}
    if "return_token_timestamps" in more:
        found["token_timestamps"] = torch.cat([part["token_timestamps"] for part in made["segments"][0]])[None].cpu()
    if request.options.says_language and made.get("segments") and made["segments"][0]:
        found["languages"] = _language(model, made["segments"][0][0]["result"])
    return found


def _asked_of_whisper(request: Request, tensors: dict[str, Tensor]) -> dict[str, Any]:
    wanted = request.options.timestamps
    # A sound that is longer than it was trained on is written down by its time stamps.
    long = tensors["input_features"].shape[-1] > feature_extractor(request.model).nb_max_frames
    more: dict[str, Any] = {"return_timestamps": wanted != "none" or long}
    if wanted == "word":
        more["return_token_timestamps"] = True
    if wanted == "word" or request.options.says_language:
        more["return_segments"] = True
    return more


def _language(model: Any, result: Any) -> Tensor:
    """The first mark of a language among the ids that Whisper wrote, or -1 without one, of shape ``(1, 1)``."""
    import torch

    known = set(getattr(model.generation_config, "lang_to_id", {}).values())
    ids = (result["sequences"] if isinstance(result, dict) else result).tolist()
    return torch.tensor([[next((token for token in ids if token in known), -1)]])


def _is_ctc(request: Request) -> bool:
    return request.model.head == "AutoModelForCTC"


def _is_piano(request: Request) -> bool:
    return bool(request.model.model.config.model_type == notes.ARCHITECTURE)


def _is_whisper(request: Request) -> bool:
    return bool(request.model.model.config.model_type == languages.WHISPER)
