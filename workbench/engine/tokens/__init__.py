"""Text to ids and back: the tokenizer call, position by position, with exact bytes and offsets."""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import CheckpointError, InputError, NotSupported, UnsafeRefused
from workbench.engine.facts import tokenizer_folder
from workbench.engine.processors import missing, plain
from workbench.engine.task import Silent, Task
from workbench.engine.tokens.positions import Pieces, fast_positions, fast_tokens, slow_positions, slow_tokens
from workbench.engine.values import Checkpoint, Encoding, Message, Token, TokenizerOptions

if TYPE_CHECKING:
    from typing import TypeAlias

    from transformers import PreTrainedTokenizerBase

    #: What `load_tokenizer` gives, for annotations of those who may not name transformers.
    Tokenizer: TypeAlias = PreTrainedTokenizerBase

#: A tokenizer that names no longest length carries a number around 1e30.
_NO_LIMIT = 1_000_000_000
#: Ids from which decoding takes long enough to be felt.
_LONG = 10_000
#: Ids that are gone through in one go.
_PART = 100_000
#: Positions of the largest rectangle that padding may make; each takes some 250 bytes here.
LARGEST = 2_000_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts encoded together and decoded back.

    Attributes:
        encodings: One per text; all of one length when padded to the longest.
        specials: Special tokens of each that are attended to.
        decoded: ``tokenizer.decode(ids)`` of each, special and padding tokens included; empty before `decoded_back`.
        plain: The same without special tokens.
        padded_with: The token that filled short rows up, or None without padding.
        borrowed: Whether that token is the end token standing in, because the tokenizer has no pad token.
    """

    encodings: tuple[Encoding, ...]
    specials: tuple[int, ...]
    decoded: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    padded_with: str | None = None
    borrowed: bool = False

    @property
    def width(self) -> int | None:
        """Positions of every row, or None while the rows differ in length."""
        widths = {len(encoding.tokens) for encoding in self.encodings}
        return widths.pop() if len(widths) == 1 else None

    @property
    def wasted(self) -> int:
        """Positions that hold padding."""
        return sum(len(encoding.tokens) - encoding.attended for encoding in self.encodings)


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


_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model", "tekken.json",
                 "sentencepiece.bpe.model", "merges.txt", "tiktoken.model")  # fmt: skip


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


def encode(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    options: TokenizerOptions | None = None,
    pair: str | None = None,
    *,
    task: Task | None = None,
) -> Encoding:
    """Encode one text as ``tokenizer(text, pair, …)`` does, and say everything about each position.

    Args:
        tokenizer: Left as it was found: its padding and truncation settings are put back.
        text: May be empty.
        options: The switches of the call; the defaults are the library's.
        pair: A second text after the first; its positions have ``Token.sequence == 1``.
        task: Asked now and then whether to stop.

    Raises:
        InputError: A lone surrogate in the text, or options that this tokenizer can't follow.

    References:
        transformers, Tokenizer: PreTrainedTokenizerBase.__call__, BatchEncoding
    """
    return _encode(tokenizer, (text,), options or TokenizerOptions(), pair, task or Silent())[0]


def encode_batch(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    options: TokenizerOptions | None = None,
    *,
    task: Task | None = None,
) -> tuple[Encoding, ...]:
    """Encode texts together; with padding they become one rectangle.

    Args:
        tokenizer: Left as it was found.
        texts: Any number, none included.
        options: The switches of the call; the defaults are the library's.
        task: Asked now and then whether to stop.

    Raises:
        InputError: As for `encode`.
    """
    return _encode(tokenizer, tuple(texts), options or TokenizerOptions(), None, task or Silent())


def tokenize(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    options: TokenizerOptions | None = None,
    *,
    task: Task | None = None,
) -> Batch:
    """Encode texts together and decode them back.

    Args:
        tokenizer: Left as it was found.
        texts: Any number, none included.
        options: The switches of the call; the defaults are the library's.
        task: Asked now and then whether to stop.

    Raises:
        InputError: As for `encode`.
    """
    task = task or Silent()
    return decoded_back(tokenizer, look(tokenizer, texts, options, task=task), task=task)


def look(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    options: TokenizerOptions | None = None,
    *,
    task: Task | None = None,
) -> Batch:
    """Encode texts together, to be looked at: a position is described when somebody asks for it.

    Args:
        tokenizer: Left as it was found.
        texts: Any number, none included.
        options: The switches of the call; the defaults are the library's.
        task: Asked now and then whether to stop.

    Returns:
        The encodings, not decoded back yet.

    Raises:
        InputError: As for `encode`.
    """
    options = options or TokenizerOptions()
    task = task or Silent()
    encodings = _encode(tokenizer, tuple(texts), options, None, task, lazily=True)
    known = Pieces(tokenizer).special
    specials = []
    for encoding in encodings:
        task.check()
        ids: Sequence[int] = encoding.input_ids
        if encoding.attended < len(encoding.tokens):
            ids = tuple(itertools.compress(ids, encoding.attention_mask))
        specials.append(sum(sum(map(known.__contains__, part)) for part in in_parts(ids)))
    padded_with, borrowed = padding_token(tokenizer) if options.padding else (None, False)
    return Batch(encodings, tuple(specials), padded_with=padded_with, borrowed=borrowed)


def decoded_back(tokenizer: PreTrainedTokenizerBase, batch: Batch, *, task: Task | None = None) -> Batch:
    """The same batch with its ids decoded back.

    Args:
        tokenizer: The one that made the batch.
        batch: As `look` gives it.
        task: Asked between the texts whether to stop.
    """
    task = task or Silent()
    known = Pieces(tokenizer).special
    decoded, plain = [], []
    for encoding in batch.encodings:
        task.check()
        ids = encoding.input_ids
        decoded.append(decode(tokenizer, ids))
        marked = any(any(map(known.__contains__, part)) for part in in_parts(ids))
        plain.append(decode(tokenizer, ids, skip_special_tokens=True) if marked else decoded[-1])
    return replace(batch, decoded=tuple(decoded), plain=tuple(plain))


def in_parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Ids some at a time: to go through millions in one go holds the interpreter, and with it the window.

    Args:
        ids: Of shape ``(seq,)``.
    """
    return (ids[first : first + _PART] for first in range(0, len(ids), _PART))


def decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
    """Turn ids back into text, exactly as ``tokenizer.decode`` does.

    Args:
        tokenizer: Any tokenizer.
        ids: Of shape ``(seq,)``.
        skip_special_tokens: Leave special tokens out.
    """
    if len(ids) > _LONG and tokenizer.is_fast and not tokenizer.clean_up_tokenization_spaces:
        from transformers import PreTrainedTokenizerFast

        if type(tokenizer)._decode is PreTrainedTokenizerFast._decode:
            # A batch of one, because only a batch lets go of the interpreter, and so of the window.
            return str(tokenizer.backend_tokenizer.decode_batch([ids], skip_special_tokens=skip_special_tokens)[0])
    return str(tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens))


def render_chat(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], add_generation_prompt: bool = True
) -> str:
    """Write a conversation as the checkpoint's own chat template does.

    Args:
        tokenizer: One with a chat template.
        messages: The turns so far.
        add_generation_prompt: End with the opening of the assistant's next turn. Where the assistant has the last word
            already, that turn is left open instead, to be gone on with (``continue_final_message``).

    Raises:
        NotSupported: The tokenizer has no chat template.
        InputError: The template refuses these turns, for instance because roles must alternate.

    References:
        transformers, Chat templates: apply_chat_template
    """
    if not getattr(tokenizer, "chat_template", None):
        raise NotSupported(
            "This checkpoint has no chat template.",
            why="It was not trained on conversations, or its template was not saved with it.",
            remedy="Write a plain prompt instead, or load a checkpoint whose name says Instruct or Chat.",
        )
    from jinja2 import TemplateError

    turns = [{"role": message.role, "content": message.content} for message in messages]
    goes_on = add_generation_prompt and bool(turns) and turns[-1]["role"] == "assistant"
    try:
        return str(
            tokenizer.apply_chat_template(
                turns,
                tokenize=False,
                add_generation_prompt=add_generation_prompt and not goes_on,
                continue_final_message=goes_on,
            )
        )
    except (TemplateError, TypeError, ValueError) as error:
        raise InputError(
            "The chat template refused this conversation.",
            why=f"It says: {error}",
            remedy="Many templates want user and assistant to alternate, and allow one system message at the start.",
        ) from error


def encode_chat(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    add_generation_prompt: bool = True,
    *,
    task: Task | None = None,
) -> Encoding:
    """Encode a conversation; the template writes the special tokens, so none are added.

    Args:
        tokenizer: One with a chat template.
        messages: The turns so far.
        add_generation_prompt: End with the opening of the assistant's next turn.
        task: Asked now and then whether to stop.

    Raises:
        NotSupported, InputError: As for `render_chat` and `encode`.
    """
    text = render_chat(tokenizer, messages, add_generation_prompt)
    return encode(tokenizer, text, TokenizerOptions(add_special_tokens=False), task=task)


def padding_token(tokenizer: PreTrainedTokenizerBase) -> tuple[str, bool]:
    """The token that fills short rows up, and whether it is the end token standing in for a missing pad token.

    Raises:
        InputError: There is neither a pad token nor an end token.
    """
    if tokenizer.pad_token is not None:
        return str(tokenizer.pad_token), False
    if tokenizer.eos_token is not None:
        return str(tokenizer.eos_token), True
    raise InputError(
        "These texts can't be padded.",
        why="The tokenizer has neither a pad token nor an end token that could stand in for it.",
        remedy="Switch padding off, or load a checkpoint whose tokenizer has a pad token.",
    )


def longest(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The tokenizer's own longest length in tokens (``model_max_length``), or None when it names none."""
    limit = tokenizer.model_max_length
    return int(limit) if limit and limit < _NO_LIMIT else None


def _encode(
    tokenizer: PreTrainedTokenizerBase,
    texts: tuple[str, ...],
    options: TokenizerOptions,
    pair: str | None,
    task: Task,
    *,
    lazily: bool = False,
) -> tuple[Encoding, ...]:
    for text in (*texts, pair or ""):
        check_text(text)
    if not texts:
        return ()
    arguments: dict[str, Any] = {
        "add_special_tokens": options.add_special_tokens,
        "padding": options.padding,
        "truncation": options.truncation,
        "padding_side": options.padding_side,
        "return_attention_mask": True,
        # Only a "longer than the context" line in the log; the pane says that in its own place.
        "verbose": False,
    }
    pairs = None if pair is None else [pair] * len(texts)
    if options.truncation or options.padding == "max_length":
        arguments["max_length"] = _limit(tokenizer, options, pair is not None)
    if options.padding:
        _check_size(tokenizer, texts, arguments)
    task.check()
    with settings_kept(tokenizer, lend_pad=bool(options.padding)):
        batch = tokenizer(list(texts), pairs, **arguments)
        whole = None
        if options.truncation:
            task.check()
            whole = tokenizer(
                list(texts), pairs, add_special_tokens=options.add_special_tokens, truncation=False, verbose=False
            )
    if batch["input_ids"] and isinstance(batch["input_ids"][0], int):
        # MarkupLM's gives back one empty text without its batch.
        batch.data = {name: [row] for name, row in batch.items()}
    pieces = Pieces(tokenizer)
    made = []
    for row, text in enumerate(texts):
        ids: list[int] = batch["input_ids"][row]
        mask: list[int] = batch["attention_mask"][row]
        types = batch["token_type_ids"][row] if "token_type_ids" in batch else None
        tokens: Sequence[Token]
        if tokenizer.is_fast and lazily:
            tokens = fast_positions(pieces, batch.encodings[row], text, pair, ids, mask, types)
        elif tokenizer.is_fast:
            tokens = fast_tokens(pieces, batch.encodings[row], text, pair, ids, mask, types, task)
        elif lazily:
            tokens = slow_positions(pieces, ids, mask, types)
        else:
            tokens = slow_tokens(pieces, ids, mask, types, task)
        truncated = len(whole["input_ids"][row]) - sum(mask) if whole is not None else 0
        made.append(Encoding(text, tokens, truncated))
    return tuple(made)


def check_text(text: str) -> None:
    """Refuse a text that is not all characters.

    Raises:
        InputError: It holds a lone surrogate.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = ord(text[error.start])
        raise InputError(
            f"The text can't be encoded: character {error.start + 1} is only half of a character.",
            why=f"U+{found:04X} is a lone surrogate, which no UTF-8 text can hold; the source was cut or misread.",
            remedy="Delete that character, or copy the text again from where it came.",
        ) from error


def _limit(tokenizer: PreTrainedTokenizerBase, options: TokenizerOptions, pair: bool) -> int:
    limit = options.max_length if options.max_length is not None else longest(tokenizer)
    asked = "truncate" if options.truncation else "pad to max_length"
    if limit is None:
        raise InputError(
            f"There is no length to {asked} to." if options.truncation else f"There is no length to {asked}.",
            why="max_length is not set, and this tokenizer names no longest length of its own.",
            remedy="Set max_length.",
        )
    room = tokenizer.num_special_tokens_to_add(pair=pair) if options.add_special_tokens else 0
    # Below this the library gives up truncating without a word.
    if options.truncation and limit < max(1, room):
        raise InputError(
            f"The text can't be truncated to {limit} tokens.",
            why=f"The special tokens alone take {room}." if room else "At least one token has to stay.",
            remedy=f"Set max_length to {max(1, room)} or more.",
        )
    return limit


def _check_size(tokenizer: PreTrainedTokenizerBase, texts: tuple[str, ...], arguments: dict[str, Any]) -> None:
    # No vocabulary makes more tokens than there are bytes, special ones apart; the exact count is rarely needed.
    width = max(len(text.encode()) for text in texts) + 8
    if arguments["padding"] == "max_length":
        width = max(width, arguments["max_length"])
    if len(texts) * width <= LARGEST:
        return
    with settings_kept(tokenizer, lend_pad=False):
        unpadded = tokenizer(list(texts), **{**arguments, "padding": False})["input_ids"]
    width = max(arguments["max_length"] if arguments["padding"] == "max_length" else 0, *map(len, unpadded))
    positions, tokens = len(texts) * width, sum(map(len, unpadded))
    if positions > LARGEST:
        raise InputError(
            "These texts are too different in length to be padded.",
            why=f"The rectangle of {len(texts):,} × {width:,} would hold {positions - tokens:,} positions of padding "
            f"around {tokens:,} tokens.",
            remedy="Switch truncation on with a smaller max_length, switch padding off, or take fewer texts.",
        )


@contextmanager
def settings_kept(tokenizer: PreTrainedTokenizerBase, *, lend_pad: bool) -> Iterator[None]:
    """Put the truncation and padding of a tokenizer back afterwards.

    Args:
        tokenizer: Any tokenizer.
        lend_pad: Let the end token stand in for a missing pad token meanwhile.

    Raises:
        InputError: As for `padding_token`.
    """
    backend = tokenizer.backend_tokenizer if tokenizer.is_fast else None
    kept = (backend.truncation, backend.padding, backend.encode_special_tokens) if backend is not None else None
    borrowed = False
    if lend_pad:
        token, borrowed = padding_token(tokenizer)
        if borrowed:
            tokenizer.pad_token = token
    try:
        yield
    finally:
        if borrowed:
            tokenizer.pad_token = None
        if backend is not None and kept is not None:
            truncation, padding, backend.encode_special_tokens = kept
            if truncation is None:
                backend.no_truncation()
            else:
                backend.enable_truncation(**truncation)
            if padding is None:
                backend.no_padding()
            else:
                backend.enable_padding(**padding)
