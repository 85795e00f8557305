"""Any to any: a text written to whatever of text, picture and sound a model takes; where it can, said, or drawn.

References:
    transformers, Pipelines: AnyToAnyPipeline; Auto Classes: AutoModelForMultimodalLM
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.generate import pictures
from workbench.engine.generate.captions import TYPES, WORDLESS
from workbench.engine.tasks import image_text_to_text, painting, sounds, transcribing
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.tasks.processors import missing, processor
from workbench.engine.tasks.writing import WRITES, behind, generated, listed, prepared, watched
from workbench.engine.values import Sound, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel
    from workbench.engine.values import Facts

SPEC = Spec(
    name="any-to-any",
    heads=("AutoModelForMultimodalLM",),
    does="Writes an answer to a text with a picture, a sound, or both",
    inputs=(
        ("text", "Question or prompt"),
        ("image", "Picture, if there is one"),
        ("audio", "Sound, if there is one"),
    ),
    options=(*WRITES, "stops", "speaks", "paints"),
    shows="text",
    example=TaskInput("What is this?"),
)


#: Auto classes that load such a model as well.
ALSO = (
    *SPEC.heads,
    "AutoModelForImageTextToText",
    "AutoModelForSeq2SeqLM",
    "AutoModelForSpeechSeq2Seq",
    "AutoModelForCausalLM",
    "AutoModelForTextToWaveform",
)

MIXED = ("phi4_multimodal",)
"""Architectures that take pictures and sounds, and stand among those that write on alone."""

HEARS = ("audioflamingo3", "musicflamingo")
"""Architectures that take sounds, and stand among those that rewrite texts alone."""

AMONG = (
    *HEARS, *MIXED, "dots3_note", "embedding_gemma2", "fun_asr_nano", "gemma3n", "gemma4", "gemma4_unified", "glmasr",
    "granite_speech", "granite_speech_plus", "inkling_mm_model", "moss_transcribe_diarize", "muse_spark",
    "nemo_speechlm", "qwen2_5_omni_thinker", "qwen2_audio", "qwen3_asr", "qwen3_omni_moe_thinker", "vibevoice_asr",
    "voxtral",
)  # fmt: skip
"""Architectures that read a text with marks for the sounds in it, which their processors put there."""

CUT = ("gemma3n", "gemma4", "qwen2_5_omni", "qwen2_5_omni_thinker", "qwen2_audio")
"""Architectures whose processors leave out what is longer than their feature extractors hear at once."""

DEAF = ("embedding_gemma2", "gemma4", "gemma4_unified", "nemotron_h_omni")
"""Architectures that are published without what hears as well, and with the processor of all."""

TALKERS = ("qwen2_5_omni", "qwen3_omni_moe")
"""Architectures that can speak their answer besides, for which they have further models."""

RATE = 24_000
"""Samples that make a second of what they say; their configs don't tell."""

SAID = 64
"""Codes of sound at most for each token of text: more than a second, which a trained model never needs."""


def answers(facts: Facts) -> bool:
    """Whether an architecture writes an answer to whatever of text, picture and sound it takes."""
    pictured = facts.model_type in image_text_to_text.ONLY[SPEC.heads[0]]
    return (SPEC.heads[0] in facts.heads and not pictured) or facts.model_type in HEARS


def deaf(model: LoadedModel) -> bool:
    """Whether a model was published without what hears, though its processor prepares sounds."""
    return model.facts.model_type in DEAF and getattr(model.model.config, "audio_config", None) is None


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: given what it takes, and one that only writes is not asked to speak or draw."""
    stated = getattr(model.model, "input_modalities", ())
    # What states text alone may not say what it takes besides.
    seen = {"text", *stated} if isinstance(stated, (tuple, list)) and len(stated) > 1 else {*SPEC.takes}
    seen -= {"audio"} if deaf(model) else set()
    inputs = tuple((field, label) for field, label in SPEC.inputs if field in seen)
    able = {"speaks": getattr(model.model, "has_talker", False), "paints": painting.can(model)}
    return replace(SPEC, inputs=inputs, options=tuple(name for name in SPEC.options if able.get(name, True)))


def preprocess(request: Request) -> Inputs:
    """What was given as the checkpoint's chat template shows it, or one after the other without one.

    Raises:
        InputError: There is no text, a file can't be read, or the processor can't put them together.
        NotSupported: The checkpoint has no processor that works here, or does not take a picture or a sound.
    """
    if request.model.facts.model_type not in WORDLESS:
        check_text(request.text, "question")
    reader = processor(request.model)
    more: dict[str, Any] = {"generation_mode": painting.MODE} if painting.asked(request) else {}
    parts = _parts(request, reader)
    try:
        if request.model.facts.model_type in transcribing.GRANITE:
            made = transcribing.said(reader, request.text, *(part["audio"] for part in parts))
        elif request.model.facts.model_type == "voxtral":
            # Its tokenizer reads the file itself, and writes the conversation as Mistral's do.
            heard = [{"type": "audio", "path": str(request.given.audio)}] if parts else []
            turn = {"role": "user", "content": [*heard, {"type": "text", "text": request.text}]}
            made = reader.apply_chat_template([turn])
        elif getattr(reader, "chat_template", None):
            content = [*parts, {"type": "text", "text": request.text}]
            made = reader.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                **({"processor_kwargs": more} if more else {}),
            )
        else:
            more = more | {{"image": "images"}.get(part["type"], part["type"]): part[part["type"]] for part in parts}
            made = reader(text=_marked(request, reader), **more, return_tensors="pt")
    except ImportError as error:
        raise missing(f"{request.model.checkpoint.name} can't read what it was given.", error) from error
    except Exception as error:
        raise InputError(
            "What was given could not be prepared together.",
            why=f"The checkpoint's processor says: {first_line(error)}",
            remedy="Leave the picture or the sound out, or take another.",
        ) from error
    heard = [part["audio"] for part in parts if part["type"] == "audio"]
    if heard and request.model.facts.model_type in CUT:
        return replace(prepared(made), heard=sounds.left(_extractor(reader), len(heard[0])))
    return prepared(made)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """Many passes, one a new token; a stop takes effect within a token.

    Where the answer is spoken, its ``waveform`` of shape ``(samples,)`` comes besides; where it is a picture, what
    `painting.forward` gives comes instead.
    """
    if painting.asked(request):
        return painting.forward(request, inputs)
    if request.options.speaks and getattr(request.model.model, "has_talker", False):
        return _spoken(request, inputs)
    more = listed(inputs)
    if request.model.facts.model_type in TALKERS:
        # Of its models it is the one that thinks whose tokens are counted.
        more |= {"generation_mode": "text", "thinker_max_new_tokens": request.options.max_new_tokens}
    with sounds.long_enough(request):
        return generated(request, request.on_device(inputs.tensors), _prompt(request, inputs), **more)


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Cut the prompt off and decode the rest without special tokens; what was spoken comes after it; or a picture."""
    if "pixels" in outputs:
        return painting.postprocess(request, outputs)
    tensors = behind(outputs, _prompt(request, inputs))
    text = str(request.tokenizer.decode(tensors["new_ids"], skip_special_tokens=True))
    said = (Sound(outputs["waveform"].numpy(), RATE),) if "waveform" in outputs else ()
    return Outcome(tensors, (text, *said))


def _spoken(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """The model that thinks writes, another reads its hidden states and writes codes, which a third makes a sound."""
    tokenizer = request.tokenizer
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    with watched(request, _prompt(request, inputs), draws=True) as (settings, first):
        told = {f"thinker_{name}": value for name, value in settings.items()}
        told |= {
            "thinker_pad_token_id": pad,
            "talker_max_new_tokens": SAID * request.options.max_new_tokens,
            "talker_stopping_criteria": settings["stopping_criteria"],
        }
        # The model that talks refuses a picture's numbers, which the library would hand to each.
        own = {"pixel_values": "thinker_pixel_values"}
        tensors = {own.get(name, name): tensor for name, tensor in request.on_device(inputs.tensors).items()}
        written, waveform = request.model.model.generate(**tensors, **told, generation_mode="audio")
    # Of the two architectures one gives the ids, the other all that its generate() returns.
    sequences = getattr(written, "sequences", written)
    return {"sequences": sequences.cpu(), "first_logits": first[0], "waveform": waveform.float().cpu().reshape(-1)}


def _marked(request: Request, reader: Any) -> str:
    """The text with the marks of what goes with it, in front of it unless it has them."""
    if request.model.facts.model_type in TYPES:
        return request.text
    given = {"image_token": request.given.image, "audio_token": request.given.audio}
    marks = [getattr(reader, name, None) for name, file in given.items() if file is not None]
    unplaced = [str(mark) for mark in marks if mark and str(mark) not in request.text]
    return "".join(pictures.framed(reader, mark) for mark in unplaced) + request.text


def _prompt(request: Request, inputs: Inputs) -> int:
    """Tokens that what is written begins with."""
    return 1 if request.model.encoder_decoder else int(inputs.tensors["input_ids"].shape[1])


def _parts(request: Request, reader: Any) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if request.given.image is not None:
        _check(request, "pictures", getattr(reader, "image_processor", None))
        parts.append({"type": "image", "image": pictures.read(request.given.image)})
    if request.given.audio is not None:
        extractor = _extractor(reader)
        _check(request, "sounds", None if deaf(request.model) else extractor)
        heard = sounds.read(request.given.audio, task=request.task)
        parts.append({"type": "audio", "audio": sounds.resampled(heard, extractor.sampling_rate)})
    return parts


def _extractor(reader: Any) -> Any:
    return getattr(reader, "feature_extractor", None) or getattr(reader, "audio_processor", None)


def _check(request: Request, what: str, part: Any) -> None:
    if part is None:
        raise NotSupported(
            f"{request.model.checkpoint.name} takes no {what}.",
            why=f"It has no part for {what}, or its processor none that prepares them.",
            remedy="Take it out, or load another checkpoint.",
        )
