"""Models that come without a plugin: checkpoints, graphs and objects of the user's, as they are."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl

_HOME = "gengauge_plugins.brought"
_RESIZE = Parameter(
    "resize", "none", "how pictures of another size than the data's get it: by none they do not",
    choices=("none", "bicubic", "bilinear", "box", "nearest"),
)  # fmt: skip
_GRAPH = (
    Parameter("latent", "", "shape of the noise, 100 or 100x1x1; where the file says it, none is "
              "needed"),
    Parameter("noise", "normal", "what it is drawn from; uniform is from -1 to 1",
              choices=("normal", "uniform")),
    Parameter("range", "unsaid", "what stands for black and white; on levels it must be said, "
              "unless outputs are integers", choices=("unsaid", "-1..1", "0..1", "levels")),
    Parameter("batch", 64, "samples a call, where the graph leaves that free", minimum=1),
    _RESIZE,
)  # fmt: skip
_PIPELINE = (
    Parameter("steps", 0, "steps of the sampler; 0: the pipeline's own number", minimum=0),
    Parameter("scheduler", "", "another scheduler of diffusers by name, such as DDIM"),
    Parameter("guidance", -1.0, "guidance scale; below 0: the pipeline's own"),
    Parameter("batch", 16, "samples a call of the pipeline", minimum=1),
    Parameter("dtype", "fp32", "precision of the networks", choices=("fp32", "fp16", "bf16")),
    Parameter("variant", "", "variant of the weights' files, such as fp16"),
    _RESIZE,
)  # fmt: skip


def _brought(id_: str, looks: str, name: str, summary: str, **options: object) -> ModelSpec:
    given: dict[str, object] = {
        "modalities": ("image", "points", "table"), "family": "brought", "takes_path": True,
        "trained": False, "describes": f"{_HOME}.{looks}",
        "stamps": f"{_HOME}.{looks.partition(':')[0]}:stamp", **options,
    }  # fmt: skip
    return ModelSpec(id=id_, summary=summary, target=f"{_HOME}.{name}", **given)  # type: ignore[arg-type]


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return one description for each kind of model that a user can bring."""
    return [
        _brought(
            "diffusers", "folders:describe", "pipelines:Pipeline",
            modalities=("image",), levelled=True, parameters=_PIPELINE,
            capabilities=("steps",),
            summary="A pipeline that diffusers saved, in a folder or on the Hugging Face hub",
            assumes="Nothing by itself: the pipeline was trained elsewhere, and is sampled by the "
                    "scheduler it was saved with.",
            reference="diffusers, https://huggingface.co/docs/diffusers",
        ),
        _brought(
            "torchscript", "archives:describe_torch", "torch_graphs:TorchGraph", parameters=_GRAPH,
            summary="A graph from noise to samples, as torch.jit.save or torch.export.save left it",
            assumes="Nothing by itself: a graph that was trained elsewhere makes samples out of "
                    "noise in one call.",
            reference="TorchScript, https://docs.pytorch.org/docs/stable/jit.html",
        ),
        _brought(
            "onnx", "archives:describe_onnx", "onnx_graphs:OnnxGraph", parameters=_GRAPH,
            requires=("onnxruntime",), extras=("onnx",),
            summary="A graph from noise to samples in an ONNX file",
            assumes="Nothing by itself: a graph that was trained elsewhere makes samples out of "
                    "noise in one call.",
            reference="ONNX Runtime, https://onnxruntime.ai",
        ),
        _brought(
            "python", "modules:describe", "objects:wrapped",
            modalities=("image", "points", "text", "table"),
            summary="Any Python object with sample, written module:object: an instance, a class or "
                    "a function that returns one",
            assumes="Nothing by itself: the object was trained elsewhere, and all it has of a "
                    "model's methods is used.",
        ),
    ]  # fmt: skip
