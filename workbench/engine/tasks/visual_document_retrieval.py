"""Visual document retrieval: which pages answer which questions, by comparing pieces of pages with words.

References:
    transformers, ColPali, ColQwen2 and ColModernVBERT: processor.score_retrieval
    Faysse et al. 2024, ColPali: Efficient Document Retrieval with Vision Language Models
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError
from workbench.engine.task import Progress
from workbench.engine.tasks import samples, videos
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.tasks.processors import processor
from workbench.engine.tasks.raw_inputs import RETRIEVES
from workbench.engine.tasks.vision import prepared
from workbench.engine.values import PageScore, TaskInput

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

SPEC = Spec(
    name="visual-document-retrieval",
    heads=("AutoModelForPreTraining",),
    does="Says how well each of some pages answers each of some questions",
    inputs=(("text", "Questions, one a line"), ("video", "Pages: a picture, or a folder of them")),
    options=(),
    shows="pages",
    example=TaskInput("How much has to be paid?\nHow many apples were sold?"),
)

ONLY = {"AutoModelForPreTraining": RETRIEVES}
"""Of each Auto class, the architectures that do it."""

SAMPLES = {"video": samples.pages}
"""What the example's files are made by, where it is another than for most tasks."""

#: Width and height that a page is shown in.
_SHOWN = (480, 640)
_PAGE = "pages."


def questions(text: str) -> list[str]:
    """The lines that have something in them."""
    return [line for line in text.splitlines() if line.strip()]


def preprocess(request: Request) -> Inputs:
    """The questions and the pages as the checkpoint's processor has a method for each; aside, the pages in small.

    Raises:
        InputError: There are no questions or no pages, or they can't be read or prepared.
        NotSupported: The checkpoint has no processor that works here.
    """
    import numpy
    import torch
    from PIL import Image

    check_text(request.text, "question")
    pages = _pages(request)
    prepares = processor(request.model)
    asked = prepared(prepares.process_queries, text=questions(request.text))
    seen = prepared(prepares.process_images, images=pages)
    small = []
    for page in pages:
        page.thumbnail(_SHOWN)
        ground = Image.new("RGB", _SHOWN, "grey")
        ground.paste(page, ((_SHOWN[0] - page.width) // 2, (_SHOWN[1] - page.height) // 2))
        small.append(numpy.asarray(ground))
    tensors = {**asked, **{_PAGE + name: tensor for name, tensor in seen.items()}}
    return Inputs(tensors, {"frames": torch.from_numpy(numpy.stack(small))})


def _pages(request: Request) -> list[Image]:
    from PIL import Image

    if request.given.video is None:
        raise InputError(
            "There are no pages yet.",
            why="No file was chosen.",
            remedy="Drop a picture on the pane, choose a folder of pictures, or take the example.",
        )
    pages = []
    with closing(videos.frames(request.given.video)) as every:
        for page in every:
            request.task.check()
            pages.append(Image.fromarray(page))
    if not pages:
        raise InputError(
            "There are no pages yet.",
            why=f"{request.given.video.name} has no pictures.",
            remedy="Choose a folder of pictures.",
        )
    return pages


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """A pass for the questions and one for each page.

    Returns:
        ``question_embeddings`` of shape ``(questions, seq, numbers)`` and ``page_embeddings`` likewise; what was
        filled up is 0.
    """
    import torch

    asked = {name: tensor for name, tensor in inputs.tensors.items() if not name.startswith(_PAGE)}
    seen = {name.removeprefix(_PAGE): tensor for name, tensor in inputs.tensors.items() if name.startswith(_PAGE)}
    of_questions = request.model.model(**request.on_device(asked)).embeddings
    of_pages = []
    total = len(inputs.aside["frames"])
    for number in range(total):
        request.task.check()
        request.task.report(Progress(number, total, "pages", "forward"))
        page = {name: tensor[number : number + 1] for name, tensor in seen.items()}
        of_pages.append(request.model.model(**request.on_device(page)).embeddings)
    return {
        "question_embeddings": of_questions.float().cpu(),
        "page_embeddings": torch.cat(of_pages).float().cpu(),
    }


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """For each word of a question the piece of a page that is most like it, added up, as the processor does it.

    Returns:
        ``scores`` of shape ``(questions, pages)``, of any size.
    """
    score = processor(request.model).score_retrieval
    scores = score(list(outputs["question_embeddings"]), list(outputs["page_embeddings"]))
    asked = questions(request.text)
    items = [
        PageScore(question, page, value)
        for question, row in zip(asked, scores.tolist(), strict=True)
        for page, value in enumerate(row, 1)
    ]
    return Outcome({"scores": scores}, tuple(items), tuple(asked))
