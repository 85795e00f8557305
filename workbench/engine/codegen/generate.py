"""The scripts that generate text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.codegen import knobs, prompting
from workbench.engine.codegen.prompting import Prompt
from workbench.engine.codegen.script import (
    assign,
    call,
    checkpoint_lines,
    imported,
    literal,
    model_lines,
    script,
)
from workbench.engine.facts import CACHELESS
from workbench.engine.generate.captions import HANDING
from workbench.engine.generate.pictures import attach
from workbench.engine.processors import PICTURED
from workbench.engine.values import Strategy

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint, Message, Sampling, Step

HEAD = "AutoModelForCausalLM"
_SPECIAL = ("eos_token_id", "pad_token_id")


def generate(
    checkpoint: Checkpoint,
    text: str,
    messages: Sequence[Message] | None,
    sampling: Sampling,
    dtype: str,
    device: str,
    *,
    head: str = HEAD,
    strategy: Strategy | None = None,
    second: Checkpoint | None = None,
    steps: Sequence[Step] = (),
    prefix: Sequence[int] = (),
    images: Sequence[Path] = (),
    sounds: Sequence[Path] = (),
    dropped: int = 0,
    attention: str | None = None,
) -> str:
    """A script that continues a text, or answers a chat, and prints the new text while it comes.

    With ``steps`` it writes that very text again: their knobs hold instead of ``sampling``, each from the step at which
    it was moved, and a run that was stopped ends where it ended.

    Args:
        checkpoint: Loaded by its folder.
        text: The prompt, or the encoder's input; not used when there are messages. With images or sounds, it marks
            their places: the text of ``Start.encoding``.
        messages: Turns of a chat for the checkpoint's own template, or None (or empty) for the plain text.
        sampling: The knobs; those that are on are given to ``generate()`` under their own names.
        dtype: As torch spells it, or ``auto``.
        device: As torch spells it.
        head: Auto class of the model.
        strategy: Beams and the rest; what is on is given to ``generate()``.
        second: The checkpoint that guesses ahead when the strategy is assisted.
        steps: The run's own steps, from its first new token on.
        prefix: Ids behind the prompt that were taken over from another branch, of shape ``(kept,)``.
        images: Pictures; with messages, of the last turn of the user.
        sounds: Sounds, likewise.
        dropped: Tokens that were cut off the beginning of the prompt so that it fits: ``Start.dropped``.
        attention: ``sdpa`` or ``eager``; None leaves it to transformers.

    References:
        transformers, Generation: GenerationConfig
    """
    strategy = strategy or Strategy()
    turns = attach(messages, images, sounds) if messages else ()
    pictures = [path for turn in turns for path in turn.images] if turns else list(images)
    heard = [path for turn in turns for path in turn.sounds] if turns else list(sounds)
    moved = knobs.moves(steps) or {0: sampling}
    prompt = prompting.of(
        checkpoint, head, text, turns, pictures=pictures, sounds=heard, prefix=prefix, dropped=dropped
    )
    writer = _Writer(head, strategy, moved, device, prompt)
    if strategy.assisted and second is not None:
        writer.second = second
    return script(
        "Answer a chat." if messages else "Continue a text.",
        writer.imports(),
        checkpoint_lines(checkpoint),
        [*prompt.read(), *model_lines(checkpoint, head, dtype, device, attention=attention)],
        writer.assistant(dtype),
        [*prompt.said(), *prompt.encode(), *writer.against()],
        writer.own(),
        writer.heal(),
        writer.mark(),
        writer.schedule(),
        writer.run(steps, sampling),
    )


class _Writer:
    """Writes the parts of a script that generates.

    Args:
        head: Auto class of the model.
        strategy: How it generates.
        moved: Knobs by the step from which they hold.
        device: As torch spells it.
        prompt: Writes what it goes on from.
    """

    def __init__(
        self,
        head: str,
        strategy: Strategy,
        moved: dict[int, Sampling],
        device: str,
        prompt: Prompt,
    ) -> None:
        self._head = head
        self._strategy = strategy
        self._moved = moved
        self._first = moved[0]
        self._prompt = prompt
        #: Whether ``generate()`` of the model does more than write, and leaves that to the library's.
        self._hands = head in PICTURED and prompt.kind in HANDING
        self._scheduled = len(moved) > 1
        self._drawing = len({each.do_sample for each in moved.values()}) > 1
        self._beams = strategy.num_beams > 1
        self._heals = strategy.token_healing and not (prompt.pictures or prompt.sounds or prompt.turns)
        #: Whether the library can keep what attention computed for it.
        self._cached = prompt.kind not in CACHELESS
        self._streams = not self._beams and strategy.num_return_sequences == 1
        self._names = knobs.Names(
            length="length",
            eos="" if strategy.eos_token_ids == () else self._own_ends,
            encoder_ids=prompt.encoder_ids,
            device="" if device == "cpu" else "model.device",
            keep="keep" if self._beams and self._first.do_sample else "",
        )
        self.second: Checkpoint | None = None

    def imports(self) -> list[str]:
        """The imports."""
        names = [self._head, "GenerationConfig", *self._prompt.readers]
        if self._streams:
            names.append("TextStreamer")
        if self.second is not None:
            names.append("AutoTokenizer")
        if self._hands:
            names.append("GenerationMixin")
        if self._scheduled:
            values = knobs.Values()
            made = [knobs.processors(sampling, self._names, values) for sampling in self._moved.values()]
            calls = [each for calls in made for each in calls]
            if self._guesses:
                names += ["StoppingCriteria", *knobs.classes(calls)]
            else:
                names += ["LogitsProcessor", "LogitsProcessorList", *knobs.classes(calls)]
        names += knobs.mark_classes(self._first)
        if self._strategy.compiled:
            names.append("CompileConfig")
        if self._watched_strings:
            names += ["StopStringCriteria", "StoppingCriteriaList"]
        return [*self._prompt.imports, *imported(sorted(set(names), key=str.lower))]

    def assistant(self, dtype: str) -> list[str]:
        """The second model."""
        if self.second is None:
            return []
        given = ["second", f"dtype={literal(dtype)}", "use_safetensors=True", "trust_remote_code=False"]
        return [
            *(line.replace("checkpoint = ", "second = ", 1) for line in checkpoint_lines(self.second)),
            *call(f"assistant = {self._head}.from_pretrained(", given),
            *(["assistant.to(model.device)"] if self._names.device else []),
            "theirs = assistant.generation_config",
            *call(
                "assistant.generation_config = GenerationConfig(",
                [
                    *(f"{name}=theirs.{name}" for name in (*_SPECIAL, "bos_token_id", "decoder_start_token_id")),
                    f"num_assistant_tokens={self._strategy.num_assistant_tokens}",
                ],
            ),
            "guessing = {}",
            "if assistant.config.get_text_config().vocab_size != model.config.get_text_config().vocab_size:",
            "    other = AutoTokenizer.from_pretrained(second, trust_remote_code=False)",
            '    guessing = {"tokenizer": tokenizer, "assistant_tokenizer": other}',
        ]

    def against(self) -> list[str]:
        """What guidance leads away from, and behind the prompt what was taken over."""
        lines = []
        if self._strategy.guidance_scale != 1.0 and self._strategy.negative_prompt:
            lines += assign("negative_prompt", self._strategy.negative_prompt)
            lines.append('against = tokenizer(negative_prompt, return_tensors="pt")["input_ids"].to(model.device)')
        return lines if self._heals else [*lines, *self._prompt.extend()]

    def heal(self) -> list[str]:
        """From the prompt's tensors to those with another last token, and behind them what was taken over."""
        if not self._heals:
            return []
        return [
            'inputs["input_ids"] = model.heal_tokens(inputs["input_ids"], tokenizer)',
            'inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])',
            *self._prompt.extend(),
        ]

    def own(self) -> list[str]:
        """The checkpoint's own generation config, cut down."""
        given = [f"{name}=own.{name}" for name in _SPECIAL]
        if self._strategy.eos_token_ids:
            given[0] = f"eos_token_id={literal(self._strategy.eos_token_ids)}"
        elif self._strategy.eos_token_ids is not None:
            del given[0]
        if self._strategy.assistant_early_exit:
            given.append(f"num_assistant_tokens={self._strategy.num_assistant_tokens}")
        if self._head != HEAD:
            given += ["bos_token_id=own.bos_token_id", "decoder_start_token_id=own.decoder_start_token_id"]
        if not self._cached:
            given.append("use_cache=False")
        return [
            "# Of the checkpoint's own generation settings only the tokens that end and fill a text are kept."
            if self._head == HEAD
            else "# Of the checkpoint's own generation settings only the special tokens are kept.",
            f"own = {self._settings}",
            *call(f"{self._settings} = GenerationConfig(", given),
        ]

    def mark(self) -> list[str]:
        """The watermark."""
        return knobs.mark_lines(self._first)

    def schedule(self) -> list[str]:
        """The knobs that were moved while it ran."""
        if not self._scheduled:
            return []
        lines = knobs.schedule(self._moved, self._names, knobs.Values(), drawing=self._drawing, passes=self._guesses)
        return [
            f"length = {self._prompt.length}",
            *(self._keep() if self._names.keep else ()),
            *knobs.marking_lines(self._first),
            *lines,
            *(self._moving() if self._guesses else ()),
        ]

    def _keep(self) -> list[str]:
        """How many tokens the warpers leave when beams draw: one more than end a text."""
        if self._strategy.eos_token_ids is not None:
            return [f"keep = {1 + len(self._strategy.eos_token_ids or (0,))}"]
        return [
            f"ends = {self._own_ends}",
            "keep = 1 + (len(ends) if isinstance(ends, list) else 1)",
        ]

    def _moving(self) -> list[str]:
        """A loop that is the library's own, but for the knobs that move between its passes."""
        given = ["input_ids", "logits_processor", "stopping_criteria"]
        if self.second is not None:
            given += ["assistant_model=assistant", "**guessing"]
        return [
            "",
            "def guess(model, input_ids, logits_processor, stopping_criteria, inputs_tensor=None, **kwargs):",
            "    stopping_criteria.append(Moved(logits_processor))",
            '    kwargs |= {"inputs_tensor": inputs_tensor, "streamer": streamer}',
            *call("return model._assisted_decoding(", [*given, "**kwargs"], indent=4),
            "",
        ]

    @property
    def _settings(self) -> str:
        """The generation config that holds."""
        return self._prompt.seen.settings if self._prompt.seen else "model.generation_config"

    @property
    def _own_ends(self) -> str:
        return self._prompt.seen.ends if self._prompt.seen else "model.generation_config.eos_token_id"

    def run(self, steps: Sequence[Step], sampling: Sampling) -> list[str]:
        """The call of ``generate()`` and what is printed of it."""
        several = self._strategy.num_return_sequences > 1
        if self._prompt.processes:
            arguments = ["**inputs"]
        else:
            arguments = ['inputs["input_ids"]', 'attention_mask=inputs["attention_mask"]']
        if self._prompt.encoder and self._prompt.prefix:
            arguments.append("decoder_input_ids=decoder_input_ids")
        values = knobs.Values()
        arguments += [f"max_new_tokens={self._most(steps)}", *self._knobs(values), *self._ways(values)]
        if self._streams:
            arguments.append("streamer=streamer")
        length = "length" if self._scheduled else self._prompt.length
        lines = [f"torch.manual_seed({self._first.seed})"]
        if self._strategy.threads and not self._names.device:
            lines.insert(0, f"torch.set_num_threads({self._strategy.threads})")
        if self._strategy.compiled:
            everywhere = "compiling._compile_all_devices = True  # not on GPUs alone"
            lines = ["compiling = CompileConfig(mode=None)", everywhere, *lines]
        if self._streams:
            lines.insert(0, "streamer = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)")
        if self._hands:
            # Its own draws pictures too, and loses processors of texts.
            arguments.insert(0, "model")
        generates = "GenerationMixin" if self._hands else "model"
        lines = [*values.lines, *lines, *call(f"output = {generates}.generate(", arguments)]
        if several:
            lines += [
                f"sequences = output[:, {length}{' ' if '[' in length else ''}:].tolist()",
                "for new_ids in sequences:",
                "    print(new_ids)",
                "    print(tokenizer.decode(new_ids, skip_special_tokens=True))",
            ]
            return lines
        lines += [f"new_ids = output[0, {length}{' ' if '[' in length else ''}:].tolist()", "print(new_ids)"]
        if not self._streams:
            lines.append("print(tokenizer.decode(new_ids, skip_special_tokens=True))")
        return lines

    def _most(self, steps: Sequence[Step]) -> int:
        """New tokens: as many as were asked for, or as many as there were when that ended it before its time."""
        plain = not (self._beams or self._guesses) and self._strategy.num_return_sequences == 1
        forced = not self._scheduled and self._first.forced_eos_token_id is not None
        return len(steps) if steps and plain and not forced else self._first.max_new_tokens

    @property
    def _guesses(self) -> bool:
        return self.second is not None or replace(self._strategy, assisted=False).guesses

    def _knobs(self, values: knobs.Values) -> list[str]:
        if not self._scheduled or self._guesses:
            given = knobs.arguments(self._first, values, ends=bool(self._names.eos))
            return [*given, "custom_generate=guess"] if self._scheduled else given
        if self._drawing:
            return ["do_sample=False", "logits_processor=LogitsProcessorList([Scheduled()])"]
        drawn = ["do_sample=True", "top_k=0"] if self._first.do_sample else ["do_sample=False"]
        return [*drawn, "logits_processor=LogitsProcessorList([Scheduled()])"]

    def _ways(self, values: knobs.Values) -> list[str]:
        strategy = self._strategy
        given = knobs.of_beams(strategy)
        if strategy.num_return_sequences > 1:
            given.append(f"num_return_sequences={strategy.num_return_sequences}")
        if self.second is not None:
            given += [] if self._scheduled else ["assistant_model=assistant", "**guessing"]
        else:
            given += knobs.of_guesses(strategy)
        if strategy.guidance_scale != 1.0:
            given.append(f"guidance_scale={float(strategy.guidance_scale)!r}")
            if strategy.negative_prompt:
                given.append("negative_prompt_ids=against")
        if strategy.compiled:
            given += ['cache_implementation="static"', "compile_config=compiling"]
        if strategy.stop_strings:
            strings = values.spell("stop_strings", list(strategy.stop_strings))
            if self._watched_strings:
                criterion = f"StopStringCriteria(tokenizer, {strings})"
                given.append(f"stopping_criteria=StoppingCriteriaList([{criterion}])")
            else:
                given += [f"stop_strings={strings}", "tokenizer=tokenizer"]
        return given

    @property
    def _watched_strings(self) -> bool:
        """Whether ``generate()`` can't make the criterion of stop strings: what guesses would be asked to, too."""
        asked_too = self.second is not None or self._strategy.assistant_early_exit > 0
        return bool(self._strategy.stop_strings) and (asked_too or (self._scheduled and self._guesses))
