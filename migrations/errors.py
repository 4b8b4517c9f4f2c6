"""What can go wrong with a migration; every message is one sentence for whoever runs it."""


class MigrationError(Exception):
    """The migration did not happen; the message says why, and what to do."""


class DatabaseUnreachable(MigrationError):
    """Postgres does not answer, or refuses the owner."""


class MigrationLocked(MigrationError):
    """Another migration of this database is running."""


class MigrationFailed(MigrationError):
    """A revision failed and was rolled back; the ones before it are in place."""


class UnknownRevision(MigrationError):
    """The database or the caller names a revision that this code does not have."""


class RolesRefused(MigrationError):
    """The owner may not create or grant what the ownership map asks for."""
