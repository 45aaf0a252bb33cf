"""The textbook's subscriber with pyzmq, as a C++ program on libzmq would be written.

    subscriber.py [DATA_ENDPOINT] [SYNC_ENDPOINT]
"""

import sys

import zmq


def varint(octets, at):
    number = shift = 0
    while True:
        octet = octets[at]
        at += 1
        number |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            return number, at


def fields(octets):
    """Yields the tag and the value of each field: a number or the octets of a text or message."""
    at = 0
    while at < len(octets):
        key, at = varint(octets, at)
        value, at = varint(octets, at)
        if key & 7 == 2:
            value, at = octets[at : at + value], at + value
        elif key & 7 != 0:
            sys.exit(f"wire type {key & 7}")
        yield key >> 3, value


def main():
    arguments = sys.argv[1:]
    data_endpoint = arguments[0] if arguments else "tcp://localhost:5561"
    sync_endpoint = arguments[1] if len(arguments) > 1 else "tcp://localhost:5562"
    context = zmq.Context()
    subscriber = context.socket(zmq.SUB)
    subscriber.subscribe(b"")
    subscriber.connect(data_endpoint)
    sync = context.socket(zmq.REQ)
    sync.connect(sync_endpoint)
    sync.send(b"")
    sync.recv()
    updates = 0
    while (octets := subscriber.recv()) != b"END":
        date, identifier, messages = "", 0, []
        for tag, value in fields(octets):
            if tag == 1:
                date = value.decode()
            elif tag == 2:
                identifier = value
            elif tag == 3:
                message = {1: b"", 2: 0, **dict(fields(value))}
                messages.append(f" Type: {message[2]} Message: {message[1].decode()}")
        print(f"Receiving id: {identifier} date: {date} {''.join(messages)}")
        updates += 1
    print(f"Received {updates} updates", flush=True)
    subscriber.close()
    sync.close()
    context.term()


main()
