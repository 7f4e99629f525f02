"""Where runs are read from: a run's folder, its URL, or a submission that somebody sent."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import urlparse

from gengauge.bundle.layout import whole
from gengauge.bundle.opening import is_bundle, open_bundle
from gengauge.remote import Remote
from gengauge.store import RunStore
from gengauge.urls import is_url, redacted


def open_source(source: str) -> RunStore:
    """Return the run that ``source`` names, or raise ``UsageError``.

    A submission, here or at a URL that ends in ``.zip``, is checked whole before any of it is read.
    """
    if is_url(source) and urlparse(source).path.endswith(".zip"):
        with tempfile.TemporaryDirectory(prefix="gengauge-") as folder:
            path = Path(folder) / "submission.zip"
            path.write_bytes(Remote(source).content(whole()))
            return open_bundle(path, redacted(source))
    return open_bundle(source) if is_bundle(source) else RunStore.open(source)
