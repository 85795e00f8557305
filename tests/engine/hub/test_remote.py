"""Searching and reading the Hub with the real client, and every refusal in plain words."""

from __future__ import annotations

import threading
import time

import pytest

from tests.hub_server import HubServer, checkpoint_files
from workbench.engine import hub
from workbench.engine.errors import NetworkError
from workbench.engine.task import Cancelled, Silent


def fill(server: HubServer, count: int) -> None:
    for number in range(count):
        server.add(
            f"someone/model-{number:03}",
            {},
            downloads=1000 - number,
            likes=number,
            pipeline_tag="text-generation" if number % 2 else "fill-mask",
            lastModified="2026-11-01T10:00:00.000Z",
            tags=["license:mit"],
            library_name="transformers",
            safetensors={"parameters": {"BF16": 1_000_000, "F32": 10}, "total": 1_000_010},
        )


def test_a_search_is_paged_and_lazy(server: HubServer) -> None:
    fill(server, 120)
    pages = hub.Search("model", page=50)
    first = pages.more()
    assert len(first) == 50 and len(server.requests) == 1 and not pages.finished
    assert [len(pages.more()), len(pages.more()), len(pages.more())] == [50, 20, 0]
    assert pages.finished and len(server.requests) == 3


def test_a_listing_has_what_the_table_shows(server: HubServer) -> None:
    fill(server, 3)
    row = hub.search("model-001")[0]
    assert (row.repo_id, row.task, row.parameters) == ("someone/model-001", "text-generation", 1_000_010)
    assert (row.size, row.downloads, row.likes) == (2_000_040, 999, 1)
    assert (row.updated, row.licence, row.gated) == ("2026-11-01", "mit", False)


def test_task_sort_and_limit_reach_the_server(server: HubServer) -> None:
    fill(server, 30)
    rows = hub.search(task_filter="fill-mask", sort="likes", limit=5)
    assert [row.likes for row in rows] == [28, 26, 24, 22, 20]
    assert "pipeline_tag=fill-mask" in server.requests[0][1]


def test_odd_listings_are_shown_as_far_as_they_go(server: HubServer) -> None:
    server.add("odd/one", {}, downloads=None, tags=None, safetensors={"parameters": "many"}, likes="x", gated="auto")
    (row,) = hub.search()
    assert (row.parameters, row.size, row.downloads, row.likes, row.gated) == (None, None, 0, 0, True)


def test_a_next_page_elsewhere_is_not_followed(server: HubServer) -> None:
    server.status["/api/models"] = (200, {"Link": '<http://localhost:1/steal>; rel="next"'})
    pages = hub.Search()
    with pytest.raises(NetworkError, match="not the Hub"):
        pages.more()


def test_a_card_loses_its_head(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    assert hub.card("someone/tiny") == "# A card\n\nWith text.\n"


def test_a_card_is_bounded_and_may_be_missing(server: HubServer) -> None:
    server.add("someone/long", {"README.md": b"x" * 3_000_000})
    server.add("someone/none", {"config.json": b"{}"})
    assert len(hub.card("someone/long")) == 2**20
    assert hub.card("someone/none") == ""


def test_files_are_told_apart(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    kinds = {file.name: file.kind for file in hub.files("someone/tiny")}
    assert kinds["model.safetensors"] == "weights"
    assert kinds["pytorch_model.bin"] == "pickle"
    assert kinds["modeling.py"] == "code"
    assert kinds["tokenizer.json"] == "tokenizer"


def test_a_gated_repository_can_be_looked_at(server: HubServer) -> None:
    server.add("someone/gated", checkpoint_files()).gated = True
    seen = hub.look("someone/gated")
    assert seen.files and "gated" in seen.card
    with pytest.raises(NetworkError, match="gated") as caught:
        hub.download("someone/gated")
    assert "access" in caught.value.remedy


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "token"), (403, "may not read"), (429, "too many requests"), (500, "problem of its own"), (418, "418")],
)
def test_refusals_are_worded(server: HubServer, status: int, said: str) -> None:
    server.add("someone/tiny", checkpoint_files())
    headers = {"X-Error-Message": "Invalid credentials in Authorization header"} if status == 401 else {}
    server.status["/api/models"] = (status, headers)
    for ask in (lambda: hub.files("someone/tiny"), lambda: hub.search("x")):
        with pytest.raises(NetworkError, match=said) as caught:
            ask()
        assert caught.value.remedy


def test_a_missing_repository_is_named(server: HubServer) -> None:
    with pytest.raises(NetworkError, match=r"no public repository called some/typo") as caught:
        hub.download("some/typo")
    assert "spelling" in caught.value.remedy


def test_a_missing_revision_is_named(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    with pytest.raises(NetworkError, match="no such revision"):
        hub.download("someone/tiny", "v9")


def test_a_login_page_is_not_taken_for_the_hub(server: HubServer) -> None:
    server.status["/"] = (200, {"Content-Type": "text/html"})
    with pytest.raises(NetworkError, match="not the Hub"):
        hub.search("x")
    assert not hub.reachable("someone/tiny")


def test_no_network_is_said_at_once(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    for ask in (lambda: hub.files("a/b"), lambda: hub.search("x"), lambda: hub.download("a/b")):
        with pytest.raises(NetworkError, match="could not be reached"):
            ask()
    assert not hub.reachable("a/b")
    assert time.monotonic() - began < 20


def test_offline_says_so_and_asks_nothing(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")
    server.requests.clear()
    hub.set_offline(True)
    for ask in (lambda: hub.search("x"), lambda: hub.card("someone/tiny"), lambda: hub.download("someone/tiny")):
        with pytest.raises(NetworkError, match="offline switch is on"):
            ask()
    assert [each.path for each in hub.local_checkpoints()] == [made.path] and hub.card_of(made).startswith("# A card")
    assert not hub.reachable("someone/tiny") and server.requests == []
    hub.set_offline(False)
    assert hub.search("tiny")


def test_a_stop_ends_a_search_that_gets_no_answer(cache: object, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    import huggingface_hub

    class Stopped(Silent):
        asked = threading.Event()

        def check(self) -> None:
            if self.asked.is_set():
                raise Cancelled

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        task = Stopped()
        timer = threading.Timer(0.3, task.asked.set)
        timer.start()
        began = time.monotonic()
        with pytest.raises(Cancelled):
            hub.search("x", task=task)
        assert time.monotonic() - began < 20
        timer.join()
    huggingface_hub.close_session()


def test_reachable_means_the_hub_itself(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    assert hub.reachable("someone/tiny")
    assert not hub.reachable("someone/other")
