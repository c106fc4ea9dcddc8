"""A window as it goes through the model: its row, its media, which leaf answers what; and the same with fewer pictures. It knows no model."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analyzers.omni.media import sight_tokens
from analyzers.omni.sight import Sight
from analyzers.omni.tree import Branch, Row, lay_out

Key = tuple[int, int]
"""A question's place in the batch, and a policy's place in the question."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no single truth of equality
class Laid:
    """One window of a batch."""

    root: tuple[int, ...]
    branches: tuple[Branch, ...]
    """With all of their pairs."""
    step: float
    """Positions from one pair to the next."""
    sights: tuple[Sight, ...]
    sound: NDArray[np.float32] | None
    sound_tokens: int
    keys: tuple[Key, ...]
    every: int = 1
    """Of so many pairs in a row the newest is shown."""

    @property
    def row(self) -> Row:
        """Laid out, with the pairs that are shown."""
        return lay_out(self.root, [_thinned(branch, self.every) for branch in self.branches], self.step)

    @property
    def media_tokens(self) -> int:
        """Tokens of picture and sound."""
        return self.sound_tokens + sum(sight_tokens(sight.grid) for sight in self.sights)

    @property
    def tokens(self) -> int:
        """Of its row."""
        shown = [_thinned(branch, self.every) for branch in self.branches]
        return len(self.root) + sum(len(branch.tokens) + sum(map(len, branch.leaves)) for branch in shown)

    def halved(self) -> "Laid | None":
        """With every other of its pairs left out; None where it shows one only, or none."""
        shown = max((shown_pairs(sight.grid[0], self.every) for sight in self.sights), default=0)
        return replace(self, every=self.every * 2) if shown > 1 else None


def shown_pairs(pairs: int, every: int) -> int:
    """How many of so many pairs are shown: the newest, and back from it."""
    return -(-pairs // every)


def _thinned(branch: Branch, every: int) -> Branch:
    """A branch with as many placeholders as are left of its pairs."""
    if branch.grid is None or every == 1:
        return branch
    first, *placeholders, last = branch.tokens
    pairs, rows, columns = branch.grid
    grid = (shown_pairs(pairs, every), rows, columns)
    times = (branch.times or tuple(range(pairs)))[::-1][::every][::-1]
    return replace(branch, tokens=(first, *placeholders[: sight_tokens(grid)], last), grid=grid, times=times)
