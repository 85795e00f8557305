"""What a model made of a probe, as rich text with what changed since the round before marked."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape

from workbench.engine.values import ProbeResult
from workbench.widgets.probability_table import format_percent
from workbench.widgets.theme import current
from workbench.widgets.visible_text import drawable

_LABELS = 5


def page(results: Sequence[ProbeResult], before: Sequence[ProbeResult]) -> str:
    """A round of answers as HTML.

    Args:
        results: The answers of one step.
        before: Those of the round before, or nothing.
    """
    last = {result.probe: result for result in before}
    return "".join(_card(result, last.get(result.probe)) for result in results) or "<p>No answers yet.</p>"


def plain(result: ProbeResult) -> str:
    """An answer in one line, for a reader that hears it."""
    if result.note:
        return result.note
    if result.tags:
        return " ".join(f"{word}/{tag}" for word, tag in result.tags)
    named = ", ".join(f"{name} {format_percent(share)}" for name, share in result.labels[:_LABELS])
    return " · ".join(part for part in (result.text, named) if part)


def _card(result: ProbeResult, before: ProbeResult | None) -> str:
    look = current()
    return (
        f"<p style='color:{look.muted}; margin-top:10px; margin-bottom:2px'>{_clean(result.probe)}</p>"
        f"<p style='margin-top:0; margin-bottom:6px'>{_answer(result, before)}</p>"
    )


def _answer(result: ProbeResult, before: ProbeResult | None) -> str:
    look = current()
    if result.note:
        return f"<span style='color:{look.warning}'>{_clean(result.note)}</span>"
    parts = []
    if result.tags:
        old = result.tags if before is None else before.tags
        same = [at < len(old) and old[at] == pair for at, pair in enumerate(result.tags)]
        parts.append("&ensp;".join(map(_tagged, result.tags, same)))
    elif result.text or not result.labels:
        old_text = result.text if before is None else before.text
        parts.append(marked(old_text, result.text) or f"<i style='color:{look.muted}'>nothing was written</i>")
    if result.labels:
        first = result.labels[0][0]
        was = before.labels[0][0] if before is not None and before.labels else first
        named = [f"{_clean(name)}&nbsp;{format_percent(share)}" for name, share in result.labels[:_LABELS]]
        named[0] = f"<b>{named[0]}</b>" if was == first else f"<b>{_mark(named[0])}</b> (was {_clean(was)})"
        if len(result.labels) > _LABELS:
            named.append(f"and {len(result.labels) - _LABELS} more")
        parts.append(" · ".join(named))
    return "<br>".join(parts)


def marked(before: str, after: str) -> str:
    """A text as HTML, with the words marked that the text before it did not have there."""
    old, new = before.split(" "), after.split(" ")
    parts = []
    for kind, _, _, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        words = _clean(" ".join(new[start:end]))
        if words:
            parts.append(words if kind == "equal" else _mark(words))
    return " ".join(parts)


def _tagged(pair: tuple[str, str], same: bool) -> str:
    word, tag = _clean(pair[0]), _clean(pair[1])
    muted = f"<span style='color:{current().muted}'>{tag}</span>"
    return f"{word}&nbsp;{muted if same else _mark(tag)}"


def _mark(html: str) -> str:
    # Underlined as well: colour is never the only sign.
    look = current()
    return f"<span style='background-color:{look.accent_soft}; text-decoration:underline'>{html}</span>"


def _clean(text: str) -> str:
    return escape(drawable(text)).replace("\n", "<br>")
