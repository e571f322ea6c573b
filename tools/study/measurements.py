"""What each model did on each domain, as statistics that add up over utterances; every model on the same utterances in the same order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askd_bench.errors import UserError
from askd_bench.metrics import calibration, hallucination, inheritance, loop_free, word_errors
from askd_bench.metrics.bootstrap import Clusters, Resampled, cluster_by, resample
from askd_bench.metrics.scoring import Scored, score
from askd_bench.metrics.systems import align_systems
from askd_bench.metrics.temperature import TemperatureFit, at_temperature, fit_temperature
from askd_bench.results import Result
from askd_bench.rows import Key
from askd_bench.types import Row
from study.plan import Domain, StudyPlan

Arrays = Mapping[str, NDArray[np.generic]]
BETWEEN_STORED = False
"""Whether a model's temperature may lie between those that rows store; the study's rule chose one of these."""

PLAIN, WORDS, SCALED, INHERITED = "plain", "words", "scaled", "inherited"
_WORD_STATISTICS = (
    "word_items",
    "word_confidence",
    "word_correct",
    "word_wrong",
    "word_log_loss",
    "word_wrong_above_0.7",
    "word_width_count",
    "word_width_confidence",
    "word_width_correct",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One model on one suite and corpus.

    Attributes:
        cluster: str, shape (num_utterances,), what each utterance is resampled with: its speaker where the corpus has ten or more, else
            itself with all its conditions, in whatever suites it is heard.
        families: statistics of words and errors as decoded ("plain", "words"), of words at the fitted temperature ("scaled"), and beside
            the teacher ("inherited"); those without confidences lack "words", those without temperature "scaled".
    """

    cluster: NDArray[np.str_]
    families: Mapping[str, Arrays]


class Measurements:
    """Reads each result once and keeps what adds up; figures come from `resampled`.

    Args:
        plan: of the study.
        results: folder of `<model>/<suite>-v<version>/<corpus>/`.
        resamples: how many.

    Raises:
        UserError: later, where a result is missing, or was measured on other audio than the teacher's.
    """

    def __init__(self, plan: StudyPlan, results: Path, *, resamples: int) -> None:
        self.plan = plan
        self.results = results
        self.resamples = resamples
        self._parts: dict[tuple[str, str, str, str], Part] = {}
        self._fits: dict[str, TemperatureFit] = {}
        self.resampled = lru_cache(maxsize=None)(self._resampled)
        self._taught = lru_cache(maxsize=None)(self._read_teacher)

    def fit(self, model: str) -> TemperatureFit:
        """Return the model's temperature, fitted on the plan's dev utterances."""
        if model not in self._fits:
            suite, corpus = self.plan.fitting
            dev = score([row for row in self._result(model, suite, corpus).rows() if row.split == "dev"])
            self._fits[model] = fit_temperature(dev, between=BETWEEN_STORED)
        return self._fits[model]

    def clusters(self, domain: str) -> Clusters:
        """Return what is resampled in that domain: speakers in corpora that have ten or more, utterances in the others."""
        names = np.concatenate([part.cluster for part in self._of(self.plan.teacher, domain)])
        unique, index = np.unique(names, return_inverse=True)
        kinds = {name[0] for name in unique}
        kind = "speaker" if kinds == {"s"} else "utterance" if kinds == {"u"} else "speaker or utterance"
        return Clusters(index.astype(np.int64), len(unique), kind)

    def _resampled(self, model: str, domain: str, family: str) -> Resampled | None:
        """Return sums over the domain and over each resample; None where the model has no such statistics."""
        parts = self._of(model, domain)
        if any(family not in part.families for part in parts):
            return None
        laid = {name: np.concatenate([part.families[family][name] for part in parts]) for name in parts[0].families[family]}
        return resample(laid, self.clusters(domain), resamples=self.resamples)

    def _of(self, model: str, domain: str) -> list[Part]:
        return [self._part(model, one, corpus) for _, one in self.plan.parts(domain) for corpus in one.corpora]

    def _part(self, model: str, domain: Domain, corpus: str) -> Part:
        key = (model, domain.suite, corpus, domain.conditions)
        if key not in self._parts:
            self._parts[key] = self._measure(model, domain, corpus)
        return self._parts[key]

    def _measure(self, model: str, domain: Domain, corpus: str) -> Part:
        baseline = self._baseline(domain.suite, corpus)
        own = self._taught(domain.suite, corpus) if model == self.plan.teacher else _test_rows(self._result(model, domain.suite, corpus))
        left_out = {(one.condition, one.utterance) for one in self.plan.left_out if one.suite == domain.suite}
        rows, taught = (_wanted(heard, domain, baseline, left_out) for heard in (own, self._taught(domain.suite, corpus)))
        aligned = align_systems([rows, taught], names=[model, self.plan.teacher])
        failed = next((row for row in (*rows, *taught) if row.hypothesis is None), None)
        if failed is not None:
            raise UserError(f"results: {model} on {domain.suite}/{corpus} has no hypothesis for {failed.utterance!r} ({failed.error})")
        scored = score(sorted(rows, key=lambda row: (row.condition, row.utterance)))
        clean = score([row for row in own if row.condition == baseline])
        families: dict[str, Arrays] = {
            PLAIN: {
                **word_errors.statistics(scored),
                **hallucination.statistics(scored),
                **loop_free.capped(scored),
                **loop_free.beside_clean(scored, clean, baseline),
            },
            INHERITED: inheritance.statistics(aligned, student=0, teacher=1),
        }
        known = np.isfinite(scored.words.confidence)
        if known.any():
            families[WORDS] = {**_of_words(scored), **loop_free.confident_substitutions(aligned)}
            temperature = self.fit(model).temperature
            if temperature is not None:
                scaled = at_temperature(scored, temperature)
                if not np.array_equal(np.isfinite(scaled.words.confidence), known):
                    raise UserError(f"results: {model} on {domain.suite}/{corpus} lacks confidences at its temperature, {temperature:g}")
                families[SCALED] = _of_words(scaled)
        clusters = cluster_by(aligned.speaker, aligned.utterance)
        by_speaker = (clusters.kind == "speaker") & (aligned.speaker != "")
        named = np.where(by_speaker, np.char.add(f"s:{corpus}:", aligned.speaker), np.char.add(f"u:{corpus}:", aligned.utterance))
        return Part(cluster=named, families=families)

    def _read_teacher(self, suite: str, corpus: str) -> list[Row]:
        return _test_rows(self._result(self.plan.teacher, suite, corpus))

    def _baseline(self, suite: str, corpus: str) -> str:
        return self._result(self.plan.teacher, suite, corpus).signature().suite.baseline

    def _result(self, model: str, suite: str, corpus: str) -> Result:
        return Result.open(self.results / model / suite / corpus)


def _test_rows(result: Result) -> list[Row]:
    return [replace(row, realised={}) for row in result.rows() if row.split == "test"]


def _wanted(rows: Sequence[Row], domain: Domain, baseline: str, left_out: Collection[Key]) -> list[Row]:
    wanted = {"all": lambda _: True, "baseline": baseline.__eq__, "shifted": baseline.__ne__}[domain.conditions]
    return [row for row in rows if wanted(row.condition) and (row.condition, row.utterance) not in left_out]


def _of_words(scored: Scored) -> Arrays:
    everything = calibration.statistics(scored)
    return {name: everything[name] for name in _WORD_STATISTICS}
