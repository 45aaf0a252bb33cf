#include <iostream>
#include <zmq_addon.hpp>
#include "demo.pb.h"
#include "tamtam.pb.h"

int main(int, char **arguments) {
    zmq::context_t context;
    zmq::socket_t socket(context, zmq::socket_type::req);
    socket.connect(arguments[1]);
    demo::AddRequest request;
    request.set_a(2), request.set_b(3);
    const std::string body = request.SerializeAsString();
    std::array<zmq::const_buffer, 3> frames = {zmq::str_buffer("/add"), zmq::const_buffer(), zmq::buffer(body)};
    zmq::send_multipart(socket, frames);
    std::vector<zmq::message_t> reply;
    if (!zmq::recv_multipart(socket, std::back_inserter(reply)) || reply.size() != 2) return 1;
    tamtam::CallHeader header;
    demo::AddReply sum;
    header.ParseFromArray(reply[0].data(), static_cast<int>(reply[0].size()));
    sum.ParseFromArray(reply[1].data(), static_cast<int>(reply[1].size()));
    std::cout << (header.status() == 0 ? std::to_string(sum.sum()) : header.text()) << std::endl;
}
