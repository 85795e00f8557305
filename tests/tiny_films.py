"""Tiny real checkpoints that are shown films, whose processors want torchvision, or that cut a thing out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests import tiny
from tests.tiny_tasks import THINGS, _save
from workbench.engine.values import Checkpoint

KINDS = (
    "sam2", "sam2-video", "sam3", "sam3-video", "vivit", "vjepa2", "videoprism", "zoedepth", "sapiens2", "omdet",
)  # fmt: skip
"""What `build` makes; of these ViViT alone runs without torchvision."""

_NAMED: dict[str, Any] = {"id2label": dict(enumerate(THINGS)), "label2id": {n: i for i, n in enumerate(THINGS)}}


def build(folder: Path, kind: str) -> Checkpoint:
    """Save a model of a kind, with the processor it is used with.

    Args:
        folder: Made when missing.
        kind: One of `KINDS`: SAM 2, alone and as published, the tracker of SAM 3, alone and as published, ViViT,
            V-JEPA 2, VideoPrism, ZoeDepth, Sapiens 2 and OmDet-Turbo.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _BUILDERS[kind](folder)
    return Checkpoint(f"tiny-{kind}", folder)


def vitmatte(folder: Path) -> Checkpoint:
    """Save ViTMatte, which cuts out what a trimap marks; Pillow is enough for it."""
    import transformers as t
    from transformers.models.vitmatte.image_processing_pil_vitmatte import VitMatteImageProcessorPil

    sees = t.VitDetConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=64, pretrain_image_size=64,
        num_channels=4, out_features=["stage1"],
    )  # fmt: skip
    config = t.VitMatteConfig(
        backbone_config=sees, hidden_size=16, convstream_hidden_sizes=[4, 8, 8], fusion_hidden_sizes=[16, 8, 8, 4],
        initializer_range=0.5,
    )  # fmt: skip
    _save(t.VitMatteForImageMatting, config, folder, 1.0)
    VitMatteImageProcessorPil().save_pretrained(folder)
    return Checkpoint("tiny-vitmatte", folder)


def blip(folder: Path) -> Checkpoint:
    """Save BLIP, whose decoder writes the answer to a question about a picture; Pillow is enough for it."""
    import transformers as t
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.model_max_length = 60
    tokenizer.save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    reads = {
        **sizes, "encoder_hidden_size": 16, "max_position_embeddings": 64, "vocab_size": len(tokenizer),
        "bos_token_id": 1, "eos_token_id": 2, "sep_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    looks = {**sizes, "image_size": 32, "patch_size": 16}
    config = t.BlipConfig(text_config=reads, vision_config=looks, image_text_hidden_size=16, projection_dim=16)
    _save(t.BlipForQuestionAnswering, config, folder, 5.0)
    BlipImageProcessorPil(size=_side(32)).save_pretrained(folder)
    return Checkpoint("tiny-blip", folder)


def layoutlmv3(folder: Path) -> Checkpoint:
    """Save LayoutLMv3, which reads the words of a page and may see its picture; Pillow is enough for it."""
    import transformers as t
    from tokenizers import pre_tokenizers
    from transformers.models.layoutlmv3.image_processing_pil_layoutlmv3 import LayoutLMv3ImageProcessorPil

    letters = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocab = {letter: index for index, letter in enumerate(letters)}
    t.LayoutLMv3Tokenizer(vocab=vocab, merges=[], model_max_length=96).save_pretrained(folder)
    config = t.LayoutLMv3Config(
        vocab_size=len(vocab), hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=128, coordinate_size=4, shape_size=4, input_size=32, patch_size=16, bos_token_id=0,
        pad_token_id=1, eos_token_id=2,
    )  # fmt: skip
    _save(t.LayoutLMv3ForQuestionAnswering, config, folder)
    LayoutLMv3ImageProcessorPil(size=_side(32)).save_pretrained(folder)
    return Checkpoint("tiny-layoutlmv3", folder)


def eomt(folder: Path, split: bool) -> Checkpoint:
    """Save EoMT, which finds parts in squares cut out of a picture, or in the picture filled up to one square."""
    import transformers as t
    from transformers.models.eomt.image_processing_pil_eomt import EomtImageProcessorPil

    config = t.EomtConfig(
        **_NAMED, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=64, num_blocks=1,
        num_queries=5, num_upscale_blocks=1, mlp_ratio=1,
    )  # fmt: skip
    _save(t.EomtForUniversalSegmentation, config, folder, 1.5)
    size = {"shortest_edge": 64, "longest_edge": None if split else 64}
    EomtImageProcessorPil(size=size, do_split_image=split, do_pad=not split).save_pretrained(folder)
    return Checkpoint("tiny-eomt", folder)


def _side(pixels: int) -> dict[str, int]:
    return {"height": pixels, "width": pixels}


def _prepared(folder: Path, kind: str, **settings: Any) -> None:
    """Write what a processor is read from: without torchvision its class can't be made."""
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": kind, **settings}))


_ASKS = {"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4}
_DRAWS = {
    "hidden_size": 16, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "iou_head_depth": 2,
    "iou_head_hidden_dim": 8,
}  # fmt: skip
_NECK = {
    "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]], "fpn_hidden_size": 16, "num_feature_levels": 3,
    "fpn_top_down_levels": [2, 3],
}  # fmt: skip


def _hiera() -> Any:
    import transformers as t

    hiera = t.Sam2HieraDetConfig(
        hidden_size=4, num_attention_heads=1, image_size=[64, 64], blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[4, 8, 16, 32], num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 4], global_attention_blocks=[3],
        window_positional_embedding_background_size=[2, 2],
    )  # fmt: skip
    return t.Sam2VisionConfig(backbone_config=hiera, backbone_channel_list=[32, 16, 8, 4], **_NECK)


def _sam2(folder: Path) -> None:
    import transformers as t

    config = t.Sam2Config(vision_config=_hiera(), prompt_encoder_config=_ASKS, mask_decoder_config=_DRAWS)
    _save(t.Sam2Model, config, folder)
    _prepared(folder, "Sam2ImageProcessor", size=_side(64), mask_size=_side(16))


def _sam2_video(folder: Path) -> None:
    """As published: the checkpoint of the model that follows things through a film, of which the task loads a part."""
    import transformers as t

    config = t.Sam2VideoConfig(
        vision_config=_hiera(), prompt_encoder_config=_ASKS, mask_decoder_config=_DRAWS, image_size=64,
        memory_attention_hidden_size=16, memory_attention_num_layers=1, memory_attention_feed_forward_hidden_size=16,
        memory_attention_rope_feat_sizes=[4, 4], memory_encoder_hidden_size=16, memory_encoder_output_channels=4,
        mask_downsampler_embed_dim=16, memory_fuser_num_layers=1, memory_fuser_embed_dim=16,
        memory_fuser_intermediate_dim=16,
    )  # fmt: skip
    _save(t.Sam2VideoModel, config, folder)
    _prepared(folder, "Sam2ImageProcessor", size=_side(64), mask_size=_side(16))


def _sam3(folder: Path) -> None:
    import transformers as t

    vit = t.Sam3ViTConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14,
        window_size=2, global_attn_indexes=[1], pretrain_image_size=56,
    )  # fmt: skip
    sees = t.Sam3VisionConfig(
        backbone_config=vit, fpn_hidden_size=16, backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        scale_factors=[4.0, 2.0, 1.0, 0.5],
    )  # fmt: skip
    asks = {**_ASKS, "image_size": 56, "patch_size": 14}
    config = t.Sam3TrackerConfig(vision_config=sees, prompt_encoder_config=asks, mask_decoder_config=_DRAWS)
    _save(t.Sam3TrackerModel, config, folder)
    _prepared(folder, "Sam3ImageProcessor", size=_side(56), mask_size=_side(16))


def _sam3_video(folder: Path) -> None:
    """As published: what finds things by words and follows them through a film; the task loads a part."""
    import transformers as t

    vit = t.Sam3ViTConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14,
        window_size=2, global_attn_indexes=[1], pretrain_image_size=56,
    )  # fmt: skip
    sees = t.Sam3VisionConfig(
        backbone_config=vit, fpn_hidden_size=16, backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        scale_factors=[4.0, 2.0, 1.0, 0.5],
    )  # fmt: skip
    small = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    reads = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
             "projection_dim": 16, "vocab_size": 300}  # fmt: skip
    finds = t.Sam3Config(
        vision_config=sees, text_config=reads, geometry_encoder_config=small, detr_encoder_config=small,
        detr_decoder_config={**small, "num_queries": 4},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )  # fmt: skip
    follows = t.Sam3TrackerVideoConfig(
        vision_config=sees, prompt_encoder_config={**_ASKS, "image_size": 56, "patch_size": 14},
        mask_decoder_config=_DRAWS, image_size=56, memory_attention_hidden_size=16, memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=16, memory_attention_rope_feat_sizes=[4, 4],
        memory_encoder_hidden_size=16, memory_encoder_output_channels=4, mask_downsampler_embed_dim=16,
        memory_fuser_num_layers=1, memory_fuser_embed_dim=16, memory_fuser_intermediate_dim=16,
    )  # fmt: skip
    _save(t.Sam3VideoModel, t.Sam3VideoConfig(detector_config=finds, tracker_config=follows), folder)
    _prepared(folder, "Sam3ImageProcessor", size=_side(56), mask_size=_side(16))


def _vivit(folder: Path) -> None:
    import transformers as t

    config = t.VivitConfig(
        **_NAMED, image_size=32, num_frames=4, tubelet_size=[2, 16, 16], hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16,
    )  # fmt: skip
    _save(t.VivitForVideoClassification, config, folder)
    _prepared(folder, "VivitImageProcessor", size={"shortest_edge": 32}, crop_size=_side(32))


def _vjepa2(folder: Path) -> None:
    import transformers as t

    config = t.VJEPA2Config(
        **_NAMED, crop_size=32, frames_per_clip=4, hidden_size=24, num_attention_heads=2, num_hidden_layers=1,
        num_pooler_layers=1, pred_hidden_size=24, pred_num_attention_heads=2, pred_num_hidden_layers=1,
    )  # fmt: skip
    _save(t.VJEPA2ForVideoClassification, config, folder)
    settings = {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": 32}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(settings))


def _videoprism(folder: Path) -> None:
    import transformers as t

    config = t.VideoPrismVisionConfig(
        **_NAMED, image_size=32, num_frames=4, tubelet_size=[1, 16, 16], hidden_size=16, num_spatial_layers=1,
        num_temporal_layers=1, num_attention_heads=2, intermediate_size=16, num_auxiliary_layers=1,
    )  # fmt: skip
    _save(t.VideoPrismForVideoClassification, config, folder)
    settings = {"video_processor_type": "LlavaOnevisionVideoProcessor", "size": _side(32), "do_normalize": False}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(settings))


def _omdet(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer()
    reads = {
        "model_type": "clip_text_model", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "vocab_size": len(tokenizer), "max_position_embeddings": 77, "projection_dim": 16,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    sees = {
        "model_type": "swin", "image_size": 64, "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2],
        "window_size": 2, "out_features": ["stage2", "stage3", "stage4"],
    }  # fmt: skip
    config = t.OmDetTurboConfig(
        text_config=reads, backbone_config=sees, apply_layernorm_after_vision_backbone=False, image_size=64,
        text_projection_in_dim=16, text_projection_out_dim=16, task_encoder_hidden_dim=16, class_embed_dim=16,
        num_queries=6, d_model=32, vision_features_channels=[32, 32, 32], encoder_in_channels=[16, 32, 64],
        encoder_attention_heads=2, encoder_dim_feedforward=16, decoder_hidden_dim=32, decoder_num_heads=2,
        decoder_num_layers=1, decoder_dim_feedforward=16,
    )  # fmt: skip
    _save(t.OmDetTurboForObjectDetection, config, folder, 1.0)
    tokenizer.save_pretrained(folder)
    _prepared(folder, "DetrImageProcessor", size=_side(64), processor_class="OmDetTurboProcessor")


def _zoedepth(folder: Path) -> None:
    import transformers as t

    sees = t.BeitConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16,
        out_indices=[1, 2, 3, 4], reshape_hidden_states=False,
    )  # fmt: skip
    config = t.ZoeDepthConfig(
        backbone_config=sees, neck_hidden_sizes=[8, 8, 8, 8], reassemble_factors=[4, 2, 1, 0.5], fusion_hidden_size=16,
        bottleneck_features=16, num_relative_features=8, num_attractors=[4, 2, 2, 1], bin_embedding_dim=8,
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0}],
    )  # fmt: skip
    _save(t.ZoeDepthForDepthEstimation, config, folder, 1.0)
    _prepared(folder, "ZoeDepthImageProcessor", size=_side(32), ensure_multiple_of=16)


def _sapiens2(folder: Path) -> None:
    import transformers as t

    head = {"upsample_out_channels": [8, 8], "conv_out_channels": [8], "use_pixel_shuffle": True}
    config = t.Sapiens2Config(
        num_labels=4, patch_size=16, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_attention_heads=2, num_first_full_attention_layers=1, num_last_full_attention_layers=1,
        image_size=32, num_register_tokens=1, head_config=head,
    )  # fmt: skip
    _save(t.Sapiens2ForImageMatting, config, folder, 1.0)
    _prepared(folder, "Sapiens2ImageProcessor", size=_side(32))


_BUILDERS = {
    "sam2": _sam2,
    "sam2-video": _sam2_video,
    "sam3": _sam3,
    "sam3-video": _sam3_video,
    "vivit": _vivit,
    "vjepa2": _vjepa2,
    "videoprism": _videoprism,
    "omdet": _omdet,
    "zoedepth": _zoedepth,
    "sapiens2": _sapiens2,
}
