"""Tasks that read with an encoder and write with a decoder give what generate() and decode() give."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tests import tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.task import Cancelled, Silent
from workbench.engine.values import TaskInput, TaskOptions

TEXT = "The quick brown fox jumps over the lazy dog."
NAMES = ("text2text-generation", "summarization", "translation")


@pytest.fixture(scope="module")
def t5(tmp_path_factory) -> LoadedModel:
    return load(tiny_seq2seq.build_tiny_t5(tmp_path_factory.mktemp("c") / "t5"), device="cpu")


@pytest.fixture(scope="module")
def bart(tmp_path_factory) -> LoadedModel:
    return load(tiny_seq2seq.build_tiny_bart(tmp_path_factory.mktemp("c") / "bart"), device="cpu")


def reference(model: LoadedModel, text: str, **settings) -> str:
    inputs = model.tokenizer(text, return_tensors="pt")
    torch.manual_seed(settings.pop("seed", 0))
    sequences = model.model.generate(**inputs, max_new_tokens=12, **({"do_sample": False} | settings))
    return model.tokenizer.decode(sequences[0], skip_special_tokens=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fixture", ["t5", "bart"])
def test_what_is_written_is_what_generate_writes(fixture, name, request) -> None:
    model = request.getfixturevalue(fixture)
    result = tasks.run(model, name, TEXT, TaskOptions(max_new_tokens=12))
    assert result.items == (reference(model, TEXT),)
    assert result.items[0]
    stages = {view.name: view.shape for stage in result.stages for view in stage.tensors}
    assert stages["sequences"][1] == 1 + stages["new_ids"][0]
    assert stages["first_logits"] == (1, model.model.config.vocab_size)


@pytest.mark.parametrize("settings", [{"num_beams": 3}, {"do_sample": True, "temperature": 0.9, "seed": 4}])
def test_settings_go_to_generate(bart, settings) -> None:
    options = TaskOptions(max_new_tokens=12, **settings)
    assert tasks.run(bart, NAMES[0], TEXT, options).items == (reference(bart, TEXT, **settings),)


def test_the_checkpoints_own_prefix_goes_in_front_once(tmp_path) -> None:
    checkpoint = tiny_tasks.with_prefix(tiny_seq2seq.build_tiny_t5(tmp_path), "summarization", "summarize: ")
    model = load(checkpoint, device="cpu")
    expected = reference(model, "summarize: " + TEXT)
    options = TaskOptions(max_new_tokens=12)
    for text in (TEXT, "summarize: " + TEXT):
        assert tasks.run(model, "summarization", text, options).items == (expected,)
    assert tasks.run(model, "text2text-generation", TEXT, options).items == (reference(model, TEXT),)
    names: dict = {}
    exec(codegen.task(checkpoint, "summarization", TEXT, options, model.dtype, "cpu"), names)
    assert names["result"] == expected


class _Codes:
    """What a tokenizer for many languages has besides: codes, and a language of its own."""

    lang_code_to_id = {"en_XX": 5, "de_DE": 6}  # noqa: RUF012 - as the library has it
    src_lang = "en_XX"


def test_the_target_language_is_forced_to_the_front(bart) -> None:
    tokenizer = bart.tokenizer
    tokenizer.lang_code_to_id, tokenizer.src_lang = _Codes.lang_code_to_id, "en_XX"
    try:
        options = TaskOptions(max_new_tokens=12, source_language="en_XX", target_language="de_DE")
        result = tasks.run(bart, "translation", TEXT, options)
        assert result.items == (reference(bart, TEXT, forced_bos_token_id=6),)
        assert result.stages[1].tensors[0].values[0][1] == 6
        assert "de_DE" in dict(tasks.spec("translation", bart).choices)["target_language"]
        with pytest.raises(InputError, match="de_DE"):
            tasks.run(bart, "translation", TEXT, TaskOptions(target_language="tlh"))
    finally:
        del tokenizer.lang_code_to_id, tokenizer.src_lang


def test_a_checkpoint_for_two_languages_says_so(t5) -> None:
    assert not {"source_language", "target_language"} & {*tasks.applies("translation", t5)}
    with pytest.raises(InputError, match="no languages"):
        tasks.run(t5, "translation", TEXT, TaskOptions(target_language="de"))


def test_a_long_text_is_cut_at_the_context(bart) -> None:
    result = tasks.run(bart, "summarization", TEXT * 10, TaskOptions(max_new_tokens=2))
    assert result.stages[0].tensors[0].shape == (1, 64)
    assert result.truncated > 0


def test_writing_stops_within_a_token(t5) -> None:
    class Stops(Silent):
        seen = 0

        def report(self, progress) -> None:
            self.seen = max(self.seen, int(progress.done)) if progress.unit == "tokens" else self.seen

        def check(self) -> None:
            if self.seen >= 3:
                raise Cancelled

    stops = Stops()
    with pytest.raises(Cancelled):
        tasks.run(t5, "text2text-generation", TEXT, TaskOptions(max_new_tokens=50), task=stops)
    assert stops.seen == 3


def test_the_task_and_the_architecture_are_told_by_the_config(t5, bart) -> None:
    assert tasks.infer(t5.facts) == tasks.infer(bart.facts) == "text2text-generation"
    marian = dataclasses.replace(t5.facts, model_type="marian")
    assert tasks.infer(marian) == "translation"
    assert tasks.infer(dataclasses.replace(t5.facts, model_type="pegasus")) == "summarization"
    assert tasks.architecture(t5.facts)[0] == "encoder-decoder"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("settings", [{}, {"num_beams": 3}, {"do_sample": True, "temperature": 0.9, "seed": 4}])
def test_the_script_writes_the_same(bart, name, settings, capsys) -> None:
    options = TaskOptions(max_new_tokens=12, max_length=64, **settings)
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(bart.checkpoint, name, TEXT, options, bart.dtype, bart.device), names)
    assert (names["result"],) == tasks.run(bart, name, TaskInput(TEXT), options).items
    assert capsys.readouterr().out.strip() == names["result"].strip()


def test_logits_that_nothing_can_be_drawn_from_are_named(tmp_path) -> None:
    model = load(tiny_seq2seq.build_tiny_bart(tmp_path), device="cpu")
    with torch.no_grad():
        model.model.final_logits_bias.fill_(float("nan"))
    with pytest.raises(NotSupported, match="No token can be drawn") as caught:
        tasks.run(model, NAMES[0], TEXT, TaskOptions(max_new_tokens=4, do_sample=True))
    assert "NaN" in caught.value.why and not model.model._forward_hooks
