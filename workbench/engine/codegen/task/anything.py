"""The scripts of tasks whose input is whatever the model takes, of decisions, and of speech with a voice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call
from workbench.engine.codegen.task import audio, points, rarer, sequences, series, speech, vision
from workbench.engine.codegen.task.parts import PRINT_LABELS, Script, answers, torch_when_sampling
from workbench.engine.errors import CheckpointError
from workbench.engine.facts import read_config
from workbench.engine.tasks.any_to_any import TALKERS
from workbench.engine.tasks.processors import takes_films
from workbench.engine.tasks.series import ARCHITECTURES
from workbench.engine.tasks.speaking import SEAMLESS
from workbench.engine.tasks.transcribing import LANGUAGES

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint, TaskInput, TaskOptions


def _given_any(given: TaskInput) -> list[str]:
    lines = assign("text", given.text)
    if given.image is not None:
        lines += vision.given_picture(given)
    if given.audio is not None:
        lines += audio.given_to_processor(given)
    return lines


def _any(given: TaskInput, options: TaskOptions, *more: str) -> list[list[str]]:
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
            *call("inputs = processor(", [*plain, 'return_tensors="pt"'], indent=4),
            "inputs = inputs.to(model.device, dtype=model.dtype)",
        ],
        *answers(options, *more),
    ]


def _thought(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return _any(given, options, 'generation_mode="text"', f"thinker_max_new_tokens={options.max_new_tokens}")


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


def _given_raw(given: TaskInput) -> list[str]:
    lines: list[str] = []
    if given.image is not None:
        lines += vision.given_picture(given)
    if given.audio is not None:
        lines += audio.given_sound(given)
    if given.text.strip() or not lines:
        lines += assign("text", given.text)
    return lines


def _raw_parts(given: TaskInput) -> dict[str, str]:
    """What prepares each part of the input, and how it is called."""
    parts: dict[str, str] = {}
    if given.image is not None:
        parts["image_processor"] = "image_processor(images=[image], "
    if given.audio is not None:
        parts["feature_extractor"] = "feature_extractor(samples, sampling_rate=wanted, "
    if given.text.strip() or not parts:
        parts["tokenizer"] = "tokenizer(text, "
    return parts


def _raw(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    parts = _raw_parts(given)
    if options.max_length and "tokenizer" in parts:
        parts["tokenizer"] += f"truncation=True, max_length={options.max_length}, "
    return [
        [
            "# 1. Preprocess",
            "inputs = {}",
            *(f'inputs.update({made}return_tensors="pt"))' for made in parts.values()),
            "takes = inspect.signature(model.forward).parameters",
            "inputs = {name: tensor.to(model.device) for name, tensor in inputs.items() if name in takes}",
        ],
        *series.outputs(options),
    ]


def _raw_imports(given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    lines = ["import inspect", "import torch"]
    if given.image is not None:
        lines.append("from PIL import Image, ImageOps")
    if given.audio is not None:
        lines += ["import math", "import soundfile", "from scipy.signal import resample_poly"]
    return tuple(lines)


def _given_voice(given: TaskInput) -> list[str]:
    return [*assign("text", given.text), *assign("voice", str(given.voice))]


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
    "raw-outputs": Script("Run the model and print what comes out.", _given_raw, _raw, _raw_imports),
}
"""By the name of the task."""


def _model_type(checkpoint: Checkpoint) -> str:
    try:
        return str(read_config(checkpoint.path, checkpoint.name).get("model_type", ""))
    except CheckpointError:
        return ""


_SPOKEN = Script("Speak a text with a voice.", _given_voice, _spoken, _voice_imports, classes=_vocoder)


def fitted(name: str, made: Script, given: TaskInput, checkpoint: Checkpoint) -> Script:
    """The script of a task for what was given, and for checkpoints that are used in another way than others."""
    if name == "image-segmentation" and _model_type(checkpoint) == "oneformer":
        return replace(
            made, blocks=vision.told_in_words, imports=_told_imports, loads=("tokenizer",), classes=_pictures
        )
    if name == "document-question-answering" and _model_type(checkpoint) == "layoutlmv3":
        loads = rarer.BOTH if given.image is not None else ("tokenizer",)
        return replace(
            made, given=rarer.given_seen_page, blocks=rarer.seen_page, imports=rarer.seen_page_imports, loads=loads
        )
    if name == "visual-question-answering" and _model_type(checkpoint) == "blip":
        return replace(made, blocks=rarer.written_answer)
    if name == "raw-outputs" and _model_type(checkpoint) in ARCHITECTURES:
        return series.RAW
    if name == "image-matting" and _model_type(checkpoint) != "vitmatte":
        return replace(made, given=vision.given_picture, blocks=points.untold_matting)
    if name == "video-classification" and takes_films(checkpoint):
        return replace(made, blocks=points.whole_video, loads=("video_processor",))
    if name == "raw-outputs":
        return replace(made, loads=tuple(_raw_parts(given)))
    if name == "translation" and _model_type(checkpoint) in SEAMLESS:
        return replace(made, blocks=sequences.told)
    if name == "any-to-any" and _model_type(checkpoint) in TALKERS:
        return replace(made, blocks=_thought)
    if name == "automatic-speech-recognition" and _model_type(checkpoint) in LANGUAGES:
        return audio.asked(_model_type(checkpoint))
    if name == "text-to-audio":
        spoken = speech.BY_TYPE.get(_model_type(checkpoint), made)
        return _SPOKEN if spoken is made and given.voice is not None else spoken
    return made
