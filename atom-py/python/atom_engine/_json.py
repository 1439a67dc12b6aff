"""Writes what goes to the engine as JSON text."""

from __future__ import annotations

import json
import os
from typing import Any

from .errors import InvalidRequestError


def encode(value: Any, operation: str) -> str:
    """The JSON text of a request; paths become text.

    Raises:
        InvalidRequestError: The value has no JSON form.
    """
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_path)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"the request has no JSON form: {error}", operation=operation) from error


def _path(value: object) -> str:
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
