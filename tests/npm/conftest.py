"""The official client, installed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from npm.official import install


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client as npm installs it, and the scripts of this folder."""
    folder = tmp_path_factory.mktemp("npm")
    install(folder)
    return folder
