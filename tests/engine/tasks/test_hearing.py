"""What hears beside a text, below its head, or as a part of something larger does what the library has it do."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tests import tiny_hearing, tiny_kinds, tiny_pictured, tiny_tasks
from tests.engine.tasks.test_raw_inputs import loaded
from workbench.engine import codegen, inside, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.inside import senses
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import processors, sounds
from workbench.engine.values import Checkpoint, Chunk, TaskInput, TaskOptions, TaskResult

ASR = "automatic-speech-recognition"
FLAMINGOS = ("audioflamingo3", "musicflamingo")
#: What is read and heard at once below a head.
BODIES = ("audioflamingo3", "glmasr", "qwen2_audio")


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A sound of a length that no encoder counts in."""
    return tiny_tasks.sound(tmp_path, 16_333 / 16_000)


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    with torch.random.fork_rng():
        exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return names


def forwarded(result: TaskResult) -> dict[str, torch.Tensor]:
    return {view.name: torch.from_numpy(view.values) for view in result.stages[1].tensors if view.values is not None}


def raw(model: LoadedModel, given: TaskInput, seed: int = 0) -> dict[str, torch.Tensor]:
    """What comes out of a model; its script has to give the same."""
    options = TaskOptions(seed=seed)
    found = forwarded(tasks.run(model, "raw-outputs", given, options))
    told = script(model, "raw-outputs", given, options)["result"]
    assert set(told) == set(found)
    for name, tensor in found.items():
        torch.testing.assert_close(told[name].to(tensor.dtype), tensor, equal_nan=True)
    return found


@pytest.mark.parametrize("kind", FLAMINGOS)
def test_flamingos_answer_about_a_sound_as_their_documentation_does(tmp_path, odd, kind, capsys) -> None:
    model = load(tiny_hearing.build(tmp_path / kind, kind), device="cpu")
    assert tasks.infer(model.facts) == "any-to-any" and tasks.supports(model, "any-to-any")
    assert tasks.architecture(model.facts)[0] == "decoder"
    # It sees nothing, so that it is given no picture.
    assert {name for name, _ in tasks.spec("any-to-any", model).inputs} == {"text", "audio"}
    given, options = TaskInput("What is it?", audio=odd), TaskOptions(max_new_tokens=5, do_sample=False)
    result = tasks.run(model, "any-to-any", given, options)
    samples = soundfile.read(odd, dtype="float32")[0]
    content = [{"type": "audio", "audio": samples}, {"type": "text", "text": given.text}]
    told = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    inputs = processors.processor(model).apply_chat_template([{"role": "user", "content": content}], **told)
    with torch.inference_mode():
        ids = model.model.generate(**inputs, max_new_tokens=5, do_sample=False, pad_token_id=0)
    text = model.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert result.items == (text,) and text
    assert script(model, "any-to-any", given, options)["result"] == text
    capsys.readouterr()


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_reads_the_text_that_the_sound_stands_in(tmp_path, odd, kind, capsys) -> None:
    whole = tmp_path / kind
    checkpoint = tiny_hearing.build(whole, kind) if kind != "qwen2_audio" else tiny_kinds.build(whole, "any-to-any")
    model = load(tiny_hearing.bodies(tmp_path / "body", checkpoint), device="cpu")
    assert model.head == "AutoModel" and tasks.infer(model.facts) == "raw-outputs"
    assert tasks.architecture(model.facts)[0] == "decoder"
    example = tasks.example("raw-outputs", model)
    assert example.text and example.audio is not None
    given = TaskInput("What is it?", audio=odd)
    samples = soundfile.read(odd, dtype="float32")[0]
    content = [{"type": "audio", "audio": samples}, {"type": "text", "text": given.text}]
    told = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    inputs = processors.processor(model).apply_chat_template([{"role": "user", "content": content}], **told)
    with torch.inference_mode():
        expected = model.model(**inputs).last_hidden_state
    torch.testing.assert_close(raw(model, given)["last_hidden_state"], expected)
    capsys.readouterr()


@pytest.mark.parametrize("language", ["", "English"])
def test_an_aligner_says_when_each_word_was_said(tmp_path, odd, language, capsys) -> None:
    model = load(tiny_hearing.build(tmp_path / "aligner", "aligner"), device="cpu")
    assert model.head == "AutoModelForTokenClassification"
    assert tasks.infer(model.facts) == ASR and tasks.supports(model, ASR)
    assert {name for name, _ in tasks.spec(ASR, model).inputs} == {"audio", "text"}
    given, options = TaskInput("The fox, she jumps.", audio=odd), TaskOptions(source_language=language)
    result = tasks.run(model, ASR, given, options)
    reader = processors.processor(model)
    samples = soundfile.read(odd, dtype="float32")[0]
    inputs, words = reader.prepare_forced_aligner_inputs(
        audio=samples, transcript=given.text, language=language or None
    )
    with torch.inference_mode():
        logits = model.model(**inputs).logits
    marks = {"word_lists": words, "timestamp_token_id": model.model.config.timestamp_token_id}
    (found,) = reader.decode_forced_alignment(logits=logits, input_ids=inputs["input_ids"], **marks)
    expected = [(each["text"], each["start_time"], each["end_time"]) for each in found]
    assert [each[0] for each in expected] == ["The", "fox", "she", "jumps"]
    assert result.items == (given.text, *(Chunk(*each) for each in expected))
    assert script(model, ASR, given, options)["result"] == expected
    looked = senses.take(model, given)
    with torch.inference_mode():
        states = model.model(**inputs, output_hidden_states=True).hidden_states
    (part,) = inside.look(model, looked).parts
    np.testing.assert_allclose(part.norms, [state[0].norm(dim=-1).numpy() for state in states], rtol=1e-5)
    capsys.readouterr()


@pytest.mark.parametrize(("text", "language", "says"), [
    ("", "", "empty"), ("…!", "", "not spoken"), ("a fox", "Klingon", "Klingon"),
])  # fmt: skip
def test_a_transcript_without_words_or_in_an_unknown_language_is_refused(tmp_path, odd, text, language, says) -> None:
    model = load(tiny_hearing.build(tmp_path / "aligner", "aligner"), device="cpu")
    with pytest.raises(InputError, match=says) as caught:
        tasks.run(model, ASR, TaskInput(text, audio=odd), TaskOptions(source_language=language))
    assert caught.value.remedy


def test_an_aligner_whose_template_has_no_marks_for_times_says_so(tmp_path, odd) -> None:
    checkpoint = tiny_hearing.build(tmp_path / "aligner", "aligner")
    template = checkpoint.path / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|im_end|><|im_end|>", ""))
    with pytest.raises(NotSupported, match="0 marks for times, and 2 words want 4"):
        tasks.run(load(checkpoint, device="cpu"), ASR, TaskInput("a fox", audio=odd))


def test_what_streams_hears_a_sound_of_any_length(tmp_path, odd, capsys) -> None:
    """Its encoder counts in 80 samples; its processor fills the rest up."""
    from transformers import AutoProcessor

    model = load(tiny_hearing.build(tmp_path / "m", "moonshine_streaming"), device="cpu")
    given, options = TaskInput(audio=odd), TaskOptions(max_new_tokens=6)
    result = tasks.run(model, ASR, given, options)
    inputs = AutoProcessor.from_pretrained(model.checkpoint.path)(audio=soundfile.read(odd, dtype="float32")[0])
    assert inputs["input_values"].shape == (1, 16_400)
    with torch.inference_mode():
        ids = model.model.generate(**inputs, max_new_tokens=6, do_sample=False)
    assert result.items == (model.tokenizer.decode(ids[0], skip_special_tokens=True),)
    assert script(model, ASR, given, options)["result"]["text"] == result.items[0]
    capsys.readouterr()


def test_the_noise_of_a_vocoder_follows_the_seed(tmp_path, odd, capsys) -> None:
    import transformers as t

    small = {"resblock_kernel_sizes": [3], "resblock_stride_sizes": [4], "resblock_dilation_sizes": [[1]]}
    config = t.UnivNetConfig(**small, model_hidden_channels=4, kernel_predictor_num_blocks=1)
    extractor = t.UnivNetFeatureExtractor()
    model = loaded(tmp_path / "m", t.UnivNetModel, config, extractor)
    again = [raw(model, TaskInput(audio=odd), seed)["waveforms"] for seed in (0, 0, 1)]
    assert torch.equal(again[0], again[1]) and not torch.equal(again[0], again[2])
    made = extractor(
        sounds.resampled(sounds.read(odd), extractor.sampling_rate), sampling_rate=extractor.sampling_rate,
        generator=np.random.default_rng(1), return_tensors="pt",
    )  # fmt: skip
    with torch.inference_mode():
        torch.testing.assert_close(again[2], model.model(**made).waveforms)
    capsys.readouterr()


def test_the_part_of_a_long_sound_that_clap_hears_follows_the_seed(tmp_path, capsys) -> None:
    model = load(tiny_tasks.build_tiny_other(tmp_path / "m", "zero-shot-audio-classification"), device="cpu")
    path = tmp_path / "long.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 40 * 16_000), 16_000)
    name, given = "zero-shot-audio-classification", TaskInput(audio=path, labels=("a dog", "a tone"))
    again = [tasks.run(model, name, given, TaskOptions(seed=seed)) for seed in (3, 3, 4)]
    heard = [{view.name: view.values for view in one.stages[0].tensors}["input_features"] for one in again]
    assert np.array_equal(heard[0], heard[1]) and not np.array_equal(heard[0], heard[2])
    before = np.random.get_state()
    assert script(model, name, given, TaskOptions(seed=4))["result"] == [
        (item.label, pytest.approx(item.score, abs=1e-6)) for item in again[2].items
    ]
    np.random.set_state(before)
    capsys.readouterr()


@pytest.mark.parametrize(("kind", "seconds", "left"), [
    ("ast", 12.0, 10.24), ("ast", 5.0, 0.0), ("qwen2_audio", 3.0, 2.0), ("moonshine", 12.0, 0.0),
])  # fmt: skip
def test_a_sound_that_is_longer_than_a_model_hears_is_cut_aloud(tmp_path, kind, seconds, left) -> None:
    import transformers as t

    if kind == "ast":
        small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        config = t.ASTConfig(**small, num_mel_bins=16)
        model = loaded(tmp_path / "m", t.ASTForAudioClassification, config, t.ASTFeatureExtractor(num_mel_bins=16))
    else:
        folder = tmp_path / "m"
        audio = tiny_kinds.build(folder, "any-to-any") if kind == "qwen2_audio" else tiny_hearing.build(folder, kind)
        model = load(audio, device="cpu")
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, int(seconds * 16_000)), 16_000)
    name, options = tasks.infer(model.facts), TaskOptions(max_new_tokens=2)
    whole = tasks.run(model, name, TaskInput("hello", audio=path), options)
    assert whole.heard == pytest.approx(left)
    samples = soundfile.read(path)[0][: int((left or seconds) * 16_000) + 1_600]
    soundfile.write(path, samples, 16_000)
    part = tasks.run(model, name, TaskInput("hello", audio=path), options)
    shown, other = (
        {view.name: view.values for view in one.stages[0].tensors if view.name.startswith("input_")}
        for one in (whole, part)
    )
    assert len(shown) in (1, 2)
    for each, values in shown.items():
        assert np.array_equal(values, other[each]), each


def parts() -> dict[str, tuple[Any, Any]]:
    """Parts of larger models alone, each with what prepares a sound for it."""
    import transformers as t

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    qwen = t.AutoConfig.for_model(
        "qwen3_asr_encoder", num_mel_bins=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16,
        d_model=16, output_dim=16, downsample_hidden_size=8,
    )  # fmt: skip
    voice = t.AutoConfig.for_model(
        "vibevoice_acoustic_tokenizer_encoder", num_filters=2, depths=[1, 1], downsampling_ratios=[40], hidden_size=8
    )
    gemma = t.AutoConfig.for_model("gemma4_audio", **small, output_proj_dims=16)
    return {
        "qwen3_asr_encoder": (qwen, t.Qwen3ASRFeatureExtractor(feature_size=16, sampling_rate=16_000)),
        "vibevoice_acoustic_tokenizer_encoder": (voice, t.VibeVoiceAcousticTokenizerFeatureExtractor(
            sampling_rate=16_000, pad_to_multiple_of=40
        )),
        "gemma4_audio": (gemma, t.Gemma4AudioFeatureExtractor()),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["qwen3_asr_encoder", "vibevoice_acoustic_tokenizer_encoder", "gemma4_audio"])
def test_a_part_that_hears_runs_alone(tmp_path, odd, kind, capsys) -> None:
    from transformers import AutoModel

    config, extractor = parts()[kind]
    model = loaded(tmp_path / "m", AutoModel._model_mapping[type(config)], config, extractor)
    assert tasks.infer(model.facts) == "raw-outputs"
    example = tasks.example("raw-outputs", model)
    assert example.audio is not None and example.image is None and not example.text
    samples = soundfile.read(odd, dtype="float32")[0]
    made = extractor([samples], sampling_rate=16_000, return_attention_mask=True, return_tensors="pt")
    if kind == "vibevoice_acoustic_tokenizer_encoder":
        called = {"hidden_states": made["input_values"]}
    elif kind == "qwen3_asr_encoder":
        called = {
            "input_features": made["input_features"],
            "input_features_mask": made.get("input_features_mask", made.get("attention_mask")),
        }
    else:
        called = {"input_features": made["input_features"]}
    with torch.inference_mode():
        expected = model.model(**called)[0]
    found = raw(model, TaskInput(audio=odd))
    torch.testing.assert_close(next(iter(found.values())), expected)
    capsys.readouterr()


def test_of_what_hears_and_speaks_the_writer_is_loaded_with_its_own_weights(tmp_path) -> None:
    import transformers as t

    from tests import tiny

    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.save_pretrained(tmp_path / "m")
    kyutai = t.AutoConfig.from_pretrained(tiny_hearing.build(tmp_path / "codec", "kyutai").path)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "ffn_dim": 32, "num_codebooks": 2}
    config = t.MoshiConfig(
        **small, vocab_size=len(tokenizer), audio_vocab_size=32, max_position_embeddings=64,
        audio_encoder_config=kyutai.codec_config.to_dict(), depth_decoder_config=small,
    )  # fmt: skip
    tiny_tasks._save(t.MoshiForConditionalGeneration, config, tmp_path / "m")
    model = load(Checkpoint("m", tmp_path / "m"), device="cpu", head="AutoModelForCausalLM")
    assert not model.missing
    whole = t.MoshiForConditionalGeneration.from_pretrained(tmp_path / "m")
    ids = torch.tensor([[1, 20, 30]])
    with torch.inference_mode():
        torch.testing.assert_close(model.model(ids).logits, whole.decoder(ids).logits)


def test_what_was_published_without_its_ears_says_so(tmp_path, odd) -> None:
    """Larger ones of Gemma 4 have the processor of all, and no part that hears."""
    model = load(tiny_pictured.build(tmp_path / "m", "gemma4"), device="cpu")
    given, options = TaskInput("What is it?"), TaskOptions(max_new_tokens=2)
    assert model.model.config.audio_config is None
    assert tasks.run(model, "any-to-any", given, options).items
    with pytest.raises(NotSupported, match="no part for sounds"):
        tasks.run(model, "any-to-any", dataclasses.replace(given, audio=odd), options)


def samples_of(kind: str) -> np.ndarray:
    samples = np.sin(np.arange(16_000) / 10).astype(np.float32)
    if kind == "nan":
        samples[::100] = np.nan
        samples[1] = np.inf
    return samples


@pytest.mark.parametrize(("kind", "says"), [
    ("nan", "161 of its 16,000 samples are no numbers"), ("cut", "cut off"), ("rate", "2,147,483,647 samples"),
])  # fmt: skip
def test_a_damaged_sound_says_what_is_wrong_with_it(tmp_path, kind, says) -> None:
    path = tmp_path / "damaged.wav"
    soundfile.write(path, samples_of(kind), 16_000, subtype="FLOAT" if kind == "nan" else "PCM_24")
    content = bytearray(path.read_bytes())
    if kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    if kind == "rate":
        begins = content.index(b"fmt ") + 12
        content[begins : begins + 4] = (2**31 - 1).to_bytes(4, "little")
        path.write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        sounds.read(path)
    assert caught.value.remedy


def test_a_stream_that_was_saved_while_it_came_is_no_damaged_file(tmp_path) -> None:
    path = tmp_path / "stream.wav"
    soundfile.write(path, samples_of("whole"), 16_000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    for name in (b"RIFF", b"data"):
        begins = content.index(name) + 4
        content[begins : begins + 4] = b"\xff" * 4
    path.write_bytes(content)
    assert len(sounds.read(path).samples) == 16_000


@pytest.mark.parametrize(("subtype", "name"), [
    ("PCM_24", "a.wav"), ("FLOAT", "a.wav"), ("DOUBLE", "a.wav"), ("PCM_U8", "a.wav"), ("PCM_24", "a.flac"),
    ("OPUS", "a.ogg"), ("VORBIS", "a.ogg"), ("MPEG_LAYER_III", "a.mp3"),
])  # fmt: skip
def test_any_kind_of_file_is_the_same_sound(tmp_path, subtype, name) -> None:
    path = tmp_path / name
    soundfile.write(path, 0.5 * samples_of("whole"), 16_000, subtype=subtype)
    found = sounds.read(path)
    assert found.rate == 16_000 and len(found.samples) == pytest.approx(16_000, abs=1_200)
    loudest = np.abs(np.fft.rfft(found.samples)).argmax() * found.rate / len(found.samples)
    assert loudest == pytest.approx(16_000 / (20 * np.pi), abs=2)


@pytest.mark.parametrize(("kind", "count"), [("moonshine", 10), ("qwen2_audio", 400)])
def test_a_moment_of_sound_is_too_short(tmp_path, kind, count) -> None:
    folder = tmp_path / "m"
    build = tiny_kinds.build(folder, "any-to-any") if kind == "qwen2_audio" else tiny_hearing.build(folder, kind)
    model = load(build, device="cpu")
    path = tiny_tasks.sound(tmp_path, count / 16_000)
    name = tasks.infer(model.facts)
    with pytest.raises(InputError, match="seconds at 16,000") as caught:
        tasks.run(model, name, TaskInput("hello", audio=path), TaskOptions(max_new_tokens=2))
    assert "second" in caught.value.remedy
