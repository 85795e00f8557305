"""How the turns of a chat are shown: who speaks, what of an answer is thought, and what is said below it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from workbench.engine.tokens import thinking
from workbench.engine.values import Branch, Step
from workbench.panes.playground.chat_turns import Turn
from workbench.panes.playground.runs import Runs
from workbench.runtime.session import Session
from workbench.widgets.turn_view import Passage, ShownTurn
from workbench.widgets.visible_text import drawable

_SPEAKERS = {"system": "System", "user": "You", "assistant": "Assistant", "tool": "Tool result"}
_ENDS = {"length": "cut at max_new_tokens", "context": "cut: the context is full", "stopped": "stopped"}


class Answers:
    """Makes of turns, and of the branches whose answers they are, what the view shows; what stays is made once.

    Args:
        session: Gives the model's template and the vocabulary.
        runs: What is being written.
    """

    def __init__(self, session: Session, runs: Runs) -> None:
        self._session, self._runs = session, runs
        self._shown: dict[int, tuple[object, ShownTurn]] = {}

    def keep(self, keys: Collection[int]) -> None:
        """Forget all turns but these."""
        self._shown = {key: each for key, each in self._shown.items() if key in keys}

    def show(self, turn: Turn, branch: Branch | None, versions: tuple[int, ...], *, last: bool) -> ShownTurn:
        """A turn as it is shown.

        Args:
            turn: Any.
            branch: Whose answer it is, where it was written here.
            versions: Keys of its versions.
            last: Whether none follows.
        """
        steps = self._steps(branch) if branch is not None else ()
        reason = branch.reason if branch is not None else ""
        writing = turn.branch is not None and turn.branch in self._runs.keys
        seen = (turn, versions, len(steps), reason, last, branch is not None, writing)
        if turn.key in self._shown and self._shown[turn.key][0] == seen:
            return self._shown[turn.key][1]
        role, content = turn.message.role, turn.message.content
        actions: tuple[str, ...] = ("edit", "copy", "delete")
        if role == "assistant":
            content = content if branch is None else answer(branch, steps)
            actions = ("regenerate", "edit", *(("tokens",) if branch is not None else ()), "copy", "delete")
            passages = self._passages(content, branch, steps, done=not writing)
        else:
            files = ", ".join(drawable(path.name) for path in (*turn.message.images, *turn.message.sounds))
            passages = (*((Passage("plain", f"With {files}:"),) if files else ()), Passage("plain", content))
            if last:
                actions = ("answer", *actions)
        answers = role in ("user", "tool")
        shown = ShownTurn(
            turn.key,
            _SPEAKERS.get(role, role),
            role != "assistant",
            content,
            passages,
            versions.index(turn.key) + 1,
            len(versions),
            _note(turn, steps, reason, writing=writing),
            actions,
            "Save and answer" if answers else "Save",
        )
        self._shown[turn.key] = (seen, shown)
        return shown

    def _steps(self, branch: Branch) -> Sequence[Step]:
        return self._runs.steps_of(branch.key) if branch.key in self._runs.keys else branch.steps

    def _passages(
        self, content: str, branch: Branch | None, steps: Sequence[Step], *, done: bool
    ) -> tuple[Passage, ...]:
        pieces, prompt, template = [content], "", None
        if branch is not None:
            model = self._session.model
            if model is not None and model.checkpoint.name == branch.checkpoint:
                template = getattr(model.tokenizer, "response_template", None)
            first, prompt = begun(branch), branch.start.encoding.text
            prompt = prompt[: len(prompt) - len(first)]
            pieces = [*([first] if first else []), *thinking.pieces(steps, self._session.vocabulary, template)]
        return tuple(
            Passage("thinking" if part.kind == "thinking" else "markdown", part.text, part.tokens, part.closed)
            for part in thinking.sections(pieces, prompt, template, done=done)
        )


def begun(branch: Branch) -> str:
    """What the person wrote of an answer; some templates trim its end."""
    last = branch.messages[-1]
    if last.role != "assistant":
        return ""
    return last.content if branch.start.encoding.text.endswith(last.content) else last.content.rstrip()


def answer(branch: Branch, steps: Sequence[Step] | None = None) -> str:
    """All of an answer."""
    return begun(branch) + "".join(step.text for step in (branch.steps if steps is None else steps))


def _note(turn: Turn, steps: Sequence[Step], reason: str, *, writing: bool) -> str:
    """What is said below a turn."""
    parts = ["edited by you"] if turn.edited else []
    if steps:
        parts.append(f"{len(steps):,} {'token' if len(steps) == 1 else 'tokens'}")
        knobs = steps[-1].sampling
        parts.append(f"seed {knobs.seed}" if knobs.do_sample else "greedy")
    if writing:
        parts.append("writing…" if steps else "reading the conversation…")
    elif reason in _ENDS:
        parts.append(_ENDS[reason])
    return " · ".join(parts)
