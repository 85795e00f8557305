"""What the stages, the merges and the vocabulary browser say is what the library does."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.test_tokens import ODD_TEXTS, bert, fallback, llama, slow
from workbench.engine.errors import InputError
from workbench.engine.task import Cancelled, Silent
from workbench.engine.tokens import browse
from workbench.engine.tokens.browse import Entries, entries, find
from workbench.engine.tokens.stages import LONGEST_TEXT, LONGEST_WORD, StageOutput, Workings

__all__ = ["bert", "fallback", "llama", "slow"]
LETTERS = st.text(alphabet="abctheLow▁Ġ é漢🦊", min_size=1, max_size=12)


class Stopped(Silent):
    """A task that was cancelled."""

    def check(self) -> None:
        raise Cancelled


@pytest.fixture(scope="module")
def spelled() -> Any:
    """A BPE with a prefix and a suffix, an unknown token, added tokens of both kinds, and ties among its merges."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "a", "b", "##a", "##b", "##b_", "##a_", "a_", "ab", "aba", "##bb_", "##ab", "abab"]
    merges = [("##a", "##b"), ("a", "##b"), ("##b", "##b_"), ("ab", "##a"), ("ab", "##ab")]
    bpe = Tokenizer(
        models.BPE(
            {piece: id_ for id_, piece in enumerate(pieces)},
            merges,
            unk_token="<unk>",
            continuing_subword_prefix="##",
            end_of_word_suffix="_",
        )
    )
    bpe.normalizer = normalizers.Lowercase()
    bpe.pre_tokenizer = pre_tokenizers.Whitespace()
    bpe.add_tokens([AddedToken("<Keep>", normalized=False, lstrip=True), AddedToken("[Fold]", normalized=True)])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, unk_token="<unk>")


@pytest.fixture(scope="module")
def whole_words() -> Any:
    """A byte-level BPE that takes a word it knows as it is, though no merge makes it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: id_ for id_, piece in enumerate([*letters, "th", "he", "the", "Ġlow"])}
    bpe = Tokenizer(models.BPE(vocabulary, [("h", "e"), ("t", "h")], ignore_merges=True))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=bpe)


@pytest.fixture(scope="module")
def unigram() -> Any:
    """A Unigram model whose best path is not the greedy one, with a section-wise Metaspace."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = [("<unk>", 0.0), ("</s>", 0.0), ("▁", -3.0), ("a", -2.0), ("b", -2.5), ("c", -2.0), ("ab", -2.2),
                  ("bc", -1.5), ("▁abc", -9.0), ("▁a", -1.0), ("the", -2.0), ("▁the", -1.7), ("L", -5.0)]  # fmt: skip
    model = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    model.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    model.decoder = decoders.Metaspace(prepend_scheme="first")
    return PreTrainedTokenizerFast(tokenizer_object=model, unk_token="<unk>", eos_token="</s>")


def by_name(outputs: tuple[StageOutput, ...]) -> dict[str, StageOutput]:
    return {output.name: output for output in outputs}


FAST = ["llama", "bert", "fallback", "spelled", "whole_words", "unigram"]
MORE = ("ab <Keep> abab [fold] [FOLD]b <unk>", "a</s>abc </s> the", "the low thelow", "abc<|im_start|> [SEP][MASK]x")


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("special", [True, False])
def test_the_stages_one_by_one_end_where_the_library_ends(
    name: str, special: bool, request: pytest.FixtureRequest
) -> None:
    tokenizer = request.getfixturevalue(name)
    workings = Workings(tokenizer)
    for text in (*ODD_TEXTS, *MORE):
        made = by_name(workings.stages(text, special))
        wanted = tokenizer(text, add_special_tokens=special)["input_ids"]
        bare = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert [part.id for part in made["model"].parts] == bare
        assert made["model"].note == ""
        assert [part.id for part in made["post-processor"].parts] == wanted
        assert made["decoder"].parts[0].text == tokenizer.backend_tokenizer.decode(wanted, skip_special_tokens=False)


@pytest.mark.parametrize("name", ["llama", "bert", "whole_words"])
def test_a_stage_is_the_librarys_own_part(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    backend = tokenizer.backend_tokenizer
    text = "The quick  bröwn Fox"
    made = by_name(Workings(tokenizer).stages(text))
    normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
    assert "".join(part.text for part in made["normalizer"].parts) == normal
    words = backend.pre_tokenizer.pre_tokenize_str(normal)
    assert [part.text for part in made["pre-tokenizer"].parts] == [word for word, _ in words]
    assert list(made)[-5:] == ["normalizer", "pre-tokenizer", "model", "post-processor", "decoder"]


def test_added_tokens_are_cut_out_first_and_marked(spelled: Any) -> None:
    made = by_name(Workings(spelled).stages("ab  <Keep>B [FOLD]a"))
    assert [(part.text, part.special) for part in made["added tokens"].parts] == [
        ("ab", False), ("<Keep>", True), ("B [FOLD]a", False)]  # fmt: skip
    assert [part.text for part in made["normalizer"].parts] == ["ab", "<Keep>", "b [fold]a"]
    assert [part.text for part in made["pre-tokenizer"].parts] == ["ab", "<Keep>", "b", "[Fold]", "a"]


def test_the_unknown_token_of_the_model_is_no_added_token(bert: Any) -> None:
    made = by_name(Workings(bert).stages("🦊"))
    assert "added tokens" not in made
    assert [part.text for part in made["model"].parts] == [bert.unk_token]


def test_a_tokenizer_that_truncates_and_pads_is_shown_whole_and_left_as_it_was(llama: Any) -> None:
    backend = llama.backend_tokenizer
    backend.enable_truncation(2)
    backend.enable_padding(length=30)
    before = (backend.truncation, backend.padding)
    try:
        made = by_name(Workings(llama).stages("The quick brown fox"))
        assert "".join(part.text for part in made["model"].parts) == "TheĠquickĠbrownĠfox"
        assert (backend.truncation, backend.padding) == before
    finally:
        backend.no_truncation()
        backend.no_padding()


def test_a_slow_tokenizer_says_what_it_can_not_show(slow: Any) -> None:
    workings = Workings(slow)
    made = by_name(workings.stages("ab"))
    assert not workings.can_cut
    assert made["normalizer"].parts == made["pre-tokenizer"].parts == ()
    assert "written in Python" in made["normalizer"].note
    assert [part.id for part in made["post-processor"].parts] == slow("ab")["input_ids"]
    assert "written in Python" in workings.word("ab").note


def test_a_long_text_is_followed_in_part_and_says_so(llama: Any) -> None:
    made = by_name(Workings(llama).stages("ab " * LONGEST_TEXT))
    assert made["decoder"].parts[0].text == ("ab " * LONGEST_TEXT)[:LONGEST_TEXT]
    assert f"{LONGEST_TEXT:,} of {3 * LONGEST_TEXT:,}" in made["model"].note


def test_a_cancelled_look_stops(llama: Any) -> None:
    with pytest.raises(Cancelled):
        Workings(llama).stages("ab", task=Stopped())
    with pytest.raises(Cancelled):
        entries(llama, task=Stopped())


@pytest.mark.parametrize("name", ["llama", "fallback", "spelled", "whole_words"])
def test_the_merges_end_in_the_librarys_own_pieces(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    model = tokenizer.backend_tokenizer.model
    workings = Workings(tokenizer)

    @settings(max_examples=150, deadline=None)
    @given(st.one_of(LETTERS, st.text(alphabet="ab", min_size=1, max_size=12)))
    def check(text: str) -> None:
        word = workings.word(text)
        last = word.merges[-1].pieces if word.merges else word.start
        assert last == word.pieces == tuple(token.value for token in model.tokenize(text))
        assert "used" not in word.note

    check()


def test_each_merge_joins_two_neighbours_and_the_lowest_rank_goes_first(spelled: Any) -> None:
    word = Workings(spelled).word("abab")
    assert word.start == ("a", "##b", "##a", "##b_")
    assert [(step.rank, step.left, step.right, step.joined) for step in word.merges] == [
        (1, "a", "##b", "ab"), (3, "ab", "##a", "aba")]  # fmt: skip
    assert word.pieces == word.merges[-1].pieces == ("aba", "##b_")


def test_a_word_taken_whole_says_why_there_is_no_merge(whole_words: Any) -> None:
    word = Workings(whole_words).word("Ġlow")
    assert (word.pieces, word.merges) == (("Ġlow",), ())
    assert "ignore_merges" in word.note


def test_dropout_says_that_merges_are_left_out_at_random(llama: Any) -> None:
    model = llama.backend_tokenizer.model
    model.dropout = 0.5
    try:
        assert "50 %" in Workings(llama).word("quick").note
    finally:
        model.dropout = None


@pytest.mark.parametrize("text", ["quick", "unquick", "foxfox", "🦊", "x🦊", "q" * 150])
def test_word_piece_tries_the_longest_first_and_what_it_chose_is_the_result(bert: Any, text: str) -> None:
    model = bert.backend_tokenizer.model
    word = Workings(bert).word(text)
    chosen = tuple(each.piece for each in word.candidates if each.chosen)
    assert word.pieces == tuple(token.value for token in model.tokenize(text))
    if chosen:
        assert chosen == word.pieces
    else:
        assert word.pieces == (bert.unk_token,)
        assert "all of it becomes" in word.note
    for each in word.candidates:
        assert each.known == (model.token_to_id(each.piece) is not None)


def test_the_best_path_of_a_unigram_model_is_the_librarys(unigram: Any) -> None:
    workings = Workings(unigram)
    model = unigram.backend_tokenizer.model
    assert [each.piece for each in workings.word("▁abc").candidates if each.chosen] == ["▁a", "bc"]

    @settings(max_examples=150, deadline=None)
    @given(st.text(alphabet="abctheL▁é", min_size=1, max_size=12))
    def check(text: str) -> None:
        word = workings.word(text)
        path = [each for each in word.candidates if each.chosen]
        assert "".join(each.piece for each in path) == text
        # The library writes unknown characters that are neighbours as one.
        joined: list[tuple[str, bool]] = []
        for each in path:
            if joined and not each.known and not joined[-1][1]:
                joined[-1] = (joined[-1][0] + each.piece, False)
            else:
                joined.append((each.piece, each.known))
        assert tuple(piece for piece, _ in joined) == word.pieces == tuple(t.value for t in model.tokenize(text))

    check()


def test_a_word_level_model_knows_a_word_or_does_not() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    model = Tokenizer(models.WordLevel({"<unk>": 0, "fox": 1}, unk_token="<unk>"))
    workings = Workings(PreTrainedTokenizerFast(tokenizer_object=model, unk_token="<unk>"))
    assert workings.word("fox").candidates[0].chosen
    assert workings.word("dog").pieces == ("<unk>",)
    assert "becomes <unk>" in workings.word("dog").note


def test_a_word_without_end_is_not_taken_apart(llama: Any) -> None:
    word = Workings(llama).word("a" * (LONGEST_WORD + 1))
    assert word.merges == ()
    assert "too long" in word.note
    assert "".join(word.pieces) == "a" * (LONGEST_WORD + 1)


# The vocabulary.


@pytest.mark.parametrize("name", [*FAST, "slow"])
def test_the_vocabulary_holds_every_id(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    listed = entries(tokenizer)
    assert {piece: id_ for id_, piece in enumerate(listed.pieces) if piece} == tokenizer.get_vocab()
    assert {id_ for id_ in range(len(listed)) if listed.kind(id_) == "special"} >= set(tokenizer.all_special_ids)
    assert all("�" not in listed.face(id_) for id_ in range(len(listed)))
    assert len(find(listed, "")) == len(listed)


def test_a_search_is_by_the_text_or_the_piece_in_its_own_case(llama: Any) -> None:
    listed = entries(llama)
    word = next(text for text in listed.texts if text and text.startswith(" ") and len(text) > 2 and text.islower())
    found = find(listed, word)
    assert [id_ for id_, text in enumerate(listed.texts) if text and word in text] == list(found)
    assert list(find(listed, word.replace(" ", "Ġ"))) == list(found)
    assert not find(listed, word.upper())


def test_bytes_that_are_no_character_are_shown_in_hex(llama: Any) -> None:
    listed = entries(llama)
    fox = llama("🦊", add_special_tokens=False)["input_ids"][0]
    assert listed.face(fox) == "‹F0›"


def test_special_and_added_tokens_are_marked_and_found(spelled: Any) -> None:
    listed = entries(spelled)
    found = find(listed, "", "special")
    assert [(listed.pieces[id_], listed.kind(id_)) for id_ in found] == [
        ("<unk>", "special"), ("<Keep>", "added"), ("[Fold]", "added")]  # fmt: skip
    assert [listed.pieces[id_] for id_ in find(listed, "Fo", "special")] == ["[Fold]"]


def test_an_id_is_found_or_the_answer_says_what_ids_there_are(bert: Any) -> None:
    listed = entries(bert)
    assert list(find(listed, " 3 ", "id")) == [3]
    for query in ("x", "-1", "²", str(len(listed)), "9" * 5000):
        with pytest.raises(InputError, match=f"{len(listed) - 1:,}"):
            find(listed, query, "id")


def test_a_pattern_finds_what_it_describes(bert: Any) -> None:
    listed = entries(bert)
    assert [listed.pieces[id_] for id_ in find(listed, r"^\[(CLS|SEP)\]$", "regex")] == [
        piece for piece in listed.pieces if piece in ("[CLS]", "[SEP]")
    ]


@pytest.mark.parametrize("query", ["(a", "*", "[b-a]", "a{2,1}", "(?P<n>a)(?P=m)", "a" * 501])
def test_a_bad_pattern_is_told_in_words(bert: Any, query: str) -> None:
    with pytest.raises(InputError, match=r"regular expression|too long"):
        find(entries(bert), query, "regex")


@pytest.mark.parametrize(("entry", "all_of_it"), [(0.1, 60.0), (60.0, 0.1)])
def test_a_pattern_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch, entry: float, all_of_it: float) -> None:
    monkeypatch.setattr(browse, "ENTRY_PATIENCE", entry)
    monkeypatch.setattr(browse, "PATIENCE", all_of_it)
    listed = Entries(("a" * 60 + "b",) * 3, ("a" * 60 + "b",) * 3, {}, frozenset(), frozenset())
    begin = time.monotonic()
    with pytest.raises(InputError, match="simpler"):
        find(listed, r"(a|aa)+$", "regex")
    assert time.monotonic() - begin < 10


def test_a_search_stops_when_it_is_cancelled(bert: Any) -> None:
    listed = entries(bert)
    for kind in ("text", "regex"):
        with pytest.raises(Cancelled):
            find(listed, "a", kind, task=Stopped())
