"""The textbook's publisher with pyzmq, as a C++ program on libzmq would be written.

    publisher.py [SUBSCRIBERS] [DATA_ENDPOINT] [SYNC_ENDPOINT]
"""

import sys

import zmq


def varint(number):
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def field(tag, octets):
    """A field whose length is said before it: a text or a message."""
    return varint(tag << 3 | 2) + varint(len(octets)) + octets


def info(number):
    """Info { date = 1; id = 2; messages = 3: Message { text = 1; type = 2 } }; zero is not written (proto3)."""
    message = field(1, b"Hello, ZMQ & Protobuf!") + varint(2 << 3) + varint(1)
    identifier = varint(2 << 3) + varint(number) if number else b""
    return field(1, b"10.10.2023") + identifier + field(3, message)


def main():
    arguments = sys.argv[1:]
    subscribers = int(arguments[0]) if arguments else 1
    data_endpoint = arguments[1] if len(arguments) > 1 else "tcp://*:5561"
    sync_endpoint = arguments[2] if len(arguments) > 2 else "tcp://*:5562"
    context = zmq.Context()
    publisher = context.socket(zmq.PUB)
    publisher.sndhwm = 0
    publisher.bind(data_endpoint)
    sync = context.socket(zmq.REP)
    sync.bind(sync_endpoint)
    print("Wait for synchronization request", flush=True)
    for _ in range(subscribers):
        sync.recv()
        print("Send synchronization reply", flush=True)
        sync.send(b"")
    for number in range(10):
        publisher.send(info(number))
    publisher.send(b"END")
    sync.close()
    publisher.close()
    context.term()


main()
