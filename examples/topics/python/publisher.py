import sys, zmq
from demo_pb2 import Imu

socket = zmq.Context().socket(zmq.XPUB)
socket.bind(sys.argv[1])
socket.recv()                                        # the barrier: one subscription has come
for number in range(10):
    socket.send_multipart([b"/imu", b"", Imu(x=number).SerializeToString()])
socket.send_multipart([b"/imu", b"\x08\x0b\x1a\x08examples\x28\x01", b""])   # END: seq 11, source, flag 1
