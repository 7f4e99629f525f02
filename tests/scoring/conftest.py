"""A registry with the fake plugin of streams, and files of pictures to score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests_support import FAKES

from gengauge.registry import Registry

Pictures = Callable[..., Path]


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FAKES))
        yield Registry(["fake_streams"])


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    """Write ``n`` pictures of 8 x 8 bytes, the brighter the higher ``light``."""

    def write(name: str, n: int, seed: int = 0, light: float = 0.0, **beside: Any) -> Path:
        rng = np.random.default_rng(seed)
        x = rng.normal(128 + light, 40, (n, 64)).clip(0, 255).astype(np.uint8)
        path = tmp_path / f"{name}.bytes"
        path.parent.mkdir(parents=True, exist_ok=True)
        x.tofile(path)
        for what, values in beside.items():
            path.with_suffix(f".{what}").write_text("\n".join(map(str, values)) + "\n")
        return path

    return write


@pytest.fixture
def score(registry: Registry, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Score one file in this process and return its record."""
    from gengauge.scoring import score_samples

    def run(samples: Any, reference: Any, output: str = "run", **options: Any) -> Any:
        options = {"controls": (), **options}
        store = score_samples(
            [str(samples)], str(reference), str(tmp_path / output), registry=registry, **options
        )
        return store.records()[0]

    return run
