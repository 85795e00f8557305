"""Decision: a question about a text, answered with a probability for every option by one pass.

A decision model scores the options itself; any other chat model scores them by the logits of their letters.

References:
    transformers, Pipelines: DecisionPipeline; Auto Classes: AutoModelForDecision
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="decision",
    heads=("AutoModelForCausalLM", "AutoModelForDecision", "AutoModelForImageTextToText"),
    does="Answers a question about a text by choosing among options",
    inputs=(
        ("text", "Text"),
        ("second", "Question"),
        ("labels", "Options, one a line; none asks for yes or no"),
    ),
    options=(),
    shows="labels",
    example=TaskInput(
        "I was charged twice for my order and want a refund.",
        "What is the message about?",
        ("billing", "delivery", "praise"),
    ),
)

_NAME = "question"
_OFFLINE: dict[str, Any] = {"local_files_only": True}


def refusal(model: LoadedModel) -> NotSupported | None:
    """Why a checkpoint can't be asked to decide, whatever its head: its folder has no template to ask with."""
    reader = model.processor or model.tokenizer
    # Without a tokenizer there is more to say than this, and some tokenizers have no file of a template.
    untold = getattr(reader, "chat_template", "") is None
    if not untold or _settings(model).chat_template is not None:
        return None
    return NotSupported(
        f"{model.checkpoint.name} can't decide.",
        why="It has neither a decision template nor a chat template to write the question with.",
        remedy="Load a checkpoint whose name says Instruct or Chat.",
    )


def preprocess(request: Request) -> Inputs:
    """Write text, question and options as the model's decision template or its chat template has them.

    Returns:
        The ids; aside ``marks``, the numbers of tokens before each place that is read.

    Raises:
        InputError: The text or the question is empty, or there are more options than letters.
        NotSupported: The checkpoint's decision settings name an adapter.
    """
    check_text(request.text)
    check_text(request.given.second, "question")
    config = settings(request)
    # The library adds tokens of its own to the tokenizer; those of the window must not change under it.
    reader = copy.deepcopy(request.model.processor or request.tokenizer)
    try:
        ((made, _),) = config.prepare_inputs(asked(request.given), reader)
    except (ValueError, TypeError) as error:
        raise _refused(error) from error
    tensors = dict(made)
    marks = tensors.pop("marks")
    return Inputs(tensors, {"marks": marks})


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``scores`` of shape ``(options,)``, the score or the letter's logit of each, after the temperature.

    Raises:
        InputError: The letters of the options are not single tokens of this model.
    """
    from transformers.decision import label_token_ids
    from transformers.decision.modeling_utils import DecisionMixin, process_scores

    model, config = request.model.model, settings(request)
    questions = _questions(request)
    tensors = request.on_device(inputs.tensors)
    marks = inputs.aside["marks"].to(model.device)
    if isinstance(model, DecisionMixin):
        (scores,) = model.decide(**tensors, marks=marks, decision_questions=questions, decision_config=config)
        return {"scores": scores.float().cpu()}
    logits = model(**tensors, use_cache=False, logits_to_keep=marks - 1).logits[0]
    try:
        labels = [logits[0, label_token_ids(request.tokenizer, tuple(questions[0].labels))]]
    except ValueError as error:
        raise _refused(error) from error
    (scores,) = process_scores(config, tensors["input_ids"], marks, questions, labels)
    return {"scores": scores.float().cpu()}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The softmax over the options, the best first."""
    probabilities = outputs["scores"].softmax(dim=-1)
    (question,) = _questions(request)
    items = [Label(*pair) for pair in zip(question.options, probabilities.tolist(), strict=True)]
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"probabilities": probabilities}, tuple(items))


def settings(request: Request) -> Any:
    """The checkpoint's ``DecisionConfig``, or the library's default where it has none.

    Raises:
        NotSupported: It names an adapter, which the library's pipeline would load onto the model.
    """
    found = _settings(request.model)
    if found.adapter:
        raise NotSupported(
            f"{request.model.checkpoint.name} can't decide as it is loaded.",
            why=f"Its decision settings ask for the adapter “{found.adapter}”, which is not on the model.",
            remedy="Load the adapter's own folder.",
        )
    return found


def _settings(model: LoadedModel) -> Any:
    from transformers.decision import DecisionConfig

    own = getattr(model.model, "decision_config", None)
    return own or DecisionConfig.from_pretrained(model.checkpoint.path, **_OFFLINE)


def asked(given: TaskInput) -> dict[str, Any]:
    """The request as the library's decision models take it; without options the question is one of true or false."""
    labels = [label for label in given.labels if label.strip()]
    question: dict[str, Any] = {"type": "choice" if labels else "noul", "instructions": given.second}
    if labels:
        question["criteria"] = dict.fromkeys(labels)
    return {"state": given.text, "questions": {_NAME: question}}


def _questions(request: Request) -> list[Any]:
    from transformers.decision import parse_questions

    return list(parse_questions(asked(request.given)["questions"], settings(request)))


def _refused(error: Exception) -> InputError:
    return InputError(
        "The question can't be asked.",
        why=f"The library says: {first_line(error)}",
        remedy="Give fewer options, or load another checkpoint.",
    )
