"""Start a program that ends when its parent ends.

    python -I -S launch.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT...]

A supervisor that is killed cannot stop its children, so the kernel is asked to (Linux: PR_SET_PDEATHSIG).
That flag is dropped when a process changes its account, hence both happen here, in this order. Elsewhere than
on Linux the program is started all the same. UID 0 keeps the account. Standard library only, and no import of
this project: it runs with whatever interpreter is at hand, before the program that it becomes.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the program that the arguments name."""
    parent, signal_number, uid, gid = (int(argument) for argument in sys.argv[1:5])
    program = sys.argv[5:]
    if uid:
        os.chdir("/")
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the process that asked for this one has ended")
    os.execvp(program[0], program)  # noqa: S606 - the arguments are the supervisor's own list, no shell reads them


if __name__ == "__main__":
    main()
