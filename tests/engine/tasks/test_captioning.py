"""Models that place a picture beside their text write what the pipeline or their documentation has, and say where."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests import tiny, tiny_captions, tiny_seq2seq
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.task import Cancelled, Progress, Silent
from workbench.engine.tasks import batch, captioning
from workbench.engine.values import Place, Segment, TaskInput, TaskOptions

NAME = "image-text-to-text"
OPTIONS = TaskOptions(max_new_tokens=8)
SIZE = (97, 61)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Callable[[str], LoadedModel]:
    return tiny.kept(tmp_path_factory.mktemp("captions"), tiny_captions.build)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return tiny_seq2seq.picture(tmp_path, size=SIZE)


def script(model: LoadedModel, given: TaskInput, options: TaskOptions = OPTIONS) -> object:
    names = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, NAME, given, options, model.dtype, model.device, model.head), names)
    return names["result"]


def pipeline_text(model: LoadedModel, picture: Path, text: str) -> str:
    from transformers import pipeline

    made = pipeline(NAME, model=model.model, processor=model.processor, device="cpu")
    with Image.open(picture) as image:
        (written,) = made(
            images=image.convert("RGB"), text=text, generate_kwargs={"max_new_tokens": 8}, return_full_text=False
        )
    return written["generated_text"]


@pytest.mark.parametrize("kind", tiny_captions.KINDS)
def test_the_task_of_each_is_inferred_and_has_an_example(made, kind, workbench_data) -> None:
    model = made(kind)
    assert tasks.infer(model.facts) == NAME and not model.missing
    assert tasks.spec(NAME, model).takes == ("image", "text")
    given = tasks.example(NAME, model)
    assert given.text == captioning.PROMPTED.get(kind, "")
    assert given.image.is_file()


@pytest.mark.parametrize(
    ("kind", "text"), [("blip", "a picture of the"), ("git", "a house"), ("florence2", "Where is it?")]
)
def test_what_goes_on_after_a_prompt_is_the_pipelines(made, picture, kind, text, capsys) -> None:
    model = made(kind)
    given = TaskInput(text, image=picture)
    (written,) = tasks.run(model, NAME, given, OPTIONS).items
    assert written == pipeline_text(model, picture, text) != ""
    assert script(model, given) == written
    assert capsys.readouterr().out


@pytest.mark.parametrize("kind", ["trocr", "blip", "blip-2", "git"])
def test_a_picture_alone_is_enough(made, picture, kind, capsys) -> None:
    model = made(kind)
    given = TaskInput(image=picture)
    (written,) = tasks.run(model, NAME, given, OPTIONS).items
    with Image.open(picture) as image, torch.inference_mode():
        inputs = model.processor(images=image.convert("RGB"), return_tensors="pt")
        expected = model.processor.batch_decode(
            model.model.generate(**inputs, max_new_tokens=8), skip_special_tokens=True
        )
    assert [written] == expected != [""]
    assert script(model, given) == written
    assert capsys.readouterr().out


@pytest.mark.parametrize("kind", ["nougat", "kosmos-2.5"])
def test_a_reader_of_pages_writes_what_its_documentation_has(made, picture, kind, capsys) -> None:
    model = made(kind)
    given = TaskInput(captioning.PROMPTED.get(kind, ""), image=picture)
    (written,) = tasks.run(model, NAME, given, OPTIONS).items
    with Image.open(picture) as image, torch.inference_mode():
        inputs = model.processor(
            images=image.convert("RGB"), return_tensors="pt", **({"text": given.text} if given.text else {})
        )
        if kind == "kosmos-2.5":
            inputs.pop("height"), inputs.pop("width")
        expected = model.processor.batch_decode(
            model.model.generate(**inputs, max_new_tokens=8), skip_special_tokens=True
        )
    # The documentation leaves what it was told to do at the beginning.
    assert [written] == [text.removeprefix(given.text) for text in expected] != [""]
    assert script(model, given) == written
    assert capsys.readouterr().out


def test_a_page_that_nougat_read_is_cleaned_up_by_its_processor(made, picture, capsys) -> None:
    for package in ("nltk", "Levenshtein"):
        pytest.importorskip(package, reason=f"the library cleans what Nougat read with {package}")
    model, given, options = made("nougat"), TaskInput(image=picture), dataclasses.replace(OPTIONS, cleaned=True)
    assert "cleaned" in tasks.applies(NAME, model) and "cleaned" not in tasks.applies(NAME, made("trocr"))
    (read,) = tasks.run(model, NAME, given, OPTIONS).items
    (cleaned,) = tasks.run(model, NAME, given, options).items
    assert cleaned == model.processor.post_process_generation(read, fix_markdown=False)
    assert script(model, given, options) == cleaned
    assert capsys.readouterr().out


def test_what_cleans_a_page_is_named_where_it_is_not_installed(made, picture) -> None:
    if importlib.util.find_spec("nltk") and importlib.util.find_spec("Levenshtein"):
        pytest.skip("both packages that the library cleans with are installed")
    with pytest.raises(NotSupported, match=r"(nltk|levenshtein) alone, which is not installed"):
        tasks.run(made("nougat"), NAME, TaskInput(image=picture), dataclasses.replace(OPTIONS, cleaned=True))


def test_a_formula_is_what_its_processor_makes_of_the_ids(made, picture, capsys) -> None:
    pytest.importorskip("torchvision", reason="PP-FormulaNet's image processor needs torchvision")
    model = made("pp_formulanet")
    assert tasks.infer(model.facts) == NAME and not model.missing
    given = TaskInput(image=picture)
    (written,) = tasks.run(model, NAME, given, OPTIONS).items
    with Image.open(picture) as image, torch.inference_mode():
        inputs = model.processor(images=image.convert("RGB"), return_tensors="pt")
        expected = model.processor.post_process(model.model.generate(**inputs, max_new_tokens=8))
    assert [written] == expected != [""]
    assert script(model, given) == written
    assert capsys.readouterr().out


@pytest.mark.parametrize("kind", ["blip", "blip-2", "kosmos-2", "florence2", "git"])
def test_a_body_without_its_head_is_shown_picture_and_text_together(made, picture, kind, capsys) -> None:
    model = load(made(kind).checkpoint, head="AutoModel", device="cpu")
    given = TaskInput(captioning.PROMPTED.get(kind, "a fox"), image=picture)
    result = tasks.run(model, "raw-outputs", given)
    with Image.open(picture) as image, torch.inference_mode():
        inputs = made(kind).processor(images=image.convert("RGB"), text=given.text, return_tensors="pt")
        takes = inspect.signature(model.model.forward).parameters
        output = model.model(**{name: tensor for name, tensor in inputs.items() if name in takes})
    shown = {view.name: view.values for view in result.stages[1].tensors}
    # The checkpoints of BLIP that describe pictures lack the scale of its similarities.
    first = "text_embeds" if kind == "blip" else next(iter(output))
    np.testing.assert_allclose(shown[first], output[first].numpy(), atol=1e-5)
    names = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, "raw-outputs", given, OPTIONS, model.dtype, "cpu", "AutoModel"), names)
    np.testing.assert_allclose(names["outputs"][first], output[first].numpy(), atol=1e-5)
    assert tasks.example("raw-outputs", model).text
    assert not tasks.supports(model, "image-feature-extraction")
    if kind in ("blip", "blip-2", "kosmos-2"):
        with pytest.raises(NotSupported, match=r"no vectors of text alone|can't do feature-extraction"):
            tasks.run(model, "feature-extraction", "a fox")
    capsys.readouterr()


def test_a_decoder_goes_on_with_what_it_is_told_to_begin_with(made, picture) -> None:
    model = made("trocr")
    result = tasks.run(model, NAME, TaskInput("The", image=picture), OPTIONS)
    begun = model.tokenizer("The", add_special_tokens=False)["input_ids"]
    assert result.stages[2].tensors[0].values[0, 1 : 1 + len(begun)].tolist() == begun
    assert result.items[0].startswith("The")
    assert script(model, TaskInput("The", image=picture)) == result.items[0]


def test_a_question_that_is_written_over_the_picture_wants_its_font(picture, made, monkeypatch) -> None:
    model = made("pix2struct")
    begun = tasks.run(model, NAME, TaskInput("The", image=picture), OPTIONS).items[0]
    assert script(model, TaskInput("The", image=picture)) == begun != ""
    monkeypatch.setattr(model.processor.image_processor, "is_vqa", True)
    with pytest.raises(NotSupported, match="font of the Hub"):
        tasks.run(model, NAME, TaskInput("What is it?", image=picture), OPTIONS)


def test_marks_that_were_read_become_json(made, picture) -> None:
    model = made("donut")
    given = TaskInput("<s_menu><s_name>", image=picture)
    (told,) = tasks.run(model, NAME, given, OPTIONS).items
    assert json.loads(told)
    assert script(model, given) == told
    ids = model.tokenizer("<s_menu><s_name>tea<sep/>milk</s_name></s_menu>", add_special_tokens=False)["input_ids"]
    written = torch.tensor([[1, *ids, 2]])
    request = captioning.Request(model, given, OPTIONS, None)
    outcome = captioning.postprocess(request, captioning.Inputs({}), {"sequences": written})
    # The first mark, which says what the task was, is that of the beginning here.
    assert json.loads(outcome.items[0]) == {"menu": {"name": ["tea", "milk"]}}


@pytest.fixture
def inputs() -> captioning.Inputs:
    return captioning.Inputs({}, {"target_size": torch.tensor([[61, 97]])})


def said(model: LoadedModel, inputs: captioning.Inputs, prompt: str, text: str) -> tuple:
    """What becomes of a text as if the model had written it."""
    ids = model.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    request = captioning.Request(model, TaskInput(prompt), OPTIONS, None)
    return captioning.postprocess(request, inputs, {"sequences": ids}).items


def test_things_with_places_are_the_processors_boxes_in_pixels(made, inputs, picture) -> None:
    model = made("florence2")
    told = "house<loc_100><loc_200><loc_500><loc_900>"
    text, place = said(model, inputs, "<OD>", told)
    expected = model.processor.post_process_generation(told, task="<OD>", image_size=SIZE)["<OD>"]
    assert place == Place("house", *expected["bboxes"][0])
    assert place.xmin == pytest.approx(0.1 * 97, abs=1) and place.ymax == pytest.approx(0.9 * 61, abs=1)
    assert text == "house"
    given = TaskInput("<OD>", image=picture)
    result = tasks.run(model, NAME, given, OPTIONS)
    parsed = script(model, given)
    assert parsed["labels"] == [each.label for each in result.items[1:]]
    (row,) = batch.run(model, NAME, [given], OPTIONS)
    assert len(row.lines) == max(1, len(result.items) - 1) and row.lines[0]["generated"] == result.items[0]


def test_outlines_and_lines_of_writing_have_places_too() -> None:
    square = [10.0, 10.0, 20.0, 10.0, 20.0, 20.0, 10.0, 20.0]
    parsed = {"bboxes": [], "bboxes_labels": [], "polygons": [[square]], "polygons_labels": ["roof"]}
    (part,) = captioning._places(parsed, 61, 97)
    assert isinstance(part, Segment) and (part.label, part.score) == ("roof", None)
    rows, columns = np.nonzero(part.mask)
    assert part.mask.shape == (61, 97) and (rows.min(), columns.max()) == (10, 20)
    (line,) = captioning._places({"quad_boxes": [[5, 6, 30, 4, 31, 12, 6, 14]], "labels": ["EXIT"]}, 61, 97)
    assert line == Place("EXIT", 5, 4, 31, 14)


def test_lines_that_were_read_have_places_in_pixels_of_the_picture(made) -> None:
    told = (
        "<bbox><x_20><y_10><x_60><y_20></bbox>Sub Total\n45<bbox><x_9><y_9><x_9><y_30></bbox>nothing"
        "<bbox><x_0><y_0><x_194><y_122></bbox>Total 50\n"
    )
    made_of = {"width": torch.tensor([194]), "height": torch.tensor([122])}
    inputs = captioning.Inputs(made_of, {"target_size": torch.tensor([[61, 97]])})
    text, first, second = said(made("kosmos-2.5"), inputs, "<ocr>", told)
    assert text == told
    assert first == Place("Sub Total\n45", 10.0, 5.0, 30.0, 10.0)
    assert second == Place("Total 50", 0.0, 0.0, 97.0, 61.0)


def test_phrases_with_pieces_of_the_picture_are_the_processors(made, inputs, picture) -> None:
    model = made("kosmos-2")
    told = (
        "<grounding> An image of<phrase> a snowman</phrase><object><patch_index_0044><patch_index_0863></object>"
        " warming himself by<phrase> a fire</phrase><object><patch_index_0005><patch_index_0911></object>."
    )
    text, snowman, fire = said(model, inputs, "<grounding>An image of", told)
    assert text == "An image of a snowman warming himself by a fire."
    assert snowman == Place("a snowman", 0.390625 * 97, 0.046875 * 61, 0.984375 * 97, 0.828125 * 61)
    assert fire.label == "a fire"
    given = TaskInput("<grounding>An image of", image=picture)
    assert script(model, given) == tasks.run(model, NAME, given, OPTIONS).items[0]


def test_what_a_model_was_given_is_shown_as_it_was(made, picture) -> None:
    model = made("blip")
    result = tasks.run(model, NAME, TaskInput("a house", image=picture), OPTIONS)
    shown = {view.name: view.values for view in result.stages[0].tensors}
    assert shown["input_ids"].tolist() == [model.tokenizer("a house")["input_ids"]]
    assert "token_type_ids" not in shown


@pytest.mark.parametrize("kind", ["trocr", "blip", "blip-2", "instructblip", "git", "kosmos-2"])
def test_what_the_first_token_was_chosen_from_is_shown(made, picture, kind) -> None:
    model = made(kind)
    given = TaskInput(captioning.PROMPTED.get(kind, ""), image=picture)
    result = tasks.run(model, NAME, given, TaskOptions(max_new_tokens=1))
    shown = {view.name: view.values for view in result.stages[2].tensors}
    assert shown["sequences"][0, -1] == shown["first_probabilities"][0].argmax()


@pytest.mark.parametrize("kind", ["trocr", "blip", "kosmos-2"])
def test_a_stop_takes_effect_within_a_token(made, picture, kind) -> None:
    class Stops(Silent):
        tokens = 0

        def report(self, progress: Progress) -> None:
            self.tokens += progress.unit == "tokens"

        def check(self) -> None:
            if self.tokens == 2:
                raise Cancelled

    task = Stops()
    given = TaskInput(captioning.PROMPTED.get(kind, ""), image=picture)
    with pytest.raises(Cancelled):
        tasks.run(made(kind), NAME, given, TaskOptions(max_new_tokens=40), task=task)
    assert task.tokens == 2


def test_a_model_that_must_be_told_what_to_do_says_so(made, picture) -> None:
    with pytest.raises(InputError, match="no prompt yet"):
        tasks.run(made("florence2"), NAME, TaskInput(image=picture), OPTIONS)
    with pytest.raises(InputError, match="could not be prepared together"):
        tasks.run(made("florence2"), NAME, TaskInput("<OD> and more", image=picture), OPTIONS)


@pytest.mark.parametrize("kind", ["trocr", "blip-2", "kosmos-2"])
def test_a_model_that_wants_a_text_beside_the_picture_makes_no_vectors_of_it(made, picture, kind) -> None:
    with pytest.raises(NotSupported, match=r"no vectors of pictures alone|wants other inputs"):
        tasks.run(made(kind), "image-feature-extraction", TaskInput(image=picture))
