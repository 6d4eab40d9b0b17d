"""Settings as data. Each is said once, in ``SETTINGS``; file, environment, flags and docs/settings.md read that.

Later places win: the file (``backscroll.toml`` in the working directory, or the one that ``BACKSCROLL_CONFIG`` names),
then ``BACKSCROLL_…`` variables, then flags of the command.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from backscroll.core.errors import BadField

FILE_NAME = "backscroll.toml"
FILE_VARIABLE = "BACKSCROLL_CONFIG"
PREFIX = "BACKSCROLL_"

SIZES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


class Kind(Struct, frozen=True):
    """What a setting may hold. ``read`` raises ValueError for a value that is not ``wanted``."""

    name: str
    wanted: str
    read: Callable[[object], Any]


class Setting(Struct, frozen=True):
    """One setting. ``default_note`` words a default that depends on other settings."""

    name: str
    kind: Kind
    default: Any
    help: str
    example: str
    default_note: str | None = None

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.upper()


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one run, checked and complete. What each means stands in ``SETTINGS``."""

    data: Path
    database: str
    host: str
    port: int
    workers: int
    public_url: str | None
    rate_limit: int
    page_cache_bytes: int
    message_cache_bytes: int
    max_body_bytes: int
    max_media_bytes: int
    max_import_bytes: int
    media: str | None
    media_cache_bytes: int
    header_timeout: int
    shutdown_timeout: int
    send_timeout: int
    max_unsent_bytes: int
    max_concurrent: int
    max_connections_per_address: int
    gowa_base_path: str
    gowa_empty_values: Literal["null", "zero"]
    periskope_count: Literal["total", "page"]
    archive_phone_state: Literal["CONNECTED", "DISCONNECTED", "null"]
    open_access: str | None
    upstream_timeout: int
    max_upstream_bytes: int
    webhook_delivery: Literal["on", "off"]
    webhook_allow: str
    mcp_max_bytes: int
    mcp_max_file_bytes: int
    mcp_origins: str | None
    log_level: Literal["critical", "error", "warning", "info", "debug"]

    @property
    def url(self) -> str:
        """Where clients reach this archive: ``public_url``, else host and port."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 -- compared, not bound
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def text(wanted: str = "a text") -> Kind:
    """Any text that is not blank."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            raise ValueError
        return value.strip()

    return Kind("text", wanted, read)


def whole(lowest: int, highest: int) -> Kind:
    """A whole number between bounds that are both allowed."""

    def read(value: object) -> int:
        number = _integer(value)
        if not lowest <= number <= highest:
            raise ValueError
        return number

    return Kind("number", f"a whole number from {lowest} to {highest}", read)


def size(lowest: int) -> Kind:
    """A number of bytes, plain or with a unit."""

    def read(value: object) -> int:
        number = bytes_of(value) if isinstance(value, str) else _integer(value)
        if number < lowest:
            raise ValueError
        return number

    return Kind("size", f"a size of at least {lowest} bytes, such as 1048576 or 64MiB", read)


def choice(*words: str) -> Kind:
    """One of these words, in any case."""
    by_letters = {word.lower(): word for word in words}

    def read(value: object) -> str:
        if not isinstance(value, str) or value.lower() not in by_letters:
            raise ValueError
        return by_letters[value.lower()]

    return Kind("choice", f"one of {', '.join(words)}", read)


def _integer(value: object) -> int:
    # TOML's true is a Python int, and int("1_0") or int(" 1") are readings that nobody asked for.
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise ValueError
    return int(value)


def bytes_of(value: str) -> int:
    """``64MiB``, ``1.5 GB`` or ``1048576`` as a number of bytes."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([a-z]*)", value.strip().lower())
    if match is None or match[2] not in SIZES:
        raise ValueError
    return int(float(match[1]) * SIZES[match[2]])


def _read_url(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    parts = urlsplit(value.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError
    return value.strip().rstrip("/")


def _read_base_path(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", value):
        raise ValueError
    return value.rstrip("/")


def _read_database(value: object) -> str:
    if not isinstance(value, str) or urlsplit(value).scheme not in {"sqlite", "postgres", "postgresql"}:
        raise ValueError
    return value


def _read_path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError
    return Path(value).expanduser()


def _read_objects(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    parts = urlsplit(value.strip())
    if parts.scheme != "s3" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError
    return value.strip().rstrip("/")


PATH = Kind("path", "a path", _read_path)
URL = Kind("URL", "an address that begins with http:// or https://, without query or password", _read_url)
BASE_PATH = Kind("path", "a URL path such as /gowa", _read_base_path)
DATABASE = Kind("URL", "a URL such as sqlite:////srv/archive.db or postgresql://user@host/name", _read_database)

OBJECTS = Kind("URL", "a URL such as s3://bucket/archive, without a password in it", _read_objects)

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "data",
        PATH,
        Path("backscroll-data"),
        "Directory of the archive: the SQLite database, media files and the key. A new archive creates it.",
        "/srv/backscroll",
        "`./backscroll-data`",
    ),
    Setting(
        "database",
        DATABASE,
        None,
        "Where the messages are kept.",
        "sqlite:////srv/fast-disk/archive.db",
        "`backscroll.db` in the data directory",
    ),
    Setting("host", text("a host name or address"), "127.0.0.1", "Address that the server listens on.", "0.0.0.0"),  # noqa: S104
    Setting("port", whole(1, 65535), 8080, "Port that the server listens on.", "9000"),
    Setting(
        "workers",
        whole(1, 256),
        1,
        "Server processes; each of them reads and writes. One per processor is plenty.",
        "4",
    ),
    Setting(
        "public_url",
        URL,
        None,
        "Address under which clients reach the server; links to media begin with it. Set it behind a proxy.",
        "https://archive.example.org",
        "none: links begin with the address that each request was sent to; the address that is printed, and that of "
        "`/openapi.json`, is made of host and port, with `127.0.0.1` for `0.0.0.0` and `::`",
    ),
    Setting(
        "rate_limit", whole(0, 1_000_000), 100, "Requests per second that one token may make; 0 is no limit.", "10"
    ),
    Setting(
        "page_cache_bytes",
        size(0),
        64 * 2**20,
        "Memory per process for pages that are kept rendered; 0 keeps none.",
        "256MiB",
    ),
    Setting(
        "message_cache_bytes",
        size(0),
        64 * 2**20,
        "Memory per process for single messages that are kept rendered, for pages that are asked for again after "
        "something in them has changed; 0 keeps none.",
        "256MiB",
    ),
    Setting("max_body_bytes", size(1024), 16 * 2**20, "Largest request body that is read.", "64MiB"),
    Setting("max_media_bytes", size(1024), 2 * 2**30, "Largest single media file that is stored.", "100MiB"),
    Setting("max_import_bytes", size(1024), 20 * 2**30, "Most bytes that are uploaded for one import.", "100GiB"),
    Setting(
        "media",
        OBJECTS,
        None,
        "Object store for media files: S3, or what speaks its protocol. Credentials, region and endpoint come from the "
        "usual `AWS_…` variables. Needs `backscroll[s3]`.",
        "s3://bucket/archive",
        "the folder `media` in the data directory",
    ),
    Setting(
        "media_cache_bytes",
        size(0),
        2 * 2**30,
        "With an object store: room for copies of media files in the data directory.",
        "20GiB",
    ),
    Setting("header_timeout", whole(1, 60), 10, "Seconds within which a request's header must have arrived.", "5"),
    Setting(
        "shutdown_timeout",
        whole(1, 600),
        8,
        "Seconds that a stopping server gives to requests under way.",
        "30",
    ),
    Setting(
        "send_timeout",
        whole(1, 600),
        15,
        "Seconds within which a client must take the next 64 KiB of a long answer, or it is cut off.",
        "60",
    ),
    Setting(
        "max_unsent_bytes",
        size(2**20),
        64 * 2**20,
        "Bytes of long answers that the clients of one token have not read yet, in one process; 503 beyond.",
        "256MiB",
    ),
    Setting(
        "max_concurrent",
        whole(16, 100_000),
        1024,
        "Connections that one process holds, idle ones too; others wait. When nearly all are taken, idle ones go.",
        "2000",
    ),
    Setting(
        "max_connections_per_address",
        whole(8, 100_000),
        256,
        "Connections from one address (IPv6: one /64) in one process; idle ones beyond go. A proxy is one address.",
        "1000",
    ),
    Setting(
        "gowa_base_path",
        BASE_PATH,
        "",
        "Path before all routes of the GOWA dialect, as GOWA's own APP_BASE_PATH.",
        "/gowa",
        "none",
    ),
    Setting(
        "gowa_empty_values",
        choice("null", "zero"),
        "null",
        'What GOWA\'s routes show for media fields of a message without media: null, or "" and 0 as GOWA itself.',
        "zero",
    ),
    Setting(
        "periskope_count",
        choice("total", "page"),
        "total",
        "What Periskope's count holds: all messages that match, or those of this page (some clients need that).",
        "page",
    ),
    Setting(
        "archive_phone_state",
        choice("CONNECTED", "DISCONNECTED", "null"),
        "CONNECTED",
        "State shown for a phone that no live source tells of. Programs that copy history read connected phones only.",
        "null",
    ),
    Setting(
        "open_access",
        text("the id of a token"),
        None,
        "Id of a token under which programs on this machine read without a credential. A proxy here is such a program, "
        "and lets in whoever reaches it: leave this out behind one. Host, and public_url if given, must be loopback.",
        "the id that `backscroll token create` printed",
        "none: each request needs a credential",
    ),
    Setting(
        "upstream_timeout",
        whole(1, 3600),
        120,
        "Seconds that a gateway behind this server may take to answer a request that is passed on to it.",
        "300",
    ),
    Setting(
        "max_upstream_bytes",
        size(1024),
        256 * 2**20,
        "Largest body of a request that is passed on to a gateway, and of its answer.",
        "1GiB",
    ),
    Setting(
        "webhook_delivery",
        choice("on", "off"),
        "on",
        "Whether this server sends events to webhooks. Turn it off in a copy that is only looked at.",
        "off",
    ),
    Setting(
        "webhook_allow",
        text("hosts and networks, with a port or without, separated by commas"),
        "",
        "Receivers of webhooks that may be asked although they are not at port 80 or 443 of the open internet.",
        "n8n.lan:5678, 192.168.1.0/24",
        "none",
    ),
    Setting(
        "mcp_max_bytes",
        size(4096),
        64 * 2**10,
        "Largest answer of a tool of the Model Context Protocol; of longer lists fewer rows are shown at a time.",
        "256KiB",
    ),
    Setting(
        "mcp_max_file_bytes",
        size(1024),
        4 * 2**20,
        "Largest media file that the Model Context Protocol hands out.",
        "1MiB",
    ),
    Setting(
        "mcp_origins",
        text("origins such as https://app.example.org, with commas between them"),
        None,
        "Origins of web pages whose scripts may use /mcp, besides those of this machine and of public_url.",
        "https://app.example.org",
        "none; programs that are no pages need none",
    ),
    Setting(
        "log_level",
        choice("critical", "error", "warning", "info", "debug"),
        "info",
        "Lowest level that is logged, to standard error.",
        "debug",
    ),
)

BY_NAME: dict[str, Setting] = {setting.name: setting for setting in SETTINGS}


def load(
    environ: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
    *,
    config: str | Path | None = None,
    directory: Path | None = None,
) -> Settings:
    """The settings of this run. Raises BadField naming the setting, the place it came from and the remedy.

    ``flags`` that are None were not given. ``config`` (a flag) wins over ``BACKSCROLL_CONFIG``; a file that is named
    must exist. Relative paths are those of the working directory, in a file those of the file's directory.
    """
    here = directory or Path.cwd()
    values: dict[str, Any] = {setting.name: setting.default for setting in SETTINGS}
    values["data"] = here / values["data"]
    places: dict[str, str] = {}
    for place, base, given in (
        _from_file(environ, config, here),
        ("", here, _from_environment(environ)),
        ("", here, {name: value for name, value in (flags or {}).items() if value is not None}),
    ):
        for name, value in given.items():
            places[name] = f"in {place}" if place else _place(name, environ, flags)
            values[name] = _read(BY_NAME[name], value, places[name], base)
    return _complete(values, places)


def environment(settings: Settings) -> dict[str, str]:
    """The settings as variables, so that ``load`` in a child process comes to the same ones."""
    return {
        setting.variable: str(value)
        for setting in SETTINGS
        if (value := getattr(settings, setting.name)) is not None and value != ""
    }


def _from_file(
    environ: Mapping[str, str], config: str | Path | None, here: Path
) -> tuple[str, Path, dict[str, object]]:
    named = config or environ.get(FILE_VARIABLE)
    path = here / Path(named or FILE_NAME).expanduser()
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if named:
            raise BadField("config", str(named), f"there is no file {path}; create it, or name another one") from None
        return str(path), here, {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadField("config", str(path), f"{path} is not TOML ({error}); mend that place") from None
    except OSError as error:
        raise BadField(
            "config", str(path), f"{path} cannot be read ({error.strerror}); allow it, or name another"
        ) from None
    for key in table:
        if key not in BY_NAME:
            raise BadField(key, None, f"{path} holds no such setting of Backscroll; {_nearest(key)}")
    return str(path), path.parent, table


def _nearest(key: str) -> str:
    near = difflib.get_close_matches(key.lower().replace("-", "_"), BY_NAME, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"the settings are {', '.join(BY_NAME)}"


OTHER_VARIABLES = frozenset(
    {
        FILE_VARIABLE,
        "BACKSCROLL_PERISKOPE_TOKEN",
        "BACKSCROLL_BACKUP_KEY",
        "BACKSCROLL_BACKUP_PASSWORD",
        "BACKSCROLL_EVOLUTION_DATABASE",
        "BACKSCROLL_PUBLISHED_PORT",
        "BACKSCROLL_TOKEN",
    }
)
"""Variables that are no settings: ``backscroll import periskope`` and ``backscroll mcp`` read a token each,
docker-compose.yml the port."""
_FOREIGN = re.compile(r"BACKSCROLL_TEST_\w+|BACKSCROLL_SERVICE_(HOST|PORT\w*)|BACKSCROLL_PORT_\d+_\w+")
"""Those of the tests, and those that Kubernetes sets in every container beside a service called backscroll."""


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {setting.variable for setting in SETTINGS} | OTHER_VARIABLES
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in known and not _FOREIGN.fullmatch(variable):
            near = difflib.get_close_matches(variable, sorted(known), n=1, cutoff=0.6)
            remedy = f"did you mean {near[0]}?" if near else "docs/settings.md lists the variables"
            raise BadField(variable, None, f"there is no such variable of Backscroll; {remedy}")


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    _refuse_unknown(environ)
    # Compose files and unit files hand over empty variables for "not set".
    return {setting.name: value for setting in SETTINGS if (value := environ.get(setting.variable))}


def _place(name: str, environ: Mapping[str, str], flags: Mapping[str, object] | None) -> str:
    if flags and flags.get(name) is not None:
        return f"of the flag --{name.replace('_', '-')}"
    return f"of the variable {BY_NAME[name].variable}"


def _read(setting: Setting, value: object, place: str, base: Path) -> Any:
    try:
        result = setting.kind.read(value)
    except ValueError:
        shown = repr(value) if setting.name != "database" else "that URL"
        raise BadField(
            setting.name, str(value), f"{shown} {place} cannot be used; give {setting.kind.wanted}"
        ) from None
    return base / result if isinstance(result, Path) else result


def _complete(values: dict[str, Any], places: Mapping[str, str]) -> Settings:
    values["data"] = Path(values["data"]).absolute()
    if values["database"] is None:
        values["database"] = f"sqlite:///{values['data'] / 'backscroll.db'}"
    if values["open_access"]:
        _refuse_open_access(values, places.get("open_access", ""))
    return Settings(**values)


def _refuse_open_access(values: Mapping[str, Any], place: str) -> None:
    """Raise BadField where others than programs on this machine could make use of it."""
    public = values["public_url"]
    if not is_loopback(values["host"]):
        open_to, remedy = values["host"], "set host to 127.0.0.1"
    elif public and not is_loopback(urlsplit(public).hostname or ""):
        open_to, remedy = public, "leave public_url out"
    else:
        return
    problem = f"{place} lets anybody in who reaches {open_to}; {remedy}, or leave open_access out"
    raise BadField("open_access", values["open_access"], problem)


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach a server that listens on ``host``."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
