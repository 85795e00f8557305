"""Probes: a few texts that the model answers again and again while it learns, without changing what it learns."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.task import Progress, Task
from workbench.engine.train.heads import HEADS
from workbench.engine.train.heads.prompt_form import FORMS, written_prompt
from workbench.engine.train.record import write_whole
from workbench.engine.values import ProbeResult, TrainSpec

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, TrainerControl, TrainerState, TrainingArguments

#: The file of a run's folder with a line of JSON for each answer.
NAME = "probes.jsonl"
#: Stands between the two texts of a pair, between question and context, or between instruction and input.
BETWEEN = "|||"
#: What stands for the mask in a probe, whatever the checkpoint's own is.
MASK = "[MASK]"
_FILLS = 5
_LONGEST_ANSWER = 30


class Probing:
    """Puts the probes before the first step, every ``probe_steps`` steps and after the last, and keeps the answers.

    Nothing is drawn at random, the model computes as for an evaluation and is put back as it was, and torch's
    generators too: the losses are those of a run without probes, bit for bit. Attach it after the watch and before the
    lock, which is held meanwhile.

    Args:
        spec: The run.
        task: Is sent a `ProbeResult` for each answer; when it is cancelled, the rest of the probes is left out.
        spent: Is told the seconds each round took.
        spread: Whether the weights are spread over several processes, which would all have to answer.
    """

    def __init__(self, spec: TrainSpec, task: Task, spent: Callable[[float], object], spread: bool = False) -> None:
        self._spread = spread
        self._spec = spec
        self._task = task
        self._spent = spent

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        _: TrainerControl,
        model: PreTrainedModel | None = None,
        processing_class: Any = None,
        **__: object,
    ) -> None:
        """Answer before the first step; of a run that goes on, tell the answers up to its checkpoint again."""
        folder = Path(args.output_dir)
        if state.global_step:
            kept = [result for result in read(folder) if result.step <= state.global_step]
            if kept and state.is_world_process_zero:
                write_whole(folder / NAME, "".join(_line(result) for result in kept))
            for result in kept:
                self._task.send(result)
        elif self._spec.probes:
            if self._spread:
                self._task.log("The probes are left out: the weights are spread over several processes.")
            self._round(args, state, model, processing_class)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        _: TrainerControl,
        model: PreTrainedModel | None = None,
        processing_class: Any = None,
        **__: object,
    ) -> None:
        """Answer when it is time."""
        if state.global_step % max(1, self._spec.probe_steps) == 0 or state.global_step >= state.max_steps:
            self._round(args, state, model, processing_class)

    def _round(self, args: TrainingArguments, state: TrainerState, model: Any, reader: Any) -> None:
        if not self._spec.probes or self._spread or not state.is_world_process_zero:
            return
        began = time.perf_counter()
        self._task.report(Progress(state.global_step, state.max_steps, "steps", "Probing"))
        with _untouched(model):
            for probe in self._spec.probes:
                result = answer(model, reader, self._spec, probe, state.global_step, self._task)
                if self._task.cancelled:
                    break
                self._task.send(result)
                self._keep(Path(args.output_dir), result)
        self._spent(time.perf_counter() - began)

    def _keep(self, folder: Path, result: ProbeResult) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / NAME).open("a", encoding="utf-8") as file:
                file.write(_line(result))
        except OSError as error:
            self._task.log(f"The answers of step {result.step:,} could not be kept: {error}.")


def answer(model: PreTrainedModel, reader: Any, spec: TrainSpec, probe: str, step: int, task: Task) -> ProbeResult:
    """What a model makes of a probe.

    Args:
        model: With the head of the run.
        reader: Its tokenizer; or its image processor, and the probe is the path of a picture.
        spec: The run.
        probe: A text; two texts, a question and its context, or an instruction and its input, with ``|||`` between
            them; or a text with ``[MASK]``.
        step: Kept with the answer.
        task: Its stop ends a generation early.

    Returns:
        The answer; one that can't be had says why in its ``note``, since no run should end for it.
    """
    asked = _ASKED[HEADS[spec.task].auto_class]
    try:
        return ProbeResult(step, probe, **asked(model, reader, spec, probe, task))
    except Exception as error:
        return ProbeResult(step, probe, note=f"No answer: {error or type(error).__name__}"[:300])


def read(folder: Path) -> tuple[ProbeResult, ...]:
    """The answers that a run has kept, in their order; a line that was cut short by a crash is passed over."""
    try:
        lines = (folder / NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            kept = json.loads(line)
            found.append(
                ProbeResult(
                    int(kept["step"]),
                    str(kept["probe"]),
                    str(kept.get("text", "")),
                    tuple((str(name), float(share)) for name, share in kept.get("labels", ())),
                    tuple((str(word), str(tag)) for word, tag in kept.get("tags", ())),
                    str(kept.get("note", "")),
                )
            )
    return tuple(found)


def _line(result: ProbeResult) -> str:
    return json.dumps({name: value for name, value in asdict(result).items() if value or name == "step"}) + "\n"


@contextlib.contextmanager
def _untouched(model: torch.nn.Module) -> Iterator[None]:
    """Compute without gradients and dropout, and leave model and generators as they were."""
    import torch

    training = [module for module in model.modules() if module.training]
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    # Not inference_mode: what a model keeps for later, such as its rotary table, could not be used in a step then.
    with torch.random.fork_rng(devices=list(devices)), torch.no_grad():
        model.eval()
        try:
            yield
        finally:
            for module in training:
                module.training = True


def _continued(model: Any, tokenizer: Any, spec: TrainSpec, probe: str, task: Task) -> dict[str, Any]:
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Stopped(StoppingCriteria):
        def __call__(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
            import torch

            return torch.full((ids.shape[0],), task.cancelled, device=ids.device)

    if spec.task == "chat" and spec.columns.get("input"):
        instruction, _, about = probe.partition(BETWEEN)
        forms = (HEADS["chat"].option(spec, form.name) for form in FORMS)
        probe = written_prompt(instruction.strip(), about.strip(), *forms)
    if spec.task == "chat" and tokenizer.chat_template is not None:
        inputs = tokenizer.apply_chat_template(
            [{"role": "user", "content": probe}], add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )
    else:
        inputs = tokenizer(probe, return_tensors="pt", truncation=True, max_length=spec.max_length)
    # Said in full: a checkpoint may come with settings that draw.
    written = model.generate(
        **_placed(inputs, model),
        do_sample=False,
        num_beams=1,
        temperature=1.0,
        top_p=1.0,
        top_k=50,
        max_length=None,
        max_new_tokens=spec.probe_tokens,
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,
        stopping_criteria=StoppingCriteriaList([Stopped()]),
    )[0]
    start = 0 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    return {"text": tokenizer.decode(written[start:], skip_special_tokens=True)}


def _classified(model: Any, reader: Any, spec: TrainSpec, probe: str, _: Task) -> dict[str, Any]:
    if HEADS[spec.task].reads == "tokenizer":
        texts = [part.strip() for part in probe.split(BETWEEN, 1)]
        inputs = reader(*texts, return_tensors="pt", truncation=True, max_length=spec.max_length)
    else:
        from PIL import Image

        with Image.open(probe) as picture:
            inputs = reader(images=picture.convert("RGB"), return_tensors="pt")
    logits = model(**_placed(inputs, model)).logits[0].float()
    if model.config.problem_type == "regression":
        return {"text": ", ".join(f"{value:.4g}" for value in logits.tolist())}
    several = model.config.problem_type == "multi_label_classification"
    shares = (logits.sigmoid() if several else logits.softmax(-1)).tolist()
    named = [(model.config.id2label[number], share) for number, share in enumerate(shares)]
    return {"labels": tuple(sorted(named, key=lambda pair: -pair[1]))}


def _tagged(model: Any, tokenizer: Any, spec: TrainSpec, probe: str, _: Task) -> dict[str, Any]:
    words = probe.split()
    inputs = tokenizer(
        words, is_split_into_words=True, return_tensors="pt", truncation=True, max_length=spec.max_length
    )
    tags = model(**_placed(inputs, model)).logits[0].argmax(-1).tolist()
    first: dict[int, str] = {}
    for place, word in enumerate(inputs.word_ids()):
        if word is not None:
            first.setdefault(word, model.config.id2label[tags[place]])
    return {"tags": tuple((words[word], tag) for word, tag in first.items())}


def _filled(model: Any, tokenizer: Any, spec: TrainSpec, probe: str, _: Task) -> dict[str, Any]:
    text = probe.replace(MASK, tokenizer.mask_token)
    inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=spec.max_length)
    places = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[:, 0].tolist()
    if not places:
        return {"note": f"There is no {MASK} in it."}
    logits = model(**_placed(inputs, model)).logits[0].float().cpu()
    shares, ids = logits[places[0]].softmax(-1).topk(_FILLS)
    whole = inputs["input_ids"][0].clone()
    for place in places:
        whole[place] = logits[place].argmax()
    words = (tokenizer.decode([token]).strip() for token in ids.tolist())
    labels = tuple(zip(words, shares.tolist(), strict=True))
    return {"text": tokenizer.decode(whole, skip_special_tokens=True), "labels": labels}


def _found(model: Any, tokenizer: Any, spec: TrainSpec, probe: str, _: Task) -> dict[str, Any]:
    question, between, context = (part.strip() for part in probe.partition(BETWEEN))
    if not between:
        return {"note": f"Write the question, {BETWEEN} and the text that answers it."}
    inputs = tokenizer(
        question, context, return_tensors="pt", return_offsets_mapping=True, truncation="only_second",
        max_length=spec.max_length,
    )  # fmt: skip
    offsets = inputs.pop("offset_mapping")[0].tolist()
    output = model(**_placed(inputs, model))
    import torch

    inside = torch.tensor([part == 1 for part in inputs.sequence_ids()])
    start, end = (
        logits[0].float().cpu().masked_fill(~inside, -torch.inf).softmax(-1)
        for logits in (output.start_logits, output.end_logits)
    )
    pairs = torch.triu(start[:, None] * end[None, :]).tril(_LONGEST_ANSWER - 1)
    first, last = divmod(int(pairs.argmax()), len(end))
    found = context[offsets[first][0] : offsets[last][1]]
    return {"text": found, "labels": ((found, float(pairs[first, last])),)}


def _placed(inputs: Any, model: Any) -> dict[str, Any]:
    return {name: tensor.to(model.device) for name, tensor in inputs.items()}


_ASKED: dict[str, Callable[..., dict[str, Any]]] = {
    "AutoModelForCausalLM": _continued,
    "AutoModelForSeq2SeqLM": _continued,
    "AutoModelForSequenceClassification": _classified,
    "AutoModelForImageClassification": _classified,
    "AutoModelForTokenClassification": _tagged,
    "AutoModelForMaskedLM": _filled,
    "AutoModelForQuestionAnswering": _found,
}
