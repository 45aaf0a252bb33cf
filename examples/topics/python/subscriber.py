import sys, zmq
from demo_pb2 import Imu
from tamtam_pb2 import TopicHeader

socket = zmq.Context().socket(zmq.SUB)
socket.subscribe(b"/imu")
socket.connect(sys.argv[1])
while True:
    key, header, body = socket.recv_multipart()
    if key != b"/imu":
        continue                                     # ZeroMQ matches prefixes
    if TopicHeader.FromString(header).flags & 1:
        break                                        # END
    print(Imu.FromString(body).x, flush=True)
