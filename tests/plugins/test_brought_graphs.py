"""Graphs from noise to samples: TorchScript, torch.export and ONNX, and what is refused of them."""

from __future__ import annotations

import builtins
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from gengauge import Dataset, FitRun, Split
from gengauge.budget import Budget
from gengauge.cli import _run
from gengauge.errors import DivergedError, NotReadyError, UnsupportedError, UsageError
from gengauge.identity import code_of
from gengauge.plan import parse_choices
from gengauge.registry import Registry
from gengauge.testing import LAWS, Case, judge
from gengauge.trust import UntrustedError
from gengauge_plugins.brought.archives import describe_onnx, describe_torch
from gengauge_plugins.brought.graphs import Graph
from gengauge_plugins.brought.onnx_graphs import OnnxGraph
from gengauge_plugins.brought.torch_graphs import TorchGraph

LATENT, SHAPE = 4, (1, 4, 4)


class Generator(nn.Module):
    """Noise ``[n, 4]`` to pictures from -1 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(LATENT, 16)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.net(z)).view(-1, 1, 4, 4)


class Labelled(Generator):
    """The same, brighter for each class."""

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return torch.tanh(self.net(z) + labels.to(z.dtype).unsqueeze(1)).view(-1, 1, 4, 4)


class Writes(Generator):
    """A program that writes a file where it is run."""

    def forward(self, z: Tensor) -> Tensor:
        made = torch.from_file("ran", shared=True, size=4)
        return made.sum() + z


def onnx_model(
    path: Path, batch: int | str = "n", labels: bool = False, flat: bool = False,
    beside: str = "", value: float = 0.0,
) -> Path:  # fmt: skip
    """Write a graph that multiplies noise with a matrix; ``beside``: its weights' own file."""
    weights = np.random.default_rng(0).normal(size=(LATENT, 16)).astype(np.float32) + value
    matrix = numpy_helper.from_array(weights, "w")
    nodes = [helper.make_node("MatMul", ["z", "w"], ["a"]), helper.make_node("Tanh", ["a"], ["b"])]
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, [batch, LATENT])]
    out, fixed = "b", [matrix]
    if labels:
        inputs.append(helper.make_tensor_value_info("y", TensorProto.INT64, [batch]))
        fixed += [
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
            numpy_helper.from_array(np.array([0.2], np.float32), "scale"),
        ]
        nodes += [
            helper.make_node("Cast", ["y"], ["c"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["c", "axis"], ["d"]),
            helper.make_node("Mul", ["d", "scale"], ["e"]),
            helper.make_node("Mul", ["b", "e"], ["f"]),
        ]  # fmt: skip
        out = "f"
    if not flat:
        fixed.append(numpy_helper.from_array(np.array([-1, *SHAPE], np.int64), "shape"))
        nodes.append(helper.make_node("Reshape", [out, "shape"], ["x"]))
        out = "x"
    made = helper.make_tensor_value_info(out, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", inputs, [made], fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if beside:
        onnx.save(model, path, save_as_external_data=True, location=beside, size_threshold=64)
    else:
        onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    torch.manual_seed(0)
    for name, net in (("plain", Generator()), ("labels", Labelled()), ("writes", Writes())):
        torch.jit.script(net).save(folder / f"{name}.pt")
    z, batch = torch.zeros(3, LATENT), torch.export.Dim("n", min=1, max=4096)
    free = torch.export.export(Generator(), (z,), dynamic_shapes={"z": {0: batch}})
    torch.export.save(free, folder / "free.pt2")
    given = (z, torch.zeros(3, dtype=torch.int64))
    torch.export.save(torch.export.export(Labelled(), given), folder / "three.pt2")
    onnx_model(folder / "plain.onnx")
    onnx_model(folder / "labels.onnx", labels=True)
    onnx_model(folder / "three.onnx", batch=3)
    onnx_model(folder / "flat.onnx", flat=True)
    return folder


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAUGE_TRUST", "1")


def pictures(shape: tuple[int, ...] = SHAPE, levels: int | None = 256) -> Dataset:
    stream = torch.Generator().manual_seed(0)
    x = torch.randint(256, (90, *shape), generator=stream).to(torch.uint8)
    labels = torch.arange(90) % 3
    parts = [Split(x[s], labels[s]) for s in (slice(50), slice(50, 70), slice(70, 90))]
    return Dataset("pictures", "image", *parts, levels=levels)


def fitted(path: Path, data: Dataset | None = None, **options: Any) -> Graph:
    options = {"range": "-1..1", **options}
    model = (OnnxGraph if path.suffix == ".onnx" else TorchGraph)(str(path), **options)
    model.fit(data or pictures(), FitRun(0, Budget.parse("1 steps")))
    return model


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


KINDS = ("plain.pt", "labels.pt", "free.pt2", "three.pt2", "plain.onnx", "labels.onnx",
         "three.onnx", "flat.onnx")  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_graph_makes_pictures(name: str, saved: Path, trusting: None) -> None:
    model = fitted(saved / name, batch=5, **({"latent": "4"} if name.endswith(".pt") else {}))
    x = model.sample(7, None, seeded())
    assert x.shape == (7, *SHAPE)
    assert not x.is_floating_point()
    assert (int(x.min()) >= 0) & (int(x.max()) <= 255)
    assert torch.equal(x, model.sample(7, None, seeded()))
    assert not torch.equal(x, model.sample(7, None, seeded(1)))
    labelled = name.startswith("labels") or name == "three.pt2"
    assert tuple(model.taken_conditions) == (("class",) if labelled else ())
    assert model.evaluations_per_sample == 1
    if not name.endswith(".onnx"):
        assert model.n_parameters == 5 * 16  # type: ignore[attr-defined]
    if labelled:
        asked = torch.tensor([0, 1, 2, 0, 1, 2, 0])
        first, then = (model.sample(7, a, seeded()) for a in (asked, (asked + 1) % 3))
        assert not torch.equal(first, then)
    else:
        with pytest.raises(UnsupportedError, match="takes no class"):
            model.sample(2, torch.tensor([0, 1]), seeded())


def test_noise_and_range_decide_what_comes_out(saved: Path) -> None:
    z = torch.randn(64, LATENT, generator=seeded())
    weights = numpy_helper.to_array(onnx.load(saved / "plain.onnx").graph.initializer[0])
    expected = torch.tanh(z @ torch.from_numpy(weights.copy())).view(-1, *SHAPE)
    made = fitted(saved / "plain.onnx").sample(64, None, seeded())
    assert (made.double() - (expected.double() + 1) / 2 * 255).abs().max() < 0.51
    levels = fitted(saved / "plain.onnx", range="levels").sample(64, None, seeded())
    assert torch.equal(levels, expected.round().long())
    bright = fitted(saved / "plain.onnx", range="0..1").sample(64, None, seeded())
    assert int(bright.min()) < 0  # the record tells the share that had to be clamped
    uniform = fitted(saved / "plain.onnx", noise="uniform").sample(64, None, seeded())
    assert not torch.equal(uniform, made)


def test_points_stay_as_they_are(saved: Path) -> None:
    stream = torch.Generator().manual_seed(0)
    parts = [Split(torch.randn(n, 16, generator=stream)) for n in (60, 20, 20)]
    data = Dataset("cloud", "points", *parts)
    model = fitted(saved / "flat.onnx", data, range="unsaid")
    x = model.sample(9, None, seeded())
    assert x.dtype == torch.float32
    assert float(x.abs().max()) < 1


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("plain.onnx", {"range": "unsaid"}, "nobody said what stands for black and white"),
        ("plain.onnx", {"latent": "7"}, "takes noise of shape 4; leave latent away"),
        ("plain.pt", {}, "does not say how long its noise is; give latent=100"),
        ("plain.pt", {"latent": "4xx"}, "latent=4xx is no shape of noise"),
        ("plain.onnx", {"shape": (3, 4, 4)}, "pictures of 1 channels, and those of .* have 3"),
        ("plain.onnx", {"shape": (1, 8, 8)}, r"\[1, 4, 4\].*\[1, 8, 8\].*resize=bicubic"),
    ],
)  # fmt: skip
def test_what_is_not_said_or_does_not_fit_is_told(
    name: str, options: dict[str, Any], said: str, saved: Path, trusting: None
) -> None:
    data = pictures(options.pop("shape", SHAPE))
    with pytest.raises(UsageError, match=said):
        fitted(saved / name, data, **options).sample(3, None, seeded())


def test_a_named_rule_resizes(saved: Path) -> None:
    model = fitted(saved / "plain.onnx", pictures((1, 8, 8)), resize="nearest")
    small = fitted(saved / "plain.onnx").sample(3, None, seeded())
    expected = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(model.sample(3, None, seeded()), expected)


def test_values_that_are_not_finite_are_a_divergence(tmp_path: Path) -> None:
    path = onnx_model(tmp_path / "nan.onnx", value=float("nan"))
    with pytest.raises(DivergedError, match="3 of 3 samples of onnx:"):
        fitted(path).sample(3, None, seeded())


def test_programs_need_trust_and_do_not_run_without(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("writes.pt", "free.pt2"):
        asked = ["run", "-m", f"torchscript:{saved / name}[latent=4]", "-d", "points/moons"]
        assert _run(asked) == 2
        said = capsys.readouterr().err
        assert "--trust" in said
        assert said.count("\n") == 1
        with pytest.raises(UntrustedError):
            fitted(saved / name, latent="4")
    assert not Path("ran").exists()
    assert not Path("runs").exists()
    monkeypatch.setenv("GENGAUGE_TRUST", "1")  # what was refused is what would have happened
    model = TorchGraph(str(saved / "writes.pt"), latent="4", range="-1..1")
    model.fit(pictures((1, 2, 2)), FitRun(0, Budget.parse("1 steps")))
    model.sample(1, None, seeded())
    assert Path("ran").exists()


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("ran", "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_save_wrote_is_refused_and_no_graph_with_trust_either(
    zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(Evil(), "evil.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UntrustedError, match="pickle"):
        describe_torch("evil.pt", {})
    monkeypatch.setenv("GENGAUGE_TRUST", "1")
    with pytest.raises(UsageError, match="no graph that could be run"):
        describe_torch("evil.pt", {})
    assert not Path("ran").exists()


def test_files_that_are_no_graphs_are_refused(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusting: None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.onnx").write_text("hello")
    Path("empty.onnx").write_bytes(b"")
    with zipfile.ZipFile("x.zip", "w") as archive:
        archive.writestr("a/constants.pkl", b"")
    for path, looks, said in (
        ("nowhere.onnx", describe_onnx, "there is no file 'nowhere.onnx'"),
        ("nowhere.pt", describe_torch, "there is no file 'nowhere.pt'"),
        ("empty.onnx", describe_onnx, "is empty"),
        ("x.zip", describe_onnx, "is a zip archive, no ONNX file"),
        ("text.onnx", describe_torch, "no graph that could be run"),
    ):
        with pytest.raises(UsageError, match=said):
            looks(path, {})
    for path, kind, said in (("text.onnx", OnnxGraph, "no graph of ONNX"),
                             ("x.zip", TorchGraph, "no graph of torch's")):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            kind(path).fit(pictures(), FitRun(0, Budget.parse("1 steps")))
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", "1K")
    with pytest.raises(UsageError, match="GENGAUGE_MAX_INPUT"):
        describe_torch(str(saved / "plain.pt"), {})


def test_weights_beside_an_onnx_file_belong_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx_model(Path("net.onnx"), flat=True, beside="net.data")
    [choice] = parse_choices("onnx:net.onnx[range=-1..1]", Registry())
    before = code_of(choice.spec, choice.parameters)
    assert fitted(Path("net.onnx")).sample(2, None, seeded()).shape == (2, *SHAPE)
    data = Path("net.data")
    data.write_bytes(bytes([data.read_bytes()[0] ^ 1]) + data.read_bytes()[1:])
    assert code_of(choice.spec, choice.parameters) != before
    data.unlink()
    with pytest.raises(UsageError, match=r"keeps weights in 'net\.data', which is missing"):
        describe_onnx("net.onnx", {})
    whole = Path("net.onnx").read_bytes()
    Path("net.onnx").write_bytes(whole.replace(b"net.data", b"../n.dat"))
    with pytest.raises(UsageError, match="not beside it; refused"):
        describe_onnx("net.onnx", {})


def test_a_missing_runtime_is_said(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("onnxruntime"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NotReadyError, match=r"pip install 'gengauge\[onnx\]'"):
        fitted(saved / "plain.onnx")


@pytest.mark.parametrize("name", ["plain.onnx", "labels.onnx", "three.pt2"])
def test_laws(name: str, saved: Path, trusting: None) -> None:
    kind = "onnx" if name.endswith(".onnx") else "torchscript"
    spec: Any = Registry().find("models", f"{kind}:{saved / name}")
    case = Case(spec, pictures(), {"range": "-1..1"}, n=12)
    held = [v for v in (judge(law, case) for law in LAWS) if v.outcome != "skipped"]
    assert [v.message for v in held if v.outcome == "broken"] == []
    assert {"samples_look_like_data", "saving_keeps_the_model", "samples_follow_the_generator",
            "global_randomness_is_untouched"} <= {v.law for v in held}  # fmt: skip


def test_a_graph_is_scored_and_scored_again_without_a_fit(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx_model(Path("a[1].onnx"))
    onnx_model(Path("flat.onnx"), flat=True)
    asked = ["run", "-m", "onnx:flat.onnx[noise=normal,uniform]", "-d", "table/breast-cancer"]
    rest = ["-o", "run", "--no-isolate", "--samples", "60"]
    assert _run([*asked, "-s", "fidelity", *rest]) == 3  # 16 columns are not 30
    assert "makes samples of shape [16]" in capsys.readouterr().err
    again = ["run", "-m", "onnx:a[1].onnx[range=-1..1,resize=bicubic]", "-d", "digits", *rest]
    assert _run([*again, "-s", "fidelity"]) == 0
    records = [json.loads(line) for line in Path("run/records.jsonl").read_text().splitlines()]
    record = records[-1]
    assert record["model"]["base"] == "onnx:a[1].onnx"
    assert record["model"]["parameters"]["path"] == "a[1].onnx"
    assert record["budget"] == "1 steps"
    assert "--budget" not in record["command"]
    assert _run([*again, "-s", "speed", "--budget", "9 steps"]) == 0
    then = [json.loads(line) for line in Path("run/records.jsonl").read_text().splitlines()][-1]
    assert then["trial"] == record["trial"]
    found = {s["metric"]: s["value"] for s in then["scores"]}
    assert found["evaluations_per_sample"] == 1
    assert found["samples_per_second"] > 0
    assert found["train_seconds"] is None
    assert "[2/2]" not in capsys.readouterr().err
