#include <zmq_addon.hpp>
#include "demo.pb.h"
#include "tamtam.pb.h"

static void send(zmq::socket_t &socket, const std::string &header, const std::string &body) {
    std::array<zmq::const_buffer, 3> frames = {zmq::str_buffer("/imu"), zmq::buffer(header), zmq::buffer(body)};
    zmq::send_multipart(socket, frames);
}

int main(int, char **arguments) {
    zmq::context_t context;
    zmq::socket_t socket(context, zmq::socket_type::xpub);
    socket.bind(arguments[1]);
    zmq::message_t subscription;
    (void)socket.recv(subscription);  // the barrier: one subscription has come
    demo::Imu imu;
    for (int number = 0; number < 10; ++number, imu.set_x(number)) send(socket, "", imu.SerializeAsString());
    tamtam::TopicHeader end;
    end.set_seq(11), end.set_source("examples"), end.set_flags(1);
    send(socket, end.SerializeAsString(), "");
}
