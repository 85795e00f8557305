"""Films compared with texts, pages with questions, a picture marked as another is: as the documentation does it."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps, ImageSequence

from tests import tiny, tiny_films, tiny_shown
from workbench.engine import codegen, inside, tasks
from workbench.engine.codegen import inside as scripts
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import batch, processors, samples, text_recognition
from workbench.engine.values import TaskInput, TaskOptions

WITH = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None,
    reason="torchvision is not installed (transformers-workbench[vision])",
)
TASKS = {
    "xclip": "zero-shot-video-classification",
    "tvp": "video-grounding",
    "seggpt": "image-segmentation",
    "mgp-str": "text-recognition",
    "colpali": "visual-document-retrieval",
    "videomt": "video-segmentation",
    "videoprism": "zero-shot-video-classification",
    "sam3": "zero-shot-image-segmentation",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The model of a kind, built when it is asked for."""
    folder, kept = tmp_path_factory.mktemp("shown"), {}

    def made(kind: str) -> LoadedModel:
        if kind not in kept:
            kept[kind] = load(tiny_shown.build(folder / kind, kind), device="cpu")
        return kept[kind]

    return made


def done(model: LoadedModel, kind: str, given: TaskInput | None = None, options: TaskOptions | None = None):
    """The result of a task on its example, and what its script gives."""
    name = TASKS[kind]
    assert tasks.infer(model.facts) == name and tasks.supports(model, name)
    assert model.missing == ()
    given = given or tasks.example(name, model)
    options = options or tasks.defaults(name)
    result = tasks.run(model, name, given, options)
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return result, names["result"]


def outcome(result) -> dict[str, torch.Tensor]:
    return {view.name: torch.from_numpy(view.values) for view in result.stages[2].tensors}


def frames(path: Path, count: int) -> list[np.ndarray]:
    with Image.open(path) as film:
        every = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    return [every[at] for at in np.arange(0, len(every), len(every) / count).astype(int)[:count]]


def test_x_clip_says_which_labels_fit_a_film(made, workbench_data, capsys) -> None:
    model = made("xclip")
    result, scripted = done(model, "xclip")
    seen = processors.image_processor(model)(frames(samples.video(), 4), return_tensors="pt")
    labels = list(result.given.labels)
    read = model.tokenizer(labels, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model.model(**read, **seen).logits_per_video.softmax(dim=1)[0]
    torch.testing.assert_close(outcome(result)["scores"], expected)
    assert [(item.label, item.score) for item in result.items] == scripted
    assert {item.label: item.score for item in result.items} == dict(zip(labels, expected.tolist(), strict=True))
    with pytest.raises(InputError, match="no video"):
        tasks.run(model, TASKS["xclip"], TaskInput(labels=("a", "b")))
    with pytest.raises(InputError, match="too few candidate labels"):
        tasks.run(model, TASKS["xclip"], TaskInput(video=samples.video()))


def test_tvp_says_when_something_happens(made, workbench_data, capsys) -> None:
    import transformers as t

    model = made("tvp")
    assert type(model.model) is t.TvpForVideoGrounding and model.head == "AutoModel"
    assert not tasks.supports(model, "feature-extraction")
    result, scripted = done(model, "tvp")
    (logits,) = (view.values for view in result.stages[1].tensors if view.name == "logits")
    with Image.open(samples.video()) as film:
        whole = sum(frame.info["duration"] for frame in ImageSequence.Iterator(film)) / 1000
    expected = t.TvpProcessor.post_process_video_grounding(None, torch.from_numpy(logits), whole)
    assert tuple(scripted) == expected
    said, *places = result.items
    assert said == f"{expected[0]} s to {expected[1]} s of {whole:.1f} s"
    shown = next(view.values for view in result.stages[0].tensors if view.name == "frames")
    inside = [number for number in range(4) if expected[0] <= number * whole / 4 <= expected[1]]
    height, width = shown.shape[1:3]
    assert [(place.xmin // width, place.ymin // height) for place in places] == [(at % 2, at // 2) for at in inside]


def test_seggpt_marks_what_is_marked_in_another_picture(made, workbench_data, capsys) -> None:
    import transformers as t

    model = made("seggpt")
    assert type(model.model) is t.SegGptForImageSegmentation
    result, scripted = done(model, "seggpt", options=TaskOptions(mask_threshold=0.4))
    given = result.given
    processor = processors.image_processor(model)
    pictures = [Image.open(path).convert("RGB") for path in (given.image, given.other)]
    inputs = processor(
        images=pictures[0], prompt_images=pictures[1], prompt_masks=Image.open(given.beside).convert("L"),
        return_tensors="pt",
    )  # fmt: skip
    with torch.inference_mode():
        outputs = model.model(**inputs)
    (expected,) = processor.post_process_semantic_segmentation(outputs, target_sizes=[pictures[0].size[::-1]])
    assert torch.equal(outcome(result)["segmentation"], expected)
    assert torch.equal(scripted, expected / 255 > 0.4)
    (part,) = result.items
    assert np.array_equal(part.mask, scripted.numpy()) and 0 < part.mask.mean() < 1


def vocabularies(folder: Path) -> None:
    """The vocabularies of the other two ways, small, where the library keeps what it downloaded."""
    for _, _, repository in text_recognition.WAYS[1:]:
        kept = folder / f"models--{repository.replace('/', '--')}"
        (kept / "refs").mkdir(parents=True)
        (kept / "refs" / "main").write_text("0" * 40)
        saved = kept / "snapshots" / ("0" * 40)
        tiny.byte_level_tokenizer().save_pretrained(saved)
        (saved / "config.json").write_text('{"model_type": "gpt2"}')


def test_mgp_str_reads_in_three_ways_and_the_surest_counts(made, tmp_path, workbench_data, capsys, monkeypatch) -> None:
    import transformers as t

    model = made("mgp-str")
    result, scripted = done(model, "mgp-str")
    (reading,) = result.items
    # Without the vocabularies of the other two the letters are read all the same.
    assert [said is None for _, said in reading.ways] == [False, True, True]
    assert reading.text == reading.ways[0][1].label == scripted
    assert "".join(letter.label for letter in reading.letters).startswith(reading.text)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    vocabularies(tmp_path)
    result, scripted = done(model, "mgp-str")
    (reading,) = result.items
    processor = t.MgpstrProcessor(processors.image_processor(model), model.tokenizer)
    found = processor.batch_decode([torch.from_numpy(view.values) for view in result.stages[1].tensors])
    assert [reading.text, scripted] == found["generated_text"] * 2
    assert reading.score == float(found["scores"][0])
    ways = [said.label for _, said in reading.ways]
    assert ways == [found[name][0] for name in ("char_preds", "bpe_preds", "wp_preds")]


def test_pages_are_scored_against_questions(made, workbench_data, capsys) -> None:
    import transformers as t

    model = made("colpali")
    result, scripted = done(model, "colpali")
    processor = t.ColPaliProcessor.from_pretrained(model.checkpoint.path)
    folder, questions = samples.pages(), list(result.tokens)
    pages = [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]
    with torch.inference_mode():
        asked = model.model(**processor(text=questions, return_tensors="pt")).embeddings
        seen = model.model(**processor(images=pages, return_tensors="pt")).embeddings
    expected = processor.score_retrieval(asked, seen)
    assert expected.shape == (2, 2)
    torch.testing.assert_close(outcome(result)["scores"], expected)
    torch.testing.assert_close(scripted, expected)
    assert [(item.question, item.page) for item in result.items] == [(each, at) for each in questions for at in (1, 2)]
    # One page may be a picture by itself.
    alone = dataclasses.replace(result.given, video=folder / "page 1.png")
    one, scripted = done(model, "colpali", alone)
    torch.testing.assert_close(outcome(one)["scores"], expected[:, :1])
    torch.testing.assert_close(scripted, expected[:, :1])
    for given, said in (
        (TaskInput("Who?"), "no pages"), (TaskInput("Who?", video=workbench_data), "no pages"),
        (TaskInput(" ", video=folder), "no question"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            tasks.run(model, TASKS["colpali"], given)


@WITH
def test_videoprism_compares_a_film_with_labels(made, workbench_data, capsys) -> None:
    model = made("videoprism")
    result, scripted = done(model, "videoprism")
    assert [(item.label, item.score) for item in result.items] == scripted
    outputs = {view.name: torch.from_numpy(view.values) for view in result.stages[1].tensors}
    expected = (outputs["video_embeds"] @ outputs["text_embeds"].T).softmax(dim=-1)[0]
    torch.testing.assert_close(outcome(result)["scores"], expected)


@WITH
@pytest.mark.parametrize("subtask", ["auto", "semantic", "panoptic"])
def test_videomt_finds_the_parts_of_each_frame(made, workbench_data, capsys, subtask) -> None:
    import transformers as t

    model = made("videomt")
    options = TaskOptions(subtask=subtask, threshold=0.05)
    result, scripted = done(model, "videomt", options=options)
    processor = t.AutoVideoProcessor.from_pretrained(model.checkpoint.path)
    film = np.stack(frames(samples.video(), 2))
    with torch.inference_mode():
        outputs = model.model(**processor([film], do_sample_frames=False, return_tensors="pt"))
    kind = "instance" if subtask == "auto" else subtask
    settings = {} if kind == "semantic" else {"threshold": 0.05}
    finish = getattr(processor, f"post_process_{kind}_segmentation")
    found = finish(outputs, target_sizes=[film.shape[1:3]] * 2, **settings)
    maps = torch.stack([each if kind == "semantic" else each["segmentation"] for each in found])
    assert torch.equal(outcome(result)["segmentation"], maps)
    assert [item.label for item in result.items] == [label for label, _ in scripted]
    height, width = film.shape[1:3]
    assert all(item.mask.shape == (height, 2 * width) for item in result.items)
    if kind == "instance":
        first = {part["label_id"] for part in found[0]["segments_info"]}
        drawn = {item.label for item in result.items if item.mask[:, :width].any()}
        assert drawn <= {model.model.config.id2label[label] for label in first}


@WITH
def test_sam_3_marks_what_a_few_words_name(made, workbench_data, capsys) -> None:
    import transformers as t

    model = made("sam3")
    result, scripted = done(model, "sam3", options=TaskOptions(threshold=0.05, mask_threshold=0.4))
    given = result.given
    processor = t.AutoProcessor.from_pretrained(model.checkpoint.path)
    image = Image.open(given.image).convert("RGB")
    with torch.inference_mode():
        outputs = model.model(**processor(images=image, text=given.text, return_tensors="pt"))
    (expected,) = processor.post_process_instance_segmentation(
        outputs, threshold=0.05, mask_threshold=0.4, target_sizes=[image.size[::-1]]
    )
    scores = sorted(expected["scores"].tolist(), reverse=True)
    assert len(scores) > 1
    assert [item.score for item in result.items] == pytest.approx(scores) == [score for _, score in scripted]
    for item, (mask, _) in zip(result.items, scripted, strict=True):
        assert item.label == given.text and np.array_equal(item.mask, mask.numpy())
        assert item.mask.shape == image.size[::-1]
    with pytest.raises(InputError, match="no text"):
        tasks.run(model, TASKS["sam3"], dataclasses.replace(given, text=""))


@WITH
def test_of_sam_3_as_published_the_part_that_finds_is_loaded(tmp_path, workbench_data, capsys) -> None:
    import transformers as t

    # Its own processor prepares films alone, and takes no words with a picture.
    checkpoint = tiny_shown.build(tmp_path, "sam3-video")
    assert type(t.AutoProcessor.from_pretrained(tmp_path)) is t.Sam3VideoProcessor
    model = load(checkpoint, head="AutoModel", device="cpu")
    assert type(model.model) is t.Sam3Model and model.missing == ()
    name = TASKS["sam3"]
    assert tasks.head_for(name, model.facts) == "AutoModel" and tasks.supports(model, name)
    given, options = tasks.example(name, model), TaskOptions(threshold=0.01)
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    items = tasks.run(model, name, given, options).items
    assert items and [item.score for item in items] == [score for _, score in names["result"]]
    plain = t.Sam3Model.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(weight, plain[key]) for key, weight in model.model.state_dict().items())


def test_many_folders_of_pages_become_a_line_for_each_question_and_page(made, tmp_path, workbench_data, capsys) -> None:
    model, name = made("colpali"), TASKS["colpali"]
    given = tasks.example(name, model)
    alone = dataclasses.replace(given, text="Who?")
    rows = batch.run(model, name, [given, alone])
    assert [len(row.lines) for row in rows] == [4, 2]
    assert rows[1].lines[0]["question"] == "Who?" and [line["page"] for line in rows[1].lines] == [1, 2]
    table = tmp_path / "rows.csv"
    table.write_text(f"questions,pages\nWho?,{given.video}\n")
    columns = {"text": "questions", "video": "pages"}
    code = codegen.task_rows(
        model.checkpoint, name, table, columns, alone, TaskOptions(), model.dtype, model.device, model.head
    )
    exec(code, {"__name__": "__main__"})
    said = capsys.readouterr().out
    assert all(f"{line['score']:.4g}" in said for line in rows[1].lines)


@WITH
def test_what_is_saved_without_what_prepares_films_says_so(tmp_path, workbench_data) -> None:
    # Asked for it, the library looks for itself until Python stops it.
    model = load(tiny_films.build(tmp_path, "sam2-video"), head="AutoModel", device="cpu")
    with pytest.raises(NotSupported, match=r"no video_preprocessor_config\.json"):
        tasks.run(model, "video-object-tracking", tasks.example("video-object-tracking", model))


@WITH
@pytest.mark.parametrize("kind", ["sam2-video", "sam3-tracker-video", "edgetam-video"])
def test_a_thing_that_is_pointed_at_is_marked_in_all_frames(
    tmp_path, workbench_data, capsys, monkeypatch, kind
) -> None:
    import transformers as t

    if kind == "edgetam-video":
        pytest.importorskip("timm")
    # The library's loop over the frames has a progress bar, which leaves a thread behind.
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)
    checkpoint, name = tiny_shown.build(tmp_path, kind), "video-object-tracking"
    model = load(checkpoint, head="AutoModel", device="cpu")
    assert type(model.model).__name__.endswith("VideoModel") and tasks.first(model) == name
    assert not tasks.supports(model, "raw-outputs")
    assert tasks.infer(dataclasses.replace(model.facts, trained_head="AutoModel")) == name
    given = tasks.example(name, model)
    masks = outcome(tasks.run(model, name, given))["masks"]
    processor, film = t.AutoProcessor.from_pretrained(tmp_path), np.stack(frames(samples.video(), 8))
    session = processor.init_video_session(video=film, dtype=torch.float32)
    processor.add_inputs_to_inference_session(
        session, frame_idx=0, obj_ids=1, input_points=[[[[140.0, 150.0]]]], input_labels=[[[1]]]
    )
    with torch.inference_mode():
        model.model(inference_session=session, frame_idx=0)
        every = [output.pred_masks for output in model.model.propagate_in_video_iterator(session)]
    sizes = [[session.video_height, session.video_width]]
    expected = [processor.post_process_masks([mask], original_sizes=sizes, binarize=True)[0][0] for mask in every]
    assert len(masks) == 8 and torch.equal(masks, torch.cat(expected))
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(checkpoint, name, given, TaskOptions(), model.dtype, model.device, model.head), names)
    assert torch.equal(names["result"], masks)
    for place in ("12", "9999, 3", "a, b"):
        with pytest.raises(InputError, match="no such place"):
            tasks.run(model, name, dataclasses.replace(given, text=place))


@WITH
@pytest.mark.parametrize("kind", ["sam2-video", "sam3-tracker-video", "edgetam-video"])
def test_of_what_follows_a_thing_the_part_that_sees_is_looked_into(tmp_path, workbench_data, capsys, kind) -> None:
    import transformers as t

    if timm := kind == "edgetam-video":
        pytest.importorskip("timm")
    model = load(tiny_shown.build(tmp_path, kind), head="AutoModel", device="cpu")
    asked = inside.example(model)
    given = inside.take(model, asked)
    assert given.submodel == "vision_encoder" and given.image is not None
    picture = ImageOps.exif_transpose(Image.open(given.image)).convert("RGB")
    seen = t.AutoImageProcessor.from_pretrained(tmp_path)(images=[picture], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        # The model's own method of that name flattens its maps and puts them through its decoder's first layers.
        expected = model.model.vision_encoder(seen, **({} if timm else {"output_hidden_states": True}))
    found = inside.look(model, given)
    pyramid = [each.movedim(1, -1) for each in expected.fpn_hidden_states]
    theirs = [*(expected.hidden_states or ()), *pyramid]
    states = [state for part in found.parts for state in part.states]
    assert len(states) == len(theirs)
    for state, their in zip(states, theirs, strict=True):
        np.testing.assert_array_equal(state, their.reshape(state.shape).numpy())
    what = scripts.Asked(model, given, inside.arguments(model, given))
    names: dict = {"__name__": "__main__"}
    exec(scripts.norms(what, found.parts[0]), names)
    np.testing.assert_allclose(names["norms"], found.parts[0].norms, rtol=1e-4)
    if not timm:
        maps = inside.attend(model, given).kinds[-1]
        exec(scripts.attention(what, maps.picks[-1], None, 0), names)
        np.testing.assert_allclose(names["maps"], np.asarray(maps.maps[-1]), atol=1e-5)


@WITH
def test_what_words_name_is_followed_through_a_film(tmp_path, workbench_data, capsys, monkeypatch) -> None:
    import transformers as t

    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)
    checkpoint, name = tiny_shown.build(tmp_path, "sam3-video"), "video-object-tracking"
    config = json.loads((tmp_path / "config.json").read_text())
    # Whatever is drawn at random is hardly sure, and what came up by chance is taken out after a few frames.
    config |= {"score_threshold_detection": 0.0, "new_det_thresh": 0.4, "det_nms_thresh": 1.0, "max_num_objects": 3}
    config |= {"hotstart_delay": 3, "hotstart_unmatch_thresh": 3, "hotstart_dup_thresh": 3}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = load(checkpoint, head="AutoModel", device="cpu")
    assert tasks.supports(model, name) and "What to follow" in dict(tasks.spec(name, model).inputs)["text"]
    given = dataclasses.replace(tasks.example(name, model), text="a window\n\na house\na window")
    done = tasks.run(model, name, given)
    plain, processor = t.AutoModel.from_pretrained(tmp_path), t.AutoProcessor.from_pretrained(tmp_path)
    assert type(plain) is t.Sam3VideoModel
    session = processor.init_video_session(video=np.stack(frames(samples.video(), 8)))
    processor.add_text_prompt(session, ["a window", "a house"])
    with torch.inference_mode():
        every = [processor.postprocess_outputs(session, each) for each in plain.propagate_in_video_iterator(session)]
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(checkpoint, name, given, TaskOptions(), model.dtype, model.device, model.head), names)
    told = outcome(done)
    seen = {thing for each in every for thing in each["object_ids"].tolist()}
    assert seen == set(names["result"]) and len(seen) == len(told["masks"]) == len(done.items) > 0
    ids = sorted(seen)
    scores = torch.zeros(len(ids))
    masks = torch.zeros_like(told["masks"])
    labels = {}
    for number, each in enumerate(every):
        for index, thing in enumerate(each["object_ids"].tolist()):
            masks[ids.index(thing), number] = each["masks"][index]
            scores[ids.index(thing)] = each["scores"][index]
        labels |= {thing: line for line, things in each["prompt_to_obj_ids"].items() for thing in things}
    order = scores.argsort(descending=True, stable=True)
    assert torch.equal(told["masks"], masks[order]) and torch.equal(told["scores"], scores[order])
    assert [item.label for item in done.items] == [labels[ids[place]] for place in order.tolist()]
    for thing, parts in names["result"].items():
        assert all(torch.equal(mask, masks[ids.index(thing), number]) for number, _, mask in parts)
    # What finds things in a picture is still there alone, and is not kept by what was read beside it.
    assert type(model.model) is t.Sam3Model
    with pytest.raises(InputError, match="no text"):
        tasks.run(model, name, dataclasses.replace(given, text=" "))
