"""The jobs that `files` gives itself."""

from typing import Final

PROCESS: Final = "process_content"
REMOVE: Final = "remove_objects"
