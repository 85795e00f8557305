"""The scripts that look into a model: states and norms, the logit lens, attention maps, embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.engine.codegen import looking
from workbench.engine.codegen.reader import part_lines
from workbench.engine.codegen.script import (
    assign,
    call,
    checkpoint_lines,
    class_of,
    imported,
    literal,
    model_lines,
    numbers,
    script,
)
from workbench.engine.codegen.task.parts import LABELS, named
from workbench.engine.inside import EMBEDDING, labelled
from workbench.engine.inside.given import CHOICES, SILENCE, begins_silent, draws
from workbench.engine.inside.lens import writes_codes

if TYPE_CHECKING:
    from workbench.engine.inside import Given, Part
    from workbench.engine.models import LoadedModel


@dataclass(frozen=True, eq=False, slots=True)
class Asked:
    """What all scripts begin with.

    Attributes:
        model: Loaded by its folder.
        given: What it is given.
        names: Arguments of the model that the tokenizer's call gives.
    """

    model: LoadedModel
    given: Given
    names: tuple[str, ...]


def norms(asked: Asked, part: Part) -> str:
    """A script that prints the length of the state behind each layer, at each position.

    Args:
        asked: The model and what it is given.
        part: Whose states.
    """
    return _script(
        asked,
        "The hidden states of a model, and how long they are.",
        [
            *_pass(part),
            "norms = torch.stack([state[0].float().norm(dim=-1) for state in states])",
            "for number, row in enumerate(norms):",
            '    print(number, " ".join(f"{value:.6g}" for value in row.tolist()))',
        ],
    )


def lens(asked: Asked, part: Part, position: int, put: str = "state") -> str:
    """A script that prints what the model's head makes of the state behind each layer, at one position.

    Args:
        asked: The model and what it is given.
        part: Whose states the head reads.
        position: Looked at, in ``[0, seq)``.
        put: See `Lens.put`.
    """
    # The rows of a sound that was cut stand one behind the other in what is shown.
    cut = "flatten(0, 1)" in part.layout
    states = f"out.{part.picks[0].rpartition('[')[0]}" if cut else "states"
    rows = ".flatten(0, 1)" if cut else "[0]"
    hook = [
        "    hook = layers[-1].register_forward_hook(",
        "        lambda module, given, output: (state, *output[1:]) if isinstance(output, tuple) else state",
        "    )",
    ]
    if put != "state":
        hook = [
            "    forward = layers[-1].forward",
            "",
            "    def replaced(*given, **named):",
            "        output = forward(*given, **named)",
            "        values = list(output.values()) if isinstance(output, dict) else output",
            "        old = values if isinstance(values, torch.Tensor) else values[0]",
            f"        new = {put}",
            "        if isinstance(output, dict):",
            "            return dict(zip(output, [new, *values[1:]]))",
            "        return (new, *output[1:]) if isinstance(output, tuple) else new",
            "",
            "    layers[-1].forward = replaced",
        ]
    spelled = "labels[best]" if labelled(asked.model) else _spelled(asked, "best")
    spelled = "str(best)  # a code of the sound" if writes_codes(asked.model) else spelled
    labels = f'labels = [*({named("number")} for number in range(len(id2label))), "nothing"]'
    return _script(
        asked,
        "The logit lens: what a model would answer if it stopped after each layer.",
        [
            f"layers = model.get_submodule({literal(part.path)})",
            "",
            "",
            "def read(state):",
            '    """The logits when the last layer returns this state; norm and head are those of the model."""',
            *hook,
            "    with torch.inference_mode():",
            f"        logits = model(**inputs).logits{rows}.float()",
            "    hook.remove()" if put == "state" else "    layers[-1].forward = forward",
            "    return logits",
            "",
            "",
            *_pass(part),
            f"lens = torch.stack([*(read(state) for state in {states}[:-1]), out.logits{rows}.float()])",
            "probabilities = lens.softmax(-1)",
            "entropies = torch.special.entr(probabilities).sum(-1) / torch.log(torch.tensor(2.0))",
            "answers = lens[-1].argmax(-1)",
            "ranks = (lens > lens.gather(-1, answers.expand(len(lens), -1)[..., None])).sum(-1) + 1",
        ],
        [
            f"position = {position}",
            *([LABELS, labels] if labelled(asked.model) else []),
            "for number, row in enumerate(probabilities[:, position]):",
            "    best = row.argmax().item()",
            "    rank, entropy = ranks[number, position].item(), entropies[number, position].item()",
            f"    answer = {spelled}",
            '    print(f"{number} {row[best].item():.6f} rank {rank} entropy {entropy:.4f}", repr(answer))',
        ],
        speaks=not labelled(asked.model),
    )


def attention(asked: Asked, pick: str, head: int | None, position: int) -> str:
    """A script that prints where one position looks, by one layer and head.

    Args:
        asked: The model and what it is given.
        pick: Where the library's output has the maps of the layer, such as ``attentions[0][0]``.
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
            f"maps = out.{pick}.float()  # (heads, from, to)",
            f"weights = {chosen}[{position}]",
            'print(" ".join(f"{weight:.6f}" for weight in weights.tolist()))',
        ],
        eager=True,
    )


def embeddings(asked: Asked, part: Part, row: int, position: int, count: int, projection: str) -> str:
    """A script that prints what is near one vector, and a place in a plane for each vector.

    Args:
        asked: The model and what it is given.
        part: Whose vectors.
        row: A hidden state by its place, or `EMBEDDING`.
        position: Whose neighbours.
        count: How many.
        projection: ``pca`` or ``t-sne``.
    """
    words = not part.ids or min(part.ids) >= 0
    ids = 'inputs["decoder_input_ids"]' if part.name == "decoder" else 'inputs["input_ids"]'
    lines = ["matrix = model.get_input_embeddings().weight.detach()"] if words else []
    if row == EMBEDDING:
        lines.append(f"vectors = matrix[{ids}[0]].float()")
    else:
        lines = [*_pass(part), *lines, f"vectors = states[{row}][0].float()"]
    others = "matrix.float()" if words else "vectors"
    places = 'PCA(n_components=2, svd_solver="full").fit_transform(vectors.cpu().numpy())'
    if projection != "pca":
        places = "TSNE(perplexity=min(30, (len(vectors) - 1) / 3), random_state=0).fit_transform(vectors.cpu().numpy())"
    return _script(
        asked,
        "The vectors of what a model reads: what is near one of them, and a map.",
        [
            *lines,
            f"cosines = torch.nn.functional.cosine_similarity({others}, vectors[{position}][None])",
            f"best = cosines.topk(min({count}, len(cosines)))",
            "for cosine, place in zip(best.values.tolist(), best.indices.tolist()):",
            '    print(f"{cosine:.6f} {place}"' + (f", repr({_spelled(asked, 'place')}))" if words else ")"),
        ],
        ["if len(vectors) >= 3:", f"    places = {places}", "    print(places)"],
        imports=[
            "from sklearn.decomposition import PCA" if projection == "pca" else "from sklearn.manifold import TSNE"
        ],
        speaks=words,
    )


def _spelled(asked: Asked, name: str) -> str:
    # Pop2Piano decodes ids into music alone.
    notes = asked.model.facts.model_type == "pop2piano"
    return f"tokenizer.convert_ids_to_tokens({name})" if notes else f"tokenizer.decode([{name}])"


def _pass(part: Part) -> list[str]:
    """A pass, and the states of a part, each of shape ``(1, seq, hidden)``."""
    if part.watched:
        return _watched(part)
    path, _, first = part.picks[0].rpartition("[")
    asked = "" if part.unasked else ", output_hidden_states=True"
    if any(pick.rpartition("[")[0] != path for pick in part.picks):
        # MaskFormer's Swin keeps those of each stage in a tuple of their own.
        lines = [
            "with torch.inference_mode():",
            f"    out = model(**inputs{asked})",
            *call("states = [", [f"out.{pick}" for pick in part.picks], "]"),
        ]
        return [*lines, f"states = [{part.layout} for state in states]"] if part.layout else lines
    begin = int(first[:-1])
    # Those of one size, where the layers change it.
    whole = begin == 0 and part.name == part.name.partition(" ")[0]
    lines = [
        "with torch.inference_mode():",
        f"    out = model(**inputs{asked})",
        f"states = out.{path}" + ("" if whole else f"[{begin}:{begin + len(part.picks)}]"),
    ]
    return [*lines, f"states = [{part.layout} for state in states]"] if part.layout else lines


def _watched(part: Part) -> list[str]:
    """A pass, and what its layers returned, where the model's output has no hidden states."""
    places = [int(pick.rpartition("[")[2][:-1]) for pick in part.picks]
    return [
        "seen = []",
        f"layers = model.get_submodule({literal(part.path)})",
        "for layer in layers:",
        "    layer.register_forward_hook(lambda module, given, output: seen.append(output))",
        "with torch.inference_mode():",
        "    model(**inputs)",
        f"states = [each[0] if isinstance(each, tuple) else each for each in seen][{places[0]}:{places[-1] + 1}]",
        *([f"states = [{part.layout} for state in states]"] if part.layout else []),
    ]


def _script(
    asked: Asked,
    title: str,
    *blocks: Sequence[str],
    eager: bool = False,
    imports: Sequence[str] = (),
    speaks: bool = False,
) -> str:
    model = asked.model
    attention = "eager" if eager else model.attn_implementation
    if asked.given.task:
        begun = looking.by_task(model, asked.given, title, imports, speaks=speaks)
        chosen = ['model.set_attn_implementation("eager")'] if eager else []
        chosen += [looking.SEED] if draws(model) and not asked.given.submodel else []
        within = looking.entered(model, asked.given)
        return begun + "\n".join(
            [
                "",
                *chosen,
                *within,
                *([""] if within else []),
                *blocks[0],
                *(line for block in blocks[1:] for line in ("", *block)),
                "",
            ]
        )
    within = looking.entered(model, asked.given)
    given = looking.lines(model, asked.given)
    if given is None:
        given = looking.Lines(("import torch",), ("tokenizer",), _inputs(asked))
    loads = given.loads if "tokenizer" in given.loads or not speaks else ("tokenizer", *given.loads)
    reads = [part_lines(model.checkpoint, model.head, each, running=True) for each in loads]
    classes = sorted(
        {class_of(model.checkpoint, model.head), *(name for _, names in reads for name in names)}, key=str.lower
    )
    return script(
        title,
        [*given.imports, *imports, *imported(classes)],
        checkpoint_lines(model.checkpoint),
        [
            *(line for lines, _ in reads for line in lines),
            *model_lines(model.checkpoint, model.head, model.dtype, model.device, attention=attention),
        ],
        [*given.lines, *(["torch.manual_seed(0)  # what is hidden is drawn"] if draws(model) else [])],
        *([within] if within else []),
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
    if begins_silent(asked.model):
        silence = ["1", "1", "model.config.num_mel_bins", "device=model.device", "dtype=model.dtype"]
        lines.append("# What it has spoken so far is a frame of silence")
        lines += call(f'inputs["{SILENCE}"] = torch.zeros(', silence)
    return lines
