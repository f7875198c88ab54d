"""Embeddings of class names, which a text head compares images with; nothing is ever downloaded here."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from cifar_sweep.models.recipes import TextHead
from sweeps.workload import Unavailable

KEY = "model.head.text"
WORDS_TOKENIZER, WORDS_TABLE = "tokenizers/l2_supercat_tokenizer_config.json", "weights/l2_supercat_256.safetensors"
CLIP_MODEL = "ViT-B-32-quickgelu"
CLIP_REPOSITORY, CLIP_FILE = "timm/vit_base_patch32_clip_224.openai", "open_clip_model.safetensors"
# What stands around a name in CLIP; the mean over several is more accurate than one (arXiv:2103.00020, 3.1.4).
PROMPTS = (
    "a photo of a {}.",
    "a blurry photo of a {}.",
    "a close-up photo of a {}.",
    "a low resolution photo of a {}.",
)


def embeddings(text: TextHead, class_names: Sequence[str], data_dir: Path) -> Tensor:
    """The embeddings of `class_names`, (classes, E) float32, each of length 1, in the order of the names.

    Underscores in names stand for spaces. Raises Unavailable when the encoder is not installed or its weights or file
    are not here; ValueError when there are no names, a name has no embedding, or the embeddings have other dimensions.
    """
    if not class_names:
        raise ValueError(f"{KEY} compares images with the names of their classes, but this data has no class names")
    found = ENCODERS[text.encoder](text, class_names, data_dir)
    if found.shape[1] != text.width:
        raise ValueError(f"{KEY}.dimensions is {text.width} but the embeddings have {found.shape[1]}")
    lengths = found.norm(dim=1)
    empty = [name for name, length in zip(class_names, lengths.tolist(), strict=True) if not 0 < length < float("inf")]
    if empty:
        raise ValueError(f"{KEY}: class {empty[0]!r} has an embedding of zeros or no numbers")
    return normalize(found, dim=1)


def _words(text: TextHead, class_names: Sequence[str], data_dir: Path) -> Tensor:
    """The mean of the vectors of a name's word pieces (WordLlama: token embeddings of large language models, reduced).

    The package's two files are read without importing it: its import sets up logging for the whole process, and its
    own loader would download what it does not find.
    """
    folder = _package("wordllama", "words", extra="text")
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    table = load_file(folder / WORDS_TABLE)["embedding.weight"]
    tokenizer = Tokenizer.from_file(str(folder / WORDS_TOKENIZER))
    pieces = [tokenizer.encode(_spaced(name), add_special_tokens=False).ids for name in class_names]
    means = [table[ids].astype(np.float32).mean(axis=0) if ids else np.zeros(table.shape[1]) for ids in pieces]
    return torch.from_numpy(np.stack(means)).float()


@torch.no_grad()
def _clip(text: TextHead, class_names: Sequence[str], data_dir: Path) -> Tensor:
    """The mean, over a few prompts, of what CLIP's text encoder makes of the name (arXiv:2103.00020)."""
    _package("open_clip", "clip", extra="clip")
    import open_clip

    model = open_clip.create_model(CLIP_MODEL, pretrained=str(_clip_weights())).eval()
    tokens = open_clip.get_tokenizer(CLIP_MODEL)([p.format(_spaced(name)) for name in class_names for p in PROMPTS])
    encoded = normalize(model.encode_text(tokens).float(), dim=1)
    return encoded.view(len(class_names), len(PROMPTS), -1).mean(dim=1)


def _clip_weights() -> Path:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    cached = try_to_load_from_cache(CLIP_REPOSITORY, CLIP_FILE)
    if not isinstance(cached, str):
        raise Unavailable(
            f"{KEY}.encoder is clip, but {CLIP_FILE} of {CLIP_REPOSITORY} is not in {HF_HUB_CACHE}. Fetch it once with "
            f"'hf download {CLIP_REPOSITORY} {CLIP_FILE}' and copy that folder here, or set HF_HUB_CACHE to where it "
            "is; without it there are the encoders words and file"
        )
    return Path(cached)


def _file(text: TextHead, class_names: Sequence[str], data_dir: Path) -> Tensor:
    """The rows of `embeddings` (N, E) whose `names` (N,) are those of the classes, in any order."""
    path = data_dir / str(text.path)
    if not path.is_file():
        raise Unavailable(f"{KEY}.path: no file {path}. Put an .npz with the arrays names and embeddings there")
    names, rows = _read_pairs(path)
    found = dict(zip(names, rows, strict=True))
    for name in map(_spaced, class_names):
        if name not in found:
            near = difflib.get_close_matches(name, names, n=3)
            hint = f"; the nearest are {', '.join(near)}" if near else ""
            raise ValueError(f"{KEY}.path: {path} has no embedding of the class {name!r}{hint}")
    return torch.from_numpy(np.stack([found[_spaced(name)] for name in class_names])).float()


def _read_pairs(path: Path) -> tuple[list[str], np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names, rows = arrays["names"], arrays["embeddings"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{KEY}.path: {path} must be an .npz with the arrays names and embeddings: {error}") from error
    if names.ndim != 1 or rows.ndim != 2 or len(names) != len(rows) or not np.issubdtype(rows.dtype, np.number):
        raise ValueError(
            f"{KEY}.path: {path} must have N names and embeddings of N x {KEY}.dimensions numbers, "
            f"but has names {names.shape} and embeddings {rows.shape} {rows.dtype}"
        )
    return [_spaced(str(name)) for name in names], rows


def _package(name: str, encoder: str, extra: str) -> Path:
    """The folder of an installed package, which is not imported. Raises Unavailable."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise Unavailable(
            f"{KEY}.encoder is {encoder}, which needs the extra {extra}: uv pip install 'cifar-sweep[{extra}]'"
        )
    return Path(found.submodule_search_locations[0])


def _spaced(name: str) -> str:
    return name.replace("_", " ")


ENCODERS: Mapping[str, Callable[[TextHead, Sequence[str], Path], Tensor]] = {
    "words": _words,
    "clip": _clip,
    "file": _file,
}
