"""Repeats in what the student has "said" so far: it learns to go on with the speech instead of repeating itself.

A decoder trained on true prefixes alone has never seen its own mistakes (exposure bias, Ranzato et al. 2016, arXiv 1511.06732); the
commonest of them in noise is a phrase said again and again. Here some clips have a phrase of their prefix repeated, and the label after the
repeats is the word that follows in truth. Nothing is learned from the repeated tokens themselves.
"""

import torch
from torch import Tensor

LONGEST_PHRASE = 3
"""Tokens of the phrase that is repeated, at most."""
LONGEST_REPEAT = 12
"""Tokens that all its repeats have together, at most."""


def repeat_phrases(decoder_input_ids: Tensor, labels: Tensor, *, share: float, ignored: int) -> tuple[Tensor, Tensor]:
    """Return inputs and labels with a repeated phrase in some of the clips; drawn from torch's global generator, which checkpoints keep.

    The labels that count are the same, in the same order.

    Args:
        decoder_input_ids, labels: int64, shape (batch, length), each position's label the input of the next.
        share: of the clips, 0 to 1; a clip needs two text tokens.
        ignored: label of positions that do not count.

    Returns:
        int64, shape (batch, length + the most tokens that were inserted), twice.
    """
    rows: list[tuple[Tensor, Tensor]] = []
    for inputs, targets in zip(decoder_input_ids, labels, strict=True):
        counted = (targets != ignored).nonzero().flatten()
        # The label at the first counted position is the first text token: a phrase can be repeated from the second on.
        if len(counted) < 2 or float(torch.rand(())) >= share:
            rows.append((inputs, targets))
            continue
        said = int(torch.randint(1, len(counted), ()))
        phrase = int(torch.randint(1, min(LONGEST_PHRASE, said) + 1, ()))
        times = int(torch.randint(1, LONGEST_REPEAT // phrase + 1, ()))
        at = int(counted[said])
        repeats = inputs[at - phrase + 1 : at + 1].repeat(times)
        silent = targets.new_full((len(repeats),), ignored)
        rows.append((torch.cat([inputs[: at + 1], repeats, inputs[at + 1 :]]), torch.cat([targets[:at], silent, targets[at:]])))
    length = max(len(inputs) for inputs, _ in rows)
    return (
        torch.stack([_filled(inputs, length, int(inputs[-1])) for inputs, _ in rows]),
        torch.stack([_filled(targets, length, ignored) for _, targets in rows]),
    )


def _filled(tokens: Tensor, length: int, filler: int) -> Tensor:
    return torch.cat([tokens, tokens.new_full((length - len(tokens),), filler)])
