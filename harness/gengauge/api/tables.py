"""Finished runs as a table for pandas."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from gengauge.api.given import Place
from gengauge.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from gengauge.results import Results
    from gengauge.store import RunStore


def load_runs(*sources: Place | RunStore | Results) -> pd.DataFrame:
    """Return the tidy table of one or several runs: a row for each trial and metric.

    Its first column ``run`` says where a row is from; the others are those of ``RunStore.frame``.
    A source is a run's folder, its URL, a submission (checked whole before it is read) or results.
    What could not be read is warned of. ``UsageError`` for what is none of these.

    Example:
        >>> import tempfile
        >>> from gengauge import run
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = run(
        ...         models="gmm", datasets="points/moons", suites="likelihood", limit=400,
        ...         isolate=False, output=folder, progress=False,
        ...     )
        ...     frame = load_runs(folder)
        >>> frame["model"].unique().tolist(), frame.columns[:4].tolist()
        (['gmm'], ['run', 'model', 'family', 'dataset'])
    """
    import pandas as pd

    from gengauge.results import Results
    from gengauge.sources import open_source
    from gengauge.store import RunStore

    if not sources:
        raise UsageError("load_runs needs a run: give the folder, such as runs/quick, or its URL")
    tables = []
    for source in sources:
        opened = (
            source if isinstance(source, RunStore | Results) else open_source(os.fspath(source))
        )
        table = opened.frame()
        table.insert(0, "run", opened.address)
        tables.append(table)
        for warning in opened.warnings if isinstance(opened, RunStore) else ():
            warnings.warn(warning, stacklevel=2)
    whole = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(whole, ignore_index=True)
