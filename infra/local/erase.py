"""Deleting a stack's data."""

import shutil

from infra.local.home import Home


def erase(home: Home) -> None:
    """Delete everything but the tools, which hold no data and take long to download."""
    cluster = home.postgres.resolve()
    home.postgres.unlink() if home.postgres.is_symlink() else None
    for folder in (cluster, home.emulator, home.mail, home.logs):
        if folder.exists():
            shutil.rmtree(folder)
    for file in (home.secrets_file, home.demo_file, home.stack_file):
        file.unlink(missing_ok=True)
