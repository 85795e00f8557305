"""The scripts of tasks on a sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.codegen.task.parts import PRINT_LABELS, Script, given_text, threshold
from workbench.engine.tasks.automatic_speech_recognition import PART, SHARED

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions

_READ = [
    'samples, rate = soundfile.read(path, dtype="float32", always_2d=True)',
    "samples = samples.mean(axis=1)",
    "wanted = feature_extractor.sampling_rate",
    "if rate != wanted:",
    "    common = math.gcd(rate, wanted)",
    '    samples = resample_poly(samples, wanted // common, rate // common).astype("float32")',
]


def given_sound(given: TaskInput) -> list[str]:
    """``path``, and its ``samples`` at the ``wanted`` rate."""
    return [*assign("path", str(given.audio or "sound.wav")), *_READ]


def imports(_given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    """What a script on a sound needs besides transformers."""
    return ("import math", "", "import soundfile", "import torch", "from scipy.signal import resample_poly")


def _writes_wav(_given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    return ("import soundfile", "import torch")


def _classification(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    arguments = ["samples", "sampling_rate=wanted", 'return_tensors="pt"']
    return [
        [
            "# 1. Preprocess",
            *call("inputs = feature_extractor(", arguments),
            "inputs = inputs.to(model.device, dtype=model.dtype)",
        ],
        ["# 2. Forward", "with torch.inference_mode():", "    logits = model(**inputs).logits"],
        [
            "# 3. Postprocess",
            "logits = logits[0].float().cpu()",
            "kind = model.config.problem_type",
            'scores = logits if kind == "regression" else logits.softmax(dim=-1)',
            'if kind == "multi_label_classification":',
            "    scores = logits.sigmoid()",
            "best = sorted(enumerate(scores.tolist()), key=lambda pair: pair[1], reverse=True)"
            + (f"[:{options.top_k}]" if options.top_k else ""),
            f"result = [(model.config.id2label[index], score) for index, score in best{threshold(options)}]",
            *PRINT_LABELS,
        ],
    ]


def _recognition(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    stamps = {"none": None, "segment": True}.get(options.timestamps, options.timestamps)
    making = [
        '"automatic-speech-recognition"',
        "model=model",
        "tokenizer=tokenizer",
        "feature_extractor=feature_extractor",
        "device=model.device",
    ]
    settings = f'"max_new_tokens": {options.max_new_tokens}, "num_beams": {options.num_beams}'
    stamped = [f"settings[{literal('return_timestamps')}] = {literal(stamps)}"] if stamps is not None else []
    return [
        [
            "# Preprocess, forward and postprocess are those of the pipeline",
            *call("recognizer = pipeline(", making),
            "long = len(samples) > 30 * wanted",
            "settings = {}",
            "if model.can_generate():",
            f'    settings["generate_kwargs"] = {{{settings}, "do_sample": False}}',
            '    if long and model.config.model_type == "whisper":',
            '        settings["return_timestamps"] = True',
            "elif long:",
            f'    settings |= {{"chunk_length_s": {PART}, "stride_length_s": {SHARED}}}',
            *stamped,
            'result = recognizer({"raw": samples, "sampling_rate": wanted}, **settings)',
            'print(result["text"])',
            'for chunk in result.get("chunks", []):',
            '    print(chunk["timestamp"], chunk["text"])',
        ]
    ]


def _speech(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    cut = f", truncation=True, max_length={options.max_length}" if options.max_length else ""
    return [
        ["# 1. Preprocess", f'inputs = tokenizer(text, return_tensors="pt"{cut}).to(model.device)'],
        [
            "# 2. Forward",
            f"torch.manual_seed({options.seed})",
            "with torch.inference_mode():",
            "    if model.can_generate():",
            *call("        waveform = model.generate(", ["**inputs", f"max_new_tokens={options.max_new_tokens}"]),
            "    else:",
            "        waveform = model(**inputs)[0]",
        ],
        [
            "# 3. Postprocess",
            "samples = waveform.float().cpu().squeeze()",
            "samples = samples.mean(dim=0) if samples.dim() > 1 else samples",
            'owner = getattr(model.config, "audio_encoder", model.config)',
            'soundfile.write("speech.wav", samples.numpy(), owner.sampling_rate)',
            'print(f"speech.wav: {len(samples) / owner.sampling_rate:.2f} seconds")',
        ],
    ]


def _pipeline(_options: TaskOptions) -> tuple[str, ...]:
    return ("pipeline",)


SCRIPTS: dict[str, Script] = {
    "audio-classification": Script(
        "Classify a sound.", given_sound, _classification, imports, loads=("feature_extractor",)
    ),
    "automatic-speech-recognition": Script(
        "Write down what was said.",
        given_sound,
        _recognition,
        imports,
        _pipeline,
        loads=("tokenizer", "feature_extractor"),
    ),
    "text-to-audio": Script("Speak a text.", given_text, _speech, _writes_wav),
}
"""By the name of the task."""
