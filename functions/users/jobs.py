"""The tasks of `users`: a Lambda takes `handler`, a container runs this module."""

from common.jobs import Tasks

tasks = Tasks("users")

handler = tasks.handler

if __name__ == "__main__":
    tasks.serve()
