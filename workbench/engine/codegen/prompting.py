"""The part of a script that makes tensors of a prompt: a text or a chat, with pictures and sounds, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.codegen import beside
from workbench.engine.codegen.reader import processor_lines
from workbench.engine.codegen.script import (
    WIDTH,
    assign,
    call,
    columns,
    literal,
    model_type_of,
    numbers,
    tokenizer_lines,
)
from workbench.engine.facts import DECODERS
from workbench.engine.generate.captions import ENCODING
from workbench.engine.generate.hearing import OTHER_NAME, SPOKEN
from workbench.engine.processors import PICTURED
from workbench.engine.values import Message

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint

_SEQUENCES = "AutoModelForSeq2SeqLM"

_RESAMPLED = [
    "sounds = []",
    "for file in heard:",
    '    samples, rate = soundfile.read(file, dtype="float32", always_2d=True)',
    "    samples = samples.mean(axis=1)",
    "    if rate != wanted:",
    "        common = math.gcd(rate, wanted)",
    '        samples = resample_poly(samples, wanted // common, rate // common).astype("float32")',
    "    sounds.append(samples)",
]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """Writes it.

    Attributes:
        kind: The architecture, as its config names it.
        text: The plain prompt; not used when there are turns.
        turns: Of a chat, with their files.
        pictures: All files of pictures.
        sounds: All files of sounds.
        prefix: Ids that were taken over.
        dropped: Tokens that were cut off the beginning.
        seen: Writes how a picture goes beside the text, where it does.
        reads: The lines that read a tokenizer or a processor, and the names that a processor needs.
        between: Whether the processor wants the pictures between the pieces of the prompt, and one without any too.
        encoder: Whether an encoder reads the prompt, and the pictures where there are any.
    """

    kind: str
    text: str
    turns: Sequence[Message]
    pictures: Sequence[Path]
    sounds: Sequence[Path]
    prefix: Sequence[int]
    dropped: int
    seen: beside.Beside | None
    reads: tuple[list[str], list[str]]
    between: bool
    encoder: bool

    @property
    def processes(self) -> bool:
        """Whether a processor makes the tensors, and no tokenizer alone."""
        return bool(self.pictures or self.sounds) or self.between

    @property
    def readers(self) -> list[str]:
        """The names of transformers that read the checkpoint's files."""
        if self.seen:
            return self.seen.readers
        return self.reads[1] if self.processes else ["AutoTokenizer"]

    @property
    def imports(self) -> list[str]:
        """The lines that import what else is needed, torch among it."""
        more = self.seen.imports if self.seen else []
        pillow = ["from PIL import Image, ImageOps"] if self.pictures else []
        if not self.sounds:
            return [*more, "import torch", *pillow]
        after = [*pillow, "from scipy.signal import resample_poly"]
        return ["import math", "", "import soundfile", "import torch", *after]

    @property
    def length(self) -> str:
        """How many ids are in front of the first new one."""
        if self.seen:
            return self.seen.length
        if self.encoder:
            return "decoder_input_ids.shape[1]" if self.prefix else "1"
        return 'inputs["input_ids"].shape[1]'

    @property
    def encoder_ids(self) -> str:
        """What an encoder reads, when that is text; empty without one."""
        return self.seen.encoder_ids if self.seen else 'inputs["input_ids"]' if self.encoder else ""

    def read(self) -> list[str]:
        """Tokenizer or processor."""
        if self.seen and "AutoImageProcessor" in self.seen.readers:
            reads = "image_processor = AutoImageProcessor.from_pretrained(checkpoint, trust_remote_code=False)"
            return [*tokenizer_lines(), reads]
        return [*self.reads[0], "tokenizer = processor.tokenizer"] if self.processes else self.reads[0]

    def said(self) -> list[str]:
        """The text or the chat."""
        if not self.turns:
            return assign("prompt", self.text)
        if self.kind not in SPOKEN:
            return _messages(self.turns)
        heard = [(number, len(turn.sounds)) for number, turn in enumerate(self.turns) if turn.sounds]
        return [
            *_messages([Message(turn.role, turn.content) for turn in self.turns]),
            *(["# Its template writes down what is said as it stands."] if heard else []),
            *(
                f'messages[{number}]["content"] = processor.audio_token * {count} + messages[{number}]["content"]'
                for number, count in heard
            ),
        ]

    def encode(self) -> list[str]:
        """From the prompt to tensors, without what was taken over."""
        if self.seen:
            lines = self.seen.lines()
        elif self.processes:
            lines = self._processed()
        elif self.turns:
            given = ["messages", f"{self._way}=True", "return_dict=True", 'return_tensors="pt"']
            lines = [*call("inputs = tokenizer.apply_chat_template(", given), "inputs = inputs.to(model.device)"]
        else:
            lines = ['inputs = tokenizer(prompt, return_tensors="pt").to(model.device)']
            if not self.text:
                lines.insert(0, 'prompt = prompt if tokenizer(prompt)["input_ids"] else tokenizer.bos_token')
        if self.dropped:
            lines += [
                "# The beginning was cut off so that it fits; a token that begins every text stayed.",
                'head = int(inputs["input_ids"][0, 0] == tokenizer.bos_token_id)',
                "for name, value in inputs.items():",
                f"    inputs[name] = torch.cat([value[:, :head], value[:, head + {self.dropped} :]], dim=1)",
            ]
        return lines

    def extend(self) -> list[str]:
        """Put the ids behind the prompt that were taken over."""
        if self.seen or not self.prefix:
            return []
        said = "# Ids that were written before, and from which this text goes on."
        lines = ["", said, *numbers("kept", self.prefix)]
        if self.encoder:
            return [
                *lines,
                "own = model.generation_config",
                "start = own.bos_token_id if own.decoder_start_token_id is None else own.decoder_start_token_id",
                "decoder_input_ids = torch.tensor([[start, *kept]], device=model.device)",
            ]
        lines.append("tail = torch.tensor([kept], device=model.device)")
        if not self.processes:
            return [
                *lines,
                'inputs["input_ids"] = torch.cat([inputs["input_ids"], tail], dim=1)',
                'inputs["attention_mask"] = torch.cat([inputs["attention_mask"], torch.ones_like(tail)], dim=1)',
            ]
        # A mask over moments of a sound may be as long as the prompt by chance.
        own = ' and name in ("input_ids", "attention_mask", "token_type_ids")' if self.sounds else ""
        return [
            *lines,
            'shape = inputs["input_ids"].shape',
            'more = {"input_ids": tail, "attention_mask": torch.ones_like(tail)}',
            "for name, value in inputs.items():",
            f"    if value.shape == shape{own}:",
            "        inputs[name] = torch.cat([value, more.get(name, torch.zeros_like(tail)).to(value.dtype)], dim=1)",
        ]

    @property
    def _way(self) -> str:
        """How the template ends: a turn of the assistant is gone on with, behind any other one its own is opened."""
        return "continue_final_message" if self.turns[-1].role == "assistant" else "add_generation_prompt"

    def _processed(self) -> list[str]:
        lines = []
        if self.turns:
            template = ["chat_template=tokenizer.chat_template"] if self.between else []
            given = ["messages", *template, f"{self._way}=True", "tokenize=False"]
            lines += call("prompt = processor.apply_chat_template(", given)
        if self.pictures:
            lines += [
                *assign("files", [str(path) for path in self.pictures]),
                'pictures = [ImageOps.exif_transpose(Image.open(file)).convert("RGB") for file in files]',
            ]
        if self.sounds:
            listens = "audio_processor" if self.kind in OTHER_NAME else "feature_extractor"
            lines += [
                *assign("heard", [str(path) for path in self.sounds]),
                f"wanted = processor.{listens}.sampling_rate",
                *_RESAMPLED,
            ]
        if self.between:
            split = beside.interleaved("prompt", "pictures") if self.pictures else ["pieces = [prompt] * bool(prompt)"]
            lines += [*split, 'inputs = processor(text=[pieces], return_tensors="pt")']
        else:
            given = ["text=[prompt]", *(["images=[pictures]"] if self.pictures else [])]
            if self.sounds:
                given += ["audio=sounds", *([] if self.kind in SPOKEN else ["sampling_rate=wanted"])]
            lines += [
                "bos = tokenizer.bos_token",
                "special = bos is None or not prompt.startswith(bos)",
                *call("inputs = processor(", [*given, "add_special_tokens=special", 'return_tensors="pt"']),
            ]
        return [*lines, "inputs = inputs.to(model.device, dtype=model.dtype)"]


def of(
    checkpoint: Checkpoint,
    head: str,
    text: str,
    turns: Sequence[Message] = (),
    *,
    pictures: Sequence[Path],
    sounds: Sequence[Path],
    prefix: Sequence[int] = (),
    dropped: int = 0,
) -> Prompt:
    """The writer for a checkpoint.

    Args:
        checkpoint: Loaded by its folder.
        head: Auto class of the model.
        text: As `Prompt` has it.
        turns: As `Prompt` has it.
        pictures: As `Prompt` has it.
        sounds: As `Prompt` has it.
        prefix: As `Prompt` has it.
        dropped: As `Prompt` has it.
    """
    kind, pictured = model_type_of(checkpoint), head in PICTURED
    between = pictured and kind == "idefics"
    whole = pictures or sounds or between
    return Prompt(
        kind=kind,
        text=text,
        turns=turns,
        pictures=pictures,
        sounds=sounds,
        prefix=prefix,
        dropped=dropped,
        seen=beside.of(checkpoint, head, text, pictures, prefix),
        reads=processor_lines(checkpoint, head) if whole else (tokenizer_lines(of=checkpoint), []),
        between=between,
        encoder=kind not in DECODERS if head == _SEQUENCES else pictured and kind in ENCODING,
    )


def _messages(messages: Sequence[Message]) -> list[str]:
    turns = [f'{{"role": {literal(turn.role)}, "content": {_content(turn)}}}' for turn in messages]
    line = f"messages = [{', '.join(turns)}]"
    if columns(line) <= WIDTH:
        return [line]
    lines = ["messages = ["]
    for turn, message in zip(turns, messages, strict=True):
        if columns(turn) + 5 <= WIDTH:
            lines.append(f"    {turn},")
        else:
            lines += ["    {", f'        "role": {literal(message.role)},', *_content_lines(message), "    },"]
    return [*lines, "]"]


def _files(message: Message) -> list[str]:
    """The parts of a turn's content that are files."""
    return ['{"type": "image"}'] * len(message.images) + ['{"type": "audio"}'] * len(message.sounds)


def _content(message: Message) -> str:
    files = _files(message)
    if not files:
        return literal(message.content)
    said = f'{{"type": "text", "text": {literal(message.content)}}}'
    return f"[{', '.join([*files, said])}]"


def _content_lines(message: Message) -> list[str]:
    """The lines of a turn's content inside a turn that has several."""
    line = f'        "content": {_content(message)},'
    files = _files(message)
    if columns(line) <= WIDTH or not files:
        return [line]
    said = f'            {{"type": "text", "text": {literal(message.content)}}},'
    if columns(said) > WIDTH:
        text = f'                "text": {literal(message.content)},'
        said = "\n".join(["            {", '                "type": "text",', text, "            },"])
    return ['        "content": [', *(f"            {file}," for file in files), said, "        ],"]
