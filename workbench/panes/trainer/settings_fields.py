"""The settings of a run that have a control of their own, in the groups the form shows them in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """A setting.

    Attributes:
        name: Of the `TrainSpec` field, and the last part of the control's object name.
        label: As it is shown.
        spelled: As transformers (or the tokenizer, or peft) spells it.
        usual: Its usual range.
        tip: What it does.
        low, high, step: Of a number.
        decimals: Digits after the point; None makes a whole number.
        lowest: What the lowest value means, such as "all rows".
    """

    name: str
    label: str
    spelled: str
    usual: str
    tip: str
    low: float = 0
    high: float = 0
    step: float = 1
    decimals: int | None = None
    lowest: str = ""


USUAL = (
    Field("rows", "Rows", "shuffle().select()", "500–20,000",
          "Use as many rows, drawn with the seed; some are held out.",
          0, 10_000_000, 500, lowest="all rows"),
    Field("max_length", "Length", "max_length", "48–512",
          "Rows are cut at as many tokens; for a causal model the length of a block.", 4, 1_000_000, 16),
    Field("epochs", "Epochs", "num_train_epochs", "1–4", "How often each row is seen.", 0.01, 1000, 1, 2),
    Field("batch_size", "Batch size", "per_device_train_batch_size", "8–64",
          "Rows that go through the model at once; more takes more memory.", 1, 4096),
    Field("learning_rate", "Learning rate", "learning_rate", "1e-5–5e-4",
          "How far each step goes, at the peak of the schedule. Too high and the loss jumps or becomes NaN."),
)  # fmt: skip

METHOD = (
    Field("freeze_layers", "Freeze layers", "requires_grad", "0 to half",
          "Leaves the embeddings and as many of the first layers as they are: faster, and gentle with few rows.",
          0, 200, lowest="none"),
    Field("weight_decay", "Weight decay", "weight_decay", "0–0.1", "Pulls the weights towards 0 at each step.",
          0, 1, 0.01, 3),
    Field("label_smoothing_factor", "Label smoothing", "label_smoothing_factor", "0–0.1",
          "Spreads this share of each label over the others, so that the model is less sure of itself.",
          0, 0.9, 0.05, 2, lowest="none"),
    Field("neftune_noise_alpha", "NEFTune noise", "neftune_noise_alpha", "5–15",
          "Adds noise to the embeddings while training; it helps answers of instruction models.",
          0, 100, 5, 1, lowest="none"),
    Field("seed", "Seed", "seed, data_seed", "any",
          "Of the split, the order, the fresh head and the dropout: the same seed gives the same run.",
          0, 2_147_483_647),
)  # fmt: skip

MEMORY = (
    Field("gradient_accumulation_steps", "Accumulate", "gradient_accumulation_steps", "1–16",
          "Batches per optimizer step: the effect of a larger batch without its memory.", 1, 1024),
    Field("threads", "CPU threads", "torch.set_num_threads", "cores − 1",
          "Threads of the run; with all of them the window is slower while it trains.", 0, 512, lowest="automatic"),
)  # fmt: skip

MEMORY_SWITCHES = (
    Field("bf16", "bfloat16", "bf16", "where fast",
          "Computes in bfloat16 (autocast); the weights stay float32."),
    Field("fp16", "float16", "fp16", "older GPUs",
          "Computes in float16 (autocast) with a scaled loss; the weights stay float32."),
    Field("group_by_length", "Group by length", "train_sampling_strategy", "short texts",
          "Puts rows of like length into a batch: less padding, faster."),
    Field("activation_checkpointing", "Checkpoint activations", "activation_checkpointing", "long texts",
          "Computes the activations again in the backward pass: far less memory, a third slower."),
    Field("torch_compile", "Compile", "torch_compile", "long runs",
          "Compiles the model first: a minute or more, then faster steps on a GPU."),
)  # fmt: skip

SCHEDULE = (
    Field("lr_scheduler_type", "Schedule", "lr_scheduler_type", "linear, cosine",
          "How the learning rate changes after the warm-up."),
    Field("warmup_steps", "Warm-up", "warmup_steps", "0.05–0.1",
          "Steps in which the learning rate rises from 0; below 1 it is a share of all steps.", 0, 1_000_000, 0.05, 2),
    Field("max_steps", "Steps at most", "max_steps", "by epochs",
          "Ends the run after as many optimizer steps, whatever the epochs say.",
          0, 10_000_000, 10, lowest="by epochs"),
)  # fmt: skip

EVALUATION = (
    Field("eval_fraction", "Held out", "test_size", "0.05–0.2",
          "Share of the rows that is evaluated on, never trained on.", 0.01, 0.9, 0.05, 2),
    Field("eval_steps", "Evaluate every", "eval_steps", "each epoch", "Evaluates after as many steps.",
          0, 10_000_000, 10, lowest="each epoch"),
    Field("early_stopping_patience", "Patience", "early_stopping_patience", "2–5",
          "Stops after as many evaluations in which the metric got no better.", 0, 1000, lowest="never stops"),
    Field("early_stopping_threshold", "Better by", "early_stopping_threshold", "0–0.01",
          "How much the metric has to gain to count as better.", 0, 100, 0.001, 4),
    Field("metric_for_best_model", "Metric", "metric_for_best_model", "accuracy, f1",
          "The number of an evaluation that tells which was best, for patience and for the result."),
    Field("save_steps", "Checkpoint every", "save_steps", "automatic",
          "Writes a checkpoint to go on from after as many steps; by itself after an epoch and every five minutes.",
          0, 10_000_000, 50, lowest="automatic"),
)  # fmt: skip

EVALUATION_SWITCHES = (
    Field("load_best_model_at_end", "Keep the best", "load_best_model_at_end", "long runs",
          "The result is the checkpoint of the evaluation that was best by the metric, not the last one; each better "
          "one is written as a checkpoint. Choosing by the held-out rows makes their score read a little high."),
)  # fmt: skip

FIELDS = (*USUAL, *METHOD, *MEMORY, *SCHEDULE, *EVALUATION)
SWITCHES = (*MEMORY_SWITCHES, *EVALUATION_SWITCHES)
