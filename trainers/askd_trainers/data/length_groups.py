"""Batches of clips of similar length, in random order, the same for the same seed and epoch."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

POOL = 32
"""Batches that are sorted together: more makes batches more even, fewer makes them more random."""


class LengthGroups(Sampler[int]):
    """Indices in an order of which each `batch_size` that follow each other are of similar length.

    The examples are shuffled, cut into pools of some batches, sorted by length within each pool and cut into batches, whose order is
    shuffled again. The last, incomplete batch of an epoch comes last.

    Args:
        lengths: of the examples, in any unit.
        batch_size: of a whole step.
        seed: of the order; each epoch has another.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, *, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Take the order of this epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        pool = POOL * self.batch_size
        grouped = [i for start in range(0, len(order), pool) for i in sorted(order[start : start + pool], key=lambda i: self.lengths[i])]
        batches = [grouped[start : start + self.batch_size] for start in range(0, len(grouped), self.batch_size)]
        whole = [batch for batch in batches if len(batch) == self.batch_size]
        for number in torch.randperm(len(whole), generator=generator).tolist():
            yield from whole[number]
        yield from (i for batch in batches if len(batch) < self.batch_size for i in batch)
