"""Embeddings of class names by each encoder."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import cross_entropy

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.recipes import Head, TextHead
from cifar_sweep.models.text_embeddings import embeddings
from sweeps.workload import Unavailable

needs_words = pytest.mark.skipif(importlib.util.find_spec("wordllama") is None, reason="without the extra text")
WORDS = TextHead(encoder="words")


def written(folder: Path, **arrays: Any) -> TextHead:
    np.savez(folder / "names.npz", **arrays)
    return TextHead(encoder="file", path="names.npz", dimensions=3)


def rows(names: list[str]) -> dict[str, Any]:
    return {"names": np.array(names), "embeddings": np.arange(1, 3 * len(names) + 1).reshape(-1, 3)}


def cosine(pair: Tensor) -> float:
    return float(pair[0] @ pair[1])


@needs_words
@pytest.mark.parametrize(("near", "far"), [
    (("oak_tree", "maple_tree"), ("oak_tree", "rocket")),
    (("automobile", "truck"), ("automobile", "frog")),
    (("dog", "cat"), ("dog", "airplane")),
])  # fmt: skip
def test_words_of_similar_meaning_are_nearer(near, far, tmp_path):
    assert cosine(embeddings(WORDS, near, tmp_path)) > cosine(embeddings(WORDS, far, tmp_path)) + 0.1


@needs_words
def test_embeddings_have_length_one_and_follow_the_order_of_the_names(tmp_path):
    names = ["lawn_mower", "bee", "pickup_truck"]
    forward, backward = embeddings(WORDS, names, tmp_path), embeddings(WORDS, names[::-1], tmp_path)
    assert forward.shape == (3, 256)
    assert forward.dtype == torch.float32
    assert torch.allclose(forward.norm(dim=1), torch.ones(3))
    assert torch.equal(forward, backward.flip(0))


@needs_words
def test_an_underscore_is_a_space(tmp_path):
    assert cosine(embeddings(WORDS, ["oak_tree", "oak tree"], tmp_path)) == pytest.approx(1)


@needs_words
def test_words_need_no_connection(tmp_path, monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(embeddings(WORDS, ["bee"], tmp_path)) == 1


@needs_words
def test_the_vectors_are_those_of_the_package_itself(tmp_path):
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer
    from wordllama import WordLlamaInference

    from cifar_sweep.models.text_embeddings import WORDS_TABLE, WORDS_TOKENIZER

    folder = Path(importlib.util.find_spec("wordllama").submodule_search_locations[0])
    table = load_file(folder / WORDS_TABLE)["embedding.weight"]
    theirs = WordLlamaInference(table, Tokenizer.from_file(str(folder / WORDS_TOKENIZER)))
    expected = theirs.embed(["oak tree", "aquarium fish", "x"], norm=True)
    assert np.allclose(embeddings(WORDS, ["oak_tree", "aquarium_fish", "x"], tmp_path), expected, atol=1e-6)


def test_a_file_is_matched_by_name_in_any_order(tmp_path):
    text = written(tmp_path, **rows(["horse", "unused", "oak tree"]))
    embedded = embeddings(text, ["oak_tree", "horse"], tmp_path)
    expected = torch.tensor([[7.0, 8, 9], [1, 2, 3]])
    assert torch.allclose(embedded, expected / expected.norm(dim=1, keepdim=True))


def test_a_class_that_the_file_lacks_is_named_with_the_nearest(tmp_path):
    text = written(tmp_path, **rows(["horse", "oak tree"]))
    with pytest.raises(ValueError, match=r"names\.npz has no embedding of the class 'hose'; the nearest are horse"):
        embeddings(text, ["oak_tree", "hose"], tmp_path)


@pytest.mark.parametrize(("arrays", "message"), [
    ({"names": ["a"], "embeddings": [[1.0, 2.0]]}, "model.head.text.dimensions is 3 but the embeddings have 2"),
    ({"names": ["a"], "embeddings": [[0.0, 0.0, 0.0]]}, "the embedding of class 'a' is all zeros or not finite"),
    ({"names": ["a"], "embeddings": [[np.nan, 1, 1]]}, "the embedding of class 'a' is all zeros or not finite"),
    ({"names": ["a", "b"], "embeddings": [[1.0, 2, 3]]}, r"must have N names .* names \(2,\) and embeddings \(1, 3\)"),
    ({"names": ["a"], "embeddings": [["x", "y", "z"]]}, "must have N names and embeddings"),
    ({"names": ["a"]}, "must be an .npz with the arrays names and embeddings"),
    ({"names": np.array(["a"], dtype=object), "embeddings": [[1.0, 2, 3]]}, "must be an .npz with the arrays"),
])  # fmt: skip
def test_an_invalid_file_is_refused_with_the_reason(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        embeddings(written(tmp_path, **arrays), ["a"], tmp_path)


def test_a_file_that_is_no_npz_is_refused(tmp_path):
    (tmp_path / "names.npz").write_text("no arrays")
    with pytest.raises(ValueError, match="with the arrays names and embeddings"):
        embeddings(TextHead(encoder="file", path="names.npz", dimensions=3), ["a"], tmp_path)


def test_an_absent_file_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match=r"no file .*names\.npz. Put an \.npz"):
        embeddings(TextHead(encoder="file", path="names.npz", dimensions=3), ["a"], tmp_path)


def test_classes_without_names_have_no_embeddings(tmp_path):
    with pytest.raises(ValueError, match="this data has no class names"):
        embeddings(TextHead(encoder="file", path="names.npz", dimensions=3), [], tmp_path)


def test_clip_without_package_or_weights_is_unavailable_and_says_what_to_fetch(tmp_path, monkeypatch):
    installed = importlib.util.find_spec("open_clip") is not None
    if installed:
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    message = "Fetch it once with 'hf download" if installed else "needs the extra clip: uv pip install"
    with pytest.raises(Unavailable, match=message):
        embeddings(TextHead(encoder="clip"), ["oak_tree"], tmp_path)


@needs_words
def test_a_text_head_learns_the_digits_by_their_names(tmp_path):
    digits = load_digits()
    pixels, labels = torch.from_numpy(digits.data / 8 - 1).float(), torch.from_numpy(digits.target).long()
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    torch.manual_seed(0)
    head = Classifier(Head(text=WORDS), in_features=64, classes=10)
    head.set_text(embeddings(WORDS, names, tmp_path))
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(30):
        loss = cross_entropy(head(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float((head(pixels).argmax(1) == labels).float().mean()) > 0.8
