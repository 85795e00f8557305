"""The scripts of tasks on a sound."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.codegen.task.parts import PRINT_LABELS, Script, given_text, threshold, writes
from workbench.engine.tasks.automatic_speech_recognition import PART, SHARED
from workbench.engine.tasks.transcribing import ENGLISH, LANGUAGES

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
    told = options.target_language.strip("_")
    wanted = literal(told) if told else 'tokenizer.src_lang.strip("_")'
    stamped = [f"settings[{literal('return_timestamps')}] = {literal(stamps)}"] if stamps is not None else []
    return [
        [
            "# Preprocess, forward and postprocess are those of the pipeline",
            *call("recognizer = pipeline(", making),
            "long = len(samples) > 30 * wanted",
            "settings = {}",
            "if model.can_generate():",
            f'    settings["generate_kwargs"] = {{{settings}, "do_sample": False}}',
            '    if model.config.model_type.startswith("seamless"):',
            f'        settings["generate_kwargs"]["tgt_lang"] = {wanted}',
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


def given_to_processor(given: TaskInput) -> list[str]:
    """As `given_sound`, at the rate that the script's ``processor`` says."""
    return [line.replace("feature_extractor.", "processor.feature_extractor.") for line in given_sound(given)]


def asked(model_type: str) -> Script:
    """The script of a model that is asked for a transcript."""
    told = LANGUAGES[model_type]

    def blocks(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
        chosen = {name: getattr(options, option) for option, name in told.items() if getattr(options, option)}
        named = [f"{name}={literal(value)}" for name, value in (ENGLISH.get(model_type, {}) | chosen).items()]
        # What CohereAsr hears in several parts is put together by their places.
        several = ["audio_chunk_index=places", *named] if model_type == "cohere_asr" else []
        ids, first = ("written", "[0]") if several else ("written[0]", "")
        decoded = call("text = processor.decode(", [ids, "skip_special_tokens=True", *several], f"){first}")
        opening, sound = "inputs = processor.apply_transcription_request(", ["audio=samples"]
        if model_type == "cohere_asr":
            opening, sound = "inputs = processor(", ["samples", "sampling_rate=wanted"]
        elif model_type == "voxtral":
            sound = ["audio=[samples]", 'format=["wav"]', "model_id=checkpoint", "sampling_rate=wanted"]
        return [
            [
                "# 1. Preprocess: the sound with what asks for its transcript",
                *call(opening, [*sound, *named]),
                "inputs = inputs.to(model.device, dtype=model.dtype)",
                *(['places = inputs.pop("audio_chunk_index")'] if several else []),
            ],
            ["# 2. Forward, once for each new token", *writes(replace(options, do_sample=False), ["**inputs"])],
            [
                "# 3. Postprocess",
                'asks = inputs["decoder_input_ids" if model.config.is_encoder_decoder else "input_ids"]',
                "written = sequences[:, asks.shape[1] :]",
                *decoded,
                'result = {"text": text}',
                "print(text)",
            ],
        ]

    lines = ("import math", "", "import soundfile", "from scipy.signal import resample_poly")
    return Script(
        "Write down what was said.", given_to_processor, blocks, lambda _given, _options: lines, loads=("processor",)
    )


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
