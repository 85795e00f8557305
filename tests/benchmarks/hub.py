"""What fetching and listing checkpoints cost, each a side of a comparison for `child`."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_SHARDS = 4
_SHARD_BYTES = 96 * 2**20


def throughput(rounds: int) -> dict[str, float]:
    """Bytes per second of a sharded checkpoint from loopback, verified, against ``snapshot_download`` alone, in turn.

    The server and either client have a process of their own; the clock runs in the client, imports left out.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = [], []
    with _server() as url:
        for number in range(2 * rounds + 2):
            side = (_fetch_ours, _fetch_theirs)[(number + number // 2) % 2]
            with tempfile.TemporaryDirectory() as folder, context.Pool(1, _settle, (url, folder)) as pool:
                speed = _SHARDS * _SHARD_BYTES / pool.apply(side)
            if number > 1:
                (ours if side is _fetch_ours else theirs).append(speed)
    ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
    return {"ours": statistics.median(ours), "theirs": statistics.median(theirs), "ratio": ratio}


def opening(rounds: int) -> dict[str, float]:
    """Time from asking for the Hub pane, over a cache of 300 revisions, to its first painted rows."""
    with tempfile.TemporaryDirectory() as folder:
        _settle("http://127.0.0.1:9", folder)
        _fill(Path(folder, "hub"), 300)
        first, *others = _open_panes(rounds + 1)
    return {"median_ms": statistics.median(others), "first_ms": first, "rows": 300}


def gaps() -> dict[str, float]:
    """How smoothly the event loop runs while four downloads of 96 MB come at once, their progress shown."""
    with _server() as url, tempfile.TemporaryDirectory() as folder:
        _settle(url, folder)
        return _download_four()


def _download_four() -> dict[str, float]:
    import huggingface_hub.file_download  # noqa: F401 - as the warm-up has it by then
    from PySide6.QtWidgets import QTabWidget

    from workbench.app import make_application
    from workbench.engine import hub
    from workbench.panes.hub import HubPane
    from workbench.runtime.heartbeat import Heartbeat
    from workbench.runtime.jobs import Runner
    from workbench.runtime.session import Session

    application = make_application(["bench"])
    runner, names = Runner(), [f"someone/part-{number}" for number in range(4)]
    pane = HubPane(Session(), runner)
    pane.resize(1440, 900)
    pane.show()
    places: Any = pane.findChild(QTabWidget, "hub.places")
    places.setCurrentIndex(1)
    _turn_until(lambda: not runner.active)
    heart = Heartbeat()
    heart.start()
    begun = time.perf_counter()
    for name in names:
        pane.download(name)
    _turn_until(lambda: not runner.active)
    seconds = time.perf_counter() - begun
    heart.stop()
    if not all(hub.cached(name) for name in names):
        raise SystemExit("not all of them are there")
    pane.close()
    runner.shut_down()
    application.quit()
    return {"p99_ms": heart.percentile(0.99), "largest_ms": heart.largest(), "ticks": len(heart.gaps),
            "seconds": seconds}  # fmt: skip


def _open_panes(count: int) -> list[float]:
    from PySide6.QtWidgets import QTableView

    from workbench.app import make_application
    from workbench.panes.hub import HubPane
    from workbench.runtime.jobs import Runner
    from workbench.runtime.session import Session

    application = make_application(["bench"])
    runner, times = Runner(), []
    for _ in range(count):
        begun = time.perf_counter()
        pane = HubPane(Session(), runner)
        pane.resize(1200, 800)
        pane.show()
        table = pane.findChild(QTableView, "hub.local")
        _turn_until(lambda table=table: table.model().rowCount() > 0)
        table.viewport().repaint()
        times.append((time.perf_counter() - begun) * 1000)
        _turn_until(lambda table=table: table.model().rowCount() == 300)
        pane.close()
        pane.deleteLater()
    runner.shut_down()
    application.quit()
    return times


def _turn_until(true: Callable[[], bool]) -> None:
    from PySide6.QtCore import QEventLoop, QTimer

    loop, ticks, begun = QEventLoop(), QTimer(interval=1), time.monotonic()

    def look() -> None:
        if true() or time.monotonic() - begun > 30:
            loop.quit()

    ticks.timeout.connect(look)
    ticks.start()
    loop.exec()
    ticks.stop()
    if not true():
        raise SystemExit("the rows never came")


def _fill(cache: Path, count: int) -> None:
    from tests.hub_server import checkpoint_files, git_sha1

    for number in range(count):
        root = cache / f"models--someone--model-{number:03}"
        commit = git_sha1(str(number).encode())
        snapshot = root / "snapshots" / commit
        for folder in (root / "blobs", root / "refs", snapshot):
            folder.mkdir(parents=True)
        (root / "refs" / "main").write_text(commit)
        for name, data in checkpoint_files(4000 + 4 * number).items():
            if "/" not in name:
                (root / "blobs" / git_sha1(data)).write_bytes(data)
                (snapshot / name).symlink_to(f"../../blobs/{git_sha1(data)}")


def sides() -> dict[str, Callable[..., dict[str, float]]]:
    """What `child` can be asked for."""
    return {
        "hub-throughput": lambda rounds: throughput(int(rounds)),
        "hub-opening": lambda rounds: opening(int(rounds)),
        "hub-gaps": gaps,
    }


def _settle(url: str, folder: str) -> None:
    os.environ.update(HF_ENDPOINT=url, HF_HOME=folder, HF_HUB_CACHE=f"{folder}/hub", WORKBENCH_DATA=f"{folder}/data")
    os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1")


def _fetch_ours() -> float:
    import huggingface_hub.file_download  # noqa: F401 - the client is there before the clock runs

    from workbench.engine import hub

    begun = time.perf_counter()
    made = hub.download("someone/sharded")
    seconds = time.perf_counter() - begun
    if not made.complete:
        raise SystemExit("it is not whole")
    return seconds


def _fetch_theirs() -> float:
    from huggingface_hub import snapshot_download

    begun = time.perf_counter()
    snapshot_download("someone/sharded")
    return time.perf_counter() - begun


@contextlib.contextmanager
def _server() -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("done")
        process.join()


def _serve(pipe: Any) -> None:
    from tests.hub_server import HubServer, checkpoint_files

    files = {name: data for name, data in checkpoint_files(4000).items() if name.endswith((".json", ".md"))}
    names = [f"model-{number:05}-of-{_SHARDS:05}.safetensors" for number in range(1, _SHARDS + 1)]
    files["model.safetensors.index.json"] = json.dumps(
        {"metadata": {}, "weight_map": {f"w{at}": name for at, name in enumerate(names)}}
    ).encode()
    for number, name in enumerate(names):
        files[name] = bytes([number]) * _SHARD_BYTES
    with HubServer() as server:
        server.add("someone/sharded", files)
        for number in range(4):
            server.add(
                f"someone/part-{number}",
                {"config.json": files["config.json"], "model.safetensors": files[names[number]]},
            )
        pipe.send(server.url)
        pipe.recv()
