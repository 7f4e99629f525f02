"""An edited model is never skipped as done; an edited bystander retrains nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests_support import environment

FILES = {
    "shop/__init__.py": "",
    "shop/model.py": "from shop.parts import wheel\nfrom . import paint\nimport json\n",
    "shop/parts/__init__.py": "",
    "shop/parts/wheel.py": "def make():\n    from shop import late\n",
    "shop/paint.py": "",
    "shop/late.py": "",
    "shop/bystander.py": "import shop.model\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def fingerprint(folder: Path, module: str = "shop.model") -> str:
    code = f"from gengauge.code import code_fingerprint as f; print(f({module!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True,
        env=environment(), check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("edited", "changes"),
    [
        ("shop/model.py", True),
        ("shop/parts/wheel.py", True),
        ("shop/paint.py", True),
        ("shop/late.py", True),
        ("shop/bystander.py", False),
    ],
)
def test_what_an_edit_changes(shop: Path, edited: str, changes: bool) -> None:
    before = fingerprint(shop)
    assert before == fingerprint(shop)
    with (shop / edited).open("a") as handle:
        handle.write("# edited\n")
    assert (fingerprint(shop) != before) == changes


def test_our_models_rest_on_the_training_loop_and_not_on_metrics() -> None:
    from gengauge.code import _closure, _editable_roots
    from gengauge.registry import Registry

    roots = _editable_roots()
    if not roots:
        pytest.skip("gengauge is not installed editable: its version identifies its code")
    module = Registry().models["vae"].target.partition(":")[0]
    files = _closure(module, False, roots)
    assert "gengauge.training" in files
    assert not {"gengauge.metric", "gengauge.store", "gengauge.cli.run"} & set(files)


def test_nothing_is_imported_to_be_read(shop: Path) -> None:
    before = fingerprint(shop)
    for name in ("shop/__init__.py", "shop/model.py", "shop/parts/__init__.py"):
        (shop / name).write_text((shop / name).read_text() + "raise SystemExit('imported')\n")
    assert fingerprint(shop) != before
