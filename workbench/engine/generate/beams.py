"""Beam search, with every beam drawn as it lives and dies."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.generate import loops, strategies
from workbench.engine.generate.inputs import Inputs, room
from workbench.engine.generate.recorder import Ending, Pace, launch, measure, not_numbers, settings
from workbench.engine.generate.result import Generation
from workbench.engine.generate.text import Text
from workbench.engine.sampling import Knobs, keep
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.values import Beam, BeamStep, Logits, Sampling, Step, Strategy

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.models import LoadedModel

#: The library takes 1e9 off the score of a hypothesis that is out.
_OUT = -1e8


def run(
    model: LoadedModel,
    inputs: Inputs,
    knobs: Knobs | Sampling,
    strategy: Strategy,
    task: Task | None = None,
    *,
    shown: str | None = "",
) -> Generation:
    """Search with beams, sending a `BeamStep` for each step and, when the search is over, the `Step`s of the best.

    The ids are those of ``model.generate(num_beams=…, …)`` after ``torch.manual_seed(seed)``: the library's own loop
    runs. It hands log-probabilities to the processors, not logits, so that is what `Step.logits` holds here: the
    log-softmax, in float32, of what the model gave, and a trace from it is the one the search went by. Knobs that are
    moved act on the next step, but for ``do_sample``, ``max_new_tokens`` and the seed, which are read at the start.

    Args:
        model: A loaded model that generates.
        inputs: What it is given.
        knobs: A `Sampling`, or a holder whose moves act on the next step.
        strategy: Beams, penalty, early stopping, and how many of the complete sequences to give.
        task: Gets the steps and `Progress` in tokens. When it is cancelled, the search ends within a token and the
            beams as they stand count as complete.
        shown: The text that was shown for the last ids in front, where they were generated; see `Text`.

    Raises:
        InputError: More sequences are asked for than there are beams, or guidance, or the knobs leave no token.
        NotSupported: The logits are not numbers, or every token was cut.

    References:
        transformers, Generation strategies: beam search; GenerationMixin._beam_search
    """
    task = task or Silent()
    knobs = knobs if isinstance(knobs, Knobs) else Knobs(knobs)
    first = knobs.current
    strategies.check(model, first, strategy)
    space = room(model, inputs.length)
    new = first.max_new_tokens if space is None else min(first.max_new_tokens, space)
    config = settings(
        model,
        inputs,
        strategy,
        new,
        do_sample=first.do_sample,
        num_beams=strategy.num_beams,
        length_penalty=float(strategy.length_penalty),
        early_stopping=strategy.early_stopping,
        num_return_sequences=strategy.num_return_sequences,
    )
    search = _Search(model, inputs, knobs, strategy, task, new)
    with loops.own_draws(first.seed) if first.do_sample else nullcontext():
        launch(model, inputs, config, search.run, share=strategy.threads)
    return search.generation(space, shown)


@dataclass(frozen=True, eq=False, slots=True)
class _Node:
    """A token of a hypothesis, and the text up to it.

    Hypotheses share the nodes they have in common, and the dead ones take theirs along.
    """

    parent: _Node | None
    token_id: int
    text: str
    logits: Logits
    sampling: Sampling
    seconds: float
    probability: float
    rank: int
    entropy: float
    after: float

    def path(self) -> list[_Node]:
        """From the first new token to this one."""
        found: list[_Node] = []
        node: _Node | None = self
        while node is not None:
            found.append(node)
            node = node.parent
        return found[::-1]


class _Search:
    """Stands between the library's beam search, its processors and the model's own methods, and records.

    Args:
        model: Whose search it is.
        inputs: What it was given.
        knobs: Read before every step.
        strategy: How many sequences to give.
        task: Gets the steps.
        new: The most new tokens.
    """

    def __init__(
        self, model: LoadedModel, inputs: Inputs, knobs: Knobs, strategy: Strategy, task: Task, new: int
    ) -> None:
        self._model = model
        self._inputs = inputs
        self._knobs = knobs
        self._first = knobs.current
        self._strategy = strategy
        self._task = task
        self._new = new
        self._pace = Pace(strategy.tokens_per_second, task)
        self._written = loops.written(inputs)
        self._live: list[_Node | None] = [None] * strategy.num_beams
        self._complete: dict[tuple[tuple[int, ...], tuple[int, ...]], _Node] = {}
        self._best: list[_Node] = []
        self._for: Sampling | None = None
        self._steps: list[BeamStep] = []
        self._began = self._last = time.perf_counter()

    def run(
        self,
        model: PreTrainedModel,
        input_ids: torch.Tensor,
        logits_processor: Any,
        stopping_criteria: Any,
        generation_config: GenerationConfig,
        tokenizer: PreTrainedTokenizerBase | None = None,
        **model_kwargs: Any,
    ) -> torch.Tensor:
        """The ``custom_generate`` of `GenerationMixin.generate`: its beam search, with this object in between."""
        self._prepared = loops.without_end(generation_config, stopping_criteria, self._strategy)
        self._config = generation_config
        return type(model)._beam_search(
            _Watched(model, self),
            input_ids,
            logits_processor=self._process,
            stopping_criteria=self._stop,
            generation_config=generation_config,
            **model_kwargs,
        )

    def generation(self, space: int | None, shown: str | None) -> Generation:
        """What came of it.

        Args:
            space: New tokens that fitted into the context, or None.
            shown: As for `beams.run`.
        """
        if not self._best:
            raise not_numbers(self._model)
        sequences = tuple(self._walk(node, shown) for node in self._best[: self._strategy.num_return_sequences])
        steps = sequences[0]
        for step in steps:
            self._task.send(step)
        eos = self._config._eos_token_tensor
        ending = Ending(Knobs(self._first), self._task, eos.tolist() if eos is not None else (), space)
        return Generation(
            text="".join(step.text for step in steps),
            steps=steps,
            # A search that the person stopped ends with its best; nothing else stopped it.
            reason=ending.why(steps[-1].token_id, len(steps), ended=not self._task.cancelled),
            prompt_tokens=self._inputs.length,
            seconds=self._last - self._began,
            start=self._inputs.start,
            sequences=sequences,
            beams=tuple(self._steps),
        )

    def _walk(self, node: _Node, shown: str | None) -> tuple[Step, ...]:
        assert self._model.tokenizer is not None
        text = Text(self._model.tokenizer, self._written, shown)
        path = node.path()
        return tuple(
            Step(
                index=self._inputs.start.kept + index,
                token_id=each.token_id,
                text=text.add(each.token_id, last=index == len(path) - 1),
                logits=each.logits,
                sampling=each.sampling,
                seconds=each.seconds,
                probability=each.probability,
                rank=each.rank,
                entropy=each.entropy,
                after=each.after,
                prompt_length=self._inputs.length,
            )
            for index, each in enumerate(path)
        )

    def _process(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Keep the log-probabilities ``(beams, vocab)`` and let the processors act."""
        self._sampling = loops.fixed(self._knobs.current, self._first)
        if self._sampling != self._for:
            self._list = loops.library_list(self._model, self._config, self._sampling, self._inputs, scores.device)
            self._for = self._sampling
        self._kept = [keep(row, "float32") for row in scores]
        self._raw = scores.clone()
        self._processed = self._list(input_ids, scores)
        loops.check_scores(self._model, self._raw, self._processed)
        return self._processed

    def _stop(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Which continuations are complete; all of them when the person stopped."""
        done: torch.Tensor = self._prepared(input_ids, scores, **kwargs)
        return done | True if self._task.cancelled else done

    def note(self, at: int, length: int, running: tuple[Any, ...], finished: tuple[Any, ...]) -> None:
        """Record what a step left.

        Args:
            at: Index of the step.
            length: Ids in front of the first new one.
            running: Sequences, scores and beam indices of the hypotheses that go on.
            finished: Sequences, scores, beam indices of the complete ones, and which of the places are taken.
        """
        now = time.perf_counter()
        going = [
            (ids[length : length + at + 1], score, path[: at + 1])
            for ids, score, path in zip(*(part[0].tolist() for part in running), strict=True)
            if score > _OUT
        ]
        complete = [
            (ids[length : length + len(whole)], score, whole)
            for ids, score, path, taken in zip(*(part[0].tolist() for part in finished), strict=True)
            if taken and score > _OUT and (whole := [beam for beam in path if beam >= 0])
        ]
        fresh = [*going, *(each for each in complete if len(each[2]) == at + 1)]
        nodes = [
            self._grow(path[at], ids, now - self._last, finished=place >= len(going))
            for place, (ids, _, path) in enumerate(fresh)
        ]
        self._last = now
        kept = dict(self._complete)
        for (ids, _, path), node in zip(fresh[len(going) :], nodes[len(going) :], strict=True):
            kept[tuple(path), tuple(ids)] = node
        self._complete = {key: kept[key] for key in ((tuple(path), tuple(ids)) for ids, _, path in complete)}
        self._best = list(self._complete.values())
        self._live = [*nodes[: len(going)], *[None] * (self._strategy.num_beams - len(going))]
        step = BeamStep(
            index=at,
            running=tuple(
                Beam(tuple(ids), node.text, score, path[-1], False)
                for (ids, score, path), node in zip(going, nodes, strict=False)
            ),
            finished=tuple(
                Beam(tuple(ids), node.text, score, path[-1], True)
                for (ids, score, path), node in zip(complete, self._best, strict=True)
            ),
        )
        self._steps.append(step)
        self._task.send(step)
        self._task.report(Progress(at + 1, self._new, "tokens"))
        self._pace.wait()

    def _grow(self, beam: int, ids: list[int], seconds: float, *, finished: bool) -> _Node:
        """The node of the last of ``ids``, which was put behind a beam of the step before."""
        import torch

        assert self._model.tokenizer is not None
        parent = self._live[beam]
        before = parent.text if parent is not None else ""
        # A few ids in front are enough for how the new one reads; reading all of them anew would take ever longer.
        text = Text(self._model.tokenizer, [*self._written, *ids[:-1]], before)
        return _Node(
            parent,
            ids[-1],
            before + text.add(ids[-1], last=finished),
            self._kept[beam],
            self._sampling,
            seconds,
            *measure(self._raw[beam], ids[-1]),
            after=float(torch.softmax(self._processed[beam], dim=-1)[ids[-1]]),
        )


class _Watched:
    """The model as its beam search sees it: itself, but for the two methods whose outcome is recorded.

    Args:
        model: The model.
        search: Told what each step left.
    """

    def __init__(self, model: PreTrainedModel, search: _Search) -> None:
        self._model = model
        self._search = search
        self._running: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._model(*args, **kwargs)

    def _get_running_beams_for_next_iteration(self, **kwargs: Any) -> Any:
        self._running = self._model._get_running_beams_for_next_iteration(**kwargs)
        return self._running

    def _update_finished_beams(self, **kwargs: Any) -> Any:
        finished = self._model._update_finished_beams(**kwargs)
        length = kwargs["decoder_prompt_len"]
        self._search.note(kwargs["cur_len"] - length, length, self._running, finished)
        return finished
