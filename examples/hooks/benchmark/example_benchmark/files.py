"""Where the benchmark's file lies."""

from importlib.resources import files

PLANAR = files("example_benchmark") / "planar.toml"
