"""Tiny real checkpoints that write about a picture and place it themselves: no mark in the text stands for it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from tests import tiny
from tests.tiny_films import _prepared
from tests.tiny_tasks import _save
from workbench.engine.values import Checkpoint

KINDS = ("trocr", "donut", "nougat", "blip", "blip-2", "instructblip", "git", "pix2struct", "florence2", "kosmos-2")
"""What `build` makes; Pillow is enough for all of them."""

T5 = ("blip-2-t5", "instructblip-t5")
"""What `build` makes besides: with an encoder and a decoder inside."""

_SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
_SIDE = {"height": 32, "width": 32}
_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def build(folder: Path, kind: str) -> Checkpoint:
    """Save a model of a kind, with its processor.

    Args:
        folder: Made when missing.
        kind: One of `T5`, or of `KINDS`: TrOCR, Donut, Nougat and Pix2Struct, which read; BLIP, BLIP-2, InstructBLIP
            and GIT, which describe; Florence-2 and Kosmos-2, which say where things are. Also ``kosmos-2.5``, whose
            processor makes 4,096 pieces of every picture, and ``pp_formulanet``, whose processor wants torchvision.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _BUILDERS[kind](folder)
    return Checkpoint(f"tiny-{kind}", folder)


def _vit(t: Any) -> Any:
    return t.ViTConfig(**_SIZES, image_size=32, patch_size=16)


def _trocr(folder: Path) -> None:
    import transformers as t
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer()
    decoder = t.TrOCRConfig(
        **_IDS, vocab_size=len(tokenizer), d_model=16, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16,
        cross_attention_hidden_size=16, max_position_embeddings=64, decoder_start_token_id=2,
    )  # fmt: skip
    config = t.VisionEncoderDecoderConfig.from_encoder_decoder_configs(_vit(t), decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 2, 0, 2
    _save(t.VisionEncoderDecoderModel, config, folder)
    t.TrOCRProcessor(ViTImageProcessorPil(size=_SIDE), tokenizer).save_pretrained(folder)


def _donut(folder: Path) -> None:
    import transformers as t
    from transformers.models.donut.image_processing_pil_donut import DonutImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer("<s_menu>", "</s_menu>", "<s_name>", "</s_name>", "<sep/>")
    decoder = t.MBartConfig(
        **_IDS, vocab_size=len(tokenizer), d_model=16, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16,
        encoder_layers=1, max_position_embeddings=64, is_decoder=True, add_cross_attention=True,
    )  # fmt: skip
    config = t.VisionEncoderDecoderConfig.from_encoder_decoder_configs(_vit(t), decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 1, 0, 2
    _save(t.VisionEncoderDecoderModel, config, folder, 5.0)
    t.DonutProcessor(DonutImageProcessorPil(size=_SIDE), tokenizer).save_pretrained(folder)


def _nougat(folder: Path) -> None:
    import transformers as t
    from transformers.models.nougat.image_processing_pil_nougat import NougatImageProcessorPil

    tokenizer = _nougat_tokenizer()
    sees = t.DonutSwinConfig(image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4)
    decoder = t.MBartConfig(
        vocab_size=len(tokenizer), d_model=16, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16,
        max_position_embeddings=64, is_decoder=True, add_cross_attention=True, **_NOUGAT_IDS,
    )  # fmt: skip
    config = t.VisionEncoderDecoderConfig.from_encoder_decoder_configs(sees, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 0, 1, 2
    _save(t.VisionEncoderDecoderModel, config, folder, 5.0)
    t.NougatProcessor(NougatImageProcessorPil(size=_SIDE), tokenizer).save_pretrained(folder)


_NOUGAT_IDS = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}


def _nougat_tokenizer() -> Any:
    from tokenizers import pre_tokenizers
    from transformers import NougatTokenizer

    letters = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    return NougatTokenizer(vocab={letter: index for index, letter in enumerate(letters)})


def _formulas(folder: Path) -> None:
    import transformers as t

    tokenizer = _nougat_tokenizer()
    looks = {
        "hidden_size": 16, "output_channels": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64,
        "window_size": 2, "global_attn_indexes": [0], "mlp_dim": 16, "post_conv_in_channels": 8,
        "post_conv_mid_channels": 8, "post_conv_out_channels": 8, "decoder_hidden_size": 16, "initializer_range": 0.2,
    }  # fmt: skip
    writes = {
        "vocab_size": len(tokenizer), "max_position_embeddings": 64, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 16, "d_model": 16, **_NOUGAT_IDS,
        "decoder_start_token_id": 2,
    }  # fmt: skip
    _save(
        t.PPFormulaNetForConditionalGeneration,
        t.PPFormulaNetConfig(text_config=writes, vision_config=looks),
        folder,
        4.0,
    )
    tokenizer.save_pretrained(folder)
    settings = {"processor_class": "PPFormulaNetProcessor", "size": {"height": 64, "width": 64}}
    _prepared(folder, "PPFormulaNetImageProcessor", **settings)


def _blip(folder: Path) -> None:
    import transformers as t
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = t.BertTokenizer(vocab=_words(), model_max_length=60)
    reads = {
        **_SIZES, "encoder_hidden_size": 16, "max_position_embeddings": 64, "vocab_size": len(tokenizer),
        "bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0,
    }  # fmt: skip
    looks = {**_SIZES, "image_size": 32, "patch_size": 16}
    config = t.BlipConfig(text_config=reads, vision_config=looks, image_text_hidden_size=16, projection_dim=16)
    _save(t.BlipForConditionalGeneration, config, folder, 5.0)
    t.BlipProcessor(BlipImageProcessorPil(size=_SIDE), tokenizer).save_pretrained(folder)


def _blip2(folder: Path, *, t5: bool = False) -> None:
    import transformers as t
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer()
    processor = t.Blip2Processor(BlipImageProcessorPil(size=_SIDE), tokenizer, num_query_tokens=4)
    config = t.Blip2Config(**_bridged(t, t.Blip2QFormerConfig, processor.tokenizer, t5))
    _save(t.Blip2ForConditionalGeneration, config, folder, 5.0)
    processor.save_pretrained(folder)


def _instructblip(folder: Path, *, t5: bool = False) -> None:
    import transformers as t
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer()
    asks = t.BertTokenizer(vocab=_words(), model_max_length=60)
    processor = t.InstructBlipProcessor(BlipImageProcessorPil(size=_SIDE), tokenizer, asks, num_query_tokens=4)
    config = t.InstructBlipConfig(**_bridged(t, t.InstructBlipQFormerConfig, processor.tokenizer, t5))
    _save(t.InstructBlipForConditionalGeneration, config, folder, 5.0)
    processor.save_pretrained(folder)


def _bridged(t: Any, bridge: Any, tokenizer: Any, t5: bool) -> dict[str, Any]:
    writes = t.T5Config(
        **_IDS, vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
        decoder_start_token_id=0,
    ) if t5 else t.OPTConfig(
        **_IDS, vocab_size=len(tokenizer), hidden_size=16, word_embed_proj_dim=16, ffn_dim=16, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=128,
    )  # fmt: skip
    return {
        "vision_config": {**_SIZES, "image_size": 32, "patch_size": 16}, "text_config": writes.to_dict(),
        "qformer_config": bridge(**_SIZES, encoder_hidden_size=16, vocab_size=64).to_dict(), "num_query_tokens": 4,
        "image_token_index": tokenizer.convert_tokens_to_ids("<image>"),
    }  # fmt: skip


def _pix2struct(folder: Path) -> None:
    import transformers as t
    from transformers.models.pix2struct.image_processing_pil_pix2struct import Pix2StructImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer()
    sizes = {"hidden_size": 16, "d_kv": 8, "d_ff": 16, "num_heads": 2, "num_layers": 1}
    looks = {
        "hidden_size": 16, "patch_embed_hidden_size": 16 * 16 * 3, "d_kv": 8, "d_ff": 16, "num_attention_heads": 2,
        "num_hidden_layers": 1, "seq_len": 64,
    }  # fmt: skip
    reads = {**sizes, "vocab_size": len(tokenizer), "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 2}
    config = t.Pix2StructConfig(text_config=reads, vision_config=looks)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 0, 0, 2
    _save(t.Pix2StructForConditionalGeneration, config, folder, 5.0)
    pictures = Pix2StructImageProcessorPil(max_patches=16)
    t.Pix2StructProcessor(pictures, tokenizer).save_pretrained(folder)


def _git(folder: Path) -> None:
    import transformers as t
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = t.BertTokenizer(vocab=_words(), model_max_length=60, model_input_names=["input_ids", "attention_mask"])
    config = t.GitConfig(
        **_SIZES, vision_config={**_SIZES, "image_size": 32, "patch_size": 16}, vocab_size=len(tokenizer),
        max_position_embeddings=64, pad_token_id=0, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    _save(t.GitForCausalLM, config, folder, 5.0)
    t.GitProcessor(CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=_SIDE), tokenizer).save_pretrained(
        folder
    )


def _words() -> dict[str, int]:
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "a",
        "picture",
        "of",
        "house",
        "fox",
        "book",
        "red",
        "the",
        ".",
    ]
    return {word: index for index, word in enumerate(words)}


def _florence2(folder: Path) -> None:
    import transformers as t
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    places = [f"<loc_{index}>" for index in range(1000)]
    tokenizer = tiny.byte_level_tokenizer("<image>", *places)
    tokenizer.image_token, tokenizer.image_token_id = "<image>", tokenizer.convert_tokens_to_ids("<image>")
    looks = {
        "depths": [1, 1], "patch_size": [7, 3], "patch_stride": [4, 2], "patch_padding": [3, 1],
        "patch_prenorm": [False, True], "embed_dim": [8, 16], "num_heads": [2, 2], "num_groups": [2, 2],
        "window_size": 4, "projection_dim": 16, "drop_path_rate": 0.0,
    }  # fmt: skip
    reads = t.BartConfig(
        **_IDS, vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=128,
        decoder_start_token_id=2, forced_eos_token_id=2,
    )  # fmt: skip
    config = t.Florence2Config(
        text_config=reads.to_dict(), vision_config=looks, image_token_id=tokenizer.image_token_id, **_IDS
    )
    _save(t.Florence2ForConditionalGeneration, config, folder, 5.0)
    pictures = CLIPImageProcessorPil(size=_SIDE, do_center_crop=False, crop_size=_SIDE, image_seq_length=17)
    t.Florence2Processor(
        pictures, tokenizer, num_additional_image_tokens=1, post_processor_config=_RULES
    ).save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps(settings | {"extra_special_tokens": {"image_token": "<image>"}}))


_RULES = {
    "description_with_bboxes": {
        "PATTERN": r"([a-zA-Z0-9 ]+)<loc_(\d+)><loc_(\d+)><loc_(\d+)><loc_(\d+)>",
    },
}


def _kosmos2(folder: Path) -> None:
    import transformers as t
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.unk_token = "<|endoftext|>"
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=_SIDE)
    processor = t.Kosmos2Processor(pictures, tokenizer)
    reads = {
        **_IDS, "vocab_size": len(processor.tokenizer), "embed_dim": 16, "layers": 1, "ffn_dim": 16,
        "attention_heads": 2, "max_position_embeddings": 256,
    }  # fmt: skip
    looks = {**_SIZES, "image_size": 32, "patch_size": 16}
    config = t.Kosmos2Config(text_config=reads, vision_config=looks, latent_query_num=64)
    _save(t.Kosmos2ForConditionalGeneration, config, folder, 5.0)
    processor.save_pretrained(folder)


def _kosmos25(folder: Path) -> None:
    import transformers as t
    from transformers.models.kosmos2_5.image_processing_pil_kosmos2_5 import Kosmos2_5ImageProcessorPil

    marks = {"boi_token": "<image>", "eoi_token": "</image>", "image_token": "<s>"}
    tokenizer = tiny.byte_level_tokenizer(*marks.values(), "<ocr>", "<md>")
    for name, mark in marks.items():
        setattr(tokenizer, name, mark)
    reads = {
        **_IDS, "vocab_size": len(tokenizer), "embed_dim": 16, "layers": 1, "ffn_dim": 16, "attention_heads": 2,
        "max_position_embeddings": 256,
    }  # fmt: skip
    looks = {
        "hidden_size": 16, "intermediate_size": 16, "head_dim": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
        "patch_embed_hidden_size": 768,
    }  # fmt: skip
    config = t.Kosmos2_5Config(text_config=reads, vision_config=looks, latent_query_num=8)
    _save(t.Kosmos2_5ForConditionalGeneration, config, folder, 5.0)
    t.Kosmos2_5Processor(Kosmos2_5ImageProcessorPil(), tokenizer, num_image_tokens=8).save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps(settings | {"extra_special_tokens": marks}))


_BUILDERS = {
    "trocr": _trocr,
    "donut": _donut,
    "nougat": _nougat,
    "pp_formulanet": _formulas,
    "blip": _blip,
    "blip-2": _blip2,
    "blip-2-t5": partial(_blip2, t5=True),
    "instructblip": _instructblip,
    "instructblip-t5": partial(_instructblip, t5=True),
    "pix2struct": _pix2struct,
    "git": _git,
    "florence2": _florence2,
    "kosmos-2": _kosmos2,
    "kosmos-2.5": _kosmos25,
}
