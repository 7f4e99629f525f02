"""``gengauge score`` as a function, which takes samples in memory too."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gengauge.api.given import Names, Place, listening, names_of, say, threads_of, warn
from gengauge.api.handed import in_memory, named_samples, written

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    from gengauge.results import Results
    from gengauge.scorer import Scoring
    from gengauge.turns import Listener

    Samples = Place | torch.Tensor | NDArray[Any] | Sequence[Image] | Sequence[str]


def score(
    samples: Samples | Mapping[str, Samples],
    reference: Place,
    *,
    name: str = "",
    options: Mapping[str, object] | None = None,
    suites: Names = (),
    embedders: Names = (),
    held_out: Place | None = None,
    controls: Names = ("real", "noise"),
    most: int = 10_000,
    settings: Mapping[str, object] | None = None,
    seed: int = 0,
    limit: int | None = None,
    device: str = "auto",
    threads: int = 1,
    output: Place = "runs/score",
    fresh: bool = False,
    plugins: Names = (),
    track: Names = (),
    progress: bool | Listener = True,
) -> Results:
    """Score samples beside real examples, and return what came out.

    It is ``gengauge score``: the same options, records, folder and page. Samples that were scored
    already are not scored again: they are known by their content.

    Arguments:
        samples: A file or a folder, as ``gengauge score`` reads them; a tensor or an array
            ``[n, ...]``; PIL images; texts; or several of these by the name of their row.
        reference: A data set, a path like samples, or statistics.
        name: What the row is called, where there is one; none: the file's name, or samples.
        options: How samples in memory are read, such as ``{"fit": "pad"}``; a path has these in
            brackets, ``"lines.txt[fit=pad]"``.
        suites: Suites of metrics; none: all that need no model.
        embedders: Feature maps that distances are measured in; none: the data set's.
        held_out: Real examples apart from the reference, which the row real is made of.
        controls: Calibration rows beside the samples.
        most: Most examples a side for what compares pairs of them.
        settings: Settings of suites and metrics, such as ``{"coverage.k": 10}``.
        seed: Of all that is drawn.
        limit: Use at most the first so many examples of each file.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads.
        output: The run's folder or URL.
        fresh: Read and measure everything again.
        plugins: Modules of plugins to load too.
        track: Trackers to tell as well, such as ``"tensorboard=logs"``.
        progress: Whether to show how it goes on; or a listener of your own that is told.

    Raises:
        UsageError: for what cannot be read, by the name of the file, and for unknown names.
        NothingSelectedError: where no metric fits.

    Example:
        >>> import tempfile
        >>> import torch
        >>> generator = torch.Generator().manual_seed(0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     results = score(
        ...         {"wide": 2 * torch.randn(500, 2, generator=generator)}, "points/moons",
        ...         controls=["real"], limit=500, output=folder, progress=False,
        ...     )
        ...     frame = results.frame()
        >>> w2 = frame[frame["metric"] == "w2"].set_index("model")["value"]
        >>> bool(w2["real"] < w2["wide"])
        True
    """
    given = named_samples(samples, name)
    with threads_of(threads), in_memory() as scratch:
        from gengauge.options import settings_of
        from gengauge.results import Results
        from gengauge.scoring import open_scoring
        from gengauge.session import open_registry, open_store, save_page
        from gengauge.tracking import Tracking

        registry = open_registry(names_of(plugins))
        Tracking.listen(names_of(track), registry)
        paths = {row: written(held, row, scratch, options or {}) for row, held in given.items()}
        scoring = open_scoring(
            list(paths.values()), os.fspath(reference), open_store(os.fspath(output)),
            registry=registry, names=[row for row in paths if row], device=device,
            held_out=None if held_out is None else os.fspath(held_out),
            suites=names_of(suites), embedders=names_of(embedders), controls=names_of(controls),
            settings=settings_of(f"{k}={v}" for k, v in (settings or {}).items()),
            called={path: f"{row or 'samples'} (in memory)" for row, path in paths.items()
                    if not isinstance(given[row], str | os.PathLike)},
            most=most, seed=seed, limit=limit, fresh=fresh,
        )  # fmt: skip
        _execute(scoring, progress)
        save_page(registry, scoring.store)
    return Results(scoring.store, registry, scoring.rows)


def _execute(scoring: Scoring, progress: bool | Listener) -> None:
    """Score, and say what the user should hear."""
    for reason in scoring.unready:
        warn(f"warning: {reason}")
    with listening(progress) as listener:
        scoring.execute(listener)
    for note in dict.fromkeys(scoring.notes if progress else ()):
        say(f"note: {note}")
