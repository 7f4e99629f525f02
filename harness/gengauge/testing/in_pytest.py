"""The laws as tests: one line in the test file of a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from gengauge.data import Dataset
from gengauge.parameters import Value
from gengauge.registry import Registry
from gengauge.specs import ModelSpec, Spec
from gengauge.testing.case import Case
from gengauge.testing.laws import LAWS
from gengauge.testing.subjects import Offer, Subject

_KINDS = {
    "ModelSpec": "models", "DatasetSpec": "datasets", "MetricSpec": "metrics",
    "EmbedderSpec": "embedders", "ReportSpec": "reports", "PublisherSpec": "publishers",
    "ExecutorSpec": "executors", "BenchmarkSpec": "benchmarks",
}  # fmt: skip


def laws_of(
    what: ModuleType | Spec,
    dataset: Dataset | None = None,
    parameters: Mapping[str, Value] | None = None,
    budget: str = "12 steps",
) -> Any:
    """Return a pytest test of each law, for all that a module registers or for one description.

    Models are tried on ``dataset``; without one on the module's own data sets that fit and on
    small ones of each modality that they take. A law that does not apply is skipped and says why;
    a broken one fails with what was expected, what came and what to do. Fits are made once, when
    the first law asks for them.

    >>> from gengauge.testing import standins
    >>> test_laws = laws_of(standins.gengauge_models()[0])
    >>> ids = test_laws.pytestmark[0].kwargs["ids"]
    >>> ids[0], len(ids) > 100
    ('model tiny/kernels on tiny/points: it_can_be_fitted', True)
    """
    import pytest

    if isinstance(what, ModuleType):
        offer = Offer.of(what)
    else:
        offer = Offer(None, {_KINDS[type(what).__name__]: [what]}, Registry)
    offer.parameters, offer.budget = parameters or {}, budget
    subjects = list(offer.subjects())
    if dataset is not None:
        subjects = [_on(dataset, spec, offer) for spec in offer.specs.get("models", ())]
    pairs = [(law, subject) for subject in subjects for law in subject.laws]
    names = [f"{subject.label}: {law.__name__}" for law, subject in pairs]

    @pytest.mark.parametrize(("law", "subject"), pairs, ids=names)
    def test_laws(law: Any, subject: Subject) -> None:
        verdict = subject.judge(law)
        if verdict.outcome == "skipped":
            pytest.skip(verdict.message)
        if verdict.outcome == "broken":
            pytest.fail(f"{subject.label}\n{verdict.says}\n{verdict.message}", pytrace=False)

    return test_laws


def _on(dataset: Dataset, spec: Spec, offer: Offer) -> Subject:
    assert isinstance(spec, ModelSpec)
    return Subject("model", spec.id, dataset.id, LAWS,
                   lambda: Case(spec, dataset, offer.parameters, offer.budget))  # fmt: skip
