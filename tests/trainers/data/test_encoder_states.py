"""Cached encoder states: the same as computed ones, bounded, and safe against a full disk."""

import errno

import numpy as np
import pytest
import torch

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus
from askd_trainers.data.batches import SpeechDataset
from askd_trainers.data.encoder_states import FrozenEncoder, StateCache
from askd_trainers.data.windows import WindowDataset, alone
from askd_trainers.distil import prepare
from askd_trainers.families.choose import load_models
from askd_trainers.families.whisper import whisper_frontend
from askd_trainers.session import fill_caches


@pytest.fixture
def parts(make_recipe, speech):
    models = load_models(make_recipe("kd"))
    family, student = models.family, models.student
    clips = [read_audio(u.audio) for u in open_corpus(str(speech))][:5]
    return student.model.encoder, whisper_frontend(family.processor, student.config), clips


def test_cached_states_are_the_computed_ones_bit_for_bit(parts, tmp_path):
    encoder, frontend, clips = parts
    cached = FrozenEncoder(encoder, frontend, StateCache(tmp_path, 10**8), bf16=False)
    for number, clip in enumerate(clips):
        assert cached.store(str(number), clip)
    features = torch.from_numpy(np.stack([frontend(clip) for clip in clips]))
    stored = torch.from_numpy(np.stack([cached.cached(str(number)) for number in range(len(clips))]))
    assert torch.equal(cached.encode(features), stored)
    missing = torch.tensor([False, True, False, True, True])
    joined = cached.complete({"states": stored[~missing], "features": features[missing], "missing": missing})
    assert torch.equal(joined, stored.float())
    exact = encoder(features).last_hidden_state
    torch.testing.assert_close(joined, exact, atol=2e-3, rtol=1e-3)


def test_cache_keeps_to_its_bound(parts, tmp_path):
    encoder, frontend, clips = parts
    size = 100 * 16 * 2
    bounded = FrozenEncoder(encoder, frontend, StateCache(tmp_path, 2 * size + 10), bf16=False)
    assert [bounded.store(str(n), clip) for n, clip in enumerate(clips)] == [True, True, False, False, False]
    again = FrozenEncoder(encoder, frontend, StateCache(tmp_path, 10**8), bf16=False)
    assert again.cached("1") is not None
    assert again.cached("2") is None


def test_other_weights_window_or_precision_have_other_addresses(parts):
    encoder, frontend, _ = parts
    one = FrozenEncoder(encoder, frontend, None, bf16=False)
    assert one.fingerprint != FrozenEncoder(encoder, frontend, None, bf16=True).fingerprint
    with torch.no_grad():
        encoder.layer_norm.weight.add_(1e-3)
    assert one.fingerprint != FrozenEncoder(encoder, frontend, None, bf16=False).fingerprint


def test_full_disk_leaves_no_half_file_and_the_run_goes_on(parts, tmp_path, monkeypatch):
    encoder, frontend, clips = parts
    full = FrozenEncoder(encoder, frontend, StateCache(tmp_path, 10**8), bf16=False)

    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", no_space)
    assert not full.store("0", clips[0])
    monkeypatch.undo()
    assert not full.store("1", clips[1])  # it is not tried again
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_damaged_file_is_computed_anew(parts, tmp_path):
    encoder, frontend, clips = parts
    store = FrozenEncoder(encoder, frontend, StateCache(tmp_path, 10**8), bf16=False)
    store.store("0", clips[0])
    (file,) = tmp_path.rglob("*.npy")
    before = np.array(np.load(file))
    file.write_bytes(b"")
    assert store.cached("0") is None
    assert store.store("0", clips[0])
    assert np.array_equal(store.cached("0"), before)


def test_dataset_asks_the_encoder_once_for_both_roles():
    assert SpeechDataset([], {"student": None}, lambda x: x).uncached() == 0


def test_states_that_do_not_fit_are_told_of_in_one_line(make_recipe, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path / "cache"))
    run = prepare(make_recipe("ce", "runtime.cache_gb=1e-5"), tmp_path / "run")  # three of 3,200 bytes
    fill_caches({"training": run.train, "validation": None}, None)
    left = len(run.train) - 3
    assert run.train.uncached() == left
    [told] = caplog.messages
    assert told.startswith(f"runtime.cache_gb: {left} encoder states for training do not fit; they are computed each time")
    caplog.clear()
    whole = prepare(make_recipe("ce", "runtime.cache_gb=1"), tmp_path / "whole")
    fill_caches({"training": whole.train}, None)
    assert not caplog.messages


@pytest.mark.parametrize(("cache_gb", "missed"), [(1e-5, 9), (1, 0), (0, 0)])
def test_windows_say_how_many_states_did_not_fit(make_recipe, tmp_path, monkeypatch, cache_gb, missed):
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path / "cache"))
    run = prepare(make_recipe("ce", "runtime.cache_gb=1"), tmp_path / "run")
    encoder = run.train.encoders["student"]
    encoder.cache = StateCache(tmp_path / "cache", int(cache_gb * 1e9)) if cache_gb else None
    examples = run.train.examples
    windows = WindowDataset(alone(range(12)), [examples], teacher_hears="same", teacher=encoder, frontend=encoder.frontend)
    assert windows.fill_cache() == missed
