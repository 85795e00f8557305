"""Guessing ahead: several tokens are guessed, by looking them up or by a second model, and checked in one pass."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.generate import loops
from workbench.engine.generate.drafts import layers_kept
from workbench.engine.generate.inputs import Inputs, room
from workbench.engine.generate.recorder import Criteria, Ending, Pace, Steps, launch, settings
from workbench.engine.generate.result import Generation
from workbench.engine.generate.strategies import check, other_tokenizer
from workbench.engine.sampling import Knobs
from workbench.engine.task import Silent, Task
from workbench.engine.values import Sampling, Strategy

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.models import LoadedModel


def run(
    model: LoadedModel,
    inputs: Inputs,
    knobs: Knobs | Sampling,
    strategy: Strategy,
    second: LoadedModel | None = None,
    task: Task | None = None,
    *,
    shown: str | None = "",
) -> Generation:
    """Generate with tokens guessed ahead, sending each new token as a `Step`; several come at a time.

    The ids are those of ``torch.manual_seed(seed)`` and ``model.generate(…)`` with ``prompt_lookup_num_tokens``,
    ``assistant_model``, ``assistant_early_exit`` or ``use_mtp``: the library's own loop runs. Greedy ids are those of
    decoding without guesses; drawn ones have the same chances and come from other draws. What checks the guesses are
    the model's logits at every place, so each step has them, and the knobs that held in its pass. ``do_sample``,
    ``max_new_tokens``, the seed and the watermark are read at the start, and the model that guesses goes by the knobs
    of the start.

    Args:
        model: A loaded model that generates.
        inputs: What it is given.
        knobs: A `Sampling`, or a holder whose moves act on the next pass.
        strategy: ``prompt_lookup_num_tokens``, ``use_mtp``, or ``assisted`` or ``assistant_early_exit`` with
            ``num_assistant_tokens``.
        second: Guesses when ``strategy.assisted``. With another tokenizer its guesses are read as text and tokenized
            anew, as the library's universal assisted decoding does.
        task: Gets the steps and `Progress` in tokens. When it is cancelled, the run ends within a pass.
        shown: The text that was shown for the last ids in front, where they were generated; see `Text`.

    Returns:
        Its ``guesses`` and ``guessed`` say how many tokens were guessed and how many of them were right.

    Raises:
        NotSupported: The model, or the two together, can't do it; the logits are not numbers.
        InputError: Settings that don't go together, or a second model that can only guess for greedy decoding.

    References:
        transformers, Generation strategies: speculative decoding; GenerationMixin._assisted_decoding
    """
    task = task or Silent()
    knobs = knobs if isinstance(knobs, Knobs) else Knobs(knobs)
    first = knobs.current
    check(model, first, strategy, second)
    other = strategy.assisted and second is not None and other_tokenizer(model, second)
    if other and second is not None and first.watermarking_config is not None:
        raise InputError(
            f"{second.checkpoint.name} can't guess for a text with a watermark.",
            why="Their tokenizers differ, and the mark is made for one vocabulary.",
            remedy="Switch the watermark off, or load a second model with the same tokenizer.",
        )
    if other and second is not None and first.do_sample:
        raise InputError(
            f"{second.checkpoint.name} can guess for {model.checkpoint.name} only without sampling.",
            why="Their tokenizers differ, and to draw from both the library would rebuild the second model's head.",
            remedy="Turn sampling off, or load a second model with the same tokenizer.",
        )
    space = room(model, inputs.length)
    new = first.max_new_tokens if space is None else min(first.max_new_tokens, space)
    config = settings(model, inputs, strategy, new, do_sample=first.do_sample)
    assistant = second if strategy.assisted else None
    passes = _Passes(model, inputs, knobs, strategy, assistant, task, space, shown)
    with (
        loops.own_draws(first.seed) if first.do_sample else nullcontext(),
        layers_kept(model.model) if strategy.assistant_early_exit else nullcontext(),
    ):
        launch(model, inputs, config, passes.run, share=strategy.threads)
    return passes.generation()


@contextmanager
def _guessing(guesser: PreTrainedModel, strategy: Strategy) -> Iterator[None]:
    """Give the model that guesses a config for it while it lasts: the loop reads it there, and writes to it."""
    from transformers import GenerationConfig

    own = guesser.generation_config
    guesser.generation_config = GenerationConfig(
        bos_token_id=own.bos_token_id,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.pad_token_id,
        decoder_start_token_id=own.decoder_start_token_id,
        num_assistant_tokens=strategy.num_assistant_tokens,
    )
    try:
        yield
    finally:
        guesser.generation_config = own


class _Passes:
    """Stands beside the library's assisted decoding: records what each pass checked and accepted.

    Args:
        model: Whose loop it is.
        inputs: What it was given.
        knobs: Read before every pass.
        strategy: How to guess.
        second: The model that guesses, or None for looking up.
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
        second: LoadedModel | None,
        task: Task,
        space: int | None,
        shown: str | None,
    ) -> None:
        self._model = model
        self._inputs = inputs
        self._knobs = knobs
        self._first = knobs.current
        self._strategy = strategy
        self._second = second
        self._task = task
        self._steps = Steps(model, inputs, loops.written(inputs), shown)
        self._ending = Ending(Knobs(self._first), task, inputs.start.eos, space)
        self._pace = Pace(strategy.tokens_per_second, task)
        self._reason = ""
        self._guesses = self._guessed = 0
        self._began = self._last = time.perf_counter()

    def run(
        self,
        model: PreTrainedModel,
        input_ids: torch.Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: Any,
        generation_config: GenerationConfig,
        inputs_tensor: torch.Tensor | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        **model_kwargs: Any,
    ) -> torch.Tensor:
        """The ``custom_generate`` of `GenerationMixin.generate`: its assisted decoding, with this object beside it."""
        prepared = loops.without_end(generation_config, stopping_criteria, self._strategy)
        loops.set_knobs(generation_config, self._first)
        # The second model is given this config, and a cache with it.
        generation_config.cache_implementation = None
        self._config = generation_config
        self._length = input_ids.shape[1]
        self._sampling = self._first
        self._checked: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._candidates = input_ids
        helpers: dict[str, Any] = {}
        strategy = self._strategy
        generation_config.prompt_lookup_num_tokens = strategy.prompt_lookup_num_tokens or None
        generation_config.assistant_early_exit = strategy.assistant_early_exit or None
        generation_config.use_mtp = strategy.use_mtp
        guesser = model if strategy.assistant_early_exit else None
        if self._second is not None:
            guesser = self._second.model
            helpers["assistant_model"] = self._second.model
            if other_tokenizer(self._model, self._second):
                helpers |= {"tokenizer": self._model.tokenizer, "assistant_tokenizer": self._second.tokenizer}
        with _guessing(guesser, strategy) if guesser is not None else nullcontext():
            # The processors are the list's own items, since the guessing model is given them too.
            return model._assisted_decoding(
                input_ids,
                logits_processor=_watched(self._list(self._first, input_ids.device), self),
                stopping_criteria=Criteria(prepared, self._strategy, self._stop),
                generation_config=generation_config,
                inputs_tensor=inputs_tensor,
                **helpers,
                **model_kwargs,
            )

    def generation(self) -> Generation:
        """What came of it."""
        return Generation(
            text=self._steps.text,
            steps=tuple(self._steps.done),
            reason=self._reason,
            prompt_tokens=self._inputs.length,
            seconds=self._last - self._began,
            start=self._inputs.start,
            sequences=(tuple(self._steps.done),),
            guesses=self._guesses,
            guessed=self._guessed,
        )

    def moved(self, input_ids: torch.Tensor) -> LogitsProcessorList | None:
        """The processors to go on with when a pass begins and a knob has been moved since the last one."""
        if self._checked:
            return None
        sampling = loops.fixed(self._knobs.current, self._first)
        if sampling == self._sampling:
            return None
        self._sampling = sampling
        return self._list(sampling, input_ids.device)

    def note(self, input_ids: torch.Tensor, raw: torch.Tensor, processed: torch.Tensor) -> None:
        """Keep the scores ``(1, vocab)`` of one place, before and after the processors; the ids are those before it.

        Looking up asks the processors too, with scores made up, whether its guesses are allowed: before the pass, so
        that the scores of the pass take their place.
        """
        loops.check_scores(self._model, raw, processed)
        self._checked[input_ids.shape[1] - self._length] = (raw[0], processed[0])
        self._candidates = input_ids

    def _list(self, sampling: Sampling, device: torch.device) -> LogitsProcessorList:
        return loops.library_list(self._model, self._config, sampling, self._inputs, device)

    def _stop(self, input_ids: torch.Tensor, ended: torch.Tensor) -> bool:
        """Make steps of the tokens that were accepted, and say whether they are the last ones."""
        import torch

        new = input_ids[0, self._length :].tolist()
        guesses = self._candidates[0, self._length :].tolist()
        self._guesses += len(guesses)
        self._guessed += sum(1 for token, guess in zip(new, guesses, strict=False) if token == guess)
        for at, token_id in enumerate(new):
            last = at == len(new) - 1
            raw, processed = self._checked[at]
            after = float(torch.softmax(processed, dim=-1)[token_id]) if self._first.do_sample else 1.0
            self._reason = self._ending.why(token_id, len(self._steps.done) + 1, last and bool(ended.all()))
            if self._reason == "stopped" and not last:
                self._reason = ""
            step = self._steps.make(token_id, raw, self._sampling, after, last=bool(self._reason))
            self._task.send(step)
            self._ending.progress(len(self._steps.done))
            self._pace.wait()
            self._steps.wait()
            if self._reason:
                break
        self._last = time.perf_counter()
        self._length = input_ids.shape[1]
        self._candidates = input_ids
        self._checked = {}
        return bool(self._reason)


def _watched(processors: LogitsProcessorList, passes: _Passes) -> LogitsProcessorList:
    """The same processors in a list that tells what they were given and gave."""
    from transformers import LogitsProcessorList

    class Watched(LogitsProcessorList):
        def __len__(self) -> int:
            # The loop spares itself the call of an empty list; this one has to hear of every place.
            return super().__len__() + 1

        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
            moved = passes.moved(input_ids)
            if moved is not None:
                self[:] = moved
            raw = scores.clone()
            processed: torch.Tensor = super().__call__(input_ids, scores, **kwargs)
            passes.note(input_ids, raw, processed)
            return processed

    return Watched(processors)
