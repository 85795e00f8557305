"""What every way of generating shares: processors kept up with the knobs, the draw, the steps, the end, the pace."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, WorkbenchError
from workbench.engine.generate import captions
from workbench.engine.generate.compiled import compiling, compiling_of
from workbench.engine.generate.inputs import Inputs, limits
from workbench.engine.generate.text import Text
from workbench.engine.sampling import Knobs, acting, check, keep, processors
from workbench.engine.sampling.library import name_of
from workbench.engine.sampling.scores import threads
from workbench.engine.task import Progress, Task
from workbench.engine.values import Sampling, Step, Strategy

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

    from workbench.engine.models import LoadedModel

#: Room for new tokens where the architecture names no longest context.
NO_CONTEXT = 1_000_000
#: Seconds between two looks at whether a pause has been cut short.
_NAP = 0.02


def context_of(model: LoadedModel) -> int | None:
    """The most tokens the model can attend to, prompt and new ones together, or None when it names no limit."""
    return limits(model).decoder


def end_ids(model: LoadedModel, strategy: Strategy) -> tuple[int, ...]:
    """Ids that end a run: those of the strategy, or the checkpoint's own."""
    if strategy.eos_token_ids is not None:
        return strategy.eos_token_ids
    return captions.ends(model)


def settings(
    model: LoadedModel, inputs: Inputs, strategy: Strategy, room: int | None, **more: object
) -> GenerationConfig:
    """What ``generate()`` is told beside the inputs; of the checkpoint's own config special ids and stop criteria hold.

    Args:
        model: The model.
        inputs: What it is given.
        strategy: Its end tokens and stop strings are taken.
        room: New tokens that fit, or None.
        more: Further fields.
    """
    from transformers import GenerationConfig

    own = captions.writer(model).generation_config
    # Which of the two the checkpoint's own config leaves unset: the library warns when both are there.
    name = "max_new_tokens" if own.max_length is None or own.max_new_tokens is not None else "max_length"
    most = room if room is not None else NO_CONTEXT
    given: dict[str, Any] = {
        "do_sample": False,
        "num_beams": 1,
        "num_return_sequences": 1,
        "return_dict_in_generate": False,
        name: most if name == "max_new_tokens" else inputs.length + most,
    }
    if strategy.compiled:
        given |= compiling(inputs.length + most)
    elif "past_key_values" not in inputs.kwargs and captions.writer(model)._supports_default_dynamic_cache():
        given["cache_implementation"] = "dynamic"
    if strategy.stop_strings:
        given["stop_strings"] = list(strategy.stop_strings)
    if strategy.eos_token_ids:
        given["eos_token_id"] = list(strategy.eos_token_ids)
    return GenerationConfig(**(given | more))


def launch(
    model: LoadedModel, inputs: Inputs, config: GenerationConfig, loop: Callable[..., Any], *, share: int = 0
) -> Any:
    """Let ``generate()`` prepare everything and then call ``loop`` as its ``custom_generate``.

    Args:
        model: The model.
        inputs: What it is given.
        config: See `settings`.
        loop: Called with the model, ``input_ids``, ``logits_processor``, ``stopping_criteria``, ``generation_config``
            and the model's arguments; calls one of the library's loops.
        share: CPU threads to share the work among; 0 leaves it to torch.

    References:
        transformers, Generation strategies: custom generation methods
    """
    import torch
    from transformers import StoppingCriteriaList, StopStringCriteria

    own = captions.writer(model).generation_config
    strings, theirs = config.stop_strings or own.stop_strings, own.stop_strings
    criteria = StoppingCriteriaList()
    if strings:
        # generate() loses the tokenizer on the way to a loop of one's own, so the criterion can't be made there.
        criteria.append(StopStringCriteria(tokenizer=model.tokenizer, stop_strings=strings))
    config.stop_strings = own.stop_strings = None
    try:
        # Inference mode spares torch the book-keeping that generate()'s own no_grad leaves on.
        with (
            torch.inference_mode(),
            threads(share) if share else nullcontext(),
            compiling_of(model.model) if config.compile_config is not None else nullcontext(),
        ):
            return captions.generating(model)(
                **captions.handed(model, inputs.kwargs),
                generation_config=config,
                custom_generate=loop,
                stopping_criteria=criteria,
            )
    finally:
        own.stop_strings = theirs


class Processors:
    """The library's processors in its order, built anew whenever a knob has moved; called like a LogitsProcessorList.

    Rows of a batch are sequences side by side with one prompt.

    Args:
        model: Whose scores.
        knobs: Read at every call, but for the watermark.
        inputs: What the run was given.
        strategy: Its guidance acts first, as one object for the whole run, since it has a cache of its own.

    Attributes:
        sampling: The knobs of the last call.
        raw: Scores ``(batch, vocab)`` of the last call before anything acted, float32; not to be changed.
        guided: The same after classifier-free guidance, or None without it.
    """

    def __init__(self, model: LoadedModel, knobs: Knobs, inputs: Inputs, strategy: Strategy) -> None:
        self._model = model
        self._knobs = knobs
        self._inputs = inputs
        self._for: Sampling | None = None
        self._guidance = _guidance(model, strategy) if strategy.guidance_scale != 1.0 else None
        self._mark = knobs.current.watermarking_config
        self.sampling = knobs.current
        self.raw: torch.Tensor
        self.guided: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores ``(batch, vocab)`` after everything that acts, for ``input_ids`` of shape ``(batch, seq)``."""
        self.sampling = self._knobs.current
        if self.sampling.watermarking_config != self._mark:
            # A text bears one mark, or no detector finds it.
            self.sampling = replace(self.sampling, watermarking_config=self._mark)
        if self.sampling != self._for:
            self._list = self._build(scores)
            self._for = self.sampling
        self.raw = scores
        self._ids = input_ids
        if self._guidance is not None:
            scores = self.guided = self._guidance(input_ids, scores)
        return self._list(input_ids, scores)

    def culprit(self) -> str:
        """The knob after which no token was left in the last call, by its name."""
        import torch

        scores = self.raw if self.guided is None else self.guided
        for processor in self._list:
            scores = processor(self._ids, scores)
            if bool(torch.isneginf(scores).all()):
                return name_of(processor)
        return ""

    def _build(self, scores: torch.Tensor) -> LogitsProcessorList:
        start = self._inputs.start
        mask = self._inputs.kwargs.get("decoder_attention_mask" if start.decoder_start else "attention_mask")
        # As ``generate()`` does: no mask where nothing is masked, and a row for each sequence.
        mask = None if mask is None or bool(mask.all()) else mask.expand(len(scores), -1)
        return processors(
            self._model,
            check(self.sampling, scores.shape[-1]),
            self._inputs.length,
            start.eos,
            scores.device,
            self._inputs.kwargs.get("input_ids") if start.decoder_start else None,
            mask,
        )


class Draws:
    """Chooses tokens as the library's loop does, out of a generator of its own.

    Nothing else in the process (a fine-tune, another generation) disturbs it or is disturbed.

    Args:
        model: Named in errors.
        seed: What ``torch.manual_seed`` would be given.
        device: Where the scores are.
    """

    def __init__(self, model: LoadedModel, seed: int, device: torch.device) -> None:
        import torch

        self._model = model
        self._generator = torch.Generator(device=device)
        self._generator.manual_seed(seed)

    def choose(self, scores: torch.Tensor, acted: Processors) -> tuple[torch.Tensor, list[float]]:
        """Choose one token per row.

        Args:
            scores: Of shape ``(batch, vocab)``, after all processors.
            acted: What gave them.

        Returns:
            Ids of shape ``(batch,)``, and the probability each was drawn with (1.0 when greedy).

        Raises:
            NotSupported: The model's logits are not numbers.
            InputError: The knobs removed every token.
        """
        import torch

        if not acted.sampling.do_sample:
            chosen = scores.argmax(dim=-1)
            best = scores.gather(1, chosen[:, None])[:, 0]
            if not bool(torch.isfinite(best).all()):
                raise self._nothing(acted)
            return chosen, [1.0] * len(chosen)
        chances = torch.softmax(scores, dim=-1)
        # Off the CPU a bad draw is no error that could be caught: it takes the whole device down.
        if chances.device.type != "cpu" and not bool(torch.isfinite(chances).all()):
            raise self._nothing(acted)
        try:
            chosen = torch.multinomial(chances, num_samples=1, generator=self._generator)
        except RuntimeError as error:
            if bool(torch.isfinite(chances).all()):
                raise
            raise self._nothing(acted) from error
        return chosen[:, 0], chances.gather(1, chosen)[:, 0].tolist()

    def _nothing(self, acted: Processors) -> WorkbenchError:
        import torch

        raw = acted.raw
        if bool(torch.isnan(raw).any()) or bool(torch.isposinf(raw).any()) or bool(torch.isneginf(raw).all()):
            return not_numbers(self._model)
        culprit = acted.culprit()
        others = [name for name in acting(acted.sampling) if name != culprit]
        return InputError(
            "The knobs leave no token to choose.",
            why=f"After {culprit} none was left" + (f"; beside it acted {', '.join(others)}." if others else "."),
            remedy=f"Set {culprit} to another value, or switch all knobs off with Neutral.",
        )


class Steps:
    """Makes the steps of one sequence, with their text and their time.

    Args:
        model: Its tokenizer reads the ids.
        inputs: What the run was given.
        before: Ids in front of the first new one.
        shown: As for `Text`.

    Attributes:
        done: The steps so far.
    """

    def __init__(self, model: LoadedModel, inputs: Inputs, before: Sequence[int] = (), shown: str | None = "") -> None:
        assert model.tokenizer is not None
        self._model = model
        self._first = inputs.start.kept
        self._prompt_length = inputs.length
        self._text = Text(model.tokenizer, before, shown)
        self._last = time.perf_counter()
        self.done: list[Step] = []

    @property
    def text(self) -> str:
        """The new text."""
        return "".join(step.text for step in self.done)

    def make(
        self,
        token_id: int,
        raw: torch.Tensor,
        sampling: Sampling,
        after: float,
        *,
        guided: torch.Tensor | None = None,
        last: bool = False,
    ) -> Step:
        """Make the step of the token that follows.

        Args:
            token_id: What was chosen.
            raw: What the model gave, float32 of shape ``(vocab,)``.
            sampling: The knobs that held.
            after: The probability it was drawn with.
            guided: Scores after guidance, of the same shape.
            last: Whether the sequence ends with it.

        Raises:
            NotSupported: The scores are not numbers, and no knob makes them such.
        """
        probability, rank, entropy = measure(raw, token_id)
        if math.isnan(probability) and not sampling.remove_invalid_values:
            raise not_numbers(self._model)
        now = time.perf_counter()
        step = Step(
            index=self._first + len(self.done),
            token_id=token_id,
            text=self._text.add(token_id, last=last),
            logits=keep(raw, self._model.dtype),
            sampling=sampling,
            seconds=now - self._last,
            probability=probability,
            rank=rank,
            entropy=entropy,
            after=after,
            guided=keep(guided, "float32") if guided is not None else None,
            prompt_length=self._prompt_length,
        )
        self._last = now
        self.done.append(step)
        return step

    def wait(self) -> None:
        """Leave out of the next step's time what has passed since this one."""
        self._last = time.perf_counter()


def measure(raw: torch.Tensor, token_id: int) -> tuple[float, int, float]:
    """Probability, rank (1 is the most probable) and entropy (bits) from raw logits of shape ``(vocab,)``, float32."""
    import torch

    chances = torch.softmax(raw, dim=-1)
    own = raw[token_id]
    # Entropy without a logarithm per entry: log p = raw - (raw at the top - log p at the top).
    found = torch.stack(
        (chances[token_id], (raw > own).sum().to(raw.dtype), chances.max(), raw.max(), torch.dot(chances, raw))
    )
    probability, larger, best, top, mean = found.tolist()
    if math.isnan(probability):
        return math.nan, 1 + int(larger), math.nan
    if not math.isfinite(mean):
        mean = float(torch.dot(chances, raw.clamp_min(torch.finfo(raw.dtype).min)))
    return probability, 1 + int(larger), max(0.0, (top - math.log(best) - mean) / math.log(2))


class Ending:
    """Says when a sequence ends, and why.

    Args:
        knobs: Its ``max_new_tokens`` is read after every token.
        task: Its wish to stop is.
        eos: Ids that end a text.
        room: New tokens that fit into the context, or None.
    """

    def __init__(self, knobs: Knobs, task: Task, eos: Sequence[int], room: int | None) -> None:
        self._knobs = knobs
        self._task = task
        self._eos = frozenset(eos)
        self._room = room

    @property
    def limit(self) -> int:
        """New tokens there will be at most."""
        asked = self._knobs.current.max_new_tokens
        return asked if self._room is None else min(asked, self._room)

    def why(self, token_id: int, count: int, ended: bool) -> str:
        """Why ``token_id``, the new token number ``count``, is the last one, or an empty text when it is not.

        Args:
            token_id: The token.
            count: 1 for the first of the run.
            ended: Whether one of the library's own criteria is met.
        """
        if token_id in self._eos:
            return "eos"
        if count >= self._knobs.current.max_new_tokens:
            return "length"
        if self._room is not None and count >= self._room:
            return "context"
        if ended:
            return "stop"
        return "stopped" if self._task.cancelled else ""

    def progress(self, count: int) -> None:
        """Report how far the run has come."""
        self._task.report(Progress(count, self.limit, "tokens"))


class Pace:
    """Holds a run back to so many tokens a second.

    Args:
        tokens_per_second: 0.0 is off.
        task: A wish to stop ends the pause.
    """

    def __init__(self, tokens_per_second: float, task: Task) -> None:
        self._gap = 1 / tokens_per_second if tokens_per_second > 0 else 0.0
        self._task = task
        self._nap = threading.Event()
        self._next = time.perf_counter() + self._gap

    def wait(self) -> None:
        """Pause until the next token may be shown."""
        while self._gap and not self._task.cancelled:
            left = self._next - time.perf_counter()
            if left <= 0:
                break
            self._nap.wait(min(left, _NAP))
        self._next = max(self._next, time.perf_counter()) + self._gap


class Criteria:
    """The library's stopping criteria, and after them the recorder's word; read by the loop as a StoppingCriteriaList.

    Args:
        prepared: What ``generate()`` made of the checkpoint's settings and the strategy.
        strategy: Where it says that no token ends the run, the criterion for them goes.
        stop: Told the ids ``(batch, seq)`` and which rows ended by themselves, bool of shape ``(batch,)``; says which
            rows are to end, as a tensor of that shape or one word for all.
    """

    def __init__(
        self,
        prepared: StoppingCriteriaList,
        strategy: Strategy,
        stop: Callable[[torch.Tensor, torch.Tensor], torch.Tensor | bool],
    ) -> None:
        if strategy.eos_token_ids == ():
            prepared = type(prepared)(found for found in prepared if not hasattr(found, "eos_token_id"))
        self._prepared = prepared
        self._stop = stop

    def __iter__(self) -> Iterator[Any]:
        return iter(self._prepared)

    @property
    def max_length(self) -> int | None:
        """Ids, prompt included, at which the loop ends by itself."""
        return self._prepared.max_length

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Which rows are to end, bool of shape ``(batch,)``."""
        ended = self._prepared(input_ids, scores, **kwargs)
        return ended | self._stop(input_ids, ended)


def not_numbers(model: LoadedModel) -> NotSupported:
    """The error of a model whose logits hold NaN or infinity."""
    return NotSupported(
        f"{model.checkpoint.name} gave no probabilities to draw from.",
        why=f"Its logits hold NaN or infinity; it computes in {model.dtype}.",
        remedy="Load it in float32 or bfloat16; if that does not help, its weights are damaged.",
    )


def _guidance(model: LoadedModel, strategy: Strategy) -> Any:
    import torch
    from transformers import UnbatchedClassifierFreeGuidanceLogitsProcessor

    ids = None
    if strategy.negative_prompt:
        assert model.tokenizer is not None
        found = model.tokenizer(strategy.negative_prompt)["input_ids"]
        ids = torch.tensor([found], device=model.model.device) if found else None
    return UnbatchedClassifierFreeGuidanceLogitsProcessor(strategy.guidance_scale, model.model, unconditional_ids=ids)
