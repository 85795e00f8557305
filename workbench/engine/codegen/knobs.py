"""Knobs in scripts: as arguments of ``generate()``, and as the library's processors one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, columns, literal, numbers
from workbench.engine.sampling.library import LAST, PROCESSORS, WARPERS, acting
from workbench.engine.sampling.watermark import CONFIGS, settings

if TYPE_CHECKING:
    from workbench.engine.values import Sampling, Situation, Step, Strategy

#: Columns of a value that stands inside a call.
_SHORT = 60
#: Knobs on the tokens that end a text.
_ON_ENDS = ("min_new_tokens", "exponential_decay_length_penalty")


@dataclass(frozen=True, slots=True)
class Names:
    """What the processors of a script refer to, as Python expressions.

    Attributes:
        length: Ids in front of the first new token.
        eos: The id or ids that end a text, or an empty text where there are none.
        encoder_ids: The encoder's input of shape ``(1, seq)``, or an empty text without an encoder.
        device: Where the scores are, or an empty text for the CPU.
        keep: How many tokens warpers leave at least, or an empty text for one.
    """

    length: str
    eos: str = ""
    encoder_ids: str = ""
    device: str = ""
    keep: str = ""


class Values:
    """Spells the values of knobs, and gives long ones a line of their own and a name.

    Attributes:
        lines: ``name = [...]`` for each long value so far; to be written in front of what uses it.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._known: dict[tuple[str, str], str] = {}

    def spell(self, name: str, value: object) -> str:
        """A Python expression for the value of knob ``name``."""
        text = literal(value)
        if columns(text) <= _SHORT:
            return text
        if (name, text) not in self._known:
            count = sum(1 for other, _ in self._known if other == name)
            variable = f"{name}_{count + 1}" if count else name
            self.lines += numbers(variable, value) if isinstance(value, tuple) else assign(variable, value)
            self._known[name, text] = variable
        return self._known[name, text]


def arguments(sampling: Sampling, values: Values | None = None, *, ends: bool = True, mark: str = "mark") -> list[str]:
    """The knobs that are on, as arguments of ``generate()``, which takes 50 for the top_k that it is not given.

    Args:
        sampling: The knobs.
        values: Spells long values.
        ends: Whether there are tokens that end a text; without them ``generate()`` stumbles over knobs on them.
        mark: What the config of a watermark is called; see `mark_lines`.
    """
    spell = values.spell if values is not None else lambda _, value: literal(value)
    left_out = ("top_k", "watermarking_config", *(() if ends else _ON_ENDS))
    names = [name for name in acting(sampling) if name not in left_out]
    given = [f"do_sample={sampling.do_sample}"]
    if sampling.do_sample:
        given.append(f"top_k={sampling.top_k}")
    given += [f"{name}={spell(name, getattr(sampling, name))}" for name in names]
    if sampling.watermarking_config is not None:
        given.append(f"watermarking_config={mark}")
    return given


def mark_classes(sampling: Sampling) -> list[str]:
    """The class of the watermark's config, where there is one."""
    mark = sampling.watermarking_config
    return [CONFIGS[mark.kind][0]] if mark is not None else []


def mark_lines(sampling: Sampling, name: str = "mark") -> list[str]:
    """The lines that make the config of the watermark under a name; none without one."""
    mark = sampling.watermarking_config
    if mark is None:
        return []
    values = Values()
    given = settings(mark)
    if "keys" in given:
        given["keys"] = tuple(given["keys"])
    spelled = [f"{field}={values.spell(field, value)}" for field, value in given.items()]
    return [*values.lines, *call(f"{name} = {CONFIGS[mark.kind][0]}(", spelled)]


def marking_lines(sampling: Sampling, situation: Situation | None = None) -> list[str]:
    """The lines that make the processor of the watermark, ``watermark``, of its config ``mark``; none without one.

    Args:
        sampling: The knobs.
        situation: For a single step: one that remembers its calls is called for those before.
    """
    mark = sampling.watermarking_config
    if mark is None:
        return []
    given = ["model.config.get_text_config().vocab_size", "model.device"]
    lines = call("watermark = mark.construct_processor(", given)
    if situation is not None and mark.kind == "synthid":
        lines += [
            "# It remembers the tokens that it was asked before.",
            f"for end in range({situation.prompt_length}, input_ids.shape[1]):",
            "    watermark(input_ids[:, :end], torch.zeros_like(logits))",
        ]
    return lines


def of_guesses(strategy: Strategy) -> list[str]:
    """How tokens are guessed ahead without a second model, as arguments of ``generate()``."""
    given = {
        "assistant_early_exit": strategy.assistant_early_exit,
        "use_mtp": strategy.use_mtp,
        "prompt_lookup_num_tokens": strategy.prompt_lookup_num_tokens,
    }
    return [f"{name}={value}" for name, value in given.items() if value]


def of_beams(strategy: Strategy) -> list[str]:
    """How many beams and what decides among them, as arguments of ``generate()``; empty without beam search."""
    if strategy.num_beams == 1:
        return []
    given = [f"num_beams={strategy.num_beams}"]
    if strategy.length_penalty != 1.0:
        given.append(f"length_penalty={float(strategy.length_penalty)!r}")
    if strategy.early_stopping is not False:
        given.append(f"early_stopping={literal(strategy.early_stopping)}")
    return given


def processors(sampling: Sampling, names: Names, values: Values) -> list[str]:
    """The processors that act, in the library's order, each as the call that makes it; a watermark as its name.

    Args:
        sampling: The knobs.
        names: What the calls refer to; knobs on what is not there are left out, as the library leaves them out.
        values: Spells their values.
    """
    device = f", device={names.device}" if names.device else ""
    keep = f", min_tokens_to_keep={names.keep}" if names.keep else ""
    found = []
    for name in acting(sampling):
        kind = (PROCESSORS | WARPERS | LAST)[name]
        value = "" if name == "watermarking_config" else values.spell(name, getattr(sampling, name))
        if name.startswith("encoder_"):
            given = f"{value}, {names.encoder_ids}" if names.encoder_ids else ""
        elif name == "min_new_tokens":
            given = f"{names.length}, {value}, {names.eos}{device}" if names.eos else ""
        elif name == "exponential_decay_length_penalty":
            given = f"{value}, {names.eos}, {names.length}" if names.eos else ""
        elif name == "bad_words_ids":
            given = f"{value}, {names.eos or None}"
        elif name == "forced_eos_token_id":
            given = f"{names.length} + {sampling.max_new_tokens}, {value}{device}"
        elif name == "suppress_tokens":
            given = f"{value}{device}"
        elif name == "begin_suppress_tokens":
            # A forced first token leaves the beginning to the one behind it.
            later = "" if sampling.forced_bos_token_id is None else f" + ({names.length} == 1)"
            given = f"{value}, {names.length}{later}{device}"
        elif name == "eta_cutoff":
            given = f"{value}{keep}{device}"
        elif name in WARPERS and name not in ("temperature", "top_h"):
            given = f"{value}{keep}"
        elif name == "watermarking_config":
            found.append("watermark")
            continue
        elif name in ("remove_invalid_values", "renormalize_logits"):
            found.append(f"{kind}()")
            continue
        else:
            given = value
        if given:
            found.append(f"{kind}({given})")
    return found


def classes(calls: Sequence[str]) -> list[str]:
    """The classes that processor calls name, each once."""
    return list(dict.fromkeys(each.partition("(")[0] for each in calls if "(" in each))


def moves(steps: Sequence[Step]) -> dict[int, Sampling]:
    """The knobs of the first step, and of every step before which one of those that act on scores was moved.

    Args:
        steps: Of one run, from its first new token on.

    Returns:
        By the place among these steps; one entry when nothing was moved, none without steps.
    """
    found: dict[int, Sampling] = {}
    last = None
    for place, step in enumerate(steps):
        acts = (step.sampling.do_sample, *((name, getattr(step.sampling, name)) for name in acting(step.sampling)))
        if step.sampling.forced_eos_token_id is not None:
            acts = (*acts, step.sampling.max_new_tokens)
        if acts != last:
            found[place] = step.sampling
        last = acts
    return found


def schedule(
    moved: dict[int, Sampling], names: Names, values: Values, *, drawing: bool, passes: bool = False
) -> list[str]:
    """The lines of ``schedule`` and of what follows it: a processor, or a criterion that is asked after each pass.

    Args:
        moved: As from `moves`.
        names: What the processors refer to.
        values: Spells their values.
        drawing: Whether sampling itself was switched, so that the processor has to draw.
        passes: Whether tokens are guessed and checked several at a time. A knob that is moved acts from a pass on, and
            never on the second model; that takes the processors of the loop itself.
    """
    lines = ["# The knobs that held from each of these steps on.", "schedule = {"]
    for place, sampling in moved.items():
        calls = processors(sampling, names, values)
        if drawing:
            lines += [f"    {place}: (", f"        {sampling.do_sample},"]
            lines += [*_listed("        ", calls), "    ),"]
        else:
            lines += _listed(f"    {place}: ", calls)
    lines = [*values.lines, *lines, "}", "", ""]
    if passes:
        return [
            *lines,
            "class Moved(StoppingCriteria):",
            "    def __init__(self, processors):",
            "        self.processors = processors",
            "",
            "    def __call__(self, input_ids, scores, **kwargs):",
            f"        step = input_ids.shape[1] - {names.length}",
            "        self.processors[:] = schedule[max(start for start in schedule if start <= step)]",
            "        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)",
            "",
        ]
    take = "drawing, processors" if drawing else "processors"
    lines += [
        "class Scheduled(LogitsProcessor):",
        "    def __call__(self, input_ids, scores):",
        f"        step = input_ids.shape[1] - {names.length}",
        f"        {take} = schedule[max(start for start in schedule if start <= step)]",
        "        scores = LogitsProcessorList(processors)(input_ids, scores)",
    ]
    if drawing:
        lines += [
            "        if drawing:",
            "            chosen = torch.multinomial(scores.softmax(dim=-1), num_samples=1)",
            "            scores = scores.scatter(1, chosen, torch.inf)",
        ]
    return [*lines, "        return scores", ""]


def _listed(opening: str, calls: Sequence[str]) -> list[str]:
    indent = len(opening) - len(opening.lstrip())
    return call(f"{opening.lstrip()}[", calls, "],", indent)
