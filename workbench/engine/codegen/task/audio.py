"""The scripts of tasks on a sound."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.codegen.task.parts import (
    LABELS,
    PRINT_LABELS,
    Script,
    asked_scores,
    given_text,
    named,
    threshold,
    writes,
)
from workbench.engine.codegen.task.sequences import CODES
from workbench.engine.tasks.aligning import ARCHITECTURES
from workbench.engine.tasks.any_to_any import ALSO
from workbench.engine.tasks.notes import RATE
from workbench.engine.tasks.raw_inputs import MASKED
from workbench.engine.tasks.sounds import CUT, FILLED, LISTED, SEEDED, WHOLE
from workbench.engine.tasks.transcribing import ENGLISH, GRANITE, LANGUAGES, PACED, QUESTION

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions

BY_OTHER_NAME = ("granite_speech", "granite_speech_plus", "phi4_multimodal")
"""Architectures whose processors call their feature extractor an audio processor."""

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


def extracted(model_type: str, seed: int = 0) -> list[str]:
    """What the feature extractor of an architecture is told, as `features` and `masked` do."""
    mask = ["return_attention_mask=True"] if model_type in MASKED else []
    given = "[samples]" if model_type in LISTED else "samples"
    filled = ["padding=True", f"pad_to_multiple_of={FILLED[model_type]}"] if model_type in FILLED else []
    return [
        given,
        "sampling_rate=wanted",
        *mask,
        *filled,
        *([f"generator=numpy.random.default_rng({seed})"] if model_type in SEEDED else []),
    ]


def drawn(model_type: str, seed: int = 0) -> list[str]:
    """The seed by which a feature extractor chooses what of a long sound is heard; none where it hears all."""
    return [f"numpy.random.seed({seed})"] if model_type in CUT else []


def filled(model_type: str) -> list[str]:
    """``inputs`` filled up to whole positions, as `features` does."""
    if model_type not in WHOLE:
        return []
    return [
        'missing = -inputs["input_features"].shape[1] % model.config.subsampling_factor',
        'inputs["input_features"] = torch.nn.functional.pad(inputs["input_features"], (0, 0, 0, missing))',
        'inputs["attention_mask"] = torch.nn.functional.pad(inputs["attention_mask"], (0, missing))',
    ]


def paced(given: TaskInput, model_type: str) -> list[str]:
    """``inputs`` with a token to each moment of the sound, as `workbench.engine.tasks.transcribing.paced` does."""
    if model_type not in PACED or given.audio is None:
        return []
    return [
        "# A token goes with each moment of the sound: those without one of the text have that of padding",
        "each = model.config.audio_length_per_tok",
        'count = inputs["input_features"].shape[-1] // each',
        'inputs["input_features"] = inputs["input_features"][..., : count * each]',
        'ids = torch.full((1, count), getattr(model.config.get_text_config(), "pad_token_id", None) or 0)',
        'said = inputs["input_ids"][:, :count] if "input_ids" in inputs else ids[:, :0]',
        "ids[:, : said.shape[1]] = said",
        'inputs.update({"input_ids": ids, "attention_mask": torch.ones_like(ids)})',
    ]


def imports(_given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    """What a script on a sound needs besides transformers."""
    return ("import math", "", "import soundfile", "import torch", "from scipy.signal import resample_poly")


def _writes_wav(_given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    return ("import soundfile", "import torch")


_OWN_SCORES = [
    "kind = model.config.problem_type",
    'scores = logits if kind == "regression" else logits.softmax(dim=-1)',
    'if kind == "multi_label_classification":',
    "    scores = logits.sigmoid()",
]


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
            LABELS,
            "logits = logits[0].float().cpu()",
            *(_OWN_SCORES if options.function == "auto" else [asked_scores(options)]),
            "best = sorted(enumerate(scores.tolist()), key=lambda pair: pair[1], reverse=True)"
            + (f"[:{options.top_k}]" if options.top_k else ""),
            f"result = [({named('index')}, score) for index, score in best{threshold(options)}]",
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
    settings = f'"max_new_tokens": {options.max_new_tokens}, "num_beams": {options.num_beams or 1}'
    stamped = [f"settings[{literal('return_timestamps')}] = {literal(stamps)}"] if stamps is not None else []
    spoken = ['settings["return_language"] = True'] if options.says_language else []
    frames = "len(samples) // feature_extractor.hop_length > feature_extractor.nb_max_frames"
    parts = _in_parts(options)
    return [
        [
            "# Preprocess, forward and postprocess are those of the pipeline",
            *call("recognizer = pipeline(", making),
            'whisper = model.config.model_type == "whisper"',
            "settings = {}",
            "if model.can_generate():",
            f'    settings["generate_kwargs"] = {{{settings}, "do_sample": False}}',
            *_languages(options),
            *parts,
            f"{'elif' if parts else 'if'} whisper and {frames}:",
            '    settings["return_timestamps"] = True',
            *stamped,
            *spoken,
            'result = recognizer({"raw": samples, "sampling_rate": wanted}, **settings)',
            'print(result["text"])',
            'for chunk in result.get("chunks", []):',
            '    print(*chunk.get("timestamp", ()), chunk.get("language", ""), chunk["text"])',
        ]
    ]


def _languages(options: TaskOptions) -> list[str]:
    """What ``generate`` is told of languages, as `workbench.engine.tasks.languages.told` has it."""
    target = options.target_language
    wanted = literal(target.strip("_")) if target else 'tokenizer.src_lang.strip("_")'
    lines = [
        'if model.config.model_type.startswith("seamless"):',
        f'    settings["generate_kwargs"]["tgt_lang"] = {wanted}',
    ]
    if target:
        forced = f'settings["generate_kwargs"]["forced_bos_token_id"] = tokenizer.lang_code_to_id[{literal(target)}]'
        lines += ["elif not whisper:", *(f"    {line}" for line in [*CODES, forced])]
    spoken = {"language": options.source_language.strip(), "task": options.speech_task}
    told = [f"{literal(name)}: {literal(value)}" for name, value in spoken.items() if value not in ("", "auto")]
    if told:
        lines += ["if whisper:", f'    settings["generate_kwargs"] |= {{{", ".join(told)}}}']
    return [f"    {line}" for line in lines]


def _in_parts(options: TaskOptions) -> list[str]:
    if options.chunk_length is None:
        return []
    chunk, shared = options.chunk_length, options.chunk_overlap
    lines = [f"if len(samples) > {chunk} * wanted:", f'    settings["chunk_length_s"] = {chunk}']
    return lines if shared is None else [*lines, f'    settings["stride_length_s"] = {shared!r}']


def transduced(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of a transducer, which is at its end where the sound is."""
    (lines,) = _recognition(given, options)
    start = next(index for index, line in enumerate(lines) if line.startswith("whisper = "))
    end = next(index for index, line in enumerate(lines) if line.startswith("result = "))
    return [[*lines[:start], lines[end].replace(", **settings", ""), 'print(result["text"])']]


def given_to_processor(given: TaskInput, model_type: str) -> list[str]:
    """As `given_sound`, at the rate that the script's ``processor`` says."""
    part = "audio_processor" if model_type in BY_OTHER_NAME else "feature_extractor"
    return [line.replace("feature_extractor.", f"processor.{part}.") for line in given_sound(given)]


def said(text: str, heard: bool) -> list[str]:
    """``inputs = …`` for Granite Speech: a text, in front of it the sound where there is one.

    Args:
        text: An expression for it.
        heard: Whether there are ``samples``.
    """
    content = f"processor.audio_token + {text}" if heard else text
    arguments = ["text=prompt", *(["audio=samples"] if heard else []), 'return_tensors="pt"']
    return [
        *call("turns = [", [f'{{"role": "user", "content": {content}}}'], "]"),
        *call("prompt = processor.apply_chat_template(", ["turns", "add_generation_prompt=True", "tokenize=False"]),
        *call("inputs = processor(", arguments),
    ]


def asked(model_type: str) -> Script:
    """The script of a model that is asked for a transcript."""
    told = LANGUAGES.get(model_type, {})

    def blocks(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
        chosen = {name: getattr(options, option) for option, name in told.items() if getattr(options, option)}
        named = [f"{name}={literal(value)}" for name, value in (ENGLISH.get(model_type, {}) | chosen).items()]
        # What CohereAsr hears in several parts is put together by their places.
        several = ["audio_chunk_index=places", *named] if model_type == "cohere_asr" else []
        start = 'asks = inputs["decoder_input_ids" if model.config.is_encoder_decoder else "input_ids"]'
        cut = [start, "written = sequences[:, asks.shape[1] :]"]
        if model_type in ("kyutai_speech_to_text", *FILLED):
            cut = ["written = sequences[:, 1:]"]
        ids, first = ("written", "[0]") if several else ("written[0]", "")
        decoded = call("text = processor.decode(", [ids, "skip_special_tokens=True", *several], f"){first}")
        opening, sound = "inputs = processor.apply_transcription_request(", ["audio=samples"]
        if model_type == "cohere_asr":
            opening, sound = "inputs = processor(", ["samples", "sampling_rate=wanted"]
        elif model_type == "voxtral":
            sound = ["audio=[samples]", 'format=["wav"]', "model_id=checkpoint", "sampling_rate=wanted"]
        elif model_type in (*PACED, *FILLED):
            opening, sound = "inputs = processor(", ["audio=samples", 'return_tensors="pt"']
        elif model_type == "moss_transcribe_diarize":
            sound = ["audio=samples", 'return_tensors="pt"']
        prepared = said(literal(QUESTION), True) if model_type in GRANITE else call(opening, [*sound, *named])
        greedy = replace(options, do_sample=False)
        written = writes(greedy, ["**inputs"])
        if model_type in PACED:
            written = [line.replace(f"max_new_tokens={options.max_new_tokens}, ", "") for line in written]
        return [
            [
                "# 1. Preprocess: the sound with what asks for its transcript",
                *prepared,
                "inputs = inputs.to(model.device, dtype=model.dtype)",
                *(['places = inputs.pop("audio_chunk_index")'] if several else []),
            ],
            ["# 2. Forward, once for each new token", *written],
            [
                "# 3. Postprocess",
                *cut,
                *decoded,
                'result = {"text": text}',
                "print(text)",
            ],
        ]

    lines = ("import math", "", "import soundfile", "from scipy.signal import resample_poly")
    return Script(
        "Write down what was said.",
        lambda given: given_to_processor(given, model_type),
        blocks,
        lambda _given, _options: lines,
        loads=("processor",),
        heads=ALSO,
    )


def _aligned(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    told = ["audio=samples", "transcript=text"]
    told += [f"language={literal(options.source_language)}"] if options.source_language else []
    marks = ["logits", 'inputs["input_ids"]', "words", "model.config.timestamp_token_id"]
    return [
        [
            "# 1. Preprocess: the sound with the words of its transcript, between marks for their times",
            *call("inputs, words = processor.prepare_forced_aligner_inputs(", told),
            "inputs = inputs.to(model.device, dtype=model.dtype)",
        ],
        ["# 2. Forward", "with torch.inference_mode():", "    logits = model(**inputs).logits"],
        [
            "# 3. Postprocess: the best moment at each mark",
            *call("(found,) = processor.decode_forced_alignment(", marks),
            'result = [(word["text"], word["start_time"], word["end_time"]) for word in found]',
            "for text, start, end in result:",
            '    print(f"{start:8.2f} {end:8.2f} {text}")',
        ],
    ]


ALIGNED = Script(
    "Say when each word of a transcript was said.",
    lambda given: [*assign("text", given.text), *given_to_processor(given, ARCHITECTURES[0])],
    _aligned,
    imports,
    loads=("processor",),
)
"""The script of an aligner."""


def _given_song(given: TaskInput) -> list[str]:
    return [line.replace("feature_extractor.sampling_rate", str(RATE)) for line in given_sound(given)]


def _piano(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    prepared = ["audio=samples", "sampling_rate=wanted", 'return_tensors="pt"']
    features = 'input_features=heard["input_features"].to(model.device, dtype=model.dtype)'
    return [
        ["# 1. Preprocess: the song, cut at its beats", *call("heard = feature_extractor(", prepared)],
        [
            "# 2. Forward, once for each new token",
            *writes(replace(options, do_sample=False, num_beams=1), [features]),
        ],
        [
            "# 3. Postprocess: a part that was stopped before its end gets one",
            "sequences = torch.nn.functional.pad(sequences.cpu(), (0, 1), value=int(tokenizer.eos_token))",
            'notes = tokenizer.batch_decode(sequences, heard, return_midi=False)["notes"]',
            "result = [(pretty_midi.note_number_to_name(note.pitch), note.start, note.end) for note in notes]",
            "for name, start, end in result:",
            '    print(f"{start:8.2f} {end:8.2f} {name}")',
        ],
    ]


PIANO = Script(
    "Write the notes of a piano for a song.",
    _given_song,
    _piano,
    lambda given, options: ("import pretty_midi", *imports(given, options)),
    loads=("tokenizer", "feature_extractor"),
)
"""The script of Pop2Piano."""


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
