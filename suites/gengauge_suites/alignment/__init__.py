"""The alignment suite: how well samples do what they were asked for."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.hooks import hookimpl
from gengauge.parameters import Parameter
from gengauge.specs import MetricSpec

_HOME = "gengauge_suites.alignment"
_JUDGE = Parameter(
    "clip", "", "the CLIP that judges: clip/shapes, ViT-B-32/openai, ViT-L-14-336/openai, "
    "local-dir:FOLDER or openai:FILE; empty: as for other metrics",
)  # fmt: skip
_CLASSED = ("image", "points", "table")


@hookimpl
def gengauge_metrics() -> Iterable[MetricSpec]:
    """Return the alignment metrics."""
    yield from _captioned()
    yield from _judged()
    yield MetricSpec(
        id="cas",
        suite="alignment",
        label="CAS",
        unit="accuracy",
        direction="higher",
        modalities=_CLASSED,
        condition="class",
        target=f"{_HOME}.cas:cas",
        parameters=(
            Parameter("examples", 2000, "at most so many samples train it", minimum=20),
            Parameter("blocks", 5, "of the jackknife behind the interval", minimum=2),
        ),
        summary="Classification accuracy score: how well a classifier trained on the samples alone "
        "tells real test examples apart; its details hold what as much real data reaches. Blind "
        "to copied training data and to detail that this classifier of raw values (of a table: in "
        "each column's standard deviations) cannot use.",
        reference="Ravuri & Vinyals 2019, Classification Accuracy Score for Conditional "
        "Generative Models, https://arxiv.org/abs/1905.10887",
    )
    yield MetricSpec(
        id="completion_accuracy",
        suite="alignment",
        label="Completion accuracy",
        unit="share",
        direction="higher",
        modalities=("text",),
        condition="prefix",
        target=f"{_HOME}.completion:completion_accuracy",
        summary="How often a model that is given the first half of a real text goes on with the "
        "right token: the mean probability it gives to that token when it samples. Blind to all "
        "that comes after this one, and to whether a wrong token would have done as well.",
        reference="After Paperno et al. 2016, The LAMBADA dataset: Word prediction requiring a "
        "broad discourse context, https://arxiv.org/abs/1606.06031",
    )


def _captioned() -> Iterable[MetricSpec]:
    yield MetricSpec(
        id="clip_score",
        suite="alignment",
        label="CLIP score",
        unit="2.5 x cosine",
        direction="higher",
        modalities=("image",),
        embedded=True,
        uses="text",
        condition="caption",
        headline=True,
        target=f"{_HOME}.clip:clip_score",
        judge=_JUDGE,
        parameters=(
            Parameter("prefix", "auto", "set before each caption; auto: the embedder's own, else "
                      "the paper's 'A photo depicts'"),
        ),
        summary="How near the image of a caption lies to it, in the eyes of a CLIP. Blind to what "
        "that CLIP does not see, such as counts and relations, and to variety.",
        reference="Hessel et al. 2021, CLIPScore: A Reference-free Evaluation Metric for Image "
        "Captioning, https://arxiv.org/abs/2104.08718",
    )  # fmt: skip
    yield MetricSpec(
        id="clip_r_precision",
        suite="alignment",
        label="CLIP R-precision",
        unit="share",
        direction="higher",
        modalities=("image",),
        embedded=True,
        uses="text",
        condition="caption",
        target=f"{_HOME}.clip:clip_r_precision",
        judge=_JUDGE,
        parameters=(
            Parameter("candidates", 100, "captions to choose from, the true one among them",
                      minimum=2),
        ),
        summary="How often a CLIP picks the caption that was asked for out of 100: guessing gives "
        "0.01. Blind to the looks of the image, to variety, and to differences between captions "
        "that are rare among the 99 others.",
        reference="Park et al. 2021, Benchmark for Compositional Text-to-Image Synthesis, "
        "https://datasets-benchmarks-proceedings.neurips.cc/paper_files/paper/2021/hash/"
        "0a09c8844ba8f0936c20bd791130d6b6-Abstract-round1.html; after Xu et al. 2018, AttnGAN, "
        "https://arxiv.org/abs/1711.10485",
    )  # fmt: skip


def _judged() -> Iterable[MetricSpec]:
    yield MetricSpec(
        id="class_accuracy",
        suite="alignment",
        label="Class accuracy",
        unit="share",
        direction="higher",
        modalities=_CLASSED,
        embedded=True,
        uses="classes",
        condition="class",
        headline=True,
        target=f"{_HOME}.accuracy:class_accuracy",
        summary="How often a classifier of real data finds the class that was asked for. Blind to "
        "variety within a class, to copies, and to what does not matter for the class.",
        reference="Shmelkov et al. 2018, How good is my GAN? (GAN-test), "
        "https://arxiv.org/abs/1807.09499",
    )
    yield MetricSpec(
        id="attribute_accuracy",
        suite="alignment",
        label="Attribute accuracy",
        unit="share",
        direction="higher",
        modalities=("image",),
        embedded=True,
        uses="attributes",
        condition="caption",
        target=f"{_HOME}.accuracy:attribute_accuracy",
        version=2,
        summary="How often all that a caption says is found in its image by a judge of real ones; "
        "its details hold each kind of claim, chance, and apart the combinations that training "
        "lacks. Blind to variety, to copies, and to what captions do not say.",
        reference="After Huang et al. 2023, T2I-CompBench, https://arxiv.org/abs/2307.06350",
    )
    yield MetricSpec(
        id="joint_agreement",
        suite="alignment",
        label="Joint agreement",
        unit="share",
        direction="higher",
        modalities=("image",),
        embedded=True,
        uses="attributes",
        asks_model=True,
        target=f"{_HOME}.joint:joint_agreement",
        summary="Of images and captions that a model draws together, from nothing, the share whose "
        "image shows all that its caption says, by a judge of real data; captions that are not "
        "understood count as wrong. Blind to variety, which its details hold, and to copies.",
        reference="After Pu et al. 2018, JointGAN, https://arxiv.org/abs/1806.02978, by the exact "
        "match of Huang et al. 2023, T2I-CompBench, https://arxiv.org/abs/2307.06350",
    )
