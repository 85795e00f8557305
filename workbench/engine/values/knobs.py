"""How the next token is chosen: the knobs that move while text comes, and the strategy that stands for a whole run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Watermark:
    """A mark that a reader of the text does not see and a detector does, under the names of the library's two configs.

    Attributes:
        kind: ``green`` (a bias for some tokens, which depend on those in front) or ``synthid`` (a tournament that
            keeps the chances as they are on average).
        greenlist_ratio: Share of the vocabulary that is green, between 0 and 1; usually 0.25 to 0.5.
        bias: Added to the logits of green tokens; usually 0.5 to 2.5.
        hashing_key: Decides which tokens are green; whoever wants to detect the mark has to know it.
        seeding_scheme: What that depends on besides: ``lefthash`` (the token in front) or ``selfhash`` (the token
            itself too).
        context_width: How many tokens in front it looks at, 1 or more.
        ngram_len: Of SynthID: on how many tokens, the new one included, the tournament depends, 2 or more.
        keys: Of SynthID: one for each round of the tournament.

    References:
        transformers, Generation: WatermarkingConfig, SynthIDTextWatermarkingConfig
    """

    kind: str = "green"
    greenlist_ratio: float = 0.25
    bias: float = 2.0
    hashing_key: int = 15485863
    seeding_scheme: str = "lefthash"
    context_width: int = 1
    ngram_len: int = 5
    keys: tuple[int, ...] = (654, 400, 836, 123, 340, 443, 597, 160, 57)


@dataclass(frozen=True, slots=True)
class Sampling:
    """The knobs of ``generate()``, under its names; they may be moved while a generation runs.

    Words are given as ids, so that a knob means the same whichever tokenizer is at hand.

    Attributes:
        do_sample: Draw from the distribution; False takes the most probable token (greedy).
        temperature: Divides the logits; above 0, usually 0.2 to 1.5; 1.0 is off.
        top_k: Keep the k most probable tokens; 0 is off.
        top_p: Keep the smallest set whose probability reaches p; 1.0 is off.
        min_p: Drop what is less probable than min_p times the most probable; 0.0 is off.
        repetition_penalty: Divides (or multiplies, below zero) the logits of tokens seen; 1.0 is off.
        max_new_tokens: Stop after as many.
        seed: Seeds torch's generator at the start of a generation.
        top_h: Keep the tokens whose entropy stays below top_h times that of the whole, in ``(0, 1)``; 1.0 is off.
        typical_p: Keep the tokens closest to the expected surprise until their probability reaches p; 1.0 is off.
        epsilon_cutoff: Drop what is less probable than this, in ``[0, 1)``; 0.0 is off.
        eta_cutoff: Like epsilon_cutoff, with a limit that falls with the entropy, in ``[0, 1)``; 0.0 is off.
        no_repeat_ngram_size: No sequence of so many tokens occurs twice; 0 is off.
        min_new_tokens: No end token before as many; 0 is off.
        bad_words_ids: Sequences of ids that must not come.
        sequence_bias: Pairs of a sequence of ids and what is added to the logit of its last one, in any range.
        suppress_tokens, begin_suppress_tokens: Ids that never come, and that are not the first new one.
        forced_bos_token_id, forced_eos_token_id: The token forced as the first of a decoder, and as the last one when
            max_new_tokens is reached; None is off.
        exponential_decay_length_penalty: ``(start, factor)``: after ``start`` new tokens the end token's score grows by
            ``factor`` to the power of the tokens since; None is off.
        encoder_repetition_penalty: Above 1 favours tokens of the encoder's input; 1.0 is off. Encoder-decoders only.
        encoder_no_repeat_ngram_size: No sequence of so many tokens of the encoder's input comes; 0 is off.
        remove_invalid_values: Replace NaN by 0 and infinities by the largest numbers, as the library does.
        watermarking_config: The mark that the text bears, read once, when a generation starts; None is off.
        renormalize_logits: Turn the scores into log-probabilities at the end.

    References:
        transformers, Generation: GenerationConfig
    """

    do_sample: bool = True
    temperature: float = 0.7
    top_k: int = 50
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_new_tokens: int = 128
    seed: int = 0
    top_h: float = 1.0
    typical_p: float = 1.0
    epsilon_cutoff: float = 0.0
    eta_cutoff: float = 0.0
    no_repeat_ngram_size: int = 0
    min_new_tokens: int = 0
    bad_words_ids: tuple[tuple[int, ...], ...] = ()
    sequence_bias: tuple[tuple[tuple[int, ...], float], ...] = ()
    suppress_tokens: tuple[int, ...] = ()
    begin_suppress_tokens: tuple[int, ...] = ()
    forced_bos_token_id: int | None = None
    forced_eos_token_id: int | None = None
    exponential_decay_length_penalty: tuple[int, float] | None = None
    encoder_repetition_penalty: float = 1.0
    encoder_no_repeat_ngram_size: int = 0
    remove_invalid_values: bool = False
    watermarking_config: Watermark | None = None
    renormalize_logits: bool = False


@dataclass(frozen=True, slots=True)
class Strategy:
    """What stands for a whole run; with all defaults one sequence is chosen token by token (greedy or sampled).

    Attributes:
        num_beams: Sequences kept side by side by beam search; 1 is off.
        length_penalty: Exponent of the length that beam scores are divided by; above 0 favours long sequences.
        early_stopping: Whether beam search ends when ``num_beams`` sequences are complete: True, False (when no better
            one is likely) or ``"never"`` (when no better one is possible).
        num_return_sequences: Sequences to give, side by side.
        prompt_lookup_num_tokens: Tokens guessed ahead by looking them up in the text so far; 0 is off.
        assisted: Whether a second, smaller model guesses ahead.
        assistant_early_exit: Layers after which the model itself guesses ahead, leaving out those above; 0 is off.
        num_assistant_tokens: How many the second model, or the model's own lower layers, guess at a time.
        use_mtp: Whether the layers for multi-token prediction, which some checkpoints come with, guess ahead.
        token_healing: Whether the last token of a plain prompt may become a longer one that begins like it. It acts
            where a run starts from a text; see `workbench.engine.generate.healing`.
        guidance_scale: Classifier-free guidance: how much the prompt counts against ``negative_prompt``; 1.0 is off.
        negative_prompt: What guidance leads away from; empty means no prompt at all.
        stop_strings: The run ends when the new text holds one of them.
        eos_token_ids: Ids that end the run; None means the checkpoint's own.
        tokens_per_second: Cap for the projector; 0.0 is off.
        threads: CPU threads that the model's work is shared among; 0 leaves it to torch, which takes one a core. The
            text is the same with any number.
        compiled: Whether each pass runs code that was built for the model on this machine, over a cache of fixed size.
            The text is the same; the first run waits for the building. See `workbench.engine.generate.compiled`.

    References:
        transformers, Generation strategies; GenerationConfig
    """

    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    num_return_sequences: int = 1
    prompt_lookup_num_tokens: int = 0
    assisted: bool = False
    assistant_early_exit: int = 0
    num_assistant_tokens: int = 20
    use_mtp: bool = False
    token_healing: bool = False
    guidance_scale: float = 1.0
    negative_prompt: str = ""
    stop_strings: tuple[str, ...] = ()
    eos_token_ids: tuple[int, ...] | None = None
    tokens_per_second: float = 0.0
    threads: int = 0
    compiled: bool = False

    @property
    def guesses(self) -> bool:
        """Whether tokens are guessed ahead, and several checked in one pass."""
        return bool(self.prompt_lookup_num_tokens or self.assisted or self.assistant_early_exit or self.use_mtp)
