"""What all trials of a run share, loaded once before they part."""

from __future__ import annotations

import importlib
from contextlib import suppress
from dataclasses import dataclass, field, replace

import torch

from gengauge.data import Dataset
from gengauge.loading import load_dataset, load_embedder
from gengauge.metric import Embedder, Unready
from gengauge.plan import Job, MetricChoice
from gengauge.specs import DatasetSpec, EmbedderSpec
from gengauge.trial import Setting, Trial


@dataclass(frozen=True)
class Work:
    """A trial and what is still missing of it."""

    trial: Trial
    job: Job
    missing: tuple[MetricChoice, ...]


@dataclass
class Nursery:
    """The work of a run, and the data and embedders it needs, in memory that all trials share.

    ``modules`` are imported before the first trial: none that might do harm by that.
    """

    setting: Setting
    work: list[Work]
    limit: int | None
    embedders: tuple[EmbedderSpec, ...] = ()
    modules: tuple[str, ...] = ()
    datasets: dict[str, Dataset] = field(default_factory=dict)

    def to_send(self) -> Nursery:
        """Return a copy without what cannot be sent to a process that does not share memory."""
        silent = replace(self.setting, embedders={}, shared={}, on_progress=_silent)
        return replace(self, setting=silent, datasets={})

    def load(self) -> None:
        """Load what is not here, on the CPU: a graphics card must not be touched before a fork.

        What cannot be loaded fails again in its own trial, and says so there.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # a fork loses the threads that a parallel loop has started
        for spec in {w.job.dataset.id: w.job.dataset for w in self.work}.values():
            with suppress(Exception, SystemExit):
                self.datasets[spec.id] = self.dataset(spec)
        for wanted in self.embedders:
            with suppress(Exception, SystemExit):
                built = load_embedder(wanted, torch.device("cpu"))
                if not isinstance(built, Unready):
                    self.setting.embedders[wanted.id] = built
        torch.set_num_threads(threads)

    def warm(self) -> None:
        """Import what several trials will."""
        for module in ("accelerate", *self.modules):
            with suppress(Exception, SystemExit):
                importlib.import_module(module)

    def dataset(self, spec: DatasetSpec) -> Dataset:
        """Return the data that are here already, or load them."""
        found = self.datasets.get(spec.id)
        return load_dataset(spec, self.limit) if found is None else found

    def embedder(self, spec: EmbedderSpec) -> Embedder:
        """Return the embedder that is here already, moved to where the run is, or build it."""
        found = self.setting.embedders.get(spec.id)
        if found is None:
            return load_embedder(spec, self.setting.device)
        if self.setting.device.type != "cpu" and hasattr(found, "to"):
            found.to(self.setting.device)
        return found


def _silent(stage: str, fraction: float) -> None:
    """Hear of progress and say nothing."""
