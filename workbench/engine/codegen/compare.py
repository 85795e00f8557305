"""The script that lets two checkpoints, or two settings, write on one prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.engine.adapters import adapter_in
from workbench.engine.codegen import knobs
from workbench.engine.codegen.script import assign, call, imported, literal, merge_lines, script

if TYPE_CHECKING:
    from workbench.engine.compare import Side
    from workbench.engine.values import Checkpoint


_PROMPT = 'inputs["input_ids"].shape[1]'


def compare(sides: Sequence[Side], text: str, *, chat: bool) -> str:
    """A script that prints both texts and the first token at which they part.

    Args:
        sides: Left and right.
        text: The prompt, or the user's message.
        chat: Write it by each checkpoint's own chat template.

    References:
        transformers, Generation: GenerationConfig
    """
    heads = sorted({side.model.head for side in sides})
    names = [*heads, "AutoTokenizer", "GenerationConfig"]
    if any(side.strategy.stop_strings for side in sides):
        names += ["StopStringCriteria", "StoppingCriteriaList"]
    names += dict.fromkeys(name for side in sides for name in knobs.mark_classes(side.sampling))
    runs = []
    for name, side in zip(("first", "second"), sides, strict=True):
        if side.strategy.threads and side.model.device == "cpu":
            runs.append(f"torch.set_num_threads({side.strategy.threads})")
        mark = f"{name}_mark"
        runs += knobs.mark_lines(side.sampling, mark)
        runs += call(f"{name}, {name}_text = write(", _arguments(side, mark, chat=chat))
    return script(
        "Let two sides write on one prompt, and see where they part.",
        ["import torch", *imported(sorted(names, key=str.lower))],
        assign("prompt", text),
        ["", *_write(sides, chat=chat), ""],
        runs,
        [
            "same = [one == other for one, other in zip(first, second)]",
            "parting = same.index(False) if False in same else min(len(first), len(second))",
            "print(first_text)",
            "print(second_text)",
            'print("the same to the end" if first == second else f"they part at token {parting + 1}")',
        ],
    )


def _write(sides: Sequence[Side], *, chat: bool) -> list[str]:
    """The function that lets one side write; it takes what either of them needs, and no more."""
    strategies = [side.strategy for side in sides]
    asked = {
        "ends=None": any(each.eos_token_ids is not None for each in strategies),
        "strings=()": any(each.stop_strings for each in strategies),
        'negative=""': any(each.negative_prompt and each.guidance_scale != 1.0 for each in strategies),
        "guessing=None": any(_guesses(side) for side in sides),
        "guesses=20": any(_guesses(side) or side.strategy.assistant_early_exit for side in sides),
        "heal=False": not chat and any(each.token_healing for each in strategies),
        "base=None": any(_base(side.model.checkpoint) for side in sides),
        "guessing_base=None": any(_guesses(side) and _base(side.second.checkpoint) for side in sides if side.second),
    }
    named = [name for name, needed in asked.items() if needed]
    encoders = any(side.model.model.config.is_encoder_decoder for side in sides)
    ends = "own.eos_token_id if ends is None else ends or None" if "ends=None" in named else "own.eos_token_id"
    special = [f"eos_token_id={ends}", "pad_token_id=own.pad_token_id"]
    if any(each.assistant_early_exit for each in strategies):
        special.append("num_assistant_tokens=guesses")
    if encoders:
        special += ["bos_token_id=own.bos_token_id", "decoder_start_token_id=own.decoder_start_token_id"]
    encode = ['    inputs = tokenizer(prompt, return_tensors="pt").to(model.device)']
    if chat:
        given = ["messages", "add_generation_prompt=True", "return_dict=True", 'return_tensors="pt"']
        encode = [
            '    messages = [{"role": "user", "content": prompt}]',
            *call("inputs = tokenizer.apply_chat_template(", given, indent=4),
            "    inputs = inputs.to(model.device)",
        ]
    start = '1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]'
    lines = call("def write(", ["auto", "checkpoint", "dtype", "device", "seed", *named, "**settings"], "):")
    lines += [
        "    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)",
        *_load("model", "checkpoint", "base" if "base=None" in named else ""),
        *encode,
        "    # Of the checkpoint's own generation settings only the special tokens are kept.",
        "    own = model.generation_config",
        *call("model.generation_config = GenerationConfig(", special, indent=4),
    ]
    if "heal=False" in named:
        lines += [
            "    if heal:",
            '        inputs["input_ids"] = model.heal_tokens(inputs["input_ids"], tokenizer)',
            '        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])',
        ]
    if "strings=()" in named:
        lines += [
            "    if strings:",
            "        criterion = StopStringCriteria(tokenizer, strings)",
            '        settings["stopping_criteria"] = StoppingCriteriaList([criterion])',
        ]
    if 'negative=""' in named:
        lines += [
            "    if negative:",
            '        against = tokenizer(negative, return_tensors="pt")["input_ids"]',
            '        settings["negative_prompt_ids"] = against.to(model.device)',
        ]
    if "guessing=None" in named:
        lines += _guess("guessing_base" if "guessing_base=None" in named else "")
    return [
        *lines,
        "    torch.manual_seed(seed)",
        *call(
            "output = model.generate(",
            ['inputs["input_ids"]', 'attention_mask=inputs["attention_mask"]', "**settings"],
            indent=4,
        ),
        f"    new_ids = output[0, {start if encoders else _PROMPT} :].tolist()",
        "    return new_ids, tokenizer.decode(new_ids, skip_special_tokens=True)",
    ]


def _load(name: str, path: str, base: str, indent: int = 4) -> list[str]:
    """The lines that load a model; ``base`` names what says whether it is an adapter, and to which checkpoint."""
    given = [f"{base} or {path}" if base else path, "dtype=dtype", "use_safetensors=True", "trust_remote_code=False"]
    margin = " " * indent
    lines = call(f"{name} = auto.from_pretrained(", given, indent=indent)
    if base:
        lines += [f"{margin}if {base}:", *(f"{margin}    {line}" for line in merge_lines(name, path))]
    return [*lines, f"{margin}{name}.to(device)"]


def _base(checkpoint: Checkpoint) -> str:
    """The checkpoint beneath an adapter, or an empty text for one that is none."""
    adapter = adapter_in(checkpoint.path)
    return adapter.beneath if adapter is not None else ""


def _guess(base: str) -> list[str]:
    """The lines that load the model which guesses ahead; ``base`` as for `_load`."""
    special = [f"{name}=theirs.{name}" for name in ("eos_token_id", "pad_token_id", "bos_token_id")]
    special += ["decoder_start_token_id=theirs.decoder_start_token_id", "num_assistant_tokens=guesses"]
    return [
        "    if guessing:",
        *_load("assistant", "guessing", base, 8),
        "        theirs = assistant.generation_config",
        *call("assistant.generation_config = GenerationConfig(", special, indent=8),
        '        settings["assistant_model"] = assistant',
        "        if assistant.config.get_text_config().vocab_size != model.config.get_text_config().vocab_size:",
        "            other = AutoTokenizer.from_pretrained(guessing, trust_remote_code=False)",
        '            settings |= {"tokenizer": tokenizer, "assistant_tokenizer": other}',
    ]


def _guesses(side: Side) -> bool:
    return side.strategy.assisted and side.second is not None


def _arguments(side: Side, mark: str, *, chat: bool) -> list[str]:
    """What one side is given; ``mark`` is what the config of its watermark is called."""
    model, strategy = side.model, side.strategy
    given = [
        model.head,
        literal(str(model.checkpoint.path)),
        literal(model.dtype),
        literal(model.device),
        f"seed={side.sampling.seed}",
    ]
    if base := _base(model.checkpoint):
        given.append(f"base={literal(base)}")
    if strategy.token_healing and not chat:
        given.append("heal=True")
    if strategy.eos_token_ids is not None:
        given.append(f"ends={literal(strategy.eos_token_ids)}")
    if strategy.stop_strings:
        given.append(f"strings={literal(strategy.stop_strings)}")
    if _guesses(side) and side.second is not None:
        given += [
            f"guessing={literal(str(side.second.checkpoint.path))}",
            f"guesses={strategy.num_assistant_tokens}",
        ]
        if base := _base(side.second.checkpoint):
            given.append(f"guessing_base={literal(base)}")
    else:
        given += knobs.of_guesses(strategy)
    if strategy.assistant_early_exit:
        given.append(f"guesses={strategy.num_assistant_tokens}")
    if strategy.guidance_scale != 1.0:
        if strategy.negative_prompt:
            given.append(f"negative={literal(strategy.negative_prompt)}")
        given.append(f"guidance_scale={float(strategy.guidance_scale)!r}")
    given += [*knobs.of_beams(strategy), f"max_new_tokens={side.sampling.max_new_tokens}"]
    ends = strategy.eos_token_ids != ()
    return [*given, *knobs.arguments(side.sampling, ends=ends, mark=mark)]
