"""The scripts that look into a model: states and norms, the logit lens, attention maps, embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import (
    assign,
    call,
    checkpoint_lines,
    literal,
    model_lines,
    numbers,
    script,
    tokenizer_lines,
)
from workbench.engine.inside import EMBEDDING
from workbench.engine.inside.given import CHOICES

if TYPE_CHECKING:
    from workbench.engine.inside import Given
    from workbench.engine.models import LoadedModel

_STATES = {"model": "hidden_states", "encoder": "encoder_hidden_states", "decoder": "decoder_hidden_states"}


@dataclass(frozen=True, eq=False, slots=True)
class Asked:
    """What all scripts begin with.

    Attributes:
        model: Loaded by its folder.
        given: What it reads.
        names: Arguments of the tokenizer's call that the model takes.
    """

    model: LoadedModel
    given: Given
    names: tuple[str, ...]


def norms(asked: Asked, part: str) -> str:
    """A script that prints the length of the state behind each layer, at each position.

    Args:
        asked: The model and what it reads.
        part: ``model``, ``encoder`` or ``decoder``.
    """
    return _script(
        asked,
        "The hidden states of a model, and how long they are.",
        [
            *_pass(_STATES[part]),
            "norms = torch.stack([state[0].float().norm(dim=-1) for state in states])",
            "for number, row in enumerate(norms):",
            '    print(number, " ".join(f"{value:.6g}" for value in row.tolist()))',
        ],
    )


def lens(asked: Asked, part: str, path: str, position: int) -> str:
    """A script that prints what the model's head makes of the state behind each layer, at one position.

    Args:
        asked: The model and what it reads.
        part: ``model`` or ``decoder``.
        path: Where the model keeps the layers of that part.
        position: Looked at, in ``[0, seq)``.
    """
    tagger = asked.model.head == "AutoModelForTokenClassification"
    spelled = "model.config.id2label[best]" if tagger else "tokenizer.decode([best])"
    return _script(
        asked,
        "The logit lens: what a model would answer if it stopped after each layer.",
        [
            f"layers = model.get_submodule({literal(path)})",
            "",
            "",
            "def read(state):",
            '    """The logits when the last layer returns this state; norm and head are those of the model."""',
            "    hook = layers[-1].register_forward_hook(",
            "        lambda module, given, output: (state, *output[1:]) if isinstance(output, tuple) else state",
            "    )",
            "    with torch.inference_mode():",
            "        logits = model(**inputs).logits[0].float()",
            "    hook.remove()",
            "    return logits",
            "",
            "",
            *_pass(_STATES[part]),
            "lens = torch.stack([*(read(state) for state in states[:-1]), out.logits[0].float()])",
            "probabilities = lens.softmax(-1)",
            "entropies = torch.special.entr(probabilities).sum(-1) / torch.log(torch.tensor(2.0))",
            "answers = lens[-1].argmax(-1)",
            "ranks = (lens > lens.gather(-1, answers.expand(len(lens), -1)[..., None])).sum(-1) + 1",
        ],
        [
            f"position = {position}",
            "for number, row in enumerate(probabilities[:, position]):",
            "    best = row.argmax().item()",
            "    rank, entropy = ranks[number, position].item(), entropies[number, position].item()",
            f'    print(f"{{number}} {{row[best].item():.6f}} rank {{rank}} entropy {{entropy:.4f}}", repr({spelled}))',
        ],
    )


def attention(asked: Asked, key: str, layer: int, head: int | None, position: int) -> str:
    """A script that prints where one position looks, by one layer and head.

    Args:
        asked: The model and what it reads.
        key: What the library's output calls the maps, such as ``attentions``.
        layer: By its place in the library's output.
        head: By number, or None for the mean of all.
        position: That looks, in ``[0, seq)``.
    """
    chosen = "maps.mean(0)" if head is None else f"maps[{head}]"
    return _script(
        asked,
        "The attention maps of a model, which only eager attention makes.",
        [
            "with torch.inference_mode():",
            "    out = model(**inputs, output_attentions=True)",
            f"maps = out.{key}[{layer}][0].float()  # (heads, from, to)",
            f"weights = {chosen}[{position}]",
            'print(" ".join(f"{weight:.6f}" for weight in weights.tolist()))',
        ],
        eager=True,
    )


def embeddings(asked: Asked, part: str, row: int, position: int, count: int, projection: str) -> str:
    """A script that prints the neighbours of one vector in the vocabulary, and a place in a plane for each vector.

    Args:
        asked: The model and what it reads.
        part: ``model``, ``encoder`` or ``decoder``.
        row: A hidden state by its place, or `EMBEDDING`.
        position: Whose neighbours.
        count: How many.
        projection: ``pca`` or ``t-sne``.
    """
    ids = 'inputs["decoder_input_ids"]' if part == "decoder" else 'inputs["input_ids"]'
    vectors = f"matrix[{ids}[0]].float()"
    block = [] if row == EMBEDDING else _pass(_STATES[part])
    if row != EMBEDDING:
        vectors = f"states[{row}][0].float()"
    places = 'PCA(n_components=2, svd_solver="full").fit_transform(vectors.cpu().numpy())'
    if projection != "pca":
        places = "TSNE(perplexity=min(30, (len(vectors) - 1) / 3), random_state=0).fit_transform(vectors.cpu().numpy())"
    return _script(
        asked,
        "The vectors of a text's tokens: what is near them in the vocabulary, and a map.",
        [
            *block,
            "matrix = model.get_input_embeddings().weight.detach()",
            f"vectors = {vectors}",
            f"cosines = torch.nn.functional.cosine_similarity(matrix.float(), vectors[{position}][None])",
            f"best = cosines.topk({count})",
            "for cosine, token_id in zip(best.values.tolist(), best.indices.tolist()):",
            '    print(f"{cosine:.6f} {token_id}", repr(tokenizer.decode([token_id])))',
        ],
        ["if len(vectors) >= 3:", f"    places = {places}", "    print(places)"],
        imports=[
            "from sklearn.decomposition import PCA" if projection == "pca" else "from sklearn.manifold import TSNE"
        ],
    )


def _pass(states: str) -> list[str]:
    return [
        "with torch.inference_mode():",
        "    out = model(**inputs, output_hidden_states=True)",
        f"states = out.{states}",
    ]


def _script(asked: Asked, title: str, *blocks: Sequence[str], eager: bool = False, imports: Sequence[str] = ()) -> str:
    model = asked.model
    attention = "eager" if eager or model.attention == "eager" else None
    return script(
        title,
        ["import torch", *imports, f"from transformers import {model.head}, AutoTokenizer"],
        checkpoint_lines(model.checkpoint),
        [
            *tokenizer_lines(),
            *model_lines(model.checkpoint, model.head, model.dtype, model.device, attention=attention),
        ],
        _inputs(asked),
        *blocks,
    )


def _inputs(asked: Asked) -> list[str]:
    given = asked.given
    if given.text is not None:
        arguments = ["text", f"truncation=True, max_length={given.most}", 'return_tensors="pt"']
        lines = [*assign("text", given.text), *call("inputs = tokenizer(", arguments, ").to(model.device)")]
        lines.append(f"inputs = {{name: inputs[name] for name in {literal(list(asked.names))}}}")
    else:
        lines = [
            *numbers("ids", given.input_ids),
            'inputs = {"input_ids": torch.tensor([ids], device=model.device)}',
        ]
        if "attention_mask" in asked.names:
            lines.append('inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])')
    if asked.model.head == CHOICES:
        lines.append("inputs = {name: tensor[None] for name, tensor in inputs.items()}  # one choice")
    if given.decoder_start:
        lines += numbers("decoder_ids", given.decoder_input_ids)
        lines.append('inputs["decoder_input_ids"] = torch.tensor([decoder_ids], device=model.device)')
    return lines
