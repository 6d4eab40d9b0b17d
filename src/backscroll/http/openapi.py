"""The OpenAPI 3.1 document and the reference page, both generated from the table of routes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from importlib.metadata import version
from itertools import groupby
from typing import Any

import msgspec

from backscroll.dialects.parameters import Param
from backscroll.http.router import Answer, Route
from backscroll.http.schemas import components

REASONS = {
    400: "The request cannot be understood",
    401: "No valid credential, or a phone outside its scope",
    403: "The credential may not do this",
    404: "Not found",
    410: "The position no longer exists; start again",
    405: "This address supports other methods",
    408: "The body did not arrive in time",
    409: "The current state does not allow this; the message says why",
    413: "The body is too large",
    415: "The content type is not accepted at this address",
    422: "A value is invalid",
    429: "Too many requests; retry after `Retry-After` seconds",
    501: "Needs WhatsApp itself, or something that is not installed",
    502: "The gateway did not answer",
    504: "The gateway did not answer in time",
    503: "The archive is busy; try again",
    507: "The disk is full",
}
ABOUT = (
    "A self-hosted archive of WhatsApp messages. It serves Periskope's read routes below `/v1` and those of GOWA "
    "(go-whatsapp-web-multidevice) beside them. Every answer carries an ETag; repeat a request with `If-None-Match` "
    "and an unchanged one costs nothing."
)


def document(routes: Iterable[Route], server: str, gowa_base: str = "") -> bytes:
    """The OpenAPI document, as JSON, for a server at the address ``server``."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.listed:
            paths.setdefault(placed(route, gowa_base), {})[route.method.lower()] = operation(route)
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Backscroll", "version": version("backscroll"), "description": ABOUT},
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": components(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token's secret."},
                "basic": {"type": "http", "scheme": "basic", "description": "A token's id and its secret."},
            },
        },
    }
    return msgspec.json.encode(whole)


def placed(route: Route, gowa_base: str) -> str:
    return gowa_base + route.path if route.dialect == "gowa" else route.path


def operation(route: Route) -> dict[str, Any]:
    """A route as an OpenAPI operation object, including its error answers."""
    errors = {code: Answer(description=REASONS[code], schema=f"{route.dialect}.Error") for code in route.errors}
    responses = {str(code): _answer(answer) for code, answer in sorted({**errors, **route.answers}.items())}
    result: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [route.tag or route.dialect],
        "responses": responses,
        "security": [{"bearer": []}, {"basic": []}] if route.scope else [],
    }
    if route.description:
        result["description"] = route.description
    if route.params:
        result["parameters"] = [_parameter(param) for param in route.params]
    if route.accepts:
        result["requestBody"] = {"required": True, "content": _content(route.accepts)}
    return result


def operation_id(route: Route) -> str:
    """A unique name: the method and the words of the path, as in ``get_v1_chats_by_chat_id``."""
    words = route.path.replace("{", "by_").replace("}", "").replace("-", "_").replace(".", "_")
    return "_".join([route.method.lower(), *(word for word in words.split("/") if word)])


def _answer(answer: Answer) -> dict[str, Any]:
    content = {"content": _content(answer)} if answer.schema is not None or answer.content_type[:4] == "text" else {}
    return {"description": answer.description, **content}


def _content(answer: Answer) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if answer.schema is not None:
        name = answer.schema
        body["schema"] = {"$ref": f"#/components/schemas/{name}"} if isinstance(name, str) else dict(name)
    if answer.example is not None:
        body["example"] = answer.example
    return {answer.content_type: body}


def _parameter(param: Param) -> dict[str, Any]:
    bounds = {
        "default": param.default,
        "minimum": param.minimum,
        "maximum": param.maximum,
        "enum": list(param.choices) or None,
    }
    result: dict[str, Any] = {
        "name": param.name,
        "in": param.where,
        "required": param.required,
        "schema": {"type": param.type, **{key: value for key, value in bounds.items() if value is not None}},
    }
    if param.description:
        result["description"] = param.description
    if param.example is not None:
        result["example"] = param.example
    return result


STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; --accent: #0a6b4f }
@media (prefers-color-scheme: dark) { :root { --accent: #6fd3b0 } }
* { box-sizing: border-box }
body { font: 1rem/1.6 system-ui, sans-serif; margin: 0 auto; max-width: 52rem; padding: 1rem 1rem 4rem }
h1 { line-height: 1.2 } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) } h3 { margin: 2rem 0 .25rem }
a { color: var(--accent) }
a:focus-visible, summary:focus-visible, pre:focus-visible { outline: 3px solid var(--accent) }
code, pre { font: .9em/1.5 ui-monospace, monospace } h3 code { overflow-wrap: anywhere }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; border-radius: .4rem }
dt { font-weight: 600; margin-top: .6rem } dd { margin: 0 0 0 1rem }
.skip { position: absolute; left: -100vw } .skip:focus { position: static }
.method { color: var(--accent); font-weight: 700 } .note { opacity: .8 }
summary { cursor: pointer; padding: .4rem 0 }
"""
STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
PAGE_POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; img-src data:"


def page(title: str, main: str) -> str:
    """A complete HTML page without external resources."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n</head>\n<body>\n'
        f'<a class="skip" href="#main">Skip to the content</a>\n<main id="main" tabindex="-1">\n{main}\n</main>\n'
        "</body>\n</html>\n"
    )


def reference(routes: Iterable[Route], server: str, gowa_base: str = "") -> bytes:
    """The reference page: every route, its parameters and a request to copy."""
    listed = [route for route in routes if route.listed]
    tags = list(dict.fromkeys(route.tag or route.dialect for route in listed))
    order = sorted(listed, key=lambda route: tags.index(route.tag or route.dialect))
    sections = {tag: list(group) for tag, group in groupby(order, key=lambda route: route.tag or route.dialect)}
    contents = "".join(f'<li><a href="#{_anchor(tag)}">{escape(_title(tag))}</a></li>\n' for tag in sections)
    body = "\n".join(_section(tag, group, server, gowa_base) for tag, group in sections.items())
    about = escape(ABOUT).replace("`/v1`", "<code>/v1</code>").replace("`If-None-Match`", "<code>If-None-Match</code>")
    return page(
        "Backscroll: reference",
        f"<h1>Backscroll: reference</h1>\n<p>{about}</p>\n"
        "<p>Send <code>Authorization: Bearer &lt;secret&gt;</code>, or Basic with a token’s id and secret. "
        'The same as data: <a href="openapi.json">OpenAPI document</a>.</p>\n'
        f'<nav aria-label="Sections"><ul>\n{contents}</ul></nav>\n{body}',
    ).encode()


def _title(tag: str) -> str:
    names = {"periskope": "Periskope", "gowa": "GOWA", "backscroll": "This server"}
    dialect, _, rest = tag.partition(":")
    return names.get(dialect, dialect) + (f":{rest}" if rest else "")


def _anchor(tag: str) -> str:
    return tag.replace(":", "").replace(" ", "-").lower()


def _section(tag: str, routes: list[Route], server: str, gowa_base: str) -> str:
    head = f'<h2 id="{_anchor(tag)}">{escape(_title(tag))}</h2>'
    if ":" not in tag:
        return head + "\n" + "\n".join(_entry(route, server, gowa_base) for route in routes)
    rows = "".join(f"<li>{_name(route, gowa_base)} – {escape(route.summary)}</li>\n" for route in routes)
    return f"{head}\n<details><summary>{len(routes)} routes</summary>\n<ul>\n{rows}</ul></details>"


def _name(route: Route, gowa_base: str) -> str:
    return f'<code><span class="method">{route.method}</span> {escape(placed(route, gowa_base))}</code>'


def _entry(route: Route, server: str, gowa_base: str) -> str:
    """A route with a request to copy, except for signed requests from gateways, which cannot be sent by hand."""
    given = "".join(_described(param) for param in route.params)
    parameters = f"<dl>\n{given}</dl>" if given else ""
    note = f'<p class="note">{escape(route.description)}</p>' if route.description else ""
    anchor = operation_id(route)
    example = "" if route.tag == "ingest" else escape(_example(route, server, gowa_base))
    request = f'<pre tabindex="0" aria-label="Request">{example}</pre>\n' if example else ""
    return (
        f'<section aria-labelledby="{anchor}">\n<h3 id="{anchor}">{escape(route.summary)}<br>{_name(route, gowa_base)}'
        f"</h3>\n{note}\n{parameters}\n{request}</section>"
    )


def _described(param: Param) -> str:
    facts: list[str] = [param.where, param.type]
    if param.required:
        facts.append("required")
    if param.default is not None:
        facts.append(f"default {str(param.default).lower()}")
    if param.maximum is not None:
        facts.append(f"at most {param.maximum}")
    if param.choices:
        facts.append("one of " + ", ".join(param.choices))
    return (
        f'<dt><code>{escape(param.name)}</code> <span class="note">{escape(", ".join(facts))}</span></dt>\n'
        f"<dd>{escape(param.description)}</dd>\n"
    )


def _example(route: Route, server: str, gowa_base: str) -> str:
    path = placed(route, gowa_base)
    for param in route.params:
        if param.where == "path":
            path = path.replace(f"{{{param.name}}}", str(param.example or f"<{param.name}>"))
    query = "&".join(
        f"{param.name}={param.example or param.default}"
        for param in route.params
        if param.where == "query" and (param.required or param.name == "limit")
    )
    line = f"curl '{server}{path}{'?' + query if query else ''}'"
    if route.scope:
        line += ' -u "$ID:$SECRET"' if route.dialect == "gowa" else ' -H "Authorization: Bearer $SECRET"'
    # GOWA's routes need a device if a token gives access to several; other optional parameters are left out of the
    # example.
    headers = [p for p in route.params if p.where == "header" and (p.required or route.dialect == "gowa")]
    return line + "".join(f" -H '{param.name}: {param.example}'" for param in headers)
