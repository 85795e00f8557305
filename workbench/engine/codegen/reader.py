"""The lines that read a checkpoint's tokenizer and processor, and those that stand in for what a folder lacks.

A part for films is read only where torchvision is there for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import TYPED, call, literal, model_type_of, tokenizer_lines
from workbench.engine.processors import COUNTED, READERS, UNTRAINED, WORDED, stands_in, stills, typed

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint


def processor_lines(checkpoint: Checkpoint, head: str) -> tuple[list[str], list[str]]:
    """The lines of ``processor = …``, and the names of transformers that they need.

    Args:
        checkpoint: Its processor is read from ``checkpoint``, as the script names the folder.
        head: Auto class of the model.
    """
    kind = stills(checkpoint.path, model_type_of(checkpoint))
    asked = ["processor.return_mm_token_type_ids = True"] if model_type_of(checkpoint) == COUNTED else []
    if kind is None:
        read = WORDED.get((model_type_of(checkpoint), head), "AutoProcessor")
        whole = f"processor = {read}.from_pretrained(checkpoint, trust_remote_code=False)"
        return [whole, *asked], [read]
    parts = [name for name in kind.get_attributes() if name in READERS]
    reads = [f'"{name}": {READERS[name]}.from_pretrained(checkpoint, trust_remote_code=False)' for name in parts]
    return [
        "# Its part for films wants torchvision, and is left out.",
        *call("parts = {", [*reads, '"video_processor": None'], "}"),
        "",
        "",
        f"class Stills({kind.__name__}):",
        "    @classmethod",
        "    def _get_arguments_from_pretrained(cls, *_, **__):",
        "        return [parts[name] for name in cls.get_attributes()]",
        "",
        "    def check_argument_for_proper_class(self, name, part):",
        "        return part is not None and super().check_argument_for_proper_class(name, part)",
        "",
        "",
        f'Stills.__name__ = "{kind.__name__}"',
        "processor = Stills.from_pretrained(checkpoint, trust_remote_code=False)",
        *asked,
    ], [kind.__name__, *(READERS[name] for name in parts)]


def part_lines(checkpoint: Checkpoint, head: str, part: str, running: bool = False) -> tuple[list[str], list[str]]:
    """The lines that read one part, such as ``image_processor = …``, and the names of transformers that they need.

    Args:
        checkpoint: Read from ``checkpoint``, as the script names the folder.
        head: Auto class of the model: without a head it runs on what stands in for what its folder lacks.
        part: ``tokenizer``, ``image_processor``, ``feature_extractor``, ``video_processor`` or ``processor``.
        running: Whether the tokenizer is to read running text, whatever its own call wants.
    """
    if part == "processor":
        return processor_lines(checkpoint, head)
    if part == "tokenizer":
        if count := typed(checkpoint.path, head):
            return [
                "# The folder has no tokenizer: ids are typed as numbers",
                f"{TYPED}tokenizers.models.WordLevel({{str(number): number for number in range({count})}}))",
                "words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()",
                "tokenizer = PreTrainedTokenizerFast(tokenizer_object=words)",
            ], ["PreTrainedTokenizerFast"]
        return tokenizer_lines(checkpoint if running else None, of=checkpoint), ["AutoTokenizer"]
    made = stands_in(checkpoint.path, head, part) if part in ("image_processor", "feature_extractor") else None
    if made is not None:
        told = [f"{name}={literal(value)}" for name, value in made[1].items()]
        return [
            "# The folder does not say how: as the library does it by default",
            *call(f"{part} = {made[0]}(", told),
        ], [made[0]]
    read = "AutoVideoProcessor" if part == "video_processor" else READERS[part]
    named = ["checkpoint", "trust_remote_code=False"]
    if part == "image_processor" and model_type_of(checkpoint) in UNTRAINED:
        named += [f"{name}={literal(value)}" for name, value in UNTRAINED[model_type_of(checkpoint)].items()]
    return call(f"{part} = {read}.from_pretrained(", named), [read]
