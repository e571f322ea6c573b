import torch

from askd_trainers.data.spec_augment import mask
from askd_trainers.recipe import SpecAugment


def test_masks_are_whole_stretches_at_the_mean_and_the_rest_stays():
    torch.manual_seed(3)
    features = torch.randn(4, 80, 300)
    before = features.clone()
    masked = mask(features, SpecAugment(time_masks=1, time_frames=20, frequency_masks=0))
    assert torch.equal(features, before)
    for clip, result in zip(features, masked, strict=True):
        changed = (clip != result).all(dim=0).nonzero().flatten()
        assert 0 <= len(changed) <= 20
        assert torch.equal(result[:, changed], clip.mean().expand(80, len(changed)))
        if len(changed):
            assert changed[-1] - changed[0] + 1 == len(changed)
        untouched = [i for i in range(300) if i not in changed.tolist()]
        assert torch.equal(result[:, untouched], clip[:, untouched])


def test_it_follows_the_global_generator():
    features = torch.randn(2, 80, 100)
    torch.manual_seed(0)
    first = mask(features, SpecAugment())
    assert not torch.equal(mask(features, SpecAugment()), first)
    torch.manual_seed(0)
    assert torch.equal(mask(features, SpecAugment()), first)


def test_masks_longer_than_the_clip_are_cut():
    assert mask(torch.randn(1, 4, 3), SpecAugment(time_frames=50, frequency_bins=50)).shape == (1, 4, 3)
