"""The scores of one step under the knobs, answered anew at every move of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.sampling import library, watermark
from workbench.engine.sampling.acts import Link, link
from workbench.engine.sampling.knobs import check
from workbench.engine.sampling.library import ACTS, PROCESSORS, name_of
from workbench.engine.sampling.scores import Scores, entropy, one_thread
from workbench.engine.sampling.trace import Trace
from workbench.engine.sampling.warpers import Warpers
from workbench.engine.values import Candidate, Logits, Sampling, Situation, Watermark

if TYPE_CHECKING:
    from workbench.engine.tokens.vocabulary import Vocabulary

_FORCED = ("forced_bos_token_id", "forced_eos_token_id")


class Distribution:
    """The logits of one step, so kept that every move of a knob is answered in a few milliseconds.

    The processors are the library's own objects in its own order, on the scores of the full vocabulary; only those that
    sort are replaced by ones that sort once (`warpers`). What lies in front of the knob that moved is kept.

    Args:
        logits: Raw logits of shape ``(vocab,)``.
        situation: What the processors look at; plain ids are those in front of the token, all of them a prompt.
        guided: The scores after classifier-free guidance, where there is one: the knobs act on these.

    Attributes:
        logits: The raw logits as float32.
        situation: As given.

    References:
        transformers, Generation: LogitsProcessorList
    """

    def __init__(self, logits: Logits, situation: Situation | Sequence[int] = (), guided: Logits | None = None) -> None:
        if not isinstance(situation, Situation):
            situation = Situation(tuple(situation), len(situation))
        self.situation = situation
        self.logits = logits.float32()
        self._raw = Scores(self.logits)
        self._guided = Scores(guided.float32()) if guided is not None else None
        self._warpers: Warpers | None = None
        self._mark: tuple[Watermark, Any] | None = None
        self._chain: list[Link] = []
        self._trace: Trace | None = None
        self._standing: tuple[Link | None, np.ndarray] | None = None

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Softmax of the raw logits, float32 of shape ``(vocab,)``; NaN when they hold NaN."""
        with one_thread():
            return self._raw.chances

    @cached_property
    def entropy(self) -> float:
        """Of the raw distribution, in bits."""
        chances = self.probabilities
        with one_thread():
            return entropy(chances)

    def rank(self, token_id: int) -> int:
        """Rank among the raw logits: 1 + how many are strictly larger."""
        return self._ranked.rank(token_id)

    def reach(self, token_id: int) -> float:
        """Cumulative probability before any knob: of the token and all that are at least as probable, in ``[0, 1]``."""
        return self._raw.reach(token_id)

    @cached_property
    def _ranked(self) -> Scores:
        if np.isnan(self._raw.top):
            return Scores(np.where(np.isnan(self.logits), np.float32(-np.inf), self.logits))
        return self._raw

    def trace(self, sampling: Sampling) -> Trace:
        """Apply the knobs.

        Raises:
            InputError: A knob is out of its range.
            NotSupported: There is no distribution: the logits hold NaN or no finite number (remove_invalid_values
                would replace them), or a knob's value makes numbers too large to count with.
        """
        if self._trace is None or self._trace.sampling != sampling:
            checked = check(sampling, self.logits.size)
            with one_thread():
                self._chain = self._follow(checked)
                self._trace = self._summarise(checked)
        return self._trace

    def top(self, count: int, sampling: Sampling, vocabulary: Vocabulary | None) -> tuple[Candidate, ...]:
        """The foremost candidates, by falling score after what moves scores (the warpers keep that order).

        A token that was banned stays where it would have stood; a forced one comes first.

        Args:
            count: How many.
            sampling: The knobs whose effect the candidates show.
            vocabulary: Spells the candidates; without one their text is empty.

        Raises:
            InputError, NotSupported: As for `trace`.
        """
        trace = self.trace(sampling)
        return self._candidates(self.foremost(count, sampling), trace, vocabulary)

    def foremost(self, count: int, sampling: Sampling) -> np.ndarray:
        """Ids of what `top` gives, in its order, of shape ``(count,)``.

        Raises:
            InputError, NotSupported: As for `trace`.
        """
        self.trace(sampling)
        standing = self._stand()
        count = min(count, standing.size)
        if count < 1:
            return np.zeros(0, dtype=np.int64)
        limit = np.partition(standing, standing.size - count)[standing.size - count]
        above = np.flatnonzero(standing > limit)
        equal = np.flatnonzero(standing == limit)[: count - above.size]
        return np.concatenate((above[np.lexsort((above, -standing[above]))], equal))

    def candidate(self, token_id: int, sampling: Sampling, vocabulary: Vocabulary | None) -> Candidate:
        """One token as a candidate, wherever it stands.

        Raises:
            InputError, NotSupported: As for `trace`.
        """
        return self._candidates(np.array([token_id]), self.trace(sampling), vocabulary)[0]

    def _candidates(self, ids: np.ndarray, trace: Trace, vocabulary: Vocabulary | None) -> tuple[Candidate, ...]:
        texts = vocabulary.spell(ids.tolist()) if vocabulary is not None else [""] * ids.size
        ranked = self._ranked
        ranks = _ranks(ranked, ids)
        scores = np.array([made.made.values[ids] for made in self._chain], dtype=np.float32).reshape(-1, ids.size).T
        return tuple(
            Candidate(
                id=token_id,
                text=text,
                logit=logit,
                probability=probability,
                after=after,
                cut_by=ACTS[cut - 1] if cut else None,
                rank=rank,
                scores=tuple(after_each),
                why="" if after > 0 else trace.why(token_id),
            )
            for token_id, text, logit, probability, after, cut, rank, after_each in zip(
                ids.tolist(),
                texts,
                self.logits[ids].tolist(),
                self.probabilities[ids].tolist(),
                trace.probabilities[ids].tolist(),
                trace.cut[ids].tolist(),
                ranks,
                scores.tolist(),
                strict=True,
            )
        )

    def _follow(self, sampling: Sampling) -> list[Link]:
        """One link an act; those of the last chain are kept up to the first that differs."""
        scores = self._raw
        plan: list[tuple[str, Any]] = []
        if self._guided is not None:
            plan.append(("guidance_scale", None))
        made = library.processors(
            None,
            replace(sampling, watermarking_config=None),
            self.situation.prompt_length,
            self.situation.eos,
            encoder_ids=self.situation.encoder_ids,
            num_beams=self.situation.beams,
        )
        plan += [(name_of(processor), processor) for processor in made]
        if sampling.watermarking_config is not None:
            place = len(plan) - sampling.renormalize_logits
            plan.insert(place, ("watermarking_config", self._watermark(sampling.watermarking_config)))
        if not sampling.do_sample and self.situation.beams == 1:
            plan.append(("greedy", None))
        chain: list[Link] = []
        kept = True
        for index, (name, processor) in enumerate(plan):
            if name not in PROCESSORS and name != "guidance_scale":
                self._refuse_broken(scores, chain)
            key = (name, *_depends(name, sampling))
            kept = kept and index < len(self._chain) and self._chain[index].key == key
            chain.append(self._chain[index] if kept else self._act(name, key, processor, scores))
            scores = chain[-1].made
        self._refuse_broken(scores, chain)
        return chain

    def _watermark(self, mark: Watermark) -> Any:
        """The library's processor, made once: to draw its table takes longer than a frame."""
        if self._mark is None or self._mark[0] != mark:
            made = watermark.config_of(mark).construct_processor(self.logits.size, "cpu")
            self._mark = (mark, watermark.standing(watermark.kept(made), self.situation.prompt_length))
        return self._mark[1]

    def _act(self, name: str, key: tuple[object, ...], processor: Any, scores: Scores) -> Link:
        if name == "guidance_scale" and self._guided is not None:
            return link(name, key, scores, self._guided)
        if scores.top == -np.inf and name not in PROCESSORS:
            # Nothing is left to choose from, and the library's warpers make NaN of that, or refuse it.
            return link(name, key, scores, scores)
        if name == "greedy":
            return link(name, key, scores, _greedy(scores))
        if self._warpers is None:
            import torch

            self._warpers = Warpers(torch.tensor([self.situation.before], dtype=torch.long))
        try:
            return link(name, key, scores, self._warpers.apply(name, processor, scores))
        except (OverflowError, IndexError, RuntimeError, ValueError) as error:
            raise InputError(
                f"{name} can't act on this step.", why=f"{error}.", remedy=f"Set {name} to another value."
            ) from error

    def _refuse_broken(self, scores: Scores, chain: list[Link]) -> None:
        """Say what is wrong with scores that no probabilities can be made of; all cut is not wrong."""
        if scores.top < np.inf and (scores.top > -np.inf or self._raw.top > -np.inf):
            return
        if not np.isfinite(self._raw.top):
            raise NotSupported(
                "This step has no next-token distribution.",
                why=f"The model's logits hold {'NaN' if np.isnan(self._raw.top) else 'no finite number'}."
                if self._raw.top != np.inf
                else "The model's logits hold infinity.",
                remedy="Load the checkpoint in float32 or bfloat16; if that does not help, its weights are damaged.",
            )
        name = next((made.act.name for made in chain if not made.made.top < np.inf), "This step")
        raise NotSupported(
            f"{name} leaves no next-token distribution.",
            why="It makes scores that are too large for a number of 32 bits.",
            remedy=f"Set {name} to a milder value.",
        )

    def _summarise(self, sampling: Sampling) -> Trace:
        scores = self._chain[-1].made if self._chain else self._raw
        cut = np.zeros(self.logits.size, dtype=np.uint8)
        for made in self._chain:
            if made.gone is not None:
                # The acts come in the order of their names, so the largest is the one that acted last.
                np.maximum(cut, made.gone.view(np.uint8) * np.uint8(ACTS.index(made.act.name) + 1), out=cut)
        mark = sampling.watermarking_config
        # A tournament gives the lowest number to what was cut.
        alive = scores.values > (np.finfo(np.float32).min if mark is not None and mark.kind == "synthid" else -np.inf)
        kept = int(np.count_nonzero(alive))
        if kept < alive.size:
            cut *= ~alive
        else:
            cut[:] = 0
        after = scores.chances if kept else np.zeros(self.logits.size, dtype=np.float32)
        acts = tuple(made.act for made in self._chain)
        return Trace(sampling, acts, after, cut, kept, entropy(after), scores, tuple(self._chain), self.situation)

    def _stand(self) -> np.ndarray:
        """What candidates are ordered by: the score from before it was cut, of shape ``(vocab,)``."""
        movers = [made for made in self._chain if made.act.name in PROCESSORS or made.act.name == "guidance_scale"]
        last = movers[-1] if movers else None
        if self._standing is None or self._standing[0] is not last:
            standing = self._ranked.values
            gone = forced = None
            for made in movers:
                if made.made is made.handed:
                    continue
                values = made.made.values
                if made.gone is not None:
                    gone = made.gone if gone is None else gone | made.gone
                if np.isnan(made.made.top):
                    values = np.where(np.isnan(values), standing, values)
                if made.act.name in _FORCED:
                    forced = values > -np.inf
                else:
                    standing = values if gone is None else np.where(gone, standing, values)
            if forced is not None:
                standing = np.where(forced, np.float32(np.inf), standing)
            self._standing = (last, standing)
        return self._standing[1]


def _depends(name: str, sampling: Sampling) -> tuple[object, ...]:
    """Values that an act depends on."""
    if name == "forced_eos_token_id":
        return sampling.forced_eos_token_id, sampling.max_new_tokens
    if name == "begin_suppress_tokens":
        return sampling.begin_suppress_tokens, sampling.forced_bos_token_id
    return (getattr(sampling, name, None),)


def _ranks(scores: Scores, ids: np.ndarray) -> list[int]:
    """Of several ids: 1 + how many are strictly larger."""
    places = np.searchsorted(scores.rising, scores.values[ids], side="right")
    ranks: list[int] = (scores.values.size - places + 1).tolist()
    return ranks


def _greedy(scores: Scores) -> Scores:
    import torch

    best = int(torch.argmax(torch.from_numpy(scores.values)))
    values = np.full(scores.values.size, -np.inf, dtype=np.float32)
    values[best] = scores.values[best]
    return Scores(values)
