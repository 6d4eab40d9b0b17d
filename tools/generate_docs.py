"""Writes the pages that are generated from the program. ``--check`` changes nothing and exits 1 when one is stale."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from backscroll.cli.main import main
from backscroll.config import FILE_NAME, FILE_VARIABLE, SETTINGS, Setting
from backscroll.dialects.parameters import Param
from backscroll.http.app import ROUTES
from backscroll.http.router import Route

DOCS = Path(__file__).parent.parent / "docs"
WIDTH = 100
NOTE = "<!-- Written by `make docs` from the program; change it there. -->\n"


def settings_page() -> str:
    return f"""{NOTE}
# Settings

Each setting has one name. It stands in a TOML file (`{FILE_NAME}` in the working directory, or the file that
`{FILE_VARIABLE}` or the flag `--config` names), in an environment variable, or in a flag of a command. Flags win over
variables, variables over the file. Relative paths in the file start at its directory. A key in the file that is no
setting is an error, and so is an unknown variable that begins with `BACKSCROLL_`; an empty variable counts as not set.

Sizes may carry a unit: `1048576`, `64MiB`, `1.5GB`.

```toml
# {FILE_NAME}
{toml_example()}```

{"".join(map(setting_section, SETTINGS))}"""


def toml_example() -> str:
    shown = ("data", "public_url", "workers", "rate_limit", "log_level")
    by_name = {setting.name: setting for setting in SETTINGS}
    return "".join(
        f"{name} = {example}\n" if (example := by_name[name].example).isdigit() else f'{name} = "{example}"\n'
        for name in shown
    )


def setting_section(setting: Setting) -> str:
    default = setting.default_note or f"`{setting.default}`"
    return f"""## `{setting.name}`

{setting.help}

- Variable: `{setting.variable}`
- Takes: {setting.kind.wanted}
- Default: {default}
- Example: `{setting.example}`

"""


def cli_page() -> str:
    sections = "".join(f"## `{name}`\n\n```\n{text}\n```\n\n" for name, text in helps(main, "backscroll", None))
    return f"""{NOTE}
# The command line

`--data`, `--database`, `--config` may stand before or after the command. Every command that prints data takes `--json`;
times are then ISO 8601 in UTC, and what is absent is `null`. Errors go to standard error: one sentence with a remedy,
or with `--json` one object such as `{{"error":{{"code":"not_found","message":"…","field":null}}}}`. Exit codes: 0 done,
1 failed, 2 the command line or a setting is wrong, 130 stopped with Ctrl-C. Long work shows a progress bar on a
terminal.
[Getting started](getting-started.md#shell-completion) explains shell completion.

{sections}"""


def helps(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """Each command with its help, groups before their commands."""
    short = name.rpartition(" ")[2]
    settings: dict[str, Any] = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=short, parent=parent, **settings)
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            assert found is not None
            yield from helps(found, f"{name} {sub}", context)


def routes_page() -> str:
    dialects = {"periskope": "Periskope's", "gowa": "GOWA's", "backscroll": "Backscroll's own"}
    sections = "".join(
        f"## {title} routes\n\n"
        + "".join(route_section(route) for route in ROUTES if route.dialect == dialect and route.listed)
        for dialect, title in dialects.items()
    )
    return f"""{NOTE}
# Routes

Each also answers HEAD where it answers GET, and OPTIONS. The same table makes `/openapi.json` and `/docs` of a running
server.

{sections}"""


def route_section(route: Route) -> str:
    params = "".join(map(param_line, route.params))
    statuses = ", ".join(map(str, sorted({*route.answers, *route.errors})))
    credential = f"scope `{route.scope}`" if route.scope else "none"
    details = f"{route.description}\n\n" if route.description else ""
    return (
        f"### {route.method} {route.path}\n\n{route.summary}\n\n{details}{params}"
        f"{chr(10) if params else ''}Credential: {credential}. Statuses: {statuses or 200}.\n\n"
    )


def param_line(param: Param) -> str:
    bounds = [
        "required" if param.required else "",
        f"default `{param.default}`" if param.default is not None else "",
        f"at least {param.minimum}" if param.minimum is not None else "",
        f"at most {param.maximum}" if param.maximum is not None else "",
        f"one of {', '.join(f'`{choice}`' for choice in param.choices)}" if param.choices else "",
    ]
    told = "; ".join(part for part in (param.type, *bounds) if part)
    return f"- `{param.name}` ({param.where}; {told}){': ' if param.description else ''}{param.description}\n"


def pages() -> dict[str, str]:
    made = {"settings.md": settings_page(), "cli.md": cli_page(), "routes.md": routes_page()}
    return {name: text.rstrip() + "\n" for name, text in made.items()}


def run(check: bool) -> int:
    stale = [name for name, text in pages().items() if not (DOCS / name).is_file() or (DOCS / name).read_text() != text]
    if check and stale:
        print(f"stale: {', '.join(f'docs/{name}' for name in stale)}; run: make docs", file=sys.stderr)
        return 1
    for name in () if check else stale:
        (DOCS / name).write_text(pages()[name], "utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(run(check="--check" in sys.argv[1:]))
