"""Metric suites, embedders, datasets and benchmark files that ship with gengauge."""
