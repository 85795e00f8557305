"""What of a session is looked at: a step, a token of the prompt, the token to come, or nothing and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from workbench.engine.values import Branch, Encoding, Logits, Situation, Start, Step, Token
from workbench.runtime.session import Session

#: Encoder's ids and the ids in front: what logits that were scored here belong to.
Key = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, eq=False, slots=True)
class Shown:
    """A distribution that can be shown.

    Attributes:
        logits: Raw.
        situation: What the processors look at.
        text: What stands in front of the token.
        step: The step that chose from it, if one did.
        given: The token of the prompt that stands there, if it is one.
        scored: Whether it was scored here, on request, and not while the text was written.
        guided: The scores after guidance, which the knobs act on, where there is guidance.
    """

    logits: Logits
    situation: Situation
    text: str
    step: Step | None = None
    given: int | None = None
    scored: bool = False
    guided: Logits | None = None

    @property
    def token_id(self) -> int | None:
        """The token that stands there."""
        return self.step.token_id if self.step is not None else self.given


@dataclass(frozen=True, eq=False, slots=True)
class Missing:
    """Nothing to show.

    Attributes:
        words: Why, and what to do.
        ask: What the button that scores it says; empty when it can't be scored.
        start: What to score: the successor of its last token.
        key: Under which the result is looked for.
    """

    words: str
    ask: str = ""
    start: Start | None = None
    key: Key = ((), ())


def look(session: Session, scored: Mapping[Key, Logits]) -> Shown | Missing:
    """Find what is looked at.

    Args:
        session: Its selected step or prompt position, else its next logits, else its latest step.
        scored: Logits scored here, by what they belong to.
    """
    start, steps, step = session.start, session.steps, session.selected_step
    if start is None:
        return _nothing()
    if step is None and session.selection is not None:
        return _look_at_prompt(session, start, session.selection, scored)
    if step is None and session.next_logits is not None:
        return Shown(session.next_logits, start.situation((), 0), start.encoding.text)
    if step is None and not steps:
        return _nothing()
    branch = session.branch
    if branch is None:
        return _nothing()
    step = step or steps[-1]
    situation = branch.situation(step.index)
    text = _in_front(start, branch.steps[: step.index])
    if step.logits is not None:
        return Shown(step.logits, situation, text, step, guided=step.guided)
    key = (situation.encoder_ids, situation.before)
    if key in scored:
        return Shown(scored[key], situation, text, step, scored=True)
    why_not = _why_not(session, branch)
    words = f"The logits of step {step.index + 1:,} were dropped to keep memory bounded; the rest of it is kept.\n"
    if why_not:
        return Missing(words + why_not)
    if branch.strategy.guidance_scale != 1.0:
        return Missing(words + "They were led by guidance, which a single pass does not do.")
    words += "One pass of the model over the text in front of it gives them again."
    return Missing(words, f"Recompute step {step.index + 1:,}", _extended(start, situation.before), key)


def _look_at_prompt(session: Session, start: Start, place: int, scored: Mapping[Key, Logits]) -> Shown | Missing:
    tokens = start.encoding.tokens
    words = f"Position {place} belongs to the prompt: it was given, not chosen.\n"
    if start.decoder_start:
        return Missing(f"Position {place} belongs to the encoder's input: no token of it is predicted.")
    if not place:
        return Missing(words + "Nothing stands in front of the first token, so nothing is expected there.")
    ids = start.encoding.input_ids[:place]
    key: Key = ((), ids)
    if key in scored:
        text = "".join(token.text or token.piece for token in tokens[:place])
        situation = Situation(ids, place, start.eos)
        return Shown(scored[key], situation, text, given=tokens[place].id, scored=True)
    why_not = _why_not(session, session.branch)
    if why_not:
        return Missing(f"{words}Select a generated token, or press Latest.")
    part = replace(start, encoding=replace(start.encoding, tokens=tokens[:place]))
    words += "One pass of the model over the text in front of it shows what it would have expected there."
    return Missing(words, "Score the prompt here", part, key)


def _why_not(session: Session, branch: Branch | None) -> str:
    """Why the model can't score anything of this text; empty when it can."""
    model = session.model
    if branch is not None and (model is None or model.checkpoint.name != branch.checkpoint):
        return f"Load {branch.checkpoint or 'the checkpoint that wrote the text'} to compute them again."
    if model is None or not model.generates:
        return "Load a model that predicts the next token to compute them again."
    if session.start is not None and session.start.files:
        return "The prompt has pictures or sounds, and part of such a prompt can't be scored."
    return ""


def _nothing() -> Missing:
    return Missing(
        "Nothing has been scored yet.\n"
        "Press Generate or Next token in Playground: every step's distribution over the vocabulary shows here."
    )


def _in_front(start: Start, steps: Sequence[Step]) -> str:
    prompt = "" if start.decoder_start else start.encoding.text
    return prompt + "".join(step.text for step in steps)


def _extended(start: Start, before: tuple[int, ...]) -> Start:
    """The same start with all ids in front of a step as what is written."""
    if start.decoder_start:
        return replace(start, decoder_start=before)
    own = start.encoding.tokens
    more = tuple(
        Token(len(own) + place, token_id, "", "", None, None, None, 1, None, False)
        for place, token_id in enumerate(before[len(own) :])
    )
    return replace(start, encoding=Encoding(start.encoding.text, (*own, *more)))
