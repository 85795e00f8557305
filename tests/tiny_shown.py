"""Tiny real checkpoints that compare films with texts or pages with questions, and those that are shown what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests import tiny
from tests.tiny_tasks import THINGS, _save
from workbench.engine.values import Checkpoint

KINDS = ("xclip", "tvp", "seggpt", "mgp-str", "colpali")
"""What `build` makes with Pillow alone; `videomt`, `videoprism`, `sam3` and what follows things want torchvision."""

_SIZES: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
}  # fmt: skip


def build(folder: Path, kind: str) -> Checkpoint:
    """Save a model of a kind, with what prepares its inputs.

    Args:
        folder: Made when missing.
        kind: One of `KINDS`, ``videomt``, ``videoprism``, ``sam3``, ``sam2-video``, ``sam3-video``,
            ``sam3-tracker-video`` or ``edgetam-video``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _BUILDERS[kind](folder)
    return Checkpoint(f"tiny-{kind}", folder)


def _side(pixels: int) -> dict[str, int]:
    return {"height": pixels, "width": pixels}


def _tokenizer(folder: Path, *special: str) -> Any:
    tokenizer = tiny.byte_level_tokenizer(*special)
    tokenizer.model_max_length = 60
    tokenizer.save_pretrained(folder)
    return tokenizer


def _xclip(folder: Path) -> None:
    import transformers as t
    from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

    count = len(_tokenizer(folder))
    reads = {**_SIZES, "vocab_size": count, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2}
    sees = {
        **_SIZES, "image_size": 16, "patch_size": 8, "num_frames": 4, "mit_hidden_size": 16,
        "mit_intermediate_size": 16, "mit_num_hidden_layers": 1, "mit_num_attention_heads": 2,
    }  # fmt: skip
    config = t.XCLIPConfig(text_config=reads, vision_config=sees, projection_dim=16, prompt_num_attention_heads=2)
    _save(t.XCLIPModel, config, folder, 3.0)
    VideoMAEImageProcessorPil(size={"shortest_edge": 16}, crop_size=_side(16)).save_pretrained(folder)


def _tvp(folder: Path) -> None:
    import transformers as t
    from transformers.models.tvp.image_processing_pil_tvp import TvpImageProcessorPil

    backbone = t.ResNetConfig(out_features=["stage4"], hidden_sizes=[8, 8, 8, 8], embedding_size=8, depths=[1, 1, 1, 1])
    config = t.TvpConfig(
        **_SIZES, vocab_size=len(_tokenizer(folder)), num_frames=4, max_img_size=96, visual_prompt_size=8,
        max_position_embeddings=64, backbone_config=backbone,
    )  # fmt: skip
    _save(t.TvpForVideoGrounding, config, folder)
    side = {"size": {"longest_edge": 96}, "crop_size": _side(96), "pad_size": _side(96)}
    TvpImageProcessorPil(**side).save_pretrained(folder)


def _seggpt(folder: Path) -> None:
    import transformers as t
    from transformers.models.seggpt.image_processing_pil_seggpt import SegGptImageProcessorPil

    config = t.SegGptConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=[64, 32], patch_size=8,
        pretrain_image_size=32, merge_index=0, intermediate_hidden_state_indices=[1], decoder_hidden_size=8,
    )  # fmt: skip
    _save(t.SegGptForImageSegmentation, config, folder, 3.0)
    SegGptImageProcessorPil(size=_side(32)).save_pretrained(folder)


def _mgp(folder: Path) -> None:
    import transformers as t
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    letters = ["[GO]", "[s]", *"0123456789abcdefghijklmnopqrstuvwxyz"]
    (folder / "vocab.json").write_text(json.dumps({letter: index for index, letter in enumerate(letters)}))
    t.MgpstrTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    config = t.MgpstrConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=[32, 128], max_token_length=7,
        num_character_labels=len(letters), num_bpe_labels=60, num_wordpiece_labels=120,
    )  # fmt: skip
    _save(t.MgpstrForSceneTextRecognition, config, folder, 3.0)
    ViTImageProcessorPil(size={"height": 32, "width": 128}).save_pretrained(folder)


def _colpali(folder: Path) -> None:
    import transformers as t
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    tokenizer = _tokenizer(folder, "<image>")
    sees = {"model_type": "siglip_vision_model", **_SIZES, "image_size": 32, "patch_size": 16, "projection_dim": 16}
    reads = {
        "model_type": "gemma", **_SIZES, "num_key_value_heads": 1, "head_dim": 8, "vocab_size": len(tokenizer),
        "pad_token_id": 0,
    }  # fmt: skip
    mark = tokenizer.convert_tokens_to_ids("<image>")
    inside = t.PaliGemmaConfig(
        vision_config={**sees, "vision_use_head": False}, text_config=reads, image_token_index=mark, projection_dim=16
    )
    pictures = SiglipImageProcessorPil(size=_side(32))
    pictures.image_seq_length = 4
    _save(t.ColPaliForRetrieval, t.ColPaliConfig(vlm_config=inside, embedding_dim=8), folder, 3.0)
    t.ColPaliProcessor(pictures, tokenizer).save_pretrained(folder)


def _videomt(folder: Path) -> None:
    import transformers as t

    config = t.VideomtConfig(
        id2label=dict(enumerate(THINGS)), hidden_size=16, num_hidden_layers=3, num_attention_heads=2, num_blocks=1,
        image_size=64, num_queries=6, num_frames=2, num_upscale_blocks=1, mlp_ratio=1,
    )  # fmt: skip
    _save(t.VideomtForUniversalSegmentation, config, folder, 1.5)
    settings = {"video_processor_type": "VideomtVideoProcessor", "size": _side(64)}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(settings))


def _sam3(folder: Path) -> None:
    import transformers as t

    size = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    vit = t.Sam3ViTConfig(
        **size, num_hidden_layers=2, image_size=56, patch_size=14, window_size=2, global_attn_indexes=[1],
        pretrain_image_size=56,
    )  # fmt: skip
    sees = t.Sam3VisionConfig(
        backbone_config=vit, fpn_hidden_size=16, backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        scale_factors=[4.0, 2.0, 1.0, 0.5],
    )  # fmt: skip
    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.model_max_length = 32
    reads = t.CLIPTextConfig(
        **size, vocab_size=len(tokenizer), num_hidden_layers=2, max_position_embeddings=32, projection_dim=16,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    config = t.Sam3Config(
        vision_config=sees, text_config=reads,
        geometry_encoder_config=t.Sam3GeometryEncoderConfig(**size, num_layers=1),
        detr_encoder_config=t.Sam3DETREncoderConfig(**size, num_layers=1),
        detr_decoder_config=t.Sam3DETRDecoderConfig(**size, num_layers=2, num_queries=6),
        mask_decoder_config=t.Sam3MaskDecoderConfig(hidden_size=16, num_attention_heads=2, num_upsampling_stages=2),
    )  # fmt: skip
    _save(t.Sam3Model, config, folder, 2.0)
    t.Sam3Processor(t.Sam3ImageProcessor(size=_side(56), mask_size=_side(16)), tokenizer).save_pretrained(folder)


def _remembers(config: dict[str, Any]) -> dict[str, Any]:
    # What is remembered of a frame is 64 numbers wherever it is used, and more of them are worked with.
    config["memory_encoder_output_channels"] = 64
    parts = ("memory_attention_hidden_size", "memory_encoder_hidden_size", "mask_downsampler_embed_dim")
    config |= dict.fromkeys((*parts, "memory_fuser_embed_dim"), 128)
    config["vision_config"]["fpn_hidden_size"] = 128
    for part in ("prompt_encoder_config", "mask_decoder_config"):
        config[part]["hidden_size"] = 128
    return config


def _sam3_tracker_video(folder: Path) -> None:
    import transformers as t

    from tests import tiny_films

    tiny_films.build(folder, "sam3-video")
    config = _remembers(t.Sam3VideoConfig.from_pretrained(folder).tracker_config.to_dict())
    _save(t.Sam3TrackerVideoModel, t.Sam3TrackerVideoConfig(**config), folder)
    (folder / "preprocessor_config.json").unlink()
    pictures = t.Sam3ImageProcessor(size=_side(56), mask_size=_side(16))
    films = t.Sam2VideoVideoProcessor(size=_side(56))
    t.Sam3TrackerVideoProcessor(pictures, films, target_size=56).save_pretrained(folder)


def _sam3_video(folder: Path) -> None:
    """As published: what finds things by words and follows them through a film, with what prepares all of it."""
    import transformers as t

    from tests import tiny_films

    tokenizer = _tokenizer(folder)
    tiny_films.build(folder, "sam3-video")
    config = t.Sam3VideoConfig.from_pretrained(folder)
    finds = config.detector_config.to_dict()
    finds["text_config"] |= {"vocab_size": len(tokenizer), "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    follows = _remembers(config.tracker_config.to_dict())
    finds["vision_config"]["fpn_hidden_size"] = 128
    for part in ("geometry_encoder", "detr_encoder", "detr_decoder", "mask_decoder"):
        finds[f"{part}_config"]["hidden_size"] = 128
    _save(t.Sam3VideoModel, t.Sam3VideoConfig(detector_config=finds, tracker_config=follows), folder, 2.0)
    (folder / "preprocessor_config.json").unlink()
    pictures = t.Sam3ImageProcessor(size=_side(56), mask_size=_side(16))
    films = t.Sam2VideoVideoProcessor(size=_side(56))
    t.Sam3VideoProcessor(pictures, films, tokenizer, target_size=56).save_pretrained(folder)


def _edgetam_video(folder: Path) -> None:
    import transformers as t

    from tests import tiny_extras

    tiny_extras.build(folder, "edgetam")
    config = _remembers(t.EdgeTamConfig.from_pretrained(folder).to_dict())
    kept = ("vision_config", "prompt_encoder_config", "mask_decoder_config", "memory_encoder_output_channels",
            "memory_attention_hidden_size", "memory_encoder_hidden_size", "mask_downsampler_embed_dim",
            "memory_fuser_embed_dim")  # fmt: skip
    config = {name: config[name] for name in kept}
    for part, name in (("prompt_encoder_config", "prompt_encoder"), ("mask_decoder_config", "mask_decoder")):
        config[part]["model_type"] = f"edgetam_video_{name}"
    size = {"image_size": 64, "memory_attention_num_layers": 1, "memory_attention_mlp_hidden_size": 16,
            "memory_attention_rope_feat_sizes": [4, 4], "memory_attention_rope_k_sizes": [2, 2],
            "perceiver_resampler_num_latents": 4, "perceiver_resampler_num_latents_2d": 4,
            "perceiver_resampler_mlp_intermediate_size": 16, "perceiver_resampler_num_layers": 1,
            "memory_fuser_num_layers": 1, "memory_fuser_intermediate_dim": 16}  # fmt: skip
    _save(t.EdgeTamVideoModel, t.EdgeTamVideoConfig(**config, **size), folder)
    (folder / "preprocessor_config.json").unlink()
    pictures = t.Sam2ImageProcessor(size=_side(64), mask_size=_side(16))
    films = t.Sam2VideoVideoProcessor(size=_side(64))
    t.Sam2VideoProcessor(pictures, films, target_size=64).save_pretrained(folder)


def _sam2_video(folder: Path) -> None:
    import transformers as t

    from tests import tiny_films

    tiny_films.build(folder, "sam2-video")
    config = _remembers(t.Sam2VideoConfig.from_pretrained(folder).to_dict())
    _save(t.Sam2VideoModel, t.Sam2VideoConfig(**config), folder)
    pictures = t.Sam2ImageProcessor(size=_side(64), mask_size=_side(16))
    films = t.Sam2VideoVideoProcessor(size=_side(64))
    t.Sam2VideoProcessor(pictures, films, target_size=64).save_pretrained(folder)


def _videoprism(folder: Path) -> None:
    import transformers as t

    sees = {
        "image_size": 32, "num_frames": 4, "tubelet_size": [1, 16, 16], "hidden_size": 16, "num_spatial_layers": 1,
        "num_temporal_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "num_auxiliary_layers": 1,
    }  # fmt: skip
    reads = {**_SIZES, "vocab_size": len(_tokenizer(folder)), "max_position_embeddings": 64}
    _save(t.VideoPrismClipModel, t.VideoPrismConfig(vision_config=sees, text_config=reads), folder, 3.0)
    settings = {"video_processor_type": "LlavaOnevisionVideoProcessor", "size": _side(32), "do_normalize": False}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(settings))


_BUILDERS = {
    "xclip": _xclip,
    "tvp": _tvp,
    "seggpt": _seggpt,
    "mgp-str": _mgp,
    "colpali": _colpali,
    "videomt": _videomt,
    "videoprism": _videoprism,
    "sam3": _sam3,
    "sam2-video": _sam2_video,
    "sam3-tracker-video": _sam3_tracker_video,
    "edgetam-video": _edgetam_video,
    "sam3-video": _sam3_video,
}
