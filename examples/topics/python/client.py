import sys, zmq
from demo_pb2 import AddReply, AddRequest
from tamtam_pb2 import CallHeader

socket = zmq.Context().socket(zmq.REQ)
socket.connect(sys.argv[1])
socket.send_multipart([b"/add", b"", AddRequest(a=2, b=3).SerializeToString()])
header, body = socket.recv_multipart()
print(AddReply.FromString(body).sum if CallHeader.FromString(header).status == 0 else CallHeader.FromString(header).text)
