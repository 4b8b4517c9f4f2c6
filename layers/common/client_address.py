"""The address of the client: the one place that derives it."""

import json
import os
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from starlette.types import Scope

from common.settings import IN_LAMBDA, Network

BEHIND_ADAPTER: Final = IN_LAMBDA and "AWS_LWA_INVOKE_MODE" in os.environ
"""Whether this is a server in a Lambda that its Web Adapter asks: see functions/ai/run.sh."""

_EVENTS_CONTEXT: Final = b"x-amzn-request-context"


def as_invoked(scope: Scope) -> Scope:
    """The request as the function URL got it, where it comes from Lambda's Web Adapter; else as it came.

    The adapter asks from loopback, and puts the event's `requestContext` into a header, in place of any that
    a client sent. Only where we are BEHIND_ADAPTER is it believed: elsewhere whoever asks could write it.
    """
    client = scope.get("client")
    peer = _parse(client[0] or "") if client else None
    given = [value for name, value in scope["headers"] if name == _EVENTS_CONTEXT]
    if peer is None or not peer.is_loopback or len(given) != 1:
        return scope
    try:
        address = json.loads(given[0])["http"]["sourceIp"]
    except (ValueError, KeyError, TypeError):
        return scope
    return {**scope, "client": (address, 0)} if isinstance(address, str) and is_address(address) else scope


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: IPv4Address | IPv6Address, trusted: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in trusted)


def client_address(peer: str, forwarded_for: Iterable[str], trusted: tuple[Network, ...]) -> str:
    """The address that a request came from.

    `peer` is who connected (the function URL's `sourceIp`, or the socket's); `forwarded_for` are the values
    of all `X-Forwarded-For` headers, in order. A hop is believed only if the one after it is in `trusted`,
    read from the nearest hop outwards; the first that is not trusted is the client. What is no address
    ends the walk.
    """
    address = _parse(peer)
    if address is None:
        return peer
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while hops and _is_trusted(address, trusted):
        hop = _parse(hops.pop())
        if hop is None:
            break
        address = hop
    return str(address)


def is_trusted(peer: str, trusted: tuple[Network, ...]) -> bool:
    """Whether who connected is one of the `trusted` proxies."""
    address = _parse(peer) if trusted else None
    return address is not None and _is_trusted(address, trusted)


def is_address(text: str) -> bool:
    """Whether this is an IP address."""
    return _parse(text) is not None


def is_public(address: str) -> bool:
    """Whether an address is one of the internet's, and not of this machine or a private network."""
    parsed = _parse(address)
    return parsed is not None and parsed.is_global


def address_block(address: str) -> str:
    """What limits count: an IPv4 address itself, an IPv6 address by its /64."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return _network(parsed, 64)
    return str(parsed) if parsed else address


def address_site(address: str) -> str | None:
    """The /48 of an IPv6 address, which one customer may have all of (RFC 6177); None for IPv4."""
    parsed = _parse(address)
    return _network(parsed, 48) if isinstance(parsed, IPv6Address) else None


def _network(address: IPv6Address, prefix: int) -> str:
    return str(ip_network((address, prefix), strict=False))
