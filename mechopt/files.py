"""A result directory: its three files, written whole or not at all, and the digests that seal them."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Labelled

FILES = {"arrays": "arrays.npz", "certificate": "certificate.json"}
RESULT = "result.json"


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: what digests are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a document without its own digest."""
    body = {k: v for k, v in value.items() if k != "digest"}
    return hashlib.sha256(canonical(body)).hexdigest()


def require_free(folder: Path, force: bool) -> None:
    """Raise InputError when a result would be overwritten unasked, or the path is a file."""
    if folder.exists() and not folder.is_dir():
        raise fail("--output", "a directory", f"{folder}, which is a file")
    if (folder / RESULT).exists() and not force:
        raise fail("--output", "a directory without a result", f"{folder}, which holds one", "--force replaces it")


def read_json(path: Path, where: str) -> dict[str, Any]:
    """A JSON object from a file of a result directory. Raises InputError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise fail(where, f"a directory holding {path.name}", "none", "solve with --output first") from None
    except (OSError, ValueError) as error:
        raise fail(str(path), "readable JSON", str(error)) from None
    if not isinstance(data, dict):
        raise fail(str(path), "a JSON object", data)
    return data


def write(path: Path, content: bytes) -> None:
    """The whole file or nothing: a killed run leaves no half-written file behind."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def pack(arrays: Mapping[str, Labelled]) -> bytes:
    """Arrays and the coordinates of their axes as the bytes of an .npz file."""
    stored: dict[str, Any] = {}
    for name, labelled in arrays.items():
        stored[name] = labelled.values
        for coord, content in labelled.coords.items():
            dim, values = content if isinstance(content, tuple) else (coord, content)
            stored[f"coord:{coord}:{dim}"] = np.asarray(values)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **stored)
    return buffer.getvalue()


def unpack(path: Path | BinaryIO, described: Mapping[str, Any]) -> dict[str, Labelled]:
    """Labelled arrays from an .npz file and the description of their axes in result.json."""
    with np.load(path, allow_pickle=False) as stored:
        coords = {}
        for key in stored.files:
            if key.startswith("coord:"):
                _, name, dim = key.split(":")
                coords[name] = stored[key] if name == dim else (dim, stored[key])
        return {
            name: Labelled(stored[name], tuple(about["dims"]), {c: coords[c] for c in about["coords"]}, about["role"])
            for name, about in described.items()
        }
