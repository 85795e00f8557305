"""A batch is the library's own, number for number, and what of it is padding is counted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import ByT5Tokenizer

from tests.tiny_tokenizers import KINDS
from workbench.engine import tokens
from workbench.engine.errors import InputError
from workbench.engine.tokens.rectangle import BatchOptions, Rectangle, rectangle
from workbench.engine.values import Checkpoint

TEXTS = ("The quick brown 🦊 jumps", "the fox", "", "What a wonderful film, the best I have seen in years!")
PAIRS = ("over the lazy dog", "a good book about the history of the city", "Rome", "")
CALLS = [
    BatchOptions(),
    BatchOptions(padding="max_length", max_length=120),
    BatchOptions(pad_to_multiple_of=8, padding_side="left"),
    BatchOptions(truncation="longest_first", max_length=10),
    BatchOptions(truncation="longest_first", max_length=10, truncation_side="left", add_special_tokens=False),
    BatchOptions(truncation="longest_first", max_length=9, stride=2, return_overflowing_tokens=True),
    BatchOptions(padding="max_length", truncation="longest_first", max_length=16, pad_to_multiple_of=8),
    BatchOptions(return_special_tokens_mask=True),
    BatchOptions(is_split_into_words=True, truncation="longest_first", max_length=12),
]


@pytest.fixture(scope="module", params=["llama", "bert", "slow"])
def tokenizer(request: Any, tiny_llama: Checkpoint, tiny_bert: Checkpoint) -> Any:
    if request.param == "slow":
        return ByT5Tokenizer()
    return tokens.load_tokenizer(tiny_llama if request.param == "llama" else tiny_bert)


@pytest.mark.parametrize("options", CALLS)
@pytest.mark.parametrize("paired", [False, True])
def test_the_tensors_are_those_of_return_tensors_pt(tokenizer: Any, options: BatchOptions, paired: bool) -> None:
    pairs = PAIRS if paired else None
    if options.return_overflowing_tokens and not tokenizer.is_fast:
        with pytest.raises(InputError, match="no rows of what was cut off"):
            rectangle(tokenizer, TEXTS, pairs, options)
        return
    if options.is_split_into_words and not tokenizer.is_fast:
        with pytest.raises(InputError, match="takes no empty text"):
            rectangle(tokenizer, TEXTS, pairs, options)
        return
    made = rectangle(tokenizer, TEXTS, pairs, options)
    side = tokenizer.truncation_side
    tokenizer.truncation_side = options.truncation_side or side
    texts, seconds = options.given(TEXTS), options.given(PAIRS) if paired else None
    wanted = tokenizer(texts, seconds, **options.arguments(), return_tensors="pt", verbose=False)
    tokenizer.truncation_side = side
    assert {each.name for each in made.tensors} == set(wanted)
    for each in made.tensors:
        assert torch.equal(torch.from_numpy(each.values), wanted[each.name]), each.name
        assert each.shape == tuple(wanted[each.name].shape)
        assert f"torch.{each.dtype}" == str(wanted[each.name].dtype)
    assert [[token.id for token in row.tokens] for row in made.rows] == wanted["input_ids"].tolist()
    assert made.wasted == int((wanted["attention_mask"] == 0).sum())
    assert made.positions == wanted["input_ids"].numel()
    assert not made.refusal


def test_rows_of_one_text_say_which_and_repeat_the_stride(tiny_bert: Checkpoint) -> None:
    tokenizer = tokens.load_tokenizer(tiny_bert)
    options = BatchOptions(truncation="longest_first", max_length=9, stride=3, return_overflowing_tokens=True)
    made = rectangle(tokenizer, TEXTS, None, options)
    assert [row.text for row in made.rows] == sorted(row.text for row in made.rows)
    first, second = [row for row in made.rows if row.text == 3][:2]
    assert [token.id for token in first.tokens[-4:-1]] == [token.id for token in second.tokens[1:4]]
    assert made.cut == (0, 0, 0, 0)
    inner = [token for token in second.tokens if token.mask and not token.special]
    assert all(TEXTS[3][token.offsets[0] : token.offsets[1]].lower() == token.text.lower() for token in inner)


@given(
    texts=st.lists(st.tuples(st.text("ab ", max_size=30), st.text("ab ", max_size=30)), min_size=1, max_size=3),
    limit=st.integers(3, 14),
    stride=st.integers(0, 8),
    truncation=st.sampled_from(["longest_first", "only_first", "only_second"]),
    paired=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_overflow_of_any_pairs_is_the_librarys_or_told(
    tiny_bert: Checkpoint, texts: list[tuple[str, str]], limit: int, stride: int, truncation: str, paired: bool
) -> None:
    tokenizer = tokens.load_tokenizer(tiny_bert)
    options = BatchOptions(truncation=truncation, max_length=limit, stride=stride, return_overflowing_tokens=True)
    firsts, seconds = [one for one, _ in texts], [other for _, other in texts]
    try:
        made = rectangle(tokenizer, firsts, seconds if paired else None, options)
    except InputError:
        # Told only where the stride leaves no room, or the one text that may be cut is too short.
        assert truncation != "longest_first" or stride >= (limit - 3) // 2
        return
    wanted = tokenizer(firsts, seconds if paired else None, **options.arguments(), verbose=False)
    assert [[token.id for token in row.tokens] for row in made.rows] == wanted["input_ids"]


def test_what_is_cut_off_is_counted_for_each_text(tokenizer: Any) -> None:
    made = rectangle(tokenizer, TEXTS, None, BatchOptions(truncation="longest_first", max_length=6))
    whole = [len(ids) for ids in tokenizer(list(TEXTS))["input_ids"]]
    assert made.cut == tuple(max(0, count - 6) for count in whole)


def test_ragged_rows_make_no_tensors_and_the_reason_is_told(tokenizer: Any) -> None:
    made = rectangle(tokenizer, TEXTS[:2], None, BatchOptions(padding=False))
    assert made.tensors == ()
    assert "no ragged edge" in made.refusal
    assert [len(row.tokens) for row in made.rows] == [len(ids) for ids in tokenizer(list(TEXTS[:2]))["input_ids"]]


def test_nothing_of_the_tokenizer_is_changed(tokenizer: Any) -> None:
    before = tokenizer("The fox")["input_ids"], tokenizer.truncation_side, tokenizer.pad_token
    rectangle(tokenizer, TEXTS, None, BatchOptions(truncation="longest_first", max_length=5, truncation_side="left"))
    assert (tokenizer("The fox")["input_ids"], tokenizer.truncation_side, tokenizer.pad_token) == before


def test_without_a_pad_token_the_end_token_stands_in(tiny_llama: Checkpoint) -> None:
    tokenizer = tokens.load_tokenizer(tiny_llama)
    tokenizer.pad_token = None
    made = rectangle(tokenizer, TEXTS)
    assert made.borrowed
    assert made.padded_with == tokenizer.eos_token
    assert tokenizer.pad_token is None


@pytest.mark.parametrize(
    ("options", "paired", "said"),
    [
        (BatchOptions(truncation="longest_first", max_length=1), False, "special tokens alone take 2"),
        (
            BatchOptions(truncation="longest_first", max_length=6, stride=4, return_overflowing_tokens=True),
            False,
            "no room for new tokens",
        ),
        (BatchOptions(truncation="only_second", max_length=6), False, "no second text"),
        (BatchOptions(truncation="only_first", max_length=6), True, "too short"),
        (BatchOptions(truncation="longest_first", max_length=6, pad_to_multiple_of=4), False, "multiple"),
        (BatchOptions(padding="max_length", max_length=900_000), False, "too large to show"),
    ],
)
def test_switches_that_do_not_go_together_are_told(
    tiny_bert: Checkpoint, options: BatchOptions, paired: bool, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        rectangle(tokens.load_tokenizer(tiny_bert), TEXTS, PAIRS if paired else None, options)
    assert said in str(caught.value)
    assert caught.value.remedy


def test_pairs_of_another_number_lone_surrogates_and_no_texts(tokenizer: Any) -> None:
    with pytest.raises(InputError, match="make no pairs"):
        rectangle(tokenizer, TEXTS, PAIRS[:2])
    with pytest.raises(InputError, match="half of a character"):
        rectangle(tokenizer, ["a\ud83d"])
    empty = rectangle(tokenizer, [])
    assert isinstance(empty, Rectangle)
    assert (empty.rows, empty.tensors) == ((), ())


def test_switches_that_change_nothing_for_these_texts_are_refused_by_nobody(tokenizer: Any) -> None:
    second = BatchOptions(truncation="only_second", max_length=200)
    over = BatchOptions(truncation="longest_first", max_length=200, return_overflowing_tokens=True)
    for options in (second, over):
        made = rectangle(tokenizer, TEXTS, None, options)
        wanted = tokenizer(list(TEXTS), **options.arguments(), return_tensors="pt", verbose=False)
        assert {each.name: each.values.tolist() for each in made.tensors} == {
            name: tensor.tolist() for name, tensor in wanted.items()
        }
    with pytest.raises(InputError, match="no second text to truncate"):
        rectangle(tokenizer, TEXTS, None, BatchOptions(truncation="only_second", max_length=8))


def test_the_empty_tensors_of_a_first_text_without_a_token_are_shown_and_told(tiny_llama: Checkpoint) -> None:
    tokenizer = tokens.load_tokenizer(tiny_llama)
    plain = BatchOptions(add_special_tokens=False, padding=False)
    made = rectangle(tokenizer, ["", "the fox"], None, plain)
    wanted = tokenizer(["", "the fox"], add_special_tokens=False, return_tensors="pt")
    assert {each.name: each.shape for each in made.tensors} == {
        name: tuple(tensor.shape) for name, tensor in wanted.items()
    }
    assert made.tensors[0].shape == (2, 0)
    assert "the first of these 2 rows has no position" in made.refusal
    assert rectangle(tokenizer, ["the fox", ""], None, plain).tensors == ()


WORDS = ("The quick  brown 🦊 jumps", "New-York\tisn't far", "漢字 é", "fox")


@pytest.mark.parametrize(
    "kind",
    ["byte_level_bpe", "byte_level_trimmed_offsets", "word_piece_uncased", "unigram", "byte_fallback_by_metaspace",
     "bpe_end_of_word", "unigram_that_folds_blanks", "slow_sentence_piece_unigram"],
)  # fmt: skip
@pytest.mark.parametrize("paired", [False, True])
def test_of_words_each_token_says_its_word_and_the_characters_of_it(kind: str, paired: bool) -> None:
    tokenizer = KINDS[kind]()
    options = BatchOptions(is_split_into_words=True, padding="longest" if tokenizer.pad_token else False)
    pairs = tuple(reversed(WORDS)) if paired else None
    made = rectangle(tokenizer, WORDS, pairs, options)
    firsts, seconds = [text.split() for text in WORDS], [text.split() for text in pairs] if pairs else None
    wanted = tokenizer(firsts, seconds, is_split_into_words=True, padding=options.padding)
    assert [[token.id for token in row.tokens] for row in made.rows] == wanted["input_ids"]
    if not tokenizer.is_fast:
        assert {token.word for row in made.rows for token in row.tokens} == {None}
        return
    for number, row in enumerate(made.rows):
        assert [token.word for token in row.tokens] == wanted.word_ids(number)
        for sequence, words in enumerate((firsts[number], seconds[number] if seconds else [])):
            for place, word in enumerate(words):
                its = [token for token in row.tokens if (token.sequence, token.word) == (sequence, place)]
                assert "".join(token.text for token in its).strip() == word
                assert all(0 <= start <= end <= len(word) for token in its for start, end in [token.offsets])


def test_texts_whose_words_get_other_ids_than_running_text_are_counted() -> None:
    options = BatchOptions(is_split_into_words=True)
    texts = ("the fox", "fox", "the film")
    # Without a blank in front, "fox" alone is the same; a byte-level vocabulary glues the others together.
    assert rectangle(KINDS["byte_level_without_pad_token"](), texts, None, options).otherwise == 2
    assert rectangle(KINDS["word_piece_uncased"](), texts, None, options).otherwise == 0
    assert rectangle(KINDS["word_piece_uncased"](), texts).otherwise is None
