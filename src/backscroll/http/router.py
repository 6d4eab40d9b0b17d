"""Routes as data; the router, the OpenAPI document and the reference page use the same table."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from backscroll.core.ids import clean_text
from backscroll.dialects.parameters import Param
from backscroll.http.messages import Reply, Request

_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")

MAX_REMEMBERED = 4096
"""Number of paths whose route is cached: clients request the same few again and again."""
MAX_REMEMBERED_LENGTH = 200
"""Maximum characters of a cached path."""

Dialect = Literal["periskope", "gowa", "backscroll"]


class Answer(Struct, frozen=True, kw_only=True):
    """The meaning of a status; ``schema`` is a JSON Schema, or the name of a component."""

    description: str
    schema: Mapping[str, Any] | str | None = None
    content_type: str = "application/json"
    example: Any = None


Handler = Callable[[Request], Awaitable[Reply]]


class Route(Struct, frozen=True, kw_only=True):
    """One method of one path. If two templates match, the one declared first is used."""

    method: str
    path: str
    dialect: Dialect
    summary: str
    handler: Handler
    params: tuple[Param, ...] = ()
    answers: Mapping[int, Answer] = {}
    errors: tuple[int, ...] = ()
    description: str = ""
    tag: str = ""
    scope: str | None = "read"
    """The scope that the token needs; None: no credential is required."""
    body: Literal["none", "bytes", "stream"] = "none"
    accepts: Answer | None = None
    """The request body, for the reader."""
    cached: bool = False
    """Whether the answer depends only on the archive, the access, the query and the ``vary`` headers."""
    vary: tuple[str, ...] = ()
    listed: bool = True
    """False keeps it out of the OpenAPI document (aliases)."""


class Match(Struct, frozen=True):
    route: Route
    params: dict[str, str]


class BadPath(Exception):
    """A path segment (of the parameter ``name``, if given) is not percent-encoded UTF-8."""

    def __init__(self, problem: str, name: str | None = None) -> None:
        super().__init__(f"invalid {name} path parameter: {problem}" if name else f"invalid path: {problem}")
        self.problem = problem


class _Template(Struct, frozen=True):
    route: Route
    literals: tuple[tuple[int, str], ...]
    names: tuple[tuple[int, str], ...]
    folds: bool


class Router:
    """Finds the route of a method and an undecoded path: fixed paths first, then templates in their order.

    GOWA's fixed segments match in upper and lower case. A trailing slash makes no difference.
    """

    def __init__(self, routes: Iterable[Route], gowa_base: str = "") -> None:
        self._fixed: dict[str, dict[str, Match]] = {}
        self._templates: dict[int, list[_Template]] = {}
        self._gowa_base = gowa_base.rstrip("/").lower()
        self._remembered: dict[tuple[str, str], Match] = {}
        for route in routes:
            self._add(route)

    def find(self, method: str, path: str) -> Match | None:
        """The route and its path parameters, HEAD as GET; raises BadPath."""
        wanted = "GET" if method == "HEAD" else method
        entry = self._fixed.get(path)
        if entry is not None and (hit := entry.get(wanted)):
            return hit
        match = self._remembered.get((wanted, path))
        if match is None and (match := self._search(wanted, path)) is not None:
            self._remember(wanted, path, match)
        return match

    def _remember(self, method: str, path: str, match: Match) -> None:
        if len(path) > MAX_REMEMBERED_LENGTH:
            return
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[(method, path)] = match

    def owner(self, path: str) -> Dialect:
        """The dialect in whose format an error at this path is sent."""
        if path == "/v1" or path.startswith("/v1/"):
            return "periskope"
        folded = path.lower()
        if folded == self._gowa_base or folded.startswith(self._gowa_base + "/"):
            return "gowa"
        return "backscroll"

    def allowed(self, path: str) -> tuple[str, ...]:
        """The methods that a path supports, including OPTIONS; empty if it is unknown."""
        methods = {method for method in ("GET", "POST", "PUT", "PATCH", "DELETE") if self.find(method, path)}
        if "GET" in methods:
            methods.add("HEAD")
        return tuple(sorted(methods | {"OPTIONS"})) if methods else ()

    def _search(self, method: str, path: str) -> Match | None:
        plain = path[:-1] if len(path) > 1 and path.endswith("/") else path
        for spelling in (plain, plain.lower()):
            entry = self._fixed.get(spelling)
            if entry and (hit := entry.get(method)) and (spelling == plain or hit.route.dialect == "gowa"):
                return hit
        segments, wrong = _decoded(plain)
        for template in self._templates.get(len(segments), ()):
            if template.route.method == method and _fits(template, segments):
                for at, name in template.names:
                    if at in wrong:
                        raise BadPath(wrong[at].problem, name)
                return Match(template.route, {name: segments[at] for at, name in template.names})
        for problem in wrong.values():
            raise problem
        return None

    def _add(self, route: Route) -> None:
        path = self._placed(route)
        if "{" not in path:
            spelling = path.lower() if route.dialect == "gowa" else path
            for key in {path, spelling}:
                self._fixed.setdefault(key, {}).setdefault(route.method, Match(route, {}))
            return
        parts = path.split("/")[1:]
        folds = route.dialect == "gowa"
        literals = tuple((i, p.lower() if folds else p) for i, p in enumerate(parts) if not p.startswith("{"))
        names = tuple((i, p[1:-1]) for i, p in enumerate(parts) if p.startswith("{"))
        self._templates.setdefault(len(parts), []).append(_Template(route, literals, names, folds))

    def _placed(self, route: Route) -> str:
        return self._gowa_base + route.path if route.dialect == "gowa" else route.path


def _fits(template: _Template, segments: list[str]) -> bool:
    if any(not segments[at] for at, _ in template.names):
        return False
    if template.folds:
        return all(segments[at].lower() == literal for at, literal in template.literals)
    return all(segments[at] == literal for at, literal in template.literals)


def _decoded(path: str) -> tuple[list[str], dict[int, BadPath]]:
    """The decoded segments of a path, and the problems with those that cannot be decoded."""
    segments = path.split("/")[1:]
    wrong: dict[int, BadPath] = {}
    for at, segment in enumerate(segments):
        try:
            segments[at] = decode_segment(segment)
        except BadPath as problem:
            wrong[at] = problem
    return segments, wrong


def decode_segment(segment: str) -> str:
    """One path segment, percent-decoded once; ``%2F`` becomes a slash inside the segment."""
    if stray := _STRAY_PERCENT.search(segment):
        raise BadPath(f'invalid URL escape "{segment[stray.start() : stray.start() + 3]}"')
    try:
        return clean_text(unquote_to_bytes(segment.encode("latin-1")).decode("utf-8"))[0]
    except UnicodeDecodeError:
        raise BadPath("the path is not UTF-8") from None
