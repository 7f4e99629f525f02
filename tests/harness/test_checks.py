"""Wrong data is refused before anything is trained or measured."""

import math
from dataclasses import replace

import pytest
import torch

from gengauge import Dataset, DatasetSpec, Split
from gengauge.checks import check_dataset, check_training
from gengauge.errors import UsageError
from gengauge.loading import load_dataset

X, Y = torch.arange(12.0).view(6, 2), torch.tensor([0, 1, 0, 1, 0, 1])
SOUND = Dataset("d", "points", *[Split(X, Y)] * 3, class_names=("a", "b"))
LEVELS = Dataset("l", "image", *[Split(X.to(torch.uint8).view(6, 1, 1, 2))] * 3, levels=12)


def spoilt(value: float) -> torch.Tensor:
    return torch.where(X == 5, torch.tensor(value), X)


def test_sound_data_passes():
    check_dataset(SOUND)
    check_dataset(LEVELS)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": X[:0]}, "{} split is empty"),
        ({"x": spoilt(math.nan)}, "1 of 12 {} values of d are not finite"),
        ({"x": spoilt(math.inf)}, "1 of 12 {} values of d are not finite"),
        ({"labels": Y[:5]}, "{} split has 6 examples and 5 labels; there must be one each"),
        ({"captions": ("a",)}, "6 examples and 1 captions"),
        ({"labels": Y + 1}, "{} labels are 1 to 2, and the 2 classes are 0 to 1"),
    ],
)
def test_each_split_is_looked_at(part, change, message):
    wrong = replace(SOUND, **{part: replace(getattr(SOUND, part), **change)})
    with pytest.raises(ValueError, match=message.format(part)):
        check_dataset(wrong)


def test_levels_end_where_they_are_said_to():
    with pytest.raises(ValueError, match="are 0 to 11, and 11 levels are 0 to 10; mend"):
        check_dataset(replace(LEVELS, levels=11))


def test_a_model_needs_no_validation_and_no_test_split():
    check_training(replace(SOUND, validation=Split(X[:0]), test=Split(X[:0])), "m")
    with pytest.raises(ValueError, match=r"m needs training examples.*d has shape \[0, 2\]"):
        check_training(replace(SOUND, train=Split(X[:0])), "m")
    with pytest.raises(ValueError, match="validation values of d are not finite"):
        check_training(replace(SOUND, validation=Split(spoilt(math.nan))), "m")


def not_a_number(spec: DatasetSpec) -> Dataset:
    return replace(SOUND, test=Split(spoilt(math.nan), Y))


def test_the_runner_refuses_it_with_a_reason():
    spec = DatasetSpec(id="d", summary="d", target=f"{__name__}:not_a_number", modality="points")
    with pytest.raises(UsageError, match="dataset 'd' cannot be used: 1 of 12 test values of d"):
        load_dataset(spec)
