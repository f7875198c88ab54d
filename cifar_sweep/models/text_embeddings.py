"""Embeddings of class names, with which a text head compares images. Nothing is downloaded here."""

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
from cifar_sweep.schema import below
from sweeps.workload import Unavailable

KEY = "model.head.text"
WORDS_TOKENIZER, WORDS_TABLE = "tokenizers/l2_supercat_tokenizer_config.json", "weights/l2_supercat_256.safetensors"
CLIP_MODEL = "ViT-B-32-quickgelu"
CLIP_REPOSITORY, CLIP_FILE = "timm/vit_base_patch32_clip_224.openai", "open_clip_model.safetensors"
# The sentences around a name in CLIP; the mean over several is more accurate than one (arXiv:2103.00020, 3.1.4).
PROMPTS = (
    "a photo of a {}.",
    "a blurry photo of a {}.",
    "a close-up photo of a {}.",
    "a low resolution photo of a {}.",
)


def embeddings(text: TextHead, class_names: Sequence[str], data_dir: Path) -> Tensor:
    """Return the embeddings of class names.

    Args:
        text: The encoder and its settings.
        class_names: The names in the order of the labels; underscores in them stand for spaces.
        data_dir: The data folder, for the file of the encoder `file`.

    Returns:
        (classes, dimensions) float32, each row of length 1.

    Raises:
        Unavailable: The encoder is not installed, or its weights or file are not on this machine.
        ValueError: There are no names, a name has no embedding, or the embeddings have another number of dimensions.
    """
    if not class_names:
        raise ValueError(f"{KEY} compares images with the names of their classes, but this data has no class names")
    rows = ENCODERS[text.encoder](text, class_names, data_dir)
    if rows.shape[1] != text.width:
        raise ValueError(f"{KEY}.dimensions is {text.width} but the embeddings have {rows.shape[1]}")
    lengths = rows.norm(dim=1)
    unusable = [
        name for name, length in zip(class_names, lengths.tolist(), strict=True) if not 0 < length < float("inf")
    ]
    if unusable:
        raise ValueError(f"{KEY}: the embedding of class {unusable[0]!r} is all zeros or not finite")
    return normalize(rows, dim=1)


def _embed_by_words(text: TextHead, class_names: Sequence[str], data_dir: Path) -> Tensor:
    """Return the mean of the vectors of each name's word pieces.

    The vectors are WordLlama's (token embeddings of large language models, reduced to 256 dimensions). The package's
    two files are read without importing it: its import sets up logging for the whole process, and its own loader
    downloads what it does not find.
    """
    folder = _package_folder("wordllama", "words", extra="text")
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    table = load_file(folder / WORDS_TABLE)["embedding.weight"]
    tokenizer = Tokenizer.from_file(str(folder / WORDS_TOKENIZER))
    pieces = [tokenizer.encode(_with_spaces(name), add_special_tokens=False).ids for name in class_names]
    means = [table[ids].astype(np.float32).mean(axis=0) if ids else np.zeros(table.shape[1]) for ids in pieces]
    return torch.from_numpy(np.stack(means)).float()


@torch.no_grad()
def _embed_by_clip(text: TextHead, class_names: Sequence[str], data_dir: Path) -> Tensor:
    """Return the mean of CLIP's text embeddings of each name over several prompts (arXiv:2103.00020)."""
    _package_folder("open_clip", "clip", extra="clip")
    import open_clip

    model = open_clip.create_model(CLIP_MODEL, pretrained=str(_clip_weights())).eval()
    prompts = [p.format(_with_spaces(name)) for name in class_names for p in PROMPTS]
    tokens = open_clip.get_tokenizer(CLIP_MODEL)(prompts)
    encoded = normalize(model.encode_text(tokens).float(), dim=1)
    return encoded.view(len(class_names), len(PROMPTS), -1).mean(dim=1)


def _clip_weights() -> Path:
    """Return the file of CLIP's weights in the cache of Hugging Face. Raises Unavailable when it is not there."""
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


def _embed_by_file(text: TextHead, class_names: Sequence[str], data_dir: Path) -> Tensor:
    """Return the rows of the file's `embeddings` (N, dimensions) whose `names` (N,), in any order, are those given."""
    path = below(data_dir, str(text.path))
    if not path.is_file():
        raise Unavailable(f"{KEY}.path: no file {path}. Put an .npz with the arrays names and embeddings there")
    names, rows = _read_names_and_rows(path)
    row_of = dict(zip(names, rows, strict=True))
    for name in map(_with_spaces, class_names):
        if name not in row_of:
            near = difflib.get_close_matches(name, names, n=3)
            hint = f"; the nearest are {', '.join(near)}" if near else ""
            raise ValueError(f"{KEY}.path: {path} has no embedding of the class {name!r}{hint}")
    return torch.from_numpy(np.stack([row_of[_with_spaces(name)] for name in class_names])).float()


def _read_names_and_rows(path: Path) -> tuple[list[str], np.ndarray]:
    """Return the names (N,) and embeddings (N, dimensions) in an .npz file. Raises ValueError where it lacks them."""
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
    return [_with_spaces(str(name)) for name in names], rows


def _package_folder(name: str, encoder: str, extra: str) -> Path:
    """Return the folder of an installed package without importing it. Raises Unavailable when it is not installed."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(
            f"{KEY}.encoder is {encoder}, which needs the extra {extra}: uv pip install 'cifar-sweep[{extra}]'"
        )
    return Path(spec.submodule_search_locations[0])


def _with_spaces(name: str) -> str:
    """Return a class name with spaces in place of underscores."""
    return name.replace("_", " ")


ENCODERS: Mapping[str, Callable[[TextHead, Sequence[str], Path], Tensor]] = {
    "words": _embed_by_words,
    "clip": _embed_by_clip,
    "file": _embed_by_file,
}
