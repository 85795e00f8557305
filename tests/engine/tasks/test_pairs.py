"""Tasks on two texts, or on a text and some labels, give what the pipeline or the model's documentation gives."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests import tiny_tasks
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.task import Cancelled, Silent
from workbench.engine.values import Answer, Checkpoint, TaskInput, TaskOptions

CONTEXT = "Angela Merkel met Barack Obama in Berlin, Germany. The capital of France is Paris."
ASKED = TaskInput("Where did they meet?", CONTEXT)
LABELS = ("cinema", "politics", "travel")


@pytest.fixture(scope="module")
def answerer(tmp_path_factory) -> LoadedModel:
    head = "AutoModelForQuestionAnswering"
    return load(tiny_tasks.build_tiny_head(tmp_path_factory.mktemp("c") / "qa", head), device="cpu")


@pytest.fixture(scope="module")
def chooser(tmp_path_factory) -> LoadedModel:
    head = "AutoModelForMultipleChoice"
    return load(tiny_tasks.build_tiny_head(tmp_path_factory.mktemp("c") / "choice", head), device="cpu")


@pytest.fixture(scope="module")
def follower(tmp_path_factory) -> LoadedModel:
    head = "AutoModelForNextSentencePrediction"
    return load(tiny_tasks.build_tiny_head(tmp_path_factory.mktemp("c") / "next", head), device="cpu")


@pytest.fixture(scope="module")
def nli(tmp_path_factory) -> LoadedModel:
    return load(tiny_tasks.build_tiny_nli(tmp_path_factory.mktemp("c") / "nli"), device="cpu")


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions) -> dict:
    names = {"__name__": "__main__"}
    cut = dataclasses.replace(options, max_length=tasks.cut_at(model, options))
    exec(codegen.task(model.checkpoint, name, given, cut, model.dtype, model.device, model.head), names)
    return names


def reference(model: LoadedModel, given: TaskInput, longest: int) -> tuple[int, int, float]:
    """The best span as the documentation of question answering finds it, position by position."""
    encoded = model.tokenizer(given.text, given.second, return_tensors="pt", return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.inference_mode():
        output = model.model(**encoded)
    allowed = [index for index, place in enumerate(encoded.sequence_ids(0)) if place == 1]
    kept = torch.tensor([0, *allowed])
    start = dict(zip(kept.tolist(), output.start_logits[0, kept].softmax(-1).tolist(), strict=True))
    end = dict(zip(kept.tolist(), output.end_logits[0, kept].softmax(-1).tolist(), strict=True))
    spans = [(a, b) for a in allowed for b in allowed if a <= b < a + longest]
    first, last = max(spans, key=lambda span: start[span[0]] * end[span[1]])
    return offsets[first][0], offsets[last][1], start[first] * end[last]


@pytest.mark.parametrize("longest", [1, 4, 15])
@pytest.mark.parametrize("question", ["Where did they meet?", "What is the capital of France?", "film?"])
def test_an_answer_is_the_span_that_the_documentation_finds(answerer, question, longest) -> None:
    given = TaskInput(question, CONTEXT)
    options = TaskOptions(top_k=3, max_answer_tokens=longest)
    best = tasks.run(answerer, "question-answering", given, options).items[0]
    start, end, score = reference(answerer, given, longest)
    assert (best.start, best.end, best.score) == (start, end, pytest.approx(score, rel=1e-5))
    assert best.text == CONTEXT[start:end]


def test_answers_fall_in_score_and_their_matrix_holds_the_best(answerer) -> None:
    result = tasks.run(answerer, "question-answering", ASKED)
    scores = [answer.score for answer in result.items]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    spans = result.stages[2].tensors[2]
    assert spans.name == "span_scores"
    assert spans.shape == (len(result.tokens), len(result.tokens))
    assert spans.values.max() == pytest.approx(scores[0])
    assert not np.tril(spans.values, -1).any(), "no span ends before it starts"
    row, _ = np.unravel_index(spans.values.argmax(), spans.shape)
    assert result.items[0].text.lower().startswith(result.tokens[row].removeprefix("##"))


def test_a_long_context_is_searched_in_windows_that_overlap(answerer) -> None:
    filler = "The quick brown fox jumps over the lazy dog. " * 30
    result = tasks.run(answerer, "question-answering", TaskInput("Where?", filler + CONTEXT), TaskOptions(top_k=None))
    windows, width = result.stages[0].tensors[0].shape
    assert windows > 3 and width == 128
    assert result.truncated == 0
    assert any(answer.start > len(filler) for answer in result.items)
    assert len({(answer.start, answer.end) for answer in result.items}) == len(result.items)


def test_no_answer_is_an_answer_where_it_is_asked_for(answerer) -> None:
    plain = tasks.run(answerer, "question-answering", ASKED, TaskOptions(top_k=None)).items
    with_none = tasks.run(answerer, "question-answering", ASKED, TaskOptions(top_k=None, no_answer=True)).items
    (none,) = set(with_none) - set(plain)
    assert none.text == "" and (none.start, none.end) == (0, 0)
    assert isinstance(none, Answer) and 0 < none.score < 1


@pytest.mark.parametrize("labels", [LABELS, LABELS[:1], ("a b", "ü", "cinema", "x" * 20)])
@pytest.mark.parametrize("options", [TaskOptions(), TaskOptions(multi_label=True), TaskOptions(template="About {}")])
def test_zero_shot_classification_is_the_pipeline(nli, labels, options) -> None:
    from transformers import pipeline

    given = TaskInput("What a wonderful film!", labels=labels)
    result = tasks.run(nli, "zero-shot-classification", given, options)
    made = pipeline("zero-shot-classification", model=nli.model, tokenizer=nli.tokenizer, device="cpu")
    template = options.template or "This example is {}."
    expected = made(given.text, list(labels), multi_label=options.multi_label, hypothesis_template=template)
    assert [item.label for item in result.items] == expected["labels"]
    assert [item.score for item in result.items] == pytest.approx(expected["scores"], abs=1e-5)


def test_a_long_text_is_cut_for_zero_shot_and_the_labels_are_not(nli) -> None:
    given = TaskInput("the film " * 200, labels=LABELS)
    result = tasks.run(nli, "zero-shot-classification", given)
    assert result.stages[0].tensors[0].shape == (3, 128)
    assert result.truncated > 0
    rows = [nli.tokenizer.decode(row) for row in result.stages[0].tensors[0].values]
    assert all("this example is" in row for row in rows)


def test_a_label_that_leaves_no_room_for_the_text_is_refused(nli) -> None:
    for length, fits in ((113, True), (114, False), (400, False)):
        given = TaskInput("the film " * 200, labels=("a " * length, "travel"))
        if fits:
            assert len(tasks.run(nli, "zero-shot-classification", given).items) == 2
            continue
        with pytest.raises(InputError, match="label is too long"):
            tasks.run(nli, "zero-shot-classification", given)


@pytest.mark.parametrize("second", ["She was reading.", "The capital of Italy is Rome."])
def test_a_pair_is_classified_as_the_pipeline_does(nli, second) -> None:
    from transformers import pipeline

    given = TaskInput("She was reading a good book.", second)
    result = tasks.run(nli, "sentence-pair-classification", given)
    made = pipeline("text-classification", model=nli.model, tokenizer=nli.tokenizer, device="cpu")
    expected = made({"text": given.text, "text_pair": second}, top_k=None)
    assert [(item.label, pytest.approx(item.score, abs=1e-6)) for item in result.items] == [
        (entry["label"], entry["score"]) for entry in expected
    ]


def test_choices_are_scored_as_the_documentation_does(chooser) -> None:
    given = tasks.example("multiple-choice")
    result = tasks.run(chooser, "multiple-choice", given)
    encoded = chooser.tokenizer([[given.text, choice] for choice in given.labels], return_tensors="pt", padding=True)
    with torch.inference_mode():
        logits = chooser.model(**{name: tensor.unsqueeze(0) for name, tensor in encoded.items()}).logits
    scores = dict(zip(given.labels, logits[0].softmax(-1).tolist(), strict=True))
    assert {item.label: item.score for item in result.items} == pytest.approx(scores, abs=1e-6)
    assert result.items[0].score > result.items[1].score
    assert result.stages[0].tensors[0].shape[:2] == (1, 2)


def test_the_next_sentence_is_told_as_the_documentation_does(follower) -> None:
    given = tasks.example("next-sentence-prediction")
    result = tasks.run(follower, "next-sentence-prediction", given)
    with torch.inference_mode():
        logits = follower.model(**follower.tokenizer(given.text, given.second, return_tensors="pt")).logits
    follows, random = logits[0].softmax(-1).tolist()
    assert {item.label: item.score for item in result.items} == pytest.approx({"IsNext": follows, "NotNext": random})


@pytest.mark.parametrize(("name", "fixture", "given", "says"), [
    ("question-answering", "answerer", TaskInput("", CONTEXT), "question is empty"),
    ("question-answering", "answerer", TaskInput("Where?", " \n"), "context is empty"),
    ("question-answering", "answerer", TaskInput("Where?", "a\ud800b"), "surrogate"),
    ("zero-shot-classification", "nli", TaskInput("film"), "0 were given"),
    ("zero-shot-classification", "nli", TaskInput("", labels=LABELS), "text is empty"),
    ("sentence-pair-classification", "nli", TaskInput("film"), "second text is empty"),
    ("multiple-choice", "chooser", TaskInput("film", labels=("one",)), "1 were given"),
    ("next-sentence-prediction", "follower", TaskInput("", "film"), "first text is empty"),
])  # fmt: skip
def test_what_is_missing_is_named(name, fixture, given, says, request) -> None:
    with pytest.raises(InputError) as caught:
        tasks.run(request.getfixturevalue(fixture), name, given)
    assert says in caught.value.why
    assert caught.value.remedy


@pytest.mark.parametrize("template", ["no place", "{0} {1}", "{name}", "{"])
def test_a_template_without_a_place_for_the_label_is_refused(nli, template) -> None:
    with pytest.raises(InputError, match="template"):
        tasks.run(nli, "zero-shot-classification", TaskInput("film", labels=LABELS), TaskOptions(template=template))


@pytest.mark.parametrize("several", [False, True])
def test_without_a_label_called_entailment_the_last_is_taken_as_the_pipeline_does(
    tiny_bert_classifier, several, capsys
) -> None:
    from transformers import pipeline

    name, options = "zero-shot-classification", TaskOptions(multi_label=several)
    model = load(tiny_bert_classifier, device="cpu")
    given = TaskInput("a film", labels=LABELS)
    last = model.model.config.id2label[model.model.config.num_labels - 1]
    assert f"the last, “{last}”, is taken" in tasks.spec(name, model).does
    made = pipeline(name, model=model.model, tokenizer=model.tokenizer, device="cpu")
    expected = made(given.text, list(LABELS), multi_label=several)
    # Two labels of equal score may stand in either order.
    scores = pytest.approx(dict(zip(expected["labels"], expected["scores"], strict=True)), abs=1e-6)
    assert {item.label: item.score for item in tasks.run(model, name, given, options).items} == scores
    assert dict(script(model, name, given, options)["result"]) == scores
    assert capsys.readouterr().out


def test_a_question_that_leaves_no_room_is_refused(answerer) -> None:
    with pytest.raises(NotSupported, match="question is too long"):
        tasks.run(answerer, "question-answering", TaskInput("film " * 200, CONTEXT))


def test_many_windows_stop_between_two_passes(answerer) -> None:
    class Stops(Silent):
        def report(self, progress) -> None:
            self.done = progress.done if progress.unit == "windows" else 0

        def check(self) -> None:
            if getattr(self, "done", 0) >= 8:
                raise Cancelled

    stops = Stops()
    with pytest.raises(Cancelled):
        tasks.run(answerer, "question-answering", TaskInput("Where?", CONTEXT * 60), task=stops)
    assert stops.done == 8


def test_the_task_is_inferred_offline(answerer, chooser, follower, nli) -> None:
    assert [tasks.infer(model.facts) for model in (answerer, chooser, follower, nli)] == [
        "question-answering", "multiple-choice", "next-sentence-prediction", "zero-shot-classification"
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "fixture", "options"), [
    ("question-answering", "answerer", TaskOptions(top_k=3)),
    ("question-answering", "answerer", TaskOptions(top_k=None, no_answer=True, max_answer_tokens=4)),
    ("zero-shot-classification", "nli", TaskOptions()),
    ("zero-shot-classification", "nli", TaskOptions(multi_label=True, template="About {}.")),
    ("sentence-pair-classification", "nli", TaskOptions(top_k=2)),
    ("multiple-choice", "chooser", TaskOptions()),
    ("next-sentence-prediction", "follower", TaskOptions()),
])  # fmt: skip
def test_the_script_gives_the_same_result(name, fixture, options, request, capsys) -> None:
    model = request.getfixturevalue(fixture)
    given = tasks.example(name)
    result = tasks.run(model, name, given, options)
    names = script(model, name, given, options)
    assert capsys.readouterr().out
    items = [tuple(getattr(item, each) for each in item.__slots__) for item in result.items]
    assert len(names["result"]) == len(items) > 0
    for found, expected in zip(names["result"], items, strict=True):
        assert [pytest.approx(each, abs=1e-6) if isinstance(each, float) else each for each in found] == list(expected)


def test_the_script_searches_a_long_context_too(answerer, capsys) -> None:
    given = TaskInput("Where?", "The quick brown fox jumps over the lazy dog. " * 30 + CONTEXT)
    result = tasks.run(answerer, "question-answering", given)
    names = script(answerer, "question-answering", given, tasks.defaults("question-answering"))
    assert [row[2:] for row in names["result"]] == [(item.start, item.end) for item in result.items]
    assert capsys.readouterr().out


def test_every_checkpoint_says_what_its_architecture_means(answerer, tiny_llama: Checkpoint) -> None:
    assert tasks.architecture(answerer.facts)[0] == "encoder"
    kind, meaning = tasks.architecture(load(tiny_llama, device="cpu").facts)
    assert kind == "decoder" and meaning.endswith(".")
