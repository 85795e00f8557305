"""How each id of a vocabulary reads by itself, with a tokenizer at hand or from a saved list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from workbench.engine.tokens.positions import Pieces

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Vocabulary:
    """Spells ids, each as it would read inside a text.

    Args:
        tokenizer: Decodes an id the first time it is asked for; None leaves what ``texts`` says.
        texts: Known spellings by id, such as those of a session file.
        special: Ids of special tokens; not needed beside a tokenizer.

    Attributes:
        special: Ids of special tokens.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase | None = None,
        texts: Sequence[str] = (),
        special: Iterable[int] = (),
    ) -> None:
        self._tokenizer = tokenizer
        self._pieces: Pieces | None = None
        self._known = dict(enumerate(texts))
        self.special = frozenset(tokenizer.all_special_ids if tokenizer is not None else special)

    def __len__(self) -> int:
        return len(self._tokenizer) if self._tokenizer is not None else len(self._known)

    def spell(self, ids: Iterable[int]) -> list[str]:
        """Each id decoded by itself; bytes of an unfinished character as ``<0xE4>``, unknown ids as empty text."""
        known = self._known
        spelled = []
        for token_id in ids:
            if token_id not in known:
                known[token_id] = self._spell(token_id)
            spelled.append(known[token_id])
        return spelled

    def read(self, token_id: int, text: str) -> tuple[str, bool]:
        """How a token is shown that gave this text: itself, or its name when it is a special one that gave none.

        Returns:
            The text, and whether it is such a name.
        """
        if text or token_id not in self.special:
            return text, False
        return self.spell([token_id])[0], True

    def _spell(self, token_id: int) -> str:
        tokenizer = self._tokenizer
        if tokenizer is None or not 0 <= token_id < len(tokenizer):
            return ""
        made = tokenizer.convert_ids_to_tokens(token_id)
        if isinstance(made, list):
            # Pop2Piano's says what kind of note it is, and which; it decodes them into music alone.
            return " ".join(map(str, made))
        self._pieces = self._pieces or Pieces(tokenizer)
        _, raw, whole = self._pieces.look_up(token_id)
        if raw is not None and whole is None:
            return "".join(f"<0x{byte:02X}>" for byte in raw)
        text = str(tokenizer.decode([token_id], clean_up_tokenization_spaces=False))
        return f" {text}" if str(made).startswith("▁") and not text.startswith(" ") else text
