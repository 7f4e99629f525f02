"""Feature maps in which samples are compared with real data."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.hooks import hookimpl
from gengauge.specs import EmbedderSpec
from gengauge_suites.embedders.published import brought, published


@hookimpl
def gengauge_embedders() -> Iterable[EmbedderSpec]:
    """Return the embedders that ship with gengauge."""
    yield EmbedderSpec(
        id="digits",
        summary="64 features of a small classifier of 8 x 8 digits, trained on the train split",
        target="gengauge_suites.embedders.digits:DigitsEmbedder",
        modalities=("image",),
        preprocessing="grey level / 16",
        gives=("features", "classes"),
        reference="gengauge_suites/embedders/digits.md; trained by embedders/train_digits.py",
    )
    yield EmbedderSpec(
        id="fashion",
        summary="64 features of a small classifier of Fashion-MNIST, trained on the train split",
        target="gengauge_suites.embedders.fashion:FashionEmbedder",
        modalities=("image",),
        preprocessing="grey level / 255",
        gives=("features", "classes"),
        reference="gengauge_suites/embedders/fashion.md; trained by embedders/train_fashion.py",
    )
    yield EmbedderSpec(
        id="shapes",
        summary="64 features of a small judge of the shapes: what stands where, in which colour",
        target="gengauge_suites.embedders.shapes:ShapesEmbedder",
        modalities=("image",),
        preprocessing="level / 255",
        gives=("features", "classes", "attributes"),
        reference="gengauge_suites/embedders/shapes.md; trained by embedders/train_shapes.py",
    )
    yield _tiny("clip/shapes", "48 features of a tiny CLIP of the shapes: the judge of captions")
    yield _tiny(
        "clip/shapes-guide",
        "64 features of another tiny CLIP of the shapes, which may steer what the first judges",
    )
    yield EmbedderSpec(
        id="identity",
        summary="The values themselves, flattened: for points, tables and features made elsewhere",
        target="gengauge_suites.embedders.identity:IdentityEmbedder",
        modalities=("image", "points", "table"),
    )
    yield EmbedderSpec(
        id="ngrams",
        summary="Frequencies of runs of one to three characters or bytes, hashed to 256: how a "
        "text is spelt, not what it means",
        target="gengauge_suites.embedders.ngrams:NgramEmbedder",
        modalities=("text",),
        reference="Leslie, Eskin & Noble 2002, The Spectrum Kernel: A String Kernel for SVM "
        "Protein Classification, https://pubmed.ncbi.nlm.nih.gov/11928508; hashed after "
        "Weinberger et al. 2009, https://arxiv.org/abs/0902.2206",
    )
    yield from published()
    yield from brought()


def _tiny(id_: str, summary: str) -> EmbedderSpec:
    return EmbedderSpec(
        id=id_,
        summary=summary,
        target="gengauge_suites.embedders.local_clip:ShippedClip",
        arguments={"id": id_},
        modalities=("image",),
        preprocessing="RGB bytes / 255, resized and normalised as open_clip_config.json says",
        gives=("features", "text"),
        reference="gengauge_suites/embedders/clip_shapes.md; trained by "
        "embedders/train_clip_shapes.py",
    )
