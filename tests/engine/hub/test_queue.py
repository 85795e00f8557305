"""An order is remembered until it is fulfilled, over the end of the program too, and says what has come."""

from __future__ import annotations

import json
import multiprocessing
import threading
from pathlib import Path

import pytest

from tests.engine.hub.test_fetch import Watched
from tests.hub_server import Fault, HubServer, checkpoint_files
from workbench.engine import hub, paths
from workbench.engine.errors import InputError, NetworkError, OutOfSpace, UnsafeRefused
from workbench.engine.hub import Order, Transfer
from workbench.engine.task import Cancelled, Silent


def test_a_fulfilled_order_is_forgotten(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    made = hub.fulfil(Order("someone/tiny"), task=Silent())
    assert made.complete and hub.remembered() == ()


def test_a_stopped_order_is_offered_again_with_what_has_come(server: HubServer) -> None:
    files = checkpoint_files(3_000_000)
    server.add("someone/tiny", files)
    with pytest.raises(Cancelled):
        hub.fulfil(Order("someone/tiny"), task=Watched(stop_at=1_000_000))
    (order,) = hub.remembered()
    assert (order.repo_id, order.revision) == ("someone/tiny", "main")
    assert order.size == sum(len(files[file.name]) for file in order.files)
    assert 500_000 <= order.came < order.size
    server.sent.clear()
    before = order.came
    assert hub.fulfil(order, task=Silent()).complete
    assert sum(count for _, _, count in server.sent) == order.size - before
    assert hub.remembered() == () and order.came == order.size


def _fulfil(order: Order) -> None:
    hub.fulfil(order, task=Silent())


def test_a_killed_program_leaves_its_order(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files(2_000_000))
    server.faults["model.safetensors"] = [Fault("stall", after=1_500_000)]
    child = multiprocessing.get_context("spawn").Process(target=_fulfil, args=(Order("someone/tiny"),))
    child.start()
    assert server.stalled.wait(60)
    child.kill()
    child.join()
    (order,) = hub.remembered()
    assert order.commit == server.repos["someone/tiny"].commit and order.size
    assert hub.fulfil(order, task=Silent()).complete


def test_an_order_whose_repository_can_not_be_asked_stays(server: HubServer) -> None:
    with pytest.raises(NetworkError):
        hub.fulfil(Order("someone/gone"), task=Silent())
    (order,) = hub.remembered()
    assert order.size is None and order.came == 0
    hub.forget(order)
    assert hub.remembered() == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{" * 100_000,
        json.dumps({"repo_id": "../x", "revision": "main", "names": [], "asked": 0, "commit": "", "files": []}),
        json.dumps({"repo_id": "a/b", "revision": "main", "names": ["../x"], "asked": 0, "commit": "", "files": []}),
        json.dumps({"repo_id": "a/b", "revision": "main", "names": [], "asked": 0, "commit": "../..", "files": []}),
        json.dumps(
            {
                "repo_id": "a/b",
                "revision": "main",
                "names": [],
                "asked": 0,
                "commit": "",
                "files": [{"name": "x", "size": 1, "hash": "../../evil"}],
            }
        ),
    ],
)
def test_rubbish_among_the_orders_is_passed_over(cache: Path, text: str) -> None:
    hub.remember(Order("someone/tiny"))
    (paths.data_dir() / "downloads" / "rubbish.json").write_text(text)
    assert [order.repo_id for order in hub.remembered()] == ["someone/tiny"]


def test_bytes_speed_and_time_left_are_said_of_each_file_and_of_all(server: HubServer) -> None:
    files = checkpoint_files(6_000_000)
    server.add("someone/tiny", files)
    server.faults["model.safetensors"] = [Fault("stall", after=4_000_000)]
    task = Watched()
    worker = threading.Thread(target=_until_stopped, args=(task,))
    worker.start()
    assert server.stalled.wait(30)
    _wait_until(lambda: len(_with_speed(task)) > 0)
    # A stall shows: the clock runs on while nothing comes.
    _wait_until(lambda: task.seen[-1].speed < _with_speed(task)[0].speed)  # type: ignore[attr-defined]
    last = _with_speed(task)[-1]
    task.stop.set()
    worker.join()
    assert last.total is not None and last.speed
    by_name = {file.name: file for file in last.files}
    weights = by_name["model.safetensors"]
    assert weights.state == "fetching" and 0 < weights.done <= 4_000_000 and weights.speed
    assert weights.remaining == pytest.approx((weights.size - weights.done) / weights.speed)
    assert last.remaining == pytest.approx((last.total - last.done) / last.speed)
    assert sum(file.done for file in last.files) == last.done
    assert {file.state for file in last.files if file.name != "model.safetensors"} == {"there"}


def _with_speed(task: Watched) -> list[Transfer]:
    """What was told since the small files were there, while there was a speed to tell."""
    return [
        each
        for each in task.seen
        if isinstance(each, Transfer)
        and each.speed
        and any(file.speed for file in each.files)
        and [file.state for file in each.files].count("there") == 3
    ]


def _until_stopped(task: Watched) -> None:
    with pytest.raises(Cancelled):
        hub.download("someone/tiny", task=task)


def _wait_until(true: object) -> None:
    for _ in range(1000):
        if true():  # type: ignore[operator]
            return
        threading.Event().wait(0.02)
    raise AssertionError("it never came")


def test_several_files_come_at_once(server: HubServer) -> None:
    files = checkpoint_files(200_000)
    weights = files.pop("model.safetensors")
    names = [f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3)]
    shards = {name: weights + name.encode() for name in names}
    index = json.dumps({"weight_map": {f"w{at}": name for at, name in enumerate(names)}}).encode()
    server.add("someone/sharded", {**files, "model.safetensors.index.json": index, **shards})
    # The first does not end before the others have begun.
    server.faults[names[0]] = [Fault("stall", after=1000)]
    task = Watched()
    worker = threading.Thread(target=_stopped_sharded, args=(task,))
    worker.start()
    assert server.stalled.wait(30)
    _wait_until(lambda: {names[1], names[2]} <= {name for name, _, _ in server.sent})
    task.stop.set()
    worker.join()


def _stopped_sharded(task: Watched) -> None:
    with pytest.raises(Cancelled):
        hub.download("someone/sharded", task=task)


def test_files_are_offered_with_the_default_marked_and_chosen_ones_fetched(server: HubServer) -> None:
    files = {**checkpoint_files(), "../evil.json": b"{}", "sub/notes.txt": b"notes"}
    server.add("someone/tiny", files)
    offered = {file.name: file for file in hub.offered("someone/tiny")}
    assert set(offered) == set(files) - {"../evil.json"}
    needed = {name for name, file in offered.items() if file.needed}
    assert needed == {"README.md", "config.json", "model.safetensors", "tokenizer.json"}
    assert offered["model.safetensors"].size == len(files["model.safetensors"])
    made = hub.download("someone/tiny", names=("config.json", "sub/notes.txt"))
    assert {path.relative_to(made.path).as_posix() for path in made.path.rglob("*.*")} == {
        "config.json",
        "sub/notes.txt",
    }
    assert not made.complete
    server.sent.clear()
    assert hub.download("someone/tiny").complete
    assert "config.json" not in {name for name, _, _ in server.sent}


def test_a_chosen_file_that_is_not_there_is_said(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    for name in ("other.json", "../evil.json"):
        with pytest.raises(InputError, match="no file"):
            hub.download("someone/tiny", names=(name,))
    assert server.sent == []


def test_what_another_download_waits_for_is_not_free(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    for name in ("one", "two"):
        server.add(f"someone/{name}", checkpoint_files(2_000_000 + 4 * len(name) * ord(name[0])))
    server.faults["model.safetensors"] = [Fault("stall", after=1000)]
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=16 * 2**20 + 3_000_000))
    task = Watched()
    worker = threading.Thread(target=_stopped_one, args=(task,))
    worker.start()
    assert server.stalled.wait(30)
    with pytest.raises(OutOfSpace, match="other downloads"):
        hub.download("someone/two")
    task.stop.set()
    worker.join()
    assert hub.download("someone/two").complete


def _stopped_one(task: Watched) -> None:
    with pytest.raises(Cancelled):
        hub.download("someone/one", task=task)


def test_two_fetch_the_same_file_once(server: HubServer) -> None:
    files = checkpoint_files(4_000_000)
    server.add("someone/tiny", files)
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_fulfil, args=(Order("someone/tiny"),)) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert [other.exitcode for other in others] == [0, 0]
    assert server.bytes_of("model.safetensors") == len(files["model.safetensors"])


def test_code_of_its_own_is_fetched_when_it_is_wanted_and_nothing_runs(server: HubServer, cache: Path) -> None:
    files = checkpoint_files()
    more = {"own/parts.py": b"raise SystemExit(1)", "huge.py": b"#" * (2**20 + 1), "../out.py": b"raise SystemExit"}
    server.add("someone/own", {**files, **more})
    plain = hub.download("someone/own")
    assert not list(plain.path.rglob("*.py"))
    names = hub.with_code("someone/own", plain.revision or "")
    assert {name for name in names if name.endswith(".py")} == {"modeling.py", "own/parts.py"}
    sent = len(server.sent)
    made = hub.fulfil(Order("someone/own", plain.revision or "", names), task=Silent())
    assert made.path == plain.path and {name for name, *_ in server.sent[sent:]} == {"modeling.py", "own/parts.py"}
    assert (made.path / "modeling.py").read_bytes() == files["modeling.py"]


def test_code_beside_pickles_alone_is_refused(server: HubServer) -> None:
    server.add("someone/own", {"config.json": b"{}", "pytorch_model.bin": b"x", "own.py": b""})
    with pytest.raises(UnsafeRefused, match="pickles"):
        hub.with_code("someone/own")
