"""Submissions: a run as one file that others can check, and the checks."""

from __future__ import annotations

from gengauge.bundle.opening import BundleStore, is_bundle, open_bundle

__all__ = ["BundleStore", "is_bundle", "open_bundle"]
