"""How often and how long, in seconds."""

TICK = 0.35
"""How often what was said is stored, and looked for elsewhere: a stop from another process takes so long."""
RESUME = 60.0
"""How long a generation goes on with nobody listening, and how long its events stay after its end."""
WATCH = 5.0
"""How often a process in which somebody listens says so to the one that generates."""
QUIET = 10.0
"""After so long without an event, listeners get an empty list: proxies take silence for death."""
LOST = 15.0
"""A process that gave no sign of life for so long is gone."""
STOP = 3.0
"""How long who asks for a stop waits for the end that it brings."""
