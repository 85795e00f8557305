"""A tiny real checkpoint of Qwen3-Omni: a model that thinks, one that talks, and one that makes its codes a sound."""

from __future__ import annotations

import json
from pathlib import Path

from tests import tiny
from workbench.engine.values import Checkpoint

_WRITES = {
    "hidden_size": 32, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-6,
}  # fmt: skip
_EXPERTS = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 8}
_TURNS = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}
#: Codes of sound, and behind them the talker's 1,024 special ones.
_CODES, _SPECIAL = 16, 1024


def qwen3(folder: Path) -> Checkpoint:
    """Save it with its processor; torchvision is needed for no more than films."""
    import torch
    import transformers as t

    kinds = ("audio", "image", "video")
    names = {f"{kind}_token": f"<{kind[0]}>" for kind in kinds}
    names |= {f"{kind}_{end}_token": f"<{end[0]}>" for kind in ("vision", "audio") for end in ("bos", "eos")}
    letters = tiny.byte_level_tokenizer("<a>", "<i>", "<v>", "<b>", "<e>", "user", "assistant", "<t>", "</t>", "<_>")
    tokenizer = t.PreTrainedTokenizerFast(
        tokenizer_object=letters.backend_tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>",
        pad_token="<|endoftext|>", model_max_length=256, extra_special_tokens=names,
    )  # fmt: skip
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}<b><i><e>{% elif part['type'] == 'audio' %}<b><a><e>"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    looks = t.Qwen2VLImageProcessorPil(min_pixels=32 * 32, max_pixels=4 * 32 * 32, patch_size=16).to_dict()
    listens = t.WhisperFeatureExtractor(feature_size=16, sampling_rate=16_000).to_dict() | {"mel_filters": None}
    classes = {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen3OmniMoeProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(looks | listens | classes), "utf-8")
    ids = dict(zip(("audio", "image", "video", "user", "assistant", "bos", "eos", "pad"),
                   tokenizer.convert_tokens_to_ids(["<a>", "<i>", "<v>", "user", "assistant", "<t>", "</t>", "<_>"]),
                   strict=True))  # fmt: skip
    marks = {f"{kind}_token_id": ids[kind] for kind in kinds}
    begins = {"vision_start_token_id": tokenizer.convert_tokens_to_ids("<b>")}
    hears = {"num_mel_bins": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16,
             "d_model": 16, "output_dim": 32, "downsample_hidden_size": 8}  # fmt: skip
    sees = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32,
            "deepstack_visual_indexes": [0]}  # fmt: skip
    thinks = {
        "text_config": {**_WRITES, **_EXPERTS, "vocab_size": len(tokenizer), "rope_parameters": _TURNS},
        "audio_config": hears, "vision_config": sees, **marks, **begins, "user_token_id": ids["user"],
    }  # fmt: skip
    special = {f"codec_{name}_id": _CODES + number for number, name in enumerate(
        ("eos_token", "nothink", "think_bos", "think_eos", "pad", "bos"))}  # fmt: skip
    talks = {
        **marks, **begins, **special, "num_code_groups": 2, "thinker_hidden_size": 32, "accept_hidden_layer": 1,
        "spatial_merge_size": 2,
        "speaker_id": {"ethan": _CODES + 6},
        "text_config": {
            **_WRITES, **_EXPERTS, "vocab_size": _CODES + _SPECIAL, "shared_expert_intermediate_size": 8,
            "rope_parameters": _TURNS,
        },
        "code_predictor_config": {**_WRITES, "vocab_size": _CODES, "num_code_groups": 2, "head_dim": 16},
    }  # fmt: skip
    sounds = {**_WRITES, "codebook_size": _CODES, "num_quantizers": 2, "upsample_rates": [2, 2],
              "upsampling_ratios": [2], "decoder_dim": 16, "sliding_window": 8}  # fmt: skip
    config = t.Qwen3OmniMoeConfig(
        thinker_config=thinks, talker_config=talks, code2wav_config=sounds,
        im_start_token_id=tokenizer.bos_token_id, im_end_token_id=tokenizer.eos_token_id,
        user_token_id=ids["user"], assistant_token_id=ids["assistant"], tts_bos_token_id=ids["bos"],
        tts_eos_token_id=ids["eos"], tts_pad_token_id=ids["pad"],
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = t.Qwen3OmniMoeForConditionalGeneration(config)
        for name, weight in model.named_parameters():
            if name.startswith("talker") and ".experts." in name:
                # The library leaves them as their memory was.
                torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(folder)
    return Checkpoint("tiny-qwen3-omni", folder)
