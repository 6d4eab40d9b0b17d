"""What looking after connections must leave alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from backscroll.http.connections import accepted_on
from backscroll.storage.store import open_store


def test_looking_at_connections_keeps_the_locks_on_the_database(tmp_path: Path) -> None:
    """Without its locks the database's journal is deleted by the next program that opens it."""
    store = open_store(None, tmp_path)
    try:
        store.create_org("ACME")
        assert list(accepted_on(1)) == []
        program = "import apsw, sys; c = apsw.Connection(sys.argv[1]); [*c.execute('SELECT * FROM orgs')]; c.close()"
        subprocess.run([sys.executable, "-c", program, str(tmp_path / "backscroll.db")], check=True, timeout=60)
        assert (tmp_path / "backscroll.db-wal").exists()
    finally:
        store.close()
