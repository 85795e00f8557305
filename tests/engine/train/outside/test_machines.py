"""Runs by a file of accelerate's: several machines, and weights that are spread over the processes."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
import psutil
import pytest
import yaml

from tests.engine.train.test_run import Recorder
from workbench.engine import paths
from workbench.engine.errors import DataError, InputError, WorkbenchError
from workbench.engine.task import Progress
from workbench.engine.train import evaluate, fine_tune, launching, outside, ranks, record
from workbench.engine.train.outside import Outside
from workbench.engine.values import TrainPoint, TrainResult, TrainSpec

_FSDP = {
    "fsdp_version": 2,
    "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
    "fsdp_transformer_layer_cls_to_wrap": "BertLayer",
    "fsdp_state_dict_type": "FULL_STATE_DICT",
}
#: accelerate shards on GPUs alone. Here CPU processes over gloo pass for GPUs, and torch's own FSDP shards.
_PASS_FOR_GPUS = """
import os
if "LOCAL_RANK" in os.environ:
    from accelerate import state

    def prepared(self, cpu=False, sagemaker_dp=False, backend=None):
        import torch
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group("gloo")
        return "gloo", state.DistributedType.MULTI_GPU

    state.PartialState._prepare_backend = prepared
"""


def _port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _file(path: Path, kind: str, **more: Any) -> Path:
    """As ``accelerate config`` writes it for two CPU processes."""
    told = {
        "compute_environment": "LOCAL_MACHINE", "debug": False, "distributed_type": kind, "machine_rank": 0,
        "main_training_function": "main", "mixed_precision": "no", "num_machines": 1, "num_processes": 2,
        "rdzv_backend": "static", "same_network": True, "use_cpu": True, "main_process_port": _port(),
    }  # fmt: skip
    path.write_text(yaml.safe_dump(told | more), encoding="utf-8")
    return path


def _until(run: Outside, step: int) -> Recorder:
    def look(part: Any) -> bool:
        if isinstance(part, TrainPoint) and part.step == step:
            outside.stop(run)
        return False

    return Recorder(look)


def _check_like(one: TrainResult, other: TrainResult) -> None:
    """The curve of the other, as far as it goes, is that of one process."""
    for a, b in zip(one.points, other.points, strict=False):
        assert b.loss == pytest.approx(a.loss, abs=1e-3)
        assert b.eval_loss == pytest.approx(a.eval_loss, abs=1e-3)


def _type(line: str, config: Path) -> subprocess.Popen[str]:
    program, *arguments = shlex.split(line)
    assert program == "workbench"
    typed = [sys.executable, "-m", program, *(str(config) if word == "FILE" else word for word in arguments)]
    return subprocess.Popen(typed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_two_machines_spread_the_weights_stop_together_and_one_goes_on_with_them(
    spec: TrainSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(_PASS_FOR_GPUS, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path.cwd()}")
    monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", "cpu")
    spec = replace(
        spec, max_steps=40, eval_steps=4, save_steps=2, probes=("the quick",), probe_steps=2, learning_rate=1e-2,
        load_best_model_at_end=True, metric_for_best_model="loss",
    )  # fmt: skip
    two = {"fsdp_config": _FSDP, "num_machines": 2, "main_process_ip": "127.0.0.1", "main_process_port": _port()}
    first, second = (_file(tmp_path / f"{rank}.yaml", "FSDP", machine_rank=rank, **two) for rank in (0, 1))
    started = outside.start(spec, config=first)
    other = _type(started.elsewhere, second)
    stopped = outside.follow(started, task=_until(started, 3))
    said, _ = other.communicate(timeout=120)
    assert other.returncode == 0, said
    assert stopped.stopped
    *_, kept = spec.output_dir.glob("checkpoint-*")
    assert (kept / "pytorch_model_fsdp.bin").is_file(), "or nothing was spread"
    assert (kept / "rng_state_1.pth").is_file(), "of the second machine"
    with pytest.raises(InputError, match="Resume it with 2"):
        fine_tune(spec, resume=spec.output_dir)

    again = outside.start(spec, config=_file(tmp_path / "one.yaml", "FSDP", fsdp_config=_FSDP), resume=True)
    result = outside.follow(again)
    one = fine_tune(replace(spec, output_dir=tmp_path / "one", probes=()))
    assert [point.step for point in result.points] == [point.step for point in one.points]
    _check_like(one, stopped)
    _check_like(one, result)
    assert result.best is not None and one.best is not None
    assert result.best.step == one.best.step
    assert evaluate(spec, result.checkpoint).metrics["loss"] == pytest.approx(result.best.value, abs=1e-4)
    assert json.loads((spec.output_dir / "config.json").read_text())["architectures"] == [
        "BertForSequenceClassification"
    ]


def test_without_a_gpu_a_file_for_fsdp_is_told_to_spread_nothing(
    spec: TrainSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    task = Recorder()
    fine_tune(replace(spec, max_steps=1), task=task)
    assert "Without a GPU accelerate makes no use of FSDP: each process has the whole model." in task.lines


@pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed")
@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_gives_the_losses_of_one_process(spec: TrainSpec, tmp_path: Path, stage: int) -> None:
    told = {"zero_stage": stage, "gradient_accumulation_steps": 1, "zero3_init_flag": False}
    config = _file(
        tmp_path / "ds.yaml", "DEEPSPEED", use_cpu=False, deepspeed_config=told | {"zero3_save_16bit_model": True}
    )
    started = outside.start(spec, config=config)
    result = outside.follow(started)
    assert "makes no use" not in started.log.read_text("utf-8")
    _check_like(fine_tune(replace(spec, output_dir=tmp_path / "one")), result)
    assert evaluate(spec, result.checkpoint).metrics["loss"] == pytest.approx(result.points[-1].eval_loss, abs=1e-4)


@pytest.mark.parametrize(
    ("other", "kind", "why"),
    [
        ((("other", ""), ("today", 4)), DataError, "What process 2 reads there is not what the first one reads"),
        ((("rows", ""), ("", 0)), InputError, "Process 2 does not find in"),
        ((("rows", ""), ("today", 2)), InputError, "Process 2 does not find in"),
    ],
)
def test_machines_with_other_data_or_without_the_folder_are_refused(
    spec: TrainSpec,
    other: Any,
    kind: type[WorkbenchError],
    why: str,
) -> None:
    first = (("rows", ""), ("today", 4))
    ranks.compare([first, first], spec)
    with pytest.raises(kind) as raised:
        ranks.compare([first, other], spec)
    assert why in raised.value.why


def test_a_file_says_how_many_share_a_batch_and_who_starts_them(tmp_path: Path) -> None:
    def words(kind: str, **more: Any) -> str:
        return " ".join(launching.read(_file(tmp_path / "one.yaml", kind, **more)).command(Path("run.toml"))[1:])

    ours = "-m workbench train run.toml"
    for kind in ("NO", "MULTI_CPU"):
        # accelerate's own launcher would start one process, without a word.
        assert words(kind) == f"-m torch.distributed.run --nproc-per-node=2 --standalone {ours}"
    for kind in ("MULTI_GPU", "FSDP", "DEEPSPEED"):
        assert words(kind) == f"-m accelerate.commands.launch --config_file {tmp_path / 'one.yaml'} {ours}"
    several = {"num_machines": 2, "num_processes": 8, "main_process_ip": "10.0.0.1", "main_process_port": 5}
    assert words("MULTI_CPU", machine_rank=1, **several) == (
        "-m torch.distributed.run --nproc-per-node=4 --nnodes=2 --node-rank=1 --master-addr=10.0.0.1 --master-port=5 "
        f"{ours}"
    )
    assert launching.read(_file(tmp_path / "one.yaml", "FSDP", **several)).processes == 8


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[", "no file of accelerate's"),
        ("a: 1", "names no distributed_type"),
        ("distributed_type: FSDP", "-1 processes can't be spread"),
        ("distributed_type: FSDP\nnum_processes: 3\nnum_machines: 2", "3 processes can't be spread over 2 machines"),
        ("distributed_type: FSDP\nnum_processes: 2\nnum_machines: 2", "main_process_ip"),
        ("distributed_type: 'NO'\ncompute_environment: AMAZON_SAGEMAKER", "AMAZON_SAGEMAKER"),
        ("distributed_type: FSDP\nnum_processes: 3", "batch of 8 rows can't be shared among 3"),
        (
            "distributed_type: FSDP\nnum_processes: 2\nnum_machines: 2\nmachine_rank: 1\nmain_process_ip: a",
            "machine 2 of 2",
        ),
    ],
)
def test_a_file_that_cannot_be_launched_by_is_refused_at_once(
    spec: TrainSpec,
    tmp_path: Path,
    content: str,
    why: str,
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        outside.start(spec, config=config)
    assert why in raised.value.why
    assert not spec.output_dir.exists()
    config.unlink()
    with pytest.raises(InputError, match=r"config\.yaml"):
        outside.start(spec, config=config)


def test_a_curve_that_is_taken_up_late_is_followed_line_by_line(spec: TrainSpec) -> None:
    old = [{"step": step, "total": 9, "loss": 1.0, "epoch": 0.0} for step in (1, 2)]
    ended = {"event": "ended", "at": "2020-01-01T00:00:00+00:00", "state": "stopped", "step": 2}
    new = [{"event": "resumed", "at": record.now(), "step": 2}, {"step": 2, "total": 9, "eval_loss": 2.0, "epoch": 0.0}]
    spec.output_dir.mkdir(parents=True)
    curve = spec.output_dir / "curve.jsonl"
    curve.write_text("".join(json.dumps(line) + "\n" for line in [*old, ended]), encoding="utf-8")
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run = Outside(spec.output_dir, sleeper.pid, psutil.Process(sleeper.pid).create_time(), spec.output_dir / "log")
    looks = 0

    def look(part: Any) -> bool:
        nonlocal looks
        if not isinstance(part, Progress):
            return False
        looks += 1
        if looks == 2:
            # As a run does that is taken up; the file is not shorter than it was.
            record.write_whole(curve, "".join(json.dumps(line) + "\n" for line in [*old, *new]))
        if looks == 4:
            sleeper.communicate(b"\n")
        return False

    watching = Recorder(look)
    with filelock.FileLock(spec.output_dir / paths.RUN_LOCK), pytest.raises(WorkbenchError):
        outside.follow(run, task=watching)
    assert [(point.step, point.loss, point.eval_loss) for point in watching.points] == [
        (1, 1.0, None), (2, 1.0, None), (2, None, 2.0),
    ]  # fmt: skip
