"""The scripts of speech where a text alone is not enough: by the architecture that speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.codegen.task.audio import given_sound
from workbench.engine.codegen.task.parts import Script, given_text, inputs
from workbench.engine.tasks.speaking import CONVERSES, PHONEMES, SEAMLESS, TURNS
from workbench.engine.tasks.vocoders import BESIDE, KINDS

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions

_WAV = ("import soundfile", "import torch")


def finished(waveform: str, rate: str) -> list[str]:
    """The last step: a waveform is written to a file.

    Args:
        waveform: An expression for it.
        rate: An expression for how many samples make a second.
    """
    return [
        "# 3. Postprocess",
        f"samples = {waveform}.float().cpu().squeeze()",
        f"rate = {rate}",
        'soundfile.write("speech.wav", samples.numpy(), rate)',
        'print(f"speech.wav: {len(samples) / rate:.2f} seconds")',
    ]


def vocoder_lines(model_type: str, name: str = "vocoder") -> list[str]:
    """``vocoder = …``: the one beside the checkpoint, or the one that was downloaded."""
    kind, name_there = KINDS[model_type]
    read = [name, "trust_remote_code=False", "use_safetensors=True", "dtype=model.dtype"]
    return [
        f"{name} = os.path.join(checkpoint, {literal(BESIDE)})",
        f"{name} = {name} if os.path.isdir({name}) else {literal(name_there)}",
        *call(f"{name} = {kind}.from_pretrained(", read),
        f"{name} = {name}.eval().to(model.device)",
    ]


def _generates(options: TaskOptions, arguments: list[str], name: str = "waveform") -> list[str]:
    return [
        "# 2. Forward",
        f"torch.manual_seed({options.seed})",
        "with torch.inference_mode():",
        *call(f"    {name} = model.generate(", ["**inputs", *arguments]),
    ]


def _given_preset(given: TaskInput) -> list[str]:
    return [*assign("text", given.text), *(assign("voice", str(given.beside)) if given.beside is not None else [])]


def _bark(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    told = ["voice_preset=voice"] if given.beside is not None else []
    moved = 'inputs["history_prompt"] = inputs["history_prompt"].to(model.device)'
    return [
        [
            "# 1. Preprocess: the text as its first model reads it, and the voice where there is one",
            'longest = getattr(model.generation_config, "semantic_config", {}).get("max_input_semantic_length", 256)',
            "processor = BarkProcessor(tokenizer)",
            *call("inputs = processor(", ["text", *told, "max_length=longest", "truncation=True"]),
            "inputs = inputs.to(model.device)",
            *([moved] if told else []),
        ],
        _generates(options, [f"semantic_max_new_tokens={options.max_new_tokens}"]),
        finished("waveform", "model.generation_config.sample_rate"),
    ]


def _csm(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return [
        [
            "# 1. Preprocess: who speaks stands in front",
            'said = text if text.lstrip().startswith("[") else f"[0]{text}"',
            *inputs(["said", 'return_tensors="pt"', "add_special_tokens=True"]),
        ],
        _generates(options, [f"max_new_tokens={options.max_new_tokens}", "output_audio=True"], "waveforms"),
        finished("waveforms[0]", "model.config.codec_config.sampling_rate"),
    ]


def _dia(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return [
        [
            "# 1. Preprocess: who speaks stands in front; the codec beside the checkpoint, or the downloaded one",
            *vocoder_lines("dia", "codec"),
            "processor = DiaProcessor(feature_extractor, tokenizer, codec)",
            'said = text if text.lstrip().startswith("[") else f"[S1] {text}"',
            'inputs = processor(said, truncation=True, return_tensors="pt").to(model.device)',
        ],
        [
            *_generates(options, [f"max_new_tokens={options.max_new_tokens}"], "codes"),
            "    waveform = processor.decode(codes)",
        ],
        finished("waveform", "codec.config.sampling_rate"),
    ]


def _seamless(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    wanted = literal(options.target_language.strip("_")) if options.target_language else 'tokenizer.tgt_lang.strip("_")'
    source = options.source_language
    told = [f"tgt_lang={wanted}", f"text_max_new_tokens={options.max_new_tokens}"]
    return [
        [
            "# 1. Preprocess: in the language of the text",
            *([f"tokenizer.src_lang = {literal(source.strip('_'))}"] if source else []),
            *inputs(["text", 'return_tensors="pt"']),
        ],
        _generates(options, [*told, "return_intermediate_token_ids=True"], "outputs"),
        finished("outputs.waveform", "model.config.sampling_rate"),
    ]


def _given_conversation(given: TaskInput) -> list[str]:
    return [*given_text(given), *(given_sound(given) if given.audio is not None else [])]


def converses(model_type: str) -> Script:
    """The script of one that reads a turn of a conversation, with a sound where there is one.

    Args:
        model_type: One of `workbench.engine.tasks.speaking.TURNS`.
    """
    apart = model_type in KINDS

    def blocks(given: TaskInput, options: TaskOptions) -> list[list[str]]:
        decoded = {
            "higgs_audio_v2": "processor.decode(outputs.audio_sequences)",
            "vibevoice": "outputs.audio[0]",
        }.get(model_type, "processor.decode(outputs.audio_latents[0])")
        parts = ["feature_extractor=feature_extractor", "tokenizer=tokenizer", "chat_template=tokenizer.chat_template"]
        asks = ["turns", "add_generation_prompt=True", "tokenize=True", "return_dict=True", 'return_tensors="pt"']
        settings = [f"max_new_tokens={options.max_new_tokens}", "return_dict_in_generate=True"]
        return [
            [
                "# 1. Preprocess: the text as the chat template shows it"
                + ("; the codec beside the checkpoint, or the downloaded one" if apart else ""),
                *(vocoder_lines(model_type, "codec") if apart else []),
                "Processor = PROCESSOR_MAPPING[type(model.config)]",
                *call("processor = Processor(", [*parts, *(["audio_tokenizer=codec"] if apart else [])]),
                'content = [{"type": "text", "text": text}]',
                *(['content.append({"type": "audio", "audio": samples})'] if given.audio is not None else []),
                'turns = [{"role": ' + literal(TURNS[model_type]) + ', "content": content}]',
                *call("inputs = processor.apply_chat_template(", asks),
                "inputs = inputs.to(model.device, dtype=model.dtype)",
            ],
            [*_generates(options, settings, "outputs"), f"    waveform = {decoded}"],
            finished("waveform", "feature_extractor.sampling_rate"),
        ]

    def imports(given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
        more = ("import math", "from scipy.signal import resample_poly") if given.audio is not None else ()
        return (*(["import os"] if apart else []), *more, *_WAV)

    return Script(
        "Speak a text.",
        _given_conversation,
        blocks,
        imports,
        lambda _options: (*([KINDS[model_type][0]] if apart else []), "PROCESSOR_MAPPING"),
        loads=("tokenizer", "feature_extractor"),
    )


def _phonemes(model_type: str) -> Script:
    whole = model_type != "fastspeech2_conformer"

    def blocks(_given: TaskInput, _options: TaskOptions) -> list[list[str]]:
        speak = [] if whole else ["    waveform = vocoder(outputs.spectrogram)"]
        return [
            [
                "# 1. Preprocess: the ids of the phonemes, and of the end; g2p-en would spell a text in them",
                'with open(os.path.join(checkpoint, "vocab.json"), encoding="utf-8") as file:',
                "    vocabulary = json.load(file)",
                'ids = [vocabulary[phoneme] for phoneme in [*phonemes.upper().split(), "<sos/eos>"]]',
                'inputs = {"input_ids": torch.tensor([ids], device=model.device)}',
            ],
            [
                "# 2. Forward",
                *([] if whole else vocoder_lines(model_type)),
                "with torch.inference_mode():",
                "    outputs = model(**inputs)",
                *speak,
            ],
            finished("outputs.waveform" if whole else "waveform", str(PHONEMES[model_type])),
        ]

    return Script(
        "Speak phonemes.",
        lambda given: assign("phonemes", given.text),
        blocks,
        lambda _given, _options: ("import json", "import os", *_WAV),
        classes=lambda _options: () if whole else (KINDS[model_type][0],),
        loads=(),
    )


BY_TYPE: dict[str, Script] = {
    "bark": Script(
        "Speak a text.", _given_preset, _bark, lambda _given, _options: _WAV, lambda _options: ("BarkProcessor",)
    ),
    "csm": Script("Speak a text.", given_text, _csm, lambda _given, _options: _WAV),
    "dia": Script(
        "Speak a text.",
        given_text,
        _dia,
        lambda _given, _options: ("import os", *_WAV),
        lambda _options: (KINDS["dia"][0], "DiaProcessor"),
        loads=("tokenizer", "feature_extractor"),
    ),
    **dict.fromkeys(
        SEAMLESS, Script("Speak a text in a language.", given_text, _seamless, lambda _given, _options: _WAV)
    ),
    **{model_type: _phonemes(model_type) for model_type in PHONEMES},
    **{model_type: converses(model_type) for model_type in CONVERSES},
}
"""By ``model_type``."""
