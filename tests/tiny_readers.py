"""Tiny real checkpoints that read the words of a page with their boxes, and look at its picture; and Splinter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests import tiny
from tests.tiny_tasks import _save
from workbench.engine.values import Checkpoint

PAGE = "The,10,10,60,30\nquick,70,10,150,30\nfox,160,10,210,30\nfilm,10,600,90,630\nParis,100,600,190,630"
"""Words that all of them know letter by letter."""

NAMES = {0: "O", 1: "B-THING", 2: "I-THING", 3: "B-PLACE"}

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789?."

#: A ResNeXt of 50 layers, narrow: the same blocks, groups and names as the published one of 101.
_DETECTRON = {
    "MODEL.BACKBONE.NAME": "build_resnet_fpn_backbone", "MODEL.FPN.IN_FEATURES": ["res2", "res3", "res4", "res5"],
    "MODEL.PIXEL_STD": [57.375, 57.120, 58.395], "MODEL.ROI_HEADS.NAME": "StandardROIHeads",
    "MODEL.RESNETS.DEPTH": 50, "MODEL.RESNETS.OUT_FEATURES": ["res2", "res3", "res4", "res5"],
    "MODEL.RESNETS.NUM_GROUPS": 2, "MODEL.RESNETS.WIDTH_PER_GROUP": 2, "MODEL.RESNETS.STRIDE_IN_1X1": False,
    "MODEL.RESNETS.STEM_OUT_CHANNELS": 4, "MODEL.RESNETS.RES2_OUT_CHANNELS": 8, "MODEL.FPN.OUT_CHANNELS": 8,
}  # fmt: skip


def layoutlmv2_config(*, labelled: bool = False, **changed: Any) -> Any:
    """LayoutLMv2's config with a narrow backbone.

    Args:
        labelled: With `NAMES`.
        changed: Settings of detectron2 without ``MODEL.``, such as ``RESNETS__DEPTH``.
    """
    import transformers as t

    named: dict[str, Any] = {"id2label": NAMES, "label2id": {name: number for number, name in NAMES.items()}}
    backbone = _DETECTRON | {f"MODEL.{name.replace('__', '.')}": value for name, value in changed.items()}
    return t.LayoutLMv2Config(
        **(named if labelled else {}), vocab_size=5 + 2 * len(_LETTERS), hidden_size=24, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16, max_position_embeddings=128, coordinate_size=4, shape_size=4,
        image_feature_pool_shape=[2, 2, 8], detectron2_config_args=backbone, initializer_range=0.2,
    )  # fmt: skip


def layoutlmv2(folder: Path, head: str = "QuestionAnswering") -> Checkpoint:
    """Save LayoutLMv2 with a head, its tokenizer and its image processor; Pillow is enough for it."""
    import torch
    import transformers as t
    from transformers.models.layoutlmv2.image_processing_pil_layoutlmv2 import LayoutLMv2ImageProcessorPil

    from workbench.engine import pyramid

    pyramid.stand_in()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    vocab = {word: index for index, word in enumerate(words)}
    t.LayoutLMv2Tokenizer(
        vocab=vocab, unk_token="[UNK]", model_max_length=96, continuing_subword_prefix="##"
    ).save_pretrained(folder)
    kind = getattr(t, f"LayoutLMv2For{head}" if head else "LayoutLMv2Model")
    torch.manual_seed(0)
    model = kind(layoutlmv2_config(labelled=head.endswith("Classification")))
    stir(model)
    model.save_pretrained(folder)
    LayoutLMv2ImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    return Checkpoint("tiny-layoutlmv2", folder)


def lilt(folder: Path, head: str = "TokenClassification") -> Checkpoint:
    """Save LiLT, which reads words with boxes by LayoutLMv3's tokenizer and sees no picture."""
    import transformers as t
    from tokenizers import pre_tokenizers

    letters = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocab = {letter: index for index, letter in enumerate(letters)}
    t.LayoutLMv3Tokenizer(vocab=vocab, merges=[], model_max_length=96).save_pretrained(folder)
    config = t.LiltConfig(
        vocab_size=len(vocab), hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=128, channel_shrink_ratio=2, pad_token_id=1,
    )  # fmt: skip
    _save(getattr(t, f"LiltFor{head}"), config, folder)
    return Checkpoint("tiny-lilt", folder)


def bros(folder: Path) -> Checkpoint:
    """Save BROS, which is told the boxes beside what BERT's tokenizer makes of the words."""
    import transformers as t

    tiny.build_tiny_bert(folder)
    config = t.BrosConfig(
        vocab_size=len(t.AutoTokenizer.from_pretrained(folder)), hidden_size=64, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16, max_position_embeddings=128, id2label=NAMES,
        label2id={name: number for number, name in NAMES.items()},
    )  # fmt: skip
    _save(t.BrosForTokenClassification, config, folder)
    return Checkpoint("tiny-bros", folder)


def splinter(folder: Path) -> Checkpoint:
    """Save Splinter as it was trained: on texts with marks in place of spans that stand twice in them."""
    import transformers as t

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[QUESTION]", ".", *_LETTERS.strip("?.")]
    words += [f"##{letter}" for letter in _LETTERS.strip("?.")]
    tokenizer = t.SplinterTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=96)
    tokenizer.save_pretrained(folder)
    config = t.SplinterConfig(
        vocab_size=len(tokenizer), hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=128, question_token_id=tokenizer.question_token_id, pad_token_id=0,
        initializer_range=0.2,
    )  # fmt: skip
    _save(t.SplinterForPreTraining, config, folder)
    return Checkpoint("tiny-splinter", folder)


def stir(model: Any) -> None:
    """Make each frozen normalization of a model one that changes something."""
    for name, buffer in model.named_buffers():
        if buffer.is_meta:
            continue
        if name.endswith((".norm.bias", ".norm.running_mean")):
            buffer.normal_(std=0.1)
        elif name.endswith((".norm.weight", ".norm.running_var")):
            buffer.uniform_(0.5, 1.5)


def udop(folder: Path, *, writes: bool = True) -> Checkpoint:
    """Save UDOP, which writes what is asked of a page, or without its head; Pillow is enough for it."""
    import transformers as t
    from transformers.models.layoutlmv3.image_processing_pil_layoutlmv3 import LayoutLMv3ImageProcessorPil

    pieces = ["<pad>", "</s>", "<unk>", "▁", *_LETTERS, *_LETTERS.upper()[:26]]
    vocab = [(piece, 0.0 if number < 3 else -2.0) for number, piece in enumerate(pieces)]
    tokenizer = t.UdopTokenizer(vocab=vocab)
    config = t.UdopConfig(
        vocab_size=len(pieces), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, image_size=32, patch_size=16,
        max_2d_position_embeddings=128, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    _save(t.UdopForConditionalGeneration if writes else t.UdopModel, config, folder, 2.0)
    pictures = LayoutLMv3ImageProcessorPil(size={"height": 32, "width": 32}, apply_ocr=True)
    t.UdopProcessor(pictures, tokenizer).save_pretrained(folder)
    return Checkpoint("tiny-udop", folder)
