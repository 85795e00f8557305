"""The scripts of the tokenizer inspector: stages, vocabulary, an added token, batches, chat templates, comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.codegen.script import (
    WIDTH,
    assign,
    call,
    checkpoint_lines,
    columns,
    literal,
    script,
    tokenizer_lines,
)
from workbench.engine.facts import boxed
from workbench.engine.tokens import template
from workbench.engine.tokens.versus import distinct

if TYPE_CHECKING:
    from workbench.engine.tokens.added import Switches
    from workbench.engine.tokens.rectangle import BatchOptions
    from workbench.engine.values import Checkpoint

_AUTO = "from transformers import AutoTokenizer"
_BORROW = ["if tokenizer.pad_token is None:", "    tokenizer.pad_token = tokenizer.eos_token"]
_WORDS = [
    "if tokenizer.is_fast:",
    "    # Written in Python, a tokenizer says no words.",
    '    for row, ids in enumerate(batch["input_ids"].tolist()):',
    "        for piece, word in zip(tokenizer.convert_ids_to_tokens(ids), batch.word_ids(row)):",
    '            print(f"row {row}, word {word}: {piece!r}")',
]
_LOOK = [
    "",
    "class Look:",
    '    """Stands in a row of pre-tokenizers, changes nothing and keeps what comes by."""',
    "",
    "    def pre_tokenize(self, flow):",
    "        self.seen = flow.get_splits()",
    "",
]
_STANDING = [
    "# The rank of the merge that makes a piece (BPE), or its score (Unigram, SentencePiece)",
    "standing = {}",
    "if tokenizer.is_fast:",
    "    # A tokenizer of its own, as parts that are written in Python can't be written out.",
    '    model = json.loads(Tokenizer(tokenizer.backend_tokenizer.model).to_str())["model"]',
    '    if model["type"] == "Unigram":',
    '        standing = {token_id: score for token_id, (_, score) in enumerate(model["vocab"])}',
    '    elif model["type"] == "BPE":',
    '        prefix = len(model["continuing_subword_prefix"] or "")',
    '        for rank, (left, right) in enumerate(model["merges"]):',
    '            standing.setdefault(model["vocab"].get(left + right[prefix:]), rank)',
    'elif hasattr(tokenizer, "sp_model"):',
    "    known = tokenizer.sp_model",
    "    for number in range(known.GetPieceSize()):",
    "        piece = known.IdToPiece(number)",
    "        plain = not (known.IsControl(number) or known.IsUnknown(number) or known.IsByte(number))",
    "        if plain and pieces[tokenizer.convert_tokens_to_ids(piece)] == piece:",
    "            standing[tokenizer.convert_tokens_to_ids(piece)] = known.GetScore(number)",
    'elif hasattr(tokenizer, "bpe_ranks"):',
    "    ids = tokenizer.get_vocab()",
    "    for pair, rank in sorted(tokenizer.bpe_ranks.items(), key=lambda entry: entry[1]):",
    '        piece = "".join(pair)',
    '        if piece.endswith("</w>"):',
    '            spelled = [piece, piece.removesuffix("</w>")]',
    "        else:",
    '            spelled = [piece + "@@", piece]',
    "        known = [ids[each] for each in spelled if each in ids]",
    "        if known:",
    "            standing.setdefault(known[0], rank)",
]


def stages(checkpoint: Checkpoint, text: str, add_special_tokens: bool = True) -> str:
    """A script that shows what each part of a tokenizer makes of a text.

    Args:
        checkpoint: Loaded by its folder.
        text: Its added tokens are cut out, as the library does.
        add_special_tokens: Whether the post-processor may add some.
    """
    special = "" if add_special_tokens else ", add_special_tokens=False"
    slow = [
        "if not tokenizer.is_fast:",
        "    # Written in Python: what happens before the pieces can't be seen by itself.",
        "    pieces = tokenizer.tokenize(text)",
        f'    ids = tokenizer(text{special})["input_ids"]',
        "    finished = tokenizer.convert_ids_to_tokens(ids)",
        "    decoded = tokenizer.decode(ids)",
    ]
    fast = [
        "else:",
        "    backend = tokenizer.backend_tokenizer",
        "    # Some files hold settings that cut every text, or fill it up.",
        "    backend.no_truncation()",
        "    backend.no_padding()",
        "    backend.encode_special_tokens = tokenizer.split_special_tokens",
        "    before, after = Look(), Look()",
        "    splitter = [backend.pre_tokenizer] if backend.pre_tokenizer else []",
        "    parts = [PreTokenizer.custom(before), *splitter, PreTokenizer.custom(after)]",
        "    backend.pre_tokenizer = Sequence(parts)",
        f"    encoding = backend.encode(text{special})",
        "    added = backend.get_added_tokens_decoder()",
        "    # No stage but the post-processor touches added tokens.",
        "    normalized = [part for part, _, _ in before.seen]",
        "    words = [added[token[0].id].content if token else part for part, _, token in after.seen]",
        "    pieces = []",
        "    for word, (_, _, token) in zip(words, after.seen):",
        "        pieces += [word] if token else [piece.value for piece in backend.model.tokenize(word)]",
        "    finished = encoding.tokens",
        "    decoded = backend.decode(encoding.ids, skip_special_tokens=False)",
        '    print("normalizer", normalized)',
        '    print("pre-tokenizer", words)',
    ]
    return script(
        "Follow a text through the stages of a tokenizer.",
        ["from tokenizers.pre_tokenizers import PreTokenizer, Sequence", _AUTO],
        _LOOK,
        checkpoint_lines(checkpoint),
        tokenizer_lines(checkpoint),
        [*assign("text", text), *slow, *fast],
        ['print("model", pieces)', 'print("post-processor", finished)', 'print("decoder", repr(decoded))'],
    )


def vocabulary(checkpoint: Checkpoint, query: str = "", kind: str = "text") -> str:
    """A script that searches a vocabulary and prints the ids found, with their merge ranks or scores and their pieces.

    Args:
        checkpoint: Loaded by its folder.
        query: What to find; empty finds everything.
        kind: ``text``, ``id``, ``regex`` or ``special``, as for `browse.find`.
    """
    read = [
        "pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))",
        "added = tokenizer.added_tokens_decoder",
        "decoder = tokenizer.backend_tokenizer.decoder if tokenizer.is_fast else None",
        # Those written in Python that have pieces for single bytes name them alike.
        'spelling = str(decoder) if tokenizer.is_fast else "ByteFallback"',
        "",
        "",
        "def read(token_id):",
        '    """A token as it reads in a text; a part of a character as the vocabulary writes it."""',
        "    piece = pieces[token_id]",
        "    if token_id in added:",
        "        return str(added[token_id])",
        '    if "ByteLevel" in spelling:',
        "        text = decoder.decode([piece])",
        '    elif "ByteFallback" in spelling and piece.startswith("<0x") and len(piece) == 6:',
        '        text = bytes.fromhex(piece[3:5]).decode(errors="replace")',
        "    else:",
        '        text = piece.replace("▁", " ")',
        '    return piece if "\\ufffd" in text else text',
        "",
        "",
    ]
    match = {
        "id": "token_id == int(query)",
        "regex": "regex.search(query, pieces[token_id]) or regex.search(query, read(token_id))",
        "special": "token_id in marked and query in read(token_id)",
    }.get(kind, "query in pieces[token_id] or query in read(token_id)")
    if not query and kind != "special":
        match = "True"
    searching = ["import regex"] if kind == "regex" and query else []
    marked = ["marked = {*tokenizer.all_special_ids, *added}"] if kind == "special" else []
    line = f"found = [token_id for token_id in range(len(pieces)) if {match}]"
    return script(
        "Search a vocabulary.",
        ["import json", "", *searching, "from tokenizers import Tokenizer", _AUTO],
        checkpoint_lines(checkpoint),
        tokenizer_lines(checkpoint),
        [
            *read,
            *(assign("query", query) if match != "True" else []),
            *marked,
            *(
                [line]
                if columns(line) <= WIDTH
                else [
                    "found = [",
                    "    token_id",
                    "    for token_id in range(len(pieces))",
                    f"    if {match}",
                    "]",
                ]
            ),
        ],
        _STANDING,
        [
            "for token_id in found[:100]:",
            "    print(f\"{token_id:8} {standing.get(token_id, '')!s:>20} {pieces[token_id]!r}\")",
            'print(f"{len(found):,} of {len(pieces):,} tokens")',
        ],
    )


def add_token(checkpoint: Checkpoint, text: str, token: str, switches: Switches | None = None) -> str:
    """A script that adds a token and encodes a text before and after.

    Args:
        checkpoint: Loaded by its folder; its files stay as they are.
        text: The text.
        token: What to add.
        switches: How it is found; what stands at the library's default is left out.
    """
    how = switches.arguments() if switches is not None else {}
    made = call("added_token = AddedToken(", ["token", *(f"{name}={value}" for name, value in how.items())])
    arguments = ["[added_token]" if how else "[token]", *(["special_tokens=True"] if how.get("special") else [])]
    return script(
        "Add a token and see the effect.",
        ["from transformers import AddedToken, AutoTokenizer" if how else _AUTO],
        checkpoint_lines(checkpoint),
        tokenizer_lines(checkpoint),
        [*assign("text", text), *assign("token", token)],
        [
            'before = tokenizer(text)["input_ids"]',
            *(made if how else []),
            *call("added = tokenizer.add_tokens(", arguments),
            'after = tokenizer(text)["input_ids"]',
        ],
        [
            'print(f"{added} added, id {tokenizer.convert_tokens_to_ids(token)}")',
            'print(f"{len(before)} tokens before, {len(after)} after")',
            "print(tokenizer.convert_ids_to_tokens(after))",
            "# A model needs a row of embeddings for it: model.resize_token_embeddings(len(tokenizer))",
        ],
    )


def batch(checkpoint: Checkpoint, texts: Sequence[str], pairs: Sequence[str] | None, options: BatchOptions) -> str:
    """A script that encodes texts together and prints the tensors and what of them is padding.

    Args:
        checkpoint: Loaded by its folder.
        texts: One or more.
        pairs: As many second texts, or None.
        options: The switches of the call; what stands at its default is left out. Of texts in words the word of each
            token is printed too.
    """
    arguments = ["texts"] if pairs is None else ["texts", "pairs"]
    arguments += [f"{name}={literal(value)}" for name, value in options.arguments().items()]
    side = (
        [f"tokenizer.truncation_side = {literal(options.truncation_side)}"]
        if options.truncation and options.truncation_side
        else []
    )
    return script(
        "Encode texts as one rectangle.",
        [_AUTO],
        checkpoint_lines(checkpoint),
        [*tokenizer_lines(checkpoint), *side, *(_BORROW if options.padding else [])],
        [
            *_given("texts", texts, options),
            *(_given("pairs", pairs, options) if pairs is not None else []),
            *call("batch = tokenizer(", [*arguments, 'return_tensors="pt"']),
        ],
        [
            "for name, tensor in batch.items():",
            "    print(name, tuple(tensor.shape), tensor.dtype)",
            "    print(tensor)",
            'if "attention_mask" in batch:',
            '    mask = batch["attention_mask"]',
            '    print(f"{(mask == 0).sum().item()} of {mask.numel()} positions are padding")',
            *(_WORDS if options.is_split_into_words else []),
        ],
    )


def _given(name: str, texts: Sequence[str], options: BatchOptions) -> list[str]:
    given = options.given(texts)
    return _value(f"{name} = ", given) if options.is_split_into_words else assign(name, given)


def chat_template(checkpoint: Checkpoint, talk: template.Talk, *, mask: bool = False) -> str:
    """A script that writes a conversation by its template and prints text and tokens.

    Args:
        checkpoint: Loaded by its folder.
        talk: Messages, tools, variables, switches and the template, where that is an edited one.
        mask: Ask for the assistant mask too.

    Raises:
        TemplateError: Tools, variables or the further fields of a message are no JSON.
    """
    tools, variables = template.tools_of(talk), template.variables_of(talk)
    arguments = ["messages"]
    lines = _value("messages = ", template.messages_of(talk.turns))
    if tools is not None:
        lines += _value("tools = ", tools)
        arguments.append("tools=tools")
    if talk.template is not None:
        lines += assign("template", talk.template)
        arguments.append("chat_template=template")
    for name in ("add_generation_prompt", "continue_final_message"):
        if getattr(talk, name):
            arguments.append(f"{name}=True")
    if variables:
        lines += _value("variables = ", variables)
        arguments.append("**variables")
    loud = ["return_assistant_tokens_mask=True"] if mask else []
    shown = [
        'ids = encoded["input_ids"]',
        "for position, (token_id, piece) in enumerate(zip(ids, tokenizer.convert_ids_to_tokens(ids))):",
        '    print(f"{position:5} {token_id:8} {piece!r}")',
    ]
    if mask:
        shown[1:] = [
            'mask = encoded["assistant_masks"]',
            "for token_id, piece, said in zip(ids, tokenizer.convert_ids_to_tokens(ids), mask):",
            '    print(f"{token_id:8} {said} {piece!r}")',
        ]
    return script(
        "Write a conversation by its chat template.",
        [_AUTO],
        checkpoint_lines(checkpoint),
        tokenizer_lines(checkpoint),
        lines,
        call("text = tokenizer.apply_chat_template(", [arguments[0], "tokenize=False", *arguments[1:]]),
        call("encoded = tokenizer.apply_chat_template(", [arguments[0], *loud, *arguments[1:]]),
        ["print(text)", *shown],
    )


def tokenizers(checkpoints: Sequence[Checkpoint], text: str | Path | None) -> str:
    """A script that compares tokenizers by tokens, characters and bytes per token, and by what decoding gives back.

    Args:
        checkpoints: Each loaded by its folder.
        text: A text, a file of UTF-8, or None for the parallel sample, where it prints tokens per language.
    """
    names = distinct([each.name for each in checkpoints])
    folders = [str(each.path) for each in checkpoints]
    paths = _value("checkpoints = ", dict(zip(names, folders, strict=True)))
    loaded = ["    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)"]
    plain = []
    if any(boxed(each.path) for each in checkpoints):
        plain = ["import inspect"]
        loaded += [
            '    if "boxes" in inspect.signature(tokenizer.__call__).parameters:',
            "        # Its own call wants words with boxes; running text is read by the class beneath.",
            "        tokenizer.__class__ = PreTrainedTokenizerFast",
        ]
    encoded = '    ids = tokenizer(text, add_special_tokens=False)["input_ids"]'
    if text is None:
        from workbench.engine.paths import asset

        return script(
            "Compare tokenizers on the same sentences in many languages.",
            ["import csv", *plain, "from collections import defaultdict", "", _AUTO],
            paths,
            [
                *assign("sample", str(asset("samples/parallel.csv"))),
                "sentences = defaultdict(list)",
                'with open(sample, encoding="utf-8", newline="") as file:',
                "    for row in csv.DictReader(file):",
                '        sentences[row["language"]].append(row["text"])',
            ],
            [
                "counts = {}",
                "for name, checkpoint in checkpoints.items():",
                *loaded,
                "    for language, texts in sentences.items():",
                '        ids = tokenizer(texts, add_special_tokens=False)["input_ids"]',
                "        counts[name, language] = sum(map(len, ids))",
                '        premium = counts[name, language] / counts[name, "English"]',
                "        unknown = sum(each.count(tokenizer.unk_token_id) for each in ids)",
                '        print(f"{name}: {language} {counts[name, language]} tokens ({unknown} unknown),", end=" ")',
                '        print(f"{premium:.2f} times English")',
            ],
        )
    file = isinstance(text, Path)
    given = (
        [*assign("file", str(text)), 'text = Path(file).read_text(encoding="utf-8-sig")']
        if file
        else assign("text", str(text))
    )
    return script(
        "Compare tokenizers on one text.",
        [*plain, *(["from pathlib import Path"] if file else []), *([""] if file or plain else []), _AUTO],
        paths,
        given,
        [
            "counts = {}",
            "for name, checkpoint in checkpoints.items():",
            *loaded,
            encoded,
            "    back = tokenizer.decode(ids)",
            "    counts[name] = len(ids)",
            "    per_token = len(text) / max(1, len(ids)), len(text.encode()) / max(1, len(ids))",
            '    print(f"{name}: {len(ids)} tokens of {per_token[0]:.2f} characters, {per_token[1]:.2f} bytes")',
            '    print("  the text comes back as it was" if back == text else f"  comes back as {back[:500]!r}")',
        ],
    )


def _value(opening: str, value: Any, closing: str = "", indent: int = 0) -> list[str]:
    """The lines of a value of lists and dicts: each on one line where it fits, else an item a line."""
    margin = " " * indent
    line = margin + opening + _inline(value) + closing
    if columns(line) <= WIDTH or not isinstance(value, dict | list) or not value:
        return [line]
    inner: list[str] = []
    if isinstance(value, dict):
        for key, item in value.items():
            inner += _value(f"{literal(key)}: ", item, ",", indent + 4)
    else:
        for item in value:
            inner += _value("", item, ",", indent + 4)
    brackets = "{}" if isinstance(value, dict) else "[]"
    return [margin + opening + brackets[0], *inner, margin + brackets[1] + closing]


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return literal(value)
