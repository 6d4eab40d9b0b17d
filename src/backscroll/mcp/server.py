"""The server of the Model Context Protocol, made with its official SDK. Importing this takes a second and 40 MB.

The caller is determined for each request: over HTTP from the request's credential; over stdio there is only one.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, TypeVar

import mcp_types as types
import msgspec
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from msgspec import Struct

from backscroll.core.errors import Error, NotFound, story_of
from backscroll.dialects.mcp.objects import MEDIA_TEMPLATE
from backscroll.dialects.mcp.tools import INSTRUCTIONS, TOOLS, UNTRUSTED, Tool
from backscroll.mcp.answers import Answers, TooLarge

log = logging.getLogger("backscroll.mcp")
# The library reports every request as "info".
logging.getLogger("mcp").setLevel(logging.WARNING)

T = TypeVar("T")
Context = ServerRequestContext[Any, Any]

Run = Callable[[Callable[[], Any]], Awaitable[Any]]

NOT_FOUND = -32002
"""The protocol's code for a missing resource."""


class Failed(Error):
    """An unexpected error; the log has the details."""

    def __init__(self) -> None:
        super().__init__("the archive could not answer this; see its log")


class Caller(Struct):
    """Who answers a request, and where its work is run."""

    answers: Callable[[], Answers]
    """Raises the archive's own errors, for example when the credential is no longer valid."""
    run: Run


def make_server(caller_of: Callable[[Context], Caller]) -> Server[Any]:
    """A server whose requests are answered by the ``Caller`` that ``caller_of`` returns."""

    async def list_tools(_: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_tool(tool) for tool in TOOLS])

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            told = await _done(caller_of(context), lambda answers: answers.call(params.name, params.arguments or {}))
        except Error as error:
            return types.CallToolResult(content=[types.TextContent(text=str(error))], is_error=True)
        text = msgspec.json.encode(told).decode()
        return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=told)

    async def list_resources(
        context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        cursor = params.cursor if params is not None else None
        rows, following = await _asked(caller_of(context), lambda answers: answers.files(cursor))
        return types.ListResourcesResult(resources=[_resource(row) for row in rows], next_cursor=following)

    async def list_templates(
        _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(
            name="media",
            title="The file of a message",
            uri_template=MEDIA_TEMPLATE,
            description=f"`key` is the message's key, percent-encoded. {UNTRUSTED}",
        )
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        found = await _asked(caller_of(context), lambda answers: answers.file(uri))
        blob = base64.b64encode(found.data).decode()
        contents = types.BlobResourceContents(uri=uri, mime_type=found.mimetype, blob=blob)
        return types.ReadResourceResult(contents=[contents])

    return Server(
        "backscroll",
        version=version("backscroll"),
        title="Backscroll",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )


async def _done(caller: Caller, work: Callable[[Answers], T]) -> T:
    try:
        result: T = await caller.run(lambda: work(caller.answers()))
    except Error:
        raise
    except Exception as error:
        log.error("MCP: %s", story_of(error))
        raise Failed from error
    return result


async def _asked(caller: Caller, work: Callable[[Answers], T]) -> T:
    """The same, but with the protocol's own errors."""
    try:
        return await _done(caller, work)
    except (NotFound, TooLarge) as error:
        raise MCPError(NOT_FOUND, str(error)) from error
    except Error as error:
        raise MCPError(types.INVALID_PARAMS, str(error)) from error


def _tool(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=True,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=False,
        ),
    )


def _resource(row: dict[str, Any]) -> types.Resource:
    file = row["file"]
    return types.Resource(
        uri=file["uri"],
        name=file.get("filename") or row["key"],
        description=f"{row['kind']} of {row['at']} in {row['chat_id']}",
        mime_type=file.get("mimetype"),
        size=file.get("size"),
    )
