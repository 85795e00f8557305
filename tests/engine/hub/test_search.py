"""A search asks the Hub for what it can be asked, sifts the rest, and stays readable without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.hub_server import HubServer, checkpoint_files
from workbench.engine import hub
from workbench.engine.errors import NetworkError
from workbench.engine.hub import Filters, seen
from workbench.engine.hub.licences import in_words


def add(server: HubServer, name: str, **more: Any) -> None:
    listing: dict[str, Any] = {
        "downloads": 10,
        "tags": ["en", "license:mit", "safetensors", "transformers"],
        "library_name": "transformers",
        "safetensors": {"parameters": {"BF16": 1_000_000}, "total": 1_000_000},
        "config": {"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
        **more,
    }
    server.add(name, checkpoint_files(4000), **listing)


def names(**given: Any) -> list[str]:
    return [row.repo_id for row in hub.search(filters=Filters(**given))]


def test_what_the_hub_can_sift_it_is_asked_for(server: HubServer) -> None:
    add(server, "me/english")
    add(server, "me/german", tags=["de", "license:apache-2.0", "transformers"])
    add(server, "you/english", library_name="timm", tags=["en", "license:mit"])
    assert names(author="me", language="en") == ["me/english"]
    assert names(licence="Apache-2.0") == ["me/german"]
    assert names(library="timm") == ["you/english"]
    assert "author=me" in server.requests[0][1] and "filter=en" in server.requests[0][1]


def test_what_transformers_can_not_load_is_sifted_out(server: HubServer) -> None:
    add(server, "a/known")
    add(server, "a/own-code", config={"model_type": "not-in-transformers"})
    add(server, "a/pickled", safetensors=None)
    add(server, "a/broken", config=["llama"])
    assert names(loads=True) == ["a/known"]


def test_size_and_fit_are_sifted_by_the_weights(server: HubServer) -> None:
    add(server, "a/small")
    add(server, "a/large", safetensors={"parameters": {"F32": 5_000_000}, "total": 5_000_000})
    add(server, "a/unknown", safetensors=None)
    assert names(most=2_000_000) == ["a/small"]
    assert "num_parameters=min%3A1%2Cmax%3A2000000" in server.requests[-1][1]
    assert names(fits=2_000_000) == ["a/small"]
    assert names(fits=1_999_999) == []
    assert names(fits=20_000_000) == ["a/small", "a/large"]


def test_pages_without_a_row_that_passes_do_not_end_a_search(server: HubServer) -> None:
    for number in range(60):
        add(server, f"a/no-{number}", downloads=1000 - number, safetensors=None)
    add(server, "a/yes", downloads=1)
    pages = hub.Search(page=5, filters=Filters(loads=True))
    found = [row for _ in range(10) if not pages.finished for row in pages.more()]
    assert [row.repo_id for row in found] == ["a/yes"] and pages.finished


def test_data_sets_are_searched_too(server: HubServer) -> None:
    server.add("a/model", {}, downloads=1)
    repo = server.add(
        "a/data", {"README.md": b"# Data"}, downloads=2, tags=["task_categories:translation", "language:en"]
    )
    repo.kind = "dataset"
    (row,) = hub.search(filters=Filters(kind="dataset", task="translation", language="en"))
    assert (row.repo_id, row.kind, row.task) == ("a/data", "dataset", "translation")
    assert server.paths("/api/datasets") and not server.paths("/api/models")
    assert hub.look("a/data", kind="dataset").card == "# Data"


def test_the_last_results_stay_without_a_network(server: HubServer) -> None:
    for number in range(30):
        add(server, f"a/model-{number:02}", downloads=100 - number)
    pages = hub.Search("model", page=10)
    shown = [*pages.more(), *pages.more()]
    hub.set_offline(True)
    with pytest.raises(NetworkError):
        hub.Search("model").more()
    rows, when = hub.last_results()
    assert list(rows) == shown and len(shown) == 20 and when > 0


def test_every_card_seen_stays_without_a_network(server: HubServer) -> None:
    add(server, "a/one")
    add(server, "a/two")
    online = hub.look("a/one")
    assert online.when == 0.0 and online.facts is not None
    hub.set_offline(True)
    kept = hub.look("a/one")
    assert kept.when > 0 and kept.card == "# A card\n\nWith text.\n"
    assert (kept.files, kept.facts, kept.commit, kept.branches) == (
        online.files, online.facts, online.commit, online.branches,
    )  # fmt: skip
    with pytest.raises(NetworkError, match="offline"):
        hub.look("a/two")


@pytest.mark.parametrize(
    "text",
    ["", "[", "[]", '{"rows": 3}', '{"when": "x", "rows": [1, {}, {"repo_id": 7}]}', "[" * 100_000, '{"rows": [null]}'],
)
def test_rubbish_among_what_was_kept_is_passed_over(server: HubServer, text: str) -> None:
    add(server, "a/one")
    hub.search()
    hub.look("a/one")
    for file in seen.folder().iterdir():
        file.write_text(text)
    assert hub.last_results() == ((), 0.0)
    hub.set_offline(True)
    with pytest.raises(NetworkError):
        hub.look("a/one")


def test_what_is_kept_is_bounded(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "LIMIT", 10_000)
    for number in range(20):
        seen.keep_card("model", f"a/{number}", {"card": "x" * 1000})
    assert sum(file.stat().st_size for file in seen.folder().iterdir()) <= 10_000
    assert seen.card("model", "a/19") is not None and seen.card("model", "a/0") is None


@pytest.mark.parametrize("name", ["../../x/y", "/etc/passwd", "a/" + "b" * 500, "a\0b", "\ud800/x"])
def test_names_from_a_server_become_no_paths(cache: Path, name: str) -> None:
    seen.keep_card("model", name, {"card": "text"})
    (file,) = seen.folder().iterdir()
    assert file.parent == seen.folder() and len(file.name) < 100
    kept = seen.card("model", name)
    assert kept is not None and kept[0] == {"card": "text"}


def test_a_listing_that_lies_is_shown_as_far_as_it_can_be(server: HubServer) -> None:
    server.add(
        "a/liar",
        {},
        downloads=10**300,
        likes=-5,
        tags="license:mit",
        pipeline_tag="x" * 10_000 + "\x1b[2J",
        library_name=7,
        lastModified=7,
        safetensors={"parameters": {"F32": 10**400, "BF16": 5}, "total": 1e9},
        config="deep",
    )
    (row,) = hub.search()
    assert (row.downloads, row.likes, row.parameters, row.size, row.licence) == (0, 0, 5, 10, "")
    assert len(row.task) == 60 and "\x1b" not in row.task


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b"{", b"3", b"[1" + b"0" * 5000 + b"]"],
    ids=["deep list", "deep object", "cut off", "a number", "a long number"],
)
def test_an_answer_that_is_no_listing_is_refused(server: HubServer, body: bytes) -> None:
    server.bodies["/api/models"] = body
    for ask in (hub.search, lambda: hub.look("a/b")):
        with pytest.raises(NetworkError, match="not the Hub"):
            ask()


def test_an_endless_listing_is_left(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.engine.hub import bounded

    monkeypatch.setattr(bounded, "LISTING_LIMIT", 2**20)
    server.bodies["/api/models"] = b"[" + b" " * 2**23 + b"]"
    with pytest.raises(NetworkError, match="not the Hub"):
        hub.search()


def test_licences_are_put_in_plain_words() -> None:
    assert "selling included" in in_words("apache-2.0") and "commercial" in in_words("cc-by-nc-4.0")
    assert "own" in in_words("llama3.1") and "none" in in_words("") and "read it" in in_words("something-new")


def test_a_repository_is_judged_before_it_is_fetched(server: HubServer) -> None:
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 3, "hidden_size": 64,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000, "max_position_embeddings": 512,
    }  # fmt: skip
    add(server, "a/one", cardData={"license": "mit", "language": ["en", "de"]}, gated="auto")
    repo = server.repos["a/one"]
    repo.files["config.json"] = json.dumps(config).encode()
    repo.branches = ("dev",)
    seen_now = hub.look("a/one")
    facts = seen_now.facts
    assert facts is not None and facts.shape is not None
    assert (facts.layers, facts.kv_heads, facts.context, facts.heads[0]) == (3, 2, 512, "AutoModelForCausalLM")
    assert (facts.stored, facts.dtype, facts.weight_bytes) == ((("BF16", 1_000_000),), "bfloat16", 2_000_000)
    assert (seen_now.licence, seen_now.languages, seen_now.gated) == ("mit", ("en", "de"), "auto")
    assert (seen_now.branches, seen_now.tags, seen_now.commit) == (("main", "dev"), ("v1",), repo.commit)
    assert seen_now.page == f"{server.url}/a/one"
    assert hub.look("a/one", revision="dev").revision == "dev"
    with pytest.raises(NetworkError, match="no such revision"):
        hub.look("a/one", revision="gone")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (b"[" * 100_000, "deeper"), (b'{"a":' * 100_000, "deeper"), (b"[]", "something else"), (b"{", "damaged"),
        (b" " * (8 * 2**20 + 1) + b"{}", "too large"),
    ],
)  # fmt: skip
def test_a_bad_config_is_said_and_the_card_is_still_there(server: HubServer, config: bytes, said: str) -> None:
    add(server, "a/one")
    server.repos["a/one"].files["config.json"] = config
    found = hub.look("a/one")
    assert found.facts is None and said in found.wrong and found.card.startswith("# A card")


def test_a_config_of_a_gigabyte_is_left_after_its_first_megabytes(server: HubServer) -> None:
    add(server, "a/one")
    repo = server.repos["a/one"]
    del repo.files["config.json"]
    repo.endless["config.json"] = 2**30
    found = hub.look("a/one")
    assert found.facts is None and "too large" in found.wrong
    assert server.bytes_of("config.json") < 64 * 2**20


def test_a_card_of_fifty_megabytes_is_cut(server: HubServer) -> None:
    add(server, "a/one")
    repo = server.repos["a/one"]
    del repo.files["README.md"]
    repo.endless["README.md"] = 50 * 2**20
    assert len(hub.look("a/one").card) == hub.remote.CARD_LIMIT
    assert server.bytes_of("README.md") < 40 * 2**20


def test_a_redirect_loop_and_a_server_that_breaks_off_are_said(server: HubServer) -> None:
    server.status["/api/models"] = (302, {"Location": f"{server.url}/api/models"})
    for ask in (hub.search, lambda: hub.look("a/b")):
        with pytest.raises(NetworkError) as caught:
            ask()
        assert caught.value.why and caught.value.remedy
        assert "TooManyRedirects" not in caught.value.why
