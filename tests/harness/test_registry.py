"""Broken plugins are rows with a reason; everything else works."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable

import pytest

import gengauge
from gengauge.errors import UsageError
from gengauge.registry import Registry
from gengauge.specs import ModelSpec

GOOD = ModelSpec(id="good", family="f", summary="s", target="a.b:C", modalities=("points",))


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    def make(name: str, **hooks: object) -> str:
        made = types.ModuleType(name)
        for hook, implementation in hooks.items():
            setattr(made, hook, implementation)
        monkeypatch.setitem(sys.modules, name, made)
        return name

    return make


def models(*specs: object) -> object:
    @gengauge.hookimpl
    def gengauge_models() -> list[object]:
        return list(specs)

    return gengauge_models


def raising(error: BaseException) -> object:
    @gengauge.hookimpl
    def gengauge_models() -> list[object]:
        raise error

    return gengauge_models


def test_our_own_plugins_all_work() -> None:
    assert [p.name for p in Registry().broken] == []


def test_a_good_plugin_is_found(module: Callable[..., str]) -> None:
    registry = Registry([module("good_one", gengauge_models=models(GOOD))])
    assert registry.models["good"] is GOOD
    assert registry.provider("models", "good").name == "good_one"


def test_a_missing_module_is_a_broken_row(capsys: pytest.CaptureFixture[str]) -> None:
    registry = Registry(["no_such_module_anywhere"])
    [broken] = registry.broken
    assert "ModuleNotFoundError" in broken.error
    assert "Traceback" in broken.trace
    registry.warn_broken()
    [line] = capsys.readouterr().err.splitlines()
    assert "no_such_module_anywhere" in line
    assert "gmm" in registry.models


@pytest.mark.parametrize("error", [ImportError("no cuda"), SystemExit(3), RuntimeError("x\ny")])
def test_a_hook_that_raises_is_rolled_back(
    module: Callable[..., str], error: BaseException
) -> None:
    registry = Registry([module("raises", gengauge_models=raising(error))])
    [broken] = registry.broken
    assert type(error).__name__ in broken.error
    assert "\n" not in broken.error
    assert not registry.manager.has_plugin("raises")


def test_a_wrong_spec_names_what_was_expected(module: Callable[..., str]) -> None:
    [broken] = Registry([module("wrong", gengauge_models=models({"id": "x"}))]).broken
    assert "must return ModelSpecs, not dict" in broken.error


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("id", "Has Spaces", "must match"),
        ("target", "no_colon", "package.module:Name"),
        ("modalities", ("sound",), "modality 'sound'"),
        ("modalities", "points", "must be a tuple"),
        ("summary", "", "summary is empty"),
    ],
)
def test_a_bad_field_is_named(
    module: Callable[..., str], field: str, value: object, said: str
) -> None:
    good = {"id": "x", "family": "f", "summary": "s", "target": "a:B", "modalities": ("points",)}

    @gengauge.hookimpl
    def gengauge_models() -> list[ModelSpec]:
        return [ModelSpec(**{**good, field: value})]  # type: ignore[arg-type]

    [broken] = Registry([module("bad", gengauge_models=gengauge_models)]).broken
    assert said in broken.error


def test_a_misspelt_hook_is_caught_with_the_right_name(module: Callable[..., str]) -> None:
    @gengauge.hookimpl
    def gengauge_model() -> list[ModelSpec]:
        return [GOOD]

    [broken] = Registry([module("misspelt", gengauge_model=gengauge_model)]).broken
    assert "did you mean 'gengauge_models'" in broken.error


def test_a_hook_with_unknown_arguments_is_caught(module: Callable[..., str]) -> None:
    @gengauge.hookimpl
    def gengauge_models(nonsense: int) -> list[ModelSpec]:
        return [GOOD]

    [broken] = Registry([module("arguments", gengauge_models=gengauge_models)]).broken
    assert "nonsense" in broken.error or "definition" in broken.error


def test_a_module_without_hooks_is_told_what_to_do(module: Callable[..., str]) -> None:
    [broken] = Registry([module("empty")]).broken
    assert "@gengauge.hookimpl" in broken.error


def test_an_id_cannot_be_taken_twice(module: Callable[..., str]) -> None:
    stolen = ModelSpec(id="gmm", family="f", summary="s", target="a:B", modalities=("points",))
    registry = Registry([module("thief", gengauge_models=models(stolen))])
    assert "already registered by mixture" in registry.broken[0].error
    assert registry.models["gmm"].family == "mixture"


def test_lookup_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown model 'gmn'; did you mean 'gmm'\?"):
        Registry().find("models", "gmn")
