"""New tokens from the library's own loop, with every step recorded and knobs that act while it runs."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate.result import Generation
from workbench.engine.sampling import Knobs, keep
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tokens import encode, encode_chat
from workbench.engine.values import Encoding, Message, Sampling, Step

if TYPE_CHECKING:
    import torch
    from transformers import (
        GenerationConfig,
        LogitsProcessorList,
        PreTrainedModel,
        PreTrainedTokenizerBase,
        StoppingCriteriaList,
    )

    from workbench.engine.models import LoadedModel

#: Room for new tokens where the architecture names no longest context.
_NO_CONTEXT = 1_000_000


def context_of(model: LoadedModel) -> int | None:
    """The most tokens the model can attend to, prompt and new ones together, or None when it names no limit."""
    config = model.model.config.get_text_config(decoder=True)
    limit = getattr(config, "max_position_embeddings", None) or model.facts.context
    return int(limit) if limit and limit > 0 else None


def prepare(model: LoadedModel, text: str, messages: Sequence[Message] = (), *, task: Task | None = None) -> Encoding:
    """Encode what a generation starts from and check that the model can go on from there.

    Args:
        model: A causal language model with a tokenizer.
        text: A plain prompt. An empty one starts from the tokenizer's bos token, where it has one.
        messages: The turns of a chat instead, written by the checkpoint's own template.
        task: Asked whether to stop.

    Raises:
        NotSupported: No causal language model, no tokenizer, or messages without a chat template.
        InputError: The prompt is empty and there is no bos token, or it fills the context.
    """
    tokenizer = _tokenizer(model)
    if messages:
        encoding = encode_chat(tokenizer, messages, task=task)
    else:
        encoding = encode(tokenizer, text, task=task)
        if not encoding.tokens and tokenizer.bos_token is not None:
            encoding = encode(tokenizer, str(tokenizer.bos_token), task=task)
    _room(model, len(encoding.tokens))
    return encoding


def run(
    model: LoadedModel,
    text: str,
    messages: Sequence[Message],
    knobs: Knobs | Sampling,
    *,
    task: Task | None = None,
) -> Generation:
    """`prepare` and then `stream`; the `Encoding` is sent through ``task.send`` before the first `Step`.

    Args:
        model: As for `prepare`.
        text: As for `prepare`.
        messages: As for `prepare`.
        knobs: As for `stream`.
        task: As for `stream`.

    Raises:
        NotSupported, InputError: As for both.
    """
    task = task or Silent()
    encoding = prepare(model, text, messages, task=task)
    task.send(encoding)
    return stream(model, encoding, knobs, task=task)


def stream(model: LoadedModel, encoding: Encoding, knobs: Knobs | Sampling, *, task: Task | None = None) -> Generation:
    """Generate, sending each new token as a `Step` through ``task.send`` while the knobs stay movable.

    The ids are those of ``torch.manual_seed(seed)`` followed by ``model.generate(…)`` with the same settings: it is the
    library's loop that runs, with its own processors. Only the draw comes from a generator of its own with the same
    seed, so that nothing else in the process (a fine-tune) disturbs it or is disturbed. Of the checkpoint's generation
    config only special token ids and stop criteria hold: every knob is stated, so none is overridden silently.

    Args:
        model: A causal language model with a tokenizer.
        encoding: The prompt, of shape ``(seq,)``. When empty, generation starts from the bos token, where there is one.
        knobs: A `Sampling`, or a `Knobs` holder whose moves act on the next token, ``max_new_tokens`` included. The
            seed is read once, at the start.
        task: Gets a `Step` per token and `Progress` in tokens. When it is cancelled, generation ends within a token
            and returns what it has.

    Raises:
        NotSupported: No causal language model, no tokenizer, or a model whose logits are not numbers.
        InputError: The prompt is empty or fills the context, or a knob is out of its range.

    References:
        transformers, Generation strategies: custom generation methods; GenerationMixin.generate
    """
    import torch
    from transformers import GenerationConfig

    task = task or Silent()
    tokenizer = _tokenizer(model)
    knobs = knobs if isinstance(knobs, Knobs) else Knobs(knobs)
    ids = list(encoding.input_ids)
    mask = list(encoding.attention_mask)
    if not ids and tokenizer.bos_token_id is not None:
        ids, mask = [int(tokenizer.bos_token_id)], [1]
    room = _room(model, len(ids))
    recorder = _Recorder(model, tokenizer, knobs, task, len(ids), room)
    # Which of the two the checkpoint's own config leaves unset: the library warns when both are there.
    own = model.model.generation_config
    name = "max_new_tokens" if own.max_length is None or own.max_new_tokens is not None else "max_length"
    most = room if room is not None else _NO_CONTEXT
    settings = GenerationConfig(
        do_sample=False,
        num_beams=1,
        num_return_sequences=1,
        cache_implementation="dynamic",
        return_dict_in_generate=False,
        **{name: most if name == "max_new_tokens" else len(ids) + most},
    )
    # The loop takes the largest score: the draw has been made by then, in the recorder. Inference mode spares torch the
    # book-keeping that generate()'s own no_grad leaves on, and pays for the recording.
    with torch.inference_mode():
        model.model.generate(
            torch.tensor([ids], device=model.model.device),
            attention_mask=torch.tensor([mask], device=model.model.device),
            generation_config=settings,
            custom_generate=recorder.run,
            tokenizer=tokenizer,
        )
    return recorder.generation()


def stream_text(model: LoadedModel, encoding: Encoding, sampling: Sampling | Knobs | None = None) -> Iterator[str]:
    """Generate text piece by piece, for scripts that print it as it comes.

    Args:
        model: A causal language model with a tokenizer.
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


class _Text:
    """New ids to text, piece by piece, never half a character.

    Args:
        tokenizer: Decodes; special tokens give no text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._window: list[int] = []
        self._sent = ""
        self._group = 0

    def add(self, token_id: int, *, last: bool) -> str:
        """What one more id adds; the beginning of a character is held back until it is whole or the last id came."""
        self._window.append(token_id)
        text = self._decode(self._window)
        whole = text if last else _without_unfinished(text)
        if not whole.startswith(self._sent):
            # The decoder took back what it had made of invalid bytes; what was shown stays.
            return ""
        added = whole[len(self._sent) :]
        self._sent = whole
        if added and whole == text:
            # How a piece reads can depend on the one before it, so that one stays in front: all ids of it, since a
            # window that begins inside a character would not decode.
            self._window = self._window[self._group :]
            self._group = len(self._window)
            self._sent = self._decode(self._window)
        return added

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


def _without_unfinished(text: str) -> str:
    # A character has at most four bytes, so at most three of them can be waiting for the rest.
    cut = len(text)
    while cut and len(text) - cut < 3 and text[cut - 1] == "�":
        cut -= 1
    return text[:cut]


class _Recorder:
    """Stands between the library's loop and its processors: records, keeps them up with the knobs, draws, and stops.

    Args:
        model: Whose loop it is.
        tokenizer: Decodes the new ids.
        knobs: Read before every token.
        task: Gets the steps.
        prompt_tokens: Tokens in front of the first new one.
        room: New tokens that fit into the context, or None.
    """

    def __init__(
        self,
        model: LoadedModel,
        tokenizer: PreTrainedTokenizerBase,
        knobs: Knobs,
        task: Task,
        prompt_tokens: int,
        room: int | None,
    ) -> None:
        self._model = model
        self._text = _Text(tokenizer)
        self._knobs = knobs
        self._task = task
        self._prompt_tokens = prompt_tokens
        self._room = room
        self._steps: list[Step] = []
        self._reason = ""
        self._processors_for: Sampling | None = None
        self._began = self._last = time.perf_counter()

    def run(
        self,
        model: PreTrainedModel,
        input_ids: torch.Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: Any,
        generation_config: GenerationConfig,
        tokenizer: PreTrainedTokenizerBase | None = None,
        **model_kwargs: Any,
    ) -> torch.Tensor:
        """The ``custom_generate`` of `GenerationMixin.generate`: its sampling loop, with this object in between."""
        import torch

        self._eos = (
            generation_config._eos_token_tensor.tolist() if generation_config._eos_token_tensor is not None else []
        )
        self._mask = model_kwargs.get("attention_mask")
        self._draws = torch.Generator(device=input_ids.device)
        self._draws.manual_seed(self._knobs.current.seed)
        return model._sample(
            input_ids,
            logits_processor=self._process,
            stopping_criteria=_Criteria(stopping_criteria, self._stop),
            generation_config=generation_config,
            **model_kwargs,
        )

    def generation(self) -> Generation:
        """What came of it."""
        text = "".join(step.text for step in self._steps)
        return Generation(text, tuple(self._steps), self._reason, self._prompt_tokens, self._last - self._began)

    def _process(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Record the raw scores ``(1, vocab)``, let the processors act, and make the drawn one the largest."""
        import torch

        sampling = self._knobs.current
        if sampling != self._processors_for:
            self._processors = self._build(sampling, scores)
            self._processors_for = sampling
        row = scores[0]
        self._logits = keep(row, self._model.dtype)
        self._raw = row
        scores = self._processors(input_ids, scores)
        if sampling.do_sample:
            chances = torch.softmax(scores, dim=-1)
            try:
                chosen = torch.multinomial(chances, num_samples=1, generator=self._draws)
            except RuntimeError as error:
                if bool(torch.isfinite(chances).all()):
                    raise
                raise _not_numbers(self._model) from error
            scores = scores.index_fill(1, chosen[0], math.inf)
        return scores

    def _build(self, sampling: Sampling, scores: torch.Tensor) -> LogitsProcessorList:
        from transformers import GenerationConfig

        # A fresh config, so that nothing of the checkpoint's own one acts besides the knobs.
        config = GenerationConfig(do_sample=sampling.do_sample, repetition_penalty=sampling.repetition_penalty)
        if sampling.do_sample:
            config.temperature, config.top_k, config.top_p = sampling.temperature, sampling.top_k, sampling.top_p
            config.min_p = sampling.min_p or None
        return self._model.model._get_logits_processor(
            config,
            input_ids_seq_length=self._prompt_tokens,
            device=scores.device,
            model_kwargs={"attention_mask": self._mask},
        )

    def _stop(self, input_ids: torch.Tensor, ended: bool) -> bool:
        """Make a step of the token that was just chosen, and say whether it is the last one."""
        import torch

        if self._reason:
            return True
        token_id = int(input_ids[0, -1])
        count = len(self._steps) + 1
        sampling = self._processors_for or self._knobs.current
        probability = float(torch.softmax(self._raw[None], dim=-1)[0, token_id])
        if math.isnan(probability):
            raise _not_numbers(self._model)
        self._reason = self._why(token_id, count, ended)
        now = time.perf_counter()
        step = Step(
            index=count - 1,
            token_id=token_id,
            text=self._text.add(token_id, last=bool(self._reason)),
            logits=self._logits,
            sampling=sampling,
            seconds=now - self._last,
            probability=probability,
            rank=1 + int((self._raw > self._raw[token_id]).sum()),
        )
        self._last = now
        self._steps.append(step)
        self._task.send(step)
        self._task.report(Progress(count, self._limit(), "tokens"))
        return bool(self._reason)

    def _why(self, token_id: int, count: int, ended: bool) -> str:
        if token_id in self._eos:
            return "eos"
        if self._room is not None and count >= self._room:
            return "context"
        if count >= self._knobs.current.max_new_tokens:
            return "length"
        if ended:
            return "stop"
        return "stopped" if self._task.cancelled else ""

    def _limit(self) -> int:
        asked = self._knobs.current.max_new_tokens
        return asked if self._room is None else min(asked, self._room)


class _Criteria:
    """The library's stopping criteria, and after them the recorder's word; read by the loop as a StoppingCriteriaList.

    Args:
        prepared: What ``generate()`` made of the checkpoint's settings.
        stop: Told the ids and whether the criteria are met; says whether to end.
    """

    def __init__(self, prepared: StoppingCriteriaList, stop: Callable[[torch.Tensor, bool], bool]) -> None:
        self._prepared = prepared
        self._stop = stop

    def __iter__(self) -> Iterator[Any]:
        return iter(self._prepared)

    @property
    def max_length(self) -> int | None:
        """Ids, prompt included, at which the loop ends by itself."""
        return self._prepared.max_length

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        ended = self._prepared(input_ids, scores, **kwargs)
        return ended | self._stop(input_ids, bool(ended.all()))


def _tokenizer(model: LoadedModel) -> PreTrainedTokenizerBase:
    if model.head != "AutoModelForCausalLM":
        raise NotSupported(
            f"{model.checkpoint.name} can't generate text.",
            why=f"It was loaded as {model.head}, and only a causal language model continues a text.",
            remedy="Load a checkpoint whose architecture ends in ForCausalLM.",
        )
    if model.tokenizer is None:
        raise NotSupported(
            f"{model.checkpoint.name} can't read a prompt.",
            why="There is no tokenizer in its folder.",
            remedy="Load a checkpoint that has one.",
        )
    return model.tokenizer


def _room(model: LoadedModel, count: int) -> int | None:
    """New tokens that fit behind a prompt of ``count``, or None without a limit."""
    if not count:
        raise InputError(
            "There is nothing to continue.",
            why="The prompt is empty, and this tokenizer has no token for the beginning of a text.",
            remedy="Write at least one word.",
        )
    context = context_of(model)
    if context is None:
        return None
    if count >= context:
        over = count - context + 1
        raise InputError(
            f"The prompt is {over:,} {'token' if over == 1 else 'tokens'} too long.",
            why=f"It has {count:,} tokens; {model.checkpoint.name} attends to {context:,} at most, and one of them has "
            "to be left for the next token.",
            remedy="Shorten the prompt or the conversation, or load a checkpoint with a longer context.",
        )
    return context - count


def _not_numbers(model: LoadedModel) -> NotSupported:
    return NotSupported(
        f"{model.checkpoint.name} gave no probabilities to draw from.",
        why=f"Its logits hold NaN or infinity; it computes in {model.dtype}.",
        remedy="Load it in float32 or bfloat16; if that does not help, its weights are damaged.",
    )
