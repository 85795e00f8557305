"""Who shares a run, as a file of ``accelerate config`` says, and the command lines of the libraries' launchers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.engine.errors import InputError

#: Where accelerate's launcher starts one process on a machine, whatever number the file says.
_STARTS_ONE = ("NO", "MULTI_CPU")
_PORT = 29500


@dataclass(frozen=True, slots=True)
class Launch:
    """Who shares a run.

    Attributes:
        processes: On all machines together; each takes its share of every batch.
        machines: How many.
        machine: Which of them this is; the first, 0, keeps the run.
        address: Of the first machine, ``host:port``.
        config: accelerate's file where accelerate's launcher starts them; None where torch's does.
        cpu: Whether the file leaves the GPUs alone.
    """

    processes: int = 1
    machines: int = 1
    machine: int = 0
    address: str = ""
    config: Path | None = None
    cpu: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """What the processes find in their environment besides."""
        # Torch for Windows is built without libuv, which its launcher asks for all the same.
        wanted = {"USE_LIBUV": "0"} if sys.platform == "win32" else {}
        return wanted | ({"ACCELERATE_USE_CPU": "true"} if self.cpu else {})

    def command(self, file: Path, *, resume: bool = False) -> list[str]:
        """The command line that makes a run on this machine.

        Args:
            file: Its ``run.toml``.
            resume: Go on with the run of that folder.

        References:
            PyTorch, torchrun (Elastic Launch); accelerate, Launching your scripts
        """
        ours = ["-m", "workbench", "train", str(file), *(["--resume"] if resume else [])]
        if self.config is not None:
            return [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(self.config), *ours]
        if self.processes == 1:
            return [sys.executable, *ours]
        launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={self.processes // self.machines}"]
        if self.machines == 1:
            return [sys.executable, *launcher, "--standalone", *ours]
        host, _, port = self.address.rpartition(":")
        told = {"nnodes": self.machines, "node-rank": self.machine, "master-addr": host, "master-port": port}
        return [sys.executable, *launcher, *(f"--{name}={value}" for name, value in told.items()), *ours]


def read(file: Path) -> Launch:
    """What a file of ``accelerate config`` asks for, without importing accelerate.

    Raises:
        InputError: It is not there, no such file, or leaves open what has to be known.

    References:
        accelerate, The command line: ``accelerate config``
    """
    import yaml

    what = f"Could not launch by {file.name}."
    remedy = "Choose what `accelerate config` wrote, or write it anew with it."
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(told, Mapping) or "distributed_type" not in told:
            raise ValueError("it names no distributed_type")
        return _launch(told, file)
    except OSError as error:
        raise InputError(what, why=f"There is no file {file} that can be read.", remedy=remedy) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise InputError(what, why=f"It is no file of accelerate's: {error}.", remedy=remedy) from error


def _launch(told: Mapping[str, Any], file: Path) -> Launch:
    if told.get("compute_environment", "LOCAL_MACHINE") != "LOCAL_MACHINE":
        raise ValueError(f"it is for {told['compute_environment']}, and runs here are made on machines of your own")
    one = told["distributed_type"] in _STARTS_ONE
    processes = int(told.get("num_processes", 1 if one else -1))
    machines, machine = int(told.get("num_machines") or 1), int(told.get("machine_rank") or 0)
    host, port = told.get("main_process_ip"), int(told.get("main_process_port") or _PORT)
    if processes < 1 or machines < 1 or processes % machines:
        raise ValueError(f"{processes} processes can't be spread over {machines} machines equally")
    if machines > 1 and not host:
        raise ValueError(f"it is for {machines} machines and does not name main_process_ip, the first one's address")
    by_torch = one and processes > 1 and not told.get("mpirun_config")
    config = None if by_torch else file
    return Launch(processes, machines, machine, f"{host}:{port}", config, bool(told.get("use_cpu")))
