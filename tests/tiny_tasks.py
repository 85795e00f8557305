"""Tiny real checkpoints for the tasks: heads on the tiny encoder, and models that see or hear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests import tiny
from workbench.engine.values import Checkpoint

NLI = ("contradiction", "neutral", "entailment")
"""Labels of the tiny model of natural language inference."""


def build_tiny_head(folder: Path, head: str) -> Checkpoint:
    """Save the tiny encoder with a head whose answers differ from input to input.

    Args:
        folder: Made when missing.
        head: An Auto class that BERT has.
    """
    checkpoint = tiny.build_tiny_bert(folder, head)
    _strengthen(folder)
    return checkpoint


def build_tiny_nli(folder: Path) -> Checkpoint:
    """Save a sequence classifier with the labels `NLI`."""
    import transformers

    from workbench.engine.values import Checkpoint

    tiny.build_tiny_bert(folder, "AutoModelForSequenceClassification")
    config = transformers.AutoConfig.from_pretrained(folder)
    config.id2label = dict(enumerate(NLI))
    config.label2id = {label: index for index, label in enumerate(NLI)}
    _save(transformers.AutoModelForSequenceClassification, config, folder)
    return Checkpoint("tiny-nli", folder)


def with_prefix(checkpoint: Checkpoint, task: str, prefix: str) -> Checkpoint:
    """Write what a checkpoint wants in front of the text for a task into its config."""
    file = checkpoint.path / "config.json"
    config = json.loads(file.read_text())
    config["task_specific_params"] = {task: {"prefix": prefix}}
    file.write_text(json.dumps(config))
    return checkpoint


THINGS = ("background", "house", "fox", "book")
"""Labels of the tiny models that see."""

_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


def build_tiny_vision(folder: Path, task: str) -> Checkpoint:
    """Save a model that sees, with the image processor it is used with.

    Args:
        folder: Made when missing.
        task: ``image-classification`` (ViT), ``image-feature-extraction`` (ViT), ``object-detection`` (YOLOS),
            ``image-segmentation`` (SegFormer, semantic), ``panoptic`` (MaskFormer), ``depth-estimation`` (GLPN) or
            ``zero-shot-image-classification`` (CLIP).
    """
    config, kind, processor = _vision(task)
    if task == "zero-shot-image-classification":
        tokenizer = tiny.byte_level_tokenizer()
        tokenizer.model_max_length = 32
        tokenizer.save_pretrained(folder)
    _save(kind, config, folder)
    processor.save_pretrained(folder)
    return Checkpoint(f"tiny-{task}", folder)


def _vision(task: str) -> tuple[Any, Any, Any]:
    import transformers as t
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.glpn.image_processing_pil_glpn import GLPNImageProcessorPil
    from transformers.models.maskformer.image_processing_pil_maskformer import MaskFormerImageProcessorPil
    from transformers.models.segformer.image_processing_pil_segformer import SegformerImageProcessorPil
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
    from transformers.models.yolos.image_processing_pil_yolos import YolosImageProcessorPil

    named: dict[str, Any] = {"id2label": dict(enumerate(THINGS)), "label2id": {n: i for i, n in enumerate(THINGS)}}
    side = {"height": 32, "width": 32}
    heads, stages = [1, 1, 2, 2], [1, 1, 1, 1]
    staged = {"num_encoder_blocks": 4, "depths": stages, "hidden_sizes": [8, 8, 16, 16], "num_attention_heads": heads}
    if task in ("image-classification", "image-feature-extraction"):
        kind = t.ViTForImageClassification if task == "image-classification" else t.ViTModel
        return t.ViTConfig(**_SIZES, **named, image_size=32, patch_size=8), kind, ViTImageProcessorPil(size=side)
    if task == "object-detection":
        grid = {"image_size": [48, 64], "patch_size": 16, "num_detection_tokens": 6}
        config = t.YolosConfig(**_SIZES, **named, **grid, use_mid_position_embeddings=False)
        processor = YolosImageProcessorPil(size={"shortest_edge": 48, "longest_edge": 64})
        return config, t.YolosForObjectDetection, processor
    if task == "image-segmentation":
        config = t.SegformerConfig(**staged, **named, decoder_hidden_size=16)
        return config, t.SegformerForSemanticSegmentation, SegformerImageProcessorPil(size={"height": 64, "width": 64})
    if task == "panoptic":
        four = [f"stage{number}" for number in (1, 2, 3, 4)]
        sees = t.SwinConfig(
            image_size=64, embed_dim=8, depths=stages, num_heads=heads, window_size=2, out_features=four
        )
        decodes = t.DetrConfig(
            d_model=32, decoder_layers=1, encoder_layers=1, decoder_attention_heads=2, encoder_attention_heads=2,
            decoder_ffn_dim=16, encoder_ffn_dim=16, num_queries=6,
            backbone_config=t.ResNetConfig(out_features=["stage4"]),
        )  # fmt: skip
        sizes = {"fpn_feature_size": 32, "mask_feature_size": 32}
        config = t.MaskFormerConfig(**sizes, **named, backbone_config=sees, decoder_config=decodes)
        return (
            config,
            t.MaskFormerForInstanceSegmentation,
            MaskFormerImageProcessorPil(size={"height": 64, "width": 64}, size_divisor=32),
        )
    if task == "depth-estimation":
        return t.GLPNConfig(**staged, decoder_hidden_size=16), t.GLPNForDepthEstimation, GLPNImageProcessorPil()
    reads = {**_SIZES, "vocab_size": 384, "max_position_embeddings": 32, "bos_token_id": 1, "eos_token_id": 2}
    looks = {**_SIZES, "image_size": 32, "patch_size": 8}
    config = t.CLIPConfig(text_config=reads, vision_config=looks, projection_dim=16)
    return config, t.CLIPModel, CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side)


RATE = 16_000
"""Samples a second of the tiny models that hear."""


def build_tiny_audio(folder: Path, task: str) -> Checkpoint:
    """Save a model that hears or speaks, with what it is used with.

    Args:
        folder: Made when missing.
        task: ``audio-classification`` (Wav2Vec2), ``automatic-speech-recognition`` (Wav2Vec2 with CTC), ``whisper`` or
            ``text-to-audio`` (VITS).
    """
    import transformers as t

    folder.mkdir(parents=True, exist_ok=True)
    if task == "whisper":
        return _whisper(folder)
    if task == "text-to-audio":
        return _vits(folder)
    config = t.Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, conv_dim=(16, 16, 16),
        conv_stride=(10, 8, 4), conv_kernel=(10, 8, 4), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
        vocab_size=30, pad_token_id=0, id2label=dict(enumerate(THINGS)), layerdrop=0.0,
    )  # fmt: skip
    if task == "audio-classification":
        _save(t.Wav2Vec2ForSequenceClassification, config, folder)
    else:
        letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxy"]
        (folder / "vocab.json").write_text(json.dumps({letter: index for index, letter in enumerate(letters)}))
        t.Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
        _save(t.Wav2Vec2ForCTC, config, folder)
    t.Wav2Vec2FeatureExtractor(sampling_rate=RATE).save_pretrained(folder)
    return Checkpoint(f"tiny-{task}", folder)


def _whisper(folder: Path) -> Checkpoint:
    import transformers as t
    from tokenizers import AddedToken, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: index for index, letter in enumerate([*letters, "<|endoftext|>"])}
    tokenizer = t.WhisperTokenizer(vocab=vocab, merges=[])
    marks = "startoftranscript en translate transcribe startoflm startofprev nospeech notimestamps"
    tokenizer.add_special_tokens({"extra_special_tokens": [f"<|{mark}|>" for mark in marks.split()]})
    tokenizer.add_tokens([AddedToken(f"<|{number * 0.02:.2f}|>", special=False) for number in range(1501)])
    tokenizer.save_pretrained(folder)
    t.WhisperFeatureExtractor(feature_size=16, sampling_rate=RATE).save_pretrained(folder)
    ids = {"decoder_start_token_id": 257, "pad_token_id": 256, "bos_token_id": 256, "eos_token_id": 256}
    config = t.WhisperConfig(
        vocab_size=len(tokenizer), num_mel_bins=16, d_model=16, encoder_layers=1, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
        max_source_positions=1500, max_target_positions=64, **ids,
    )  # fmt: skip
    _save(t.WhisperForConditionalGeneration, config, folder, 4.0)
    t.GenerationConfig(
        **ids, no_timestamps_token_id=264, lang_to_id={"<|en|>": 258}, task_to_id={"translate": 259, "transcribe": 260},
        is_multilingual=True, alignment_heads=[[0, 0], [1, 1]], max_initial_timestamp_index=50, suppress_tokens=[],
        begin_suppress_tokens=[], prev_sot_token_id=262, max_length=60,
    ).save_pretrained(folder)  # fmt: skip
    return Checkpoint("tiny-whisper", folder)


def _vits(folder: Path) -> Checkpoint:
    import transformers as t

    letters = ["<pad>", "<unk>", *"abcdefghijklmnopqrstuvwxyz '"]
    (folder / "vocab.json").write_text(json.dumps({letter: index for index, letter in enumerate(letters)}))
    t.VitsTokenizer(str(folder / "vocab.json"), phonemize=False).save_pretrained(folder)
    config = t.VitsConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16, flow_size=16,
        spectrogram_bins=9, upsample_initial_channel=32, upsample_rates=[4, 4], upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]], prior_encoder_num_flows=1,
        duration_predictor_num_flows=1, duration_predictor_filter_channels=16, prior_encoder_num_wavenet_layers=1,
        posterior_encoder_num_wavenet_layers=1, depth_separable_num_layers=1, sampling_rate=RATE, speaking_rate=0.5,
    )  # fmt: skip
    _save(t.VitsModel, config, folder, 1.0)
    return Checkpoint("tiny-vits", folder)


def sound(folder: Path, seconds: float = 1.0, rate: int = RATE, channels: int = 1, name: str = "tone.wav") -> Path:
    """Save a tone with noise.

    Args:
        folder: Where to.
        seconds: How long it lasts.
        rate: Samples a second.
        channels: How many, each a little quieter than the one before.
        name: Its ending gives the format.
    """
    import numpy
    import soundfile

    moments = numpy.arange(int(seconds * rate)) / rate
    noise = numpy.random.default_rng(0).normal(0, 0.05, len(moments))
    tone = 0.3 * numpy.sin(2 * numpy.pi * (200 + 300 * moments) * moments) + noise
    loud = 1 / numpy.arange(1, channels + 1)
    soundfile.write(folder / name, (tone[:, None] * loud).astype("float32"), rate)
    return folder / name


def _save(kind: object, config: object, folder: Path, scale: float = 3.0) -> None:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        build = getattr(kind, "from_config", kind)
        model = build(config)
    # Fresh weights say nearly the same of every input; stronger ones tell them apart.
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(scale)
                if not weight.any():
                    weight.normal_(generator=torch.Generator().manual_seed(0))
    model.save_pretrained(folder)


def _strengthen(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    weights = {name: weight * 3 if weight.dim() > 1 else weight for name, weight in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})


def build_tiny_other(folder: Path, task: str) -> Checkpoint:
    """Save a model of a rarer kind, with what it is used with.

    Args:
        folder: Made when missing.
        task: ``zero-shot-object-detection`` (OWL-ViT), ``zero-shot-audio-classification`` (CLAP),
            ``visual-question-answering`` (ViLT), ``table-question-answering`` (TAPAS) or
            ``document-question-answering`` (LayoutLM).
    """
    import transformers as t
    from transformers.models.owlvit.image_processing_pil_owlvit import OwlViTImageProcessorPil
    from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil

    folder.mkdir(parents=True, exist_ok=True)
    named: dict[str, Any] = {"id2label": dict(enumerate(THINGS)), "label2id": {n: i for i, n in enumerate(THINGS)}}
    if task == "table-question-answering":
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[EMPTY]", *"abcdefghijklmnopqrstuvwxyz0123456789?"]
        words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
        (folder / "vocab.txt").write_text("\n".join(words))
        t.TapasTokenizer(str(folder / "vocab.txt"), model_max_length=128).save_pretrained(folder)
        config = t.TapasConfig(
            **_SIZES, vocab_size=len(words), max_position_embeddings=128, num_aggregation_labels=4,
            aggregation_labels={0: "NONE", 1: "SUM", 2: "AVERAGE", 3: "COUNT"}, no_aggregation_label_index=0,
            select_one_column=True,
        )  # fmt: skip
        _save(t.TapasForQuestionAnswering, config, folder)
        return Checkpoint("tiny-tapas", folder)
    if task == "document-question-answering":
        tiny.build_tiny_bert(folder)
        size = len(t.AutoTokenizer.from_pretrained(folder))
        config = t.LayoutLMConfig(**_SIZES, vocab_size=size, max_position_embeddings=128)
        _save(t.LayoutLMForQuestionAnswering, config, folder)
        return Checkpoint("tiny-layoutlm", folder)
    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.model_max_length = 32
    tokenizer.save_pretrained(folder)
    reads = {**_SIZES, "vocab_size": 384, "max_position_embeddings": 40, "bos_token_id": 1, "eos_token_id": 2}
    if task == "visual-question-answering":
        config = t.ViltConfig(
            **_SIZES, **named, vocab_size=384, image_size=32, patch_size=8, max_position_embeddings=40
        )
        _save(t.ViltForQuestionAnswering, config, folder)
        ViltImageProcessorPil(size={"shortest_edge": 32}, size_divisor=8).save_pretrained(folder)
    elif task == "zero-shot-object-detection":
        looks = {**_SIZES, "image_size": 32, "patch_size": 8}
        config = t.OwlViTConfig(text_config={**reads, "pad_token_id": 0}, vision_config=looks, projection_dim=32)
        _save(t.OwlViTForObjectDetection, config, folder)
        OwlViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    else:
        hears = {
            "spec_size": 64, "patch_size": 4, "patch_stride": [4, 4], "num_mel_bins": 16, "hidden_size": 16,
            "patch_embeds_hidden_size": 8, "depths": [1, 1], "num_attention_heads": [2, 2], "window_size": 4,
            "num_hidden_layers": 2, "projection_dim": 16, "enable_fusion": False,
        }  # fmt: skip
        config = t.ClapConfig(
            text_config={**reads, "pad_token_id": 0, "projection_dim": 16}, audio_config=hears, projection_dim=16
        )
        _save(t.ClapModel, config, folder)
        t.ClapFeatureExtractor(
            feature_size=16, sampling_rate=RATE, hop_length=160, max_length_s=2, fft_window_size=512,
            truncation="rand_trunc", frequency_max=8000,
        ).save_pretrained(folder)  # fmt: skip
    return Checkpoint(f"tiny-{task}", folder)
