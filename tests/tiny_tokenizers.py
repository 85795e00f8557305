"""Tiny tokenizers of every kind that checkpoints come with, each built here from a few sentences or a short list."""

from __future__ import annotations

import atexit
import functools
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.tiny import SENTENCES, byte_level_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

KINDS: dict[str, Callable[[], PreTrainedTokenizerBase]] = {}
"""Builders by what is peculiar to each tokenizer."""

LOSSLESS = {
    "byte_level_bpe",
    "byte_level_digits_apart",
    "byte_level_whole_words_first",
    "byte_level_with_added_tokens",
    "byte_level_without_special_tokens",
    "byte_level_without_pad_token",
    "byte_level_padding_left",
}
"""Those that give every text back as it was."""


_FOLDER = tempfile.TemporaryDirectory(prefix="workbench-tokenizers-")
atexit.register(_FOLDER.cleanup)


def kind(build: Callable[[], PreTrainedTokenizerBase]) -> Callable[[], PreTrainedTokenizerBase]:
    """Add a builder to `KINDS`; what it builds is kept."""
    made = functools.cache(build)
    KINDS[build.__name__] = made
    return made


def _fast(backend: Tokenizer, **names: Any) -> PreTrainedTokenizerFast:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=backend, **{"clean_up_tokenization_spaces": False, "model_max_length": 512, **names}
    )


def _vocabulary(pieces: Iterable[str]) -> dict[str, int]:
    return {piece: id_ for id_, piece in enumerate(dict.fromkeys(pieces))}


def _letters() -> list[str]:
    return sorted({letter for sentence in SENTENCES for letter in sentence if not letter.isspace()})


# Byte-level BPE.


@kind
def byte_level_bpe() -> PreTrainedTokenizerBase:
    """As GPT-2 and Llama 3."""
    return byte_level_tokenizer()


def _byte_level(**more: Any) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE(**{key: more[key] for key in more if key == "ignore_merges"}))
    prefix = more.get("add_prefix_space", False)
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    if "split" in more:
        bpe.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(more["split"], "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=False),
            ]
        )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=more.get("special_tokens", ["<s>", "</s>"]),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    return bpe


@kind
def byte_level_trimmed_offsets() -> PreTrainedTokenizerBase:
    """As RoBERTa: a blank in front of the first word, and offsets without blanks."""
    from tokenizers import processors

    bpe = _byte_level(add_prefix_space=True, special_tokens=["<s>", "<pad>", "</s>", "<mask>"])
    bpe.post_processor = processors.RobertaProcessing(sep=("</s>", 2), cls_token=("<s>", 0), trim_offsets=True)
    return _fast(
        bpe,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        mask_token="<mask>",
    )


@kind
def byte_level_digits_apart() -> PreTrainedTokenizerBase:
    """As Qwen: a pattern cuts each digit out before the bytes are spelled."""
    from tokenizers import Regex

    return _fast(_byte_level(split=Regex(r"\p{N}| ?[^\s\p{N}]+|\s+")), eos_token="</s>", pad_token="</s>")


@kind
def byte_level_whole_words_first() -> PreTrainedTokenizerBase:
    """As Llama 3: a word of the vocabulary is taken as it is (ignore_merges)."""
    return _fast(_byte_level(ignore_merges=True), eos_token="</s>", pad_token="</s>")


@kind
def byte_level_with_added_tokens() -> PreTrainedTokenizerBase:
    """Added tokens: special, ordinary, single words, and ones that take the blanks beside them along."""
    from tokenizers import AddedToken

    made = _fast(_byte_level(), eos_token="</s>", pad_token="</s>")
    made.add_tokens([AddedToken("<think>", special=True), AddedToken("🦊"), AddedToken("fox", single_word=True)])
    return made


@kind
def byte_level_without_special_tokens() -> PreTrainedTokenizerBase:
    return _fast(_byte_level(special_tokens=[]))


@kind
def byte_level_without_pad_token() -> PreTrainedTokenizerBase:
    return _fast(_byte_level(), eos_token="</s>")


@kind
def byte_level_padding_left() -> PreTrainedTokenizerBase:
    """As chat models: padded and truncated on the left."""
    return _fast(_byte_level(), eos_token="</s>", pad_token="</s>", padding_side="left", truncation_side="left")


@kind
def byte_level_normalized() -> PreTrainedTokenizerBase:
    """As GPT-NeoX and Qwen: NFC before the bytes are spelled."""
    from tokenizers import normalizers

    bpe = _byte_level()
    bpe.normalizer = normalizers.NFC()
    return _fast(bpe, eos_token="</s>", pad_token="</s>")


# Other BPE.


@kind
def bpe_end_of_word() -> PreTrainedTokenizerBase:
    """As CLIP: lower case, and an ending that closes each word."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Whitespace()
    bpe.decoder = decoders.BPEDecoder(suffix="</w>")
    special = ["<unk>", "<end>"]
    trainer = trainers.BpeTrainer(
        vocab_size=150, special_tokens=special, end_of_word_suffix="</w>", show_progress=False
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    return _fast(bpe, unk_token="<unk>", eos_token="<end>", pad_token="<end>")


@kind
def bpe_without_unknown_token() -> PreTrainedTokenizerBase:
    """What the vocabulary lacks is gone without a trace."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bpe.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=120, special_tokens=["<s>"], show_progress=False))
    return _fast(bpe, bos_token="<s>", pad_token="<s>")


def _fallback(steps: Sequence[Any], decoder: Sequence[Any], *, metaspace: bool = False) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    pieces = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        *_letters(),
        "▁t",
        "▁th",
        "▁the",
        "qu",
    ]
    merges = [("▁", "t"), ("▁t", "h"), ("▁th", "e"), ("q", "u")]
    bpe = Tokenizer(models.BPE(_vocabulary(pieces), merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if metaspace:
        bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        bpe.normalizer = normalizers.Sequence(list(steps))
    bpe.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *decoder])
    return bpe


@kind
def byte_fallback_with_a_blank_in_front() -> PreTrainedTokenizerBase:
    """As Llama 2, and it writes the beginning token itself."""
    from tokenizers import decoders, normalizers, processors

    bpe = _fallback([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")], [decoders.Strip(" ", 1, 0)])
    bpe.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return _fast(bpe, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


@kind
def byte_fallback_as_it_stands() -> PreTrainedTokenizerBase:
    """As Gemma: blanks become ▁ and nothing is put in front."""
    from tokenizers import normalizers

    return _fast(_fallback([normalizers.Replace(" ", "▁")], []), unk_token="<unk>", eos_token="</s>", pad_token="</s>")


@kind
def byte_fallback_by_metaspace() -> PreTrainedTokenizerBase:
    """As newer Llama 2 conversions: the pre-tokenizer puts the blank in front of the first section."""
    from tokenizers import decoders

    made = _fallback([], [decoders.Strip(" ", 1, 0)], metaspace=True)
    return _fast(made, unk_token="<unk>", eos_token="</s>", pad_token="</s>")


# Unigram.


def _unigram(normalizer: Any = None, **more: Any) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    fallback = more.get("byte_fallback", False)
    bytes_ = [(f"<0x{byte:02X}>", 0.0) for byte in range(256)] if fallback else []
    words = [(f"▁{word}", -4.0 - rank / 10) for rank, word in enumerate(("the", "film", "fox", "capital", "model"))]
    letters = [(letter, -6.0 - rank / 50) for rank, letter in enumerate(_letters())]
    listed = [("<unk>", 0.0), ("</s>", 0.0), ("<pad>", 0.0), *bytes_, ("▁", -3.0), ("qu", -5.0), *words, *letters]
    model = Tokenizer(models.Unigram(listed, unk_id=0, byte_fallback=fallback))
    if normalizer is not None:
        model.normalizer = normalizer
    scheme = more.get("prepend_scheme", "always")
    model.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    model.decoder = decoders.Metaspace(prepend_scheme=scheme)
    if fallback:
        model.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme=scheme)])
    return model


@kind
def unigram() -> PreTrainedTokenizerBase:
    """As T5 and XLM-R: NFKC, and the end token behind each text."""
    from tokenizers import normalizers, processors

    model = _unigram(normalizers.NFKC())
    model.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", 1)]
    )
    return _fast(model, unk_token="<unk>", eos_token="</s>", pad_token="<pad>")


@kind
def unigram_byte_fallback() -> PreTrainedTokenizerBase:
    return _fast(_unigram(byte_fallback=True), unk_token="<unk>", eos_token="</s>", pad_token="<pad>")


@kind
def unigram_without_a_blank_in_front() -> PreTrainedTokenizerBase:
    return _fast(_unigram(prepend_scheme="never"), unk_token="<unk>", eos_token="</s>", pad_token="<pad>")


@kind
def unigram_that_folds_blanks() -> PreTrainedTokenizerBase:
    """As ALBERT: blanks in a row become one, accents go, all is lower case."""
    from tokenizers import Regex, normalizers

    steps = [
        normalizers.Replace(Regex(" {2,}"), " "),
        normalizers.NFKD(),
        normalizers.StripAccents(),
        normalizers.Lowercase(),
    ]
    return _fast(_unigram(normalizers.Sequence(steps)), unk_token="<unk>", eos_token="</s>", pad_token="<pad>")


# WordPiece, words and letters.


def _word_piece(normalizer: Any, **more: Any) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    letters = [*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?'-é漢"]
    words = ["the", "The", "quick", "fox", "##x", "film", "capital", "##ing", "read"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *words]
    model = Tokenizer(models.WordPiece(_vocabulary(pieces), unk_token="[UNK]", **more))
    model.normalizer = normalizer
    model.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    model.decoder = decoders.WordPiece(prefix="##")
    model.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return model


_BERT = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
    "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
}


@kind
def word_piece_uncased() -> PreTrainedTokenizerBase:
    from tokenizers import normalizers

    return _fast(_word_piece(normalizers.BertNormalizer(lowercase=True)), **_BERT)


@kind
def word_piece_cased() -> PreTrainedTokenizerBase:
    from tokenizers import normalizers

    made = _word_piece(normalizers.BertNormalizer(lowercase=False, strip_accents=False, handle_chinese_chars=False))
    return _fast(made, **_BERT)


@kind
def word_piece_short_words_only() -> PreTrainedTokenizerBase:
    """A word of more than four characters is unknown as a whole."""
    from tokenizers import normalizers

    return _fast(_word_piece(normalizers.BertNormalizer(lowercase=True), max_input_chars_per_word=4), **_BERT)


@kind
def word_piece_that_tidies_up() -> PreTrainedTokenizerBase:
    """Decoding takes the blanks before punctuation away (clean_up_tokenization_spaces)."""
    from tokenizers import normalizers

    made = _word_piece(normalizers.BertNormalizer(lowercase=True))
    return _fast(made, **{**_BERT, "clean_up_tokenization_spaces": True})


@kind
def whole_words_only() -> PreTrainedTokenizerBase:
    """A WordLevel model: a word is known or it is not."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "<pad>", *sorted({word for sentence in SENTENCES for word in sentence.split()})]
    model = Tokenizer(models.WordLevel(_vocabulary(words), unk_token="<unk>"))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return _fast(model, unk_token="<unk>", pad_token="<pad>")


@kind
def letters_only() -> PreTrainedTokenizerBase:
    """Every character a token, without a pre-tokenizer's help in decoding."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    model = Tokenizer(models.WordLevel(_vocabulary(["<unk>", "<pad>", " ", *_letters()]), unk_token="<unk>"))
    model.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    model.decoder = decoders.Fuse()
    return _fast(model, unk_token="<unk>", pad_token="<pad>")


@kind
def added_tokens_that_are_normalized() -> PreTrainedTokenizerBase:
    """Added tokens looked for in the text as the normalizer writes it, with their blanks."""
    from tokenizers import AddedToken, normalizers

    made = _fast(_word_piece(normalizers.BertNormalizer(lowercase=True)), **_BERT)
    made.add_tokens(
        [AddedToken("Merkel", normalized=True), AddedToken("<Sep>", lstrip=True, rstrip=True, normalized=False)]
    )
    return made


@kind
def special_tokens_written_as_text() -> PreTrainedTokenizerBase:
    """Special tokens that stand in a text are cut like any other text (split_special_tokens)."""
    from tokenizers import normalizers

    made = _fast(_word_piece(normalizers.BertNormalizer(lowercase=True)), **_BERT)
    made.split_special_tokens = True
    return made


@kind
def a_normalizer_that_lengthens() -> PreTrainedTokenizerBase:
    """NFKD makes several letters of one character, such as ﬁ and ½."""
    from tokenizers import normalizers

    bpe = _byte_level()
    bpe.normalizer = normalizers.NFKD()
    return _fast(bpe, eos_token="</s>", pad_token="</s>")


# Written in Python: no offsets.


@kind
def slow_bytes() -> PreTrainedTokenizerBase:
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


@kind
def slow_code_points() -> PreTrainedTokenizerBase:
    from transformers import CanineTokenizer

    return CanineTokenizer()


def _sentence_piece(**more: Any) -> Path:
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 4), model_writer=written, minloglevel=2, hard_vocab_limit=False, **more
    )
    file = Path(tempfile.mkdtemp(dir=_FOLDER.name)) / "spiece.model"
    file.write_bytes(written.getvalue())
    return file


@kind
def slow_sentence_piece_unigram() -> PreTrainedTokenizerBase:
    from transformers import BertGenerationTokenizer

    file = _sentence_piece(vocab_size=120, model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=3)
    return BertGenerationTokenizer(str(file))


@kind
def slow_sentence_piece_byte_fallback() -> PreTrainedTokenizerBase:
    from transformers import BertGenerationTokenizer

    file = _sentence_piece(vocab_size=400, model_type="bpe", byte_fallback=True, pad_id=0, eos_id=1, unk_id=2, bos_id=3)
    return BertGenerationTokenizer(str(file))


@kind
def slow_merges() -> PreTrainedTokenizerBase:
    """BPE written in Python, as CTRL."""
    from transformers import CTRLTokenizer

    folder = Path(tempfile.mkdtemp(dir=_FOLDER.name))
    pieces = ["<unk>", "t@@", "h@@", "e@@", "e", "th@@", "the", "f@@", "o@@", "x", "fo@@", "fox"]
    (folder / "vocab.json").write_text(json.dumps(_vocabulary(pieces)))
    (folder / "merges.txt").write_text("#version: 0.2\nt h\nth e</w>\nf o\nfo x</w>\n", encoding="utf-8")
    made = CTRLTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    made.pad_token = "<unk>"
    return made
