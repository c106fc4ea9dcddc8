"""From what the model says at the end of a question to a score: natural log-odds of yes against no, and how much it meant either."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

VOCABULARY_STEP = 16_384
"""Rows of the head that are multiplied at a time: a whole head in float32 would be more than a gigabyte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How one question was answered. Either may be NaN or infinite where the model broke; whoever reads it says FAILED then."""

    log_odds: float
    label_mass: float
    """0..1: share of the vocabulary's probability that lies on the labels."""


@torch.inference_mode()
def scores(hidden: Tensor, head: Tensor, yes: Sequence[int], no: Sequence[int]) -> tuple[Score, ...]:
    """The score of each row of `hidden`: float[questions, size], under `head`: float[vocabulary, size]. Summed over spellings, in float32."""
    exact = torch.promote_types(hidden.dtype, torch.float32)
    hidden = hidden.to(exact)
    parts = [torch.logsumexp(hidden @ rows.to(exact).T, 1) for rows in torch.split(head, VOCABULARY_STEP)]
    everything = torch.logsumexp(torch.stack(parts), 0)
    says_yes, says_no = (torch.logsumexp(hidden @ head[list(labels)].to(exact).T, 1) for labels in (yes, no))
    mass = torch.exp(torch.logaddexp(says_yes, says_no) - everything).clamp(max=1.0)
    return tuple(Score(log_odds=odds, label_mass=share) for odds, share in zip((says_yes - says_no).tolist(), mass.tolist(), strict=True))
