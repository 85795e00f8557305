"""A long sound in parts, and in which language it was spoken: as the pipeline's arguments have it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sentencepiece
import soundfile
import torch
import transformers as t
from transformers import GenerationConfig

from tests import tiny_hearing, tiny_tasks
from tests.census import building
from tests.census.kinds import Entry
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import processors
from workbench.engine.values import Checkpoint, Chunk, TaskInput, TaskOptions

NAME = "automatic-speech-recognition"
GREEDY = {"max_new_tokens": 6, "num_beams": 1, "do_sample": False}


@pytest.fixture(scope="module")
def hears(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    folder = tmp_path_factory.mktemp("hears")
    built = {name: tiny_tasks.build_tiny_audio(folder / name, name) for name in (NAME, "whisper")}
    built["words"] = tiny_tasks.build_tiny_audio(folder / "words", "whisper")
    settings = GenerationConfig.from_pretrained(built["words"].path)
    settings.suppress_tokens = list(range(265, 265 + 1501))  # the marks of its time stamps
    settings.save_pretrained(built["words"].path)
    built["speaks"] = tiny_tasks.build_tiny_audio(folder / "speaks", "whisper")
    for path in built["speaks"].path.glob("tokenizer*.json"):
        path.write_text(path.read_text().replace("<|startofprev|>", "<|de|>"))
    settings = GenerationConfig.from_pretrained(built["speaks"].path)
    settings.lang_to_id |= {"<|de|>": settings.prev_sot_token_id}
    settings.save_pretrained(built["speaks"].path)
    built["english"] = tiny_tasks.build_tiny_audio(folder / "english", "whisper")
    settings = GenerationConfig.from_pretrained(built["english"].path)
    settings.is_multilingual = False
    settings.save_pretrained(built["english"].path)
    built["moonshine"] = tiny_hearing.build(folder / "moonshine", "moonshine")
    return {name: load(checkpoint, device="cpu") for name, checkpoint in built.items()}


@pytest.fixture(scope="module")
def translates(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Speech2Text as it was trained on MuST-C: what it writes begins with the token of a language."""
    folder = tmp_path_factory.mktemp("translates")
    languages = [f"<lang:{code}>" for code in ("pt", "fr", "ru", "nl", "ro", "it", "es", "de")]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the fox jumps over the dog", "a quick brown fox"]), model_prefix=str(folder / "spm"),
        vocab_size=60, hard_vocab_limit=False, minloglevel=2, user_defined_symbols=languages, pad_id=3,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    vocab = {pieces.id_to_piece(index): index for index in range(len(pieces))}
    (folder / "words.json").write_text(json.dumps(vocab))
    t.Speech2TextTokenizer(
        str(folder / "words.json"), str(folder / "spm.model"), lang_codes="mustc", tgt_lang="fr"
    ).save_pretrained(folder)
    t.Speech2TextFeatureExtractor(feature_size=16, num_mel_bins=16).save_pretrained(folder)
    torch.manual_seed(0)
    t.Speech2TextForConditionalGeneration(t.Speech2TextConfig(
        vocab_size=len(vocab), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, conv_channels=16, input_feat_per_channel=16,
        max_source_positions=600, max_target_positions=64, init_std=1.0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=2, pad_token_id=3,
    )).save_pretrained(folder)  # fmt: skip
    return load(Checkpoint("translates", folder), head="AutoModelForSpeechSeq2Seq", device="cpu")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> TaskInput:
    return TaskInput(audio=tiny_tasks.sound(tmp_path_factory.mktemp("sounds"), 5.0))


def expected(model: LoadedModel, given: TaskInput, **told: Any) -> list[Any]:
    """What the pipeline gives, as the task words it."""
    from transformers import pipeline

    samples, rate = soundfile.read(given.audio, dtype="float32")
    made = pipeline(
        NAME, model=model.model, tokenizer=model.tokenizer, device="cpu",
        feature_extractor=processors.feature_extractor(model),
    )  # fmt: skip
    asked = told.pop("generate_kwargs", {})
    told |= {"generate_kwargs": GREEDY | asked} if model.model.can_generate() else {}
    found = made({"raw": samples, "sampling_rate": rate}, **told)
    return [found["text"], *map(as_chunk, found.get("chunks", ()))]


def as_chunk(each: dict[str, Any]) -> Chunk:
    stamps = (None if at is None else pytest.approx(at) for at in each.get("timestamp", (None, None)))
    return Chunk(each["text"], *stamps, language=each.get("language") or "")


def script(model: LoadedModel, given: TaskInput, options: TaskOptions) -> list[Any]:
    names: dict[str, Any] = {}
    exec(codegen.task(model.checkpoint, NAME, given, options, model.dtype, model.device, model.head), names)
    found = names["result"]
    return [found["text"], *map(as_chunk, found.get("chunks", ()))]


@pytest.mark.parametrize(("kind", "stamps", "shared"), [
    (NAME, "none", None), (NAME, "word", 0.0), (NAME, "char", 0.8), ("whisper", "none", 0.8),
    ("whisper", "segment", None), ("whisper", "word", 0.0), ("moonshine", "none", None), ("moonshine", "none", 0.8),
])  # fmt: skip
def test_parts_that_share_their_edges_are_the_pipelines(hears, given, kind, stamps, shared, capsys) -> None:
    model = hears[kind]
    told: dict[str, Any] = {"chunk_length_s": 3}
    told |= {} if shared is None else {"stride_length_s": shared}
    told |= {} if stamps == "none" else {"return_timestamps": {"segment": True}.get(stamps, stamps)}
    options = TaskOptions(timestamps=stamps, chunk_length=3, chunk_overlap=shared, max_new_tokens=6, num_beams=1)
    result = tasks.run(model, NAME, given, options)
    assert list(result.items) == expected(model, given, **told)
    assert script(model, given, options) == list(result.items)
    assert capsys.readouterr().out


@pytest.mark.parametrize(("stamps", "seconds"), [("none", None), ("segment", None), ("word", 3), ("none", 3)])
def test_the_language_is_the_one_that_the_pipeline_says(hears, given, stamps, seconds, capsys) -> None:
    model = hears["words" if stamps == "none" else "whisper"]
    told: dict[str, Any] = {"return_language": True} | ({"chunk_length_s": seconds} if seconds else {})
    told |= {} if stamps == "none" else {"return_timestamps": {"segment": True}.get(stamps, stamps)}
    options = TaskOptions(timestamps=stamps, chunk_length=seconds, says_language=True, max_new_tokens=6, num_beams=1)
    result = tasks.run(model, NAME, given, options)
    assert list(result.items) == expected(model, given, **told)
    assert {chunk.language for chunk in result.items[1:]} == {"english"}
    assert script(model, given, options) == list(result.items)
    assert capsys.readouterr().out


@pytest.mark.parametrize(("language", "task", "stamps", "seconds"), [
    ("german", "auto", "none", None), ("DE", "translate", "word", None), ("", "transcribe", "segment", 3),
    ("<|en|>", "translate", "segment", 3),
])  # fmt: skip
def test_whisper_is_told_the_language_and_the_task_as_the_pipeline_is(
    hears, given, language, task, stamps, seconds, capsys
) -> None:
    model = hears["speaks"]
    asked = {name: value for name, value in (("language", language), ("task", task)) if value not in ("", "auto")}
    told = {"generate_kwargs": asked, "return_language": True} | ({"chunk_length_s": seconds} if seconds else {})
    told |= {} if stamps == "none" else {"return_timestamps": {"segment": True}.get(stamps, stamps)}
    options = TaskOptions(
        timestamps=stamps, chunk_length=seconds, says_language=True, max_new_tokens=6, num_beams=1,
        source_language=language, speech_task=task,
    )  # fmt: skip
    result = tasks.run(model, NAME, given, options)
    assert list(result.items) == expected(model, given, **told)
    assert script(model, given, options) == list(result.items)
    assert capsys.readouterr().out


@pytest.mark.parametrize("language", ["", "de", "it"])
def test_the_language_to_write_is_told_to_what_translates_speech(translates, given, language, capsys) -> None:
    codes = translates.tokenizer.lang_code_to_id
    assert dict(tasks.spec(NAME, translates).choices) == {"target_language": tuple(sorted(codes))}
    told = {"generate_kwargs": {"forced_bos_token_id": codes[language]}} if language else {}
    options = TaskOptions(max_new_tokens=6, num_beams=1, target_language=language)
    result = tasks.run(translates, NAME, given, options)
    assert list(result.items) == expected(translates, given, **told)
    assert script(translates, given, options) == list(result.items)
    (sequences,) = result.stages[1].tensors
    assert not language or sequences.values.ravel()[1] == codes[language]
    assert capsys.readouterr().out
    with pytest.raises(InputError, match="can't be chosen"):
        tasks.run(translates, NAME, given, TaskOptions(target_language="xyz"))


def test_what_whisper_is_told_changes_what_it_writes(hears, given) -> None:
    told = [("english", "transcribe"), ("english", "translate"), ("german", "transcribe")]
    wrote = set()
    for language, task in told:
        options = TaskOptions(max_new_tokens=6, source_language=language, speech_task=task)
        (sequences,) = tasks.run(hears["speaks"], NAME, given, options).stages[1].tensors
        wrote.add(tuple(sequences.values.ravel()))
    assert len(wrote) == len(told)


def test_languages_are_offered_where_the_checkpoint_has_them(hears) -> None:
    spec = tasks.spec(NAME, hears["speaks"])
    assert {"source_language", "speech_task"} <= {*spec.options} and "target_language" not in spec.options
    assert dict(spec.choices)["source_language"] == ("english", "german")
    for kind in ("english", "moonshine", NAME):
        assert not {"source_language", "target_language", "speech_task"} & {*tasks.applies(NAME, hears[kind])}


@pytest.mark.parametrize(("kind", "told", "why", "remedy"), [
    ("speaks", {"source_language": "klingon"}, "no language “klingon”", "its 2: english, german"),
    ("speaks", {"source_language": "french"}, "no language “french”", "its 2: english, german"),
    ("english", {"source_language": "english"}, "one language alone", "Leave it empty"),
    ("english", {"speech_task": "translate"}, "one language alone", "Leave it on auto"),
])  # fmt: skip
def test_a_language_that_whisper_does_not_have_is_refused(hears, given, kind, told, why, remedy) -> None:
    with pytest.raises(InputError) as caught:
        tasks.run(hears[kind], NAME, given, TaskOptions(max_new_tokens=6, **told))
    assert why in caught.value.why and remedy in caught.value.remedy


def test_what_a_part_shares_changes_what_is_heard(hears, given) -> None:
    """So that the equalities above are not those of numbers that do nothing."""
    heard = {
        shared: tasks.run(hears[NAME], NAME, given, TaskOptions(chunk_length=2, chunk_overlap=shared)).items[0]
        for shared in (None, 0.0, 0.9)
    }
    assert len(set(heard.values())) > 1


def test_parts_that_would_share_all_they_have_are_refused(hears, given) -> None:
    with pytest.raises(InputError, match=r"Parts of 2 s can't share 1 s") as caught:
        tasks.run(hears[NAME], NAME, given, TaskOptions(chunk_length=2, chunk_overlap=1.0))
    assert "a sixth" in caught.value.remedy


def test_each_kind_of_model_offers_what_it_reads(hears) -> None:
    ctc, whisper, writes = (tasks.applies(NAME, hears[kind]) for kind in (NAME, "whisper", "moonshine"))
    assert ctc == ("timestamps", "chunk_length", "chunk_overlap")
    assert {"says_language", "chunk_length", "chunk_overlap"} <= {*whisper}
    assert "says_language" not in writes and "chunk_length" in writes
    assert tasks.defaults(NAME, hears[NAME]).chunk_length == 30
    assert tasks.defaults(NAME, hears["whisper"]).chunk_length is None


def test_time_is_counted_in_frames_where_the_model_counts_so(given, tmp_path) -> None:
    checkpoint, _ = building.build(Entry("lasr_ctc", "AutoModelForCTC", "LasrForCTC"), tmp_path / "lasr")
    model = load(checkpoint, head="AutoModelForCTC", device="cpu")
    wanted = expected(model, given, return_timestamps="char")
    items = tasks.run(model, NAME, given, TaskOptions(timestamps="char")).items
    assert list(items) == wanted and items[-1].end > 1
