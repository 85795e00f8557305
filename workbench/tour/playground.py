"""Text is generated greedily, branched, searched with beams and sampled, and the probabilities follow the knobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtWidgets import QTableView, QWidget

from workbench.tour.guide import Step, Tour

PROMPT = "The capital of France is"
_QUESTION = "Name three colours of the rainbow."


def generate_greedily(tour: Tour) -> None:
    """Generate, and hold the ids against plain ``generate()``."""
    tour.window.show_pane("playground")
    tokens = 12 if tour.fast else 48
    tour.find(QWidget, "playground.prompt").setPlainText(PROMPT)
    tour.check("playground.do_sample", False)
    tour.knob("playground.max_new_tokens", tokens)
    tour.generate(tokens)
    shown = [step.token_id for step in tour.session.steps]
    expected = _plain(tour, max_new_tokens=tokens)
    tour.require(shown == expected, f"ids equal generate()'s: {shown} against {expected}")
    seconds = sum(step.seconds for step in tour.session.steps[1:])
    tour.report["tokens_per_second"] = round((len(shown) - 1) / seconds, 2) if seconds else None
    tour.report["greedy_text"] = "".join(step.text for step in tour.session.steps)
    tour.picture("playground")


def grow_branch(tour: Tour) -> None:
    """Take another token than the model did, and hold what follows against plain ``generate()``."""
    place, tokens = 3, 12
    pane: Any = tour.window.pane("playground")
    step = tour.session.steps[place]
    tour.require(step.logits is not None, "the step kept its logits")
    order = step.logits.float32().argsort()[::-1]
    other = next(int(token_id) for token_id in order if token_id != step.token_id)
    kept = [each.token_id for each in tour.session.steps[:place]]
    tour.knob("playground.max_new_tokens", tokens)
    pane.branch_at(place, other)
    tour.wait_idle()
    shown = [each.token_id for each in tour.session.steps]
    expected = [*kept, other, *_plain(tour, [*kept, other], max_new_tokens=tokens)]
    tour.require(shown == expected, f"the branch's ids equal generate()'s: {shown} against {expected}")
    tour.require(len(tour.session.branches) == 2, "the first text is still there")
    tour.picture("playground-branches")


def search_with_beams(tour: Tour) -> None:
    """Search with four beams, and hold the best one against plain ``generate()``."""
    tour.knob("playground.num_beams", 4)
    tour.click("playground.generate")
    tour.wait_idle()
    shown = [step.token_id for step in tour.session.steps]
    expected = _plain(tour, max_new_tokens=12, num_beams=4)
    tour.require(shown == expected, f"the best beam equals generate()'s: {shown} against {expected}")
    tour.picture("playground-beams")
    tour.knob("playground.num_beams", 1)


def sample_live(tour: Tour) -> None:
    """Chat; the sliders act on the running generation."""
    tokens = 16 if tour.fast else 96
    tour.check("playground.do_sample", True)
    tour.check("playground.chat_mode", True)
    tour.knob("playground.max_new_tokens", tokens)
    tour.knob("playground.temperature", 0.3)
    tour.find(QWidget, "playground.chat_input").setPlainText(_QUESTION)
    tour.click("playground.chat_send")
    tour.wait(lambda: len(tour.session.steps) >= 4, 120, "four tokens")
    tour.knob("playground.temperature", 1.2)
    tour.knob("playground.top_k", 20)
    tour.wait_idle()
    temperatures = {step.sampling.temperature for step in tour.session.steps}
    tour.require(temperatures == {0.3, 1.2}, f"the slider acted on the running generation: {temperatures}")
    tour.picture("playground-chat")


def see_probabilities(tour: Tour) -> None:
    """Move a slider; the distribution follows without a model run."""
    tour.window.show_pane("probabilities", beside=True)
    table = tour.find(QTableView, "probabilities.table")
    length = len(tour.session.encoding.tokens) if tour.session.encoding else 0
    tour.session.set_selection(length + min(5, len(tour.session.steps) - 1))
    tour.wait(lambda: table.model().rowCount() > 0, 10, "a distribution")
    jobs_before = len(tour.workbench.runner.jobs)
    seen = set()
    for temperature in (0.2, 0.5, 0.8, 1.1, 1.4, 1.0):
        tour.knob("playground.temperature", temperature)
        tour.turn()
        seen.add(tuple(map(tuple, tour.cells(table, 5))))
    tour.require(len(seen) >= 4, "the distribution followed the slider")
    tour.require(len(tour.workbench.runner.jobs) == jobs_before, "no model ran for it")
    tour.picture("playground-probabilities")


def _plain(tour: Tour, behind: Sequence[int] = (), **settings: Any) -> list[int]:
    """What plain ``generate()`` writes greedily behind the prompt and some more ids."""
    model = tour.model

    def generate(**_: object) -> list[int]:
        ids = model.tokenizer(PROMPT, return_tensors="pt")["input_ids"].to(model.device)
        ids = ids.new_tensor([[*ids[0].tolist(), *behind]])
        output = model.model.generate(ids, attention_mask=ids.new_ones(ids.shape), do_sample=False, **settings)
        return output[0, ids.shape[1] :].tolist()

    return tour.ask("Checking against generate()", generate)


STEPS: tuple[tuple[str, Step], ...] = (
    ("generate greedily", generate_greedily),
    ("branch at a token", grow_branch),
    ("search with beams", search_with_beams),
    ("chat while moving sliders", sample_live),
    ("see the probabilities", see_probabilities),
)
