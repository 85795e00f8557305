"""The census counts what the installed library has, and runs what it counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.census import __main__ as census
from tests.census import building, kinds, plain, table, worker
from workbench.engine import facts


def test_the_census_has_every_line_of_every_table_and_the_window_knows_all_of_them() -> None:
    tables = facts.auto_tables()
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
    assert "hidden_size_per_layer_input" in seen["library"] and table.state(seen) == "library"
    assert "| gemma4_assistant | AutoModelForCausalLM | library |" in table.markdown([(entry, seen)])


def test_only_what_fails_in_plain_transformers_with_the_same_words_is_the_librarys(tmp_path: Path) -> None:
    entry = kinds.Entry("vit", "AutoModelForImageClassification", "ViTForImageClassification")
    good = worker.run(entry, tmp_path)
    files = {"image": next(tmp_path.glob("*.png"))}
    folder = tmp_path / "checkpoint"
    assert "library" not in good and not plain.reason(entry, folder, files, good | {"inside": "FAILS: KeyError: 'x'"})
    settings = folder / "preprocessor_config.json"
    settings.write_text(settings.read_text().replace("224", "64"))
    with pytest.raises(ValueError, match="Input image size") as error:
        plain._passed(entry, folder, files)
    failed = {"load": "ok", "task image-classification": f"FAILS: ValueError: {error.value} (vit.py:1)"}
    assert plain.reason(entry, folder, files, failed) == f"ValueError: {error.value}"
    assert not plain.reason(entry, folder, files, {**failed, "inside": "FAILS: TypeError: of another thing"})


def test_a_checkpoint_that_no_auto_class_reads_is_the_librarys(tmp_path: Path) -> None:
    seen = {"load": "refused: Could not load x."}
    entry = kinds.Entry("vit", "AutoModel", "ViTModel")
    assert plain.reason(entry, tmp_path / "none", {}, seen).startswith("OSError")
    assert table.state({**seen, "library": "OSError: …"}) == "library" and table.state(seen) == "refused"


def test_a_census_goes_on_where_it_ended_and_tries_again_what_failed(tmp_path: Path) -> None:
    good, bad = (kinds.Entry(kind, "AutoModel", "X") for kind in ("bert", "vit"))
    rows = [(good, {"load": "ok"}), (bad, {"load": "FAILS: it ended its process"})]
    kept = tmp_path / "census.jsonl"
    lines = [{"kind": each.kind, "head": each.head, "name": each.name, "seen": seen} for each, seen in rows]
    kept.write_text("\n".join(map(json.dumps, lines)))
    assert set(census._known(kept, again=False)) == {good, bad}
    assert set(census._known(kept, again=True)) == {good}
    assert census._known(tmp_path / "none", again=False) == {}


def test_a_class_is_saved_with_the_languages_of_its_builder_or_by_a_builder_of_its_own(tmp_path: Path) -> None:
    said = kinds.Entry("seamless_m4t", "AutoModelForSpeechSeq2Seq", "SeamlessM4TForSpeechToText")
    made, _ = building.build(said, tmp_path / "m")
    assert json.loads((made.path / "config.json").read_text())["architectures"] == [said.name]
    assert json.loads((made.path / "generation_config.json").read_text())["text_decoder_lang_to_code_id"]["fra"]
    aligns = kinds.Entry("qwen3_asr", "AutoModelForTokenClassification", "Qwen3ASRForTokenClassification")
    made, _ = building.build(aligns, tmp_path / "m")
    assert "part['text'] }}<|im_end|><|im_end|>" in (made.path / "chat_template.jinja").read_text()


def test_what_writes_of_a_sound_has_the_tokenizer_of_its_decoder(tmp_path: Path) -> None:
    entry = kinds.Entry("speech_to_text", "AutoModelForSpeechSeq2Seq", "Speech2TextForConditionalGeneration")
    made, notes = building.build(entry, tmp_path / "m")
    assert (made.path / "tokenizer.json").is_file() and not notes
