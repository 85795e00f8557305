"""Tiny checkpoints that the library reads with packages of the program's extras alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests import tiny
from tests.tiny_tasks import RATE, _save
from workbench.engine.values import Checkpoint

NEEDS = {
    "granite_speech": ("torchaudio",), "granite_speech5": ("torchaudio",), "fun_asr_nano": ("torchaudio",),
    "neucodec": ("torchaudio",), "xcodec2": ("torchaudio",), "voxtral": ("mistral_common", "soxr"),
    "voxtral_realtime": ("mistral_common", "soxr"),
    "pop2piano": ("essentia", "librosa", "resampy", "pretty_midi"), "timm": ("timm",),
    "edgetam": ("timm", "torchvision"), "pp_ocr": ("cv2", "torchvision"),
}  # fmt: skip
"""Each kind, with the packages that are imported for it."""

_TEXT = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 2048,
}  # fmt: skip


def build(folder: Path, kind: str) -> Checkpoint:
    """Save a model of a kind.

    Args:
        folder: Made when missing.
        kind: One of `NEEDS`, whose packages have to be there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    builders = {
        "granite_speech": _granite, "granite_speech5": _granite5, "fun_asr_nano": _fun, "neucodec": _codec,
        "xcodec2": _codec, "voxtral": _voxtral, "voxtral_realtime": _voxtral, "pop2piano": _piano, "timm": _timm,
        "edgetam": _edgetam, "pp_ocr": _reads,
    }  # fmt: skip
    builders[kind](folder, *([kind] if builders[kind] in (_codec, _voxtral) else []))
    return Checkpoint(f"tiny-{kind}", folder)


def _ids(tokenizer: Any) -> dict[str, Any]:
    return {"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def granite(folder: Path) -> Any:
    """The weights of a Granite Speech and its tokenizer, which need no package; the tokenizer is given back."""
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer("<|audio|>")
    tokenizer.chat_template = "{% for message in messages %}USER: {{ message['content'] }}\nASSISTANT:{% endfor %}"
    config = t.GraniteSpeechConfig(
        text_config={"model_type": "granite", **_TEXT, **_ids(tokenizer)},
        encoder_config={"input_dim": 160, "num_layers": 2, "hidden_dim": 16, "num_heads": 2, "output_dim": 8,
                        "context_size": 20, "max_pos_emb": 32, "conv_kernel_size": 3},
        projector_config={"model_type": "blip_2_qformer", "hidden_size": 16, "num_hidden_layers": 1,
                          "num_attention_heads": 2, "intermediate_size": 16, "encoder_hidden_size": 16},
        audio_token_index=tokenizer.convert_tokens_to_ids("<|audio|>"), has_lora_adapter=False,
    )  # fmt: skip
    _save(t.GraniteSpeechForConditionalGeneration, config, folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _granite(folder: Path) -> None:
    import transformers as t

    tokenizer = granite(folder)
    t.GraniteSpeechProcessor(
        t.GraniteSpeechFeatureExtractor(), tokenizer, chat_template=tokenizer.chat_template
    ).save_pretrained(folder)


def _granite5(folder: Path) -> None:
    import transformers as t

    letters = {letter: index for index, letter in enumerate(["<pad>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz"])}
    (folder / "vocab.json").write_text(json.dumps(letters))
    tokenizer = t.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), pad_token="<pad>", unk_token="<unk>")
    hears = {
        "vocab_size": len(letters), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "context_size": 20, "max_position_embeddings": 32, "conv_kernel_size": 3,
    }  # fmt: skip
    _save(t.GraniteSpeech5ForCTC, t.GraniteSpeech5CTCConfig(encoder_config=hears, vocab_size=len(letters)), folder)
    t.GraniteSpeech5Processor(t.GraniteSpeech5FeatureExtractor(), tokenizer).save_pretrained(folder)


def _fun(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer("<|object_ref_start|>")
    hears = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    config = t.FunAsrNanoConfig(
        audio_config={"model_type": "fun_asr_nano_encoder", **hears, "num_hidden_layers": 3,
                      "num_timestamp_prediction_layers": 1, "max_position_embeddings": 256},
        adaptor_config={**hears, "num_hidden_layers": 1, "intermediate_size": 4, "projector_hidden_size": 16},
        text_config={"model_type": "qwen3", **_TEXT, **_ids(tokenizer)},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|object_ref_start|>"),
    )  # fmt: skip
    _save(t.FunAsrNanoForConditionalGeneration, config, folder)
    asks = (
        "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'audio' %}"
        "<|object_ref_start|>{% elif part['type'] == 'language' %}to {{ part['language'] }}:"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    )
    t.FunAsrNanoProcessor(t.FunAsrNanoFeatureExtractor(), tokenizer, chat_template=asks).save_pretrained(folder)


def _codec(folder: Path, kind: str) -> None:
    import transformers as t

    name = {"neucodec": "NeuCodec", "xcodec2": "Xcodec2"}[kind]
    means = {
        "model_type": "wav2vec2-bert", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 16, "feature_projection_input_dim": 160, "conv_depthwise_kernel_size": 3,
    }  # fmt: skip
    config = getattr(t, f"{name}Config")(
        **{**_TEXT, "hidden_size": 32}, encoder_hidden_size=4, semantic_model_config=means, quantization_dim=48,
        quantization_levels=[4, 4],
    )  # fmt: skip
    _save(getattr(t, f"{name}Model"), config, folder, 1.0)
    getattr(t, f"{name}FeatureExtractor")().save_pretrained(folder)


def _tekken(folder: Path, **hears: Any) -> None:
    """The tokenizer of bytes as Mistral writes one, with the special tokens of Voxtral where its have them."""
    named = {
        0: "<unk>", 1: "<s>", 2: "</s>", 3: "[INST]", 4: "[/INST]", 5: "[AVAILABLE_TOOLS]", 6: "[/AVAILABLE_TOOLS]",
        7: "[TOOL_RESULTS]", 8: "[/TOOL_RESULTS]", 9: "[TOOL_CALLS]", 10: "[IMG]", 11: "<pad>", 12: "[IMG_BREAK]",
        13: "[IMG_END]", 14: "[PREFIX]", 15: "[MIDDLE]", 16: "[SUFFIX]", 17: "[SYSTEM_PROMPT]", 18: "[/SYSTEM_PROMPT]",
        19: "[TOOL_CONTENT]", 24: "[AUDIO]", 25: "[BEGIN_AUDIO]", 32: "[STREAMING_PAD]", 33: "[STREAMING_WORD]",
        34: "[TRANSCRIBE]",
    }  # fmt: skip
    special = [
        {"rank": rank, "token_str": named.get(rank, f"<SPECIAL_{rank}>"), "is_control": True} for rank in range(40)
    ]
    letters = [
        {"rank": byte, "token_bytes": base64.b64encode(bytes([byte])).decode(), "token_str": chr(byte)}
        for byte in range(256)
    ]
    audio = {
        "sampling_rate": RATE, "frame_rate": 12.5, **hears,
        "audio_encoding_config": {"num_mel_bins": 128, "hop_length": 160, "window_size": 400},
    }  # fmt: skip
    settings = {
        "pattern": r"\w+|\W", "num_vocab_tokens": 296, "default_vocab_size": 296, "default_num_special_tokens": 40,
        "version": "v7",
    }  # fmt: skip
    made = {"config": settings, "vocab": letters, "special_tokens": special, "audio": audio}
    (folder / "tekken.json").write_text(json.dumps(made))


def mistral(folder: Path) -> Checkpoint:
    """Save a model that writes, whose tokenizer is Mistral's own and has no chat template."""
    import transformers as t

    _tekken(folder)
    ids = {"vocab_size": 296, "pad_token_id": 11, "bos_token_id": 1, "eos_token_id": 2}
    _save(t.MistralForCausalLM, t.MistralConfig(**_TEXT, **ids), folder, 5.0)
    return Checkpoint("tiny-mistral", folder)


def _voxtral(folder: Path, kind: str) -> None:
    import transformers as t

    text = {**_TEXT, "vocab_size": 296, "pad_token_id": 11, "bos_token_id": 1, "eos_token_id": 2}
    if kind == "voxtral":
        _tekken(folder, chunk_length_s=30.0)
        hears = {"hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
        config = t.VoxtralConfig(audio_config=hears, text_config=text, audio_token_id=24)
        _save(t.VoxtralForConditionalGeneration, config, folder)
        t.WhisperFeatureExtractor(feature_size=128).save_pretrained(folder)
        return
    _tekken(folder, transcription_format="streaming", transcription_delay_ms=480.0,
            streaming_look_ahead_ms=2.5, streaming_look_back_ms=52.5, streaming_n_left_pad_tokens=4)  # fmt: skip
    hears = {**_TEXT, "num_mel_bins": 128}
    config = t.VoxtralRealtimeConfig(audio_config=hears, text_config=text)
    _save(t.VoxtralRealtimeForConditionalGeneration, config, folder)
    t.VoxtralRealtimeFeatureExtractor(feature_size=128).save_pretrained(folder)


def _piano(folder: Path) -> None:
    import transformers as t

    names = [*(f"{number}_TOKEN_SPECIAL" for number in range(4)), "0_TOKEN_VELOCITY", "77_TOKEN_VELOCITY"]
    names += [f"{number}_TOKEN_TIME" for number in range(1, 9)] + [f"{number}_TOKEN_NOTE" for number in range(128)]
    (folder / "vocab.json").write_text(json.dumps({name: index for index, name in enumerate(names)}))
    tokenizer = t.Pop2PianoTokenizer(str(folder / "vocab.json"))
    config = t.Pop2PianoConfig(
        vocab_size=len(names), composer_vocab_size=2, d_model=512, d_kv=8, d_ff=16, num_layers=1, num_heads=2
    )
    _save(t.Pop2PianoForConditionalGeneration, config, folder)
    composers = {"composer1": 2, "composer2": 3}
    t.GenerationConfig(
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, composer_to_feature_token=composers
    ).save_pretrained(folder)
    t.Pop2PianoProcessor(t.Pop2PianoFeatureExtractor(), tokenizer).save_pretrained(folder)


def song(folder: Path, seconds: float = 8.0) -> Path:
    """A sound with a beat: a click each half second."""
    import numpy
    import soundfile

    rate = 44_100
    drawn = numpy.random.default_rng(0)
    samples = numpy.zeros(int(seconds * rate), numpy.float32)
    for beat in range(int(seconds * 2)):
        start = beat * rate // 2
        samples[start : start + 2000] = drawn.normal(size=2000) * numpy.linspace(0.8, 0.0, 2000)
    path = folder / "song.wav"
    soundfile.write(path, samples, rate)
    return path


def _timm(folder: Path) -> None:
    """As timm publishes one: its config names neither an architecture of the library nor a kind of model."""
    import timm
    import torch

    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=3)
    timm.models.save_for_hf(
        model, folder, model_config={"label_names": ["fox", "house", "sun"]}, safe_serialization=True
    )
    config = json.loads((folder / "config.json").read_text())
    del config["model_args"]  # those that are published have none
    (folder / "config.json").write_text(json.dumps(config))


def _edgetam(folder: Path) -> None:
    import transformers as t

    backbone = t.TimmWrapperConfig(
        architecture="test_resnet", model_args={"in_chans": 3, "features_only": True, "out_indices": [1, 2, 3, 4]}
    )
    sees = {
        "backbone_config": backbone, "backbone_channel_list": [96, 192, 48, 32],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]], "fpn_hidden_size": 16,
    }  # fmt: skip
    asks = {"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4}
    draws = {"hidden_size": 16, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
             "iou_head_hidden_dim": 16, "iou_head_depth": 2}  # fmt: skip
    config = t.EdgeTamConfig(vision_config=sees, prompt_encoder_config=asks, mask_decoder_config=draws)
    _save(t.EdgeTamModel, config, folder)
    t.Sam2ImageProcessor(size={"height": 64, "width": 64}, mask_size={"height": 16, "width": 16}).save_pretrained(
        folder
    )


def _reads(folder: Path) -> None:
    import transformers as t

    _save(t.PPOCRV5MobileDetForObjectDetection, t.PPOCRV5MobileDetConfig(), folder, 1.0)
    t.PPOCRV5ServerDetImageProcessor().save_pretrained(folder)
