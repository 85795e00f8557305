"""Two settings on one prompt."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtWidgets import QLabel, QWidget

from workbench.tour.guide import Step, Tour
from workbench.tour.playground import PROMPT


def compare_settings(tour: Tour) -> None:
    """Let SmolLM2 write greedily and by sampling, and see where the texts part."""
    tour.window.show_pane("compare")
    tour.find(QWidget, "compare.prompt").setPlainText(PROMPT)
    tour.choose("compare.what", "Two settings")
    held, tokens = tour.session.sampling, 12 if tour.fast else 24
    tour.session.set_sampling(replace(held, do_sample=False, max_new_tokens=tokens))
    tour.click("compare.take_a")
    tour.session.set_sampling(replace(held, temperature=1.0, max_new_tokens=tokens))
    tour.click("compare.take_b")
    tour.click("compare.run")
    tour.wait_idle()
    verdict = tour.find(QLabel, "compare.verdict").text()
    tour.require("part at token" in verdict, f"it says where they part: {verdict}")
    tour.report["compare"] = verdict
    tour.picture("compare")
    tour.session.set_sampling(held)


STEPS: tuple[tuple[str, Step], ...] = (("compare two settings", compare_settings),)
