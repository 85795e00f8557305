"""What architectures that speak are called with where a text alone is not enough, each as its documentation has it.

Bark is told a voice by a preset of its three models, CSM and Dia read a conversation whose speakers are named in front
of what they say, SeamlessM4T is told a language, and FastSpeech2Conformer reads phonemes. Others, such as Pocket TTS,
read what the checkpoint's chat template makes of the text, with a sound whose voice they are to speak with.

References:
    transformers, Models: Bark, CSM, Dia, SeamlessM4T, SeamlessM4T-v2, FastSpeech2Conformer, PocketTTS,
    GradiumPhononTTS, HiggsAudioV2, VibeVoice
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, first_line
from workbench.engine.task import Progress
from workbench.engine.tasks import sounds, vocoders
from workbench.engine.tasks.inputs import Inputs, Request, check_text, encoded
from workbench.engine.tasks.processors import feature_extractor, missing
from workbench.engine.tasks.writing import drawing

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Way:
    """How an architecture speaks.

    Attributes:
        prepare: The text to what the model is called with.
        speak: That to tensors, the ``waveform`` among them.
    """

    prepare: Callable[[Request], Inputs]
    speak: Callable[[Request, Inputs], dict[str, Tensor]]


#: Architectures that read phonemes, with the samples a second of what they were published with.
PHONEMES = {"fastspeech2_conformer": 22_050, "fastspeech2_conformer_with_hifigan": 22_050}

AT_ONCE = ("vits", *PHONEMES)
"""Architectures that make a sound of a whole text at once."""

SEAMLESS = ("seamless_m4t", "seamless_m4t_v2")
"""Architectures that are told the language to speak, or to write."""

CONVERSES = {"pocket_tts": "user", "gradium_phonon_tts": "user", "higgs_audio_v2": "user", "vibevoice": "0"}
"""Architectures that read what a chat template makes of the text, with the role of who speaks."""

TURNS = {**CONVERSES, "csm": "0"}
"""Those that can be given what was said with the sound of it, as a turn of a conversation, with the same role."""

DECODERS = ("bark", "csm", *CONVERSES)
"""Architectures that write the codes of a sound one after the other."""

SPELLED = "HH AH0 L OW1 W ER1 L D ."
"""A text in phonemes: “Hello world.”"""

#: What Bark's presets are made of, with the dimensions of each.
_PRESET = {"semantic_prompt": 1, "coarse_prompt": 2, "fine_prompt": 2}
_END = "<sos/eos>"


@contextmanager
def stoppable(request: Request) -> Iterator[None]:
    """Let each pass through the model, or through one that it is made of, ask whether to stop."""
    from transformers import PreTrainedModel

    passes = 0

    def ask(*_: Any) -> None:
        nonlocal passes
        passes += 1
        request.task.check()
        request.task.report(Progress(passes, None, "passes"))

    parts = [part for part in request.model.model.modules() if isinstance(part, PreTrainedModel)]
    handles = [part.register_forward_hook(ask) for part in parts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def spoken_by(request: Request) -> Way | None:
    """How the architecture speaks, or None where a text is all it is given."""
    return _WAYS.get(request.model.model.config.model_type)


@contextmanager
def spelled(request: Request) -> Iterator[Any]:
    """The tokenizer of SeamlessM4T, told the language of the text."""
    tokenizer: Any = request.tokenizer
    before = tokenizer.src_lang
    if request.options.source_language:
        tokenizer.src_lang = language(request, request.options.source_language, "text_decoder_lang_to_code_id")
    try:
        yield tokenizer
    finally:
        tokenizer.src_lang = before


def language(request: Request, code: str, table: str) -> str:
    """A language as SeamlessM4T's generation config has it.

    Args:
        request: Whose model is asked.
        code: Such as ``eng``, with or without underlines around it.
        table: The name of the config's table of languages.

    Raises:
        InputError: It has no such language.
    """
    known = getattr(request.model.model.generation_config, table, None) or {}
    code = code.strip("_")
    if code not in known:
        raise InputError(
            "The language can't be chosen.",
            why=f"{request.model.checkpoint.name} has no language “{code}” for this.",
            remedy=f"Use one of its {len(known)}: {', '.join(sorted(known)[:8])} …",
        )
    return code


def phonemes(request: Request) -> Inputs:
    """The ids of phonemes that are written with blanks between; of a text where the checkpoint's tokenizer works here.

    Raises:
        InputError: One of them is none that the checkpoint knows.
        NotSupported: It has no vocabulary.
    """
    import torch

    file = request.model.checkpoint.path / "vocab.json"
    if request.model.tokenizer is not None or not file.is_file():
        return encoded(request)
    check_text(request.text)
    known = json.loads(file.read_bytes())
    said = request.text.upper().split()
    strange = [phoneme for phoneme in said if phoneme not in known]
    if strange:
        raise InputError(
            f"“{strange[0][:40]}” is no phoneme of {request.model.checkpoint.name}.",
            why="What would turn English into phonemes, the package g2p-en with its word lists, is not installed.",
            remedy="Write the phonemes with blanks between, such as HH AH0 L OW1, or install g2p-en and load it again.",
        )
    ids = [known[phoneme] for phoneme in [*said, _END] if phoneme in known]
    return Inputs({"input_ids": torch.tensor([ids])})


def _said(request: Request, speaker: str) -> Request:
    """The request with a speaker in front of the text, where none is named."""
    text = request.text if request.text.lstrip().startswith("[") else speaker + request.text
    return replace(request, given=replace(request.given, text=text))


def _bark(request: Request) -> Inputs:
    import torch
    from transformers import BarkProcessor

    check_text(request.text)
    made = BarkProcessor(request.tokenizer)(request.text, max_length=_longest(request), truncation=True)
    preset = {} if request.given.beside is None else _preset(request.given.beside)
    return Inputs(
        {name: tensor for name, tensor in made.items() if isinstance(tensor, torch.Tensor)},
        {name: torch.from_numpy(numbers).long() for name, numbers in preset.items()},
    )


def _longest(request: Request) -> int:
    """Tokens of the text that Bark reads."""
    semantic: Any = getattr(request.model.model.generation_config, "semantic_config", None) or {}
    return int(semantic.get("max_input_semantic_length", 256))


def _preset(path: Path) -> dict[str, Any]:
    import numpy

    what = f"The voice {path.name} can't be used."
    try:
        with numpy.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, TypeError) as error:
        raise InputError(what, why="It can't be read as a preset.", remedy="Choose an .npz file.") from error
    shapes = {name: numbers.ndim for name, numbers in found.items() if numbers.dtype.kind in "iu"}
    if shapes != _PRESET:
        raise InputError(
            what,
            why=f"A preset of Bark holds the ids {', '.join(_PRESET)}, and it holds {', '.join(found) or 'nothing'}.",
            remedy="Choose an .npz file of the checkpoint's speaker_embeddings.",
        )
    return found


def _bark_speaks(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    preset = request.on_device(inputs.aside)
    more = {"history_prompt": preset} if preset else {}
    with stoppable(request), drawing(request, True):
        waveform = request.model.model.generate(
            **request.on_device(inputs.tensors), **more, semantic_max_new_tokens=request.options.max_new_tokens
        )
    return {"waveform": waveform}


def _csm(request: Request) -> Inputs:
    return encoded(_said(request, "[0]"), add_special_tokens=True)


def _csm_speaks(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    with stoppable(request), drawing(request, True):
        made = request.model.model.generate(
            **request.on_device(inputs.tensors),
            max_new_tokens=request.options.max_new_tokens,
            output_audio=True,
            return_dict_in_generate=True,
        )
    return {"codes": made.sequences, "waveform": made.audio[0]}


def _dia(request: Request) -> Inputs:
    check_text(request.text)
    # Its nine codes of a moment are written one after the other, each with a delay of its own.
    least = max(request.model.model.config.delay_pattern) + 2
    if request.options.max_new_tokens < least:
        raise InputError(
            "These are too few new tokens for a sound.",
            why=f"The codes of a moment are {least - 2} tokens apart, so that none of it would be whole.",
            remedy=f"Allow {least} at least; a second of speech takes some 86 more.",
        )
    made = _dia_processor(request)(_said(request, "[S1] ").text, truncation=True, return_tensors="pt")
    return Inputs(dict(made))


def _dia_speaks(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    with stoppable(request), drawing(request, True):
        codes = request.model.model.generate(
            **request.on_device(inputs.tensors), max_new_tokens=request.options.max_new_tokens
        )
    return {"codes": codes, "waveform": _dia_processor(request).decode(codes)}


def _dia_processor(request: Request) -> Any:
    from transformers import DiaProcessor

    return DiaProcessor(feature_extractor(request.model), request.tokenizer, vocoders.vocoder(request.model))


def _seamless(request: Request) -> Inputs:
    with spelled(request):
        return encoded(request)


def _seamless_speaks(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    tokenizer: Any = request.tokenizer
    wanted = request.options.target_language or tokenizer.tgt_lang
    with stoppable(request), drawing(request, True):
        made = request.model.model.generate(
            **request.on_device(inputs.tensors),
            tgt_lang=language(request, wanted, "vocoder_lang_code_to_id"),
            text_max_new_tokens=request.options.max_new_tokens,
            return_intermediate_token_ids=True,
        )
    return {name: made[name] for name in ("sequences", "unit_sequences", "waveform")}


def _fastspeech_speaks(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    output = request.model.model(**request.on_device(inputs.tensors))
    request.task.check()
    whole = "waveform" in output
    waveform = output.waveform if whole else vocoders.vocoder(request.model)(output.spectrogram)
    return {"spectrogram": output.spectrogram, "durations": output.duration_outputs, "waveform": waveform}


def conversation(request: Request) -> Inputs:
    """The text as a turn of a conversation, with the sound that goes with it where there is one; see `TURNS`.

    Raises:
        InputError: There is no text, the sound can't be read, or the checkpoint's processor can't prepare them.
        NotSupported: The checkpoint has nothing that prepares sounds.
    """
    import torch

    check_text(request.text)
    reader = _reader(request)
    content: list[dict[str, Any]] = [{"type": "text", "text": request.text}]
    if request.given.audio is not None:
        _, samples = sounds.heard(request)
        content.append({"type": "audio", "audio": samples})
    turn = {"role": TURNS[request.model.facts.model_type], "content": content}
    try:
        made = reader.apply_chat_template(
            [turn], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
    except Exception as error:
        raise InputError(
            "The text could not be prepared.",
            why=f"The checkpoint's processor says: {first_line(error)}",
            remedy="Some voices must be given, as a sound; others can't be.",
        ) from error
    return Inputs({name: tensor for name, tensor in made.items() if isinstance(tensor, torch.Tensor)})


def _conversation_speaks(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    reader = _reader(request)
    settings = {"max_new_tokens": request.options.max_new_tokens, "return_dict_in_generate": True}
    try:
        with stoppable(request), drawing(request, True):
            made = request.model.model.generate(**request.on_device(inputs.tensors), **settings)
    except ImportError as error:
        raise missing(f"{request.model.checkpoint.name} can't speak here.", error) from error
    if "audio_latents" in made:
        return {"audio_latents": made.audio_latents, "waveform": reader.decode(made.audio_latents[0])}
    if made.get("audio") is not None:
        return {"sequences": made.sequences, "waveform": made.audio[0]}
    return {"codes": made.audio_sequences, "waveform": reader.decode(made.audio_sequences)}


def _reader(request: Request) -> Any:
    """The checkpoint's processor, with the codec that is read apart from it."""
    from transformers import PROCESSOR_MAPPING

    kind: Any = PROCESSOR_MAPPING[type(request.model.model.config)]
    tokenizer = request.tokenizer
    parts: dict[str, Any] = {"feature_extractor": feature_extractor(request.model), "tokenizer": tokenizer}
    if request.model.facts.model_type in vocoders.KINDS:
        parts["audio_tokenizer"] = vocoders.vocoder(request.model)
    return kind(**parts, chat_template=tokenizer.chat_template)


_FASTSPEECH = Way(phonemes, _fastspeech_speaks)
_SEAMLESS = Way(_seamless, _seamless_speaks)

_WAYS = {
    "bark": Way(_bark, _bark_speaks),
    "csm": Way(_csm, _csm_speaks),
    "dia": Way(_dia, _dia_speaks),
    **dict.fromkeys(SEAMLESS, _SEAMLESS),
    **dict.fromkeys(PHONEMES, _FASTSPEECH),
    **dict.fromkeys(CONVERSES, Way(conversation, _conversation_speaks)),
}
