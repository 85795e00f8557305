"""The lines that read a checkpoint's processor, with its part for films only where torchvision is there for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import call, model_type_of
from workbench.engine.processors import COUNTED, READERS, stills

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint


def processor_lines(checkpoint: Checkpoint) -> tuple[list[str], list[str]]:
    """The lines of ``processor = …``, and the names of transformers that they need.

    Args:
        checkpoint: Its processor is read from ``checkpoint``, as the script names the folder.
    """
    kind = stills(checkpoint.path, model_type_of(checkpoint))
    asked = ["processor.return_mm_token_type_ids = True"] if model_type_of(checkpoint) == COUNTED else []
    if kind is None:
        whole = "processor = AutoProcessor.from_pretrained(checkpoint, trust_remote_code=False)"
        return [whole, *asked], ["AutoProcessor"]
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
