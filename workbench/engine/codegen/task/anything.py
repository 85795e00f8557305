"""The scripts of tasks whose input is whatever the model takes, of decisions, and of speech with a voice."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal, model_type_of
from workbench.engine.codegen.task import (
    audio,
    captions,
    documents,
    films,
    pages,
    points,
    rarer,
    raw,
    sequences,
    speech,
    vision,
)
from workbench.engine.codegen.task.parts import PAD, PRINT_LABELS, Script, answers, denoised, torch_when_sampling
from workbench.engine.facts import describe
from workbench.engine.generate.captions import TYPES
from workbench.engine.processors import PLACED
from workbench.engine.tasks import aligning, policies
from workbench.engine.tasks.any_to_any import ALSO, AMONG, HEARS, RATE, SAID, TALKERS
from workbench.engine.tasks.automatic_speech_recognition import TRANSDUCERS
from workbench.engine.tasks.image_classification import UNNAMED
from workbench.engine.tasks.image_feature_extraction import DRAWS
from workbench.engine.tasks.image_to_image import FLATTENS
from workbench.engine.tasks.notes import ARCHITECTURE
from workbench.engine.tasks.processors import takes_films
from workbench.engine.tasks.sounds import FILLED
from workbench.engine.tasks.speaking import SEAMLESS
from workbench.engine.tasks.transcribing import GRANITE, LANGUAGES
from workbench.engine.tasks.video_classification import NESTED
from workbench.engine.tasks.writing import DENOISES
from workbench.engine.tasks.zero_shot_object_detection import TOLD, guided

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint, TaskInput, TaskOptions


def _given_any(given: TaskInput, model_type: str = "") -> list[str]:
    lines = assign("text", given.text)
    if given.image is not None:
        lines += vision.given_picture(given)
    if given.audio is not None:
        lines += audio.given_to_processor(given, model_type)
    return lines


def _any(
    given: TaskInput, options: TaskOptions, *more: str, marked: bool = True, framed: bool = False
) -> list[list[str]]:
    content = ['    content = [{"type": "text", "text": text}]']
    if given.audio is not None:
        content.append('    content.insert(0, {"type": "audio", "audio": samples})')
    if given.image is not None:
        content.append('    content.insert(0, {"type": "image", "image": image})')
    plain = ["text=text"]
    plain += ["images=image"] * (given.image is not None) + ["audio=samples"] * (given.audio is not None)
    chat = ["turns", "add_generation_prompt=True", "tokenize=True", "return_dict=True", 'return_tensors="pt"']
    return [
        [
            "# 1. Preprocess: as the checkpoint's chat template shows it, or one after the other without one",
            'if getattr(processor, "chat_template", None):',
            *content,
            '    turns = [{"role": "user", "content": content}]',
            *call("inputs = processor.apply_chat_template(", chat, indent=4),
            "else:",
            *(_marks(given, framed) if marked else []),
            *call("inputs = processor(", [*plain, 'return_tensors="pt"'], indent=4),
            "inputs = inputs.to(model.device, dtype=model.dtype)",
        ],
        *answers(options, *more),
    ]


def _marks(given: TaskInput, framed: bool = False) -> list[str]:
    """The marks of what goes with a text, in front of it unless it has them."""
    files = {"image_token": given.image, "audio_token": given.audio}
    names = [name for name, file in files.items() if file is not None]
    if not names:
        return []
    put = ['    text = "".join(str(mark) for mark in marks if mark and str(mark) not in text) + text']
    if framed:
        ends = '    begin, end = f"{processor.image_start_token}{mark}", processor.image_end_token'
        put = ["    (mark,) = marks", ends, "    text = text if mark in text else begin + end + text"]
    return [f"    marks = [getattr(processor, name, None) for name in {literal(names)}]", *put]


def _thought(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    if not options.speaks:
        return _any(given, options, 'generation_mode="text"', f"thinker_max_new_tokens={options.max_new_tokens}")
    prepared, _, finished = _any(given, options)
    told = {"max_new_tokens": options.max_new_tokens, "do_sample": options.do_sample, "pad_token_id": "pad_token_id"}
    told |= {"temperature": options.temperature} if options.do_sample else {}
    told |= {"num_beams": options.num_beams} if options.num_beams > 1 else {}
    thinks = [f"thinker_{name}={value}" for name, value in told.items()]
    talks = [f"talker_max_new_tokens={SAID * options.max_new_tokens}", 'generation_mode="audio"']
    return [
        prepared,
        [
            "# 2. Forward: one of its models writes, the others say what it wrote",
            "tokenizer = processor.tokenizer",
            PAD,
            f"torch.manual_seed({options.seed})",
            *(['inputs["thinker_pixel_values"] = inputs.pop("pixel_values")'] if given.image is not None else []),
            *call("written, waveform = model.generate(", ["**inputs", *thinks, *talks]),
            'sequences = getattr(written, "sequences", written)',
        ],
        [*finished, f'soundfile.write("answer.wav", waveform.float().cpu().reshape(-1).numpy(), {RATE})'],
    ]


def _thought_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    more = ("import soundfile", "import torch") if options.speaks else ()
    return tuple(dict.fromkeys((*_any_imports(given, options), *more)))


def _said(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    prepared = audio.said("text", given.audio is not None)
    moved = "inputs = inputs.to(model.device, dtype=model.dtype)"
    return [["# 1. Preprocess: the text as the chat template shows it", *prepared, moved], *answers(options)]


def _given_voxtral(given: TaskInput) -> list[str]:
    return [*assign("text", given.text), *(assign("path", str(given.audio)) if given.audio is not None else [])]


def _voxtral(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    heard = ['{"type": "audio", "path": path}'] if given.audio is not None else []
    return [
        [
            "# 1. Preprocess: its tokenizer reads the sound itself, and writes the conversation as Mistral's do",
            *call("content = [", [*heard, '{"type": "text", "text": text}'], "]"),
            'inputs = processor.apply_chat_template([{"role": "user", "content": content}])',
            "inputs = inputs.to(model.device, dtype=model.dtype)",
        ],
        *answers(options),
    ]


def _any_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    lines = list(torch_when_sampling(given, options))
    if given.image is not None:
        lines.append("from PIL import Image, ImageOps")
    if given.audio is not None:
        lines += ["import math", "import soundfile", "from scipy.signal import resample_poly"]
    return tuple(lines)


def _given_decision(given: TaskInput) -> list[str]:
    options = [label for label in given.labels if label.strip()]
    lines = [*assign("text", given.text), *assign("question", given.second)]
    return [*lines, *(assign("options", options) if options else [])]


def _decision(given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    options = any(label.strip() for label in given.labels)
    noul = '"noul", "instructions": question'
    choice = '"choice", "instructions": question, "criteria": dict.fromkeys(options)'
    yes_or_no = 'scores = {"true": answer["noul"], "false": 1 - answer["noul"]}'
    making = ['"decision"', "model=model", "tokenizer=tokenizer", "device=model.device"]
    return [
        [
            "# Preprocess, forward and postprocess are those of the pipeline",
            *call("decide = pipeline(", making),
            "asked = {" + f'"type": {choice if options else noul}' + "}",
            'answer = decide({"state": text, "questions": {"question": asked}})["question"]',
            'scores = answer["probabilities"]' if options else yes_or_no,
            "result = sorted(scores.items(), key=lambda pair: pair[1], reverse=True)",
            *PRINT_LABELS,
        ]
    ]


def _given_voice(given: TaskInput) -> list[str]:
    return [*assign("text", given.text), *assign("voice", str(given.beside))]


def _spoken(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return [
        [
            "# 1. Preprocess: the text, and the numbers of the voice",
            'inputs = tokenizer(text, return_tensors="pt").to(model.device)',
            'numbers = numpy.load(voice).astype("float32").reshape(1, -1)',
            "speaker = torch.from_numpy(numbers).to(model.device, dtype=model.dtype)",
        ],
        [
            "# 2. Forward: the spectrogram, then the vocoder beside the checkpoint, or the one that was downloaded",
            *speech.vocoder_lines("speecht5"),
            f"torch.manual_seed({options.seed})",
            "with torch.inference_mode():",
            "    spectrogram = model.generate(**inputs, speaker_embeddings=speaker)",
            "    waveform = vocoder(spectrogram[None])",
        ],
        speech.finished("waveform", "vocoder.config.sampling_rate"),
    ]


def _voice_imports(_given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    return ("import os", "import numpy", "import soundfile", "import torch")


def _pipeline(_options: TaskOptions) -> tuple[str, ...]:
    return ("pipeline",)


def _vocoder(_options: TaskOptions) -> tuple[str, ...]:
    return ("SpeechT5HifiGan",)


def _told_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    resizes = ("import functools",) if options.subtask != "semantic" else ()
    return (*resizes, *vision.segmentation_imports(given, options))


def _pictures(_options: TaskOptions) -> tuple[str, ...]:
    return ("AutoImageProcessor",)


SCRIPTS: dict[str, Script] = {
    "any-to-any": Script(
        "Answer a text with whatever goes with it.", _given_any, _any, _any_imports, loads=("processor",)
    ),
    "decision": Script(
        "Choose among options.", _given_decision, _decision, lambda _given, _options: (), classes=_pipeline
    ),
    **raw.SCRIPTS,
}
"""By the name of the task."""


_SPOKEN = Script("Speak a text with a voice.", _given_voice, _spoken, _voice_imports, classes=_vocoder)


def fitted(name: str, made: Script, given: TaskInput, checkpoint: Checkpoint, head: str) -> Script:
    """The script of a task for what was given, and for checkpoints that are used in another way than others."""
    if name == "image-segmentation" and model_type_of(checkpoint) == "oneformer":
        return replace(
            made, blocks=vision.told_in_words, imports=_told_imports, loads=("tokenizer",), classes=_pictures
        )
    if (other := films.fitted(name, made, checkpoint)) is not None:
        return other
    if documents.reads_pages(checkpoint) and name != "image-text-to-text":
        return documents.fitted(name, made, given, checkpoint)
    if name == "visual-question-answering" and model_type_of(checkpoint) == "blip":
        return replace(made, blocks=rarer.written_answer)
    if name == "image-matting" and model_type_of(checkpoint) != "vitmatte":
        return replace(made, given=vision.given_picture, blocks=points.untold_matting)
    if name in ("image-text-to-text", "any-to-any") and model_type_of(checkpoint) == DENOISES:
        return replace(
            made,
            blocks=lambda given, options: denoised(made.blocks(given, options), options),
            imports=lambda given, options: tuple(dict.fromkeys((*made.imports(given, options), "import torch"))),
        )
    if name == "image-text-to-text" and model_type_of(checkpoint) == "hunyuan_vl":
        return replace(made, blocks=partial(vision.image_text, framed=True))
    if name == "image-text-to-text" and model_type_of(checkpoint) == "idefics":
        return replace(made, blocks=vision.between)
    if name == "raw-outputs" and given.audio is not None and model_type_of(checkpoint) in AMONG:
        return raw.among(fitted("any-to-any", SCRIPTS["any-to-any"], given, checkpoint, head), made)
    if name == "raw-outputs" and given.image is not None and model_type_of(checkpoint) in TYPES:
        return captions.raw(model_type_of(checkpoint))
    if name == "raw-outputs" and given.image is not None and describe(checkpoint).takes_images and head in PLACED:
        plain = vision.SCRIPTS["image-text-to-text"]
        model_type = model_type_of(checkpoint)
        return raw.among(fitted("image-text-to-text", plain, given, checkpoint, head), made, model_type)
    if name == "image-text-to-text" and model_type_of(checkpoint) in TYPES:
        return captions.script(model_type_of(checkpoint), checkpoint.path)
    if name == "zero-shot-object-detection" and guided(given):
        return replace(made, given=pages.given_shown, blocks=pages.shown_objects, loads=("image_processor",))
    if name == "zero-shot-object-detection" and model_type_of(checkpoint) in TOLD:
        return replace(made, given=vision.given_labels, blocks=pages.told_objects, loads=("processor",))
    if name == "video-classification" and model_type_of(checkpoint) in NESTED:
        return replace(made, blocks=points.nested_video, loads=("video_processor",))
    if name == "image-classification" and model_type_of(checkpoint) == policies.ARCHITECTURE:
        return replace(made, blocks=vision.policies, loads=("processor",))
    if name == "image-classification" and model_type_of(checkpoint) in UNNAMED:
        return replace(made, blocks=vision.unnamed_classification)
    if name == "image-feature-extraction" and model_type_of(checkpoint) in DRAWS:
        return replace(made, blocks=vision.drawn_features)
    if name == "image-to-image" and model_type_of(checkpoint) in FLATTENS:
        return replace(made, blocks=pages.flattened)
    if name == "video-classification" and takes_films(checkpoint):
        return replace(made, blocks=points.whole_video, loads=("video_processor",))
    if name == "raw-outputs":
        return raw.fitted(made, given, checkpoint, head)
    if name == "translation" and model_type_of(checkpoint) in SEAMLESS:
        return replace(made, blocks=sequences.told)
    if name == "any-to-any" and model_type_of(checkpoint) == "hunyuan_vl":
        return replace(made, blocks=partial(_any, framed=True))
    if name == "any-to-any" and model_type_of(checkpoint) in TYPES:
        return replace(made, blocks=partial(_any, marked=False))
    if name == "any-to-any" and model_type_of(checkpoint) in TALKERS:
        return replace(made, blocks=_thought, imports=_thought_imports)
    if name == "any-to-any" and model_type_of(checkpoint) in audio.BY_OTHER_NAME:
        model_type = model_type_of(checkpoint)
        blocks = _said if model_type in GRANITE else made.blocks
        return replace(made, given=lambda given: _given_any(given, model_type), blocks=blocks)
    if name == "any-to-any" and model_type_of(checkpoint) in HEARS:
        return replace(made, heads=ALSO)
    if name == "any-to-any" and model_type_of(checkpoint) == "voxtral":
        return replace(made, given=_given_voxtral, blocks=_voxtral, imports=torch_when_sampling)
    if name == "automatic-speech-recognition" and head == aligning.HEAD:
        return audio.ALIGNED
    if name == "automatic-speech-recognition" and head in TRANSDUCERS:
        return replace(made, blocks=audio.transduced)
    if name == "automatic-speech-recognition" and model_type_of(checkpoint) == ARCHITECTURE:
        return audio.PIANO
    if name == "automatic-speech-recognition" and model_type_of(checkpoint) in (*LANGUAGES, *FILLED):
        return audio.asked(model_type_of(checkpoint))
    if name == "text-to-audio":
        spoken = speech.BY_TYPE.get(model_type_of(checkpoint), made)
        return _SPOKEN if spoken is made and given.beside is not None else spoken
    return made
