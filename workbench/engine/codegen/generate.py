"""The scripts that generate text and that look at the next token."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import (
    WIDTH,
    assign,
    call,
    checkpoint_lines,
    columns,
    literal,
    model_lines,
    script,
    tokenizer_lines,
)

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint, Message, Sampling

HEAD = "AutoModelForCausalLM"

# Without sampling the most probable token is taken, whatever its probability was.
_CERTAIN = "after = torch.nn.functional.one_hot(scores.argmax(dim=-1), scores.shape[-1]).float()[0]"


def generate(
    checkpoint: Checkpoint,
    text: str,
    messages: Sequence[Message] | None,
    sampling: Sampling,
    dtype: str,
    device: str,
) -> str:
    """A script that continues a text, or answers a chat, and prints the new text while it comes.

    Args:
        checkpoint: Loaded by its folder.
        text: The prompt; not used when there are messages.
        messages: Turns of a chat for the checkpoint's own template, or None (or empty) for the plain text.
        sampling: The knobs; they are given to ``generate()`` under their own names.
        dtype: As torch spells it, or ``auto``.
        device: As torch spells it.

    References:
        transformers, Generation: GenerationConfig
    """
    if messages:
        prompt = _messages(messages)
        encode = [
            "prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)",
            'inputs = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").to(model.device)',
        ]
    else:
        prompt = assign("prompt", text)
        encode = ['inputs = tokenizer(prompt, return_tensors="pt").to(model.device)']
        if not text:
            encode.insert(0, 'prompt = prompt if tokenizer(prompt)["input_ids"] else tokenizer.bos_token')
    mask = 'attention_mask=inputs["attention_mask"]'
    arguments = [
        'inputs["input_ids"]',
        mask,
        f"max_new_tokens={sampling.max_new_tokens}",
        f"do_sample={sampling.do_sample}",
    ]
    if sampling.do_sample:
        names = ("temperature", "top_k", "top_p", "min_p")
        arguments += [f"{name}={getattr(sampling, name)!r}" for name in names]
    arguments += [f"repetition_penalty={sampling.repetition_penalty!r}", "streamer=streamer"]
    return script(
        "Answer a chat." if messages else "Continue a text.",
        ["import torch", f"from transformers import {HEAD}, AutoTokenizer, GenerationConfig, TextStreamer"],
        checkpoint_lines(checkpoint),
        [*tokenizer_lines(), *model_lines(HEAD, dtype, device)],
        [*prompt, *encode],
        [
            "# Of the checkpoint's own generation settings only the tokens that end and fill a text are kept.",
            "own = model.generation_config",
            *call(
                "model.generation_config = GenerationConfig(",
                ["eos_token_id=own.eos_token_id", "pad_token_id=own.pad_token_id"],
            ),
        ],
        [
            "streamer = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)",
            f"torch.manual_seed({sampling.seed})",
            *call("output = model.generate(", arguments),
            'new_ids = output[0, inputs["input_ids"].shape[1] :].tolist()',
            "print(new_ids)",
        ],
    )


def probabilities(checkpoint: Checkpoint, ids: Sequence[int], sampling: Sampling, dtype: str, device: str) -> str:
    """A script that prints the most probable next tokens, before and after the knobs acted.

    Args:
        checkpoint: Loaded by its folder.
        ids: Everything before the token that is asked for, of shape ``(seq,)``.
        sampling: The knobs, in the order in which ``generate()`` applies them; those that are off are left out.
        dtype: As torch spells it, or ``auto``.
        device: As torch spells it.

    References:
        transformers, Utilities for Generation: LogitsProcessorList
    """
    processors = []
    if sampling.repetition_penalty != 1.0:
        processors.append(f"RepetitionPenaltyLogitsProcessor({sampling.repetition_penalty!r})")
    if sampling.do_sample:
        if sampling.temperature != 1.0:
            processors.append(f"TemperatureLogitsWarper({sampling.temperature!r})")
        if sampling.top_k:
            processors.append(f"TopKLogitsWarper({sampling.top_k})")
        if sampling.top_p < 1.0:
            processors.append(f"TopPLogitsWarper({sampling.top_p!r})")
        if sampling.min_p > 0.0:
            processors.append(f"MinPLogitsWarper({sampling.min_p!r})")
    names = sorted([HEAD, "AutoTokenizer", "LogitsProcessorList", *(entry.partition("(")[0] for entry in processors)])
    return script(
        "The next token: how probable each one is, before and after the knobs.",
        ["import torch", *_imported(names)],
        checkpoint_lines(checkpoint),
        [*tokenizer_lines(), *model_lines(HEAD, dtype, device)],
        [
            *_numbers("ids", ids),
            "input_ids = torch.tensor([ids], device=model.device)",
            "with torch.inference_mode():",
            "    logits = model(input_ids).logits[:, -1].float()",
        ],
        [
            *call("processors = [", processors, "]"),
            "knobs = LogitsProcessorList(processors)",
            "before = logits.softmax(dim=-1)[0]",
            "scores = knobs(input_ids, logits)",
            "after = scores.softmax(dim=-1)[0]" if sampling.do_sample else _CERTAIN,
        ],
        [
            "for token_id in logits[0].topk(10).indices.tolist():",
            "    token = tokenizer.decode([token_id])",
            '    print(f"{token_id:8} {before[token_id]:10.6f} {after[token_id]:10.6f} {token!r}")',
        ],
    )


def _numbers(name: str, values: Sequence[int]) -> list[str]:
    lines = assign(name, list(values))
    if len(lines) == 1:
        return lines
    # One number a line is what a formatter makes of a long list; nobody wants to scroll past that.
    body = textwrap.wrap(", ".join(map(str, values)), WIDTH - 4)
    return ["# fmt: off", f"{name} = [", *(f"    {line}" for line in body), "]", "# fmt: on"]


def _messages(messages: Sequence[Message]) -> list[str]:
    turns = [f'{{"role": {literal(turn.role)}, "content": {literal(turn.content)}}}' for turn in messages]
    line = f"messages = [{', '.join(turns)}]"
    if columns(line) <= WIDTH:
        return [line]
    lines = ["messages = ["]
    for turn, message in zip(turns, messages, strict=True):
        if columns(turn) + 5 <= WIDTH:
            lines.append(f"    {turn},")
        else:
            role, content = literal(message.role), literal(message.content)
            lines += ["    {", f'        "role": {role},', f'        "content": {content},', "    },"]
    return [*lines, "]"]


def _imported(names: Sequence[str]) -> list[str]:
    line = f"from transformers import {', '.join(names)}"
    if len(line) <= WIDTH:
        return [line]
    return ["from transformers import (", *(f"    {name}," for name in names), ")"]
