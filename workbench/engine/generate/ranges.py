"""Which values a strategy can have at all, whatever the model."""

from __future__ import annotations

import math

from workbench.engine.errors import InputError
from workbench.engine.values import Strategy

#: More than any machine's cores; a system that is asked for many more threads refuses them in the middle of a run.
_MOST_THREADS = 1024


def checked(strategy: Strategy, vocabulary: int | None = None) -> Strategy:
    """Refuse a value that is past its limits, before anything runs.

    Args:
        strategy: What stands for a run.
        vocabulary: How many tokens there are, where that is known.

    Returns:
        The same.

    Raises:
        InputError: A field is out of its range; it is named.
    """
    for name, good, range_ in _ranges(strategy):
        if not good:
            raise InputError(
                f"{name} can't be {getattr(strategy, name)}.",
                why=f"It has to be {range_}.",
                remedy=f"Set {name} to another value.",
            )
    if "" in strategy.stop_strings:
        raise InputError(
            "stop_strings can't hold an empty text.",
            why="Every text holds it, so nothing would be written.",
            remedy="Leave it out of stop_strings.",
        )
    for token in strategy.eos_token_ids or ():
        if token < 0 or (vocabulary is not None and token >= vocabulary):
            raise InputError(
                f"eos_token_ids names token {token:,}, which there is not.",
                why="Ids begin at 0" + (f", and the last one is {vocabulary - 1:,}." if vocabulary else "."),
                remedy="Leave it out of eos_token_ids.",
            )
    return strategy


def _ranges(strategy: Strategy) -> tuple[tuple[str, bool, str], ...]:
    """Name, whether the value is good, and what is: for every field that is one value."""
    least = {
        "num_beams": (1, "1 (off)"),
        "num_return_sequences": (1, "1 (off)"),
        "prompt_lookup_num_tokens": (0, "0 (off)"),
        "assistant_early_exit": (0, "0 (off)"),
        "num_assistant_tokens": (1, "1"),
    }
    whole = tuple(
        (name, isinstance(value := getattr(strategy, name), int) and value >= low, f"a whole number, {words} or more")
        for name, (low, words) in least.items()
    )
    early = any(strategy.early_stopping is each for each in (True, False)) or strategy.early_stopping == "never"
    return (
        *whole,
        ("length_penalty", math.isfinite(strategy.length_penalty), "a number; 0 leaves the length out"),
        ("early_stopping", early, "True, False or never"),
        ("guidance_scale", math.isfinite(strategy.guidance_scale), "a number; 1 is off"),
        ("tokens_per_second", 0 <= strategy.tokens_per_second < math.inf, "0 (off) or more"),
        ("threads", 0 <= strategy.threads <= _MOST_THREADS, f"from 0 (torch's own) to {_MOST_THREADS:,}"),
    )
