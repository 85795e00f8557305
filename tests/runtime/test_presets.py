"""Saved presets come back as they were; what is damaged is kept aside, and the rest is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from workbench.engine import paths
from workbench.engine.errors import WorkbenchError
from workbench.engine.values import Sampling, Strategy, Watermark
from workbench.runtime.presets import Preset, Presets

SAMPLING = Sampling(
    do_sample=False,
    temperature=0.1 + 0.2,
    top_k=7,
    seed=99,
    bad_words_ids=((5, 6), (7,)),
    sequence_bias=(((1, 2), -2.5), ((3,), 4.0)),
    suppress_tokens=(1, 3),
    forced_eos_token_id=2,
    exponential_decay_length_penalty=(10, 1.05),
    remove_invalid_values=True,
    watermarking_config=Watermark("synthid", keys=(3, 4)),
)
STRATEGY = Strategy(
    num_beams=4,
    early_stopping="never",
    negative_prompt="Ärger 😀",
    stop_strings=("\n\n", "\\"),
    eos_token_ids=(2, 3),
    assistant_early_exit=4,
    use_mtp=True,
    token_healing=True,
)


@pytest.fixture
def file(qapp: QApplication, tmp_path: Path) -> Path:
    return tmp_path / "below" / "presets.json"


def test_every_field_but_the_seed_survives_a_restart(file: Path) -> None:
    presets = Presets(file)
    presets.save("Ünder beams", SAMPLING, STRATEGY)
    presets.save("All defaults", Sampling(), Strategy())
    (defaults, mine) = Presets(file).saved
    assert defaults == Preset("All defaults", Sampling(), Strategy())
    assert mine.name == "Ünder beams"
    assert mine.strategy == STRATEGY
    assert mine.sampling == Presets(file).saved[1].sampling
    assert mine.sampling.seed == 0 and mine.sampling.temperature == 0.1 + 0.2
    assert mine.sampling.sequence_bias == SAMPLING.sequence_bias


def test_a_name_is_taken_once_and_can_be_deleted(file: Path) -> None:
    presets = Presets(file)
    told = []
    presets.changed.connect(lambda: told.append(len(presets.saved)))
    presets.save("cold", Sampling(temperature=0.2), Strategy())
    presets.save("cold", Sampling(temperature=0.3), Strategy())
    assert [each.sampling.temperature for each in Presets(file).saved] == [0.3]
    presets.delete("cold")
    assert Presets(file).saved == ()
    assert told == [1, 1, 0]


def test_they_lie_in_the_data_folder(qapp: QApplication, workbench_data: Path) -> None:
    Presets().save("cold", Sampling(), Strategy())
    assert (paths.data_dir() / "presets.json").is_file()
    assert [path.name for path in workbench_data.iterdir()] == ["presets.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"presets": 3}', b"[" * 100_000, b"null"])
def test_a_file_that_is_no_list_of_presets_gives_none_and_is_kept(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    presets = Presets(file)
    assert presets.saved == ()
    assert presets.trouble is not None and "presets-damaged-1.json" in presets.trouble.remedy
    presets.save("cold", Sampling(), Strategy())
    assert (file.parent / "presets-damaged-1.json").read_bytes() == content
    assert [each.name for each in Presets(file).saved] == ["cold"]
    assert Presets(file).trouble is None


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("sampling", "temperature", "hot"),
        ("sampling", "temperature", -1.0),
        ("sampling", "temperature", 1e999),
        ("sampling", "top_k", True),
        ("sampling", "do_sample", 1),
        ("sampling", "bad_words_ids", [["fox"]]),
        ("sampling", "sequence_bias", [[[1], "much"]]),
        ("sampling", "suppress_tokens", [-1]),
        ("sampling", "exponential_decay_length_penalty", [1]),
        ("strategy", "num_beams", 0),
        ("strategy", "early_stopping", "soon"),
        ("strategy", "stop_strings", "ab"),
        ("strategy", "negative_prompt", None),
    ],
)
def test_a_preset_with_a_wrong_value_is_left_out_and_the_others_are_there(
    file: Path, part: str, field: str, value: object
) -> None:
    presets = Presets(file)
    for name in ("bad", "good"):
        presets.save(name, SAMPLING, STRATEGY)
    content = json.loads(file.read_bytes())
    content["presets"][0][part][field] = value
    file.write_text(json.dumps(content))
    presets = Presets(file)
    assert [each.name for each in presets.saved] == ["good"]
    assert presets.trouble is not None and "bad" in presets.trouble.why
    assert (file.parent / "presets-damaged-1.json").read_bytes() == file.read_bytes()
    Presets(file)
    assert len(list(file.parent.iterdir())) == 2, "the same damage is kept once"


def test_what_a_newer_version_wrote_beside_is_passed_over(file: Path) -> None:
    Presets(file).save("cold", SAMPLING, STRATEGY)
    content = json.loads(file.read_bytes())
    content["presets"][0]["sampling"]["mirostat"] = 2
    file.write_text(json.dumps(content))
    presets = Presets(file)
    assert presets.trouble is None
    assert presets.saved[0].strategy == STRATEGY


def test_a_file_that_cannot_be_written_is_told_and_changes_nothing(file: Path) -> None:
    file.parent.write_text("a file where the folder should be")
    presets = Presets(file)
    with pytest.raises(WorkbenchError, match="could not be saved"):
        presets.save("cold", Sampling(), Strategy())
    assert presets.saved == ()
