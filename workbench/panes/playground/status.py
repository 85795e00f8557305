"""What is said below a text: how much there is, how fast it came, why it ended, which knobs hold, and of its mark."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, QTimer

from workbench.engine import generate
from workbench.engine.sampling import acting
from workbench.engine.values import Branch, Sampling, Step, Strategy
from workbench.panes.playground.runs import Runs
from workbench.panes.playground.texts import Texts
from workbench.panes.playground.watermark import Judge
from workbench.runtime.jobs import Runner
from workbench.runtime.session import LOGITS_BUDGET, Session
from workbench.widgets.quantities import format_bytes
from workbench.widgets.visible_text import drawable

#: Milliseconds between two looks while text comes.
_PERIOD = 500
#: Steps whose time tells the speed.
_RECENT = 64


class Status(QObject):
    """Keeps the line below the text true while it comes, and asks the detector when it is there.

    Args:
        session: Whose branch is looked at.
        runs: What is being written.
        texts: Where it is said.
        runner: Judges a text with a watermark.
    """

    def __init__(self, session: Session, runs: Runs, texts: Texts, runner: Runner) -> None:
        super().__init__(texts)
        self._session, self._runs, self._texts = session, runs, texts
        self._judge = Judge(session, runner, texts.verdict)
        self._clock = QTimer(self, interval=_PERIOD)
        self._clock.timeout.connect(self.show)

    def show(self) -> None:
        """Say it anew."""
        session, branch, steps = self._session, self._session.branch, self._session.steps
        writing = branch is not None and branch.key in self._runs.keys
        if self._runs.active != self._clock.isActive():
            self._clock.start() if self._runs.active else self._clock.stop()
        parts = ["reading the prompt…"] if self._runs.active and not steps else []
        parts += self._of(branch, steps, writing=writing) if steps else []
        now = " · ".join(parts)
        knobs = held(session.sampling, session.strategy)
        self._texts.status.say(f"{now}\n{knobs}" if now else knobs)
        self._texts.copy.setEnabled(bool(steps))
        self._judge.look(branch, writing=writing)

    def _of(self, branch: Branch | None, steps: Sequence[Step], *, writing: bool) -> list[str]:
        parts = [f"{len(steps):,} {'token' if len(steps) == 1 else 'tokens'}"]
        recent = steps[1:] if len(steps) < _RECENT else steps[1 - _RECENT :]
        seconds = sum(step.seconds for step in recent)
        if seconds > 0:
            parts.append(f"{len(recent) / seconds:.1f} tokens/s")
        reason = branch.reason if branch is not None and not writing else ""
        if reason:
            parts.append(generate.ENDS.get(reason, reason))
        if branch is not None and branch.start.unhealed:
            parts.append(_healed(branch.start.unhealed, branch.start.encoding.text))
        kept, size = self._session.logits_kept
        lost = f" ({kept:,} of {len(steps):,} steps)" if kept < len(steps) else ""
        parts.append(f"logits {format_bytes(size)} of {format_bytes(LOGITS_BUDGET)}{lost}")
        if self._runs.kept.nbytes:
            parts.append(f"cache {format_bytes(self._runs.kept.nbytes)}")
        return parts


def _healed(before: str, after: str) -> str:
    """How the end of a prompt was healed: the last words of both."""
    last = [text.rstrip().rpartition(" ")[2] for text in (before, after)]
    return f"prompt healed: “{last[0]}” → “{last[1]}”"


def held(sampling: Sampling, strategy: Strategy) -> str:
    """What acts on the next token, in the order in which it acts."""
    parts = [f"{strategy.num_beams} beams"] if strategy.num_beams > 1 else []
    if strategy.guesses:
        parts.append("guessing ahead")
    if strategy.guidance_scale != 1.0:
        parts.append(f"guidance_scale {strategy.guidance_scale:g}")
    for name in acting(sampling):
        value = getattr(sampling, name)
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        parts.append(f"{name} {value:g}" if plain else name)
    if strategy.stop_strings:
        parts.append("ends at " + ", ".join(f"“{drawable(each)}”" for each in strategy.stop_strings[:3]))
    if not sampling.do_sample:
        return " · ".join(parts if strategy.num_beams > 1 else ["greedy", *parts])
    return " · ".join(["sampling", *parts, f"seed {sampling.seed}"])
