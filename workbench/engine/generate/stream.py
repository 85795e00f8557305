"""New tokens from the library's own loop, with every step recorded and knobs that act while it runs."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.generate.cache import KeptCache
from workbench.engine.generate.healing import heal, no_healing
from workbench.engine.generate.inputs import Inputs, inputs, prepare_start, room, start_of, tokenizer_of
from workbench.engine.generate.ranges import checked
from workbench.engine.generate.recorder import (
    Criteria,
    Draws,
    Ending,
    Pace,
    Processors,
    Steps,
    end_ids,
    launch,
    settings,
)
from workbench.engine.generate.result import Generation
from workbench.engine.sampling import Knobs
from workbench.engine.task import Silent, Task
from workbench.engine.values import Encoding, Message, Sampling, Start, Step, Strategy

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.models import LoadedModel


def prepare(model: LoadedModel, text: str, messages: Sequence[Message] = (), *, task: Task | None = None) -> Encoding:
    """Encode what a generation starts from and check that the model can go on from there.

    Args:
        model: A model that generates, with a tokenizer.
        text: A plain prompt. An empty one starts from the tokenizer's bos token, where it has one.
        messages: The turns of a chat instead, written by the checkpoint's own template.
        task: Asked whether to stop.

    Raises:
        NotSupported: The model does not generate text, has no tokenizer, or no chat template for messages.
        InputError: The prompt is empty and there is no bos token, or it fills the context.
    """
    return prepare_start(model, text, messages, task=task).encoding


def run(
    model: LoadedModel,
    text: str,
    messages: Sequence[Message],
    knobs: Knobs | Sampling,
    *,
    strategy: Strategy | None = None,
    second: LoadedModel | None = None,
    kept: KeptCache | None = None,
    truncate: bool = False,
    images: Sequence[Path] = (),
    sounds: Sequence[Path] = (),
    task: Task | None = None,
) -> Generation:
    """Prepare what the generation starts from, and then `stream`.

    Args:
        model: As for `stream`.
        text: As for `prepare`.
        messages: As for `prepare`.
        knobs: As for `stream`.
        strategy: As for `stream`.
        second: As for `stream`.
        kept: As for `stream`.
        truncate: Cut the beginning off a prompt that fills the context, so that ``max_new_tokens`` fit (at most half
            the context is made free); `Start.dropped` says how many tokens went.
        images: Pictures that the prompt is about, for models that see.
        sounds: Sounds that it is about, for models that hear.
        task: As for `stream`.

    Raises:
        NotSupported, InputError: As for `prepare` and `stream`, and for pictures and sounds that can't be used.
    """
    knobs = knobs if isinstance(knobs, Knobs) else Knobs(knobs)
    reserve = knobs.current.max_new_tokens
    start = prepare_start(model, text, messages, images, sounds, truncate=truncate, reserve=reserve, task=task)
    if strategy is not None and strategy.token_healing and not (start.files or messages or no_healing(model)):
        start = heal(model, start)
    return stream(model, start, knobs, strategy=strategy, second=second, kept=kept, task=task)


def stream(
    model: LoadedModel,
    encoding: Encoding | Start,
    knobs: Knobs | Sampling,
    *,
    strategy: Strategy | None = None,
    second: LoadedModel | None = None,
    kept: KeptCache | None = None,
    task: Task | None = None,
) -> Generation:
    """Generate, sending each new token as a `Step` through ``task.send`` while the knobs stay movable.

    The ids are those of ``torch.manual_seed(seed)`` followed by ``model.generate(…)`` with the same settings: it is the
    library's loop that runs, with its own processors. Only the draw comes from a generator of its own with the same
    seed, so that nothing else in the process (a fine-tune) disturbs it or is disturbed. Of the checkpoint's generation
    config only special token ids and stop criteria hold: every knob is stated, so none is overridden silently.

    Args:
        model: A model that generates, with a tokenizer.
        encoding: The prompt, of shape ``(seq,)``, or a whole `Start`. When empty, generation starts from the bos token,
            where there is one.
        knobs: A `Sampling`, or a `Knobs` holder whose moves act on the next token, ``max_new_tokens`` included. The
            seed is read once, at the start.
        strategy: What stands for the whole run; one sequence, chosen token by token, when None.
        second: The model that guesses ahead, for assisted decoding.
        kept: Is left what attention computed, for `branch`.
        task: Gets the `Start`, then a `Step` per token, and `Progress` in tokens. When it is cancelled, generation ends
            within a token and returns what it has.

    Raises:
        NotSupported: The model does not generate text or has no tokenizer, its logits are not numbers, or it does not
            offer the strategy.
        InputError: The prompt is empty or fills the context, a knob is out of its range, or the knobs leave no token.

    References:
        transformers, Generation strategies: custom generation methods; GenerationMixin.generate
    """
    tokenizer_of(model)
    start = encoding if isinstance(encoding, Start) else start_of(model, encoding)
    return go(model, start, knobs, strategy=strategy, second=second, kept=kept, task=task)


def go(
    model: LoadedModel,
    start: Start,
    knobs: Knobs | Sampling,
    *,
    more: Sequence[int] = (),
    shown: str | None = "",
    strategy: Strategy | None = None,
    second: LoadedModel | None = None,
    kept: KeptCache | None = None,
    reuse: bool = False,
    task: Task | None = None,
) -> Generation:
    """What `stream` and `branch` have in common: send the start, and let the strategy's loop run.

    Args:
        model: As for `stream`.
        start: What the text starts from.
        knobs: As for `stream`.
        more: Ids that were written after it and are taken over.
        shown: The end of the text shown for them; see `workbench.engine.generate.text.Text`.
        strategy: As for `stream`.
        second: As for `stream`.
        kept: As for `stream`.
        reuse: Whether to go on from what ``kept`` holds.
        task: As for `stream`.

    Raises:
        NotSupported, InputError: As for `stream`.
    """
    task = task or Silent()
    tokenizer_of(model)
    strategy = checked(strategy or Strategy(), model.model.config.get_text_config(decoder=True).vocab_size)
    knobs = knobs if isinstance(knobs, Knobs) else Knobs(knobs)
    _offered(model, knobs.current, strategy)
    given = inputs(model, replace(start, eos=end_ids(model, strategy)), more)
    space = room(model, given.length)
    task.send(given.start)
    if task.cancelled:
        return Generation("", (), "stopped", given.length, 0.0, given.start)
    if strategy.num_beams > 1:
        from workbench.engine.generate import beams

        return beams.run(model, given, knobs, strategy, task, shown=shown)
    if strategy.guesses:
        from workbench.engine.generate import speculative

        return speculative.run(model, given, knobs, strategy, second, task, shown=shown)
    if strategy.num_return_sequences > 1:
        from workbench.engine.generate import several

        return several.run(model, given, knobs, strategy, task, shown=shown)
    return _Loop(model, given, knobs, strategy, task, space, shown, kept, reuse).generation()


def stream_text(model: LoadedModel, encoding: Encoding, sampling: Sampling | Knobs | None = None) -> Iterator[str]:
    """Generate text piece by piece, for scripts that print it as it comes.

    Args:
        model: A model that generates, with a tokenizer.
        encoding: The prompt.
        sampling: The knobs; the defaults of `Sampling` when None. Leaving the loop early stops the generation.

    Raises:
        NotSupported, InputError: As for `stream`.
    """
    task = _Pieces()

    def work() -> None:
        try:
            stream(model, encoding, sampling or Sampling(), task=task)
            task.queue.put(None)
        except BaseException as error:
            task.queue.put(error)

    thread = threading.Thread(target=work, name="stream_text")
    thread.start()
    with closing(task):
        try:
            while (piece := task.queue.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                if piece:
                    yield piece
        finally:
            task.close()
            thread.join()


class _Pieces(Silent):
    """The task of `stream_text`: hands texts to the consuming thread."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()

    def send(self, part: object) -> None:
        """Hand over the text of a step."""
        if isinstance(part, Step):
            self.queue.put(part.text)

    def close(self) -> None:
        """Stop within a token."""
        self.cancelled = True


class _Stopped(Exception):
    """Leaves the library's loop before a token is chosen."""


class _Loop:
    """Stands between the library's sampling loop and its processors: one sequence, token by token.

    Args:
        model: Whose loop it is.
        given: What it is given.
        knobs: Read before every token.
        strategy: What stands for the run.
        task: Gets the steps.
        space: New tokens that fit into the context, or None.
        shown: As for `go`.
        kept: As for `go`.
        reuse: As for `go`.
    """

    def __init__(
        self,
        model: LoadedModel,
        given: Inputs,
        knobs: Knobs,
        strategy: Strategy,
        task: Task,
        space: int | None,
        shown: str | None,
        kept: KeptCache | None,
        reuse: bool,
    ) -> None:
        self._began = time.perf_counter()
        self._model = model
        self._given = given
        self._knobs = knobs
        self._strategy = strategy
        self._task = task
        self._space = space
        self._shown = shown
        self._kept = kept
        self._reuse = reuse
        # A cache of fixed size has room for what was asked for at the start.
        self._ending = Ending(Knobs(knobs.current) if strategy.compiled else knobs, task, given.start.eos, space)
        self._processors = Processors(model, knobs, given, strategy)
        self._most = self._ending.limit if strategy.compiled else space
        self._cache: Any = None
        self._reason = ""

    def generation(self) -> Generation:
        """Run, and give what came of it."""
        model, given = self._model, self._given
        written = given.kwargs["decoder_input_ids" if "decoder_input_ids" in given.kwargs else "input_ids"][0].tolist()
        plain = set(given.kwargs) == {"input_ids", "attention_mask"} and bool(given.kwargs["attention_mask"].all())
        cache, mark = None, 0
        if self._kept is not None:
            reuse = plain and self._reuse and not self._strategy.compiled
            cache, mark = self._kept.take(model.model, written if reuse else ())
        if cache is not None:
            given = replace(given, kwargs={**given.kwargs, "past_key_values": cache})
        self._steps = Steps(model, given, written, self._shown)
        try:
            config = settings(model, given, self._strategy, self._most)
            launch(model, given, config, self.run, share=self._strategy.threads)
        except _Stopped:
            self._reason = "stopped"
        done = self._steps.done
        if plain and self._kept is not None:
            self._kept.put(model.model, self._cache, [*written, *(step.token_id for step in done)], mark)
        seconds = time.perf_counter() - self._began
        return Generation(
            self._steps.text, tuple(done), self._reason, given.length, seconds, given.start, (tuple(done),)
        )

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
        self._cache = model_kwargs.get("past_key_values")
        self._draws = Draws(self._model, self._knobs.current.seed, input_ids.device)
        self._pace = Pace(self._strategy.tokens_per_second, self._task)
        return model._sample(
            input_ids,
            logits_processor=self._process,
            stopping_criteria=Criteria(stopping_criteria, self._strategy, self._stop),
            generation_config=generation_config,
            **model_kwargs,
        )

    def _process(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Let the processors act on the raw scores ``(1, vocab)``, and make what was drawn the largest."""
        if self._task.cancelled:
            raise _Stopped
        scores = self._processors(input_ids, scores)
        chosen, (self._after,) = self._draws.choose(scores, self._processors)
        # The loop takes the largest score: the draw has been made by then.
        return scores.index_fill(1, chosen, math.inf) if self._processors.sampling.do_sample else scores

    def _stop(self, input_ids: torch.Tensor, ended: torch.Tensor) -> bool:
        """Make a step of the token that was just chosen, and say whether it is the last one."""
        if self._reason:
            return True
        token_id = int(input_ids[0, -1])
        count = len(self._steps.done) + 1
        self._reason = self._ending.why(token_id, count, bool(ended.all()))
        acted = self._processors
        step = self._steps.make(
            token_id,
            acted.raw[0],
            acted.sampling,
            self._after,
            guided=acted.guided[0] if acted.guided is not None else None,
            last=bool(self._reason),
        )
        self._pace.wait()
        self._steps.wait()
        self._task.send(step)
        self._ending.progress(count)
        return bool(self._reason)


def _offered(model: LoadedModel, sampling: Sampling, strategy: Strategy) -> None:
    """Refuse what the model does not offer, with the reason that its control shows; guessing ahead looks itself."""
    if strategy.compiled:
        from workbench.engine.generate.strategies import check

        check(model, sampling, strategy)
    asked = {
        "beams": strategy.num_beams > 1,
        "sequences": strategy.num_return_sequences > 1,
        "guidance": strategy.guidance_scale != 1.0,
        "healing": strategy.token_healing,
        "watermarking_config": sampling.watermarking_config is not None,
        "eos_token_ids": strategy.eos_token_ids is not None,
    }
    if not any(asked.values()):
        return
    from workbench.engine.generate.strategies import supports

    why_not = supports(model)
    for name, wanted in asked.items():
        if wanted and why_not.get(name):
            raise NotSupported(
                f"{model.checkpoint.name} can't generate that way.",
                why=why_not[name],
                remedy="Choose another strategy.",
            )
