"""What stands before a model: its tokenizer and its processor, read from the checkpoint without running any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.errors import first_line
from workbench.engine.facts import has_tokenizer
from workbench.engine.values import Checkpoint, Facts

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase, ProcessorMixin


def tokenizer_of(
    checkpoint: Checkpoint, *, own_code: bool = False
) -> tuple[PreTrainedTokenizerBase | None, tuple[str, ...]]:
    """The tokenizer, or None, and what a person should know about it.

    Args:
        checkpoint: Whose folder is read.
        own_code: Whether a person agreed that its code may run.
    """
    from transformers import AutoTokenizer

    if not has_tokenizer(checkpoint.path):
        return None, ("The folder has no tokenizer: text can't be turned into ids for it.",)
    try:
        return AutoTokenizer.from_pretrained(checkpoint.path, trust_remote_code=own_code, local_files_only=True), ()
    except Exception as error:
        # Whatever is wrong with it, the model itself can still be looked at.
        return None, (f"Its tokenizer could not be read: {first_line(error)}",)


def processor_of(
    checkpoint: Checkpoint, facts: Facts, head: str, config: PreTrainedConfig
) -> tuple[ProcessorMixin | None, tuple[str, ...]]:
    """What makes inputs of pictures and text, or None, and what a person should know about it.

    Args:
        checkpoint: Whose folder is read.
        facts: What it says.
        head: Auto class of the model.
        config: Of the model.
    """
    from transformers import AutoProcessor

    if head != "AutoModelForImageTextToText" or not facts.takes_images:
        return None, ()
    try:
        try:
            processor = AutoProcessor.from_pretrained(checkpoint.path, trust_remote_code=False, local_files_only=True)
        except ImportError as error:
            if "VideoProcessor" not in str(error):
                raise
            processor = _for_stills(checkpoint, config)
    except Exception as error:
        said = first_line(error).split(". ")[0].rstrip(".")
        if "torchvision" in str(error).lower():
            said = "the library has it for torchvision alone (transformers-workbench[vision])"
        return None, (f"Its processor could not be read, so it takes no pictures here: {said[:200]}.",)
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        return None, ("The folder has no processor for pictures with text, so it takes no pictures here.",)
    return processor, ()


def _for_stills(checkpoint: Checkpoint, config: PreTrainedConfig) -> ProcessorMixin:
    """A processor without its part for videos, which needs torchvision; pictures and text need Pillow alone."""
    from transformers import PROCESSOR_MAPPING, AutoImageProcessor, AutoTokenizer

    kind: Any = PROCESSOR_MAPPING[type(config)]
    path = checkpoint.path
    parts = {
        "tokenizer": AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True),
        "image_processor": AutoImageProcessor.from_pretrained(path, trust_remote_code=False, local_files_only=True),
        "video_processor": None,
    }

    class Stills(kind):
        @classmethod
        def _get_arguments_from_pretrained(cls, *_: Any, **__: Any) -> list[Any]:
            return [parts[name] for name in kind.get_attributes()]

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument_name != "video_processor":
                return super().check_argument_for_proper_class(argument_name, argument)
            return None

    # The library looks at the names of such classes here and there.
    Stills.__name__ = kind.__name__
    processor: ProcessorMixin = Stills.from_pretrained(path, trust_remote_code=False, local_files_only=True)
    return processor
