"""What a decision model is given: a text, a question and its options, as the library's template writes them.

References:
    transformers, Auto Classes: AutoModelForDecision
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.tasks import decision
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from workbench.engine.tasks.inputs import Request

#: The head of models that score the options themselves.
DECIDES = "AutoModelForDecision"
WORDS = "A text, below it the question, and below that the options, one a line"
EXAMPLE = "\n".join((decision.SPEC.example.text, decision.SPEC.example.second, *decision.SPEC.example.labels))


def parted(text: str) -> TaskInput:
    """The text, the question and the options of one text: its first line, its second, and the others."""
    first, second, *labels = [*(line for line in text.splitlines() if line.strip()), "", ""]
    return TaskInput(first, second=second, labels=tuple(label for label in labels if label))


def decided(request: Request) -> dict[str, Any]:
    """The arguments of ``model(…)`` that the library's ``decide`` makes.

    Raises:
        InputError: There is no question.
        NotSupported: The checkpoint has no template to write it with.
    """
    import torch
    from transformers.decision import parse_questions
    from transformers.decision.template_utils import Question

    prepared = decision.preprocess(request)
    questions = parse_questions(decision.asked(request.given)["questions"], decision.settings(request))
    kinds = [Question.questions_types.index(each.type) for each in questions]
    return prepared.tensors | {
        "marks": prepared.aside["marks"][None],
        "num_options": torch.tensor([[len(each.options) for each in questions]]),
        "question_type_ids": torch.tensor([kinds]),
    }
