"""The library's watermarks: their configs, and their processors as they stand at any step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.values import Watermark

if TYPE_CHECKING:
    import torch
    from transformers import SynthIDTextWatermarkLogitsProcessor, WatermarkLogitsProcessor
    from transformers.generation.configuration_utils import BaseWatermarkingConfig

#: Lists of green tokens that are kept for one step; selfhash asks for 40 at a time.
_KEPT = 64
#: Fields of `Watermark` that a config of the library takes, and its class, by kind.
CONFIGS = {
    "green": (
        "WatermarkingConfig",
        ("greenlist_ratio", "bias", "hashing_key", "seeding_scheme", "context_width"),
    ),
    "synthid": ("SynthIDTextWatermarkingConfig", ("ngram_len", "keys")),
}


def settings(mark: Watermark) -> dict[str, Any]:
    """What the library's config of this kind is given."""
    found = {name: getattr(mark, name) for name in CONFIGS[mark.kind][1]}
    return found | {"keys": list(mark.keys)} if mark.kind == "synthid" else found


def config_of(mark: Watermark) -> BaseWatermarkingConfig:
    """The library's config.

    References:
        transformers, Generation: WatermarkingConfig, SynthIDTextWatermarkingConfig
    """
    import transformers

    made: BaseWatermarkingConfig = getattr(transformers, CONFIGS[mark.kind][0])(**settings(mark))
    return made


class Standing:
    """The library's SynthID processor, put where it stands behind the ids in front instead of by calls one by one.

    It remembers what it was called with; this one is told by the ids, so that one step can be looked at by itself.

    Args:
        processor: The library's.
        prompt_length: Ids that were there before its first call.
    """

    def __init__(self, processor: SynthIDTextWatermarkLogitsProcessor, prompt_length: int) -> None:
        self._processor = processor
        self._prompt_length = prompt_length

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores ``(batch, vocab)`` after it, for ids ``(batch, seq)``; where all were cut there is nothing to mark."""
        import torch

        if bool(torch.isneginf(scores).all()):
            return scores
        mark, new = self._processor, input_ids[:, self._prompt_length :]
        mark.state = None
        if new.shape[1]:
            mark._init_state(len(input_ids))
            # It begins with zeros, which the new ids push out.
            row = torch.cat([mark.state.context, new], dim=1)
            mark.state.context = row[:, -mark.ngram_len : -1]
            contexts = row[:, :-1].unfold(1, mark.ngram_len - 1, 1)[:, -mark.context_history_size :]
            seen = mark.accumulate_hash(torch.ones_like(contexts[..., 0]), contexts)
            mark.state.context_history[:, : seen.shape[1]] = seen.flip(1)
            mark.state.num_calls = new.shape[1]
        marked: torch.Tensor = mark(input_ids, scores)
        return marked


class Selfhash:
    """The library's green list by the token itself, which says what is wrong where the library stumbles.

    Args:
        processor: The library's.
    """

    def __init__(self, processor: WatermarkLogitsProcessor) -> None:
        self._processor = processor

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores ``(batch, vocab)`` after it, for ids ``(batch, seq)``.

        Raises:
            InputError: None of the tokens that it looks at is green.
        """
        try:
            marked: torch.Tensor = self._processor(input_ids, scores)
        except IndexError as error:
            raise InputError(
                "The watermark can't be put on this step.",
                why="With selfhash the library looks at the 40 most probable tokens, and none of them is green.",
                remedy="Raise greenlist_ratio, or choose lefthash.",
            ) from error
        return marked


def kept(processor: Any) -> Any:
    """Let a watermark work out but once what hangs on the ids alone, for a step that is looked at again and again.

    That is what takes its time: which tokens are green, and who wins in the rounds of the tournament.

    Args:
        processor: The library's; its own methods are asked, and what they said is kept.
    """
    known: dict[tuple[int, ...], Any] = {}

    def once(key: torch.Tensor, make: Callable[[], Any]) -> Any:
        ids = tuple(key.flatten().tolist())
        if ids not in known:
            if len(known) >= _KEPT:
                known.clear()
            known[ids] = make()
        return known[ids]

    if hasattr(processor, "_get_greenlist_ids"):
        green, width = processor._get_greenlist_ids, processor.context_width
        processor._get_greenlist_ids = lambda ids: once(ids[-width:], lambda: green(ids))
        return processor
    keys, sample = processor._compute_keys, processor.sample_g_values

    def values(context: torch.Tensor, indices: torch.Tensor) -> Any:
        made, hashed = keys(context, indices)
        # Round by round, and as numbers of the kind they are multiplied with.
        return sample(made).float().permute(2, 0, 1).contiguous().permute(1, 2, 0), hashed

    processor._compute_keys = lambda context, indices: once(context, lambda: values(context, indices))
    processor.sample_g_values = lambda made: made
    return processor


def standing(processor: Any, prompt_length: int) -> Any:
    """A processor of the library as it can be called at any step, in any order.

    Args:
        processor: Any.
        prompt_length: Ids in front of the first new one.
    """
    kind = type(processor).__name__
    if kind == "SynthIDTextWatermarkLogitsProcessor":
        return Standing(processor, prompt_length)
    if kind == "WatermarkLogitsProcessor" and processor.seeding_scheme == "selfhash":
        return Selfhash(processor)
    return processor
