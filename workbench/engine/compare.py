"""Two models or two settings on one prompt: both runs, where they part, and their distributions side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from workbench.engine import generate
from workbench.engine.errors import InputError
from workbench.engine.generate import Generation
from workbench.engine.sampling import Distribution
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import BeamStep, Message, Sampling, Start, Step, Strategy

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel


@dataclass(frozen=True, eq=False, slots=True)
class Side:
    """One of the two: who writes, and how.

    Attributes:
        model: A model that generates.
        sampling: Its knobs.
        strategy: What stands for its whole run; it writes one sequence, see `of_one_text`.
        second: The model that guesses ahead where the strategy is assisted.
    """

    model: LoadedModel
    sampling: Sampling
    strategy: Strategy = field(default_factory=Strategy)
    second: LoadedModel | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Sided:
    """A part of one side's run: 0 is the left one. Beam search gives its steps when it is over, its beams before."""

    side: int
    part: Start | Step | BeamStep


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two texts part.

    Attributes:
        first, second: The step on each side that begins to differ; the number of its steps where a side just ends.
        ids: Whether ids were compared; otherwise characters, because the vocabularies differ.
    """

    first: int
    second: int
    ids: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """A token and what both sides thought of it.

    Attributes:
        text: How it reads.
        ids: Its id on each side, None where the vocabulary has no such token.
        probabilities: On each side, after the knobs; None where it has no such token.
    """

    text: str
    ids: tuple[int | None, int | None]
    probabilities: tuple[float | None, float | None]


def run(
    sides: tuple[Side, Side], text: str, messages: Sequence[Message] = (), *, task: Task | None = None
) -> tuple[Generation, ...]:
    """Let both sides write, one after the other; each part is sent as `Sided`.

    Args:
        sides: Left and right; they may share a model.
        text: A plain prompt.
        messages: A chat instead; each side writes it by its own template.
        task: Gets the parts and `Progress` in tokens. When it is cancelled the side that writes stops within a token,
            and one that has not begun gives no steps.

    Raises:
        NotSupported, InputError: As for `generate.run`, or a side shall write several sequences.
    """
    for side in sides:
        if side.strategy.num_return_sequences > 1:
            raise InputError(
                "Two sides are compared by one text each.",
                why=f"num_return_sequences is {side.strategy.num_return_sequences}.",
                remedy="Set num_return_sequences to 1, or see the sequences side by side in Playground.",
            )
    task = task or Silent()
    results: list[Generation] = []
    total = sum(side.sampling.max_new_tokens for side in sides)
    for number, side in enumerate(sides):
        if task.cancelled:
            break
        before = sum(len(result.steps) for result in results)
        results.append(
            generate.run(
                side.model,
                text,
                messages,
                side.sampling,
                strategy=side.strategy,
                second=side.second,
                task=_OfSide(task, number, before, total),
            )
        )
    return tuple(results)


def of_one_text(strategy: Strategy, *, assisted: bool) -> Strategy:
    """A strategy as a side can have it.

    Args:
        strategy: As it stands for a generation by itself.
        assisted: Whether a model is at hand to guess ahead; a side can't be guessed by the model that writes it.

    Returns:
        The same for one sequence; of beams that is the best one, which the others don't change. And not compiled,
        which changes no text and takes longer than two sides do.
    """
    return replace(strategy, num_return_sequences=1, compiled=False, assisted=strategy.assisted and assisted)


def same_vocabulary(first: LoadedModel, second: LoadedModel) -> bool:
    """Whether every id means the same token on both sides."""
    if first.tokenizer is None or second.tokenizer is None:
        return False
    return first is second or first.tokenizer.get_vocab() == second.tokenizer.get_vocab()


def parting(first: Sequence[Step], second: Sequence[Step], *, ids: bool) -> Parting | None:
    """Find where two runs begin to differ.

    Args:
        first: The left side's steps.
        second: The right side's.
        ids: Compare ids, which needs one vocabulary; otherwise the characters of the text.

    Returns:
        None when they are the same to the end.
    """
    if ids:
        place = next(
            (at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one.token_id != other.token_id),
            min(len(first), len(second)),
        )
        return None if place == len(first) == len(second) else Parting(place, place, ids)
    texts = ["".join(step.text for step in steps) for steps in (first, second)]
    if texts[0] == texts[1]:
        return None
    shorter = min(len(texts[0]), len(texts[1]))
    same = next((at for at in range(shorter) if texts[0][at] != texts[1][at]), shorter)
    return Parting(_step_at(first, same), _step_at(second, same), ids)


def overlay(
    distributions: tuple[Distribution, Distribution],
    samplings: tuple[Sampling, Sampling],
    vocabularies: tuple[Vocabulary, Vocabulary],
    *,
    ids: bool,
    chosen: tuple[int, int],
    count: int = 20,
) -> tuple[Pair, ...]:
    """Lay the next-token distributions of both sides over one another.

    Args:
        distributions: Of each side, at the step that is looked at.
        samplings: The knobs of each side.
        vocabularies: Spell the ids of each side.
        ids: One vocabulary; otherwise tokens that read the same are put together.
        chosen: The id each side chose, which is listed wherever it stands.
        count: The foremost candidates of each side that are listed.

    Returns:
        Falling by the larger of the two probabilities; what both sides have cut is left out.
    """
    after = [
        distribution.trace(sampling).probabilities
        for distribution, sampling in zip(distributions, samplings, strict=True)
    ]
    known: dict[object, list[int | None]] = {}
    texts: dict[object, str] = {}
    for side, (distribution, sampling, vocabulary) in enumerate(
        zip(distributions, samplings, vocabularies, strict=True)
    ):
        rows = distribution.top(count, sampling, vocabulary)
        for row in (*rows, distribution.candidate(chosen[side], sampling, vocabulary)):
            key: object = row.id if ids else row.text
            texts.setdefault(key, row.text)
            pair = known.setdefault(key, [row.id, row.id] if ids else [None, None])
            if pair[side] is None:
                pair[side] = row.id
    pairs = []
    for key, found in known.items():
        chances = tuple(
            float(after[side][token_id]) if token_id is not None and token_id < len(after[side]) else None
            for side, token_id in enumerate(found)
        )
        if any(chances) or found[0] == chosen[0] or found[1] == chosen[1]:
            pairs.append(Pair(texts[key], (found[0], found[1]), (chances[0], chances[1])))
    return tuple(sorted(pairs, key=lambda pair: -max(chance or 0.0 for chance in pair.probabilities)))


class _OfSide:
    """The task of one side: says whose part it is, and counts on from the side before."""

    def __init__(self, task: Task, side: int, before: int, total: int) -> None:
        self._task, self._side, self._before, self._total = task, side, before, total

    @property
    def cancelled(self) -> bool:
        """Whether a stop was asked for."""
        return self._task.cancelled

    def check(self) -> None:
        """Raise `Cancelled` when a stop was asked for."""
        self._task.check()

    def log(self, line: str) -> None:
        """Hand on."""
        self._task.log(line)

    def send(self, part: object) -> None:
        """Hand on, with the side."""
        if isinstance(part, Start | Step | BeamStep):
            self._task.send(Sided(self._side, part))

    def report(self, progress: Progress) -> None:
        """Hand on, of both sides."""
        self._task.report(Progress(self._before + progress.done, self._total, "tokens"))


def _step_at(steps: Sequence[Step], character: int) -> int:
    end = 0
    for number, step in enumerate(steps):
        end += len(step.text)
        if end > character:
            return number
    return len(steps)
