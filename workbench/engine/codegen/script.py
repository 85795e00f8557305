"""The pieces every script is made of: safe literals, calls laid out as ruff does, and the loading of a checkpoint."""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine import neighbours, pyramid
from workbench.engine.adapters import adapter_in
from workbench.engine.errors import CheckpointError
from workbench.engine.facts import CACHELESS, boxed, class_for, read_config, renamed, tokenizer_folder

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint

_PEFT = "PeftModel"
_RUNNING = "PreTrainedTokenizerFast"
TYPED = "words = tokenizers.Tokenizer("
"""How the line begins that makes a tokenizer of ids which are typed as numbers."""
WIDTH = 120
"""Columns of a line, the same as in this project."""


def literal(value: object) -> str:
    """A Python expression that evaluates to ``value``, on one line and in double quotes where ruff would use them.

    Control characters, invisible ones and lone surrogates are escaped, so that the text of a script can always be
    saved as UTF-8 and shows what it contains.

    Args:
        value: A str, number, bool, None, or a list or tuple of them (both become lists), or a dict of them.
    """
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(name)}: {literal(item)}" for name, item in value.items()) + "}"
    return repr(value)


def assign(name: str, value: object) -> list[str]:
    """The lines of ``name = value``; a long text is cut after line breaks and between words, a long list by item."""
    line = f"{name} = {literal(value)}"
    if columns(line) <= WIDTH:
        return [line]
    if isinstance(value, str):
        parts = [literal(part) for part in _cut(value)]
        if len(parts) > 1 or columns(parts[0]) + 4 <= WIDTH:
            return [f"{name} = (", *(f"    {part}" for part in parts), ")"]
    if isinstance(value, list | tuple):
        return call(f"{name} = [", [literal(item) for item in value], "]")
    return [line]


def call(opening: str, arguments: Iterable[str], closing: str = ")", indent: int = 0) -> list[str]:
    """The lines of a call or a list: on one line when it fits, else arguments below, else one a line.

    Args:
        opening: Everything up to and with the bracket, such as ``model = f(``.
        arguments: Each on one line.
        closing: The bracket and what follows it.
        indent: Spaces in front.
    """
    arguments = list(arguments)
    margin = " " * indent
    joined = ", ".join(arguments)
    if columns(margin + opening + joined + closing) <= WIDTH:
        return [margin + opening + joined + closing]
    # A list is never laid out with all its items on the line below: ruff gives each item a line of its own.
    if opening.endswith("(") and columns(joined) + indent + 4 <= WIDTH:
        return [margin + opening, f"{margin}    {joined}", margin + closing]
    return [margin + opening, *(f"{margin}    {argument}," for argument in arguments), margin + closing]


def columns(line: str) -> int:
    """Columns that a line takes in an editor: two for wide East Asian characters, none for combining marks."""
    if line.isascii():
        return len(line)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in line)


def comment(text: str) -> str:
    """A comment of one line whatever the text: line breaks and control characters become spaces."""
    return "# " + " ".join("".join(char if char.isprintable() else " " for char in text).split())


def checkpoint_lines(checkpoint: Checkpoint) -> list[str]:
    """``checkpoint = "folder"``, with the Hub id above it when it is known."""
    lines = []
    if checkpoint.source == "hub" and re.fullmatch(r"[\w.-]+(/[\w.-]+)?", checkpoint.name):
        revision = f", revision {checkpoint.revision}" if checkpoint.revision else ""
        lines.append(comment(f"{checkpoint.name} on the Hub{revision}"))
    return [*lines, *assign("checkpoint", str(checkpoint.path))]


def tokenizer_lines(checkpoint: Checkpoint | None = None, *, of: Checkpoint | None = None) -> list[str]:
    """``tokenizer = AutoTokenizer…``; with a checkpoint it reads running text, whatever its own call wants.

    Args:
        checkpoint: Whose tokenizer reads running text.
        of: Whose tokenizer is taken as it is; an adapter may have that of the checkpoint beneath it.
    """
    path = whose.path if (whose := of or checkpoint) is not None else None
    place = "checkpoint" if path is None or (found := tokenizer_folder(path)) == path else literal(str(found))
    lines = call("tokenizer = AutoTokenizer.from_pretrained(", [place, "trust_remote_code=False"])
    if checkpoint is not None and boxed(checkpoint.path):
        lines += [
            "# Its own call wants words with boxes; running text is read by the class beneath.",
            f"tokenizer.__class__ = {_RUNNING}",
        ]
    if path is not None and (path / "tekken.json").exists():
        lines += [
            'if not hasattr(tokenizer, "is_fast"):',
            "    # Mistral's own (mistral-common) says neither that it is written in Python nor what was added.",
            "    tokenizer.is_fast, tokenizer.added_tokens_decoder = False, {}",
        ]
    return lines


#: What `adapters.follow_sounds` does.
_ON_FOR_SOUNDS = [
    "",
    "",
    "def switch(model, _, kwargs):",
    '    """Its own adapter is on for sounds and off for text alone, as generate() has it."""',
    '    past = kwargs.get("past_key_values")',
    "    if past is None or past.get_seq_length() == 0:",
    '        (model.disable_adapters if kwargs.get("input_features") is None else model.enable_adapters)()',
    "",
    "",
    "model.register_forward_pre_hook(switch, with_kwargs=True)",
]

#: What `adapters.put_on` does.
_DECIDES_WITH = [
    "if model.decision_config.adapter:",
    "    # Its own adapter, which pipeline() would put on.",
    '    model.load_adapter(checkpoint, adapter_kwargs={"subfolder": model.decision_config.adapter})',
    "    model.decision_config.adapter = None",
]


def model_lines(
    checkpoint: Checkpoint, head: str, dtype: str, device: str, *, attention: str | None = None, bits: int = 0
) -> list[str]:
    """``model = AutoModel…`` with its dtype and device, ready for inference; ``bits`` needs `packing_lines` before.

    An adapter is merged into the checkpoint beneath it, as `models.load` does; `script` imports what that takes.
    """
    adapter = adapter_in(checkpoint.path)
    loaded = ["checkpoint"] if adapter is None else [literal(adapter.beneath)]
    if adapter is not None:
        loaded += _labels_of(checkpoint)
    arguments = [*loaded, f"dtype={literal(dtype)}", "use_safetensors=True", "trust_remote_code=False"]
    if names := renamed(model_type_of(checkpoint), head):
        arguments.append(f"key_mapping={literal(names)}")
    if attention:
        arguments.append(f"attn_implementation={literal(attention)}")
    if bits:
        arguments += ["quantization_config=packed", f'device_map={{"": {literal(device)}}}']
    elif device == "spread":
        arguments.append('device_map="auto"')
    lines = call(f"model = {class_of(checkpoint, head)}.from_pretrained(", arguments)
    for part, package in ((neighbours, "natten"), (pyramid, "detectron2")):
        if part.wanted(config_of(checkpoint)):
            why = f"# What the library has {package} do for this model, this program does with torch alone."
            lines = [why, f"{part.__name__.rpartition('.')[2]}.stand_in()", *lines]
    if adapter is not None:
        lines += merge_lines("model", "checkpoint")
    if head == "AutoModelForDecision" and (checkpoint.path / "judge_config.json").is_file():
        lines += _DECIDES_WITH
    if config_of(checkpoint).get("has_lora_adapter") and (checkpoint.path / "adapter_config.json").is_file():
        lines += _ON_FOR_SOUNDS
    if model_type_of(checkpoint) == "xmod":
        lines += [
            "if model.config.default_language is None:",
            "    model.set_default_language(model.config.languages[0])",
        ]
    if model_type_of(checkpoint) in CACHELESS:
        lines.append("model.config.use_cache = False")
        if head == "AutoModelForCausalLM":
            lines.append("model.generation_config.use_cache = False")
    # A model is on the CPU unless it is moved, or placed while it is read.
    return lines if device in ("cpu", "spread") or bits else [*lines, f"model.to({literal(device)})"]


def model_type_of(checkpoint: Checkpoint) -> str:
    """The ``model_type`` of a checkpoint's config; empty where it can't be read."""
    return str(config_of(checkpoint).get("model_type", ""))


def class_of(checkpoint: Checkpoint, head: str) -> str:
    """The class that a script loads a checkpoint with, by its Auto class."""
    named = config_of(checkpoint).get("architectures")
    return class_for(head, model_type_of(checkpoint), named if isinstance(named, list) else ())


def config_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The config.json of a checkpoint; empty where it can't be read."""
    try:
        return read_config(checkpoint.path, checkpoint.name)
    except CheckpointError:
        return {}


def merge_lines(name: str, path: str) -> list[str]:
    """Merges the adapter in ``path`` into the model beneath it, as `models.load` does."""
    return [
        "# The checkpoint is an adapter to that model.",
        f"{name} = {_PEFT}.from_pretrained({name}, {path}, trust_remote_code=False)",
        f"{name} = {name}.merge_and_unload().eval()",
    ]


def _labels_of(checkpoint: Checkpoint) -> list[str]:
    """What the model beneath an adapter is told of labels: those that the config beside the adapter names."""
    try:
        labels = json.loads((checkpoint.path / "config.json").read_bytes()).get("id2label")
        names = {int(number): str(label) for number, label in labels.items()}
    except (OSError, ValueError, AttributeError):
        adapter = adapter_in(checkpoint.path)
        count = adapter.labels if adapter is not None else None
        return [] if count is None else [f"num_labels={count}", "ignore_mismatched_sizes=True"]
    numbered = {label: number for number, label in names.items()}
    return [f"id2label={literal(names)}", f"label2id={literal(numbered)}", "ignore_mismatched_sizes=True"]


def packing_lines(bits: int) -> list[str]:
    """How weights are packed, as `models.load` does it; empty for whole ones."""
    if not bits:
        return []
    settings = ["load_in_8bit=True"]
    if bits == 4:
        settings = ["load_in_4bit=True", 'bnb_4bit_quant_type="nf4"', "bnb_4bit_compute_dtype=torch.bfloat16"]
    return call("packed = BitsAndBytesConfig(", settings)


def seed_lines(head: str) -> list[str]:
    """Seeds torch as `models.load` does, for the heads that a checkpoint may lack."""
    return [] if head == "AutoModelForCausalLM" else ["torch.manual_seed(0)  # weights the checkpoint lacks are drawn"]


def numbers(name: str, values: Sequence[object]) -> list[str]:
    """The lines of ``name = [...]`` for many ids, or lists of ids, as many on a line as fit."""
    lines = assign(name, list(values))
    if len(lines) == 1:
        return lines
    # One number a line is what a formatter makes of a long list; nobody wants to scroll past that.
    body = textwrap.wrap(", ".join(map(literal, values)), WIDTH - 4)
    return ["# fmt: off", f"{name} = [", *(f"    {line}" for line in body), "]", "# fmt: on"]


def imported(names: Sequence[str]) -> list[str]:
    """The lines of an import from transformers."""
    line = f"from transformers import {', '.join(names)}"
    if len(line) <= WIDTH:
        return [line]
    return ["from transformers import (", *(f"    {name}," for name in names), ")"]


def script(title: str, imports: Sequence[str], *blocks: Sequence[str]) -> str:
    """Put a script together: docstring, imports, and blocks with an empty line between them."""
    merges = not any(_PEFT in line for line in imports)
    if merges and any(f"{_PEFT}." in line for block in blocks for line in block):
        later = (at for at, line in enumerate(imports) if line.startswith("from ") and line.split()[1].lower() > "peft")
        place = next(later, len(imports))
        imports = [*imports[:place], f"from peft import {_PEFT}", *imports[place:]]
    if any(line.endswith(f"= {_RUNNING}") for block in blocks for line in block):
        known = "from transformers import "
        imports = [f"{line}, {_RUNNING}" if line.startswith(known) else line for line in imports]
    if any(line.startswith(TYPED) for block in blocks for line in block):
        after = (at for at, line in enumerate(imports) if line == "import torch" or line.startswith("from "))
        place = next(after, len(imports))
        imports = [*imports[:place], "import tokenizers", *imports[place:]]
    for part in ("neighbours", "pyramid"):
        if any(line == f"{part}.stand_in()" for block in blocks for line in block):
            imports = [*imports, "", f"from workbench.engine import {part}"]
    parts = [f'"""{title}"""', "\n".join(imports), *("\n".join(block) for block in blocks if block)]
    return "\n\n".join(parts) + "\n"


def _quoted(text: str) -> str:
    body = "".join(part if part in ("'", '"') else repr(part)[1:-1] for part in re.split("(['\"])", text))
    double, single = body.count('"'), body.count("'")
    if double > single:
        return "'" + body.replace("'", "\\'") + "'"
    return '"' + body.replace('"', '\\"') + '"'


def _cut(text: str, width: int = 96) -> list[str]:
    """Cut after line breaks, and between words where a line is long; joined, the parts are the text."""
    parts = []
    for line in text.splitlines(keepends=True):
        while len(line) > width and (space := line.rfind(" ", 1, width)) > 0:
            parts.append(line[: space + 1])
            line = line[space + 1 :]
        parts.append(line)
    return parts
