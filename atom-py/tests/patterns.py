"""Values and patterns of the conformance cases; `tests/conformance/README.md` defines them."""

from __future__ import annotations

import json
import re
from typing import Any

from support import ROOT

Names = dict[str, Any]

_ABSENT = object()
_REFERENCE = re.compile(r"\{\{([a-z_]+)\}\}")
_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def expand(value: Any, names: Names) -> Any:
    """The value with everything put in place."""
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        return names[whole[1]] if whole else _REFERENCE.sub(lambda found: _text(names[found[1]]), value)
    if isinstance(value, list):
        return [expand(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    if "$lines" in value:
        return "".join(_text(expand(line, names)) + "\n" for line in value["$lines"])
    if "$repeat" in value:
        return _text(expand(value["$repeat"], names)) * value["$times"]
    if "$nest" in value:
        nested: Any = None
        for _ in range(value["$nest"]):
            nested = [nested]
        return nested
    if "$file" in value:
        return (ROOT / value["$file"]).read_text(encoding="utf-8")
    return {key: expand(item, names) for key, item in value.items()}


def check(pattern: Any, value: Any, names: Names, path: str) -> None:
    """Compares a value with an expanded pattern.

    Raises:
        AssertionError: Where they differ, and how.
    """
    if isinstance(pattern, dict) and any(key.startswith("$") for key in pattern):
        [(matcher, argument)] = pattern.items()
        _apply(matcher, argument, value, names, path)
    elif isinstance(pattern, dict) and isinstance(value, dict):
        for key, inner in pattern.items():
            check(inner, value.get(key, _ABSENT), names, f"{path}/{key}")
    elif isinstance(pattern, list) and isinstance(value, list):
        assert len(pattern) == len(value), f"{path} has {len(value)} elements: {_shown(value)}"
        for index, (inner, item) in enumerate(zip(pattern, value)):
            check(inner, item, names, f"{path}/{index}")
    else:
        assert _is_equal(pattern, value), f"{path} is not {_shown(pattern)}: {_shown(value)}"


def _apply(matcher: str, argument: Any, value: Any, names: Names, path: str) -> None:
    if matcher == "$absent":
        assert value is _ABSENT, f"{path} is there: {_shown(value)}"
        return
    assert value is not _ABSENT, f"{path} is absent"
    if matcher == "$save":
        names[argument] = value
        return
    if matcher == "$all":
        for pattern in argument:
            check(pattern, value, names, path)
        return
    if matcher == "$any":
        holds = True
    elif matcher == "$type":
        holds = isinstance(value, _TYPES[argument]) and (argument != "number" or not isinstance(value, bool))
    elif matcher == "$regex":
        holds = isinstance(value, str) and re.search(argument, value) is not None
    elif matcher == "$length":
        holds = isinstance(value, list) and len(value) == argument
    elif matcher == "$contains" and isinstance(value, list):
        holds = any(_matches(argument, item, names, path) for item in value)
    elif matcher == "$contains":
        holds = isinstance(value, str) and argument in value
    elif matcher == "$lacks":
        holds = argument not in json.dumps(value, ensure_ascii=False)
    elif matcher == "$exact":
        holds = _is_equal(argument, value)
    else:
        raise ValueError(f"there is no matcher {matcher}")
    assert holds, f"{path} does not match {matcher} {_shown(argument)}: {_shown(value)}"


def _matches(pattern: Any, value: Any, names: Names, path: str) -> bool:
    try:
        check(pattern, value, names, path)
    except AssertionError:
        return False
    return True


def _is_equal(left: Any, right: Any) -> bool:
    """Equal as JSON: `1` and `1.0` are, `1` and `true` are not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_is_equal(left[key], right[key]) for key in left)
    return bool(left == right)


def _text(value: Any) -> str:
    assert isinstance(value, str), f"not a text: {value!r}"
    return value


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else repr(value)[:2_000]
