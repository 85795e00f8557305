"""Tiny real checkpoints that read pictures with text, each in a way that LLaVA's and Qwen2-VL's do not."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from tests import tiny
from tests.tiny_tasks import _save
from workbench.engine.values import Checkpoint

KINDS = ("fuyu", "gemma4", "got_ocr2", "idefics", "janus", "t5gemma2")
"""What `build` makes; Pillow is enough for all of them."""

OTHERS = ("deepseek_ocr2", "diffusion_gemma", "hunyuan_vl", "mistral4", "pi0", "pp_chart2table", "shieldgemma2")
"""What `build` makes besides.

One lists what became of each picture beside its states, one draws many tokens at once, one wants marks around that of a
picture, one reads text alone, one writes none, one is told by its template alone, and one judges.
"""

CHART = (
    "{% for message in messages %}{% if message.role == 'user' %}user\n<img>{% for _ in range(256) %}<imgpad>"
    "{% endfor %}</img>\nChart to table{% else %}assistant\n{{ message.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}assistant\n{% endif %}"
)
"""A chat template as PP-Chart2Table's: it writes a picture with each turn, and leaves out what was said."""

_SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def build(folder: Path, kind: str) -> Checkpoint:
    """Save a model of a kind, with its processor; none has a chat template.

    Args:
        folder: Made when missing.
        kind: One of `OTHERS`, or of `KINDS`: Fuyu, whose processor puts the mark of the picture in itself; Gemma 4,
            which has another mark for where a picture begins; GOT-OCR2, which needs no text; Idefics 1, whose text and
            pictures are one list; Janus, which draws pictures too; T5Gemma 2, whose encoder reads the picture in the
            text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _BUILDERS[kind](folder)
    return Checkpoint(f"tiny-{kind}", folder)


def _pieces(*special: str, **named: str) -> Any:
    """A tokenizer of single characters with spaces as SentencePiece writes them: what begins a text loses its space."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    letters = ["▁", *(chr(code) for code in range(33, 127)), "\n"]
    pieces = ["<pad>", "<bos>", "<eos>", *special, *letters]
    made = Tokenizer(models.Unigram([(piece, 0.0 if len(piece) > 1 else -10.0) for piece in pieces], 0, False))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>",
        extra_special_tokens=named,
    )  # fmt: skip


def _fuyu(folder: Path) -> None:
    import transformers as t
    from transformers.models.fuyu.image_processing_pil_fuyu import FuyuImageProcessorPil

    tokenizer = _pieces("|SPEAKER|", "|NEWLINE|", "<s>", *(f"<0x0{index}>" for index in range(5)))
    size = len(tokenizer)
    text = {**_SIZES, **_IDS, "vocab_size": size, "model_type": "persimmon", "max_position_embeddings": 256}
    config = t.FuyuConfig(
        **_SIZES, **_IDS, vocab_size=size, text_config=text, patch_size=8, max_position_embeddings=256,
        image_token_id=tokenizer.convert_tokens_to_ids("|SPEAKER|"),
    )  # fmt: skip
    _save(t.FuyuForCausalLM, config, folder, 5.0)
    side = {"height": 8, "width": 8}
    t.FuyuProcessor(
        FuyuImageProcessorPil(size={"height": 32, "width": 48}, patch_size=side), tokenizer
    ).save_pretrained(folder)


def _idefics(folder: Path) -> None:
    import transformers as t
    from transformers.models.idefics.image_processing_pil_idefics import IdeficsImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer("<fake_token_around_image>", "<image>", "<end_of_utterance>")
    config = t.IdeficsConfig(
        **_SIZES, **_IDS, vocab_size=len(tokenizer) - 2, additional_vocab_size=2, cross_layer_interval=1,
        vision_config={
            "embed_dim": 16, "image_size": 28, "patch_size": 14, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 16,
        },
        max_position_embeddings=128, alpha_initializer="ones",
    )  # fmt: skip
    _save(t.IdeficsForVisionText2Text, config, folder, 5.0)
    t.IdeficsProcessor(IdeficsImageProcessorPil(image_size=28), tokenizer).save_pretrained(folder)


def _got(folder: Path) -> None:
    import transformers as t
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer("<img>", "</img>", "<imgpad>")
    config = t.GotOcr2Config(
        vision_config={
            **_SIZES, "image_size": 128, "patch_size": 2, "output_channels": 16, "window_size": 4, "mlp_dim": 16,
            "global_attn_indexes": [],
        },
        text_config={
            **_SIZES, **_IDS, "model_type": "qwen2", "vocab_size": len(tokenizer), "num_key_value_heads": 2,
            "max_position_embeddings": 512,
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<imgpad>"),
    )  # fmt: skip
    _save(t.GotOcr2ForConditionalGeneration, config, folder, 5.0)
    pictures = GotOcr2ImageProcessorPil(size={"height": 128, "width": 128})
    t.GotOcr2Processor(pictures, tokenizer).save_pretrained(folder)


def _chart(folder: Path) -> None:
    import transformers as t
    from transformers.models.pp_chart2table.image_processing_pil_pp_chart2table import PPChart2TableImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer("<img>", "</img>", "<imgpad>")
    looks = {"image_size": 128, "patch_size": 2, "output_channels": 16, "window_size": 4, "mlp_dim": 16}
    text = {"model_type": "qwen2", "vocab_size": len(tokenizer), "num_key_value_heads": 2}
    config = t.PPChart2TableConfig(
        vision_config={**_SIZES, **looks, "global_attn_indexes": []},
        text_config={**_SIZES, **_IDS, **text, "max_position_embeddings": 1024},
        image_token_index=tokenizer.convert_tokens_to_ids("<imgpad>"),
    )
    _save(t.GotOcr2ForConditionalGeneration, config, folder, 5.0)
    pictures = PPChart2TableImageProcessorPil(size={"height": 128, "width": 128})
    t.PPChart2TableProcessor(pictures, tokenizer, chat_template=CHART).save_pretrained(folder)


def _hunyuan(folder: Path) -> None:
    import transformers as t
    from transformers.models.hunyuan_vl.image_processing_pil_hunyuan_vl import HunYuanVLImageProcessorPil

    named = {"image_token": "<picture>", "image_start_token": "<begin>", "image_end_token": "<end>"}
    tokenizer = _pieces(*named.values(), **named)
    turned = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [1, 1, 1, 1]}
    config = t.HunYuanVLConfig(
        text_config={
            **_SIZES, **_IDS, "vocab_size": len(tokenizer), "num_key_value_heads": 2, "head_dim": 8,
            "rope_parameters": turned, "max_position_embeddings": 512,
        },
        vision_config={**_SIZES, "num_key_value_heads": 2, "out_hidden_size": 16, "text_hidden_size": 16},
        image_token_id=tokenizer.image_token_id, im_start_id=tokenizer.image_start_token_id,
        im_end_id=tokenizer.image_end_token_id,
    )  # fmt: skip
    _save(t.HunYuanVLForConditionalGeneration, config, folder, 5.0)
    pictures = HunYuanVLImageProcessorPil(size={"shortest_edge": 1024, "longest_edge": 8192})
    t.HunYuanVLProcessor(pictures, tokenizer).save_pretrained(folder)


def _blind(folder: Path) -> None:
    import transformers as t
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer("<image>")
    heads = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 8}
    experts = {"n_routed_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 8, "n_group": 1}
    config = t.Mistral4Config(
        **_SIZES, **_IDS, **heads, **experts, topk_group=1, vocab_size=len(tokenizer), num_key_value_heads=2,
    )  # fmt: skip
    _save(t.Mistral4ForCausalLM, config, folder, 5.0)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    t.LlavaProcessor(pictures, tokenizer, patch_size=16).save_pretrained(folder)


def _deepseek(folder: Path) -> None:
    import transformers as t
    from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import DeepseekOcr2ImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer("<image>")
    sam = {"output_channels": 16, "downsample_channels": [16, 16], "global_attn_indexes": [0], "image_size": 1024}
    config = t.DeepseekOcr2Config(
        vision_config={
            "sam_config": {**_SIZES, **sam}, "encoder_config": {**_SIZES, "num_key_value_heads": 2, "vocab_size": 8},
        },
        text_config={
            **_SIZES, **_IDS, "vocab_size": len(tokenizer), "num_key_value_heads": 2, "n_routed_experts": 2,
            "num_experts_per_tok": 1, "moe_intermediate_size": 8, "mlp_layer_types": ["dense"],
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    _save(t.DeepseekOcr2ForConditionalGeneration, config, folder, 5.0)
    t.DeepseekOcr2Processor(DeepseekOcr2ImageProcessorPil(), tokenizer).save_pretrained(folder)


def _janus(folder: Path) -> None:
    import transformers as t
    from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil

    marks = {"image_token": "<image>", "boi_token": "<begin_of_image>", "eoi_token": "<end_of_image>"}
    tokenizer = _pieces(*marks.values(), **marks)
    config = t.JanusConfig(
        text_config={
            **_SIZES, **_IDS, "model_type": "llama", "vocab_size": len(tokenizer), "num_key_value_heads": 2,
            "max_position_embeddings": 128,
        },
        vision_config={
            **_SIZES, "image_size": 32, "patch_size": 16, "num_image_tokens": 4, "projection_dim": 16, "mlp_ratio": 1,
        },
        vq_config={
            "embed_dim": 4, "num_embeddings": 8, "latent_channels": 8, "base_channels": 32, "channel_multiplier": [1],
            "num_res_blocks": 1, "projection_dim": 16, "image_token_embed_dim": 16, "num_patches": 8,
        },
        image_token_id=tokenizer.image_token_id,
    )  # fmt: skip
    _save(t.JanusForConditionalGeneration, config, folder, 5.0)
    told = t.GenerationConfig(**_IDS, generation_kwargs={"boi_token_id": tokenizer.boi_token_id}, guidance_scale=5.0)
    told.save_pretrained(folder)
    pictures = JanusImageProcessorPil(size={"height": 32, "width": 32})
    t.JanusProcessor(pictures, tokenizer, num_image_tokens=4).save_pretrained(folder)


_MARKS = {f"{name}_token": f"<|{name}|>" for name in ("image", "boi", "eoi", "audio", "boa", "eoa")}
_ROPE = {"rope_type": "default", "rope_theta": 10_000.0}


def _gemma4(folder: Path, *, diffuses: bool = False) -> None:
    import transformers as t
    from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

    tokenizer = _pieces(*_MARKS.values(), "<|video|>", **_MARKS)
    text = _gemma_text(tokenizer) | {"per_layer_config": {}}
    experts = {"num_experts": 2, "top_k_experts": 1, "moe_intermediate_size": 8}
    made: dict[str, Any] = {
        "text_config": text | (experts if diffuses else {"hidden_size_per_layer_input": 4}),
        "vision_config": {
            **_SIZES, "num_key_value_heads": 2, "head_dim": 8, "position_embedding_size": 64, "patch_size": 4,
            "pooling_kernel_size": 2,
        },
        "image_token_id": tokenizer.image_token_id, "boi_token_id": tokenizer.boi_token_id,
        "eoi_token_id": tokenizer.eoi_token_id,
    }  # fmt: skip
    if diffuses:
        _save(t.DiffusionGemmaForBlockDiffusion, t.DiffusionGemmaConfig(**made, canvas_length=4), folder, 5.0)
    else:
        made["text_config"]["vocab_size_per_layer_input"] = len(tokenizer)
        config = t.Gemma4Config(**made, audio_token_id=tokenizer.audio_token_id)
        _save(t.Gemma4ForConditionalGeneration, config, folder, 5.0)
    tokenizer.save_pretrained(folder)
    pictures = Gemma4ImageProcessorPil(patch_size=4, pooling_kernel_size=2, max_soft_tokens=70).to_dict()
    described = {
        "processor_class": "Gemma4Processor", "image_processor_type": "Gemma4ImageProcessor",
        "feature_extractor_type": "Gemma4AudioFeatureExtractor",
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures | described))


def _gemma_text(tokenizer: Any) -> dict[str, Any]:
    return {
        **_SIZES, **_IDS, "vocab_size": len(tokenizer), "num_hidden_layers": 2, "num_key_value_heads": 1,
        "head_dim": 8, "layer_types": ["sliding_attention", "full_attention"], "max_position_embeddings": 512,
        "rope_parameters": {"sliding_attention": _ROPE, "full_attention": _ROPE},
    }  # fmt: skip


def _t5gemma2(folder: Path, *, encoder: bool = False) -> None:
    import transformers as t
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    tokenizer = _pieces(*_MARKS.values(), **_MARKS)
    text, ids = _gemma_text(tokenizer), {"image_token_index": tokenizer.image_token_id}
    ids["eoi_token_index"] = tokenizer.eoi_token_id
    config = t.T5Gemma2Config(
        encoder={
            "text_config": text, "mm_tokens_per_image": 4, "boi_token_index": tokenizer.boi_token_id, **ids,
            "vision_config": {**_SIZES, "image_size": 32, "patch_size": 8},
        },
        decoder=text, **ids, **_IDS, vocab_size=len(tokenizer),
    )  # fmt: skip
    if encoder:
        # Its config alone lacks what the whole one hands on.
        _save(t.AutoModel.from_config(config.encoder).__class__, config.encoder, folder, 5.0)
    else:
        _save(t.T5Gemma2ForConditionalGeneration, config, folder, 5.0)
    pictures = Gemma3ImageProcessorPil(size={"height": 32, "width": 32})
    t.Gemma3Processor(pictures, tokenizer, image_seq_length=4).save_pretrained(folder)


def _shieldgemma2(folder: Path) -> None:
    import transformers as t
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    tokenizer = _pieces(*_MARKS.values(), **_MARKS)
    config = t.ShieldGemma2Config(
        text_config=_gemma_text(tokenizer), mm_tokens_per_image=4, image_token_index=tokenizer.image_token_id,
        boi_token_index=tokenizer.boi_token_id, eoi_token_index=tokenizer.eoi_token_id,
        vision_config={**_SIZES, "image_size": 32, "patch_size": 8}, yes_token_index=40, no_token_index=41,
    )  # fmt: skip
    _save(t.ShieldGemma2ForImageClassification, config, folder, 5.0)
    template = "{% for part in messages[0].content %}{{ part.text if part.type == 'text' else '<|boi|>' }}{% endfor %}"
    pictures = Gemma3ImageProcessorPil(size={"height": 32, "width": 32})
    t.ShieldGemma2Processor(pictures, tokenizer, chat_template=template, image_seq_length=4).save_pretrained(folder)


def _pi0(folder: Path) -> None:
    import transformers as t

    text = {**_SIZES, "model_type": "gemma", "vocab_size": 1600, "num_key_value_heads": 1, "head_dim": 8}
    looks = {
        **_SIZES,
        "model_type": "siglip_vision_model",
        "image_size": 28,
        "patch_size": 14,
        "vision_use_head": False,
    }
    sees = {"model_type": "paligemma", "text_config": text, "vision_config": looks, "projection_dim": 16}
    sees["image_token_id"] = 384
    _save(t.PI0ForConditionalGeneration, t.PI0Config(vlm_config=sees, dit_config=text), folder)
    pixels = t.SiglipImageProcessorPil(size={"height": 28, "width": 28})
    pixels.image_seq_length = 4
    # It knows the moves of a robot as the words of places and parts, 1,152 of them.
    t.PI0Processor(pixels, tiny.byte_level_tokenizer("<image>")).save_pretrained(folder)


_BUILDERS = {
    "fuyu": _fuyu,
    "gemma4": _gemma4,
    "got_ocr2": _got,
    "idefics": _idefics,
    "janus": _janus,
    "t5gemma2": _t5gemma2,
    "t5gemma2_encoder": partial(_t5gemma2, encoder=True),
    "deepseek_ocr2": _deepseek,
    "hunyuan_vl": _hunyuan,
    "mistral4": _blind,
    "pp_chart2table": _chart,
    "diffusion_gemma": partial(_gemma4, diffuses=True),
    "pi0": _pi0,
    "shieldgemma2": _shieldgemma2,
}
