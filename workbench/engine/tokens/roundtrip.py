"""What comes back when ids are decoded, against what went in, and why each difference is one."""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.engine.task import Silent, Task
from workbench.engine.tokens.decoding import decode
from workbench.engine.tokens.encoding import check_text
from workbench.engine.tokens.settings import settings_kept

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from transformers import PreTrainedTokenizerBase

    Form: TypeAlias = Literal["NFC", "NFD", "NFKC", "NFKD"]

#: Characters of the longest stretch that is compared character by character, which takes the square of its length.
_LONGEST = 200
#: Parts within which two texts have to come together again.
_WINDOW = 24
#: Parts between two looks at whether the task was cancelled.
_STRIDE = 1024
#: Accents, which stand behind their letter where a text is written with them apart.
_ACCENTS = r"[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u3099\u309a]"
_PARTS = rf"\s+|(?:\w{_ACCENTS}*)+|[^\w\s]{_ACCENTS}*"
#: A character with the accents behind it.
_CHARACTERS = re.compile(rf"[\s\S]{_ACCENTS}*")
_FORMS: tuple[Form, ...] = ("NFC", "NFD", "NFKC", "NFKD")
#: Kinds of characters that have no shape: controls, formats, private and unassigned ones.
_CONTROL = frozenset({"Cc", "Cf", "Co", "Cn"})
#: Differences that are told at most.
MOST = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """Characters that did not come back as they were.

    Attributes:
        start: First character in the text.
        end: Character after the last in the text.
        was: These characters; empty where something was put in.
        became: What stands there now; empty where they are gone.
        why: The cause, as far as it can be told, in a sentence without a full stop.
    """

    start: int
    end: int
    was: str
    became: str
    why: str


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A text through ``decode(encode(text))``, without special tokens around it.

    Attributes:
        text: What went in.
        decoded: What came out.
        differences: By place; `MOST` at most.
        lost: Characters of the text that did not come back as they were.
        more: Whether there are more differences than are told.
    """

    text: str
    decoded: str
    differences: tuple[Difference, ...]
    lost: int
    more: bool = False

    @property
    def exact(self) -> bool:
        """Whether the text came back as it was."""
        return self.text == self.decoded


def round_trip(
    tokenizer: PreTrainedTokenizerBase, text: str, ids: Sequence[int] | None = None, *, task: Task | None = None
) -> RoundTrip:
    """Encode a text, decode the ids, and explain each difference.

    Args:
        tokenizer: Any tokenizer; left as it was found.
        text: May be empty.
        ids: Its ids without special tokens around it, where they are known already.
        task: Asked now and then whether to stop.

    Raises:
        InputError: A lone surrogate in the text.

    References:
        transformers, Tokenizer: decode; tokenizers, Normalizers and Decoders
    """
    task = task or Silent()
    check_text(text)
    if ids is None:
        with settings_kept(tokenizer, lend_pad=False):
            ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    task.check()
    decoded = decode(tokenizer, ids)
    if decoded == text:
        return RoundTrip(text, decoded, (), 0)
    unknown = str(tokenizer.unk_token) if tokenizer.unk_token is not None else None
    spans = _spans(text, decoded, unknown, task)
    told = []
    for start, end, since, until in spans[:MOST]:
        task.check()
        was, became = text[start:end], decoded[since:until]
        told.append(Difference(start, end, was, became, _why(tokenizer, text, start, end, was, became)))
    return RoundTrip(text, decoded, tuple(told), sum(end - start for start, end, _, _ in spans), len(spans) > MOST)


def _spans(text: str, decoded: str, unknown: str | None, task: Task) -> list[tuple[int, int, int, int]]:
    """Where two texts differ: word by word first, and character by character inside what is left."""
    # A name that stands for what is unknown is one part.
    pattern = re.compile(f"{re.escape(unknown)}|{_PARTS}" if unknown else _PARTS)
    # Not findall, which holds the interpreter for all of a long text.
    one = [match.group() for match in pattern.finditer(text)]
    other = [match.group() for match in pattern.finditer(decoded)]
    first, second = _places(one), _places(other)
    spans = []
    for i, j, k, m in _unlike(one, other, task):
        start, end, since, until = first[i], first[j], second[k], second[m]
        was, became = text[start:end], decoded[since:until]
        # A name that stands for a whole word shares letters with it only by chance.
        if max(len(was), len(became)) > _LONGEST or (unknown and unknown in became):
            spans.append((start, end, since, until))
            continue
        spans += [(start + a, start + b, since + c, since + d) for a, b, c, d in _within(was, became)]
    return spans


def _within(was: str, became: str) -> Iterator[tuple[int, int, int, int]]:
    """Where two short texts differ, a character together with its accents: they can be written as one or apart."""
    one, other = _CHARACTERS.findall(was), _CHARACTERS.findall(became)
    first, second = _places(one), _places(other)
    for kind, i, j, k, m in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        a, b, c, d = first[i], first[j], second[k], second[m]
        # What is the same on both sides came back: of a character that lost its accent, the accent is gone.
        while a < b and c < d and was[a] == became[c]:
            a, c = a + 1, c + 1
        while a < b and c < d and was[b - 1] == became[d - 1]:
            b, d = b - 1, d - 1
        yield a, b, c, d


def _unlike(one: list[str], other: list[str], task: Task) -> list[tuple[int, int, int, int]]:
    """Runs of parts that differ, in time that grows with the length alone.

    Two texts of which one came from the other never drift far apart, so they are brought together again within a
    window; upper and lower case, accents and the kind of white space make no part another one.
    """
    keys, others = list(map(_key, one)), list(map(_key, other))
    runs: list[tuple[int, int, int, int]] = []
    i = j = steps = 0
    while i < len(one) or j < len(other):
        steps += 1
        if steps % _STRIDE == 0:
            task.check()
        if i < len(one) and j < len(other) and keys[i] == others[j]:
            if one[i] != other[j]:
                runs.append((i, i + 1, j, j + 1))
            i, j = i + 1, j + 1
            continue
        more, less = _step(keys, others, i, j)
        runs.append((i, i + more, j, j + less))
        i, j = i + more, j + less
    return runs


def _step(keys: list[str], others: list[str], i: int, j: int) -> tuple[int, int]:
    """How many parts of each to pass over until two parts are alike again."""
    left, right = len(keys) - i, len(others) - j
    for far in range(1, 2 * _WINDOW):
        for more in range(max(0, far - min(right, _WINDOW)), min(far, left, _WINDOW) + 1):
            less = far - more
            both = keys[i + more : i + more + 2], others[j + less : j + less + 2]
            if both[0] == both[1]:
                return more, less
    return min(left, _WINDOW), min(right, _WINDOW)


@functools.lru_cache(maxsize=65536)
def _key(part: str) -> str:
    if part.isspace():
        return " "
    bare = "".join(each for each in unicodedata.normalize("NFKD", part) if unicodedata.category(each) != "Mn")
    return bare.casefold() or part


def _places(parts: list[str]) -> list[int]:
    places = [0]
    for part in parts:
        places.append(places[-1] + len(part))
    return places


def _why(tokenizer: PreTrainedTokenizerBase, text: str, start: int, end: int, was: str, became: str) -> str:
    normalizer = tokenizer.backend_tokenizer.normalizer if tokenizer.is_fast else None
    unknown = str(tokenizer.unk_token) if tokenizer.unk_token is not None else None
    if unknown and (unknown in became or (became and became in unknown and not was)):
        return f"not in the vocabulary, so it became {unknown}"
    if "\N{REPLACEMENT CHARACTER}" in became:
        return "the bytes of its tokens are no whole characters"
    own = _kind(normalizer)
    forms = sorted(_FORMS, key=own.__ne__)
    said = _change(was, became, text[start - 1 : start], text[end : end + 1], forms)
    if normalizer is not None and was and str(normalizer.normalize_str(was)) == became:
        return f"{said} by the normalizer ({own})"
    return said


def _kind(normalizer: object) -> str:
    return type(normalizer).__name__


def _change(was: str, became: str, before: str, after: str, forms: Sequence[Form]) -> str:
    if not was:
        if became.isspace():
            where = "at the beginning" if not before else "where the decoder joins pieces with blanks"
            return f"a blank put in {where}"
        return "put in by the tokenizer"
    if was.isspace():
        if not became:
            if after in tuple(".,!?;:'") or before == "'":
                return "the blank beside a punctuation mark is cleaned away or was never a token"
            return "white space that is no part of any token"
        return "white space written as another" if became.isspace() else "white space replaced"
    if not became and all(unicodedata.category(each) in _CONTROL for each in was):
        return "control characters taken out"
    if not became and all(unicodedata.category(each) in {"Mn", "Mc", "Me"} for each in was):
        return "accents taken out"
    if was.lower() == became:
        return "written in lower case"
    for form in forms:
        if unicodedata.normalize(form, was) == became:
            return f"put into the Unicode form {form}"
    bare = "".join(each for each in unicodedata.normalize("NFD", was) if unicodedata.category(each) != "Mn")
    seen = "".join(each for each in bare if unicodedata.category(each) not in _CONTROL)
    for left, gone in ((bare, "accents taken out"), (seen, "accents and control characters taken out")):
        if left == became:
            return gone
        if left.lower() == became:
            return f"written in lower case, {gone}"
    if unicodedata.normalize("NFKC", was).casefold() == became.casefold():
        return "put into another Unicode form and lower case"
    return "taken out" if not became else "changed"
