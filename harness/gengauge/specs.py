"""Torch-free descriptions of what plugins offer: all that `list` and `--help` ever read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch

from gengauge.describing import (
    CONDITIONS,
    DIRECTIONS,
    GIVES,
    KINDS,
    MODALITIES,
    Spec,
    check,
    check_modalities,
    lacking,
)
from gengauge.parameters import Parameter, Value, resolve

__all__ = [
    "CONDITIONS", "DIRECTIONS", "GIVES", "KINDS", "MODALITIES", "BenchmarkSpec", "DatasetSpec",
    "EmbedderSpec", "MetricSpec", "ModelSpec", "ReportSpec", "Spec", "WeightsFile", "lacking",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """A model family member: which data it fits and which parameters it takes.

    ``budget`` is used when neither the benchmark nor the user names one; ``needs_truth`` asks
    for a dataset whose density is known, ``needs_labels`` for one with classes and
    ``needs_captions`` for one with captions. ``assumes`` says in a sentence what the family takes
    for granted of the data. Where there is a parameter ``conditional``, the
    model takes its ``conditions`` only if that is true, but for a ``prefix``, which needs no
    labels; where there is one called ``condition``, only the one it names. ``requires`` are
    modules of the optional dependencies ``extras`` that the model cannot do without.

    One that ``takes_path`` is a file or an object of the user's: ``torchscript:net.pt`` has the
    path in its ``arguments``, with which, beside the parameters, the target is built. ``describes``
    is the target of ``f(path, options) -> {field: value}``, what this description cannot know, and
    ``stamps`` of ``f(path, options) -> str``, which tells the content from any other. What is not
    ``trained`` comes as it is: its trials have no budget. ``presets`` are values that stand in
    place of its parameters' defaults.
    """

    family: str
    modalities: tuple[str, ...]
    assumes: str = ""
    parameters: tuple[Parameter, ...] = ()
    capabilities: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    levelled: bool | None = None  # True: levelled data only; False: continuous only; None: both
    needs_truth: bool = False
    needs_labels: bool = False
    needs_captions: bool = False
    control: bool = False
    budget: str = ""
    extras: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    takes_path: bool = False
    arguments: Mapping[str, Value] = field(default_factory=dict)
    describes: str = ""
    stamps: str = ""
    trained: bool = True
    presets: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_modalities(self.id, self.modalities)
        check(bool(self.family), f"ModelSpec '{self.id}': family is empty")
        names = [p.name for p in self.parameters]
        check(len(names) == len(set(names)), f"ModelSpec '{self.id}': a parameter is named twice")
        check("name" not in names, f"ModelSpec '{self.id}': 'name' is reserved for naming variants")

    def resolve(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Return all parameters, the given ones parsed; raise ``UsageError`` for unknown ones."""
        return resolve(f"parameter of {self.id}", self.parameters, given)

    def given(self, parameters: Mapping[str, Value]) -> dict[str, Value]:
        """Return all that the target is built with."""
        return {**self.arguments, **parameters}

    def preset(self) -> ModelSpec:
        """Return this with ``presets`` for defaults; raise ``UsageError`` for unknown ones."""
        values = self.resolve(self.presets)
        return replace(
            self, parameters=tuple(replace(p, default=values[p.name]) for p in self.parameters)
        )

    @property
    def learns(self) -> bool:
        """Whether there is anything to train, so that a budget matters."""
        return self.trained and not self.control

    def takes(self, parameters: Mapping[str, Value]) -> tuple[str, ...]:
        """Return the conditions that a model with these ``parameters`` can be asked for."""
        if "condition" in parameters:
            return tuple(kind for kind in self.conditions if kind == parameters["condition"])
        labelled = bool(parameters.get("conditional", True))
        return tuple(kind for kind in self.conditions if labelled or kind == "prefix")

    @property
    def lacks(self) -> str:
        """Which packages are missing here that the model needs, and what to do; empty if none."""
        return lacking(self.requires, self.extras)

    def fits(self, dataset: DatasetSpec, parameters: Mapping[str, Value] | None = None) -> str:
        """Return why this model cannot be trained on ``dataset``, or an empty string."""
        if dataset.modality not in self.modalities:
            return f"takes {' or '.join(self.modalities)}, not {dataset.modality}"
        if self.levelled is not None and self.levelled != (dataset.levels is not None):
            return "takes " + ("levelled" if self.levelled else "continuous") + " data only"
        if self.needs_truth and not dataset.has_truth:
            return "needs a dataset whose density is known"
        given = self.resolve(parameters or {})  # a default asks for its condition as well
        asked = given.get("condition", "class" if given.get("conditional", False) else "")
        if (self.needs_labels or asked == "class") and not dataset.labelled:
            return "needs class labels"
        if (self.needs_captions or asked == "caption") and not dataset.captioned:
            return "needs captions"
        return ""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A dataset: its modality, levels (None when continuous) and the embedders that judge it.

    One that ``takes_path`` reads a user's file: ``text:my.txt`` has ``arguments["path"]`` my.txt,
    and ``csv:a.csv[label=kind]`` has the value of each of its ``parameters`` there too.
    ``describes`` is the target of ``f(path, options) -> {field: value}``, which looks at the file
    and says of it what this description cannot know: modality, levels, whether it is labelled.
    ``opens`` is the target of ``f(path, options) -> {part: Collection}``, the examples as they lie
    there (``gengauge.collection``); ``suffixes`` are endings of names that it reads, ``/`` for
    folders, so that it is found for a path without a prefix.
    """

    modality: str
    levels: int | None = None
    has_truth: bool = False
    has_modes: bool = False  # the truth is a ``gengauge.data.Modal``
    labelled: bool = False
    captioned: bool = False
    revision: str = "1"
    embedders: tuple[str, ...] = ()
    arguments: Mapping[str, Value] = field(default_factory=dict)
    takes_path: bool = False
    parameters: tuple[Parameter, ...] = ()
    describes: str = ""
    opens: str = ""
    suffixes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_modalities(self.id, (self.modality,))

    def resolve(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Return all parameters, the given ones parsed; raise ``UsageError`` for unknown ones."""
        return resolve(f"option of {self.id}", self.parameters, given)


@dataclass(frozen=True)
class WeightsFile:
    """A file of network weights that is not shipped: what it is called and how it is known.

    ``size`` is in bytes, 0 where the publisher states none; ``sha256`` may be the published
    beginning of the hash only. ``also`` are other names that the same bytes go by.
    """

    name: str
    size: int
    sha256: str
    url: str
    licence: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EmbedderSpec(Spec):
    """A fixed feature map that distances between samples are measured in.

    Its target is built with ``arguments``. ``gives`` says what it has beside features: logits of
    classes, attributes, an encoder of text, spatial features. ``also`` are other names it is
    known by. One that ``takes_path`` is a user's file: ``local-dir:here`` is built with ``path``.
    """

    modalities: tuple[str, ...]
    preprocessing: str = "none"
    arguments: Mapping[str, Value] = field(default_factory=dict)
    gives: tuple[str, ...] = ("features",)
    weights: tuple[WeightsFile, ...] = ()
    also: tuple[str, ...] = ()
    takes_path: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_modalities(self.id, self.modalities)
        for what in self.gives:
            check(what in GIVES, f"'{self.id}': gives {what!r} must be one of {GIVES}")


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """A metric of a suite; its target is a function ``measure(evidence, **parameters) -> Score``.

    ``version`` rises whenever the number could change; stored scores of an older version are
    then measured again, from the stored samples and without training. ``judge`` is a setting that
    names the embedder to measure in, in place of the dataset's.
    """

    suite: str
    unit: str
    direction: str
    label: str
    modalities: tuple[str, ...] = MODALITIES
    parameters: tuple[Parameter, ...] = ()
    embedded: bool = False  # measured once for each embedder
    embedders: tuple[str, ...] = ()  # in these only, shell patterns such as clip/*
    not_in: tuple[str, ...] = ()  # never in these
    uses: str = "features"  # what the embedder must give
    judge: Parameter | None = None
    condition: str = ""  # one of CONDITIONS: of samples drawn for it, or of data that has it
    levelled: bool | None = None
    needs_truth: bool = False
    needs_modes: bool = False
    uses_samples: bool = True  # False: the number of samples does not enter its protocol
    asks_model: bool = False  # it draws samples of its own: given samples are not enough
    hardware_bound: bool = False  # comparable on the same hardware only
    headline: bool = False  # a column of the short tables
    version: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_modalities(self.id, self.modalities)
        check(
            self.direction in DIRECTIONS,
            f"MetricSpec '{self.id}': direction {self.direction!r} must be one of {DIRECTIONS}",
        )
        check(bool(self.suite and self.unit), f"MetricSpec '{self.id}': suite or unit is empty")
        check(self.uses in GIVES, f"MetricSpec '{self.id}': uses must be one of {GIVES}")
        check(
            self.judge is None or self.embedded,
            f"MetricSpec '{self.id}': a judge is chosen for a metric that is embedded",
        )
        check(
            self.condition in ("", *CONDITIONS),
            f"MetricSpec '{self.id}': condition must be one of {CONDITIONS}",
        )

    def resolve(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Return all parameters, the given ones parsed; raise ``UsageError`` for unknown ones."""
        return resolve(f"parameter of {self.id}", self.parameters, given)

    @property
    def needs_model(self) -> bool:
        """Whether samples without their model cannot be measured."""
        return self.asks_model or not self.uses_samples

    @property
    def settings(self) -> tuple[Parameter, ...]:
        """What ``--set`` can change: the parameters, and which embedder judges."""
        return (*self.parameters, *filter(None, (self.judge,)))

    def fits(self, dataset: DatasetSpec) -> bool:
        """Return whether this metric is defined on ``dataset``."""
        return (
            dataset.modality in self.modalities
            and (self.levelled is None or self.levelled == (dataset.levels is not None))
            and (dataset.has_truth or not self.needs_truth)
            and (dataset.has_modes or not self.needs_modes)
            and (self.condition != "class" or dataset.labelled)
            and (self.condition != "caption" or dataset.captioned)
            and (self.condition != "prefix" or dataset.modality == "text")
        )

    def fits_embedder(self, embedder: EmbedderSpec) -> bool:
        """Return whether this metric is measured in ``embedder``."""

        def named(patterns: tuple[str, ...]) -> bool:
            return any(fnmatch(embedder.id, pattern) for pattern in patterns)

        chosen = named(self.embedders) if self.embedders else not named(self.not_in)
        return chosen and self.uses in embedder.gives


@dataclass(frozen=True, kw_only=True)
class ReportSpec(Spec):
    """An output format; its target is ``render(stores, options) -> bytes``."""

    suffix: str


@dataclass(frozen=True, kw_only=True)
class BenchmarkSpec(Spec):
    """A shipped benchmark; its target is ``package.module:NAME``, the path of a TOML file."""
