"""The scripts of tasks whose input is whatever the model takes, of decisions, and of speech with a voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.codegen.task import audio, pages, raw, speech, vision
from workbench.engine.codegen.task.parts import PAD, PRINT_LABELS, Script, answers, torch_when_sampling
from workbench.engine.tasks import painting
from workbench.engine.tasks.any_to_any import RATE, SAID
from workbench.engine.tasks.writing import chosen

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions


def given_any(given: TaskInput, model_type: str = "") -> list[str]:
    """``text``, and the ``image`` and the ``samples`` that go with it."""
    lines = assign("text", given.text)
    if given.image is not None:
        lines += vision.given_picture(given)
    if given.audio is not None:
        lines += audio.given_to_processor(given, model_type)
    return lines


def answered(
    given: TaskInput, options: TaskOptions, *more: str, marked: bool = True, framed: bool = False
) -> list[list[str]]:
    """The steps of an answer to a text with what goes with it.

    Args:
        given: The input.
        options: How many tokens, and how each is chosen.
        more: Further arguments of ``generate``.
        marked: Whether marks of what goes with the text are put in front of it, where there is no chat template.
        framed: Whether the mark of the picture has to stand between those of where a picture begins and ends.
    """
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


def thought(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of one whose models think and, where it is asked for, talk (Qwen Omni)."""
    if not options.speaks:
        return answered(given, options, 'generation_mode="text"', f"thinker_max_new_tokens={options.max_new_tokens}")
    prepared, _, finished = answered(given, options)
    told = chosen(options) | {"pad_token_id": "pad_token_id"}
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


def thought_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    """What those steps need besides transformers."""
    more = ("import soundfile", "import torch") if options.speaks else ()
    return tuple(dict.fromkeys((*_imports(given, options), *more)))


def painted(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of one that draws a picture where it is asked to (Janus)."""
    if not options.paints:
        return answered(given, options)
    mode = f'"{painting.MODE}"'
    chat = ["turns", "add_generation_prompt=True", "tokenize=True", "return_dict=True", 'return_tensors="pt"']
    chat.append('processor_kwargs={"generation_mode": ' + mode + "}")
    told = [f"{name}={value!r}" for name, value in painting.settings(options).items()]
    last = ("pad_token_id=pad_token_id", f"generation_mode={mode}")
    seed = [f"torch.manual_seed({options.seed})"] if options.do_sample else []
    return [
        [
            "# 1. Preprocess: the text, and the token that a picture begins with",
            'if getattr(processor, "chat_template", None):',
            '    turns = [{"role": "user", "content": [{"type": "text", "text": text}]}]',
            *call("inputs = processor.apply_chat_template(", chat, indent=4),
            "else:",
            f'    inputs = processor(text=text, generation_mode={mode}, return_tensors="pt")',
            "inputs = inputs.to(model.device, dtype=model.dtype)",
        ],
        [
            "# 2. Forward, once for each code of the picture; a decoder makes pixels of all of them",
            "tokenizer = processor.tokenizer",
            PAD,
            *seed,
            *call("image_tokens = model.generate(", ["**inputs", *told, *last]),
            "with torch.inference_mode():",
            "    pixels = model.decode_image_tokens(image_tokens).float().cpu()",
        ],
        [
            "# 3. Postprocess: the image processor wants the colours first",
            '(made,) = processor.postprocess(list(pixels.permute(0, 3, 1, 2)))["pixel_values"]',
            "result = torch.as_tensor(made).permute(1, 2, 0).contiguous()",
            *pages.SAVE,
        ],
    ]


def painted_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    """What those steps need besides transformers."""
    lines = _imports(given, options)
    more = ("import torch", *(() if given.image is not None else ("from PIL import Image",))) if options.paints else ()
    return tuple(dict.fromkeys((*lines, *more)))


def said(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of one whose chat template takes texts alone (Granite Speech)."""
    prepared = audio.said("text", given.audio is not None)
    moved = "inputs = inputs.to(model.device, dtype=model.dtype)"
    return [["# 1. Preprocess: the text as the chat template shows it", *prepared, moved], *answers(options)]


def given_voxtral(given: TaskInput) -> list[str]:
    """``text``, and the ``path`` of the sound."""
    return [*assign("text", given.text), *(assign("path", str(given.audio)) if given.audio is not None else [])]


def voxtral(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of Voxtral, whose tokenizer reads the sound itself."""
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


def _imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
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


SCRIPTS: dict[str, Script] = {
    "any-to-any": Script(
        "Answer a text with whatever goes with it.", given_any, answered, _imports, loads=("processor",)
    ),
    "decision": Script(
        "Choose among options.", _given_decision, _decision, lambda _given, _options: (), classes=_pipeline
    ),
    **raw.SCRIPTS,
}
"""By the name of the task."""


SPOKEN = Script("Speak a text with a voice.", _given_voice, _spoken, _voice_imports, classes=_vocoder)
"""Where the numbers of a voice are given besides."""
