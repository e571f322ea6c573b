import torch

from askd_trainers.data.repeats import LONGEST_REPEAT, repeat_phrases
from askd_trainers.families.base import IGNORED

PROMPT = [50257, 50362]


def a_batch(*texts: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and labels as the Whisper family collates them: prompt, text, end (0)."""
    length = max(map(len, texts)) + len(PROMPT)
    inputs, labels = torch.zeros(len(texts), length, dtype=torch.long), torch.full((len(texts), length), IGNORED)
    for row, text in enumerate(texts):
        whole = [*PROMPT, *text, 0]
        inputs[row, : len(whole) - 1] = torch.tensor(whole[:-1])
        labels[row, len(PROMPT) - 1 : len(whole) - 1] = torch.tensor([*text, 0])
    return inputs, labels


def test_the_labels_that_count_stay_the_same_in_order():
    torch.manual_seed(0)
    inputs, labels = a_batch([1, 2, 3, 4], [5, 6], [7])
    for _ in range(50):
        _, targets = repeat_phrases(inputs, labels, share=1.0, ignored=IGNORED)
        for before, after in zip(labels, targets, strict=True):
            assert after[after != IGNORED].tolist() == before[before != IGNORED].tolist()


def test_the_word_after_the_repeats_is_the_one_that_follows_in_truth():
    torch.manual_seed(1)
    text = [1, 2, 3, 4, 5]
    inputs, labels = a_batch(text)
    seen = set()
    for _ in range(200):
        ids, targets = (row[0].tolist() for row in repeat_phrases(inputs, labels, share=1.0, ignored=IGNORED))
        at = next(i for i in range(len(PROMPT), len(ids)) if targets[i] == IGNORED)
        said = ids[at]  # the last token before the repeats
        end = next(i for i in range(at, len(ids)) if targets[i] != IGNORED)
        repeats = ids[at + 1 : end + 1]
        assert 1 <= len(repeats) <= LONGEST_REPEAT
        assert repeats[-1] == said
        assert set(repeats) <= set(text[: said + 1])
        assert targets[end] == (said + 1 if said < len(text) else 0)
        assert ids[: at + 1] == [*PROMPT, *text[:said]]
        seen.add((said, len(repeats)))
    assert len(seen) > 20


def test_without_a_share_or_without_text_nothing_changes():
    inputs, labels = a_batch([1, 2, 3], [])
    for share, rows in ((0.0, [0, 1]), (1.0, [1])):
        ids, targets = repeat_phrases(inputs, labels, share=share, ignored=IGNORED)
        for row in rows:
            assert ids[row, : inputs.shape[1]].tolist() == inputs[row].tolist()
            assert targets[row, : labels.shape[1]].tolist() == labels[row].tolist()


def test_it_follows_the_global_generator():
    inputs, labels = a_batch(list(range(1, 30)))
    torch.manual_seed(5)
    first = repeat_phrases(inputs, labels, share=0.7, ignored=IGNORED)
    torch.manual_seed(5)
    again = repeat_phrases(inputs, labels, share=0.7, ignored=IGNORED)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
