"""What `list` shows: everything that can be asked for by name, with what it is."""

import pytest

from askd_bench.report.listings import LISTINGS, conditions


@pytest.mark.parametrize("what", LISTINGS)
def test_every_record_says_the_same_things_in_words(what: str) -> None:
    records = LISTINGS[what]()
    assert len(records) >= 1
    assert all(set(record) == set(records[0]) for record in records)
    assert all(isinstance(value, str) for record in records for value in record.values())


def test_listings_name_what_can_be_run() -> None:
    assert "noisy" in {record["suite"] for record in LISTINGS["suites"]()}
    assert "whisper-tiny.en" in {record["model"] for record in LISTINGS["models"]()}
    assert {"dialogue", "prompts", "librispeech-clean"} <= {record["corpus"] for record in LISTINGS["corpora"]()}
    assert "wer" in {record["metric"] for record in LISTINGS["metrics"]()}
    assert "snr_db=10" in {record["condition"]: record for record in conditions("noisy")}["babble-10dB"]["perturbations"]
