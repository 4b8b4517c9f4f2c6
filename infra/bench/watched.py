"""`ai` under a watch."""

from functions.ai.app import app as ai
from infra.bench.watch import Watched

app = Watched(ai)
