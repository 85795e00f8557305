"""Instructions and conversations: only what the assistant says is learned."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine.data import as_text
from workbench.engine.errors import CheckpointError, DataError
from workbench.engine.task import Task
from workbench.engine.train import metrics
from workbench.engine.train.heads.gathered import Gathered
from workbench.engine.train.heads.head import OF_TOKENS, Head, Option, Role, batches, broken
from workbench.engine.train.heads.prompt_form import FORMS, written_prompt

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec


def as_messages(value: Any) -> list[dict[str, Any]]:
    """The messages of a cell as ``apply_chat_template`` takes them; ``from`` and ``value`` are read as well.

    Raises:
        ValueError: It is no list of messages.
    """
    said = json.loads(value) if isinstance(value, str) else value
    if not isinstance(said, list) or not all(isinstance(message, dict) for message in said):
        raise ValueError("no list of messages")
    called = {"human": "user", "gpt": "assistant"}
    messages = []
    for message in said:
        told = {key: part for key, part in message.items() if part is not None}
        if "from" in told and "role" not in told:
            role = str(told.pop("from"))
            told = {"role": called.get(role, role), "content": told.pop("value", ""), **told}
        if not isinstance(told.get("role"), str):
            raise ValueError("a message without a role")
        messages.append(told)
    return messages


def messages_in(value: Any) -> list[dict[str, Any]]:
    """The messages of a cell; none where it can't be read."""
    try:
        return as_messages(value)
    except ValueError:
        return []


def silent(messages: list[dict[str, Any]]) -> str:
    """Why nothing can be learned from a conversation, or an empty string."""
    if not messages:
        return "there are no messages"
    if not any(message["role"] == "assistant" for message in messages):
        return "the assistant says nothing"
    return ""


def as_turns(cell: str, role: str) -> list[dict[str, Any]]:
    """The messages that a prompt or a completion is made of; a text is one message of this role."""
    turns = []
    if cell.lstrip().startswith("["):
        try:
            turns = as_messages(cell)
        except (ValueError, RecursionError):
            turns = []
    return turns or [{"role": role, "content": cell}]


def answered(row: Mapping[str, str]) -> bool:
    """Whether a row of prompt and completion asks something, and the assistant answers it."""
    if not row["prompt"].strip() or not row["completion"].strip():
        return False
    return not silent(as_turns(row["completion"], "assistant"))


def said_ids(tokenizer: Any, messages: list[dict[str, Any]], only_last: bool, given: int = 0) -> dict[str, list[int]]:
    """Ids of a conversation up to the assistant's last turn, and labels: -100 for all but what the assistant says.

    The end token after a turn is learned too, or the model would never stop. Of the first ``given`` messages nothing
    is learned.

    Raises:
        ValueError: The template writes an earlier turn in another way once others follow.
    """
    turns = [place for place, message in enumerate(messages) if message["role"] == "assistant" and place >= given]
    messages = messages[: turns[-1] + 1]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    spans = []
    for turn in turns[-1:] if only_last else turns:
        before = tokenizer.apply_chat_template(messages[:turn], tokenize=False, add_generation_prompt=True)
        until = tokenizer.apply_chat_template(messages[: turn + 1], tokenize=False).rstrip()
        if not until.startswith(before) or not text.startswith(until):
            raise ValueError(f"the template writes turn {turn + 1} in another way once others follow")
        spans.append((len(before), len(until)))
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    labels = [
        token if any(begin <= start < end for begin, end in spans) else -100
        for token, (start, _) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    ]
    return {"input_ids": encoded["input_ids"], "labels": labels}


def completed_ids(tokenizer: Any, prompt: str, completion: str) -> dict[str, list[int]]:
    """Ids of a prompt, its completion and the end token, and labels: -100 for the prompt."""
    asked = tokenizer(prompt, verbose=False)["input_ids"]
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    if asked[-1:] == end:
        asked = asked[:-1]
    said = [*tokenizer(completion, add_special_tokens=False, verbose=False)["input_ids"], *end]
    return {"input_ids": [*asked, *said], "labels": [-100] * len(asked) + said}


def chat_ids(tokenizer: Any, row: Mapping[str, Any], only_last: bool) -> dict[str, list[int]]:
    """Ids and labels of a row of messages, or of prompt and completion, by the template where there is one.

    Raises:
        ValueError: See `said_ids`.
        LookupError: The prompt or the completion is made of messages, and there is no template to write them.
    """
    if "messages" in row:
        return said_ids(tokenizer, json.loads(row["messages"]), only_last)
    asked, said = as_turns(row["prompt"], "user"), as_turns(row["completion"], "assistant")
    if tokenizer.chat_template is None:
        if (asked[0]["content"], said[0]["content"]) != (row["prompt"], row["completion"]):
            raise LookupError("there is no chat template, so its messages can't be written")
        return completed_ids(tokenizer, row["prompt"], row["completion"])
    return said_ids(tokenizer, [*asked, *said], only_last, given=len(asked))


class Chat(Head):
    """Each token of the assistant's turns is predicted from all before it.

    References:
        transformers, Chat templates; TRL, SFTTrainer: ``assistant_only_loss``, ``completion_only_loss``
    """

    task = "chat"
    title = "Instructions and chat"
    learns = "what the assistant says"
    auto_class = "AutoModelForCausalLM"
    roles = (
        Role(
            "messages",
            "Messages column",
            "A conversation: a JSON list of objects with role and content",
            required=False,
            names=("messages", "conversations", "conversation", "chat", "chosen"),
        ),
        Role(
            "prompt",
            "Prompt column",
            "What is asked, where a row is prompt and completion",
            required=False,
            names=("prompt", "instruction", "question", "input"),
            unless="messages",
        ),
        Role(
            "input",
            "Input column",
            "What an instruction is about, where that stands apart as in Alpaca; how the two are put together stands "
            "in step 2",
            required=False,
            names=("input", "context"),
            unless="messages",
        ),
        Role(
            "completion",
            "Completion column",
            "What is to be said",
            required=False,
            names=("completion", "response", "output", "answer", "chosen"),
            unless="messages",
        ),
    )
    options = (
        Option(
            "learn",
            "Learn",
            "Which of the assistant's turns are learned. All is usual; only the last where a template drops something "
            "from earlier turns, as those of thinking models do",
            "all",
            choices=(("all", "all turns"), ("last", "only the last turn")),
        ),
        *FORMS,
    )
    scales_loss = True
    told = OF_TOKENS
    wide_logits = True

    def lacks(self, columns: Mapping[str, str]) -> str:
        """Messages, or prompt and completion."""
        if columns.get("messages"):
            more = " and the ".join(role for role in ("prompt", "input", "completion") if columns.get(role))
            return f"A column is chosen for messages and another for the {more}: use one or the other." if more else ""
        missing = " and the ".join(role for role in ("prompt", "completion") if not columns.get(role))
        return f"No column is chosen for messages, nor for the {missing}." if missing else ""

    def problem(self, row: Mapping[str, Any], spec: TrainSpec) -> str:
        """The assistant has to say something."""
        if "messages" in row:
            try:
                return silent(as_messages(row["messages"])) or broken(row)
            except ValueError as error:
                return f"the messages can't be read: {error}"
        empty = [role for role in ("prompt", "completion") if not as_text(row[role]).strip()]
        if empty:
            return f"the {empty[0]} is empty"
        mute = silent(as_turns(as_text(row["completion"]), "assistant"))
        return mute or broken(row)

    def value(self, role: str, value: Any) -> Any:
        """Messages as JSON: their fields differ from row to row."""
        return json.dumps(as_messages(value), ensure_ascii=False) if role == "messages" else as_text(value)

    def settle(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> None:
        """Messages need a template, and a tokenizer that knows where its tokens stand.

        Raises:
            CheckpointError: Something of it is missing.
        """
        super().settle(model, tokenizer, spec)
        what = f"Could not train {spec.checkpoint.name}."
        if tokenizer.chat_template is None and spec.columns.get("messages"):
            raise CheckpointError(
                what,
                why="It has no chat template, so messages can't be written as it would read them.",
                remedy="Choose an Instruct or Chat checkpoint, or data with prompt and completion.",
            )
        if tokenizer.chat_template is not None and not tokenizer.is_fast:
            raise CheckpointError(
                what,
                why="Its tokenizer is written in Python and does not say where its tokens stand.",
                remedy="Choose a checkpoint with a tokenizer.json.",
            )

    def encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
    ) -> Dataset:
        """Ids by the checkpoint's template, cut at ``max_length``, with ``labels``: -100 for what others say.

        Raises:
            DataError: The template refuses a row, or nothing of the assistant is left within ``max_length``.
        """
        encoded = Gathered()
        cut = mute = 0
        for batch in batches(rows, task):
            for place in range(len(batch["place"])):
                row = {name: values[place] for name, values in batch.items()}
                made = self._written(tokenizer, row, spec)
                cut += len(made["input_ids"]) > spec.max_length
                if all(label == -100 for label in made["labels"][: spec.max_length]):
                    mute += 1
                    if mute <= 5:
                        task.log(f"  {row['place']}: the assistant speaks only after {spec.max_length} tokens")
                    continue
                encoded.add({name: [ids[: spec.max_length]] for name, ids in made.items()})
        if cut:
            task.log(f"{cut:,} of {len(rows):,} rows are longer than {spec.max_length} tokens and are cut there.")
        if mute:
            task.log(f"{mute:,} of {len(rows):,} rows are left out: nothing the assistant says is left of them.")
        if mute == len(rows):
            raise DataError(
                f"Could not train on {spec.data.name}.",
                why=f"In none of {len(rows):,} rows the assistant speaks within {spec.max_length} tokens.",
                remedy="Use a larger max_length.",
            )
        return encoded.dataset()

    def _written(self, tokenizer: Any, row: Mapping[str, Any], spec: TrainSpec) -> dict[str, list[int]]:
        import jinja2

        if "input" in row:
            forms = (self.option(spec, form.name) for form in FORMS)
            row = {**row, "prompt": written_prompt(row["prompt"], row["input"], *forms)}
        try:
            return chat_ids(tokenizer, row, self.option(spec, "learn") == "last")
        except jinja2.TemplateError as error:
            why = f"{row['place']}: the chat template refuses it and says: {error}."
            remedy = "Many templates want user and assistant to alternate, with one system message at the start."
        except LookupError as error:
            why, remedy = f"{row['place']}: {error}.", "Choose an Instruct or Chat checkpoint."
        except ValueError as error:
            why, remedy = f"{row['place']}: {error}.", "Set Learn to the last turn only."
        raise DataError(f"Could not train on {spec.data.name}.", why=why, remedy=remedy)

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, spec: TrainSpec
    ) -> Callable[..., Any]:
        """Pads a batch to its longest row, the labels with -100; an end token that also pads is still learned."""
        from transformers import DataCollatorForSeq2Seq

        return DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)

    def metrics(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        spec: TrainSpec,
        encoded: Dataset | None = None,
    ) -> Callable[..., dict[str, float]] | None:
        """Token accuracy and perplexity of what the assistant says."""
        return metrics.next_token_metrics

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> list[int] | None:
        """Tokens of the whole conversation."""
        return [len(self._written(tokenizer, row, spec)["input_ids"]) for row in rows]
