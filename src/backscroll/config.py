"""Settings as data. Each is defined once, in ``SETTINGS``; file, environment, flags and docs/settings.md all use that.

Later places win: the file (``backscroll.toml`` in the working directory, or the one named by ``BACKSCROLL_CONFIG``),
then ``BACKSCROLL_…`` variables, then command line flags.
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
    """The type of a setting. ``read`` raises ValueError for a value that is not as described by ``wanted``."""

    name: str
    wanted: str
    read: Callable[[object], Any]


class Setting(Struct, frozen=True):
    """One setting. ``default_note`` describes a default that depends on other settings."""

    name: str
    kind: Kind
    default: Any
    help: str
    example: str
    default_note: str | None = None

    @property
    def variable(self) -> str:
        """The name of its environment variable."""
        return PREFIX + self.name.upper()


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one run, validated and complete. ``SETTINGS`` describes each."""

    data: Path
    database: str
    host: str
    port: int
    workers: int
    public_url: str | None
    rate_limit: int
    page_cache_bytes: int
    message_cache_bytes: int
    changes_days: int
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
        """The address at which clients reach this archive: ``public_url``, otherwise host and port."""
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
    """A whole number between two inclusive bounds."""

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
    """One of these words, in upper or lower case."""
    by_letters = {word.lower(): word for word in words}

    def read(value: object) -> str:
        if not isinstance(value, str) or value.lower() not in by_letters:
            raise ValueError
        return by_letters[value.lower()]

    return Kind("choice", f"one of {', '.join(words)}", read)


def _integer(value: object) -> int:
    # TOML's true is a Python int, and int() would also accept "1_0" and " 1".
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
        "Directory of the archive: the SQLite database, media files and the key. Created with a new archive.",
        "/srv/backscroll",
        "`./backscroll-data`",
    ),
    Setting(
        "database",
        DATABASE,
        None,
        "Database that holds the messages.",
        "sqlite:////srv/fast-disk/archive.db",
        "`backscroll.db` in the data directory",
    ),
    Setting("host", text("a host name or address"), "127.0.0.1", "Address that the server listens on.", "0.0.0.0"),  # noqa: S104
    Setting("port", whole(1, 65535), 8080, "Port that the server listens on.", "9000"),
    Setting(
        "workers",
        whole(1, 256),
        1,
        "Number of server processes, each of which reads and writes. More than one per processor brings nothing.",
        "4",
    ),
    Setting(
        "public_url",
        URL,
        None,
        "Address at which clients reach the server; links to media begin with it. Set it behind a proxy.",
        "https://archive.example.org",
        "none: links begin with the address that each request was sent to; the printed address and the one in "
        "`/openapi.json` consist of host and port, with `127.0.0.1` for `0.0.0.0` and `::`",
    ),
    Setting(
        "rate_limit", whole(0, 1_000_000), 100, "Requests per second allowed for one token; 0 means no limit.", "10"
    ),
    Setting(
        "page_cache_bytes",
        size(0),
        64 * 2**20,
        "Memory per process for caching rendered pages; 0 disables the cache.",
        "256MiB",
    ),
    Setting(
        "message_cache_bytes",
        size(0),
        64 * 2**20,
        "Memory per process for caching rendered messages, from which changed pages are assembled; 0 disables the "
        "cache.",
        "256MiB",
    ),
    Setting(
        "changes_days",
        whole(0, 36_500),
        30,
        "Days that the change feed (`/api/changes`, `/api/events`) is kept at least. A client that was away for longer "
        "is told to read the archive again. 0 keeps the whole feed.",
        "90",
    ),
    Setting("max_body_bytes", size(1024), 16 * 2**20, "Largest request body that is accepted.", "64MiB"),
    Setting("max_media_bytes", size(1024), 2 * 2**30, "Largest single media file that is stored.", "100MiB"),
    Setting("max_import_bytes", size(1024), 20 * 2**30, "Largest total upload for one import.", "100GiB"),
    Setting(
        "media",
        OBJECTS,
        None,
        "Object store for media files: S3, or any service with the same protocol. Credentials, region and endpoint "
        "come from the usual `AWS_…` variables. Needs `backscroll[s3]`.",
        "s3://bucket/archive",
        "the folder `media` in the data directory",
    ),
    Setting(
        "media_cache_bytes",
        size(0),
        2 * 2**30,
        "With an object store: space for copies of media files in the data directory.",
        "20GiB",
    ),
    Setting("header_timeout", whole(1, 60), 10, "Seconds within which a request's header must arrive.", "5"),
    Setting(
        "shutdown_timeout",
        whole(1, 600),
        8,
        "Seconds that requests in progress get to finish when the server stops.",
        "30",
    ),
    Setting(
        "send_timeout",
        whole(1, 600),
        15,
        "Seconds within which a client must read the next 64 KiB of a long answer; otherwise it is disconnected.",
        "60",
    ),
    Setting(
        "max_unsent_bytes",
        size(2**20),
        64 * 2**20,
        "Unread bytes of long answers allowed for the clients of one token, in one process; beyond that, 503.",
        "256MiB",
    ),
    Setting(
        "max_concurrent",
        whole(16, 100_000),
        1024,
        "Connections per process, including idle ones; further ones wait. When nearly all are in use, idle ones are "
        "closed.",
        "2000",
    ),
    Setting(
        "max_connections_per_address",
        whole(8, 100_000),
        256,
        "Connections from one address (IPv6: one /64) in one process; idle ones beyond this are closed. A proxy "
        "counts as one address.",
        "1000",
    ),
    Setting(
        "gowa_base_path",
        BASE_PATH,
        "",
        "Path prefix of all GOWA routes, like GOWA's own APP_BASE_PATH.",
        "/gowa",
        "none",
    ),
    Setting(
        "gowa_empty_values",
        choice("null", "zero"),
        "null",
        'What GOWA\'s routes show for media fields of a message without media: null, or "" and 0 like GOWA itself.',
        "zero",
    ),
    Setting(
        "periskope_count",
        choice("total", "page"),
        "total",
        "What Periskope's count contains: all matching messages, or those on this page (some clients need that).",
        "page",
    ),
    Setting(
        "archive_phone_state",
        choice("CONNECTED", "DISCONNECTED", "null"),
        "CONNECTED",
        "State shown for a phone without a live source. Programs that copy history read only connected phones.",
        "null",
    ),
    Setting(
        "open_access",
        text("the id of a token"),
        None,
        "Id of a token with which programs on this machine can read without a credential. A proxy on this machine is "
        "such a program and would let in anyone who reaches it: do not use this behind a proxy. Host, and public_url "
        "if set, must be loopback.",
        "the id that `backscroll token create` printed",
        "none: each request needs a credential",
    ),
    Setting(
        "upstream_timeout",
        whole(1, 3600),
        120,
        "Seconds that a gateway behind this server may take to answer a forwarded request.",
        "300",
    ),
    Setting(
        "max_upstream_bytes",
        size(1024),
        256 * 2**20,
        "Largest body of a request forwarded to a gateway, and of its answer.",
        "1GiB",
    ),
    Setting(
        "webhook_delivery",
        choice("on", "off"),
        "on",
        "Whether this server sends events to webhooks. Turn it off in a copy that is only for reading.",
        "off",
    ),
    Setting(
        "webhook_allow",
        text("hosts and networks, with a port or without, separated by commas"),
        "",
        "Webhook receivers that are allowed although they are not on port 80 or 443 of the public internet.",
        "n8n.lan:5678, 192.168.1.0/24",
        "none",
    ),
    Setting(
        "mcp_max_bytes",
        size(4096),
        64 * 2**10,
        "Largest answer of a Model Context Protocol tool; longer lists are returned with fewer rows at a time.",
        "256KiB",
    ),
    Setting(
        "mcp_max_file_bytes",
        size(1024),
        4 * 2**20,
        "Largest media file that is available over the Model Context Protocol.",
        "1MiB",
    ),
    Setting(
        "mcp_origins",
        text("origins such as https://app.example.org, with commas between them"),
        None,
        "Origins of web pages whose scripts may use /mcp, in addition to those of this machine and of public_url.",
        "https://app.example.org",
        "none; programs other than web pages need none",
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
    """The settings of this run. Raises BadField naming the setting, where it came from and the remedy.

    ``flags`` that are None were not given. ``config`` (a flag) wins over ``BACKSCROLL_CONFIG``; a named file must
    exist. Paths are relative to the working directory, and in a file to the file's directory.
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
            places[name] = f"in {place}" if place else _place(name, flags)
            values[name] = _read(BY_NAME[name], value, places[name], base)
    return _complete(values, places)


def environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, from which ``load`` in a child process restores them."""
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
        raise BadField("config", str(path), f"{path} is not TOML ({error}); correct it there") from None
    except OSError as error:
        raise BadField(
            "config", str(path), f"{path} cannot be read ({error.strerror}); allow it, or name another"
        ) from None
    for key in table:
        if key not in BY_NAME:
            raise BadField(key, None, f"{path} has an unknown setting; {_nearest(key)}")
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
"""Variables that are not settings: ``backscroll import periskope`` and ``backscroll mcp`` each read a token,
docker-compose.yml reads the port.
"""
_FOREIGN = re.compile(r"BACKSCROLL_TEST_\w+|BACKSCROLL_SERVICE_(HOST|PORT\w*)|BACKSCROLL_PORT_\d+_\w+")
"""Variables of the tests, and those that Kubernetes sets in every container of a namespace with a service named
backscroll.
"""


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {setting.variable for setting in SETTINGS} | OTHER_VARIABLES
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in known and not _FOREIGN.fullmatch(variable):
            near = difflib.get_close_matches(variable, sorted(known), n=1, cutoff=0.6)
            remedy = f"did you mean {near[0]}?" if near else "docs/settings.md lists the variables"
            raise BadField(variable, None, f"Backscroll has no such variable; {remedy}")


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    _refuse_unknown(environ)
    # Compose files and unit files pass empty variables for "not set".
    return {setting.name: value for setting in SETTINGS if (value := environ.get(setting.variable))}


def _place(name: str, flags: Mapping[str, object] | None) -> str:
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
    """Raise BadField if anyone but programs on this machine could use it."""
    public = values["public_url"]
    if not is_loopback(values["host"]):
        open_to, remedy = values["host"], "set host to 127.0.0.1"
    elif public and not is_loopback(urlsplit(public).hostname or ""):
        open_to, remedy = public, "leave public_url out"
    else:
        return
    problem = f"{place} lets in anybody who reaches {open_to}; {remedy}, or leave open_access out"
    raise BadField("open_access", values["open_access"], problem)


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach a server that listens on ``host``."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
