"""Settings: file, then environment, then flags; errors for bad values name the place and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from backscroll.config import SETTINGS, Settings, bytes_of, environment, is_loopback, load
from backscroll.core.errors import BadField


def test_without_any_setting_the_archive_lives_in_the_working_directory_on_loopback(tmp_path: Path) -> None:
    settings = load({}, directory=tmp_path)
    assert settings.data == tmp_path / "backscroll-data"
    assert settings.database == f"sqlite:///{tmp_path}/backscroll-data/backscroll.db"
    assert (settings.host, settings.port, settings.url) == ("127.0.0.1", 8080, "http://127.0.0.1:8080")


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "backscroll.toml").write_text('port = 1001\nrate_limit = 7\nlog_level = "debug"\n')
    settings = load({"BACKSCROLL_PORT": "1002", "BACKSCROLL_RATE_LIMIT": "8"}, {"port": 1003}, directory=tmp_path)
    assert (settings.port, settings.rate_limit, settings.log_level) == (1003, 8, "debug")


def test_the_file_may_be_named_by_a_variable_and_a_flag_wins_over_it(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("port = 1001")
    (tmp_path / "two.toml").write_text("port = 1002")
    environ = {"BACKSCROLL_CONFIG": str(tmp_path / "one.toml")}
    assert load(environ, directory=tmp_path).port == 1001
    assert load(environ, config="two.toml", directory=tmp_path).port == 1002


def test_relative_paths_in_a_file_are_those_of_its_directory(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "backscroll.toml").write_text('data = "archive"')
    assert load({}, config="etc/backscroll.toml", directory=tmp_path).data == tmp_path / "etc" / "archive"
    assert load({"BACKSCROLL_DATA": "archive"}, directory=tmp_path).data == tmp_path / "archive"


def test_an_empty_variable_is_a_setting_that_was_not_given(tmp_path: Path) -> None:
    assert load({"BACKSCROLL_PORT": "", "BACKSCROLL_PUBLIC_URL": ""}, directory=tmp_path).port == 8080


def test_a_missing_file_matters_only_when_it_was_named(tmp_path: Path) -> None:
    load({}, directory=tmp_path)
    with pytest.raises(BadField, match=r"config: there is no file .*none\.toml; create it"):
        load({"BACKSCROLL_CONFIG": "none.toml"}, directory=tmp_path)


@pytest.mark.parametrize("content", [b"port = ", b"port = 1\nport = 2\n", b'host = "\xff"', b"[port]\n[port]\n"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "backscroll.toml").write_bytes(content)
    with pytest.raises(BadField, match=r"backscroll\.toml is not TOML"):
        load({}, directory=tmp_path)


def test_an_unknown_key_is_refused_with_the_nearest_setting(tmp_path: Path) -> None:
    (tmp_path / "backscroll.toml").write_text("rate-limits = 7")
    with pytest.raises(BadField, match=r"rate-limits: .*backscroll\.toml .*did you mean rate_limit\?"):
        load({}, directory=tmp_path)
    (tmp_path / "backscroll.toml").write_text("zzzzzz = 7")
    with pytest.raises(BadField, match="the settings are data, database, host"):
        load({}, directory=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "eighty"),
        ("port", "0"),
        ("port", "65536"),
        ("port", "8_0"),
        ("workers", "0"),
        ("rate_limit", "-1"),
        ("page_cache_bytes", "64 parsecs"),
        ("max_body_bytes", "12"),
        ("database", "mysql://root:hunter2@host/db"),
        ("public_url", "archive.example.org"),
        ("public_url", "https://user:pass@example.org"),
        ("gowa_base_path", "gowa"),
        ("gowa_empty_values", "none"),
        ("periskope_count", "all"),
        ("log_level", "loud"),
    ],
)
def test_a_bad_value_is_told_with_its_setting_its_place_and_what_can_be_given(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(BadField) as caught:
        load({f"BACKSCROLL_{name.upper()}": value}, directory=tmp_path)
    told = str(caught.value)
    assert told.startswith(f"{name}: ")
    assert f"of the variable BACKSCROLL_{name.upper()} cannot be used; give " in told
    assert "hunter2" not in told
    with pytest.raises(BadField, match=f"of the flag --{name.replace('_', '-')} cannot"):
        load({}, {name: value}, directory=tmp_path)


@pytest.mark.parametrize("line", ["port = true", "port = 80.5", "port = [80]", "host = 1", "workers = 2020-01-01"])
def test_a_value_of_the_wrong_type_in_the_file_is_told_with_the_file(tmp_path: Path, line: str) -> None:
    (tmp_path / "backscroll.toml").write_text(line)
    with pytest.raises(BadField, match=rf"in {tmp_path}/backscroll\.toml cannot be used; give "):
        load({}, directory=tmp_path)


@pytest.mark.parametrize(
    ("written", "bytes_"),
    [("1048576", 1048576), ("64MiB", 64 * 2**20), ("1.5 GB", 1_500_000_000), ("2kib", 2048), ("7b", 7)],
)
def test_sizes_may_carry_a_unit(written: str, bytes_: int) -> None:
    assert bytes_of(written) == bytes_


def test_open_access_is_refused_on_an_address_that_others_reach(tmp_path: Path) -> None:
    flags = {"open_access": "abc"}
    assert load({}, flags, directory=tmp_path).open_access == "abc"
    assert load({}, flags | {"host": "::1"}, directory=tmp_path).open_access == "abc"
    for host in ("0.0.0.0", "192.0.2.1", "example.org", "::"):
        with pytest.raises(BadField, match="set host to 127"):
            load({}, flags | {"host": host}, directory=tmp_path)
    assert load({}, flags | {"public_url": "http://localhost:8080"}, directory=tmp_path).open_access == "abc"
    with pytest.raises(BadField, match="leave public_url out"):
        load({}, flags | {"public_url": "https://archive.example.org"}, directory=tmp_path)


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.8.8.8", True), ("localhost", True), ("[::1]", True), ("localhost.example.org", False)]
)
def test_loopback_is_known_by_address(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_child_process_comes_to_the_same_settings_from_the_environment(tmp_path: Path) -> None:
    flags = {"public_url": "https://a.example/", "gowa_base_path": "/gowa/", "data": "x y", "max_media_bytes": "1GiB"}
    settings = load({}, flags, directory=tmp_path)
    assert settings.public_url == "https://a.example"
    assert load(environment(settings), directory=tmp_path / "elsewhere") == settings


def test_the_public_url_wins_and_a_wildcard_host_is_shown_as_one_that_can_be_opened(tmp_path: Path) -> None:
    assert load({}, {"host": "0.0.0.0", "port": 9}, directory=tmp_path).url == "http://127.0.0.1:9"
    assert load({}, {"host": "::1"}, directory=tmp_path).url == "http://[::1]:8080"
    assert load({}, {"public_url": "https://a.example"}, directory=tmp_path).url == "https://a.example"


def test_every_setting_is_data_and_a_field_and_its_example_is_another_value_that_works(tmp_path: Path) -> None:
    assert tuple(setting.name for setting in SETTINGS) == Settings.__struct_fields__
    for setting in SETTINGS:
        changed = load({setting.variable: setting.example}, directory=tmp_path)
        assert getattr(changed, setting.name) != getattr(load({}, directory=tmp_path), setting.name)


def test_settings_do_not_change(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        load({}, directory=tmp_path).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "suggestion"),
    [("BACKSCROLL_DATABSE", "did you mean BACKSCROLL_DATABASE?"), ("BACKSCROLL_QQQQQQQQQQQQ", "docs/settings.md")],
)
def test_an_unknown_variable_is_refused_as_it_is_in_the_file(variable: str, suggestion: str, tmp_path: Path) -> None:
    with pytest.raises(BadField, match=suggestion.replace("?", r"\?")) as raised:
        load({variable: "1"}, directory=tmp_path)
    assert raised.value.field == variable


@pytest.mark.parametrize(
    "variable",
    [
        "BACKSCROLL_CONFIG",
        "BACKSCROLL_PERISKOPE_TOKEN",
        "BACKSCROLL_BACKUP_KEY",
        "BACKSCROLL_BACKUP_PASSWORD",
        "BACKSCROLL_EVOLUTION_DATABASE",
        "BACKSCROLL_PUBLISHED_PORT",
        "BACKSCROLL_SERVICE_HOST",
    ],
)
def test_variables_that_others_read_are_no_error(variable: str, tmp_path: Path) -> None:
    (tmp_path / "1").write_text("")
    load({variable: "1"}, directory=tmp_path)
