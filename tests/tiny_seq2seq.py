"""Tiny real checkpoints that write text with an encoder, or after looking at a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.tiny import byte_level_tokenizer
from workbench.engine.values import Checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper }}: "
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %} {% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""Chat template of the tiny LLaVA, after the real one's."""


def build_tiny_t5(folder: Path) -> Checkpoint:
    """Save a T5 of 2 + 2 layers, hidden size 32, whose decoder starts with the pad token (0).

    Args:
        folder: Made when missing.
    """
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = byte_level_tokenizer()
    _end_with_eos(tokenizer)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        pad_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=0,
        n_positions=24,  # stands in the real files too, and limits nothing
    )
    return saved("tiny-t5", T5ForConditionalGeneration, config, tokenizer, folder)


def build_tiny_bart(folder: Path) -> Checkpoint:
    """Save a BART of 2 + 2 layers, hidden size 32, context 64, whose decoder starts with the end token (2).

    Args:
        folder: Made when missing.
    """
    from transformers import BartConfig, BartForConditionalGeneration

    tokenizer = byte_level_tokenizer()
    _end_with_eos(tokenizer)
    config = BartConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
        forced_eos_token_id=None,
    )
    return saved("tiny-bart", BartForConditionalGeneration, config, tokenizer, folder)


def build_tiny_llava(folder: Path, *, chat: bool = True) -> Checkpoint:
    """Save a LLaVA of 2 + 2 layers, hidden size 32, with its processor: a picture becomes 4 tokens (id 384).

    Args:
        folder: Made when missing.
        chat: Save a chat template too.
    """
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = byte_level_tokenizer("<image>")
    side = {"height": 28, "width": 28}
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size=side),
        tokenizer=tokenizer,
        patch_size=14,
        num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
        chat_template=LLAVA_TEMPLATE if chat else None,
    )
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**sizes, image_size=28, patch_size=14, projection_dim=32),
        text_config=LlamaConfig(
            **sizes, **ids, vocab_size=len(tokenizer), num_key_value_heads=2, max_position_embeddings=128
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        **ids,
    )
    checkpoint = saved("tiny-llava", LlavaForConditionalGeneration, config, tokenizer, folder, 3.0)
    processor.save_pretrained(folder)
    return checkpoint


def build_tiny_qwen2_vl(folder: Path) -> Checkpoint:
    """Save a Qwen2-VL of 2 + 2 layers, hidden size 32, as its checkpoints are: the processor has a part for videos.

    Args:
        folder: Made when missing.
    """
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    marks = {"image_token_id": 384, "video_token_id": 385, "vision_start_token_id": 386, "vision_end_token_id": 387}
    tokenizer = byte_level_tokenizer("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    tokenizer.chat_template = LLAVA_TEMPLATE.replace("<image>\n", "<|vision_start|><|image_pad|><|vision_end|>")
    config = Qwen2VLConfig(
        **marks,
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "mlp_ratio": 2},
        text_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 128,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10_000.0},
        },
    )
    checkpoint = saved("tiny-qwen2-vl", Qwen2VLForConditionalGeneration, config, tokenizer, folder, 3.0)
    described = {
        "processor_class": "Qwen2VLProcessor",
        "image_processor_type": "Qwen2VLImageProcessor",
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "min_pixels": 784,
        "max_pixels": 3136,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(described))
    return checkpoint


def picture(folder: Path, name: str = "stripes.png", size: tuple[int, int] = (40, 30)) -> Path:
    """Save a picture of coloured stripes.

    Args:
        folder: Where to.
        name: Its ending gives the format.
        size: Width and height in pixels.
    """
    import numpy
    from PIL import Image

    rows = numpy.arange(size[0] * size[1] * 3).reshape(size[1], size[0], 3) % 251
    Image.fromarray(rows.astype(numpy.uint8)).save(folder / name)
    return folder / name


def ended_tokenizer() -> PreTrainedTokenizerFast:
    """The byte-level tokenizer, which puts the end token (2) behind each text."""
    tokenizer = byte_level_tokenizer()
    _end_with_eos(tokenizer)
    return tokenizer


def _end_with_eos(tokenizer: PreTrainedTokenizerFast) -> None:
    from tokenizers import processors

    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|im_end|>", pair="$A <|im_end|> $B <|im_end|>", special_tokens=[("<|im_end|>", 2)]
    )


def saved(
    name: str,
    kind: type[PreTrainedModel],
    config: object,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    scale: float = 10.0,
) -> Checkpoint:
    """Save a model of a class with fresh weights, the same ones each time.

    Args:
        name: Of the checkpoint.
        kind: The class.
        config: Its sizes.
        tokenizer: Saved with it.
        folder: Made when missing.
        scale: What the weights are multiplied by.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(config)
    # What layers of fresh weights add is so little that a decoder repeats one token, whatever the encoder reads.
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(scale)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Checkpoint(name=name, path=folder)
