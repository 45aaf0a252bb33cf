"""A pyzmq socket at the other end of a test.

    pyzmq_peer.py TYPE bind|connect ENDPOINT ROLE

Roles:
    source   sends the script
    sink     receives the script, whole and in order
    echo     sends the script's messages back as they come
    ask      sends the script's messages and expects each of them back

With CURVE_SERVER (a secret key) in the environment the socket is a server of CURVE whose authenticator lets in
CURVE_ALLOW (a public key) only; with CURVE_CLIENT (public key, secret key, the server's public key) it is a client.
Keys are Z85.

An endpoint that was bound is printed as "bound ENDPOINT"; "done" is printed at the end. A router answers under the address
that it was asked from. A publisher waits for its subscriber, which it sees because it is an XPUB.
"""

import os
import sys

import zmq
import zmq.utils.z85

PATIENCE_MS = 20_000
SIZES = [0, 1, 255, 256, 8191, 8192, 65_536, 1 << 20]
PATTERN = bytes(range(251))


def body(size):
    shift = size % 251
    return (PATTERN * (size // 251 + 2))[shift : shift + size]


def script():
    for size in SIZES:
        yield [body(size)]
        yield [b"head", body(size), b""]
    yield [b"", b"", b""]
    for number in range(500):
        yield [number.to_bytes(4, "big")]


def expect(got, wanted, what):
    if got != wanted:
        lengths = [len(frame) for frame in got], [len(frame) for frame in wanted]
        sys.exit(f"{what}: frames of {lengths[0]} octets came, {lengths[1]} were expected")


def secure(context, socket):
    """Returns an authenticator, to be stopped at the end, if there is one."""
    if "CURVE_CLIENT" in os.environ:
        public, secret, server = os.environ["CURVE_CLIENT"].encode().split()
        socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = public, secret, server
    if "CURVE_SERVER" in os.environ:
        socket.curve_secretkey = os.environ["CURVE_SERVER"].encode()
        socket.curve_server = True
    # libzmq passes the user id to the session as a message of its own, which a REQ takes for a broken reply: it closes the
    # connection. (4.3.5, to itself as well.)
    if "CURVE_SERVER" in os.environ and socket.socket_type != zmq.REQ:
        from zmq.auth.thread import ThreadAuthenticator

        # The text, or in other versions the octets.
        text = os.environ["CURVE_ALLOW"].encode()
        allowed = (text, zmq.utils.z85.decode(text))

        class Provider:
            def callback(self, domain, key):
                return key in allowed

        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_curve_callback(domain="test", credentials_provider=Provider())
        socket.zap_domain = b"test"
        return authenticator


def main():
    kind, side, endpoint, role = sys.argv[1:]
    context = zmq.Context()
    socket = context.socket(getattr(zmq, kind))
    socket.rcvtimeo = socket.sndtimeo = socket.linger = PATIENCE_MS
    if kind in ("XPUB", "PUB", "ROUTER"):
        socket.sndhwm = 0
    if kind == "SUB":
        socket.subscribe(b"")
    if kind == "DEALER":
        socket.routing_id = b"python"
    authenticator = secure(context, socket)
    # What is sent waits for a connection that is made: else everything may be queued, and the authenticator stopped at the end,
    # before it was asked whether the peer may come in.
    socket.immediate = authenticator is not None
    if side == "bind":
        socket.bind(endpoint)
        print("bound", socket.last_endpoint.decode(), flush=True)
    else:
        socket.connect(endpoint)
    if kind == "XPUB":
        expect(socket.recv_multipart(), [b"\x01"], "subscription")

    if role == "source":
        for message in script():
            socket.send_multipart(message)
    elif role == "sink":
        for number, message in enumerate(script()):
            expect(socket.recv_multipart(), message, f"message {number}")
    elif role == "echo":
        for _ in script():
            socket.send_multipart(socket.recv_multipart())
    elif role == "ask":
        for number, message in enumerate(script()):
            socket.send_multipart(message)
            expect(socket.recv_multipart(), message, f"reply {number}")
    else:
        sys.exit(f"no such role: {role}")
    print("done", flush=True)
    socket.close()
    if authenticator:
        authenticator.stop()
    context.term()


main()
