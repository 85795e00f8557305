"""Settings of ``generate()`` that have no control of their own: where they are instead, or why they are nowhere."""

from __future__ import annotations

_LENGTH = "It counts the prompt too; max_new_tokens and min_new_tokens count what is written."
_CACHE = (
    "The cache that grows with the text is used, and one of fixed size where compiled is on: what is kept in fewer "
    "bits writes another text."
)
_RECORDED = "Every step is recorded with all of its logits in any case; Inside shows attention and hidden states."
_OWN = "The checkpoint's own holds; Show code keeps it."
_SPEED = "The library's own value holds; another one changes how fast the text comes, and not the text."
_LEFT = "Its code left the library for the Hub, and this program runs no such code."

#: By the name of the field of ``GenerationConfig``, a sentence for people.
ELSEWHERE = {
    "max_length": _LENGTH,
    "min_length": _LENGTH,
    "max_time": "A run that a clock ends can't be written again; max_new_tokens and Stop end it.",
    "use_cache": "Always on: without it the same text takes much longer.",
    "cache_implementation": _CACHE,
    "cache_config": _CACHE,
    "max_cache_len": _CACHE,
    "output_attentions": _RECORDED,
    "output_hidden_states": _RECORDED,
    "output_scores": _RECORDED,
    "output_logits": _RECORDED,
    "return_dict_in_generate": _RECORDED,
    "pad_token_id": _OWN,
    "bos_token_id": _OWN,
    "decoder_start_token_id": _OWN,
    "is_assistant": "The library sets it for the model that guesses ahead.",
    "num_assistant_tokens_schedule": _SPEED,
    "assistant_confidence_threshold": _SPEED,
    "max_matching_ngram_size": _SPEED,
    "assistant_lookbehind": _SPEED,
    "target_lookbehind": _SPEED,
    "assistant_ensemble_weight": "It gives the second model a say in the text; what is shown of a step are the chances "
    "of the first.",
    "speculation_type": "It is for DFlash drafts, which read another model's hidden states and load as no model that "
    "writes text.",
    "disable_compile": "Nothing is compiled while compiled is off.",
    "continuous_batching_config": "It is for servers that answer many prompts at once.",
    "prefill_chunk_size": "It spares memory while a long prompt is read, and its sums differ in their last digits.",
    "low_memory": _LEFT,
    "penalty_alpha": _LEFT,
    "dola_layers": _LEFT,
    "diversity_penalty": _LEFT,
    "num_beam_groups": _LEFT,
    "constraints": _LEFT,
    "force_words_ids": _LEFT,
}
