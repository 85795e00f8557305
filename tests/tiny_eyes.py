"""Tiny real checkpoints that see, one of each way of making patches: to be looked into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny_tasks import _save
from workbench.engine.values import Checkpoint

FLAT = ("beit", "deit", "dinov2", "dinov3", "siglip")
"""What `build` makes with layers that keep their patches."""

STAGED = ("swin", "hiera", "pvt", "segformer", "convnext", "resnet", "sam", "detr")
"""What `build` makes with layers that halve the picture, or leave maps behind them."""

SIDE = 64
"""Pixels of a side of what the processors make."""

_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
_FEEDS = {**_SIZES, "intermediate_size": 48}
_SEES = {"image_size": SIDE, "patch_size": 16}
_STEPS = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 2, 1]}
_BLOCKS = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2]}


def build(folder: Path, kind: str) -> Checkpoint:
    """Save a model of a kind with an image processor.

    Args:
        folder: Made when missing.
        kind: One of `FLAT` or `STAGED`.
    """
    import transformers as t
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    made: Any = _MAKERS[kind](t)
    _save(*made, folder)
    ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return Checkpoint(f"tiny-{kind}", folder)


def _sam(t: Any) -> Any:
    sees = {
        "hidden_size": 16, "output_channels": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE,
        "patch_size": 8, "mlp_dim": 16, "window_size": 4, "global_attn_indexes": [1], "num_pos_feats": 4,
    }  # fmt: skip
    asks = {"hidden_size": 8, "image_size": SIDE, "patch_size": 8, "mask_input_channels": 4}
    draws = {
        "hidden_size": 8, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "iou_head_depth": 2,
        "iou_head_hidden_dim": 8,
    }  # fmt: skip
    return t.SamModel, t.SamConfig(vision_config=sees, prompt_encoder_config=asks, mask_decoder_config=draws)


def _detr(t: Any) -> Any:
    config = t.DetrConfig(
        d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16, num_queries=9,
        backbone_config=t.ResNetConfig(**_STEPS, embedding_size=8, out_features=["stage4"]),
    )  # fmt: skip
    return t.DetrForObjectDetection, config


_MAKERS: dict[str, Any] = {
    "beit": lambda t: (t.BeitForImageClassification, t.BeitConfig(**_FEEDS, **_SEES)),
    "deit": lambda t: (t.DeiTModel, t.DeiTConfig(**_FEEDS, **_SEES)),
    "dinov2": lambda t: (t.Dinov2Model, t.Dinov2Config(**_SIZES, **_SEES)),
    "dinov3": lambda t: (t.DINOv3ViTModel, t.DINOv3ViTConfig(**_FEEDS, **_SEES, num_register_tokens=4)),
    "siglip": lambda t: (t.SiglipVisionModel, t.SiglipVisionConfig(**_FEEDS, **_SEES)),
    "swin": lambda t: (
        t.SwinModel,
        t.SwinConfig(image_size=SIDE, patch_size=4, embed_dim=8, depths=[2, 1], num_heads=[1, 2], window_size=4),
    ),
    "hiera": lambda t: (
        t.HieraModel,
        t.HieraConfig(image_size=[SIDE, SIDE], embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]),
    ),
    "pvt": lambda t: (t.PvtModel, t.PvtConfig(image_size=SIDE, **_BLOCKS)),
    "segformer": lambda t: (t.SegformerForSemanticSegmentation, t.SegformerConfig(**_BLOCKS, decoder_hidden_size=16)),
    "convnext": lambda t: (t.ConvNextForImageClassification, t.ConvNextConfig(**_STEPS)),
    "resnet": lambda t: (t.ResNetModel, t.ResNetConfig(**_STEPS, embedding_size=8)),
    "sam": _sam,
    "detr": _detr,
}  # fmt: skip
