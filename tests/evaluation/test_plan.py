"""The order of a run: every utterance once under every condition, in batches of similar length."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from askd_bench.corpora import Corpus
from askd_bench.evaluation.plan import Plan
from askd_bench.suites import Condition
from askd_bench.types import Utterance

CONDITIONS = [Condition(id="clean"), Condition(id="noise")]


@dataclass(frozen=True, kw_only=True)
class Listed(Corpus):
    utterances: tuple[Utterance, ...]

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    def fingerprint(self) -> str:
        return str(hash(self.utterances))


def listed(durations: list[float | None], prefix: str) -> Listed:
    utterances = tuple(Utterance(id=f"{prefix}{i}", audio=b"", reference="", duration_s=d) for i, d in enumerate(durations))
    return Listed(name="listed", source="listed", utterances=utterances)


durations = st.lists(st.none() | st.floats(0, 60), min_size=1, max_size=600)


@given(reported=durations, fitting=st.none() | durations, batch_size=st.integers(1, 20), window_s=st.none() | st.just(30.0))
def test_a_plan_covers_everything_once(
    reported: list[float | None], fitting: list[float | None] | None, batch_size: int, window_s: float | None
) -> None:
    plan = Plan(
        conditions=CONDITIONS,
        reported=listed(reported, "r"),
        fitting=None if fitting is None else listed(fitting, "f"),
        baseline="clean",
        batch_size=batch_size,
        window_s=window_s,
    )
    batches = list(plan)
    keys = [key for batch in batches for key in batch.keys]
    expected = [(c.id, f"r{i}") for c in CONDITIONS for i in range(len(reported))] + [("clean", f"f{i}") for i in range(len(fitting or []))]
    assert Counter(keys) == Counter(expected)
    assert list(plan) == batches, "a second pass is the same"
    assert [key[0] for key in keys] == sorted(key[0] for key in keys), "condition after condition"
    for batch in batches:
        assert 1 <= len(batch.utterances) <= batch_size
        if len(batch.utterances) > 1:
            lengths = [u.duration_s for u in batch.utterances]
            assert None not in lengths
            assert lengths == sorted(lengths)  # type: ignore[type-var]
            assert window_s is None or max(lengths) <= window_s  # type: ignore[type-var]
