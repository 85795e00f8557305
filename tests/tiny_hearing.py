"""Tiny checkpoints that are asked for a transcript, with the processors that ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests import tiny
from tests.tiny_tasks import RATE, _save
from workbench.engine.values import Checkpoint

#: As those of the published checkpoints, as far as their processors look at them.
_ASKS = (
    "{% for message in messages %}<|im_start|>{% if message['content'] is not string %}"
    "{% for part in message['content'] %}{% if part['type'] == 'audio' %}AUDIO"
    "{% elif 'source_language' in part %}<|{{ part['source_language'] }}|><|{{ part['target_language'] }}|>"
    "{% elif part['text'] %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{% endfor %}"
)

_ENCODER = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "subsampling_conv_channels": 8, "num_mel_bins": 16, "conv_kernel_size": 3, "max_position_embeddings": 300,
}  # fmt: skip
_DECODER = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128,
}  # fmt: skip


def build(folder: Path, kind: str) -> Checkpoint:
    """Save a model that is asked for a transcript.

    Args:
        folder: Made when missing.
        kind: ``canary``, ``cohere_asr``, ``glmasr``, ``moss_transcribe_diarize``, ``qwen3_asr``, ``vibevoice_asr``;
            ``kyutai``, ``moonshine`` and ``moonshine_streaming``, which are only given the sound; ``omni``, which
            answers anything, ``audioflamingo3`` and ``musicflamingo``, which answer about sounds; or ``aligner``, which
            says when each word was said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    builders = {
        "canary": _canary, "cohere_asr": _cohere, "glmasr": _glm, "moss_transcribe_diarize": _moss, "qwen3_asr": _qwen,
        "vibevoice_asr": _vibevoice, "kyutai": _kyutai, "moonshine": _moonshine,
        "moonshine_streaming": _moonshine_streaming, "omni": _omni, "audioflamingo3": _flamingo,
        "musicflamingo": lambda folder: _flamingo(folder, "MusicFlamingo"), "aligner": _aligner,
    }  # fmt: skip
    builders[kind](folder)
    return Checkpoint(f"tiny-{kind}", folder)


def _ids(tokenizer: Any) -> dict[str, Any]:
    return {"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def _canary(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer("<|en|>", "<|de|>", "<|fr|>")
    ids = _ids(tokenizer)
    config = t.CanaryConfig(
        **ids, decoder_start_token_id=1, encoder_config={"model_type": "parakeet_encoder", **_ENCODER},
        decoder_config={**_DECODER, **ids},
    )  # fmt: skip
    _save(t.CanaryForConditionalGeneration, config, folder)
    t.CanaryProcessor(
        t.ParakeetFeatureExtractor(feature_size=16, sampling_rate=RATE), tokenizer,
        chat_template=_ASKS.replace("AUDIO", ""),
    ).save_pretrained(folder)  # fmt: skip


def _cohere(folder: Path) -> None:
    import transformers as t

    marks = ["▁", "<|startofcontext|>", "<|startoftranscript|>", "<|emo:undefined|>", "<|en|>", "<|de|>", "<|pnc|>",
             "<|nopnc|>", "<|noitn|>", "<|notimestamp|>", "<|nodiarize|>"]  # fmt: skip
    tokenizer = tiny.byte_level_tokenizer(*marks)
    config = t.CohereAsrConfig(
        **_DECODER, **_ids(tokenizer), decoder_start_token_id=tokenizer.convert_tokens_to_ids("▁"),
        encoder_config={"model_type": "parakeet_encoder", **_ENCODER},
    )  # fmt: skip
    _save(t.CohereAsrForConditionalGeneration, config, folder)
    extractor = t.CohereAsrFeatureExtractor(feature_size=16, sampling_rate=RATE, max_audio_clip_s=2)
    t.CohereAsrProcessor(extractor, tokenizer).save_pretrained(folder)


def _qwen(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer("<|audio_pad|>", "<|audio_start|>", "<|audio_end|>")
    names = {"audio_token": "<|audio_pad|>", "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>"}
    tokenizer = t.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>",
        pad_token="<|endoftext|>", model_max_length=256, extra_special_tokens=names,
    )  # fmt: skip
    mark = tokenizer.convert_tokens_to_ids("<|audio_pad|>")
    hears = {
        "num_mel_bins": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "d_model": 16,
        "output_dim": 16, "downsample_hidden_size": 8,
    }  # fmt: skip
    config = t.Qwen3ASRConfig(
        audio_config={"model_type": "qwen3_asr_encoder", **hears},
        text_config={"model_type": "qwen3", **_DECODER, **_ids(tokenizer)}, audio_token_id=mark,
        timestamp_token_id=mark, pad_token_id=0, eos_token_id=2,
    )  # fmt: skip
    _save(t.Qwen3ASRForConditionalGeneration, config, folder)
    t.Qwen3ASRProcessor(
        t.Qwen3ASRFeatureExtractor(feature_size=16, sampling_rate=RATE), tokenizer,
        chat_template=_ASKS.replace("AUDIO", "<|audio_start|><|audio_pad|><|audio_end|>"),
    ).save_pretrained(folder)  # fmt: skip


def _vibevoice(folder: Path) -> None:
    import transformers as t

    names = ("<|box_start|>", "<|object_ref_start|>", "<|object_ref_end|>")
    tokenizer = tiny.byte_level_tokenizer(*names)
    marks = tokenizer.convert_tokens_to_ids(names)
    hears = {"model_type": "vibevoice_acoustic_tokenizer_encoder", "num_filters": 2, "depths": [1, 1],
             "downsampling_ratios": [40]}  # fmt: skip
    config = t.VibeVoiceAsrConfig(
        acoustic_tokenizer_encoder_config={**hears, "hidden_size": 8},
        semantic_tokenizer_encoder_config={**hears, "hidden_size": 8},
        text_config={"model_type": "qwen2", **_DECODER, **_ids(tokenizer)}, audio_token_id=marks[0],
        audio_bos_token_id=marks[1], audio_eos_token_id=marks[2], acoustic_tokenizer_chunk_size=8000,
    )  # fmt: skip
    _save(t.VibeVoiceAsrForConditionalGeneration, config, folder)
    t.VibeVoiceAsrProcessor(
        t.VibeVoiceAcousticTokenizerFeatureExtractor(sampling_rate=RATE), tokenizer,
        chat_template=_ASKS.replace("AUDIO", "<|object_ref_start|><|box_start|><|object_ref_end|>"),
    ).save_pretrained(folder)  # fmt: skip


def _glm(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer("<|pad|>")
    hears = {"hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = t.GlmAsrConfig(
        audio_config={**hears, "num_mel_bins": 16, "head_dim": 8}, text_config={**_DECODER, **_ids(tokenizer)},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|pad|>"),
    )  # fmt: skip
    _save(t.GlmAsrForConditionalGeneration, config, folder)
    extractor = t.WhisperFeatureExtractor(feature_size=16, sampling_rate=RATE)
    t.GlmAsrProcessor(extractor, tokenizer, chat_template=_ASKS.replace("AUDIO", "<|pad|>")).save_pretrained(folder)


def _moss(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer("<|audio_pad|>", "<|audio_start|>", "<|audio_end|>")
    hears = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = t.MossTranscribeDiarizeConfig(
        audio_config={**hears, "num_mel_bins": 16}, text_config={"model_type": "qwen3", **_DECODER, **_ids(tokenizer)},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio_pad|>"),
    )  # fmt: skip
    _save(t.MossTranscribeDiarizeForConditionalGeneration, config, folder)
    t.MossTranscribeDiarizeProcessor(
        t.MossTranscribeDiarizeFeatureExtractor(feature_size=16, sampling_rate=RATE), tokenizer,
        chat_template=_ASKS.replace("AUDIO", "<|audio_start|><|audio_pad|><|audio_end|>"),
    ).save_pretrained(folder)  # fmt: skip


def _moonshine(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.save_pretrained(folder)
    parts = {
        f"{part}_num_{what}": count
        for part in ("encoder", "decoder")
        for what, count in (("hidden_layers", 1), ("attention_heads", 2))
    }
    config = t.MoonshineConfig(
        **parts, hidden_size=16, intermediate_size=16, vocab_size=len(tokenizer), pad_token_id=0, bos_token_id=1,
        eos_token_id=2,
    )  # fmt: skip
    _save(t.MoonshineForConditionalGeneration, config, folder)
    t.Wav2Vec2FeatureExtractor(return_attention_mask=True, sampling_rate=RATE).save_pretrained(folder)


def _moonshine_streaming(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer()
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = t.MoonshineStreamingConfig(
        **shape, **_ids(tokenizer), num_key_value_heads=2, decoder_start_token_id=1,
        encoder_config={**shape, "num_key_value_heads": 2, "sliding_windows": [[16, 4]]},
    )  # fmt: skip
    _save(t.MoonshineStreamingForConditionalGeneration, config, folder)
    t.MoonshineStreamingProcessor(
        t.Wav2Vec2FeatureExtractor(return_attention_mask=True, sampling_rate=RATE), tokenizer
    ).save_pretrained(folder)


def _kyutai(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer()
    codec = {
        "model_type": "mimi", "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
        "intermediate_size": 16, "num_filters": 4, "upsampling_ratios": [8, 6, 5, 4], "codebook_size": 32,
        "codebook_dim": 8, "num_quantizers": 3, "vector_quantization_hidden_dimension": 8, "upsample_groups": 16,
        "head_dim": 8, "num_key_value_heads": 2,
    }  # fmt: skip
    size = len(tokenizer)
    config = t.KyutaiSpeechToTextConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, head_dim=8, ffn_dim=32, num_codebooks=3,
        codebook_vocab_size=33, vocab_size=size, audio_bos_token_id=32, audio_pad_token_id=size + 3 * 33,
        pad_token_id=3, bos_token_id=1, codec_config=codec,
    )  # fmt: skip
    _save(t.KyutaiSpeechToTextForConditionalGeneration, config, folder)
    t.KyutaiSpeechToTextProcessor(t.KyutaiSpeechToTextFeatureExtractor(), tokenizer).save_pretrained(folder)


def _omni(folder: Path) -> None:
    import torch
    import transformers as t

    marks_of = {"audio": "<a>", "image": "<i>", "video": "<v>"}
    names = {f"{kind}_token": mark for kind, mark in marks_of.items()}
    names |= {f"{kind}_{end}_token": f"<{end[0]}>" for kind in ("vision", "audio") for end in ("bos", "eos")}
    tokenizer = t.PreTrainedTokenizerFast(
        tokenizer_object=tiny.byte_level_tokenizer("<a>", "<i>", "<v>", "<b>", "<e>").backend_tokenizer,
        bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=256,
        extra_special_tokens=names,
    )  # fmt: skip
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{% for part in message['content'] %}{% if part['type'] == 'image' %}"
        "<b><i><e>{% elif part['type'] == 'audio' %}<b><a><e>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
        "{% endfor %}"
    )
    tokenizer.save_pretrained(folder)
    looks = t.Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=4 * 28 * 28).to_dict()
    listens = t.WhisperFeatureExtractor(feature_size=16, sampling_rate=RATE).to_dict()
    kinds = {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5OmniProcessor"}
    listens["mel_filters"] = None
    (folder / "preprocessor_config.json").write_text(json.dumps(looks | listens | kinds))
    writes = {
        "hidden_size": 32, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]},
    }  # fmt: skip
    marks = {"audio_token_index": 384, "image_token_index": 385, "video_token_index": 386}
    hears = {"num_mel_bins": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16,
             "d_model": 16, "output_dim": 32}  # fmt: skip
    sees = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32,
            "fullatt_block_indexes": [0]}  # fmt: skip
    thinks = {
        "text_config": {**writes, "vocab_size": len(tokenizer)}, "audio_config": hears, "vision_config": sees, **marks,
        "vision_start_token_id": 387, "vision_end_token_id": 388,
    }  # fmt: skip
    codes = {
        "tts_text_start_token_id": 5, "tts_text_end_token_id": 6, "tts_text_pad_token_id": 7,
        "tts_codec_start_token_id": 50, "tts_codec_end_token_id": 51, "tts_codec_pad_token_id": 52,
        "tts_codec_mask_token_id": 53,
    }  # fmt: skip
    talks = {**writes, **marks, **codes, "vocab_size": 60, "embedding_size": 32, "head_dim": 16}
    draws = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "emb_dim": 16, "head_dim": 8, "mel_dim": 8,
        "enc_emb_dim": 8, "enc_dim": 8, "enc_channels": [8, 8, 8, 8, 24], "enc_attention_channels": 8,
        "enc_se_channels": 8, "num_embeds": 60, "look_ahead_layers": [0], "look_backward_layers": [0],
    }  # fmt: skip
    sings = {
        "mel_dim": 8, "upsample_initial_channel": 16, "upsample_rates": [2, 2], "upsample_kernel_sizes": [4, 4],
        "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 1, 1]],
    }  # fmt: skip
    config = t.Qwen2_5OmniConfig(
        thinker_config=thinks, talker_config=talks, token2wav_config={"dit_config": draws, "bigvgan_config": sings}
    )
    _save(t.Qwen2_5OmniForConditionalGeneration, config, folder)
    speaker = {"bos_token": 5, "cond": torch.zeros(1, 8), "ref_mel": torch.zeros(1, 10, 8)}
    torch.save({"Chelsie": speaker}, folder / "spk_dict.pt")


def bodies(folder: Path, checkpoint: Checkpoint) -> Checkpoint:
    """Save what a checkpoint has below its head, with all it is used with."""
    import shutil

    import transformers as t

    shutil.copytree(checkpoint.path, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    t.AutoModel.from_pretrained(checkpoint.path).save_pretrained(folder)
    return Checkpoint(f"{checkpoint.name}-body", folder)


def _flamingo(folder: Path, name: str = "AudioFlamingo3") -> None:
    import transformers as t

    marks = ["<sound>", "<|sound_bos|>", "<|sound_eos|>"]
    tokenizer = tiny.byte_level_tokenizer(*marks)
    tokenizer.model_max_length = 2048
    sound, begins, ends = tokenizer.convert_tokens_to_ids(marks)
    hears = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    music = {
        "audio_bos_token_id": begins, "audio_eos_token_id": ends,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1200.0, "partial_rotary_factor": 0.5},
    }  # fmt: skip
    config = getattr(t, f"{name}Config")(
        audio_config={"model_type": "audioflamingo3_encoder", **hears, "num_mel_bins": 16},
        text_config={"model_type": "qwen2", **_DECODER, **_ids(tokenizer), "max_position_embeddings": 2048},
        audio_token_id=sound, **(music if name == "MusicFlamingo" else {}),
    )  # fmt: skip
    _save(getattr(t, f"{name}ForConditionalGeneration"), config, folder)
    extractor = t.WhisperFeatureExtractor(feature_size=16, sampling_rate=RATE, return_attention_mask=True)
    template = _ASKS.replace("AUDIO", "<sound>")
    getattr(t, f"{name}Processor")(extractor, tokenizer, chat_template=template).save_pretrained(folder)


def _aligner(folder: Path) -> None:
    import transformers as t

    _qwen(folder)
    config = t.AutoConfig.from_pretrained(folder)
    config.timestamp_token_id = config.eos_token_id
    config.id2label = {moment: str(moment) for moment in range(20)}
    config.label2id = {name: moment for moment, name in config.id2label.items()}
    _save(t.Qwen3ASRForTokenClassification, config, folder)
    marks = "{{ part['text'] }}<|im_end|><|im_end|>"
    template = _ASKS.replace("AUDIO", "<|audio_start|><|audio_pad|><|audio_end|>")
    (folder / "chat_template.jinja").write_text(template.replace("{{ part['text'] }}", marks))
