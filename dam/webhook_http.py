"""One message posted to an address that an administrator gave, without reaching into our own network.

The name is resolved once, every address that it has must be a public one, and the connection goes to an
address that was checked: a name that resolves differently a moment later leads nowhere else. Proxies and
redirects are not followed.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

SECONDS = 10.0  # for everything: connecting, sending and reading
MAX_ANSWER = 2048  # bytes of the answer that are read and kept
PORTS = {"http": 80, "https": 443}
# Prefixes that carry an IPv4 address to somewhere behind a translator (RFC 6052, RFC 8215) or did once (RFC
# 4291), and what once was a site's own (RFC 3879).
NOT_PUBLIC = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "fec0::/10")))


class AddressRefused(Exception):
    """Nothing is sent to this address; `str()` says why and what to do."""


@dataclass(frozen=True)
class Answer:
    """What came of one attempt.

    Attributes:
        status: the HTTP status; None: there was no answer at all.
        text: the beginning of the answer's body.
        problem: why the message has not arrived, as a sentence; empty where it has.
    """

    status: int | None = None
    text: str = ""
    problem: str = ""


def check_url(url: str) -> None:
    """What can be said about an address without asking the network.

    Raises:
        AddressRefused: it is no web address, unencrypted, or names a private address.
    """
    _parsed(url)


def post(url: str, body: bytes, headers: dict[str, str]) -> Answer:
    """Send the message. Whatever goes wrong is said in the answer."""
    deadline = time.monotonic() + SECONDS
    try:
        parts = _parsed(url)
        with _connected(parts, deadline) as sock:
            return _exchange(parts, sock, body, headers, deadline)
    except AddressRefused as refusal:
        return Answer(problem=str(refusal))
    except TimeoutError:
        return Answer(problem=_no_time())
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        if time.monotonic() >= deadline:  # the watchdog ended the connection
            return Answer(problem=_no_time())
        detail = str(error) or type(error).__name__
        return Answer(problem=_("The connection failed: %(error)s") % {"error": detail})


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except (ValueError, UnicodeError):
        port, parts = 0, urlsplit("")
    allowed = ("https", "http") if settings.DAM_WEBHOOK_ALLOW_PRIVATE else ("https",)
    if parts.scheme not in PORTS or not parts.hostname or port == 0 or not _is_plain(url):
        raise AddressRefused(_("This is no web address. Give one such as https://example.com/hooks."))
    if parts.scheme not in allowed:
        raise AddressRefused(
            _("The address must begin with https://, so that nobody on the way can read it.")
        )
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(_("Leave the name and password out of the address; messages are signed."))
    with suppress(ValueError):  # a name; it is looked up when something is sent
        _require_public(parts.hostname, ip_address(parts.hostname))
    return parts


def _is_plain(url: str) -> bool:
    """Whether it is all characters that an address may have: no space, and Chinese only as it is encoded."""
    return all("!" <= character <= "~" for character in url)


def _connected(parts: SplitResult, deadline: float) -> socket.socket:
    """A connection to the first of the host's addresses that takes one, all of which were checked."""
    host = parts.hostname or ""
    port = parts.port or PORTS[parts.scheme]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_family, place in found:
        _require_public(host, ip_address(place[0]))
    problem: OSError = OSError(_("The name has no address."))
    for family, kind, protocol, _name, place in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(deadline))
            sock.connect(place)
            return _encrypted(sock, host) if parts.scheme == "https" else sock
        except OSError as error:
            sock.close()
            problem = error
    raise problem


def _encrypted(sock: socket.socket, host: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    # The handshake is made later, under the eye of the watchdog.
    return context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)


def _exchange(
    parts: SplitResult, sock: socket.socket, body: bytes, headers: dict[str, str], deadline: float
) -> Answer:
    # A socket's time-out counts from byte to byte; one who answers a byte a second is ended by this.
    watchdog = threading.Timer(_left(deadline), _end, [sock])
    watchdog.daemon = True
    watchdog.start()
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock.do_handshake()
        connection = http.client.HTTPConnection(parts.hostname or "")
        connection.sock = sock
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, {"Host": parts.netloc, "Connection": "close", **headers})
        answer = connection.getresponse()
        _left(deadline)  # headers that the watchdog cut off look like headers that ended
        return Answer(answer.status, _beginning_of(answer), _problem_of(answer.status))
    finally:
        watchdog.cancel()


def _beginning_of(answer: http.client.HTTPResponse) -> str:
    body = b""
    # The status counts, also where the words after it break off.
    with suppress(OSError, http.client.HTTPException):
        body = answer.read(MAX_ANSWER)
    return body.decode(errors="replace").replace("\0", "")  # PostgreSQL keeps no NUL in a text


def _problem_of(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return _("The address answered with a redirect (%(status)s), which is not followed.") % {
            "status": status
        }
    return _("The address answered with %(status)s.") % {"status": status}


def _require_public(host: str, address: IPv4Address | IPv6Address) -> None:
    if settings.DAM_WEBHOOK_ALLOW_PRIVATE or _is_public(address):
        return
    raise AddressRefused(
        _(
            "“%(host)s” leads to %(address)s, which is not a public address. Choose another one, or let "
            "whoever runs the site set DAM_WEBHOOK_ALLOW_PRIVATE."
        )
        % {"host": host, "address": address}
    )


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        # Addresses that stand for an IPv4 address lead to wherever that one does.
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return _is_public(inner)
        if address.teredo is not None or any(address in network for network in NOT_PUBLIC):
            return False
    return address.is_global and not address.is_multicast


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _end(sock: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _no_time() -> str:
    return _("There was no answer within %(seconds)s seconds.") % {"seconds": round(SECONDS)}
