"""The census counts what the installed library has, and runs what it counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.census import __main__ as census
from tests.census import building, kinds, table, worker
from workbench.engine import facts


def test_the_census_has_every_line_of_every_table_and_the_window_knows_all_of_them() -> None:
    tables = facts._tables()
    lines = [(head, kind, names) for head, table in facts.HEADS for kind, names in tables[table].items()]
    known = {(kind, head, name) for head, kind, names in lines for name in names}
    listed = kinds.entries()
    assert len(listed) == len(set(listed)) > 1500
    assert {(each.kind, each.head, each.name) for each in listed} == known


def test_one_kind_goes_the_whole_way(tmp_path: Path) -> None:
    entry = kinds.Entry("gpt2", "AutoModelForCausalLM", "GPT2LMHeadModel")
    assert entry in kinds.entries()
    seen = worker.run(entry, tmp_path)
    assert seen["task text-generation"] == "runs" and "build" not in seen
    assert seen["pipeline text-generation"] == "= pipeline()" and seen["writes"] == "= generate()"
    assert seen["inside"] == "= output_hidden_states" and seen["maps"] == "2 of model"
    assert {seen[f"{what} script"] for what in ("inside", "writes")} | {seen["script text-generation"]} == {"= script"}
    assert table.state(seen) == "equal"


def test_a_model_that_says_something_else_than_the_library_is_told(tmp_path: Path, monkeypatch) -> None:
    from workbench.engine.tasks import text_classification

    def turned(request, inputs, outputs, given=text_classification.postprocess):
        return given(request, inputs, {**outputs, "logits": -outputs["logits"]})

    monkeypatch.setattr(text_classification, "postprocess", turned)
    entry = kinds.Entry("bert", "AutoModelForSequenceClassification", "BertForSequenceClassification")
    seen = worker.run(entry, tmp_path)
    assert seen["pipeline text-classification"].startswith("DIFFERS")
    assert seen["script text-classification"].startswith("DIFFERS")
    assert table.state(seen) == "fails"


def test_what_the_library_can_not_build_is_told_with_its_own_words(tmp_path: Path) -> None:
    entry = kinds.Entry("gemma4_assistant", "AutoModelForCausalLM", "Gemma4AssistantForCausalLM")
    with pytest.raises(building.NotBuilt, match="hidden_size_per_layer_input"):
        building.build(entry, tmp_path / "m")
    seen = worker.run(entry, tmp_path)
    assert table.state(seen) == "not built"
    assert "| gemma4_assistant | AutoModelForCausalLM | not built |" in table.markdown([(entry, seen)])


def test_a_census_goes_on_where_it_ended_and_tries_again_what_failed(tmp_path: Path) -> None:
    good, bad = (kinds.Entry(kind, "AutoModel", "X") for kind in ("bert", "vit"))
    rows = [(good, {"load": "ok"}), (bad, {"load": "FAILS: it ended its process"})]
    kept = tmp_path / "census.jsonl"
    lines = [{"kind": each.kind, "head": each.head, "name": each.name, "seen": seen} for each, seen in rows]
    kept.write_text("\n".join(map(json.dumps, lines)))
    assert set(census._known(kept, again=False)) == {good, bad}
    assert set(census._known(kept, again=True)) == {good}
    assert census._known(tmp_path / "none", again=False) == {}
