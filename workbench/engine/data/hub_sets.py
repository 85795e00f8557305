"""Data sets of the Hub, fetched by the datasets library into its own cache; no code of a repository is ever run."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.errors import DataError, NetworkError, first_line
from workbench.engine.hub.network import offline, watched
from workbench.engine.task import Progress, Task
from workbench.engine.values import DataSource

if TYPE_CHECKING:
    from datasets import Dataset


_COMMIT = re.compile("[0-9a-f]{40}")
_alone = threading.Lock()


class ConfigNeeded(DataError):
    """A data set has several configurations and none of them was chosen.

    Attributes:
        configs: Their names.
    """

    def __init__(self, what: str, configs: tuple[str, ...]) -> None:
        shown = ", ".join(f"“{name}”" for name in configs[:12])
        super().__init__(
            what,
            why=f"Its configurations are {shown}{' …' if len(configs) > 12 else ''}.",
            remedy="Choose the configuration to read.",
        )
        self.configs = configs


def fetch(source: DataSource, task: Task) -> tuple[dict[str, Dataset], str]:
    """Every split of a data set, from the cache of the datasets library or through it from the Hub.

    Returns:
        The splits by name, and the commit. A commit that was fetched before is not asked of the Hub again.

    Raises:
        NetworkError: It can't be reached, is not there or may not be read.
        ConfigNeeded: It has several configurations and none is chosen.
        DataError: It holds nothing that can be read without running code.
    """
    import datasets

    no_monitor()
    what = f"Could not read the data set {source.repo}."
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", source.repo):
        raise DataError(what, why="That is no name of a data set.", remedy="Write it as owner/name.")
    task.report(Progress(0, None, "rows", f"Fetching {source.repo}"))
    # The library reads the switch once, when it is imported; here it is set for each call.
    with _alone:
        before = datasets.config.HF_HUB_OFFLINE
        try:
            if offline() or _COMMIT.fullmatch(source.revision):
                datasets.config.HF_HUB_OFFLINE = True
                found = _cached(source, what)
                if found is not None:
                    return found
            datasets.config.HF_HUB_OFFLINE = False
            return _from_hub(source, what, task)
        finally:
            datasets.config.HF_HUB_OFFLINE = before


def _cached(source: DataSource, what: str) -> tuple[dict[str, Dataset], str] | None:
    """What was fetched before; None where that is another commit and the Hub may be asked."""
    import datasets

    try:
        found = dict(datasets.load_dataset(source.repo, source.config or None))
    except Exception as error:
        if not offline():
            return None
        if isinstance(error, ValueError):
            raise _refused(error, what) from error
        raise _never_fetched(what) from error
    files = [file["filename"] for part in found.values() for file in part.cache_files]
    commits = {part for file in files for part in Path(file).parts if _COMMIT.fullmatch(part)}
    commit = commits.pop() if len(commits) == 1 else ""
    if _COMMIT.fullmatch(source.revision) and commit != source.revision:
        if offline():
            raise _never_fetched(what, f"commit {source.revision[:8]} of it")
        return None
    return found, commit


def _from_hub(source: DataSource, what: str, task: Task) -> tuple[dict[str, Dataset], str]:
    import datasets
    import huggingface_hub

    with watched(task, what, source.repo):
        try:
            about = huggingface_hub.HfApi().dataset_info(source.repo, revision=source.revision or None)
            commit = about.sha or source.revision
            return dict(datasets.load_dataset(source.repo, source.config or None, revision=commit)), commit
        except (datasets.exceptions.DatasetsError, ValueError, RuntimeError) as error:
            if isinstance(error.__cause__, OSError):  # a full disk, a broken connection
                raise error.__cause__ from None
            raise _refused(error, what) from error


def _never_fetched(what: str, which: str = "this data set") -> NetworkError:
    return NetworkError(
        what,
        why=f"The offline switch is on, and {which} was never fetched on this machine.",
        remedy="Switch it off once to fetch the data set; it is kept.",
    )


def no_monitor() -> None:
    """Keep the libraries' progress bars, which are never shown, from starting a thread that watches them."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0


def _refused(error: Exception, what: str) -> DataError:
    said = str(error).strip()
    listed = re.search(r"(?:available configs|Available|one among)[^\[]*: ?(\[.*?\])", said, re.IGNORECASE | re.DOTALL)
    if listed is not None:
        configs = tuple(re.findall(r"'([^']*)'", listed.group(1)))
        if configs:
            return ConfigNeeded(what, configs)
    if "script" in said:
        return DataError(
            what,
            why="It is a program of its repository, and such programs are never run.",
            remedy="Look for a Parquet version: many have one under the revision refs/convert/parquet.",
        )
    return DataError(
        what,
        why=f"The datasets library says: {first_line(error)}",
        remedy="Look at its page on the Hub, or choose another data set, configuration or revision.",
    )
