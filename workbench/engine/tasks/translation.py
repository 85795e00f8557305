"""Translation: the text in another language.

References:
    transformers, Task guides: Translation; Auto Classes: AutoModelForSeq2SeqLM
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.tasks.inputs import Inputs, Request, Spec, encoded
from workbench.engine.tasks.speaking import SEAMLESS, language, spelled
from workbench.engine.tasks.text2text_generation import postprocess, prefixed
from workbench.engine.tasks.writing import WRITES, generated
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

__all__ = ["SPEC", "fitted", "forward", "languages", "postprocess", "preprocess", "token"]

SPEC = Spec(
    name="translation",
    heads=("AutoModelForSeq2SeqLM",),
    does="Writes the text in another language",
    inputs=(("text", "Text"),),
    options=("source_language", "target_language", *WRITES, "stops"),
    shows="text",
    example=TaskInput("The capital of France is Paris."),
)


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: languages are asked for where its tokenizer has some, and which those are."""
    codes = tuple(sorted(languages(model.tokenizer)))
    asked = ("source_language", "target_language")
    if not codes:
        return replace(SPEC, options=tuple(name for name in SPEC.options if name not in asked))
    return replace(SPEC, choices=tuple((name, codes) for name in asked))


def languages(tokenizer: Any) -> dict[str, int]:
    """The language codes of a tokenizer for many languages with the id of each; empty where it has none."""
    codes = getattr(tokenizer, "lang_code_to_id", None)
    if isinstance(codes, dict):
        return {str(code): int(index) for code, index in codes.items()}
    if not hasattr(tokenizer, "src_lang"):
        return {}
    unknown = tokenizer.unk_token_id
    extra = getattr(tokenizer, "extra_special_tokens", None) or ()
    named = [str(token) for token in (extra.values() if isinstance(extra, dict) else extra)]
    found = {code.strip("_"): tokenizer.convert_tokens_to_ids(code) for code in named}
    return {code: int(index) for code, index in found.items() if index != unknown}


def preprocess(request: Request) -> Inputs:
    """Tell the tokenizer the language of the text, put the checkpoint's own prefix in front, tokenize, and cut.

    Raises:
        InputError: A language is asked for that the tokenizer does not know.
    """
    if request.model.facts.model_type in SEAMLESS:
        with spelled(request):
            return encoded(request)
    tokenizer = request.tokenizer
    for code in filter(None, (request.options.source_language, request.options.target_language)):
        token(tokenizer, code)
    if not request.options.source_language:
        return encoded(prefixed(request, "translation"))
    before = tokenizer.src_lang
    tokenizer.src_lang = request.options.source_language
    try:
        return encoded(request)
    finally:
        tokenizer.src_lang = before


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """As `text2text_generation.forward`, the target language's token forced to the front where one was asked for.

    SeamlessM4T is told its language by name, its tokenizer's own where none was asked for.
    """
    code = request.options.target_language
    if request.model.facts.model_type in SEAMLESS:
        told: Any = request.tokenizer
        wanted = language(request, code or told.tgt_lang, "text_decoder_lang_to_code_id")
        return generated(request, request.on_device(inputs.tensors), 1, tgt_lang=wanted)
    forced = {"forced_bos_token_id": token(request.tokenizer, code)} if code else {}
    return generated(request, request.on_device(inputs.tensors), 1, **forced)


def token(tokenizer: Any, code: str) -> int:
    """The id of a language of a tokenizer, by its code.

    Raises:
        InputError: It has no such language.
    """
    codes = languages(tokenizer)
    if code in codes:
        return codes[code]
    if codes:
        some = ", ".join(sorted(codes)[:8])
        why, remedy = f"Its tokenizer has no language “{code}”.", f"Use one of its {len(codes)}: {some} …"
    else:
        why, remedy = "This checkpoint knows no languages that could be chosen.", "Leave the languages empty."
    raise InputError("The language can't be chosen.", why=why, remedy=remedy)
