"""Another continuation from the middle of a text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.generate.cache import KeptCache
from workbench.engine.generate.result import Generation
from workbench.engine.generate.stream import go
from workbench.engine.generate.text import begun, join
from workbench.engine.sampling import Distribution, Knobs
from workbench.engine.task import Task
from workbench.engine.values import Sampling, Situation, Start, Step, Strategy

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel
    from workbench.engine.tokens.vocabulary import Vocabulary

#: A character has fewer tokens than this.
_LOOK_BACK = 8


def branch(
    model: LoadedModel,
    start: Start,
    steps: Sequence[Step],
    forced: int | None,
    knobs: Knobs | Sampling,
    *,
    strategy: Strategy | None = None,
    second: LoadedModel | None = None,
    kept: KeptCache | None = None,
    task: Task | None = None,
) -> Generation:
    """Go on from a start, some steps behind it, and a token that the person chose.

    The ids are those of plain ``model.generate(…)`` given all of these as its prompt. ``max_new_tokens`` counts from
    here.

    Args:
        model: The model that goes on.
        start: What the text started from.
        steps: The steps that are taken over, from the first one on.
        forced: The id that follows them, or None to go on right behind them. See `forced_step` for its step.
        knobs: As for `stream`.
        strategy: As for `stream`.
        second: As for `stream`.
        kept: What attention computed for the last text is reused from it where the cache can be cut, and what it
            computes now is left in it.
        task: Gets the new `Start` and then the new steps alone, their indexes going on.

    Returns:
        The new steps alone.

    Raises:
        NotSupported, InputError: As for `stream`.
    """
    ids = [step.token_id for step in steps]
    shown: str | None = "".join(step.text for step in steps[-2:])
    if forced is not None:
        ids.append(forced)
        # `forced_step` shows all bytes up to here.
        shown = None
    return go(
        model,
        replace(start, kept=len(ids)),
        knobs,
        more=ids,
        shown=shown,
        strategy=strategy,
        second=second,
        kept=kept,
        reuse=True,
        task=task,
    )


def forced_step(
    step: Step,
    token_id: int,
    vocabulary: Vocabulary | None,
    *,
    before: Sequence[Step] = (),
    situation: Situation | None = None,
) -> Step:
    """Make the step of a token that the person chose in place of another.

    Args:
        step: The step that is replaced; what it was chosen from holds for the new one.
        token_id: The person's token.
        vocabulary: Spells it; without one its text is empty.
        before: The steps in front of it, so that the beginning of a character they held back is shown.
        situation: What the processors looked at there; without it ``after`` is not known.

    Returns:
        The step, ``forced``. Without kept logits its probability is NaN and its rank 0.
    """
    text = ""
    if vocabulary is not None:
        behind = "".join(vocabulary.spell(past.token_id for past in before[-_LOOK_BACK:]))
        held = begun(behind, "".join(past.text for past in before[-2:]))
        text = join((held, "" if token_id in vocabulary.special else vocabulary.spell((token_id,))[0]))
    made = replace(
        step, token_id=token_id, text=text, seconds=0.0, probability=math.nan, rank=0, after=math.nan, forced=True
    )
    if step.logits is None:
        return made
    distribution = Distribution(step.logits)
    after = math.nan
    if situation is not None:
        after = float(Distribution(step.guided or step.logits, situation).trace(step.sampling).probabilities[token_id])
    return replace(
        made,
        probability=float(distribution.probabilities[token_id]),
        rank=distribution.rank(token_id),
        after=after,
    )
