"""The child that is a Lambda: `sandboxed.py FORBIDDEN FOLDER…` runs the runtime client over these folders.

Its interpreter was started with `-I -S`: nothing but the standard library and the folders is on the path. The
checkout FORBIDDEN cannot be read, so that whatever the artifact lacks is missed here and not on AWS.
"""

import os
import sys


def close_off(forbidden: str, allowed: tuple[str, ...]) -> None:
    """Refuse to open what is below `forbidden` and below none of `allowed`."""
    prefix = os.path.join(os.path.realpath(forbidden), "")  # noqa: PTH118 - pathlib is no part of a start

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str):
            path = os.path.realpath(arguments[0])
            if path.startswith(prefix) and not path.startswith(allowed):
                raise PermissionError(f"{path} is no part of the artifact")

    sys.addaudithook(refuse)


def main() -> None:
    """Become the runtime client; its handler is in `_HANDLER`."""
    forbidden, *folders = sys.argv[1:]
    real = tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)  # noqa: PTH118 - as above
    sys.path[:0] = folders
    if forbidden:
        close_off(forbidden, (*real, os.path.join(os.path.realpath(sys.prefix), "")))  # noqa: PTH118 - as above
    from awslambdaric.__main__ import main as run  # type: ignore[import-not-found]  # in its own folder

    run([sys.argv[0], os.environ["_HANDLER"]])


if __name__ == "__main__":
    main()
