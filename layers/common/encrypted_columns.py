"""Every column that holds ciphertexts of `common.encryption`, in one place.

`encrypt` refuses a context of any other kind: what is stored encrypted is known here, and so
`lambkin keys reencrypt` misses none.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """A nullable or required text column whose values `encrypt` made.

    `kind` begins the context, which `key`, the primary key of the table, completes: a ciphertext opens in its
    own row only. `batch` is how many rows are encrypted anew at a time: fewer where they are large.
    """

    kind: str
    table: str
    column: str
    key: tuple[str, ...]
    batch: int = 200

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"

    def context(self, *key: UUID | str) -> str:
        """The context of the row with this primary key, for `encrypt` and `decrypt`."""
        if len(key) != len(self.key):
            raise ValueError(f"the primary key of {self.table} is {', '.join(self.key)}")
        return ":".join((self.kind, *map(str, key)))


SIGNING_SECRET: Final = EncryptedColumn("signing-key", "signing_secrets", "ciphertext", ("key_id",))
JOB_SECRET: Final = EncryptedColumn("job", "jobs", "secret", ("id",))
EXPORT_PART: Final = EncryptedColumn("export", "export_parts", "content", ("export_id", "function"), batch=5)

ENCRYPTED: Final = (SIGNING_SECRET, JOB_SECRET, EXPORT_PART)

_KINDS: Final = frozenset(column.kind for column in ENCRYPTED)


def check_context(context: str) -> None:
    """Raises ValueError for a context that belongs to none of these columns."""
    kind, colon, _ = context.partition(":")
    if not colon or kind not in _KINDS:
        raise ValueError(f"no column of common.encrypted_columns has the kind of context {kind!r}")
