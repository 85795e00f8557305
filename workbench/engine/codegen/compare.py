"""The script that lets two checkpoints, or two settings, write on one prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.engine.codegen import knobs
from workbench.engine.codegen.script import assign, call, imported, literal, script

if TYPE_CHECKING:
    from workbench.engine.compare import Side


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
    encoders = any(side.model.model.config.is_encoder_decoder for side in sides)
    special = ["eos_token_id=own.eos_token_id", "pad_token_id=own.pad_token_id"]
    if encoders:
        special += ["bos_token_id=own.bos_token_id", "decoder_start_token_id=own.decoder_start_token_id"]
    encode = ['    inputs = tokenizer(prompt, return_tensors="pt").to(model.device)']
    if chat:
        encode = [
            '    messages = [{"role": "user", "content": prompt}]',
            "    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)",
            '    inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(model.device)',
        ]
    start = '1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]'
    write = [
        "def write(auto, checkpoint, dtype, device, seed, **settings):",
        "    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)",
        *call(
            "model = auto.from_pretrained(",
            ["checkpoint", "dtype=dtype", "use_safetensors=True", "trust_remote_code=False"],
            indent=4,
        ),
        "    model.to(device)",
        *encode,
        "    # Of the checkpoint's own generation settings only the special tokens are kept.",
        "    own = model.generation_config",
        *call("model.generation_config = GenerationConfig(", special, indent=4),
        "    torch.manual_seed(seed)",
        *call(
            "output = model.generate(",
            ['inputs["input_ids"]', 'attention_mask=inputs["attention_mask"]', "**settings"],
            indent=4,
        ),
        f"    new_ids = output[0, {start if encoders else _PROMPT} :].tolist()",
        "    return new_ids, tokenizer.decode(new_ids, skip_special_tokens=True)",
    ]
    runs = []
    for name, side in zip(("first", "second"), sides, strict=True):
        model = side.model
        runs += call(
            f"{name}, {name}_text = write(",
            [
                model.head,
                literal(str(model.checkpoint.path)),
                literal(model.dtype),
                literal(model.device),
                f"seed={side.sampling.seed}",
                f"max_new_tokens={side.sampling.max_new_tokens}",
                *knobs.arguments(side.sampling),
            ],
        )
    return script(
        "Let two sides write on one prompt, and see where they part.",
        ["import torch", *imported([*heads, "AutoTokenizer", "GenerationConfig"])],
        assign("prompt", text),
        ["", *write, ""],
        runs,
        [
            "same = [one == other for one, other in zip(first, second)]",
            "parting = same.index(False) if False in same else min(len(first), len(second))",
            "print(first_text)",
            "print(second_text)",
            'print("the same to the end" if first == second else f"they part at token {parting + 1}")',
        ],
    )
