"""A pyzmq socket at the other end of a test.

    pyzmq_peer.py TYPE bind|connect ENDPOINT ROLE

Roles:
    source   sends the script
    sink     receives the script, whole and in order
    echo     sends the script's messages back as they come
    ask      sends the script's messages and expects each of them back

An endpoint that was bound is printed as "bound ENDPOINT"; "done" is printed at the end. A router answers under the address
that it was asked from. A publisher waits for its subscriber, which it sees because it is an XPUB.
"""

import sys

import zmq

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
    context.term()


main()
