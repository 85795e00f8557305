"""Tasks on a sound give what the library's pipelines give, whatever the file's rate and channels."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests import tiny_tasks
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel, load
from workbench.engine.task import Cancelled, Silent
from workbench.engine.tasks import processors, sounds
from workbench.engine.values import Chunk, Sound, TaskInput, TaskOptions

KINDS = ("audio-classification", "automatic-speech-recognition", "whisper", "text-to-audio")
ASR = "automatic-speech-recognition"


@pytest.fixture(scope="module")
def hears(tmp_path_factory) -> dict[str, LoadedModel]:
    """A model for each kind."""
    folder = tmp_path_factory.mktemp("audio")
    return {kind: load(tiny_tasks.build_tiny_audio(folder / kind, kind), device="cpu") for kind in KINDS}


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    return tiny_tasks.sound(tmp_path)


def pipeline(model: LoadedModel, name: str):
    from transformers import pipeline as make

    extractor = None if name == "text-to-audio" else processors.feature_extractor(model)
    return make(name, model=model.model, tokenizer=model.tokenizer, feature_extractor=extractor, device="cpu")


def raw(path: Path) -> dict:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return {"raw": samples.mean(axis=1), "sampling_rate": rate}


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions) -> dict:
    names = {"__name__": "__main__"}
    cut = dataclasses.replace(options, max_length=tasks.cut_at(model, options) if model.tokenizer else None)
    exec(codegen.task(model.checkpoint, name, given, cut, model.dtype, model.device, model.head), names)
    return names


@pytest.mark.parametrize("problem_type", [None, "single_label_classification", "multi_label_classification"])
def test_audio_classification_is_the_pipeline(hears, tone, problem_type, monkeypatch) -> None:
    model = hears["audio-classification"]
    monkeypatch.setattr(model.model.config, "problem_type", problem_type)
    result = tasks.run(model, "audio-classification", TaskInput(audio=tone), TaskOptions(top_k=None))
    expected = pipeline(model, "audio-classification")(raw(tone), top_k=None)
    assert [(item.label, pytest.approx(item.score, abs=1e-6)) for item in result.items] == [
        (entry["label"], entry["score"]) for entry in expected
    ]


@pytest.mark.parametrize("stamps", ["none", "word", "char"])
@pytest.mark.parametrize("seconds", [1.0, 62.0])
def test_recognition_with_ctc_is_the_pipeline(hears, tmp_path, stamps, seconds) -> None:
    model = hears[ASR]
    path = tiny_tasks.sound(tmp_path, seconds)
    result = tasks.run(model, ASR, TaskInput(audio=path), TaskOptions(timestamps=stamps, chunk_length=30))
    long = {"chunk_length_s": 30, "stride_length_s": 5} if seconds > 30 else {}
    stamped = {} if stamps == "none" else {"return_timestamps": stamps}
    expected = pipeline(model, ASR)(raw(path), **long, **stamped)
    chunks = [
        Chunk(each["text"], *(pytest.approx(at) for at in each["timestamp"])) for each in expected.get("chunks", [])
    ]
    assert list(result.items) == [expected["text"], *chunks]
    assert expected["text"] and bool(chunks) == (stamps != "none")


@pytest.mark.parametrize("stamps", ["none", "segment", "word"])
def test_recognition_with_whisper_is_the_pipeline(hears, tone, stamps) -> None:
    model = hears["whisper"]
    options = TaskOptions(timestamps=stamps, max_new_tokens=20)
    result = tasks.run(model, ASR, TaskInput(audio=tone), options)
    stamped = {"none": {}, "segment": {"return_timestamps": True}, "word": {"return_timestamps": "word"}}[stamps]
    settings = {"max_new_tokens": 20, "num_beams": 1, "do_sample": False}
    expected = pipeline(model, ASR)(raw(tone), generate_kwargs=settings, **stamped)
    assert result.items[0] == expected["text"]
    assert list(result.items[1:]) == [Chunk(each["text"], *each["timestamp"]) for each in expected.get("chunks", [])]
    assert result.stages[0].tensors[0].shape == (1, 16, 3000)


def test_more_tokens_than_the_decoder_has_positions_are_refused(hears, tone) -> None:
    with pytest.raises(InputError, match="64 positions"):
        tasks.run(hears["whisper"], ASR, TaskInput(audio=tone), TaskOptions(max_new_tokens=256))


def test_time_stamps_of_another_kind_of_model_are_refused(hears, tone) -> None:
    with pytest.raises(InputError, match="Choose none or word or char"):
        tasks.run(hears[ASR], ASR, TaskInput(audio=tone), TaskOptions(timestamps="segment"))
    with pytest.raises(InputError, match="Choose none or segment or word"):
        tasks.run(hears["whisper"], ASR, TaskInput(audio=tone), TaskOptions(timestamps="char"))


def test_text_to_audio_is_the_pipeline(hears) -> None:
    model = hears["text-to-audio"]
    result = tasks.run(model, "text-to-audio", "the quick brown fox", TaskOptions(seed=3))
    torch.manual_seed(3)
    expected = pipeline(model, "text-to-audio")("the quick brown fox")
    (sound,) = result.items
    np.testing.assert_allclose(sound.samples, expected["audio"], atol=1e-5)
    assert sound.rate == expected["sampling_rate"] == tiny_tasks.RATE
    assert len(sound.samples) > 100


def test_the_seed_decides_what_is_drawn_and_nobody_else_notices(hears) -> None:
    model = hears["text-to-audio"]
    before = torch.random.get_rng_state()
    first, again, other = (
        tasks.run(model, "text-to-audio", "the fox", TaskOptions(seed=seed)).items[0].samples for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("rate", "channels", "name"), [
    (8_000, 1, "low.wav"), (44_100, 2, "stereo.flac"), (16_000, 6, "many.wav"), (48_000, 1, "a.ogg"),
])  # fmt: skip
def test_any_rate_and_channels_become_one_channel_at_the_models_rate(hears, tmp_path, rate, channels, name) -> None:
    path = tiny_tasks.sound(tmp_path, 1.5, rate, channels, name)
    sound = sounds.read(path)
    assert (sound.rate, sound.samples.shape, sound.samples.dtype) == (rate, (int(1.5 * rate),), np.float32)
    samples = sounds.resampled(sound, tiny_tasks.RATE)
    assert len(samples) == pytest.approx(1.5 * tiny_tasks.RATE, abs=2)
    result = tasks.run(hears["audio-classification"], "audio-classification", TaskInput(audio=path))
    assert result.stages[0].tensors[0].shape == (1, len(samples))


def test_resampling_keeps_a_tone_a_tone() -> None:
    moments = np.arange(8_000) / 8_000
    low = Sound(np.sin(2 * np.pi * 440 * moments).astype(np.float32), 8_000)
    high = sounds.resampled(low, 16_000)
    spectrum = np.abs(np.fft.rfft(high))
    assert np.fft.rfftfreq(len(high), 1 / 16_000)[spectrum.argmax()] == pytest.approx(440, abs=1)


def test_a_sound_that_is_none_is_refused(hears, tmp_path) -> None:
    model = hears["audio-classification"]

    def why(path: Path | None) -> str:
        with pytest.raises(InputError) as caught:
            tasks.run(model, "audio-classification", TaskInput(audio=path))
        assert caught.value.remedy
        return caught.value.why

    assert "No file" in why(None)
    assert "no file" in why(tmp_path / "gone.wav")
    (tmp_path / "text.wav").write_text("no sound")
    assert "can't be read as a sound" in why(tmp_path / "text.wav")
    assert "no samples" in why(tiny_tasks.sound(tmp_path, 0.0, name="empty.wav"))
    assert "samples" in why(tiny_tasks.sound(tmp_path, 0.0005, name="short.wav"))


def test_two_hours_are_refused_before_they_are_read(hears, tmp_path) -> None:
    import struct

    path = tmp_path / "long.wav"
    size = 7_200 * 16_000 * 2
    with path.open("wb") as file:
        file.write(struct.pack("<4sI4s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16))
        file.write(struct.pack("<HHIIHH4sI", 1, 1, 16_000, 32_000, 2, 16, b"data", size))
        file.truncate(44 + size)
    with pytest.raises(InputError, match="120 minutes"):
        tasks.run(hears[ASR], ASR, TaskInput(audio=path))


def test_a_long_recognition_stops_between_two_parts(hears, tmp_path) -> None:
    class Stops(Silent):
        parts = 0

        def report(self, progress) -> None:
            self.parts += progress.unit == "samples"

        def check(self) -> None:
            if self.parts >= 2:
                raise Cancelled

    stops = Stops()
    with pytest.raises(Cancelled):
        tasks.run(hears[ASR], ASR, TaskInput(audio=tiny_tasks.sound(tmp_path, 120.0)), task=stops)
    assert stops.parts == 2


def test_the_task_of_a_model_that_hears_is_inferred_offline(hears) -> None:
    assert {kind: tasks.infer(model.facts) for kind, model in hears.items()} == {
        kind: kind if kind != "whisper" else ASR for kind in KINDS
    }
    assert tasks.architecture(hears["whisper"].facts)[0] == "encoder-decoder"
    assert tasks.architecture(hears[ASR].facts)[0] == "encoder"


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_has_a_sound_that_works(hears, kind, workbench_data) -> None:
    name = ASR if kind == "whisper" else kind
    given = tasks.example(name, hears[kind])
    assert given.audio is None or given.audio.is_relative_to(workbench_data)
    assert tasks.run(hears[kind], name, given, TaskOptions(max_new_tokens=8)).stages


@pytest.mark.parametrize(("kind", "options", "seconds"), [
    ("audio-classification", TaskOptions(top_k=2), 1.0), (ASR, TaskOptions(timestamps="word"), 1.0),
    (ASR, TaskOptions(), 62.0), ("whisper", TaskOptions(timestamps="segment", max_new_tokens=20), 1.0),
    ("whisper", TaskOptions(max_new_tokens=20), 1.0),
])  # fmt: skip
@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_the_script_hears_the_same(hears, tmp_path, kind, options, seconds, rate, capsys) -> None:
    name = ASR if kind == "whisper" else kind
    given = TaskInput(audio=tiny_tasks.sound(tmp_path, seconds, rate, 2))
    result = tasks.run(hears[kind], name, given, options)
    found = script(hears[kind], name, given, options)["result"]
    assert capsys.readouterr().out
    if kind == "audio-classification":
        assert found == [(item.label, pytest.approx(item.score, abs=1e-6)) for item in result.items]
    else:
        assert found["text"] == result.items[0]
        stamps = [at for each in found.get("chunks", []) for at in each["timestamp"]]
        assert stamps == pytest.approx([at for item in result.items[1:] for at in (item.start, item.end)])


def test_the_script_speaks_the_same(hears, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    options = TaskOptions(seed=5)
    (sound,) = tasks.run(hears["text-to-audio"], "text-to-audio", "the fox", options).items
    names = script(hears["text-to-audio"], "text-to-audio", TaskInput("the fox"), options)
    np.testing.assert_allclose(names["samples"].numpy(), sound.samples, atol=1e-6)
    sounds.save(sound, tmp_path / "own.wav")
    assert (tmp_path / "own.wav").read_bytes() == (tmp_path / "speech.wav").read_bytes()
    assert "speech.wav" in capsys.readouterr().out


def test_a_sound_that_can_not_be_saved_says_so(tmp_path) -> None:
    with pytest.raises(OSError, match="open"):
        sounds.save(Sound(np.zeros(10, np.float32), 16_000), tmp_path / "no" / "such" / "folder.wav")
