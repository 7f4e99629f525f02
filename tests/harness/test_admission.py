"""Lists of plugins that may be imported, asked before any import: a plugin that tells on itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests_support import Cli, environment

from gengauge.admission import ALLOW, DENY, refusal

Told = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def told(cli: Cli, tmp_path: Path) -> Told:
    """The command line beside the installed plugin ``shop`` of the distribution acme-models.

    Importing it, or the module ``loose``, leaves a file behind.
    """
    site = tmp_path / "site"
    info = site / "acme_models-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gengauge]\nshop = acme_shop.plugin\n")
    (site / "acme_shop").mkdir()
    (site / "acme_shop" / "__init__.py").write_text("import loose\n")
    source = (
        "import gengauge\n@gengauge.hookimpl\ndef gengauge_models():\n"
        "    return [gengauge.ModelSpec(id='acme', family='f', summary='s', target='a:B',\n"
        "                               modalities=('points',))]\n"
    )
    (site / "acme_shop" / "plugin.py").write_text(source)
    (site / "loose.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'imported')!r}).touch()\n{source}"
    )

    def run(*arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "imported").unlink(missing_ok=True)
        path = f"{site}:{environment()['PYTHONPATH']}"
        done = cli(*arguments, env={"PYTHONPATH": path, **env})
        done.args = (tmp_path / "imported").exists()
        return done

    return run


def statuses(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {row["id"]: row["status"] for row in json.loads(done.stdout)}


def test_what_is_denied_is_a_row_and_is_not_imported(told: Told) -> None:
    plain = told("list", "plugins", "--format", "json")
    assert plain.args
    assert statuses(plain)["shop"] == "ok"

    denied = told("list", "plugins", "--format", "json", "--deny-plugins", "acme-*")
    assert not denied.args
    assert denied.stderr == ""
    rows = {row["id"]: row for row in json.loads(denied.stdout)}
    assert rows["shop"]["status"] == "denied"
    assert "denied by 'acme-*'" in rows["shop"]["reason"]
    assert {row["status"] for row in rows.values()} == {"ok", "denied"}


def test_where_something_is_allowed_nothing_else_of_others_is(told: Told) -> None:
    allowed = told("list", "plugins", "--format", "json", **{ALLOW: "shop other"})
    assert statuses(allowed)["shop"] == "ok"
    done = told("list", "plugins", "--format", "json", "--allow-plugins", "other")
    assert not done.args
    assert {id_ for id_, s in statuses(done).items() if s == "denied"} == {"shop"}


def test_a_model_of_a_denied_plugin_is_unknown_for_a_reason(told: Told) -> None:
    done = told("run", "-m", "acme", "-d", "points/moons", **{DENY: "acme_models"})
    assert done.returncode == 2
    assert not done.args
    [line] = done.stderr.splitlines()
    assert "unknown model 'acme'" in line
    assert "not looked into: shop (acme-models) is denied by 'acme_models'" in line


def test_a_module_given_by_hand_is_under_the_lists_too(told: Told) -> None:
    for variable, pattern in ((DENY, "shop,loose"), (ALLOW, "other")):
        done = told("list", "models", "--plugin", "loose", **{variable: pattern})
        assert (done.returncode, done.args) == (2, False)
        assert "plugin 'loose' is " in done.stderr


def test_our_own_can_be_denied_and_need_not_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW, "acme")
    assert refusal("vae", "gengauge_plugins.vae", "gengauge") == ""
    assert refusal("vae", "other.vae", "other") != ""
    monkeypatch.setenv(DENY, "speed, vae")
    assert "denied by 'vae'" in refusal("vae", "gengauge_plugins.vae", "gengauge")
