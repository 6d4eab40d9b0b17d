"""Shared by all commands: finding the archive, showing results and errors, progress, times, names."""

from __future__ import annotations

import datetime
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from backscroll.config import Settings, load
from backscroll.core.errors import BadField, Error, NotFound, Question
from backscroll.core.model import Org, Phone
from backscroll.formats.timestamps import go_text

if TYPE_CHECKING:
    from backscroll.storage.files.media import MediaStore
    from backscroll.storage.store import Store

F = TypeVar("F", bound=Callable[..., Any])

FAILED, USAGE, INTERRUPTED = 1, 2, 130
SECOND = 1_000_000


class Failure(click.ClickException):
    """An expected error, shown as one sentence. ``code`` names its kind for programs."""

    exit_code = FAILED
    code = "failed"
    field: str | None = None


class Misuse(Failure):
    """A failure that a different command line or setting would avoid."""

    exit_code = USAGE
    code = "usage"


def failure_of(error: Error) -> Failure:
    """The archive's own error as a ``Failure`` or ``Misuse``."""
    failure = (Misuse if isinstance(error, BadField | Question) else Failure)(str(error))
    failure.code = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
    failure.field = getattr(error, "field", None)
    return failure


def failure_of_system(error: OSError) -> Failure:
    """An error of the operating system, with a remedy."""
    from backscroll.storage.files.durable_files import remedy_of

    where = f"{error.filename}: " if error.filename else ""
    failure = Failure(f"{where}{error.strerror or error}; {remedy_of(error)}")
    failure.code = "system"
    return failure


class Commands(click.Group):
    """A command group that reports the archive's own errors as failures."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Error as error:
            raise failure_of(error) from error
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise failure_of_system(error) from error
        except MemoryError as error:
            raise Failure(
                "There is not enough memory for this; give the program more memory, or smaller files"
            ) from error


class RootCommands(Commands):
    """The top-level command: reports how a run ends, to people and, with ``--json``, to programs."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit. Errors go to standard error, as one JSON object if ``--json`` was given."""
        given = sys.argv[1:] if args is None else list(args)
        try:
            code = super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            if "--json" in given:
                click.echo(_as_json(error), err=True)
            else:
                error.show()
            code = error.exit_code
        except click.Abort as abort:
            code = INTERRUPTED if isinstance(abort.__cause__ or abort.__context__, KeyboardInterrupt) else FAILED
            click.echo("Stopped." if code == INTERRUPTED else "Nothing was done.", err=True)
        sys.exit(code if isinstance(code, int) else 0)


def _as_json(error: click.ClickException) -> str:
    code = getattr(error, "code", "usage" if isinstance(error, click.UsageError) else "failed")
    row = {"code": code, "message": error.format_message(), "field": getattr(error, "field", None)}
    return msgspec.json.encode({"error": row}).decode()


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> object:
    # The same option may be given before and after the subcommand; the later one, which is the inner one, wins.
    if value is not None:
        ctx.find_root().ensure_object(dict)[param.name] = value
    return value


def shared_options(command: F) -> F:
    """``--data``, ``--database`` and ``--config``; read them with ``settings_of``."""
    for option in (
        click.option("--config", metavar="FILE", help="TOML file of settings.", expose_value=False, callback=_remember),
        click.option(
            "--database",
            metavar="URL",
            help="Database that holds the messages.",
            expose_value=False,
            callback=_remember,
        ),
        click.option("--data", metavar="DIR", help="Directory of the archive.", expose_value=False, callback=_remember),
    ):
        command = option(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
org_option = click.option(
    "--org", metavar="NAME", help="Name or id of the organisation; can be omitted if there is exactly one."
)


def settings_of(ctx: click.Context, **flags: object) -> Settings:
    """The settings of this run; ``flags`` are settings that only this command accepts."""
    given = dict(ctx.find_root().ensure_object(dict))
    config = given.pop("config", None)
    return load(os.environ, given | flags, config=config)


class Archive(msgspec.Struct, frozen=True):
    """An open archive: the store, its media, and the settings that it was opened with."""

    store: Store
    media: MediaStore
    settings: Settings


@contextmanager
def open_archive(settings: Settings, create: bool = False) -> Iterator[Archive]:
    """Open the store and the media. ``create`` creates a missing archive; without it a missing archive is an error."""
    with opened_store(settings, create) as store:
        yield Archive(store, media_of(settings, store.key()), settings)


def media_of(settings: Settings, key: bytes) -> MediaStore:
    """The media files of the archive named by the settings."""
    from backscroll.storage.files.opening import open_media

    return open_media(settings.media, settings.data, key, settings.media_cache_bytes)


@contextmanager
def opened_store(settings: Settings, create: bool = False) -> Iterator[Store]:
    """Open only the store, for commands that need neither media nor the key."""
    from backscroll.storage.store import open_store

    store = open_store(settings.database, settings.data, create=create)
    try:
        yield store
    finally:
        store.close()


def org_of(store: Store, name: str | None) -> Org:
    """The organisation called ``name``, or the only one."""
    if name is not None:
        try:
            return store.find_org(name)
        except NotFound as error:
            raise NotFound("organisation", f"{name}; {_known(store.list_orgs())}") from error
    orgs = store.list_orgs()
    if len(orgs) == 1:
        return orgs[0]
    if not orgs:
        raise NotFound("organisation", "none yet; make one with: backscroll org create NAME")
    question = f"Which organisation? There are {len(orgs)}: {', '.join(org.name for org in orgs)}."
    raise Question(question, "--org NAME", name="org")


def owners_of(store: Store, name: str | None) -> list[Org]:
    """The organisation called ``name``, or all of them."""
    return store.list_orgs() if name is None else [org_of(store, name)]


def _known(orgs: Sequence[Org]) -> str:
    if not orgs:
        return "there is none yet; make one with: backscroll org create NAME"
    return f"there is {', '.join(org.name for org in orgs)}"


def phone_of(store: Store, org: Org, name: str) -> Phone:
    """The phone with this number, device id or phone id."""
    try:
        return store.find_phone(org.no, name)
    except NotFound as error:
        remedy = f'add it with: backscroll phone add --org "{org.name}" --number {name}'
        raise NotFound("phone", f"{name}; {remedy}") from error


def confirmed(yes: bool, question: str) -> None:
    """Ask before something is changed, unless ``--yes`` was given. Raises ``Misuse`` if standard input is not a
    terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misuse("Nothing was changed: use --yes to do this without confirmation.")
    click.confirm(question, abort=True, err=True)


def show(rows: object, as_json: bool, text: Callable[[], str]) -> None:
    """Print a result: as JSON for programs, otherwise the lines returned by ``text``."""
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
    elif lines := text():
        click.echo(lines)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with column headings, for people."""
    shown = [list(head), *(["" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[at]) for row in shown) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown
    )


def show_rows(
    rows: Sequence[Mapping[str, object]], as_json: bool, otherwise: str, columns: Sequence[str] | None = None
) -> None:
    """Print a list: JSON for programs, else a table, of all columns unless some are named; ``otherwise`` when empty."""

    def text() -> str:
        if not rows:
            return otherwise
        head = columns or [*rows[0]]
        return table(head, [[_cell(row[name]) for name in head] for row in rows])

    show(rows, as_json, text)


def _cell(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


Report = Callable[[int, int | None], None]
"""(amount done so far, total amount or None if it is unknown)"""

BAR = 30
REDRAW_SECONDS = 0.1
MEASURED_SECONDS = 2.0
"""A shorter run says too little about the remaining time."""


@contextmanager
def progress(label: str) -> Iterator[Report]:
    """Show a progress bar on standard error during long work, or a growing number if the total is unknown.

    Shows nothing if standard error is not a terminal.
    """
    if not sys.stderr.isatty():
        yield lambda done, whole: None
        return
    drawn = 0.0
    started = time.monotonic()

    def report(done: int, whole: int | None) -> None:
        nonlocal drawn
        now = time.monotonic()
        if now - drawn >= REDRAW_SECONDS or done == whole:
            drawn = now
            left = time_left(done, whole, now - started)
            click.echo(f"\r\x1b[K{label} {bar(done, whole)}{left}", nl=False, err=True)

    try:
        yield report
    finally:
        if drawn:
            click.echo(err=True)


def bar(done: int, whole: int | None) -> str:
    """A line of progress: a bar with a percentage, or only the number if the total is unknown."""
    if not whole:
        return f"{done:,}"
    full = BAR * min(done, whole) // whole
    return f"[{'#' * full}{'-' * (BAR - full)}] {100 * min(done, whole) // whole} % ({done:,} of {whole:,})"


def time_left(done: int, whole: int | None, seconds: float) -> str:
    """``, about 3 min left``, estimated from the elapsed time; empty while there is too little data, and at the end."""
    if not whole or not 0 < done < whole or seconds < MEASURED_SECONDS:
        return ""
    left = seconds * (whole - done) / done
    if left < 90:
        return f", about {max(1, round(left))} s left"
    return f", about {round(left / 60)} min left" if left < 90 * 60 else f", about {left / 3600:.1f} h left"


def timestamp(micros: int | None) -> str | None:
    """ISO 8601 in UTC, to the second."""
    return None if micros is None else go_text(micros)


UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}


def expiry(value: str, now: int) -> int:
    """``90d``, ``12h``, ``2027-01-31`` or an ISO time as microseconds; raises BadField, also for a time in the past."""
    remedy = "give a duration such as 90d, 12h or 1y, or a date such as 2027-01-31"
    if match := re.fullmatch(r"([1-9][0-9]{0,4})([mhdwy])", value):
        return now + int(match[1]) * UNITS[match[2]] * SECOND
    try:
        when = datetime.datetime.fromisoformat(value)
    except ValueError:
        raise BadField("expires", value, f"{value!r} is not a time; {remedy}") from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    micros = int(when.timestamp()) * SECOND
    if micros <= now:
        raise BadField("expires", value, f"{value} is in the past; {remedy}")
    return micros
