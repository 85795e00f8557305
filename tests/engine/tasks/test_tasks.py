"""Each task gives what the library's pipeline gives, and shows the tensors it went through."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from workbench.engine import tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.task import Cancelled, Silent
from workbench.engine.values import Checkpoint, Entity, Filled, Label, TaskInput, TaskOptions

TEXT = "Angela Merkel met Barack Obama in Berlin, Germany."


@pytest.fixture(scope="module")
def llama(tiny_llama: Checkpoint) -> LoadedModel:
    return load(tiny_llama, device="cpu")


@pytest.fixture(scope="module")
def masked(tiny_bert: Checkpoint) -> LoadedModel:
    return load(tiny_bert, device="cpu")


@pytest.fixture(scope="module")
def classifier(tiny_bert_classifier: Checkpoint) -> LoadedModel:
    return load(tiny_bert_classifier, device="cpu")


@pytest.fixture(scope="module")
def tagger(tiny_bert_tagger: Checkpoint) -> LoadedModel:
    return load(tiny_bert_tagger, device="cpu")


def pipeline(model: LoadedModel, name: str, **arguments):
    from transformers import pipeline as make

    return make(name, model=model.model, tokenizer=model.tokenizer, device="cpu", **arguments)


def tensors(result, stage: int) -> dict[str, tuple[tuple[int, ...], str]]:
    return {view.name: (view.shape, view.dtype) for view in result.stages[stage].tensors}


#: Those on one text with the tiny encoder or the tiny llama; the others have tests of their own beside this file.
NAMES = ("text-classification", "token-classification", "fill-mask", "text-generation", "feature-extraction")


def test_one_table_names_every_task_with_the_heads_that_can_do_it() -> None:
    import transformers

    names = [spec.name for spec in tasks.SPECS]
    assert len(set(names)) == len(names) and set(NAMES) <= set(names)
    assert [name for name, _ in tasks.TASKS] == names
    fields = {field.name for field in dataclasses.fields(TaskOptions)}
    taken = {field.name for field in dataclasses.fields(TaskInput)}
    for spec in tasks.SPECS:
        assert all(hasattr(transformers, head) for head in spec.heads), spec.name
        assert {*spec.options, *dict(spec.defaults)} <= fields and set(spec.takes) <= taken, spec.name
        assert tasks.head_for(spec.name) == spec.heads[0]
        assert spec.does and not spec.does.endswith(".")


def test_the_head_that_the_architecture_has_is_asked_for(masked) -> None:
    assert tasks.head_for("text-classification", masked.facts) == "AutoModelForSequenceClassification"
    assert tasks.head_for("text2text-generation", masked.facts) == "AutoModelForSeq2SeqLM"


def test_the_task_is_inferred_from_what_the_checkpoint_was_trained_for(llama, masked, classifier, tagger) -> None:
    inferred = [tasks.infer(model.facts) for model in (llama, masked, classifier, tagger)]
    assert inferred == ["text-generation", "fill-mask", "text-classification", "token-classification"]
    headless = dataclasses.replace(masked.facts, trained_head="AutoModelForTextEncoding")
    assert tasks.infer(headless) == "feature-extraction"
    assert tasks.infer(dataclasses.replace(masked.facts, trained_head="AutoModelForDecision")) == "decision"


@pytest.mark.parametrize("top_k", [None, 1, 2])
def test_text_classification_is_the_pipeline(classifier, top_k) -> None:
    result = tasks.run(classifier, "text-classification", TEXT, TaskOptions(top_k=top_k))
    expected = pipeline(classifier, "text-classification")(TEXT, top_k=top_k)
    assert [item.label for item in result.items] == [entry["label"] for entry in expected]
    assert [item.score for item in result.items] == pytest.approx([entry["score"] for entry in expected], abs=1e-7)


@pytest.mark.parametrize(
    ("problem_type", "num_labels"),
    [(None, 1), ("regression", 1), ("multi_label_classification", 3), ("single_label_classification", 3), (None, 3)],
)
def test_scores_follow_problem_type_as_the_pipeline_does(classifier, problem_type, num_labels) -> None:
    import torch

    model = load(classifier.checkpoint, num_labels=num_labels, device="cpu")
    with torch.no_grad():
        model.model.classifier.bias += torch.arange(num_labels) - 1.5
    model.model.config.problem_type = problem_type
    result = tasks.run(model, "text-classification", TEXT, TaskOptions(top_k=None))
    expected = pipeline(model, "text-classification")(TEXT, top_k=None)
    assert [(item.label, pytest.approx(item.score, abs=1e-6)) for item in result.items] == [
        (entry["label"], entry["score"]) for entry in expected
    ]


def test_text_classification_shows_its_three_steps(classifier) -> None:
    result = tasks.run(classifier, "text-classification", "The film")
    assert [stage.name for stage in result.stages] == ["preprocess", "forward", "postprocess"]
    shape = tensors(result, 0)["input_ids"][0]
    assert tensors(result, 0) == {
        "input_ids": (shape, "int64"), "token_type_ids": (shape, "int64"), "attention_mask": (shape, "int64")
    }  # fmt: skip
    assert tensors(result, 1) == {"logits": ((1, 2), "float32")}
    assert tensors(result, 2) == {"scores": ((2,), "float32")}
    assert result.stages[2].tensors[0].values.sum() == pytest.approx(1.0)
    assert all(stage.seconds > 0 for stage in result.stages)


def test_threshold_leaves_out_what_scores_less(classifier) -> None:
    both = tasks.run(classifier, "text-classification", TEXT).items
    assert len(both) == 2
    between = (both[0].score + both[1].score) / 2
    assert tasks.run(classifier, "text-classification", TEXT, TaskOptions(threshold=between)).items == both[:1]


@pytest.mark.parametrize("aggregation", ["none", "simple", "first", "average", "max"])
@pytest.mark.parametrize("text", [TEXT, "reading, tokenizer: wonderful cities ☃ history", "x"])
def test_token_classification_is_the_pipeline(tagger, aggregation, text) -> None:
    result = tasks.run(tagger, "token-classification", text, TaskOptions(aggregation=aggregation))
    expected = pipeline(tagger, "token-classification", aggregation_strategy=aggregation)(text)
    key = "entity" if aggregation == "none" else "entity_group"
    assert result.items == tuple(
        Entity(e[key], pytest.approx(float(e["score"]), abs=1e-6), e["start"], e["end"], text[e["start"] : e["end"]])
        for e in expected
    )


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
@pytest.mark.parametrize("aggregation", ["simple", "first", "max"])
def test_words_are_found_by_white_space_where_the_vocabulary_does_not_mark_them(llama, tagger, aggregation) -> None:
    from transformers import AutoTokenizer

    byte_level = AutoTokenizer.from_pretrained(llama.checkpoint.path)
    byte_level.model_max_length = 128
    model = dataclasses.replace(tagger, tokenizer=byte_level)
    model.model.resize_token_embeddings(len(byte_level))
    result = tasks.run(model, "token-classification", TEXT, TaskOptions(aggregation=aggregation))
    expected = pipeline(model, "token-classification", aggregation_strategy=aggregation)(TEXT)
    assert [(e.label, e.start, e.end) for e in result.items] == [
        (e["entity_group"], e["start"], e["end"]) for e in expected
    ]


@pytest.mark.parametrize("text", ["The capital of France is [MASK].", "The [MASK] of [MASK] is Paris.", "[MASK]"])
def test_fill_mask_is_the_pipeline(masked, text) -> None:
    result = tasks.run(masked, "fill-mask", text, TaskOptions(top_k=4))
    expected = pipeline(masked, "fill-mask")(text, top_k=4)
    rows = [expected] if isinstance(expected[0], dict) else expected
    assert result.items == tuple(
        Filled(index, e["token"], e["token_str"], pytest.approx(e["score"], abs=1e-7), e["sequence"])
        for index, row in enumerate(rows)
        for e in row
    )


@pytest.mark.parametrize("options", [TaskOptions(), TaskOptions(do_sample=True, temperature=0.9, seed=3)])
def test_text_generation_is_the_pipeline(llama, options) -> None:
    import torch

    result = tasks.run(llama, "text-generation", "The quick", options)
    torch.manual_seed(options.seed)
    settings = {"temperature": options.temperature} if options.do_sample else {}
    expected = pipeline(llama, "text-generation")(
        "The quick", max_new_tokens=40, do_sample=options.do_sample, return_full_text=False, **settings
    )
    assert result.items == (expected[0]["generated_text"],)
    prompt = tensors(result, 0)["input_ids"][0][1]
    assert tensors(result, 1)["first_logits"] == ((1, 384), "float32")
    assert tensors(result, 1)["sequences"][0][1] == prompt + tensors(result, 2)["new_ids"][0][0]


def test_text_generation_leaves_the_generator_as_it_was(llama) -> None:
    import torch

    before = torch.random.get_rng_state()
    tasks.run(llama, "text-generation", "The", TaskOptions(do_sample=True, max_new_tokens=3))
    assert torch.equal(before, torch.random.get_rng_state())


def test_text_generation_stops_within_a_token(llama) -> None:
    class Stops(Silent):
        seen = 0

        def report(self, progress) -> None:
            self.seen = max(self.seen, int(progress.done)) if progress.unit == "tokens" else self.seen

        def check(self) -> None:
            if self.seen >= 3:
                raise Cancelled

    stops = Stops()
    with pytest.raises(Cancelled):
        tasks.run(llama, "text-generation", "The", TaskOptions(max_new_tokens=50), task=stops)
    assert stops.seen == 3
    assert not llama.model._forward_hooks


@pytest.mark.parametrize("fixture", ["llama", "masked"])
def test_feature_extraction_is_the_pipeline(fixture, request) -> None:
    model = request.getfixturevalue(fixture)
    headless = load(model.checkpoint, head="AutoModel", device="cpu")
    expected = np.array(pipeline(headless, "feature-extraction")(TEXT))
    # A model with a head on top gives the same, from below its head.
    for loaded in (headless, model):
        result = tasks.run(loaded, "feature-extraction", TEXT)
        np.testing.assert_allclose(result.stages[1].tensors[0].values, expected, atol=1e-6)


@pytest.mark.parametrize(("pooling", "expected"), [
    ("mean", lambda hidden: hidden.mean(axis=0)), ("cls", lambda hidden: hidden[0]),
    ("max", lambda hidden: hidden.max(axis=0)), ("last", lambda hidden: hidden[-1]),
])  # fmt: skip
def test_lines_of_different_length_are_padded_and_pooled_without_the_padding(masked, pooling, expected) -> None:
    lines = ("The quick brown fox jumps over the lazy dog.", "The film", "Paris")
    text = "\n".join((lines[0], "", *lines[1:]))
    result = tasks.run(masked, "feature-extraction", text, TaskOptions(pooling=pooling, normalize=False))
    for row, line in zip(result.items, lines, strict=True):
        alone = tasks.run(masked, "feature-extraction", line).stages[1].tensors[0].values[0]
        np.testing.assert_allclose(row, expected(alone), atol=1e-5)
    mask = next(view for view in result.stages[0].tensors if view.name == "attention_mask")
    assert mask.values[1].sum() < mask.shape[1]
    similarity = result.stages[2].tensors[1]
    assert similarity.shape == (3, 3)
    np.testing.assert_allclose(np.diag(similarity.values), 1.0, atol=1e-6)


def test_normalized_vectors_have_length_one(masked) -> None:
    (row,) = tasks.run(masked, "feature-extraction", TEXT).items
    assert np.linalg.norm(row) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", ["text-classification", "token-classification", "fill-mask", "feature-extraction"])
def test_a_text_longer_than_the_context_is_cut_and_it_says_by_how_much(name, request) -> None:
    fixture = {"text-classification": "classifier", "token-classification": "tagger"}.get(name, "masked")
    model = request.getfixturevalue(fixture)
    text = "[MASK] " + "the film " * 200
    result = tasks.run(model, name, text)
    whole = len(model.tokenizer(text, verbose=False)["input_ids"])
    assert result.stages[0].tensors[0].shape == (1, 128)
    assert result.truncated == whole - 128
    assert tasks.run(model, name, text, TaskOptions(max_length=16)).truncated == whole - 16


def test_a_mask_beyond_the_context_is_missed(masked) -> None:
    with pytest.raises(InputError, match=r"no \[MASK\] in the part that fits the context"):
        tasks.run(masked, "fill-mask", "the film " * 200 + "[MASK]")


def test_a_prompt_that_does_not_fit_the_context_is_refused_with_the_room_there_is(llama) -> None:
    with pytest.raises(InputError, match="Ask for at most 25 new tokens") as caught:
        tasks.run(llama, "text-generation", "The" * (231 // len(llama.tokenizer("The")["input_ids"])))
    assert "256" in caught.value.why
    with pytest.raises(InputError, match="Shorten it"):
        tasks.run(llama, "text-generation", "film " * 400)


def test_a_text_without_a_mask_is_told_which_token_to_write(masked) -> None:
    with pytest.raises(InputError) as caught:
        tasks.run(masked, "fill-mask", "The capital of France is Paris.")
    assert "[MASK]" in caught.value.remedy


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("text", "why"), [("", "empty"), (" \n ", "empty"), ("a\ud800b", "surrogate")])
def test_empty_and_broken_texts_are_refused(name, text, why, llama, masked, classifier, tagger) -> None:
    models = {"text-generation": llama, "text-classification": classifier, "token-classification": tagger}
    with pytest.raises(InputError) as caught:
        tasks.run(models.get(name, masked), name, text)
    assert why in caught.value.why
    assert caught.value.remedy


@pytest.mark.parametrize("name", NAMES)
def test_odd_but_valid_texts_go_through(name, llama, masked, classifier, tagger) -> None:
    models = {"text-generation": llama, "text-classification": classifier, "token-classification": tagger}
    for text in ("a\0b [MASK]", "שלום עולם [MASK]", "👩‍👩‍👧 [MASK]"):
        assert tasks.run(models.get(name, masked), name, text).items is not None


def test_a_missing_head_is_named_with_the_one_that_is_there(llama) -> None:
    assert not tasks.supports(llama, "fill-mask")
    with pytest.raises(NotSupported) as caught:
        tasks.run(llama, "fill-mask", "The [MASK]")
    assert "AutoModelForMaskedLM" in caught.value.why
    assert "AutoModelForCausalLM" in caught.value.why
    assert "text-generation" in caught.value.remedy


def test_a_checkpoint_without_a_tokenizer_says_so(llama) -> None:
    with pytest.raises(NotSupported, match="tokenizer"):
        tasks.run(dataclasses.replace(llama, tokenizer=None), "text-generation", "The")


def test_a_tokenizer_without_a_mask_token_says_so(llama) -> None:
    with pytest.raises(NotSupported, match="mask token"):
        tasks.run(dataclasses.replace(llama, head="AutoModelForMaskedLM"), "fill-mask", "The")


@pytest.mark.parametrize(("name", "options"), [
    ("token-classification", TaskOptions(aggregation="loudest")), ("feature-extraction", TaskOptions(pooling="most")),
    ("summoning", TaskOptions()),
])  # fmt: skip
def test_unknown_names_are_refused_with_those_that_are_known(tagger, name, options) -> None:
    with pytest.raises((InputError, NotSupported), match="Use "):
        tasks.run(tagger, name, TEXT, options)


@pytest.mark.parametrize("name", NAMES)
def test_every_task_has_an_example_that_works(name, llama, masked, classifier, tagger) -> None:
    models = {"text-generation": llama, "text-classification": classifier, "token-classification": tagger}
    model = models.get(name, masked)
    assert tasks.run(model, name, tasks.example(name, model)).stages
    assert tasks.example(name)


def test_bfloat16_values_are_shown_widened_and_named_for_what_they_are(classifier) -> None:
    half = load(classifier.checkpoint, dtype="bfloat16", device="cpu")
    logits = tasks.run(half, "text-classification", TEXT).stages[1].tensors[0]
    assert logits.dtype == "bfloat16"
    assert logits.values.dtype == np.float32


def test_roberta_positions_that_padding_takes_are_not_part_of_the_context(tmp_path: Path, tiny_bert) -> None:
    from transformers import AutoTokenizer, RobertaConfig, RobertaForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert.path)
    tokenizer.model_max_length = 10**30
    tokenizer.save_pretrained(tmp_path)
    config = RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=34, type_vocab_size=2, pad_token_id=1,
    )  # fmt: skip
    RobertaForMaskedLM(config).save_pretrained(tmp_path)
    model = load(Checkpoint("tiny-roberta", tmp_path), device="cpu")
    assert tasks.context(model) == 32
    assert tasks.run(model, "fill-mask", "[MASK] " + "the film " * 40).truncated > 0


def test_the_result_keeps_the_text_and_the_task(classifier) -> None:
    result = tasks.run(classifier, "text-classification", TEXT)
    assert (result.task, result.text, result.truncated) == ("text-classification", TEXT, 0)
    assert all(isinstance(item, Label) for item in result.items)
