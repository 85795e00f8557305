"""Several Hubs: one is asked at a time, from the next start on, and none is told the token of another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.engine.errors import InputError
from workbench.engine.hub import endpoints


def test_the_last_choice_stands_and_earlier_ones_are_offered(workbench_data: Path) -> None:
    assert (endpoints.chosen(), endpoints.known()) == ("", ())
    assert endpoints.choose(" https://one.example/ ") == "https://one.example"
    endpoints.choose("http://127.0.0.1:8080")
    assert endpoints.chosen() == "http://127.0.0.1:8080"
    assert endpoints.known() == ("http://127.0.0.1:8080", "https://one.example")
    endpoints.choose("")
    assert endpoints.chosen() == "" and len(endpoints.known()) == 2


@pytest.mark.parametrize(
    "address",
    ["hub.example", "ftp://hub.example", "http://hub.example", "https://", "https://me:secret@hub.example",
     "https://hub.example/?a=b", "https://hub.example#x", "https://hub example", "https://hub.example\n", "file:///etc",
     "https://[", "https://a:b", "javascript:alert(1)", "https://" + "a" * 400],
)  # fmt: skip
def test_what_no_token_could_be_sent_to_is_refused(workbench_data: Path, address: str) -> None:
    if address.endswith("\n"):
        address += "x"
    with pytest.raises(InputError) as caught:
        endpoints.choose(address)
    assert caught.value.why and caught.value.remedy and not (workbench_data / "endpoints.json").exists()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"chosen": 5, "known": 7}', "[" * 100_000,
     '{"chosen": "http://far.example", "known": ["http://far.example", null]}'],
)  # fmt: skip
def test_rubbish_among_the_choices_chooses_nothing(workbench_data: Path, text: str) -> None:
    workbench_data.mkdir(parents=True, exist_ok=True)
    (workbench_data / "endpoints.json").write_text(text)
    assert (endpoints.chosen(), endpoints.known()) == ("", ())


_CODE = """
from workbench.__main__ import main
import sys
try:
    main(["--version"])
except SystemExit:
    pass
from huggingface_hub import constants
from workbench.engine import hub
print(constants.ENDPOINT, hub.endpoint(), constants.HF_TOKEN_PATH, hub.has_token(), hub.endpoints.by_environment())
"""


def start(home: Path, **more: str) -> list[str]:
    """What the libraries say in a program started anew."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_HOME": str(home), **more}
    command = [sys.executable, "-c", _CODE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split(" ")


def test_the_next_start_asks_it_with_a_token_of_its_own(workbench_data: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "token").write_text("hf_of_the_first")
    default, _, store, logged_in, by_environment = start(home)
    assert (store, logged_in, by_environment) == (str(home / "token"), "True", "False")
    endpoints.choose("https://one.example")
    address, asked, store, logged_in, by_environment = start(home)
    assert address == asked == "https://one.example" and (logged_in, by_environment) == ("False", "False")
    assert Path(store).is_relative_to(home / "endpoints")
    endpoints.choose("https://two.example")
    assert start(home)[2] not in (store, str(home / "token"))
    (tmp_path / "named").write_text("hf_of_the_first")
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        assert start(home, **{name: "hf_of_the_first"})[3] == "False", "it is another Hub's"
    assert start(home, HF_TOKEN_PATH=str(tmp_path / "named"))[3] == "False", "it is another Hub's"
    asked, by_environment = start(home, HF_ENDPOINT="http://127.0.0.1:9")[1::3]
    assert (asked, by_environment) == ("http://127.0.0.1:9", "True")
    endpoints.choose("")
    assert start(home)[:4] == [default, default, str(home / "token"), "True"]
