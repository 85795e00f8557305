"""A model between its layers."""

from __future__ import annotations

from typing import Any

import numpy
from PySide6.QtWidgets import QTabWidget, QWidget

from workbench.tour.guide import Step, Tour

_TEXT = "The capital of France is Paris, and the capital of Italy is"


def look_inside(tour: Tour) -> None:
    """Look into the model, and hold lens, norms and attention against the library's own outputs."""
    tour.window.show_pane("inside")
    tour.find(QWidget, "inside.text").setPlainText(_TEXT)
    tour.click("inside.run")
    pane: Any = tour.window.pane("inside")
    tour.wait(lambda: pane.inside is not None, 300, "a look inside")
    tour.wait_idle()
    (part,) = pane.inside.parts
    answers, norms, maps = _plain(tour)
    tour.require(pane.inside.lens.final_ids.tolist() == answers, "the lens ends in what the model answers")
    apart = abs(part.norms - norms).max() / norms.max()
    tour.require(apart < 1e-5, f"the norms are those of the hidden states: {apart} apart")
    tour.report["lens"] = pane.inside.lens.spell(pane.inside.lens.top_ids[:, -1, 0].tolist())
    tour.picture("inside-lens")
    sections = tour.find(QTabWidget, "inside.sections")
    sections.setCurrentIndex(1)
    tour.wait(lambda: pane.attentions is not None, 120, "attention maps")
    tour.wait_idle()
    shown = pane.attentions.kinds[0].maps
    tour.require(len(shown) == len(maps), f"maps of {len(maps)} layers")
    apart = max(abs(ours - theirs).max() for ours, theirs in zip(shown, maps, strict=True))
    tour.require(apart < 1e-5, f"the maps are those of eager attention: {apart} apart")
    tour.picture("inside-attention")
    sections.setCurrentIndex(2)
    tour.picture("inside-norms")
    sections.setCurrentIndex(3)
    tour.wait(lambda: pane.near is not None, 120, "neighbours")
    tour.wait_idle()
    pane.select(part.name, 3)
    tour.wait(lambda: pane.near is not None and not pane.busy, 120, "the neighbours of a country")
    tour.require(pane.near.neighbours[0].id == part.ids[3], "a token is its own nearest neighbour")
    tour.picture("inside-embeddings")
    sections.setCurrentIndex(0)


def _plain(tour: Tour) -> tuple[list[int], Any, list[Any]]:
    """The answers at each position, the norms of the hidden states, and the attention maps."""
    model = tour.model

    def look(**_: object) -> tuple[list[int], Any, list[Any]]:
        inputs = model.tokenizer(_TEXT, return_tensors="pt").to(model.device)
        out = model.model(**inputs, output_hidden_states=True)
        norms = numpy.array([state[0].float().norm(dim=-1).tolist() for state in out.hidden_states])
        before = model.model.config._attn_implementation
        model.model.set_attn_implementation("eager")
        maps = model.model(**inputs, output_attentions=True).attentions
        model.model.set_attn_implementation(before)
        arrays = [each[0].detach().float().cpu().numpy() for each in maps]
        return out.logits[0].argmax(-1).tolist(), norms, arrays

    return tour.ask("Checking against the library's outputs", look)


STEPS: tuple[tuple[str, Step], ...] = (("look inside the model", look_inside),)
