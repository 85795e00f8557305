"""A token added to a copy of a tokenizer, and what becomes of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.task import Silent, Task
from workbench.engine.tokens.batch import look
from workbench.engine.tokens.encoding import check_text
from workbench.engine.tokens.loading import own_tokenizer
from workbench.engine.tokens.positions import takes_none
from workbench.engine.values import Encoding

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Switches:
    """How an added token is found in a text, under the names ``AddedToken(…)`` gives them.

    Attributes:
        special: As a special token, which decoding can skip.
        single_word: Only where no letter or digit stands beside it.
        lstrip: With the blanks in front of it.
        rstrip: With the blanks behind it.
        normalized: In the text as the normalizer leaves it; None is the library's default, so unless it is special.
    """

    special: bool = False
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool | None = None

    def arguments(self) -> dict[str, bool]:
        """The keyword arguments of ``AddedToken(…)``; what stands at the library's default is left out."""
        given = {name: True for name in ("special", "single_word", "lstrip", "rstrip") if getattr(self, name)}
        if self.normalized is not None and self.normalized is self.special:
            given["normalized"] = self.normalized
        return given


@dataclass(frozen=True, slots=True)
class Added:
    """A text before and after a token was added.

    Attributes:
        token: What was added.
        id: Its id.
        new: Whether the id is new: a model then needs one more row of embeddings.
        before: The text as it was.
        after: The text with the token.
        size: Vocabulary with it, added tokens included.
    """

    token: str
    id: int
    new: bool
    before: Encoding
    after: Encoding
    size: int

    @property
    def found(self) -> int:
        """How often the token stands in the text."""
        return self.after.input_ids.count(self.id)


def try_token(
    tokenizer: PreTrainedTokenizerBase,
    token: str,
    text: str,
    switches: Switches | None = None,
    *,
    task: Task | None = None,
) -> Added:
    """Add a token to a copy of a tokenizer and encode a text before and after.

    Args:
        tokenizer: Stays as it is.
        token: What to add.
        text: May be empty.
        switches: How it is found; the defaults are the library's.
        task: Asked now and then whether to stop.

    Raises:
        InputError: The token is empty or blank, or one of both texts holds a lone surrogate.
        NotSupported: The tokenizer takes no tokens.

    References:
        transformers, Tokenizer: add_tokens; Model: resize_token_embeddings; tokenizers, AddedToken
    """
    from tokenizers import AddedToken

    task = task or Silent()
    check_text(token)
    if not token.strip():
        raise InputError("There is no token to add.", why="It is empty or blank.", remedy="Write a word or a marker.")
    if takes_none(tokenizer):
        raise NotSupported(
            "No token can be added to this tokenizer.",
            why="It is Mistral's own (mistral-common), whose vocabulary stays as it was trained.",
            remedy="Load a checkpoint whose tokenizer comes as tokenizer.json.",
        )
    # Looked at: of a long text only the positions that somebody sees are described.
    before = look(tokenizer, [text], task=task).encodings[0]
    other = own_tokenizer(tokenizer, task=task)
    size = len(other)
    switches = switches or Switches()
    other.add_tokens([AddedToken(token, **switches.arguments())], special_tokens=switches.special)
    after = look(other, [text], task=task).encodings[0]
    id_ = int(other.convert_tokens_to_ids(token))
    return Added(token, id_, len(other) > size, before, after, len(other))
