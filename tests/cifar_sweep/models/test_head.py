"""The classifier: its order of layers, and the text head."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cifar_sweep.models import build
from cifar_sweep.models.head import Classifier
from cifar_sweep.models.initial_weights import initialise
from cifar_sweep.models.recipes import Head, ResNetRecipe, TextHead
from cifar_sweep.schema import Shape


def head(in_features: int = 6, classes: int = 4, **settings: Any) -> Classifier:
    return Classifier(Head.model_validate(settings), in_features, classes)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({}, 6 * 4 + 4),
        ({"dropout": 0.5}, 6 * 4 + 4),
        ({"dropout": 0.5, "batch_norm": True}, 2 * 6 + 6 * 4 + 4),
        ({"hidden": [5]}, 6 * 5 + 5 + 5 * 4 + 4),
        ({"hidden": [5, 3], "batch_norm": True}, 6 * 5 + 5 + 5 * 3 + 3 + 2 * 3 + 3 * 4 + 4),
        ({"batch_norm_logits": True}, 6 * 4 + 4 + 2 * 4),
        ({"text": {"encoder": "file", "path": "a.npz", "dimensions": 7}}, 6 * 7 + 1),
        ({"text": {"encoder": "words"}, "hidden": [5]}, 6 * 5 + 5 + 5 * 256 + 1),
        ({"text": {"encoder": "clip"}}, 6 * 512 + 1),
    ],
)
def test_each_form_has_its_parameters_and_gives_logits(settings: dict[str, Any], parameters: int):
    made = head(**settings)
    assert made.in_features == 6
    assert sum(p.numel() for p in made.parameters()) == parameters
    assert made(draw(3, 6)).shape == (3, 4)


def test_dropout_batch_norm_and_linear_layer_follow_each_other_in_this_order():
    made = head(dropout=0.5, batch_norm=True).train()
    features = draw(8, 6)
    torch.manual_seed(1)
    dropped = nn.functional.dropout(features, 0.5)
    scaled = (dropped - dropped.mean(0)) / (dropped.var(0, unbiased=False) + made.norm.eps).sqrt()
    torch.manual_seed(1)
    torch.testing.assert_close(made(features), made.output(scaled))


def test_the_hidden_dropout_follows_every_hidden_layer_except_the_last():
    rates = [m.p for m in head(hidden=[5, 5, 5], dropout_hidden=0.3, dropout=0.5).modules() if type(m) is nn.Dropout]
    assert rates == [0.3, 0.3, 0.0, 0.5]


def test_batch_norm_of_the_scores_comes_last():
    made = head(batch_norm_logits=True).train()
    assert made(draw(64, 6)).mean(0).abs().max() < 1e-6


@pytest.mark.parametrize(("activation", "expected"), [(None, nn.SiLU), ("tanh", nn.Tanh), ("identity", nn.Identity)])
def test_hidden_layers_have_the_networks_activation_unless_they_name_their_own(activation: Any, expected: type):
    made = Classifier(Head(hidden=(5,), activation=activation), 6, 4, activation="silu")
    assert type(made.hidden[0].activation) is expected


def test_a_network_without_norm_has_none_in_its_head_either():
    made = Classifier(Head(batch_norm=True, batch_norm_logits=True), 6, 4, norm="none")
    assert not any(isinstance(module, nn.BatchNorm1d) for module in made.modules())


def test_logits_of_a_text_head_are_scaled_cosine_similarities():
    made = head(text={"encoder": "file", "path": "a.npz", "dimensions": 7, "temperature": 0.1})
    embeddings, features = 3 * draw(4, 7), draw(3, 6)
    made.set_text(embeddings)
    image = features @ made.output.projection.weight.T
    expected = torch.stack(
        [torch.stack([row @ other / (row.norm() * other.norm()) for other in embeddings]) for row in image]
    )
    torch.testing.assert_close(made(features), 10 * expected)


def test_the_scale_of_a_text_head_is_learned_and_stays_below_a_hundred():
    made = head(text={"encoder": "file", "path": "a.npz", "dimensions": 7})
    made.set_text(draw(4, 7))
    assert float(made.output.logit_scale.detach().exp()) == pytest.approx(1 / 0.07)
    cross_entropy(made(draw(3, 6)), torch.tensor([0, 1, 2])).backward()
    assert made.output.logit_scale.grad != 0
    nn.init.constant_(made.output.logit_scale, math.log(1000))
    assert 1 < float(made(draw(3, 6)).detach().abs().max()) <= 100


def test_embeddings_are_saved_with_the_weights_and_never_trained():
    made = head(text={"encoder": "file", "path": "a.npz", "dimensions": 7})
    made.set_text(draw(4, 7))
    assert "output.embeddings" not in dict(made.named_parameters())
    torch.testing.assert_close(made.state_dict()["output.embeddings"].norm(dim=1), torch.ones(4))


def test_without_embeddings_every_logit_is_zero():
    assert head(text={"encoder": "words"})(draw(3, 6)).count_nonzero() == 0


@pytest.mark.parametrize(
    ("text", "embeddings", "message"),
    [
        ({"encoder": "words"}, torch.ones(4, 7), r"must be \[4, 256\] \(classes, dimensions\) but are \[4, 7\]"),
        ({"encoder": "words"}, torch.zeros(4, 256), "the embedding of class 0 has length 0"),
        ({"encoder": "words"}, torch.ones(4, 256).index_fill(0, torch.tensor(2), math.nan), "class 2 has length nan"),
        (None, torch.ones(4, 7), "model.head.text is null"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(text: Any, embeddings: Tensor, message: str):
    with pytest.raises(ValueError, match=message):
        head(text=text).set_text(embeddings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoder": "file", "dimensions": 3}, "encoder is file but path is missing"),
        ({"encoder": "file", "path": "a.npz"}, "encoder is file but dimensions is missing"),
        ({"encoder": "clip", "path": "a.npz"}, "path is 'a.npz' but encoder is clip: only file takes it; remove it"),
        ({"encoder": "words", "dimensions": 256}, "dimensions is 256 but encoder is words"),
        ({"encoder": "words", "temperature": 0.0}, "greater than or equal to 0.01"),
    ],
)
def test_contradictory_text_settings_are_refused(settings: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        TextHead.model_validate(settings)


def test_heads_agree_where_names_and_shapes_of_their_weights_do():
    plain, rich = (
        build(ResNetRecipe(blocks=(1,), widths=(8,), strides=(1,), head=h), Shape(1, 8, 10))
        for h in (Head(), Head(dropout=0.5, batch_norm=True, batch_norm_logits=True))
    )
    for network in (plain, rich):
        initialise(network, 3)
    ours, theirs = dict(plain.named_parameters()), dict(rich.named_parameters())
    assert {name.split(".")[0] for name in ours} == {"stem", "stages", "head"}
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
