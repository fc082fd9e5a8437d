"""Mutated files of tensors with JSON metadata: single bytes, and values anywhere in the header or in the metadata."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 200_000, 10**7, 2**31, 2**63, 10**30, 1e-320, 1e308, 0.5, [], {}, "", "x"),
    *("mlp", "curve", "srcnn", "histpyramid", "photofinish", "fcn", "forward", "\x1b]0;owned\x07", "x" * 100_000),
    *([1] * 100_000, ["forward"] * 100_000, {"forward": 1}, ["inverse", "forward"], [[[[[]]]]]),
)
_ODD_TEXTS = ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "[" * 100_000, '{"a":' * 5_000, '"\\ud800"', "")
_MARK = "the value to replace"


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header of a safetensors file and the data of its tensors."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def join(header: str, tensors: bytes) -> bytes:
    text = header.encode()
    return struct.pack("<Q", len(text)) + text + tensors


def with_metadata(data: bytes, key: str, text: str) -> bytes:
    """Return a file whose metadata under `key` is this text."""
    header, tensors = split(data)
    header["__metadata__"][key] = text
    return join(json.dumps(header), tensors)


def mutate(data: bytes, key: str, rng: random.Random) -> bytes:
    """Return a file with one to three mutations."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        try:
            data = rng.choice((_bytes, _header, _metadata, _metadata, _metadata, _weights))(data, key, rng)
        except (ValueError, KeyError, TypeError, RecursionError, struct.error):  # it was mutated beyond parsing
            data = _bytes(data, key, rng)
    return data


def _bytes(data: bytes, key: str, rng: random.Random) -> bytes:
    changed = bytearray(data or b"x")
    at = rng.randrange(rng.choice((8, min(len(changed), 2000), len(changed))) or 1) % len(changed)
    kind = rng.randrange(4)
    if kind == 0:
        changed[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del changed[at:]
    elif kind == 2:
        del changed[at : at + rng.randrange(1, 50)]
    else:
        changed[at : at + 8] = rng.randbytes(8)
    return bytes(changed)


def _header(data: bytes, key: str, rng: random.Random) -> bytes:
    header, tensors = split(data)
    return join(_with_odd_value(header, rng), tensors)


def _metadata(data: bytes, key: str, rng: random.Random) -> bytes:
    header, _ = split(data)
    return with_metadata(data, key, _with_odd_value(json.loads(header["__metadata__"][key]), rng))


def _weights(data: bytes, key: str, rng: random.Random) -> bytes:
    header, tensors = split(data)
    changed, at = bytearray(tensors), 4 * rng.randrange(max(1, len(tensors) // 4))
    changed[at : at + 4] = struct.pack("<f", rng.choice((float("nan"), float("inf"), -3e38, 1e-40, 1e20, 0.0)))
    return join(json.dumps(header), bytes(changed))


def _with_odd_value(tree: Any, rng: random.Random) -> str:
    """Return JSON in which one value, anywhere, is replaced, removed or given a name of its own."""
    places = list(_places(tree))
    parent, name = rng.choice(places)
    if rng.random() < 0.1:
        del parent[name]
        return json.dumps(tree)
    parent[name] = rng.choice((_MARK, _MARK, rng.choice(_ODD_VALUES), rng.choice(_ODD_VALUES), rng.choice(_ODD_VALUES)))
    if isinstance(parent, dict) and rng.random() < 0.05:
        parent["novelty"] = rng.choice(_ODD_VALUES)
    return json.dumps(tree).replace(json.dumps(_MARK), rng.choice(_ODD_TEXTS))


def _places(tree: Any) -> Any:
    for name in tree if isinstance(tree, dict) else range(len(tree)):
        yield tree, name
        if isinstance(tree[name], dict | list):
            yield from _places(tree[name])
