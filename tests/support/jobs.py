"""Running what functions have enqueued, in this process."""

from importlib import import_module


def run_jobs(function: str, *, most: int = 1000) -> int:
    """Run the due jobs of a function, one after another; how many ran."""
    tasks = import_module(f"functions.{function}.jobs").tasks
    for number in range(most):
        if tasks.run_one() is None:
            return number
    raise AssertionError(f"{function} has more than {most} jobs, or one that is due again and again")
