"""Deleting a stack's data."""

import shutil

from infra.local.home import Home
from infra.local.postgres import draft_of


def erase(home: Home) -> None:
    """Delete everything but the tools, which hold no data and take long to download."""
    cluster = home.postgres.resolve()
    if home.postgres.is_symlink():
        home.postgres.unlink()
    for folder in (cluster, draft_of(cluster), home.emulator, home.mail, home.logs):
        if folder.exists():
            shutil.rmtree(folder)
    for file in (home.secrets_file, home.demo_file, home.stack_file):
        file.unlink(missing_ok=True)
