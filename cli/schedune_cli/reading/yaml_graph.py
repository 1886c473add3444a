"""YAML as Kubernetes reads it: times stay text, a key occurs once, aliases do not explode.

PyYAML's node graph is kept beside the value: it knows on which line a field stands.
"""

import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Final

import yaml
from yaml.constructor import SafeConstructor

from schedune_cli.problems import Place, Problem, shorten

DEEPEST: Final = 64
MOST_VALUES: Final = 2_000_000
"""Counted with every alias written out."""
_TIME_TAG: Final = "tag:yaml.org,2002:timestamp"
_INT_TAG: Final = "tag:yaml.org,2002:int"
_FLOAT_TAG: Final = "tag:yaml.org,2002:float"
_MERGE_TAG: Final = "tag:yaml.org,2002:merge"
_KNOWN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")
)
_WHOLE: Final = re.compile(r"[-+]?(?:0b[01]+|0x[0-9a-fA-F]+|0|[1-9][0-9]*|0[0-7]+)$")
_FRACTION: Final = re.compile(
    r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"
)


class _Loader(yaml.CSafeLoader):
    """The fast parser, without the words that YAML 1.1 takes for times and base-60 numbers."""


_Loader.yaml_implicit_resolvers = {
    first: [one for one in rules if one[0] not in (_TIME_TAG, _INT_TAG, _FLOAT_TAG)]
    for first, rules in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_FLOAT_TAG, _FRACTION, list("-+0123456789."))
_Loader.add_implicit_resolver(_INT_TAG, _WHOLE, list("-+0123456789"))


class UnusableYAMLError(Exception):
    """A document that is no YAML, or more than we take; with the line within it, from 0."""

    def __init__(self, line: int, message: str, remedy: str) -> None:
        super().__init__(message)
        self.line, self.message, self.remedy = line, message, remedy


def compose(text: str) -> yaml.Node | None:
    """Return the node graph of one document; None: it holds nothing.

    Raises:
        UnusableYAMLError: it is no YAML, too deep, or its aliases stand for too much.
    """
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = text.rstrip().count("\n")  # what ends too early is missed after the end
        line = min(mark.line, last) if mark else 0
        raise UnusableYAMLError(line, _told(error), _remedy(text)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position)
        told = f"is no YAML: the character {error.character!r} is not allowed"
        raise UnusableYAMLError(line, told, "remove the character") from error
    if node is not None:
        _measure(node, 0, {})
    return node


def _told(error: yaml.MarkedYAMLError) -> str:
    context = f"{error.context}, " if error.context else ""
    return f"is no YAML: {context}{error.problem or 'it ends too early'}"


def _remedy(text: str) -> str:
    if "{{" in text:
        return "render the template first: helm template . | schedune explain -f -"
    return "correct the YAML"


def _measure(node: yaml.Node, depth: int, known: dict[int, int]) -> int:
    """Count the values below a node; an alias that holds itself is too deep."""
    if depth > DEEPEST:
        told = f"is nested more than {DEEPEST} deep, or holds itself"
        raise UnusableYAMLError(node.start_mark.line, told, "write it flatter")
    held = known.get(id(node))
    if held is None:
        held = 1 + sum(_measure(child, depth + 1, known) for child in _children(node))
        known[id(node)] = held
    if held > MOST_VALUES:
        told = f"stands for more than {MOST_VALUES} values, aliases written out"
        raise UnusableYAMLError(node.start_mark.line, told, "use fewer aliases, or several files")
    return held


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


class _Constructor(SafeConstructor):
    """Makes values, and notes what Kubernetes would refuse instead of raising at the first."""

    def __init__(self, file: str, first_line: int) -> None:
        super().__init__()
        self.problems: list[Problem] = []
        self._file, self._first = file, first_line

    def complain(self, node: yaml.Node, value: str, message: str, remedy: str) -> None:
        place = Place(self._file, self._first + node.start_mark.line)
        self.problems.append(Problem(place, "", value, message, remedy))

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's signature
    ) -> dict[Hashable, Any]:
        """Refuse keys that are no text, and keys that occur twice."""
        seen: set[str] = set()
        kept = []
        for key, value in node.value:
            if key.tag == _MERGE_TAG:
                kept.append((key, value))
            elif not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                told = shorten(getattr(key, "value", "a collection"))
                self.complain(key, told, "a key must be text", "put it in quotes")
            elif key.value in seen:
                told = f"the key '{shorten(key.value)}' occurs twice"
                self.complain(key, "", told, "keep one of the two")
            else:
                seen.add(key.value)
                kept.append((key, value))
        clean = yaml.MappingNode(node.tag, kept, node.start_mark, node.end_mark)
        return super().construct_mapping(clean, deep=deep)

    def construct_object(
        self,
        node: yaml.Node,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's signature
    ) -> Any:
        """Refuse tags of programs; a number that is too long is refused too."""
        if node.tag not in _KNOWN_TAGS:
            self.complain(node, node.tag, "a tag of its own is not allowed", "remove the tag")
            return None
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:
            told = shorten(getattr(node, "value", ""))
            self.complain(node, told, f"cannot be read: {shorten(error)}", "correct the value")
            return None


def construct(node: yaml.Node, file: str, first_line: int) -> tuple[Any, list[Problem]]:
    """Return the value of a node graph, and everything in it that is refused."""
    maker = _Constructor(file, first_line)
    try:
        value = maker.construct_document(node)
    except yaml.MarkedYAMLError as error:
        maker.complain(node, "", _told(error), "correct the YAML")
        value = None
    return value, maker.problems


def scalar(node: yaml.Node | None, *path: str) -> str:
    """Return the text at a path; "" where there is none."""
    for name in path:
        node = child(node, name)
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    """Return the value of a key, or the element of a number."""
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == name), None)
    if isinstance(node, yaml.SequenceNode) and name.isdigit() and int(name) < len(node.value):
        found: yaml.Node = node.value[int(name)]
        return found
    return None


def line_of(node: yaml.Node, path: Sequence[str]) -> tuple[int, bool]:
    """Return the line, from 0, of the deepest part of a path that is there; and if all of it is.

    Keys may hold dots: as many parts as fit are taken for one key.
    """
    line, rest, here = int(node.start_mark.line), list(path), node
    while rest:
        step = _step(here, rest)
        if step is None:
            return line, False
        line, here, taken = step
        rest = rest[taken:]
    return line, True


def _step(node: yaml.Node, path: Sequence[str]) -> tuple[int, yaml.Node, int] | None:
    for taken in range(len(path), 0, -1):
        name = ".".join(path[:taken])
        found = child(node, name)
        if found is not None:
            return _key_line(node, name, found), found, taken
    return None


def _key_line(parent: yaml.Node, name: str, value: yaml.Node) -> int:
    """Return where the key stands: its value may begin on the next line, or be an alias."""
    if isinstance(parent, yaml.MappingNode):
        return int(next(key.start_mark.line for key, _ in parent.value if key.value == name))
    return int(value.start_mark.line)
