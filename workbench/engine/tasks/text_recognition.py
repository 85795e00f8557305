"""Text recognition: the letters of one line of writing in a picture.

Each moment from left to right is given the letter that is most probable there; what repeats or is blank is left out.
MGP-STR reads in three ways, by letters and by the pieces of two vocabularies, of which the surest is taken.

References:
    transformers, MgpstrProcessor.batch_decode
    transformers, Auto Classes: AutoModelForTextRecognition; PP-OCRv5; PP-OCRv6
    Graves et al. 2006, Connectionist Temporal Classification
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.tasks import samples
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.vision import Outputs, finisher, passed, pixels
from workbench.engine.values import Label, Reading, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ONLY", "SAMPLES", "SPEC", "WAYS", "at_hand", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="text-recognition",
    heads=("AutoModelForTextRecognition", "AutoModel"),
    does="Reads a line of writing in a picture",
    inputs=(("image", "Picture of one line"),),
    options=(),
    shows="reading",
    example=TaskInput(),
)

SAMPLES: dict[str, Any] = {"image": samples.writing}
"""What the example's files are made by, where it is another than for most tasks."""

ONLY = {"AutoModel": ("mgp-str",)}
"""Of each Auto class that others have too, the architectures that do it: the one that reads in three ways."""

WAYS = (
    ("char", "letters", ""),
    ("bpe", "GPT-2's pieces", "openai-community/gpt2"),
    ("wp", "BERT's pieces", "google-bert/bert-base-uncased"),
)
"""Of each way: its name, the same for people, and the checkpoint on the Hub whose vocabulary it has."""

preprocess = pixels


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: every output that is a tensor; of one that reads in three ways ``logits.0`` and so on for each."""
    if request.model.facts.model_type not in ONLY["AutoModel"]:
        return passed(request, inputs)
    logits = request.model.model(**request.on_device(inputs.tensors)).logits
    return {f"logits.{number}": each.float().cpu() for number, each in enumerate(logits)}


def at_hand(repository: str) -> bool:
    """Whether a vocabulary is on this machine; one that comes with the checkpoint has no repository of its own."""
    from huggingface_hub import try_to_load_from_cache

    return not repository or isinstance(try_to_load_from_cache(repository, "tokenizer.json"), str)


def _in_ways(request: Request, outputs: dict[str, Tensor]) -> Outcome:
    """What MGP-STR read, in the surest of the ways whose vocabulary is on this machine."""
    import torch
    from transformers import AutoTokenizer, MgpstrProcessor

    # Made the usual way it would ask the Hub for the other two vocabularies; letters are read without them.
    decoder = MgpstrProcessor.__new__(MgpstrProcessor)
    decoder.char_tokenizer = request.tokenizer
    ways: list[tuple[str, Label | None]] = []
    for number, (way, words, repository) in enumerate(WAYS):
        if not at_hand(repository):
            ways.append((words, None))
            continue
        if repository:
            vocabulary = AutoTokenizer.from_pretrained(repository, trust_remote_code=False, local_files_only=True)
            setattr(decoder, f"{way}_tokenizer", vocabulary)
        (text,), (score,) = decoder._decode_helper(outputs[f"logits.{number}"], way)
        ways.append((words, Label(text, float(score))))
    best = max((said for _, said in ways if said is not None), key=lambda said: said.score)
    # The first place is that of the mark of the beginning.
    probabilities, ids = outputs["logits.0"][0, 1:].softmax(dim=-1).max(dim=-1)
    ends = (ids == request.tokenizer.eos_token_id).nonzero()
    count = int(ends[0]) if len(ends) else len(ids)
    letters = request.tokenizer.convert_ids_to_tokens(ids[:count].tolist())
    shares = probabilities[:count].tolist()
    read = tuple(Label(letter, share) for letter, share in zip(letters, shares, strict=True))
    tensors = {"ids": ids[:count], "probabilities": probabilities[:count]}
    scores = torch.tensor([said.score if said is not None else float("nan") for _, said in ways])
    return Outcome({**tensors, "scores": scores}, (Reading(best.label, best.score, read, tuple(ways)),))


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's text with its score, and how sure each of its letters is.

    Returns:
        ``ids`` and ``probabilities``, each of shape ``(letters,)``.

    Raises:
        NotSupported: The processor can't read letters, or its settings name too few of them.
    """
    if request.model.facts.model_type in ONLY["AutoModel"]:
        return _in_ways(request, outputs)
    finish = finisher(request, ("post_process_text_recognition",))
    probabilities, ids = outputs["last_hidden_state"][0].max(dim=-1)
    try:
        (found,) = finish(Outputs(outputs))
    except IndexError as error:
        known = len(image_processor(request.model).character_list)
        raise NotSupported(
            f"The letters of {request.model.checkpoint.name} can't be told.",
            why=f"Its image processor names {known:,} characters, and the model knows more of them.",
            remedy="Put the preprocessor_config.json that came with the weights beside them, or download it again.",
        ) from error
    kept = ids != 0
    kept[1:] &= ids[1:] != ids[:-1]
    characters = image_processor(request.model).character_list
    letters = tuple(
        Label(characters[index], share)
        for index, share in zip(ids[kept].tolist(), probabilities[kept].tolist(), strict=True)
    )
    score = found["score"] if letters else 0.0
    tensors = {"ids": ids[kept], "probabilities": probabilities[kept]}
    return Outcome(tensors, (Reading(found["text"], score, letters),))
