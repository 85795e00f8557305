"""A checkpoint's tokenizer, read from its folder, and one like it for another thread."""

from __future__ import annotations

import copy
import inspect
from types import ModuleType
from typing import TYPE_CHECKING

from workbench.engine.errors import CheckpointError, UnsafeRefused
from workbench.engine.facts import tokenizer_folder
from workbench.engine.processors import missing, plain
from workbench.engine.task import Silent, Task
from workbench.engine.values import Checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model", "tekken.json",
                 "sentencepiece.bpe.model", "merges.txt", "tiktoken.model")  # fmt: skip


def load_tokenizer(checkpoint: Checkpoint, *, task: Task | None = None) -> PreTrainedTokenizerBase:
    """Load a tokenizer of one's own from a checkpoint's folder; nothing is asked of the Hub.

    Args:
        checkpoint: Whose folder holds the tokenizer files.
        task: Asked whether to stop before the library is imported.

    Raises:
        CheckpointError: The folder is missing, holds no tokenizer, or a damaged one.
        UnsafeRefused: The tokenizer is code that came with the checkpoint.
        NotSupported: It needs a package that is not installed.

    References:
        transformers, Auto Classes: AutoTokenizer.from_pretrained
    """
    (task or Silent()).check()
    what = f"Could not load the tokenizer of {checkpoint.name}."
    if not checkpoint.path.is_dir():
        raise CheckpointError(
            what,
            why=f"The folder {checkpoint.path} is not there.",
            remedy="Choose another checkpoint in Hub, or download this one again.",
        )
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            tokenizer_folder(checkpoint.path), trust_remote_code=False, local_files_only=True
        )
    except Exception as error:
        if "trust_remote_code" in str(error):
            raise UnsafeRefused(
                what,
                why="It is a program that came with the checkpoint, and such programs are not run.",
                remedy="Choose a checkpoint whose tokenizer is part of transformers.",
            ) from error
        if isinstance(error, ImportError):
            raise missing(what, error) from error
        if not any((checkpoint.path / name).exists() for name in _VOCABULARIES):
            raise CheckpointError(
                what,
                why="There are no tokenizer files in its folder.",
                remedy="Choose another checkpoint, or put tokenizer.json and tokenizer_config.json beside its weights.",
            ) from error
        raise CheckpointError(
            what,
            why=f"Its tokenizer files can't be read: {type(error).__name__}: {str(error).strip()[:200]}",
            remedy="Download the checkpoint again; a file may be damaged or cut short.",
        ) from error
    return running(plain(tokenizer))


def own_tokenizer(tokenizer: PreTrainedTokenizerBase, *, task: Task | None = None) -> PreTrainedTokenizerBase:
    """A tokenizer of one's own that does what another one does, for use on another thread.

    Truncation and padding are kept in a fast tokenizer while it encodes, so two threads can't share one. The vocabulary
    can be shared: nothing is read or parsed again, which would hold the interpreter up for 60 ms and more.

    Args:
        tokenizer: Fast or slow.
        task: Asked whether to stop.

    Raises:
        NotSupported: It needs a package that is not installed.
    """
    (task or Silent()).check()
    if not tokenizer.is_fast:
        # Some keep the module that cuts words for them, which can't be copied.
        shared = {id(value): value for value in vars(tokenizer).values() if isinstance(value, ModuleType)}
        slow = copy.deepcopy(tokenizer, shared)
        try:
            slow("a")
        except ImportError as error:
            # Those of phonemes look for what spells them when they are first used.
            raise missing("This tokenizer can't read a text here.", error) from error
        return slow
    from tokenizers import Tokenizer as Backend

    old = tokenizer.backend_tokenizer
    backend = Backend(old.model)
    for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        if (value := getattr(old, part)) is not None:
            setattr(backend, part, value)
    backend.add_tokens([token for _, token in sorted(old.get_added_tokens_decoder().items())])
    if old.truncation is not None:
        backend.enable_truncation(**old.truncation)
    if old.padding is not None:
        backend.enable_padding(**old.padding)
    # Not by copy, for which RoFormer's would write its part in Python out as JSON, in vain.
    own: PreTrainedTokenizerBase = object.__new__(type(tokenizer))
    vars(own).update(vars(tokenizer), _tokenizer=backend)
    if _boxed(own):
        from transformers import PreTrainedTokenizerFast

        # The class beneath has the same vocabulary and stages, and reads running text.
        own.__class__ = PreTrainedTokenizerFast
    return own


def running(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer, or one of one's own where its call reads words with boxes alone, as LayoutLMv2's and those after.

    Args:
        tokenizer: Left as it is.
    """
    return own_tokenizer(tokenizer) if _boxed(tokenizer) else tokenizer


def _boxed(tokenizer: PreTrainedTokenizerBase) -> bool:
    return tokenizer.is_fast and "boxes" in inspect.signature(type(tokenizer).__call__).parameters
