"""Encoder-decoders and models that see pictures start as the library starts them, and bad pictures are worded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoModelForSeq2SeqLM, AutoProcessor, AutoTokenizer

from tests import tiny_seq2seq
from workbench.engine import forward, generate, models
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate.inputs import Limits, inputs, limits, prepare_start, room
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint, Encoding, Message, Sampling, Start, Strategy

TEXT = "The quick brown fox jumps"
QUESTION = "What is this?"
SETTINGS = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "temperature": 1.3, "top_k": 40, "top_p": 0.95},
    "beams": {"do_sample": False, "num_beams": 3},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seq2seq")


@pytest.fixture(scope="module")
def t5(folder: Path) -> LoadedModel:
    return models.load(tiny_seq2seq.build_tiny_t5(folder / "t5"))


@pytest.fixture(scope="module")
def bart(folder: Path) -> LoadedModel:
    return models.load(tiny_seq2seq.build_tiny_bart(folder / "bart"))


@pytest.fixture(scope="module")
def llava(folder: Path) -> LoadedModel:
    return models.load(tiny_seq2seq.build_tiny_llava(folder / "llava"))


@pytest.fixture(scope="module")
def qwen2_vl(folder: Path) -> LoadedModel:
    return models.load(tiny_seq2seq.build_tiny_qwen2_vl(folder / "qwen2-vl"))


@pytest.fixture(scope="module")
def picture(folder: Path) -> Path:
    return tiny_seq2seq.picture(folder)


@pytest.fixture(params=["t5", "bart"])
def seq2seq(request: pytest.FixtureRequest) -> LoadedModel:
    return request.getfixturevalue(request.param)


def seeded(model: torch.nn.Module, given: dict[str, torch.Tensor], **settings: object) -> list[int]:
    torch.manual_seed(7)
    return model.generate(**given, max_new_tokens=12, **settings)[0].tolist()


# ------------------------------------------------------------------------------------------------- encoder-decoder


@pytest.mark.parametrize("name", SETTINGS)
def test_an_encoder_decoder_writes_what_a_plain_script_gets(seq2seq: LoadedModel, name: str):
    path = seq2seq.checkpoint.path
    given = AutoTokenizer.from_pretrained(path)(TEXT, return_tensors="pt")
    expected = seeded(AutoModelForSeq2SeqLM.from_pretrained(path), given, **SETTINGS[name])
    made = inputs(seq2seq, prepare_start(seq2seq, TEXT))
    found = seeded(seq2seq.model, made.kwargs, **SETTINGS[name])
    assert found == expected and len(set(found)) > 2
    assert made.length == 1 and tuple(found[:1]) == made.start.context_ids


def test_encoder_input_and_decoder_start_are_both_there(t5: LoadedModel, bart: LoadedModel):
    for model, first in ((t5, 0), (bart, 2)):
        start = prepare_start(model, TEXT)
        assert (start.decoder_start, start.eos) == ((first,), (2,))
        assert start.encoding.text == TEXT and start.encoding.tokens[-1].special
        assert start.context_ids == (first,)


def test_what_was_written_goes_on_in_the_decoder(seq2seq: LoadedModel):
    start = prepare_start(seq2seq, TEXT)
    whole = seeded(seq2seq.model, inputs(seq2seq, start).kwargs, do_sample=False)
    made = inputs(seq2seq, start, whole[1:5])
    assert made.length == 5 and made.kwargs["input_ids"].shape[1] == len(start.encoding.tokens)
    assert seeded(seq2seq.model, made.kwargs, do_sample=False)[:13] == whole


def test_encoder_and_decoder_have_limits_of_their_own(t5: LoadedModel, bart: LoadedModel, llama: LoadedModel):
    assert limits(t5) == Limits(None, None)
    assert limits(bart) == Limits(64, 64)
    assert limits(llama) == Limits(None, 256)
    assert len(prepare_start(t5, TEXT * 40).encoding.tokens) > 200
    # A full encoder takes nothing from the decoder.
    assert room(bart, 1) == 63 and room(t5, 1) is None
    with pytest.raises(InputError, match="too long") as caught:
        prepare_start(bart, TEXT * 10)
    assert "encoder" in caught.value.why


def test_a_long_text_is_cut_at_its_beginning_when_asked(bart: LoadedModel, llama: LoadedModel):
    whole = prepare_start(bart, TEXT * 4).encoding.input_ids
    long = prepare_start(bart, TEXT * 10, truncate=True)
    assert len(long.encoding.tokens) == 64 and long.encoding.input_ids[-len(whole) + 2 :] == whole[2:]
    assert long.dropped == long.encoding.truncated > 0
    assert [token.position for token in long.encoding.tokens] == list(range(64))
    prompt = prepare_start(llama, TEXT * 60, truncate=True, reserve=100)
    assert len(prompt.encoding.tokens) == 156 and room(llama, 156) == 100
    assert len(prepare_start(llama, TEXT * 60, truncate=True, reserve=10**6).encoding.tokens) == 128
    assert prepare_start(llama, TEXT, truncate=True).dropped == 0
    begun = prepare_start(llama, "<|im_start|>" + TEXT * 60, truncate=True)
    assert begun.encoding.input_ids[0] == 1 and len(begun.encoding.tokens) == 255


def test_a_chat_without_a_template_is_refused(t5: LoadedModel):
    with pytest.raises(NotSupported, match="no chat template"):
        prepare_start(t5, "", (Message("user", "Hello"),))


def test_without_a_decoder_start_the_model_says_so(t5: LoadedModel, tmp_path: Path):
    shutil.copytree(t5.checkpoint.path, tmp_path / "copy")
    for name in ("config.json", "generation_config.json"):
        file = tmp_path / "copy" / name
        told = {key: value for key, value in json.loads(file.read_text()).items() if "decoder_start" not in key}
        file.write_text(json.dumps(told))
    model = models.load(Checkpoint("copy", tmp_path / "copy"))
    with pytest.raises(NotSupported, match="begin") as caught:
        prepare_start(model, TEXT)
    assert "decoder_start_token_id" in caught.value.remedy


def test_the_first_token_of_a_decoder_is_scored_as_generation_scores_it(seq2seq: LoadedModel):
    start = prepare_start(seq2seq, TEXT)
    made = inputs(seq2seq, start)
    own = seq2seq.model.generate(
        **made.kwargs, max_new_tokens=1, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    for given in (start, start.encoding):
        np.testing.assert_array_equal(forward.next_token(seq2seq, given).float32(), own.logits[0][0].numpy())
    with pytest.raises(IndexError):
        forward.next_token(seq2seq, start, at=1)


def test_a_head_that_writes_nothing_is_refused(tiny_bert: Checkpoint):
    with pytest.raises(NotSupported, match="can't generate"):
        prepare_start(models.load(tiny_bert), TEXT)


# --------------------------------------------------------------------------------------------------------- pictures


def by_script(checkpoint: Checkpoint, picture: Path, chat: bool) -> dict[str, torch.Tensor]:
    processor = AutoProcessor.from_pretrained(checkpoint.path)
    if not chat:
        return processor(text="<image>\n" + QUESTION, images=Image.open(picture), return_tensors="pt")
    content = [{"type": "image", "image": Image.open(picture)}, {"type": "text", "text": QUESTION}]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_picture_is_read_as_a_plain_script_reads_it(llava: LoadedModel, picture: Path, name: str, chat: bool):
    model = AutoModelForImageTextToText.from_pretrained(llava.checkpoint.path)
    expected = seeded(model, by_script(llava.checkpoint, picture, chat), **SETTINGS[name])
    messages = (Message("user", QUESTION),) if chat else ()
    start = prepare_start(llava, "" if chat else QUESTION, messages, (picture,))
    made = inputs(llava, start)
    assert seeded(llava.model, made.kwargs, **SETTINGS[name]) == expected
    assert expected[: made.length] == list(start.context_ids)
    assert start.images == (picture,) and hash(start.images)


def test_the_encoding_shows_the_tokens_of_the_picture(llava: LoadedModel, picture: Path):
    encoding = prepare_start(llava, QUESTION, images=[picture]).encoding
    assert encoding.text == "<image>\n" + QUESTION
    assert [token.text for token in encoding.tokens[:5]] == ["<image>"] * 4 + ["\n"]
    assert all(token.special for token in encoding.tokens[:4]) and not encoding.tokens[4].special
    assert "".join(token.text for token in encoding.tokens[4:]) == "\n" + QUESTION
    marked = prepare_start(llava, f"Look: <image> {QUESTION}", images=[picture])
    assert marked.encoding.input_ids.count(384) == 4 and marked.encoding.text.startswith("Look: <image>")


def test_pictures_stay_with_their_turns(llava: LoadedModel, picture: Path, folder: Path):
    other = tiny_seq2seq.picture(folder, "other.webp", (31, 57))
    turns = (Message("user", "One", (picture,)), Message("assistant", "Yes"), Message("user", "Two"))
    start = prepare_start(llava, "", turns, (other,))
    assert start.encoding.text == "USER: <image>\nOne ASSISTANT: Yes USER: <image>\nTwo ASSISTANT:"
    assert start.images == (picture, other)
    made = inputs(llava, start)
    assert made.kwargs["pixel_values"].shape == (2, 3, 28, 28)
    assert len(seeded(llava.model, made.kwargs, do_sample=False)) == made.length + 12


def test_what_was_written_about_a_picture_goes_on(llava: LoadedModel, picture: Path):
    start = prepare_start(llava, QUESTION, images=[picture])
    made = inputs(llava, start)
    whole = seeded(llava.model, made.kwargs, do_sample=False)
    again = inputs(llava, start, whole[made.length : made.length + 5])
    assert again.length == made.length + 5
    assert seeded(llava.model, again.kwargs, do_sample=False)[: len(whole)] == whole


def test_another_picture_gives_another_distribution(llava: LoadedModel, picture: Path, folder: Path):
    other = tiny_seq2seq.picture(folder, "third.jpg", (64, 64))
    rows = [
        forward.next_token(llava, prepare_start(llava, QUESTION, images=[path])).float32() for path in (picture, other)
    ]
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
    made = inputs(llava, prepare_start(llava, QUESTION, images=[picture]))
    own = llava.model.generate(
        **made.kwargs, max_new_tokens=1, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    np.testing.assert_array_equal(rows[0], own.logits[0][0].numpy())


def test_a_prompt_without_a_picture_is_text_alone(llava: LoadedModel):
    plain = prepare_start(llava, TEXT)
    assert plain.images == () and plain.encoding.tokens[1].offsets is not None
    assert set(inputs(llava, plain).kwargs) == {"input_ids", "attention_mask"}
    chat = prepare_start(llava, "", (Message("user", QUESTION),))
    assert chat.encoding.text == f"USER: {QUESTION} ASSISTANT:"
    forward.next_token(llava, plain)


def test_a_mark_without_its_picture_is_refused(llava: LoadedModel, picture: Path):
    for text, messages, images in (
        ("See <image>", (), ()),
        ("<image> and <image>", (), (picture,)),
        ("", (Message("user", "See <image>"),), ()),
    ):
        with pytest.raises(InputError, match="<image>") as caught:
            prepare_start(llava, text, messages, images)
        assert caught.value.remedy


def test_a_text_only_model_takes_no_picture(llama: LoadedModel, t5: LoadedModel, picture: Path):
    for model in (llama, t5):
        with pytest.raises(NotSupported, match="takes no pictures"):
            prepare_start(model, QUESTION, images=[picture])
    with pytest.raises(NotSupported, match="takes no pictures"):
        inputs(llama, replace(prepare_start(llama, QUESTION), images=(picture,)))


def test_without_a_processor_the_text_still_works(llava: LoadedModel, picture: Path, tmp_path: Path):
    shutil.copytree(llava.checkpoint.path, tmp_path / "copy")
    (tmp_path / "copy" / "processor_config.json").unlink()
    model = models.load(Checkpoint("copy", tmp_path / "copy"))
    assert model.processor is None and any("pictures" in note for note in model.notes)
    assert prepare_start(model, TEXT).encoding == prepare_start(llava, TEXT).encoding
    with pytest.raises(NotSupported, match="takes no pictures") as caught:
        prepare_start(model, QUESTION, images=[picture])
    assert "processor" in caught.value.why


def test_a_processor_with_a_part_for_videos_needs_none_for_pictures(qwen2_vl: LoadedModel, picture: Path):
    assert qwen2_vl.notes == () and qwen2_vl.takes_images
    plain = prepare_start(qwen2_vl, QUESTION, images=[picture, picture]).encoding
    assert plain.text == "<|vision_start|><|image_pad|><|vision_end|>" * 2 + QUESTION
    kwargs = inputs(qwen2_vl, prepare_start(qwen2_vl, "", (Message("user", QUESTION, (picture,)),)), [300]).kwargs
    assert {"image_grid_thw", "mm_token_type_ids"} <= set(kwargs)
    assert kwargs["mm_token_type_ids"].shape == kwargs["input_ids"].shape == kwargs["attention_mask"].shape


def test_without_a_template_the_picture_comes_first(picture: Path, tmp_path: Path):
    model = models.load(tiny_seq2seq.build_tiny_llava(tmp_path / "plain", chat=False))
    assert prepare_start(model, QUESTION, images=[picture]).encoding.text == "<image>" + QUESTION
    with pytest.raises(NotSupported, match="no chat template"):
        prepare_start(model, "", (Message("user", QUESTION),), (picture,))


def test_a_template_that_only_the_tokenizer_has_is_used(llava: LoadedModel, picture: Path, tmp_path: Path):
    shutil.copytree(llava.checkpoint.path, tmp_path / "copy")
    (tmp_path / "copy" / "chat_template.jinja").unlink()
    file = tmp_path / "copy" / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "chat_template": tiny_seq2seq.LLAVA_TEMPLATE}))
    model = models.load(Checkpoint("copy", tmp_path / "copy"))
    turns = (Message("user", QUESTION, (picture,)),)
    assert prepare_start(model, "", turns).encoding == prepare_start(llava, "", turns).encoding


def bomb(path: Path) -> None:
    Image.new("1", (20_000, 9_000)).save(path)


def cut(path: Path) -> None:
    whole = path.parent / "whole.png"
    Image.effect_noise((99, 99), 50).save(whole)
    path.write_bytes(whole.read_bytes()[:2000])


def postscript(path: Path) -> None:
    Image.new("RGB", (9, 9)).save(path, format="EPS")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: None, "no file"),
        (lambda path: path.mkdir(), "no file"),
        (lambda path: path.write_bytes(b""), "no PNG"),
        (lambda path: path.write_text("no picture"), "no PNG"),
        (postscript, "no PNG"),
        (cut, "damaged"),
        (bomb, "larger than"),
    ],
)
def test_bad_pictures_are_worded(llava: LoadedModel, tmp_path: Path, spoil: Callable[[Path], object], said: str):
    path = tmp_path / "bad.png"
    spoil(path)
    with pytest.raises(InputError) as caught:
        prepare_start(llava, QUESTION, images=[path])
    assert said in caught.value.why and "bad.png" in caught.value.what and caught.value.remedy


def test_a_picture_is_turned_upright_and_its_colours_made_three(llava: LoadedModel, tmp_path: Path):
    lying = Image.effect_noise((60, 30), 50)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    lying.save(tmp_path / "lying.png", exif=exif)
    lying.transpose(Image.Transpose.ROTATE_270).convert("RGB").save(tmp_path / "upright.png")
    rows = [
        inputs(llava, prepare_start(llava, QUESTION, images=[tmp_path / name])).kwargs["pixel_values"]
        for name in ("lying.png", "upright.png")
    ]
    assert torch.equal(*rows)


def test_pictures_with_a_conversation_need_a_turn_of_the_user(llava: LoadedModel, picture: Path):
    with pytest.raises(InputError, match="no turn"):
        prepare_start(llava, "", (Message("system", "Be brief."),), (picture,))


def test_a_text_with_pictures_is_not_cut(llava: LoadedModel, picture: Path):
    with pytest.raises(InputError, match="too long"):
        prepare_start(llava, TEXT * 60, images=[picture], truncate=True)


def test_a_picture_in_half_precision_is_read_in_it(llava: LoadedModel, picture: Path):
    model = models.load(llava.checkpoint, dtype="bfloat16")
    made = inputs(model, prepare_start(model, QUESTION, images=[picture]))
    assert made.kwargs["pixel_values"].dtype == torch.bfloat16 and made.kwargs["input_ids"].dtype == torch.int64
    forward.next_token(model, made.start)


# ------------------------------------------------------------------------------------------------------- generation

KNOBS = {
    "greedy": Sampling(do_sample=False, max_new_tokens=12),
    "sampling": Sampling(temperature=1.3, top_k=40, top_p=0.95, max_new_tokens=12, seed=7),
}
SEEING = ("llava", "qwen2_vl")


def watched(model: LoadedModel, start: Start | Encoding, knobs: Sampling) -> list[int]:
    return list(generate.stream(model, start, knobs).ids)


@pytest.mark.parametrize("name", KNOBS)
@pytest.mark.parametrize("kind", ["t5", "bart", "llava", "qwen2_vl"])
def test_a_watched_run_writes_what_plain_generate_writes(
    request: pytest.FixtureRequest, picture: Path, kind: str, name: str
):
    model: LoadedModel = request.getfixturevalue(kind)
    start = prepare_start(model, TEXT, images=[picture] if kind in SEEING else ())
    made = inputs(model, start)
    expected = seeded(model.model, made.kwargs, **SETTINGS[name])[made.length :]
    given = generate.stream(model, start, KNOBS[name])
    assert list(given.ids) == expected
    assert given.start == start
    if kind not in SEEING:
        assert watched(model, start.encoding, KNOBS[name]) == expected


STRATEGIES = {
    "beams": (KNOBS["greedy"], Strategy(num_beams=3), {"do_sample": False, "num_beams": 3}),
    "sequences": (
        Sampling(temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=12, seed=7),
        Strategy(num_return_sequences=3),
        {"do_sample": True, "top_k": 0, "num_return_sequences": 3},
    ),
    "lookup": (
        KNOBS["greedy"],
        Strategy(prompt_lookup_num_tokens=3),
        {"do_sample": False, "prompt_lookup_num_tokens": 3},
    ),
}


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("kind", ["t5", "bart", "llava", "qwen2_vl"])
def test_every_strategy_takes_such_a_start(request: pytest.FixtureRequest, picture: Path, kind: str, name: str):
    model: LoadedModel = request.getfixturevalue(kind)
    start = prepare_start(model, TEXT, images=[picture] if kind in SEEING else ())
    knobs, strategy, plain = STRATEGIES[name]
    made = inputs(model, start)
    torch.manual_seed(7)
    rows = model.model.generate(**made.kwargs, max_new_tokens=12, **plain)[:, made.length :].tolist()
    found = [
        [step.token_id for step in row] for row in generate.stream(model, start, knobs, strategy=strategy).sequences
    ]
    # Behind its end token a row of the library's is filled up.
    assert [row[: len(mine)] for row, mine in zip(rows, found, strict=True)] == found
    assert all(len(mine) == 12 or mine[-1] == 2 for mine in found)


@pytest.mark.parametrize("kind", ["t5", "bart", "llava", "qwen2_vl"])
def test_a_branch_goes_on_from_what_was_kept(request: pytest.FixtureRequest, picture: Path, kind: str):
    model: LoadedModel = request.getfixturevalue(kind)
    start = prepare_start(model, TEXT, images=[picture] if kind in SEEING else ())
    knobs, kept = KNOBS["greedy"], generate.KeptCache()
    steps = generate.stream(model, start, knobs, kept=kept).steps
    made = inputs(model, start, [*(step.token_id for step in steps[:4]), 300])
    expected = seeded(model.model, made.kwargs, do_sample=False)[made.length :]
    assert list(generate.branch(model, start, steps[:4], 300, knobs, kept=kept).ids) == expected


def test_a_conversation_about_a_picture_runs_in_one_call(llava: LoadedModel, picture: Path):
    turns = (Message("user", QUESTION),)
    given = generate.run(llava, "", turns, KNOBS["greedy"], images=(picture,))
    shown = (replace(turns[0], images=(picture,)),)
    assert given.ids == generate.run(llava, "", shown, KNOBS["greedy"]).ids
    assert given.start == prepare_start(llava, "", shown)


def test_the_decoder_of_t5_is_not_held_to_the_length_in_its_file(t5: LoadedModel):
    assert t5.facts.context == 24
    given = generate.stream(t5, prepare_start(t5, TEXT), Sampling(do_sample=False, max_new_tokens=40))
    assert len(given.steps) == 40 or given.reason == "eos"


def test_the_decoder_of_bart_ends_with_its_context(bart: LoadedModel):
    given = generate.stream(bart, prepare_start(bart, TEXT), Sampling(do_sample=False, max_new_tokens=100))
    assert (len(given.steps), given.reason) == (63, "context") or given.reason == "eos"


# ------------------------------------------------------------------------------------------------------------ facts


def test_facts_tell_an_encoder_decoder_and_one_that_sees(
    t5: LoadedModel, bart: LoadedModel, llava: LoadedModel, llama: LoadedModel, tiny_bert_classifier: Checkpoint
):
    seen = {model.checkpoint.name: (model.facts, model) for model in (t5, bart, llava, llama)}
    told = {name: (facts.encoder_decoder, facts.takes_images) for name, (facts, _) in seen.items()}
    assert told == {
        "tiny-t5": (True, False),
        "tiny-bart": (True, False),
        "tiny-llava": (False, True),
        "tiny-llama": (False, False),
    }
    assert told == {name: (model.encoder_decoder, model.takes_images) for name, (_, model) in seen.items()}
    assert [model.head for _, model in seen.values()] == [
        "AutoModelForSeq2SeqLM",
        "AutoModelForSeq2SeqLM",
        "AutoModelForImageTextToText",
        "AutoModelForCausalLM",
    ]
    classifier = models.load(tiny_bert_classifier)
    assert not classifier.generates and not classifier.encoder_decoder and classifier.processor is None


def test_other_heads_of_such_checkpoints_load_without_a_word(llava: LoadedModel):
    body = models.load(llava.checkpoint, head="AutoModel")
    assert body.processor is not None and not any("picture" in note for note in body.notes)


def test_a_tokenizer_of_another_vocabulary_is_told_before_the_pass(llama: LoadedModel) -> None:
    from workbench.engine import tokens

    tokenizer = tokens.own_tokenizer(llama.tokenizer)
    tokenizer.add_tokens(["<new>"])
    mismatched = replace(llama, tokenizer=tokenizer)
    assert prepare_start(mismatched, TEXT).context_ids
    known = llama.model.get_input_embeddings().num_embeddings
    for begin in (
        lambda: prepare_start(mismatched, "The <new> fox"),
        lambda: forward.next_token(mismatched, tokens.encode(tokenizer, "The <new> fox")),
    ):
        with pytest.raises(NotSupported, match="does not belong to its weights") as caught:
            begin()
        assert f"the id {known:,}" in caught.value.why
        assert f"{known:,} ids only" in caught.value.why
