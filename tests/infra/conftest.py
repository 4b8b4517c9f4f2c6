import os

# A whole stack from its first start to its end takes a worker half a minute: `make test-stack` runs it.
collect_ignore = [] if os.environ.get("LAMBKIN_STACK") else ["test_stack.py"]
