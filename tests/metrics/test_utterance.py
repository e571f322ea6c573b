import numpy as np
from simulated import references, simulate

from askd_bench.metrics.scoring import score
from askd_bench.metrics.utterance import mark
from askd_bench.types import Row


def test_marks_agree_with_the_scores() -> None:
    for row in simulate(references(40)):
        scored, marked = score([row]), mark(row)
        kinds = [word.kind for word in marked]
        for kind, count in (("hit", scored.hits), ("substitution", scored.substitutions), ("deletion", scored.deletions)):
            assert kinds.count(kind) == count[0]
        sure = [word.confidence for word in marked if word.hypothesis is not None]
        assert np.allclose(sure, scored.words.confidence)
        assert [word.kind == "hit" for word in marked if word.hypothesis is not None] == scored.words.correct.tolist()


def test_without_hypothesis_or_confidences() -> None:
    failed = Row(condition="c", utterance="u", reference="a b", hypothesis=None, duration_s=1.0, error="x")
    assert [word.kind for word in mark(failed)] == ["deletion", "deletion"]
    bare = Row(condition="c", utterance="u", reference="a", hypothesis="a b", duration_s=1.0)
    assert [(word.kind, word.confidence) for word in mark(bare)] == [("hit", None), ("insertion", None)]
