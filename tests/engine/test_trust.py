"""Nothing of a stranger runs before a person has agreed to exactly that; and pickles give tensors alone even then."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.engine import trust
from workbench.engine.errors import CheckpointError, NotSupported, OutOfSpace, UnsafeRefused, WorkbenchError
from workbench.engine.facts import describe
from workbench.engine.models import load
from workbench.engine.task import Progress, Silent
from workbench.engine.trust import ConsentNeeded
from workbench.engine.values import Checkpoint

_CODE = """import os
import torch
from transformers import PreTrainedConfig, PreTrainedModel

open(os.environ["RAN"], "w").close()


class OwnConfig(PreTrainedConfig):
    model_type = "own"


class OwnModel(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.line = torch.nn.Linear(2, 2)
        self.post_init()

    def forward(self, x):
        return self.line(x)
"""


@pytest.fixture
def ran(tmp_path: Path, workbench_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that exists once the code of the checkpoint has run."""
    monkeypatch.setenv("RAN", str(tmp_path / "ran"))
    return tmp_path / "ran"


@pytest.fixture
def own(tmp_path: Path, ran: Path) -> Checkpoint:
    """A checkpoint whose architecture is code of its own."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path / "own"
    folder.mkdir()
    auto_map = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    config = {"model_type": "own", "architectures": ["OwnModel"], "auto_map": auto_map}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(_CODE)
    weights = {"line.weight": torch.eye(2), "line.bias": torch.zeros(2)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return Checkpoint("someone/own", folder, source="hub", revision="a" * 40)


def asked(checkpoint: Checkpoint) -> trust.Request:
    with pytest.raises(ConsentNeeded) as caught:
        load(checkpoint)
    assert isinstance(caught.value, UnsafeRefused) and caught.value.remedy
    return caught.value.request


def test_own_code_runs_only_after_consent(own: Checkpoint, ran: Path) -> None:
    request = asked(own)
    assert not ran.exists()
    (shown,) = request.files
    assert (shown.name, shown.text) == ("own.py", _CODE)
    assert (request.repository, request.commit) == ("someone/own", "a" * 40)
    trust.give(request)
    model = load(own)
    assert ran.exists() and type(model.model).__name__ == "OwnModel" and model.missing == ()
    trust.withdraw(request)
    assert asked(own) == request


@pytest.mark.parametrize("change", ["commit", "repository", "content", "another file", "name", "auto_map"])
def test_any_change_asks_again(own: Checkpoint, ran: Path, change: str) -> None:
    trust.give(asked(own))
    if change == "commit":
        own = replace(own, revision="b" * 40)
    elif change == "repository":
        own = replace(own, name="someone/else")
    elif change == "content":
        (own.path / "own.py").write_text(_CODE + "\n")
    elif change == "another file":
        (own.path / "more.py").write_text("")
    elif change == "name":
        (own.path / "own.py").rename(own.path / "own2.py")
    else:
        config = json.loads((own.path / "config.json").read_text())
        config["auto_map"]["AutoModel"] = "own.Other"
        (own.path / "config.json").write_text(json.dumps(config))
    asked(own)
    assert not ran.exists()


def test_a_folder_is_told_apart_by_its_path(own: Checkpoint) -> None:
    request = trust.code_of(replace(own, source="folder", revision=None))
    assert request.repository == str(own.path) and request.commit == ""


def test_code_elsewhere_or_too_much_of_it_is_refused(own: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.loads((own.path / "config.json").read_text())
    elsewhere = {**config, "auto_map": {"AutoModel": "other/repo--own.OwnModel"}}
    (own.path / "config.json").write_text(json.dumps(elsewhere))
    with pytest.raises(UnsafeRefused, match="another repository"):
        load(own)
    (own.path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(trust, "FILE_LIMIT", 10)
    with pytest.raises(UnsafeRefused, match="more code"):
        load(own)
    (own.path / "own.py").unlink()
    with pytest.raises(UnsafeRefused, match="not here"):
        load(own)


class _Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def pickled(checkpoint: Checkpoint, folder: Path, extra: object = None) -> Checkpoint:
    """The checkpoint with ``pytorch_model.bin`` in place of its safetensors."""
    import torch
    from safetensors.torch import load_file

    shutil.copytree(checkpoint.path, folder)
    weights: dict[str, object] = dict(load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").unlink()
    if extra is not None:
        weights["extra"] = extra
    torch.save(weights, folder / "pytorch_model.bin")
    return Checkpoint("someone/pickled", folder)


def test_a_pickle_is_opened_only_after_consent_and_for_that_file(
    tiny_llama: Checkpoint, tmp_path: Path, workbench_data: Path
) -> None:
    checkpoint = pickled(tiny_llama, tmp_path / "pickled")
    request = asked(checkpoint)
    assert request.kind == "pickle" and request.files == (trust.Shown("pytorch_model.bin", "", ()),)
    trust.give(request)
    assert load(checkpoint).missing == ()
    with (checkpoint.path / "pytorch_model.bin").open("ab") as file:
        file.write(b"\0")
    assert asked(checkpoint).sha256 != request.sha256


def test_a_pickle_that_would_act_is_named_and_never_acts(
    tiny_llama: Checkpoint, tmp_path: Path, workbench_data: Path
) -> None:
    made = tmp_path / "made by a pickle"
    checkpoint = pickled(tiny_llama, tmp_path / "evil", _Evil(made))
    request = asked(checkpoint)
    assert any("mkdir" in finding.what for file in request.files for finding in file.findings)
    trust.give(request)
    with pytest.raises(WorkbenchError) as caught:
        load(checkpoint)
    assert caught.value.why and not made.exists()


def test_a_bare_pickle_never_acts(tiny_llama: Checkpoint, tmp_path: Path, workbench_data: Path) -> None:
    made = tmp_path / "made by a pickle"
    checkpoint = pickled(tiny_llama, tmp_path / "bare")
    (checkpoint.path / "pytorch_model.bin").write_bytes(b"cos\nmkdir\n(V" + str(made).encode() + b"\ntR.")
    request = asked(checkpoint)
    assert request.files[0].findings
    trust.give(request)
    with pytest.raises(WorkbenchError):
        load(checkpoint)
    assert not made.exists()


@pytest.mark.parametrize("text", ["", "[", "{}", '[1, {"kind": "code"}]', "[" * 100_000])
def test_rubbish_among_the_consents_allows_nothing(own: Checkpoint, ran: Path, workbench_data: Path, text: str) -> None:
    request = asked(own)
    workbench_data.mkdir(parents=True, exist_ok=True)
    (workbench_data / "consents.json").write_text(text)
    assert not trust.given(request)
    asked(own)
    assert not ran.exists()


def lying(tensors: dict[str, object], data: bytes = b"\0" * 64) -> bytes:
    head = json.dumps(tensors).encode()
    return struct.pack("<Q", len(head)) + head + data


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 90 * 2**20) + b"{}",
        lying({"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 64]}}),
        lying({"a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 10**15]}}),
        lying({"a": {"dtype": "F32", "shape": [16], "data_offsets": [64, 0]}}),
        lying({"a": {"dtype": "F32", "shape": [-16], "data_offsets": [-64, 0]}}),
        lying({"a": {"dtype": "F99", "shape": [16], "data_offsets": [0, 64]}}),
        lying({"a": {"dtype": "F32", "shape": "x", "data_offsets": ["a", "b"]}}),
        struct.pack("<Q", 100_000) + b"[" * 100_000,
    ],
    ids=["2**63", "90 MB", "shape", "beyond", "backwards", "negative", "dtype", "words", "deep"],
)
def test_a_safetensors_header_that_lies_is_refused(tiny_llama: Checkpoint, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(tiny_llama.path, tmp_path / "liar")
    (tmp_path / "liar" / "model.safetensors").write_bytes(content)
    checkpoint = Checkpoint("liar", tmp_path / "liar")
    assert sum(count for _, count in describe(checkpoint).stored) <= 64
    with pytest.raises(CheckpointError) as caught:
        load(checkpoint)
    assert caught.value.why and caught.value.remedy


def test_a_config_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(CheckpointError, match="too large"):
        load(Checkpoint("large", tmp_path))


def test_a_config_nested_deep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a":' * 100_000)
    with pytest.raises(CheckpointError, match="nested deeper"):
        load(Checkpoint("deep", tmp_path))


class _Swaps(Silent):
    """Puts something else into a file as soon as it was looked at and agreed to."""

    def __init__(self, file: Path, content: bytes) -> None:
        self._file, self._content, self.done = file, content, False

    def report(self, progress: Progress) -> None:
        if progress.note == "importing transformers":
            self._file.write_bytes(self._content)
            self.done = True


def test_the_code_that_runs_is_the_code_that_was_agreed_to(own: Checkpoint, ran: Path, tmp_path: Path) -> None:
    # Code that another test has run is not run again.
    mine = _CODE + "\n# of this test\n"
    (own.path / "own.py").write_text(mine)
    trust.give(asked(own))
    evil = mine.replace('os.environ["RAN"]', 'os.environ["RAN"] + " evil"')
    task = _Swaps(own.path / "own.py", evil.encode())
    model = load(own, task=task)
    assert task.done and (own.path / "own.py").read_text() == evil
    assert ran.exists() and not ran.with_name("ran evil").exists()
    assert model.model.config.name_or_path == model.model.name_or_path == str(own.path)
    asked(own)


def test_the_settings_that_name_what_runs_are_those_that_were_agreed_to(own: Checkpoint, ran: Path) -> None:
    trust.give(asked(own))
    config = json.loads((own.path / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.Other"}
    model = load(own, task=_Swaps(own.path / "config.json", json.dumps(config).encode()))
    assert type(model.model).__name__ == "OwnModel"


def test_code_that_only_the_tokenizer_names_is_asked_for_too(own: Checkpoint, ran: Path) -> None:
    request = asked(own)
    trust.give(request)
    settings = {"auto_map": {"AutoTokenizer": ["own.OwnTokenizer", None]}}
    (own.path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert asked(own).sha256 != request.sha256
    settings = {"auto_map": {"AutoTokenizer": ["other/repo--own.OwnTokenizer", None]}}
    (own.path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UnsafeRefused, match="another repository"):
        load(own)
    assert not ran.exists()


def test_modules_that_import_one_another_run_from_the_private_copy(own: Checkpoint, ran: Path) -> None:
    code = _CODE.replace('open(os.environ["RAN"], "w").close()\n', "from .parts import SIZE\n").replace(
        "torch.nn.Linear(2, 2)", "torch.nn.Linear(SIZE, SIZE)"
    )
    (own.path / "own.py").write_text(code)
    (own.path / "parts.py").write_text('import os\nopen(os.environ["RAN"], "w").close()\nSIZE = 2\n')
    trust.give(asked(own))
    model = load(own)
    place = Path(sys.modules[type(model.model).__module__].__file__ or "")
    assert ran.exists() and not place.is_relative_to(own.path)
    assert place.stat().st_uid == os.getuid()
    private = next(parent for parent in place.parents if parent.name.startswith("workbench-"))
    assert private.stat().st_mode & 0o777 == 0o700


def test_the_pickle_that_is_opened_is_the_one_that_was_agreed_to(
    tiny_llama: Checkpoint, tmp_path: Path, workbench_data: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    checkpoint = pickled(tiny_llama, tmp_path / "pickled")
    trust.give(asked(checkpoint))
    file = checkpoint.path / "pytorch_model.bin"
    other = {name: weight + 1 for name, weight in load_file(tiny_llama.path / "model.safetensors").items()}
    torch.save(other, tmp_path / "other.bin")
    task = _Swaps(file, (tmp_path / "other.bin").read_bytes())
    model, plain = load(checkpoint, task=task), load(tiny_llama)
    assert task.done
    for name, weight in plain.model.state_dict().items():
        assert torch.equal(model.model.state_dict()[name], weight)
    assert not list(workbench_data.glob(".opened-*")), "the private copy is gone"


def test_a_pickle_without_room_for_its_private_copy_is_not_opened(
    tiny_llama: Checkpoint, tmp_path: Path, workbench_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = pickled(tiny_llama, tmp_path / "pickled")
    trust.give(asked(checkpoint))
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(OutOfSpace, match="private copy"):
        load(checkpoint)


@pytest.mark.parametrize("name", ["../other.bin", "/tmp/other.bin", "pytorch_model-2.bin", 5, None])
def test_an_index_of_pickles_names_nothing_else(
    tiny_llama: Checkpoint, tmp_path: Path, workbench_data: Path, name: object
) -> None:
    checkpoint = pickled(tiny_llama, tmp_path / "pickled")
    index = {"weight_map": {"lm_head.weight": name}} if name is not None else []
    (checkpoint.path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="index names"):
        load(checkpoint)


def test_an_adapter_with_code_of_its_own_runs_none_of_its_base(
    own: Checkpoint, ran: Path, tiny_llama: Checkpoint
) -> None:
    (own.path / "model.safetensors").rename(own.path / "adapter_model.safetensors")
    about = {"peft_type": "LORA", "base_model_name_or_path": str(tiny_llama.path)}
    (own.path / "adapter_config.json").write_text(json.dumps(about))
    trust.give(asked(own))
    with pytest.raises(NotSupported, match="code of its own"):
        load(own)
    assert not ran.exists()


def test_the_private_copy_of_a_load_that_was_killed_is_removed_at_the_next_load(
    tiny_llama: Checkpoint, workbench_data: Path
) -> None:
    held, killed = workbench_data / ".opened-held", workbench_data / ".opened-killed"
    program = (
        "import sys, pathlib\n"
        "from workbench.engine import paths\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "folder.mkdir(parents=True)\n"
        "(folder / 'pytorch_model.bin').write_bytes(b'weights')\n"
        "with paths.claim(folder):\n"
        "    print('claimed', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    loads = [
        subprocess.Popen([sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for folder in (held, killed)
    ]
    try:
        assert [each.stdout.readline() for each in loads if each.stdout] == [b"claimed\n"] * 2
        loads[1].kill()
        loads[1].wait()
        assert killed.is_dir(), "what is killed cleans nothing up"
        load(tiny_llama)
        assert not killed.exists()
        assert (held / "pytorch_model.bin").read_bytes() == b"weights", "another process still reads from it"
    finally:
        for each in loads:
            each.kill()
            each.communicate()
    load(tiny_llama)
    assert not held.exists()
