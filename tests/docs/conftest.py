import os

# The README's function of one's own runs its tests and all checks: `make test-stack` has them run.
collect_ignore = [] if os.environ.get("LAMBKIN_STACK") else ["test_own_function.py"]
