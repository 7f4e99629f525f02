"""Autoregressive models: descriptions only, so that listing models stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the causal transformer, which is a PixelCNN on larger pictures."""
    return [
        ModelSpec(
            id="autoregressive",
            family="autoregressive",
            summary="One value after the other by a causal transformer or masked convolutions: "
                    "the exact likelihood that others are held against",
            assumes="Nothing of the data's shape: the chain rule writes any distribution as a "
                    "product of each value's, given those before it; one network is assumed to "
                    "answer for all of them.",
            reference="van den Oord et al. 2016, Pixel Recurrent Neural Networks, "
                      "https://arxiv.org/abs/1601.06759; Vaswani et al. 2017, Attention Is All "
                      "You Need, https://arxiv.org/abs/1706.03762",
            target="gengauge_plugins.autoregressive.autoregressive:Autoregressive",
            modalities=("image", "text"),
            levelled=True,
            capabilities=("mass", "class-mass", "classifier"),
            conditions=("class", "prefix"),
            budget="1000 steps",
            parameters=(
                Parameter("kind", "auto", choices=("auto", "transformer", "pixelcnn"),
                          doc="auto convolves pictures of more than 256 values"),
                Parameter("width", 0, "channels of each layer; 0 chooses", minimum=0),
                Parameter("layers", 0, "layers of the network; 0 chooses", minimum=0),
                Parameter("heads", 4, "of the transformer's attention", minimum=1),
                Parameter("dropout", 0.1, "share of outputs left out in training", minimum=0),
                Parameter("output", "auto", choices=("auto", "softmax", "logistics"),
                          doc="distribution of a value; auto is logistics from 65 levels on, but "
                          "for text"),
                Parameter("mixtures", 5, "logistics of each value", minimum=1),
                Parameter("conditional", False, "learn from class labels, and sample for them"),
                Parameter("temperature", 1.0, "of sampling alone; below 1 the likely is likelier",
                          minimum=1e-3),
                Parameter("batch_size", 0, "examples a step; 0 chooses", minimum=0),
                Parameter("lr", 4e-3, "peak learning rate of Adam", minimum=0),
            ),
        )
    ]  # fmt: skip
