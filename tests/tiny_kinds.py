"""Tiny real checkpoints of the rarer heads: masks, keypoints, videos, voices, and models that take anything."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tests import tiny
from tests.tiny_tasks import RATE, THINGS, _save
from workbench.engine.values import Checkpoint

KINDS = (
    "mask-generation", "keypoint-detection", "pose", "keypoint-matching", "lightglue", "video-classification",
    "oneformer", "speecht5", "transducer", "any-to-any", "decision", "jev", "x-vector", "super-resolution",
)  # fmt: skip
"""What `build` makes."""

_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
_NAMED: dict[str, Any] = {"id2label": dict(enumerate(THINGS)), "label2id": {n: i for i, n in enumerate(THINGS)}}

AUDIO_TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'audio' %}"
    "<|audio_bos|><|AUDIO|><|audio_eos|>{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}"
)
"""Shows a turn's sounds and texts in their order."""

CHAT = "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }}\n{% endfor %}"
"""A turn a line."""


def build(folder: Path, kind: str) -> Checkpoint:
    """Save a model of a kind, with what it is used with.

    Args:
        folder: Made when missing.
        kind: One of `KINDS`, or ``mask-generation-hq``: SAM, SuperPoint, ViTPose, SuperGlue, LightGlue, VideoMAE,
            OneFormer, SpeechT5 with its
            vocoder, Parakeet TDT, Qwen2-Audio, Llama with a chat template, Jev, Wav2Vec2 for x-vectors, and Swin2SR.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _BUILDERS[kind](folder)
    return Checkpoint(f"tiny-{kind}", folder)


def voice(folder: Path, size: int = 12) -> Path:
    """Save the numbers of a voice."""
    import numpy

    path = folder / "voice.npy"
    numpy.save(path, numpy.linspace(-1, 1, size, dtype=numpy.float32))
    return path


def film(folder: Path, frames: int = 12, name: str = "film.mp4", size: tuple[int, int] = (64, 48)) -> Path:
    """Save a square that moves: as a film, which PyAV is needed for, as an animated picture, or as a folder.

    Args:
        folder: Where to.
        frames: How many.
        name: Its ending gives the format; without one it is a folder of PNG.
        size: Width and height.
    """
    from PIL import Image, ImageDraw

    pictures = []
    for index in range(frames):
        picture = Image.new("RGB", size, (20, 20 + 10 * index, 90))
        ImageDraw.Draw(picture).rectangle((4 * index, 10, 4 * index + 12, 22), fill="white")
        pictures.append(picture)
    path = folder / name
    if not path.suffix:
        path.mkdir()
        for index, picture in enumerate(pictures):
            picture.save(path / f"frame {index}.png")
    elif path.suffix == ".mp4":
        _encode(path, pictures)
    else:
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=50)
    return path


def _encode(path: Path, pictures: list[Any]) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())


def _sam(folder: Path, name: str = "Sam") -> None:
    import transformers as t
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    sees = {
        "hidden_size": 16, "output_channels": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
        "patch_size": 4, "mlp_dim": 16, "window_size": 4, "global_attn_indexes": [1], "num_pos_feats": 4,
    }  # fmt: skip
    asks = {"hidden_size": 8, "image_size": 32, "patch_size": 4, "mask_input_channels": 4}
    draws = {
        "hidden_size": 8, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "iou_head_depth": 2,
        "iou_head_hidden_dim": 8, **({"vit_dim": 16} if name == "SamHQ" else {}),
    }  # fmt: skip
    config = getattr(t, f"{name}Config")(vision_config=sees, prompt_encoder_config=asks, mask_decoder_config=draws)
    _save(getattr(t, f"{name}Model"), config, folder)
    small = {"height": 8, "width": 8}
    SamImageProcessorPil(
        size={"longest_edge": 32}, pad_size={"height": 32, "width": 32}, mask_size={"longest_edge": 8},
        mask_pad_size=small,
    ).save_pretrained(folder)  # fmt: skip


def _points() -> Any:
    import transformers as t

    return t.SuperPointConfig(
        encoder_hidden_sizes=[8, 8, 8, 8], decoder_hidden_size=8, keypoint_decoder_dim=65, descriptor_decoder_dim=8,
        max_keypoints=20, keypoint_threshold=0.001, border_removal_distance=1,
    )  # fmt: skip


def _superpoint(folder: Path) -> None:
    import transformers as t
    from transformers.models.superpoint.image_processing_pil_superpoint import SuperPointImageProcessorPil

    _save(t.SuperPointForKeypointDetection, _points(), folder)
    SuperPointImageProcessorPil(size={"height": 48, "width": 64}).save_pretrained(folder)


def _superglue(folder: Path) -> None:
    import transformers as t
    from transformers.models.superglue.image_processing_pil_superglue import SuperGlueImageProcessorPil

    config = t.SuperGlueConfig(
        keypoint_detector_config=_points(), hidden_size=8, keypoint_encoder_sizes=[4, 8],
        gnn_layers_types=["self", "cross"], sinkhorn_iterations=5, matching_threshold=0.0,
    )  # fmt: skip
    _save(t.SuperGlueForKeypointMatching, config, folder)
    SuperGlueImageProcessorPil(size={"height": 48, "width": 64}).save_pretrained(folder)


def _lightglue(folder: Path) -> None:
    import transformers as t
    from transformers.models.lightglue.image_processing_pil_lightglue import LightGlueImageProcessorPil

    config = t.LightGlueConfig(
        keypoint_detector_config=_points().to_dict(), descriptor_dim=8, num_hidden_layers=2, num_attention_heads=2,
        filter_threshold=0.0,
    )  # fmt: skip
    _save(t.LightGlueForKeypointMatching, config, folder)
    LightGlueImageProcessorPil(size={"height": 48, "width": 64}).save_pretrained(folder)


def _vitpose(folder: Path) -> None:
    import transformers as t
    from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

    sees = t.VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        out_indices=[1],
    )  # fmt: skip
    joints = {"id2label": {0: "nose", 1: "hand", 2: "foot"}, "label2id": {"nose": 0, "hand": 1, "foot": 2}}
    _save(t.VitPoseForPoseEstimation, t.VitPoseConfig(backbone_config=sees, **joints, use_simple_decoder=True), folder)
    VitPoseImageProcessorPil(size={"height": 64, "width": 48}).save_pretrained(folder)


def _videomae(folder: Path) -> None:
    import transformers as t
    from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

    config = t.VideoMAEConfig(
        **_SIZES, **_NAMED, image_size=16, patch_size=8, num_frames=4, tubelet_size=2, decoder_hidden_size=16,
        decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=16,
    )  # fmt: skip
    _save(t.VideoMAEForVideoClassification, config, folder)
    side = {"height": 16, "width": 16}
    VideoMAEImageProcessorPil(size={"shortest_edge": 16}, crop_size=side).save_pretrained(folder)


def _oneformer(folder: Path) -> None:
    import transformers as t
    from transformers.models.oneformer.image_processing_pil_oneformer import OneFormerImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.save_pretrained(folder)
    sees = t.SwinConfig(
        image_size=32, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = t.OneFormerConfig(
        **_NAMED, backbone_config=sees, num_queries=5, hidden_dim=32, mask_dim=32, conv_dim=32, num_attention_heads=2,
        encoder_layers=1, decoder_layers=2, encoder_feedforward_dim=16, dim_feedforward=16, query_dec_layers=1,
        text_encoder_width=32, text_encoder_vocab_size=len(tokenizer), text_encoder_num_layers=1, text_encoder_n_ctx=4,
        text_encoder_context_length=32, text_encoder_proj_layers=1, task_seq_len=32, max_seq_len=32, is_training=False,
    )  # fmt: skip
    _save(t.OneFormerForUniversalSegmentation, config, folder)
    processor = OneFormerImageProcessorPil(size={"shortest_edge": 32, "longest_edge": 64}, num_text=3)
    # As published: a table of labels that the library would ask the Hub for.
    processor.class_info_file = "coco_panoptic.json"
    processor.save_pretrained(folder)


def _speecht5(folder: Path) -> None:
    import json

    import transformers as t

    from tests.tiny_seq2seq import ended_tokenizer

    tokenizer = ended_tokenizer()
    tokenizer.save_pretrained(folder)
    t.SpeechT5FeatureExtractor(num_mel_bins=8, sampling_rate=RATE).save_pretrained(folder)
    config = t.SpeechT5Config(
        vocab_size=len(tokenizer), hidden_size=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16, num_mel_bins=8,
        speech_decoder_prenet_units=8, speaker_embedding_dim=12, speech_decoder_postnet_units=8,
        speech_decoder_postnet_layers=2, reduction_factor=2, max_text_positions=128,
    )  # fmt: skip
    _save(t.SpeechT5ForTextToSpeech, config, folder, 1.0)
    vocoder = t.SpeechT5HifiGanConfig(
        model_in_dim=8, upsample_initial_channel=8, upsample_rates=[4, 4], upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]], sampling_rate=RATE,
    )  # fmt: skip
    _save(t.SpeechT5HifiGan, vocoder, folder / "vocoder", 1.0)
    assert json.loads((folder / "vocoder" / "config.json").read_text())["sampling_rate"] == RATE


def _parakeet(folder: Path) -> None:
    import json

    import transformers as t

    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxy"]
    (folder / "vocab.json").write_text(json.dumps({letter: index for index, letter in enumerate(letters)}))
    t.Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    hears = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
        "subsampling_conv_channels": 8, "num_mel_bins": 16, "conv_kernel_size": 3,
    }  # fmt: skip
    config = t.ParakeetTDTConfig(
        encoder_config=hears, vocab_size=30, decoder_hidden_size=16, num_decoder_layers=1, blank_token_id=29,
        pad_token_id=0, max_symbols_per_step=2,
    )  # fmt: skip
    _save(t.ParakeetForTDT, config, folder)
    t.GenerationConfig(decoder_start_token_id=29, pad_token_id=0, max_length=60).save_pretrained(folder)
    t.ParakeetFeatureExtractor(feature_size=16, sampling_rate=RATE).save_pretrained(folder)


def _qwen2_audio(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")
    tokenizer.save_pretrained(folder)
    hears = {
        "num_mel_bins": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "d_model": 16,
        "max_source_positions": 100,
    }  # fmt: skip
    writes = {
        "model_type": "qwen2", "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(tokenizer),
        "max_position_embeddings": 256, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    mark = tokenizer.convert_tokens_to_ids("<|AUDIO|>")
    config = t.Qwen2AudioConfig(audio_config=hears, text_config=writes, audio_token_index=mark)
    _save(t.Qwen2AudioForConditionalGeneration, config, folder, 2.0)
    extractor = t.WhisperFeatureExtractor(feature_size=16, sampling_rate=RATE, chunk_length=2)
    t.Qwen2AudioProcessor(
        feature_extractor=extractor, tokenizer=tokenizer, chat_template=AUDIO_TEMPLATE
    ).save_pretrained(folder)


def _chat(folder: Path) -> None:
    tiny.build_tiny_llama(folder)
    import transformers as t

    tokenizer = t.AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT
    # A chat model's own vocabulary has these; this one has letters and the pieces of a few words.
    tokenizer.add_tokens(["Yes", "No"])
    tokenizer.save_pretrained(folder)
    model = t.AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)


def _jev(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    reads = {
        "model_type": "qwen2", "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(tokenizer) + 8,
        "max_position_embeddings": 256,
    }  # fmt: skip
    _save(t.JevForDecision, t.JevConfig(hidden_size=32, text_config=reads), folder)


def _xvector(folder: Path) -> None:
    import transformers as t

    config = t.Wav2Vec2Config(
        **_SIZES, conv_dim=(16, 16, 16), conv_stride=(10, 8, 4), conv_kernel=(10, 8, 4), num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4, vocab_size=30, layerdrop=0.0, tdnn_dim=(16, 16), tdnn_kernel=(3, 1),
        tdnn_dilation=(1, 1), xvector_output_dim=12,
    )  # fmt: skip
    _save(t.Wav2Vec2ForXVector, config, folder)
    t.Wav2Vec2FeatureExtractor(sampling_rate=RATE).save_pretrained(folder)


def _swin2sr(folder: Path) -> None:
    import transformers as t
    from transformers.models.swin2sr.image_processing_pil_swin2sr import Swin2SRImageProcessorPil

    config = t.Swin2SRConfig(
        image_size=16, embed_dim=12, depths=[1, 1], num_heads=[2, 2], window_size=4, num_feat=8, upscale=2
    )
    _save(t.Swin2SRForImageSuperResolution, config, folder, 1.0)
    Swin2SRImageProcessorPil(size_divisor=8).save_pretrained(folder)


_BUILDERS = {
    "mask-generation": _sam,
    "mask-generation-hq": partial(_sam, name="SamHQ"),
    "keypoint-detection": _superpoint,
    "pose": _vitpose,
    "keypoint-matching": _superglue,
    "lightglue": _lightglue,
    "video-classification": _videomae,
    "oneformer": _oneformer,
    "speecht5": _speecht5,
    "transducer": _parakeet,
    "any-to-any": _qwen2_audio,
    "decision": _chat,
    "jev": _jev,
    "x-vector": _xvector,
    "super-resolution": _swin2sr,
}
