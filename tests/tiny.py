"""Tiny real checkpoints: the model classes of transformers with random weights, tokenizers trained on a few sentences.

Every builder fixes its seeds, so the same call gives the same weights and the same vocabulary each time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.models import LoadedModel, load
from workbench.engine.values import Checkpoint

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from transformers import BertConfig, PreTrainedTokenizerFast

SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "A tokenizer cuts a text into the pieces that the model has learned.",
    "The model reads the ids and gives a probability to each next token.",
    "What a wonderful film, the best I have seen in years!",
    "What a terrible film, the worst I have seen in years.",
    "Angela Merkel met Barack Obama in Berlin, Germany.",
    "The capital of France is Paris, and the capital of Italy is Rome.",
    "She was reading a good book about the history of the city.",
)
"""What the tokenizers are trained on."""

LABELS = ("NEGATIVE", "POSITIVE")
"""Labels of the tiny classifier."""

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
"""Labels of the tiny tagger."""

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""Chat template of the tiny llama."""


def kept(folder: Path, build: Callable[[Path, str], Checkpoint]) -> Callable[[str], LoadedModel]:
    """The model of each kind, built in a folder of its own and loaded when it is first asked for."""
    return functools.cache(lambda kind: load(build(folder / kind, kind), device="cpu"))


def build_tiny_llama(folder: Path, *, chat: bool = True) -> Checkpoint:
    """Save a causal language model of 2 layers, hidden size 32, context 256, with a byte-level BPE tokenizer.

    Args:
        folder: Made when missing.
        chat: Save a ChatML chat template too.

    Returns:
        The checkpoint: config, generation config, safetensors weights and tokenizer.
    """
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    tokenizer = byte_level_tokenizer()
    if chat:
        tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)

    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        **ids,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(**ids)
    model.save_pretrained(folder)
    return Checkpoint(name="tiny-llama", path=folder)


def byte_level_tokenizer(*more: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 384 ids: pad 0, bos 1, end 2, then the bytes and what `SENTENCES` taught it.

    Args:
        more: Further special tokens, from id 384 on.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=256,
        clean_up_tokenization_spaces=False,
    )
    if more:
        tokenizer.add_tokens(list(more), special_tokens=True)
    return tokenizer


def build_tiny_bert(folder: Path, head: str = "AutoModelForMaskedLM") -> Checkpoint:
    """Save an encoder of 2 layers, hidden size 32, context 128, with a WordPiece tokenizer.

    Args:
        folder: Made when missing.
        head: Auto class of the head: ``AutoModelForMaskedLM``, ``AutoModelForSequenceClassification`` (`LABELS`),
            ``AutoModelForTokenClassification`` (`TAGS`) or ``AutoModel``.

    Returns:
        The checkpoint: config, safetensors weights and tokenizer.
    """
    import torch
    import transformers
    from tokenizers import models, processors, trainers
    from transformers import PreTrainedTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # The trainer numbers "##a" and its like in the random order of a hash map, and breaks ties by those numbers;
    # naming them first makes the vocabulary the same each time.
    letters = sorted({letter for sentence in SENTENCES for letter in sentence.lower() if letter.isalpha()})
    trainer = trainers.WordPieceTrainer(
        vocab_size=256, special_tokens=specials + [f"##{letter}" for letter in letters], show_progress=False
    )
    trained = _word_piece(models.WordPiece(unk_token="[UNK]"))
    trained.train_from_iterator(SENTENCES, trainer)
    # A fresh tokenizer around the vocabulary, because the trained one takes "##a" for a special token.
    pieces = _word_piece(models.WordPiece(trained.get_vocab(), unk_token="[UNK]"))
    pieces.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        unk_token="[UNK]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        mask_token="[MASK]",
        model_max_length=128,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.save_pretrained(folder)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, head).from_config(_bert_config(head, len(tokenizer)))
    model.save_pretrained(folder)
    return Checkpoint(name="tiny-bert", path=folder)


def _word_piece(model: WordPiece) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    return tokenizer


def _bert_config(head: str, vocab_size: int) -> BertConfig:
    from transformers import BertConfig

    labels = {"AutoModelForSequenceClassification": LABELS, "AutoModelForTokenClassification": TAGS}.get(head, ())
    named = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=128,
        pad_token_id=0,
        **(named if labels else {}),
    )
