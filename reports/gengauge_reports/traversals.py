"""What each latent means: walks along them, as a sheet a model."""

from __future__ import annotations

from gengauge_reports.figures import Json, data_uri
from gengauge_reports.table import Table


def traversals(table: Table) -> list[Json]:
    """Return the first sheet of each model that can walk along its latents."""
    found: list[Json] = []
    for row in table.models:
        for trial in (t for t in row.trials if t.ok):
            if uri := data_uri(trial.store.trial_folder(trial.key) / "traversals.png"):
                found.append({"title": row.label, "uri": uri, "seed": trial.seed})
                break
    return found
