"""How wrong the scores of a network are."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_squared_error
from torch import nn

from runner.core.errors import ConfigError
from runner.loss.cross_entropy import CrossEntropy
from runner.loss.mse import MSE

NUMBERS = torch.Generator().manual_seed(0)
SCORES = 3 * torch.randn(40, 5, generator=NUMBERS, dtype=torch.float64)
CLASSES = torch.randint(5, (40,), generator=NUMBERS)
OUTPUT = torch.randn(40, 1, generator=NUMBERS, dtype=torch.float64)
TARGET = torch.randn(40, generator=NUMBERS, dtype=torch.float64)

ROUNDING = 1e-14  # a mean of 40 terms, each with a few roundings of 1e-16


def test_cross_entropy_is_that_of_torch_and_of_scikit_learn() -> None:
    value = CrossEntropy().value(SCORES, CLASSES)
    assert value.shape == ()
    assert value.item() == nn.CrossEntropyLoss()(SCORES, CLASSES).item()
    probabilities = torch.softmax(SCORES, -1).numpy()
    expected = log_loss(CLASSES.numpy(), probabilities, labels=range(5))
    assert value.item() == pytest.approx(expected, rel=ROUNDING, abs=0)


def test_cross_entropy_of_equal_scores_is_the_logarithm_of_the_number_of_classes() -> None:
    for classes in (2, 10):
        scores = torch.full((3, classes), 7.0, dtype=torch.float64)
        assert CrossEntropy().value(scores, torch.tensor([0, 1, 1])).item() == pytest.approx(
            math.log(classes), rel=ROUNDING, abs=0
        )


def test_the_gradient_of_cross_entropy_is_p_minus_y_over_the_batch_size() -> None:
    scores = SCORES.clone().requires_grad_()
    (g,) = torch.autograd.grad(CrossEntropy().value(scores, CLASSES), scores)
    y = nn.functional.one_hot(CLASSES, 5)
    torch.testing.assert_close(g, (torch.softmax(SCORES, -1) - y) / 40, rtol=0, atol=1e-16)  # all are below 1/40


def test_a_number_added_to_all_scores_of_an_example_changes_nothing() -> None:
    shifted = SCORES + torch.linspace(-50, 50, 40, dtype=torch.float64).unsqueeze(1)
    # scores of 50 have a last bit of 7e-15
    assert CrossEntropy().value(shifted, CLASSES).item() == pytest.approx(
        CrossEntropy().value(SCORES, CLASSES).item(), rel=1e-13, abs=0
    )


def test_accuracy_is_the_share_of_right_classes() -> None:
    measured = CrossEntropy().measure(SCORES, CLASSES)
    assert {name: value.item() for name, value in measured.items()} == {
        "accuracy": accuracy_score(CLASSES, SCORES.argmax(-1))
    }
    scores = torch.tensor([[1.0, 2.0], [2.0, 1.0], [0.0, 3.0], [0.0, 3.0]])
    assert CrossEntropy().measure(scores, torch.tensor([1, 0, 0, 1]))["accuracy"].item() == 0.75


def test_mse_is_that_of_torch_and_of_scikit_learn() -> None:
    value = MSE().value(OUTPUT, TARGET)
    assert value.shape == ()
    assert value.item() == nn.MSELoss()(OUTPUT.squeeze(-1), TARGET).item()
    assert value.item() == pytest.approx(mean_squared_error(TARGET, OUTPUT), rel=ROUNDING, abs=0)


def test_mse_compares_each_output_with_its_own_target() -> None:
    # Without care [B, 1] - [B] is a table [B, B] of all with all.
    assert MSE().value(torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 2.0])).item() == 0.0


def test_the_gradient_of_mse_is_twice_the_error_over_the_batch_size() -> None:
    output = OUTPUT.clone().requires_grad_()
    (g,) = torch.autograd.grad(MSE().value(output, TARGET), output)
    torch.testing.assert_close(g, 2 * (OUTPUT - TARGET.unsqueeze(1)) / 40, rtol=1e-15, atol=0)


def test_mae_is_the_mean_of_the_absolute_errors() -> None:
    measured = MSE().measure(OUTPUT, TARGET)
    assert list(measured) == ["mae"]
    assert measured["mae"].item() == pytest.approx(mean_absolute_error(TARGET, OUTPUT), rel=ROUNDING, abs=0)


def test_which_way_is_better_is_the_metric_s_own() -> None:
    assert CrossEntropy.metrics == {"accuracy": "max"}
    assert MSE.metrics == {"mae": "min"}


def test_the_number_of_outputs_comes_from_the_targets() -> None:
    assert CrossEntropy().outputs(7) == 7
    assert MSE().outputs(None) == 1


def test_cross_entropy_refuses_targets_that_are_numbers() -> None:
    with pytest.raises(ConfigError) as caught:
        CrossEntropy().outputs(None)
    assert str(caught.value) == (
        "loss=cross_entropy is refused\n"
        "  allowed: targets in classes; the targets of this data set are numbers\n"
        "  do this: choose loss=mse, or a data set with classes"
    )


def test_mse_refuses_targets_that_are_classes() -> None:
    with pytest.raises(ConfigError) as caught:
        MSE().outputs(10)
    assert str(caught.value) == (
        "loss=mse is refused\n"
        "  allowed: targets that are numbers; the targets of this data set are 10 classes\n"
        "  do this: choose loss=cross_entropy, or a data set with numbers"
    )
