import numpy as np

from askd_trainers.data.length_groups import LengthGroups

LENGTHS = np.random.default_rng(0).integers(1, 1000, 203).tolist()


def batches(sampler: LengthGroups) -> list[list[int]]:
    order = list(sampler)
    return [order[i : i + sampler.batch_size] for i in range(0, len(order), sampler.batch_size)]


def test_each_example_comes_once_and_the_incomplete_batch_last():
    made = batches(LengthGroups(LENGTHS, 8, seed=0))
    assert sorted(i for batch in made for i in batch) == list(range(203))
    assert [len(batch) for batch in made] == [8] * 25 + [3]


def test_lengths_within_a_batch_are_close():
    spread = [max(LENGTHS[i] for i in batch) - min(LENGTHS[i] for i in batch) for batch in batches(LengthGroups(LENGTHS, 8, seed=0))]
    assert np.median(spread) < 100  # at random: some 780


def test_seed_and_epoch_decide_the_order():
    sampler = LengthGroups(LENGTHS, 8, seed=0)
    first = list(sampler)
    assert list(LengthGroups(LENGTHS, 8, seed=0)) == first != list(LengthGroups(LENGTHS, 8, seed=1))
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first
