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
from workbench.engine.task import Progress
from workbench.engine.tasks import aligning, notes, speaking, transcribing
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
    options=("timestamps", "source_language", "target_language", "max_new_tokens", "num_beams"),
    shows="transcript",
    example=TaskInput(),
    defaults=(("max_new_tokens", 256), ("num_beams", 1)),
)

#: Of what a CTC model hears at once, the share that two neighbouring parts have in common on each side, as the
#: pipeline has it.
SHARED = 1 / 6


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: the settings that it reads."""
    if model.head == "AutoModelForCTC":
        return replace(SPEC, options=("timestamps", "chunk_length"))
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
    told = ("target_language",) if kind in speaking.SEAMLESS else tuple(transcribing.LANGUAGES.get(kind, ()))
    unread = {"source_language", "target_language"} - {*told}
    unread |= {"max_new_tokens"} if kind in transcribing.PACED else set()
    return replace(SPEC, options=tuple(name for name in SPEC.options if name not in unread))


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
    sequences = outputs["sequences"]
    if transcribing.asked(request):
        written = sequences[:, transcribing.prompt(request, inputs) :]
        return Outcome({"new_ids": written}, (transcribing.text(request, written),))
    if not _is_whisper(request):
        # A transducer means each token it writes; the tokenizers of CTC would take two alike for one.
        apart = {"group_tokens": False} if request.model.head in TRANSDUCERS else {}
        text = str(request.tokenizer.decode(sequences[0], skip_special_tokens=True, **apart))
        return Outcome({"sequences": sequences}, (text,))
    wanted = request.options.timestamps
    config = request.model.model.config
    part: dict[str, Any] = {"tokens": sequences}
    if "token_timestamps" in outputs:
        part["token_timestamps"] = outputs["token_timestamps"]
    precision = feature_extractor(request.model).chunk_length / config.max_source_positions
    stamps = {"none": None, "segment": True, "word": "word"}[wanted]
    text, more = request.tokenizer._decode_asr(
        [part], return_timestamps=stamps, return_language=None, time_precision=precision
    )
    chunks = [Chunk(chunk["text"], *chunk["timestamp"]) for chunk in more.get("chunks", ())]
    return Outcome({"sequences": sequences}, (str(text), *chunks))


def _logits(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    import torch

    model = request.model.model
    extractor = feature_extractor(request.model)
    samples = inputs.aside["samples"][0].numpy()
    part_seconds = request.options.chunk_length
    if part_seconds is None or len(samples) <= part_seconds * extractor.sampling_rate:
        return {"logits": model(**request.on_device(inputs.tensors)).logits.float().cpu()}
    from transformers.pipelines.automatic_speech_recognition import chunk_iter, rescale_stride

    align = getattr(model.config, "inputs_to_logits_ratio", 1)
    length, shared = (
        round(seconds * extractor.sampling_rate / align) * align for seconds in (part_seconds, part_seconds * SHARED)
    )
    kept: list[Tensor] = []
    for item in chunk_iter(samples, extractor, length, shared, shared):
        request.task.check()
        done = len(kept) * (length - 2 * shared)
        request.task.report(Progress(min(done, len(samples)), len(samples), "samples", "forward"))
        part = {name: value for name, value in item.items() if isinstance(value, torch.Tensor)}
        logits = model(**request.on_device(part)).logits.float().cpu()
        total, left, right = rescale_stride([item["stride"]], 1 / align)[0]
        kept.append(logits[:, left : total - right])
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
        ratio = getattr(request.model.model.config, "inputs_to_logits_ratio", 1)
        frame = ratio / feature_extractor(request.model).sampling_rate
        chunks = [
            Chunk(each[wanted], float(each["start_offset"] * frame), float(each["end_offset"] * frame))
            for each in found[f"{wanted}_offsets"]
        ]
    return Outcome({"ids": ids}, (text, *chunks))


def _sequences(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    import torch

    wanted = request.options.timestamps
    more: dict[str, Any] = {}
    if request.model.head in TRANSDUCERS:
        names = ("input_features", "attention_mask")
        given = {name: tensor for name, tensor in inputs.tensors.items() if name in names}
        return {"sequences": request.model.model.generate(**request.on_device(given)).sequences.cpu()}
    if _is_whisper(request):
        long = inputs.aside["samples"].shape[1] > feature_extractor(request.model).n_samples
        more["return_timestamps"] = wanted != "none" or long
        if wanted == "word":
            more |= {"return_token_timestamps": True, "return_segments": True}
    if request.model.model.config.model_type in speaking.SEAMLESS:
        tokenizer: Any = request.tokenizer
        # What is heard is written down in its own language, as far as the checkpoint says which that is.
        wanted = request.options.target_language or tokenizer.src_lang
        more["tgt_lang"] = speaking.language(request, wanted, "text_decoder_lang_to_code_id")
    try:
        length = transcribing.prompt(request, inputs) if transcribing.asked(request) else 1
        with watched(request, length) as (settings, _first):
            if request.model.model.config.model_type in transcribing.PACED:
                del settings["max_new_tokens"]
            made = request.model.model.generate(**request.on_device(inputs.tensors), **settings, **more)
    except ValueError as error:
        if "max_new_tokens" not in str(error):
            raise
        most = getattr(request.model.model.config, "max_target_positions", "fewer")
        raise InputError(
            "The decoder can't write that many tokens.",
            why=f"It has {most} positions, some of them taken by its prompt, and {request.options.max_new_tokens} new "
            "tokens were asked for.",
            remedy="Ask for fewer new tokens.",
        ) from error
    if isinstance(made, torch.Tensor):
        return {"sequences": made.cpu()}
    found = {"sequences": made["sequences"].cpu()}
    if wanted == "word":
        found["token_timestamps"] = torch.cat([part["token_timestamps"] for part in made["segments"][0]])[None].cpu()
    return found


def _is_ctc(request: Request) -> bool:
    return request.model.head == "AutoModelForCTC"


def _is_piano(request: Request) -> bool:
    return bool(request.model.model.config.model_type == notes.ARCHITECTURE)


def _is_whisper(request: Request) -> bool:
    return bool(request.model.model.config.model_type == "whisper")
