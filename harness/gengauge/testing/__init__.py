"""Conformance laws: what every plugin must obey, for authors to run on theirs.

In a plugin's own tests one line is enough. It makes a pytest test of each law on each thing that
the module registers; a law that does not apply is skipped and says why::

    import my_plugin
    from gengauge.testing import laws_of

    test_laws = laws_of(my_plugin)
"""

from __future__ import annotations

from collections.abc import Mapping

from gengauge.data import Dataset
from gengauge.parameters import Value
from gengauge.specs import ModelSpec
from gengauge.testing.case import Case, LawBroken, NotApplicable
from gengauge.testing.in_pytest import laws_of
from gengauge.testing.laws import LAWS
from gengauge.testing.subjects import Offer, Subject
from gengauge.testing.verdicts import Law, Verdict, judge

__all__ = [
    "LAWS", "Case", "Law", "LawBroken", "NotApplicable", "Offer", "Subject", "Verdict",
    "check_model", "judge", "laws_of",
]  # fmt: skip


def check_model(
    spec: ModelSpec,
    dataset: Dataset,
    parameters: Mapping[str, Value] | None = None,
    budget: str = "12 steps",
) -> list[Verdict]:
    """Return the verdict of every law on the model that ``spec`` describes."""
    case = Case(spec, dataset, parameters or {}, budget)
    return [judge(law, case) for law in LAWS]
