"""Tiny checkpoints that speak in several steps, with what each is used with."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import tiny
from tests.tiny_tasks import _save
from workbench.engine.values import Checkpoint

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

PHONEMES = ("<blank>", "<unk>", "HH", "AH0", "L", "OW1", "W", "ER1", "D", ",", ".", "<sos/eos>")
"""Letters of the tiny FastSpeech2Conformer, its last the end."""

LANGUAGES = ("eng", "fra")
"""Languages of the tiny SeamlessM4T."""

_SIZES = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 24}


def build(folder: Path, kind: str) -> Checkpoint:
    """Save a model that speaks, or one that writes down what SeamlessM4T hears.

    Args:
        folder: Made when missing.
        kind: ``bark``, ``csm``, ``dia``, ``fastspeech2``, ``fastspeech2-hifigan``, ``pocket_tts``,
            ``gradium_phonon_tts``, ``higgs_audio_v2``, ``vibevoice``, or ``seamless`` and ``seamless-v2``, which speak,
            and with ``-hears`` or ``-writes`` after it write what they hear or read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if kind.startswith("seamless"):
        _seamless(folder, kind)
    else:
        builders = {
            "bark": _bark, "csm": _csm, "dia": _dia, "fastspeech2": _fastspeech,
            "fastspeech2-hifigan": _fastspeech_whole, "pocket_tts": _pocket, "gradium_phonon_tts": _phonon,
            "higgs_audio_v2": _higgs, "vibevoice": _vibevoice,
        }  # fmt: skip
        builders[kind](folder)
    return Checkpoint(f"tiny-{kind}", folder)


def tokenizer_of(model: LoadedModel, language: str) -> Any:
    """The tokenizer of a SeamlessM4T for texts in a language; empty takes its own."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model.checkpoint.path)
    if language:
        tokenizer.src_lang = language
    return tokenizer


def _bark(folder: Path) -> None:
    import transformers as t
    from transformers.models.bark.generation_configuration_bark import BarkGenerationConfig

    tiny.byte_level_tokenizer().save_pretrained(folder)
    shape = {"num_layers": 1, "num_heads": 2, "hidden_size": 16, "block_size": 1024}
    codec = t.EncodecConfig(
        hidden_size=16, num_filters=4, codebook_size=16, codebook_dim=16, upsampling_ratios=[4, 2], num_lstm_layers=1,
        target_bandwidths=[96.0], sampling_rate=24_000,
    )  # fmt: skip
    config = t.BarkConfig(
        semantic_config=t.BarkSemanticConfig(**shape, input_vocab_size=500, output_vocab_size=60).to_dict(),
        coarse_acoustics_config=t.BarkCoarseConfig(**shape, input_vocab_size=120, output_vocab_size=120).to_dict(),
        fine_acoustics_config=t.BarkFineConfig(
            **shape, input_vocab_size=17, output_vocab_size=17, n_codes_total=8
        ).to_dict(),
        codec_config=codec.to_dict(),
    )
    _save(t.BarkModel, config, folder)
    _fill_codebooks(folder)
    speaks = BarkGenerationConfig(
        semantic_config={
            "eos_token_id": 50, "text_encoding_offset": 60, "text_pad_token": 490, "semantic_infer_token": 499,
            "semantic_vocab_size": 50, "max_input_semantic_length": 32, "max_new_tokens": 24, "do_sample": True,
        },
        coarse_acoustics_config={
            "coarse_semantic_pad_token": 110, "coarse_infer_token": 112, "max_coarse_input_length": 32,
            "max_coarse_history": 40, "sliding_window_len": 20, "do_sample": True,
        },
        fine_acoustics_config={"max_fine_history_length": 16, "max_fine_input_length": 64},
        codebook_size=16,
    )  # fmt: skip
    # Its own save_pretrained() asks for what it has not.
    (folder / "generation_config.json").write_text(json.dumps(speaks.to_dict()))


def _csm(folder: Path) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer("<|AUDIO|>", "<|audio_eos|>")
    tokenizer.chat_template = (
        "{% for message in messages %}{% for part in message['content'] %}"
        "{{ '[' + message['role'] + ']' + part['text'] if part['type'] == 'text' else '<|AUDIO|><|audio_eos|>' }}"
        "{% endfor %}{% endfor %}"
    )
    tokenizer.save_pretrained(folder)
    t.EncodecFeatureExtractor(sampling_rate=24_000).save_pretrained(folder)
    # The processor counts the codes of a sound by the strides of the codec that was published.
    codec = t.MimiConfig(
        **_SIZES, num_filters=2, codebook_size=32, codebook_dim=8, num_quantizers=3,
        vector_quantization_hidden_dimension=8, upsample_groups=16, head_dim=8, num_key_value_heads=2,
    )  # fmt: skip
    config = t.CsmConfig(
        **_SIZES, num_codebooks=3, vocab_size=32, text_vocab_size=400, num_key_value_heads=2, pad_token_id=1,
        codebook_pad_token_id=31, bos_token_id=1, audio_token_id=384, audio_eos_token_id=385, codec_config=codec,
        depth_decoder_config=t.CsmDepthDecoderConfig(
            **_SIZES, num_codebooks=3, vocab_size=32, backbone_hidden_size=16, num_key_value_heads=2,
            max_position_embeddings=4,
        ),
    )  # fmt: skip
    _save(t.CsmForConditionalGeneration, config, folder)
    _fill_codebooks(folder)


def _fill_codebooks(folder: Path) -> None:
    """Codes of a fresh codec all mean zero; give each a vector of its own."""
    import torch
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    weights = load_file(file)
    drawn = torch.Generator().manual_seed(0)
    for name, weight in weights.items():
        if "codebook.embed" in name:
            weight.normal_(generator=drawn)
    save_file(weights, file, metadata={"format": "pt"})


def _dia(folder: Path) -> None:
    import transformers as t

    t.DiaTokenizer().save_pretrained(folder)
    t.DiaFeatureExtractor(sampling_rate=16_000, hop_length=8).save_pretrained(folder)
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8}
    shape = {"num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 24, **heads}
    across = {"cross_num_attention_heads": 2, "cross_head_dim": 8, "cross_num_key_value_heads": 2}
    config = t.DiaConfig(
        encoder_config=t.DiaEncoderConfig(**shape),
        decoder_config=t.DiaDecoderConfig(**shape, **across, cross_hidden_size=16),
    )
    _save(t.DiaForConditionalGeneration, config, folder)
    t.GenerationConfig(
        guidance_scale=3.0, temperature=1.3, do_sample=True, top_k=45, pad_token_id=1025, bos_token_id=1026,
        eos_token_id=1024,
    ).save_pretrained(folder)  # fmt: skip
    # Weights drawn at random write ids that no trained model would; each of them is to have a sound.
    sounds = t.DacConfig(
        encoder_hidden_size=4, downsampling_ratios=[2, 4], decoder_hidden_size=16, codebook_dim=4, sampling_rate=16_000,
        codebook_size=2048,
    )  # fmt: skip
    _save(t.DacModel, sounds, folder / "vocoder", 1.0)


def _speech_config() -> Any:
    import transformers as t

    small = {"encoder_layers": 1, "decoder_layers": 1, "encoder_linear_units": 16, "decoder_linear_units": 16}
    parts = {
        f"{part}_predictor_{what}": size
        for part in ("duration", "energy", "pitch")
        for what, size in (("layers", 1), ("channels", 16))
    }
    return t.FastSpeech2ConformerConfig(
        **small, **parts, hidden_size=16, vocab_size=len(PHONEMES), num_mel_bins=8, decoder_kernel_size=7,
        speech_decoder_postnet_layers=1, speech_decoder_postnet_units=16, use_masking=True,
    )  # fmt: skip


def _hifigan_config() -> Any:
    import transformers as t

    return t.FastSpeech2ConformerHifiGanConfig(
        model_in_dim=8, upsample_initial_channel=16, upsample_rates=[4, 4], upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]],
    )  # fmt: skip


def _phonemes(folder: Path) -> None:
    vocabulary = {phoneme: index for index, phoneme in enumerate(PHONEMES)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "FastSpeech2ConformerTokenizer"}))


def _fastspeech(folder: Path) -> None:
    import transformers as t

    _phonemes(folder)
    _save(t.FastSpeech2ConformerModel, _speech_config(), folder, 1.0)
    _save(t.FastSpeech2ConformerHifiGan, _hifigan_config(), folder / "vocoder", 1.0)


def _fastspeech_whole(folder: Path) -> None:
    import transformers as t

    _phonemes(folder)
    config = t.FastSpeech2ConformerWithHifiGanConfig(
        model_config=_speech_config().to_dict(), vocoder_config=_hifigan_config().to_dict()
    )
    _save(t.FastSpeech2ConformerWithHifiGan, config, folder, 1.0)


def _seamless(folder: Path, kind: str) -> None:
    import transformers as t

    letters = ["<pad>", "<unk>", "<s>", "</s>", "▁", *"abcdefghijklmnopqrstuvwxyz.", "__eng__", "__fra__"]
    tokenizer = t.SeamlessM4TTokenizer(
        vocab={letter: index for index, letter in enumerate(letters)}, merges=[],
        additional_special_tokens=["__eng__", "__fra__"],
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    t.SeamlessM4TFeatureExtractor(feature_size=8, num_mel_bins=8, stride=2).save_pretrained(folder)
    second = "v2" in kind
    sizes = {
        f"{part}{what}": size
        for part in ("encoder", "decoder", "t2u_encoder", "t2u_decoder")
        for what, size in (("_layers", 1), ("_ffn_dim", 16), ("_attention_heads", 2))
    }
    more = {"char_vocab_size": 40, "t2u_variance_predictor_embed_dim": 16, "t2u_variance_predictor_hidden_dim": 16}
    kinds = {
        "seamless": t.SeamlessM4TForTextToSpeech, "seamless-v2": t.SeamlessM4Tv2ForTextToSpeech,
        "seamless-writes": t.SeamlessM4TForTextToText, "seamless-v2-writes": t.SeamlessM4Tv2ForTextToText,
        "seamless-hears": t.SeamlessM4TForSpeechToText, "seamless-v2-hears": t.SeamlessM4Tv2ForSpeechToText,
    }  # fmt: skip
    config = (t.SeamlessM4Tv2Config if second else t.SeamlessM4TConfig)(
        **sizes, **(more if second else {}), vocab_size=len(letters), t2u_vocab_size=24, hidden_size=16,
        speech_encoder_layers=1, speech_encoder_attention_heads=2, speech_encoder_intermediate_size=16,
        feature_projection_input_dim=16, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
        conv_depthwise_kernel_size=7, max_position_embeddings=64, t2u_max_position_embeddings=64,
        unit_hifi_gan_vocab_size=20, unit_embed_dim=16, lang_embed_dim=8, spkr_embed_dim=8, vocoder_num_langs=2,
        vocoder_num_spkrs=2, upsample_initial_channel=16, upsample_rates=[4, 4], upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]], max_new_tokens=20, t2u_max_new_tokens=20,
    )  # fmt: skip
    _save(kinds[kind], config, folder, 1.0)
    ids = {letter.strip("_"): index for index, letter in enumerate(letters) if letter.strip("_") in LANGUAGES}
    t.GenerationConfig(
        decoder_start_token_id=3, pad_token_id=0, bos_token_id=2, eos_token_id=3, max_new_tokens=20,
        text_decoder_lang_to_code_id=ids, t2u_lang_code_to_id={"eng": 20, "fra": 21},
        vocoder_lang_code_to_id={"eng": 0, "fra": 1}, char_to_id=dict(zip(letters, range(len(letters)), strict=True)),
        id_to_text={str(index): letter for index, letter in enumerate(letters)},
    ).save_pretrained(folder)  # fmt: skip


def _talking_tokenizer(template: str, **names: str) -> Any:
    """The tokenizer of bytes with a chat template, and with tokens that it has names for."""
    import transformers as t

    made = t.PreTrainedTokenizerFast(
        tokenizer_object=tiny.byte_level_tokenizer(*names.values()).backend_tokenizer, bos_token="<|im_start|>",
        eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=256, extra_special_tokens=names,
    )  # fmt: skip
    made.chat_template = template
    return made


#: A voice comes first where there is one, then the text.
_VOICE_FIRST = (
    "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'audio' %}VOICE{% endif %}"
    "{% endfor %}{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}END"
)


def _pocket_codec(folder: Path) -> None:
    import transformers as t

    config = t.PocketTTSAudioTokenizerConfig(
        hidden_size=16, num_filters=4, upsampling_ratios=[4, 2], upsample_groups=16, num_hidden_layers=1,
        intermediate_size=16, num_attention_heads=2, num_key_value_heads=2, latent_stride=2, latent_dim=8,
    )  # fmt: skip
    _save(t.PocketTTSAudioTokenizerModel, config, folder / "vocoder", 1.0)
    t.PocketTTSFeatureExtractor().save_pretrained(folder)


_FLOW = {"hidden_size": 16, "num_hidden_layers": 1, "latent_dim": 8, "condition_dim": 16,
         "frequency_embedding_size": 16}  # fmt: skip


def _pocket(folder: Path) -> None:
    import transformers as t

    names = {
        "audio_prompt_bos_token": "<|voice|>", "audio_prompt_token": "<|frame|>", "audio_latent_token": "<|latent|>",
        "audio_bos_token": "<|speak|>",
    }  # fmt: skip
    ended = _VOICE_FIRST.replace("VOICE", "<|voice|><|frame|>").replace("END", "<|speak|>")
    tokenizer = _talking_tokenizer(ended, **names)
    tokenizer.save_pretrained(folder)
    ids = {f"{name}_id": tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    config = t.PocketTTSConfig(
        **_SIZES, **ids, vocab_size=len(tokenizer), latent_dim=8, pad_token_id=0,
        flow_head_config=t.PocketTTSConfig().flow_head_config.__class__(**_FLOW),
    )  # fmt: skip
    _save(t.PocketTTSForConditionalGeneration, config, folder, 1.0)
    _pocket_codec(folder)


def _phonon(folder: Path) -> None:
    import transformers as t

    names = {"audio_prompt_token": "<|frame|>", "audio_latent_token": "<|latent|>", "audio_bos_token": "<|speak|>"}
    tokenizer = _talking_tokenizer(_VOICE_FIRST.replace("VOICE", "<|frame|>").replace("END", "<|speak|>"), **names)
    tokenizer.save_pretrained(folder)
    ids = {f"{name}_id": tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    config = t.GradiumPhononTTSConfig(
        **_SIZES, **ids, vocab_size=len(tokenizer), latent_dim=8, pad_token_id=0, audio_prompt_dim=8,
        flow_head_config=t.GradiumPhononTTSConfig().flow_head_config.__class__(**_FLOW),
    )  # fmt: skip
    _save(t.GradiumPhononTTSForConditionalGeneration, config, folder, 1.0)
    _pocket_codec(folder)


def _higgs(folder: Path) -> None:
    import transformers as t

    names = ("<|AUDIO_OUT|>", "<|audio_out_bos|>", "<|audio_eos|>", "<|reserved_special_token_6|>")
    tokenizer = tiny.byte_level_tokenizer(*names)
    tokenizer.chat_template = _VOICE_FIRST.replace("VOICE", "<|AUDIO_OUT|>").replace("END", "<|audio_out_bos|>")
    tokenizer.save_pretrained(folder)
    heard, begins, _, delays = tokenizer.convert_tokens_to_ids(list(names))
    config = t.HiggsAudioV2Config(
        **_SIZES, num_key_value_heads=2, head_dim=8, vocab_size=len(tokenizer), pad_token_id=0, bos_token_id=1,
        eos_token_id=2, num_codebooks=2, codebook_size=1026, audio_token_id=heard, audio_bos_token_id=begins,
        audio_delay_token_id=delays,
    )  # fmt: skip
    _save(t.HiggsAudioV2ForConditionalGeneration, config, folder, 1.0)
    t.GenerationConfig(do_sample=True, pad_token_id=0, bos_token_id=1, eos_token_id=2).save_pretrained(folder)
    t.DacFeatureExtractor(sampling_rate=24_000, hop_length=960).save_pretrained(folder)
    hears = {
        "model_type": "hubert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "conv_dim": [8] * 7, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
    }  # fmt: skip
    speaks = {
        "model_type": "dac", "encoder_hidden_size": 4, "downsampling_ratios": [8, 5, 4, 2, 3],
        "decoder_hidden_size": 32, "n_codebooks": 2, "codebook_size": 1024, "codebook_dim": 4, "sampling_rate": 24_000,
    }  # fmt: skip
    codec = t.HiggsAudioV2TokenizerConfig(
        acoustic_model_config=speaks, semantic_model_config=hears, codebook_dim=8, target_bandwidths=[0.5],
    )  # fmt: skip
    if importlib.util.find_spec("torchaudio") is None:
        # The library has the codec only beside it.
        (folder / "vocoder").mkdir()
        (folder / "vocoder" / "config.json").write_text(json.dumps(codec.to_dict()))
        return
    _save(t.HiggsAudioV2TokenizerModel, codec, folder / "vocoder", 1.0)


def _vibevoice(folder: Path) -> None:
    import transformers as t

    names = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>")
    tokenizer = tiny.byte_level_tokenizer(*names)
    voice = "<|vision_start|><|vision_pad|><|vision_end|>"
    tokenizer.chat_template = _VOICE_FIRST.replace("VOICE", voice).replace("END", "<|vision_start|>")
    tokenizer.save_pretrained(folder)
    begins, ends, heard = tokenizer.convert_tokens_to_ids(list(names))
    codec = {"num_filters": 2, "depths": [1, 1], "downsampling_ratios": [40]}
    config = t.VibeVoiceConfig(
        audio_config={"model_type": "vibevoice_acoustic_tokenizer", **codec, "hidden_size": 8},
        semantic_model_config={"model_type": "vibevoice_acoustic_tokenizer_encoder", **codec, "hidden_size": 8},
        text_config={
            "model_type": "qwen2", **_SIZES, "num_key_value_heads": 2, "vocab_size": len(tokenizer),
            "max_position_embeddings": 256,
        },
        diffusion_head_config={"num_hidden_layers": 1, "intermediate_size": 16, "frequency_embedding_size": 16},
        pad_token_id=0, eos_token_id=2, audio_bos_token_id=begins, audio_eos_token_id=ends, audio_token_id=heard,
    )  # fmt: skip
    _save(t.VibeVoiceForConditionalGeneration, config, folder, 1.0)
    t.VibeVoiceAcousticTokenizerFeatureExtractor(pad_to_multiple_of=40).save_pretrained(folder)
