"""Several sequences side by side from one prompt, drawn in one batch."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from workbench.engine.generate.inputs import Inputs, room
from workbench.engine.generate.loops import written
from workbench.engine.generate.recorder import Criteria, Draws, Ending, Pace, Processors, Steps, launch, settings
from workbench.engine.generate.result import Generation
from workbench.engine.generate.strategies import check
from workbench.engine.sampling import Knobs
from workbench.engine.task import Silent, Task
from workbench.engine.values import Sampling, Sequenced, Strategy

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.models import LoadedModel


def run(
    model: LoadedModel,
    inputs: Inputs,
    knobs: Knobs | Sampling,
    strategy: Strategy,
    task: Task | None = None,
    *,
    shown: str | None = "",
) -> Generation:
    """Draw ``num_return_sequences`` sequences, sending each new token as a `Sequenced` step.

    The ids are those of ``model.generate(do_sample=True, num_return_sequences=…)`` after ``torch.manual_seed(seed)``:
    all sequences are rows of one batch, and each step draws for all of them at once, the complete ones included.

    Args:
        model: A loaded model that generates.
        inputs: What it is given.
        knobs: A `Sampling`, or a holder whose moves act on the next token of every sequence.
        strategy: How many sequences.
        task: Gets a `Sequenced` for each token of each sequence that still goes on, and `Progress` in tokens of the
            longest. When it is cancelled, every sequence ends within a token.
        shown: The text that was shown for the last ids in front, where they were generated; see `Text`.

    Returns:
        All sequences; text, steps and reason are the first one's.

    Raises:
        InputError: The knobs are greedy, so that all sequences would be the same, or they leave no token.
        NotSupported: The logits are not numbers.
    """
    task = task or Silent()
    knobs = knobs if isinstance(knobs, Knobs) else Knobs(knobs)
    check(model, knobs.current, strategy)
    space = room(model, inputs.length)
    config = settings(
        model, inputs, strategy, space, do_sample=True, num_return_sequences=strategy.num_return_sequences
    )
    batch = _Batch(model, inputs, knobs, strategy, task, space, shown)
    launch(model, inputs, config, batch.run, share=strategy.threads)
    return batch.generation()


class _Batch:
    """Stands between the library's loop and its processors: records each row, draws for all, and ends them.

    Args:
        model: Whose loop it is.
        inputs: What it was given.
        knobs: Read before every token.
        strategy: How many sequences.
        task: Gets the steps.
        space: New tokens that fit into the context, or None.
        shown: As for `run`.
    """

    def __init__(
        self,
        model: LoadedModel,
        inputs: Inputs,
        knobs: Knobs,
        strategy: Strategy,
        task: Task,
        space: int | None,
        shown: str | None,
    ) -> None:
        self._model = model
        self._inputs = inputs
        self._strategy = strategy
        self._task = task
        self._seed = knobs.current.seed
        self._processors = Processors(model, knobs, inputs, strategy)
        self._ending = Ending(knobs, task, inputs.start.eos, space)
        self._pace = Pace(strategy.tokens_per_second, task)
        before = written(inputs)
        self._rows = [Steps(model, inputs, before, shown) for _ in range(strategy.num_return_sequences)]
        self._reasons = [""] * len(self._rows)
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
        """The ``custom_generate`` of `GenerationMixin.generate`: its sampling loop, with this object in between."""
        # The draw is made here, and the loop takes the largest score.
        generation_config.do_sample = False
        self._draws = Draws(self._model, self._seed, input_ids.device)
        return model._sample(
            input_ids,
            logits_processor=self._process,
            stopping_criteria=Criteria(stopping_criteria, self._strategy, self._stop),
            generation_config=generation_config,
            **model_kwargs,
        )

    def generation(self) -> Generation:
        """What came of it."""
        first = self._rows[0]
        return Generation(
            text=first.text,
            steps=tuple(first.done),
            reason=self._reasons[0],
            prompt_tokens=self._inputs.length,
            seconds=self._last - self._began,
            start=self._inputs.start,
            sequences=tuple(tuple(row.done) for row in self._rows),
        )

    def _process(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Let the processors act on ``(sequences, vocab)``, draw, and make what was drawn the largest."""
        scores = self._processors(input_ids, scores)
        chosen, self._after = self._draws.choose(scores, self._processors)
        return scores.scatter(1, chosen[:, None], math.inf)

    def _stop(self, input_ids: torch.Tensor, ended: torch.Tensor) -> torch.Tensor:
        """Make the steps of the tokens that were just chosen, and say which sequences they end."""
        import torch

        ids = input_ids[:, -1].tolist()
        for index, row in enumerate(self._rows):
            if self._reasons[index]:
                continue
            reason = self._ending.why(ids[index], len(row.done) + 1, bool(ended[index]))
            guided = self._processors.guided
            step = row.make(
                ids[index],
                self._processors.raw[index],
                self._processors.sampling,
                self._after[index],
                guided=None if guided is None else guided[index],
                last=bool(reason),
            )
            self._reasons[index] = reason
            self._task.send(Sequenced(index, step))
        self._last = time.perf_counter()
        self._ending.progress(max(len(row.done) for row in self._rows))
        self._pace.wait()
        for row in self._rows:
            row.wait()
        return torch.tensor([bool(reason) for reason in self._reasons], device=ended.device)
