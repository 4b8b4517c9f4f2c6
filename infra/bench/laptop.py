"""All functions in one process, behind the gateway, as the stack on a laptop has them; under a watch."""

import os
from pathlib import Path

from infra.bench.watch import Watched
from infra.local import discovery
from infra.local.gateway import Gateway, load
from infra.local.mail import Mailbox
from infra.local.pages import Pages

_gateway = Gateway(load(discovery.functions(), "http"), Pages(Mailbox(Path(os.devnull)), dict))
if found := _gateway.broken():
    raise ImportError(f"These functions cannot be imported: {found}")
app = Watched(_gateway)
