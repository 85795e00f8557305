"""Models that take a picture beside their text write in the Playground what plain ``generate()`` writes."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests import tiny, tiny_captions, tiny_seq2seq
from workbench.engine import codegen, forward, generate, record
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate.inputs import prepare_start
from workbench.engine.generate.strategies import supports
from workbench.engine.models import LoadedModel, load
from workbench.engine.sampling import Distribution, Knobs
from workbench.engine.task import Silent
from workbench.engine.tokens import encode
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Branch, Message, Sampling, Step, Strategy

GREEDY = Sampling(do_sample=False, max_new_tokens=6)
DRAWN = Sampling(do_sample=True, temperature=1.3, top_k=9, repetition_penalty=1.2, max_new_tokens=6, seed=5)
READ = ("trocr", "donut", "nougat", "pix2struct")
TOLD = {
    "florence2": "<OD>", "instructblip": "a picture of the fox", "kosmos-2": "<grounding>An image of",
    "donut": "<s_menu>", "blip": "a picture of the",
}  # fmt: skip
GIVEN = [(kind, TOLD.get(kind, "a house")) for kind in (*tiny_captions.KINDS, *tiny_captions.T5)]
BARE = [(kind, "") for kind in ("trocr", "nougat", "pix2struct", "blip", "blip-2", "blip-2-t5", "git")]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Callable[[str], LoadedModel]:
    return tiny.kept(tmp_path_factory.mktemp("captions"), tiny_captions.build)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return tiny_seq2seq.picture(tmp_path, size=(97, 61))


def plain(model: LoadedModel, kind: str, picture: Path, text: str, **more: Any) -> list[int]:
    """All ids that ``generate()`` gives for what the checkpoint's processor makes."""
    with Image.open(picture) as image:
        shown = image.convert("RGB")
    if kind in ("trocr", "donut", "nougat", "pp_formulanet"):
        inputs = dict(model.processor.image_processor(shown, return_tensors="pt"))
        if text:
            told = model.tokenizer(text, add_special_tokens=False, return_tensors="pt")
            inputs["decoder_input_ids"] = told["input_ids"]
    else:
        inputs = dict(model.processor(images=shown, return_tensors="pt", **({"text": text} if text else {})))
    takes = inspect.signature(model.model.forward).parameters
    inputs = {name: value for name, value in inputs.items() if name in takes}
    torch.manual_seed(DRAWN.seed)
    return model.model.generate(**inputs, **({"max_new_tokens": 6, "do_sample": False} | more))[0].tolist()


def own(model: LoadedModel) -> Sampling:
    """Greedy, with the end that BART and its kin have forced on them."""
    return dataclasses.replace(GREEDY, forced_eos_token_id=model.model.generation_config.forced_eos_token_id)


def run(
    model: LoadedModel, picture: Path, text: str, sampling: Sampling | Knobs = GREEDY, **more: Any
) -> generate.Generation:
    return generate.run(model, text, (), sampling, images=[picture], **more)


def script(model: LoadedModel, picture: Path, text: str, sampling: Sampling = GREEDY, **more: Any) -> list[int]:
    written = codegen.generate(
        model.checkpoint, text, None, sampling, model.dtype, model.device, head=model.head, images=[picture], **more
    )
    names = {"__name__": "__main__"}
    exec(written, names)
    return names["new_ids"]


@pytest.mark.parametrize(("kind", "text"), [*GIVEN, *BARE])
def test_each_step_is_recorded_and_the_ids_are_those_of_generate(made, picture, kind, text, capsys) -> None:
    model = made(kind)
    sampling = own(model)
    found = run(model, picture, text, sampling)
    assert [*found.start.context_ids, *found.ids] == plain(model, kind, picture, text)
    assert found.start.images == (picture,) and found.start.encoding.text == text
    assert bool(found.start.encoding.tokens) == (kind not in READ), "pixels are no tokens"
    assert bool(found.start.decoder_start) == (kind in (*READ, "florence2", *tiny_captions.T5))
    assert found.steps[0].rank == Distribution(found.steps[0].logits).rank(found.ids[0]) == 1
    traced = Distribution(found.steps[1].logits, found.start.situation(found.steps, 1)).trace(sampling)
    assert int(traced.probabilities.argmax()) == found.ids[1]
    scored = forward.next_token(model, found.start)
    assert int(scored.float32().argmax()) == found.ids[0]
    assert script(model, picture, text, sampling, steps=found.steps) == list(found.ids)


@pytest.mark.parametrize(("kind", "text"), [*GIVEN, *BARE])
def test_a_branch_goes_on_as_generate_would(made, picture, kind, text, capsys) -> None:
    model = made(kind)
    sampling = own(model)
    found = run(model, picture, text, sampling)
    kept = found.steps[:2]
    shorter = dataclasses.replace(sampling, max_new_tokens=4)
    branch = generate.branch(model, found.start, kept, None, shorter)
    assert branch.ids == found.ids[2:]
    prefix = [step.token_id for step in kept]
    assert script(model, picture, text, shorter, prefix=prefix, steps=branch.steps) == list(branch.ids)


@pytest.mark.parametrize("kind", ["trocr", "blip", "blip-2", "instructblip-t5", "kosmos-2"])
def test_draws_and_beams_are_those_of_generate(made, picture, kind, capsys) -> None:
    model, text = made(kind), TOLD.get(kind, "a house")
    drawn = run(model, picture, text, DRAWN)
    settings = {"do_sample": True, "temperature": 1.3, "top_k": 9, "repetition_penalty": 1.2}
    assert [*drawn.start.context_ids, *drawn.ids] == plain(model, kind, picture, text, **settings)
    assert script(model, picture, text, DRAWN, steps=drawn.steps) == list(drawn.ids)
    beams = Strategy(num_beams=2)
    found = run(model, picture, text, strategy=beams)
    assert [*found.start.context_ids, *found.ids] == plain(model, kind, picture, text, num_beams=2)
    assert script(model, picture, text, strategy=beams) == list(found.ids)


@pytest.mark.parametrize("kind", ["trocr", "blip", "blip-2-t5", "kosmos-2"])
def test_knobs_that_were_moved_while_it_ran_are_in_the_code(made, picture, kind, capsys) -> None:
    class Moves(Silent):
        def send(self, part: object) -> None:
            if isinstance(part, Step) and part.index == 2:
                knobs.current = dataclasses.replace(DRAWN, temperature=3.0, top_k=30, min_new_tokens=5)

    knobs = Knobs(DRAWN)
    model, text = made(kind), TOLD.get(kind, "a house")
    found = run(model, picture, text, knobs, task=Moves())
    assert len({step.sampling for step in found.steps}) == 2
    assert script(model, picture, text, DRAWN, steps=found.steps) == list(found.ids)


def test_an_image_processor_and_a_tokenizer_side_by_side_are_enough(tmp_path, picture, capsys) -> None:
    checkpoint = tiny_captions.build(tmp_path / "pair", "trocr")
    image_processor = load(checkpoint, device="cpu").processor.image_processor
    (checkpoint.path / "processor_config.json").unlink()
    image_processor.save_pretrained(checkpoint.path)
    model = load(checkpoint, device="cpu")
    found = run(model, picture, "")
    assert [*found.start.context_ids, *found.ids] == plain(model, "trocr", picture, "")
    assert script(model, picture, "") == list(found.ids)


def test_what_such_a_model_needs_is_said_before_it_runs(made, picture) -> None:
    with pytest.raises(InputError, match="writes about one picture"):
        prepare_start(made("trocr"), "")
    with pytest.raises(InputError, match="writes about one picture"):
        prepare_start(made("blip"), "", images=[picture, picture])
    with pytest.raises(InputError, match="such as <OD>"):
        prepare_start(made("florence2"), " ", images=[picture])
    with pytest.raises(InputError, match="could not be prepared together"):
        prepare_start(made("florence2"), "<OD> and more", images=[picture])
    with pytest.raises(NotSupported, match="no chat template"):
        prepare_start(made("git"), "", [Message("user", "What?")], [picture])


def test_what_such_a_model_does_not_offer_is_named_with_why(made, picture) -> None:
    inside = supports(made("blip-2"))
    assert "a model inside it" in inside["prompt_lookup"] and "a model inside it" in inside["guidance"]
    with pytest.raises(NotSupported, match="a model inside it"):
        run(made("blip-2"), picture, "a", strategy=Strategy(prompt_lookup_num_tokens=2))
    assert "use_cache" in supports(made("pix2struct"))["prompt_lookup"]
    assert "reads a picture" in supports(made("pix2struct"))["encoder_repetition_penalty"]
    assert not supports(made("florence2"))["encoder_repetition_penalty"]
    with pytest.raises(NotSupported, match="whatever it is told"):
        run(made("blip"), picture, "a", strategy=Strategy(eos_token_ids=(7,)))


def test_a_start_without_its_picture_is_refused(made, picture) -> None:
    model = made("trocr")
    start = prepare_start(model, "", images=[picture])
    for without in (dataclasses.replace(start, images=()), encode(model.tokenizer, "a house")):
        with pytest.raises(InputError, match="writes about one picture"):
            generate.stream(model, without, GREEDY)
        with pytest.raises(InputError, match="writes about one picture"):
            forward.next_token(model, without)
    picture.unlink()
    with pytest.raises(InputError, match="can't be used"):
        generate.stream(model, start, GREEDY)
    with pytest.raises(NotSupported, match="can't generate") as refusal:
        generate.stream(dataclasses.replace(model, processor=None), start, GREEDY)
    assert "no processor" in refusal.value.why


@pytest.mark.parametrize(("kind", "text"), [("trocr", "a house"), ("blip", ""), ("instructblip", "a fox")])
def test_a_session_that_was_saved_is_written_again(made, picture, tmp_path, kind, text) -> None:
    model = made(kind)
    found = run(model, picture, text, DRAWN)
    branch = Branch(1, "main", None, found.start, found.steps, Strategy(), "tiny", found.reason)
    file = record.save(tmp_path / "kept.session", [branch], Vocabulary(model.tokenizer))
    (kept,) = record.read(file).branches
    assert kept.start == found.start
    (again,) = record.replay(model, [kept], 1)
    assert again.difference is None and again.largest == 0.0


@pytest.mark.parametrize("kind", ["trocr", "git", "florence2"])
def test_guesses_from_the_prompt_change_nothing(made, picture, kind) -> None:
    model, text = made(kind), TOLD.get(kind, "a house")
    guessed = run(model, picture, text, strategy=Strategy(prompt_lookup_num_tokens=2))
    assert guessed.ids == run(model, picture, text).ids


def test_kosmos25_reads_a_page_as_generate_does(made, picture, capsys) -> None:
    model, sampling = made("kosmos-2.5"), dataclasses.replace(GREEDY, max_new_tokens=3)
    found = run(model, picture, "<ocr>", sampling)
    ids = plain(model, "kosmos-2.5", picture, "<ocr>", max_new_tokens=3)
    assert [*found.start.context_ids, *found.ids] == ids
    assert script(model, picture, "<ocr>", sampling) == list(found.ids)


@pytest.mark.parametrize("text", ["", "a"])
def test_a_formula_is_written_as_generate_writes_it(made, picture, text, capsys) -> None:
    pytest.importorskip("torchvision", reason="PP-FormulaNet's image processor needs torchvision")
    model = made("pp_formulanet")
    found = run(model, picture, text, own(model))
    assert [*found.start.context_ids, *found.ids] == plain(model, "pp_formulanet", picture, text)
    assert script(model, picture, text, own(model), steps=found.steps) == list(found.ids)


def test_what_writes_about_pictures_and_lacks_their_processor_says_so_wherever_it_is_asked(made) -> None:
    bare = dataclasses.replace(made("instructblip"), processor=None)
    asked = encode(bare.tokenizer, "a picture of")
    for ask in (forward.next_token, lambda model, text: generate.stream(model, text, GREEDY)):
        with pytest.raises(NotSupported, match="processor"):
            ask(bare, asked)


@pytest.mark.parametrize("kind", ["trocr", "pix2struct", "blip", "blip-2", "git", "florence2", "kosmos-2"])
def test_the_script_of_a_step_sees_the_picture_too(made, picture, kind, capsys) -> None:
    model = made(kind)
    found = run(model, picture, TOLD.get(kind, "a house"))
    situation = found.start.situation(found.steps, 2)
    asked = (model.checkpoint, situation, GREEDY, model.dtype, model.device)
    names = {"__name__": "__main__"}
    exec(codegen.probabilities(*asked, head=model.head, start=found.start), names)
    assert names["logits"][0].numpy() == pytest.approx(found.steps[2].logits.float32(), abs=1e-4)
