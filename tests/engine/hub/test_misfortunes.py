"""What else can go wrong between the Hub and this machine: nothing corrupt can be loaded, and it is said what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest

from tests.engine.hub.test_fetch import Watched
from tests.hub_server import Fault, HubServer, checkpoint_files
from workbench.engine import hub
from workbench.engine.errors import CheckpointError, NetworkError, UnsafeRefused, WorkbenchError
from workbench.engine.hub import network
from workbench.engine.task import Cancelled

_FOR_EVER = 10**6


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between two tries, in seconds, none of which is made."""
    found: list[float] = []
    monkeypatch.setattr(network, "pause", lambda task, seconds: found.append(seconds))
    return found


def nothing_to_load(cache: Path) -> bool:
    """Whether no snapshot has appeared and nothing counts as complete."""
    return not list(cache.rglob("snapshots/*")) and not any(each.complete for each in hub.local_checkpoints())


def test_a_private_repository_is_there_for_its_token_alone(
    server: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("someone/private", checkpoint_files()).private = "hf_right"
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for token in (None, "hf_wrong"):
        if token:
            monkeypatch.setenv("HF_TOKEN", token)
        for ask in (hub.look, hub.download):
            with pytest.raises(NetworkError, match="misspelt or private") as caught:
                ask("someone/private")
            assert "If it is private" in caught.value.remedy and "hf_wrong" not in str(caught.value)
    assert nothing_to_load(cache)
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert hub.download("someone/private").complete


@pytest.mark.parametrize("status", [401, 403, 404, 418, 500, 502, 503, 504])
def test_a_file_that_is_refused_leaves_nothing_to_load(
    server: HubServer, cache: Path, pauses: list[float], status: int
) -> None:
    files = checkpoint_files()
    server.add("someone/tiny", files)
    server.faults["model.safetensors"] = [Fault(status, times=_FOR_EVER)]
    with pytest.raises(NetworkError) as caught:
        hub.download("someone/tiny")
    assert caught.value.why and caught.value.remedy and nothing_to_load(cache)
    # How many of the other files had come by then is chance.
    blobs = cache / "models--someone--tiny" / "blobs"
    came = [path for path in blobs.iterdir() if path.suffix != ".incomplete"]
    server.faults.clear()
    server.sent.clear()
    made = hub.download("someone/tiny")
    sent = {name for name, *_ in server.sent}
    assert made.complete and "model.safetensors" in sent
    assert len(sent) == len(list(made.path.iterdir())) - len(came), "what had come is not fetched twice"


@pytest.mark.parametrize(
    ("said", "waits"),
    [("7", 7.5), ("0", 0.5), ("86400", 60.5), ("Wed, 21 Oct 2026 07:28:00 GMT", 5.0), ("-3", 5.0), ("", 5.0)],
)
def test_too_many_requests_are_waited_out_as_long_as_the_hub_says(
    server: HubServer, pauses: list[float], said: str, waits: float
) -> None:
    server.add("someone/tiny", checkpoint_files())
    server.faults["model.safetensors"] = [Fault(429, retry_after=said)]
    assert hub.download("someone/tiny").complete
    assert pauses == [waits]


def test_too_many_requests_for_ever_are_given_up(server: HubServer, cache: Path, pauses: list[float]) -> None:
    server.add("someone/tiny", checkpoint_files())
    server.faults["model.safetensors"] = [Fault(429, times=_FOR_EVER, retry_after="11")]
    with pytest.raises(NetworkError, match="too many requests") as caught:
        hub.download("someone/tiny")
    assert "Wait 11 seconds" in caught.value.remedy and len(pauses) < 10 and nothing_to_load(cache)


@pytest.mark.parametrize(
    ("said", "words"), [("30", "30 seconds"), ("soon", "some minutes"), ("9" * 50, "some minutes")]
)
def test_a_search_that_comes_too_often_is_told_when_to_come_again(server: HubServer, said: str, words: str) -> None:
    server.status["/api/models"] = (429, {"Retry-After": said})
    with pytest.raises(NetworkError, match="too many requests") as caught:
        hub.search("x")
    assert f"Wait {words}" in caught.value.remedy


def test_a_reset_at_every_tenth_is_taken_up_over_as_many_starts(server: HubServer, pauses: list[float]) -> None:
    files = checkpoint_files(1_000_000)
    server.add("someone/tiny", files)
    size = len(files["model.safetensors"])
    server.faults["model.safetensors"] = [Fault("reset", after=size * tenth // 10) for tenth in range(1, 10)]
    made = hub.download("someone/tiny")
    assert (made.path / "model.safetensors").read_bytes() == files["model.safetensors"] and hub.verify(made).whole


def test_a_trickle_arrives_and_can_be_stopped_on_the_way(server: HubServer) -> None:
    files = checkpoint_files(60_000)
    server.add("someone/tiny", files)
    server.faults["model.safetensors"] = [Fault("trickle", times=2)]
    with pytest.raises(Cancelled):
        hub.download("someone/tiny", task=Watched(stop_at=20_000))
    came = sum(server.bytes_of(name) for name in files)
    assert came < 60_000, "it was stopped on the way"
    made = hub.download("someone/tiny")
    assert (made.path / "model.safetensors").read_bytes() == files["model.safetensors"]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("more", [1, 5000])
def test_a_file_shorter_than_the_hub_says_is_refused(server: HubServer, cache: Path, more: int, ranges: bool) -> None:
    files = checkpoint_files()
    repo = server.add("someone/short", files)
    repo.sizes = {"model.safetensors": len(files["model.safetensors"]) + more}
    if not ranges:
        server.faults["model.safetensors"] = [Fault("whole", times=_FOR_EVER)]
    with pytest.raises(CheckpointError, match="where the Hub names"):
        hub.download("someone/short")
    assert nothing_to_load(cache) and len(server.paths("/cdn/")) <= 3


def test_a_file_longer_than_the_hub_says_is_refused(server: HubServer, cache: Path, pauses: list[float]) -> None:
    files = checkpoint_files()
    repo = server.add("someone/long", files)
    repo.sizes = {"model.safetensors": len(files["model.safetensors"]) - 1}
    with pytest.raises(WorkbenchError) as caught:
        hub.download("someone/long")
    assert caught.value.remedy and nothing_to_load(cache)


@pytest.mark.parametrize("body", [b'[{"id": "a/b"', b'{"id": "a/b", "siblings": [', b"", b"\xff\xfe", b"null", b'"x"'])
@pytest.mark.parametrize("ask", [hub.search, hub.look, hub.download, hub.offered, hub.with_code])
def test_json_that_breaks_off_is_refused(
    server: HubServer, cache: Path, ask: Callable[[str], object], body: bytes
) -> None:
    server.add("a/b", checkpoint_files())
    server.bodies["/api/models"] = body
    with pytest.raises(NetworkError) as caught:
        ask("a/b")
    assert caught.value.why and caught.value.remedy and nothing_to_load(cache)


def test_a_server_that_hangs_is_left_in_time(
    server: HubServer, cache: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "PATIENCE", 0.3)
    huggingface_hub.close_session()
    monkeypatch.setattr(network, "_ready", False)
    server.add("someone/tiny", checkpoint_files())
    server.faults["model.safetensors"] = [Fault("stall", after=1000, times=_FOR_EVER)]
    with pytest.raises(NetworkError, match="did not answer in time") as caught:
        hub.download("someone/tiny")
    assert "try again" in caught.value.remedy and nothing_to_load(cache)


def test_a_file_that_is_sent_on_for_ever_is_left(server: HubServer, cache: Path, pauses: list[float]) -> None:
    server.add("someone/tiny", checkpoint_files())
    server.faults["model.safetensors"] = [Fault("loop", times=_FOR_EVER)]
    with pytest.raises(NetworkError, match="on to itself"):
        hub.download("someone/tiny")
    assert nothing_to_load(cache) and len(server.paths("/cdn/")) < 100


def test_a_config_nested_a_hundred_thousand_deep_is_said(server: HubServer) -> None:
    server.add("a/deep", {**checkpoint_files(), "config.json": b'{"a":' * 100_000})
    found = hub.look("a/deep")
    assert found.facts is None and "nested deeper" in found.wrong and found.card.startswith("# A card")


@pytest.mark.parametrize("name", ["../out.py", "/tmp/out.py", "a\x07b.py", "a\nb.py", "C:\\out.py", "a\u202eyp.b.py"])
def test_no_name_of_code_leads_out_or_steers_a_terminal(server: HubServer, cache: Path, name: str) -> None:
    server.add("a/own", {**checkpoint_files(), name: b""})
    names = hub.with_code("a/own")
    assert name not in names and "modeling.py" in names
    shown = {file.name for file in hub.look("a/own").files}
    assert not any(letter in text for text in shown for letter in "\x07\n\u202e")
    made = hub.download("a/own", names=names)
    assert all(path.resolve().is_relative_to(cache) for path in made.path.rglob("*"))
    assert not list(cache.parent.rglob("*out*"))


def test_a_lying_header_from_the_hub_is_refused_when_it_is_loaded(server: HubServer) -> None:
    from workbench.engine.models import load

    head = json.dumps({"weight": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}).encode()
    lie = len(head).to_bytes(8, "little") + head + bytes(400)
    server.add("a/liar", {**checkpoint_files(), "model.safetensors": lie})
    made = hub.download("a/liar")
    with pytest.raises(CheckpointError) as caught:
        load(made)
    assert caught.value.why and caught.value.remedy


def test_a_repository_of_pickles_alone_is_not_fetched_unasked_and_opens_nothing(
    server: HubServer, cache: Path, tmp_path: Path
) -> None:
    from workbench.engine.models import load
    from workbench.engine.trust import ConsentNeeded

    made_by = tmp_path / "made by a pickle"
    evil = b"cos\nmkdir\n(V" + str(made_by).encode() + b"\ntR."
    config = checkpoint_files()["config.json"]
    server.add("a/pickled", {"config.json": config, "pytorch_model.bin": evil})
    with pytest.raises(UnsafeRefused, match="pickles"):
        hub.download("a/pickled")
    made = hub.download("a/pickled", names=("config.json", "pytorch_model.bin"))
    with pytest.raises(ConsentNeeded):
        load(made)
    assert not made_by.exists()


def test_a_mirror_behind_a_proxy_is_reached_through_it(
    server: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is the proxy here: it is asked for addresses whose host nobody could look up."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    huggingface_hub.close_session()
    files = checkpoint_files()
    server.add("someone/tiny", files, downloads=1)
    assert [row.repo_id for row in hub.search("tiny")] == ["someone/tiny"]
    made = hub.download("someone/tiny")
    assert (made.path / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert all(path.startswith(("http://hub.example/", "http://localhost:")) for path in server.paths())
