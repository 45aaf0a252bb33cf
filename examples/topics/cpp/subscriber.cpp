#include <iostream>
#include <zmq_addon.hpp>
#include "demo.pb.h"
#include "tamtam.pb.h"

int main(int, char **arguments) {
    zmq::context_t context;
    zmq::socket_t socket(context, zmq::socket_type::sub);
    socket.set(zmq::sockopt::subscribe, "/imu");
    socket.connect(arguments[1]);
    for (;;) {
        std::vector<zmq::message_t> frames;
        if (!zmq::recv_multipart(socket, std::back_inserter(frames))) continue;
        tamtam::TopicHeader header;
        if (frames.size() != 3 || frames[0].to_string_view() != "/imu") continue;
        header.ParseFromArray(frames[1].data(), static_cast<int>(frames[1].size()));
        if (header.flags() & 1) return 0;  // END
        demo::Imu imu;
        imu.ParseFromArray(frames[2].data(), static_cast<int>(frames[2].size()));
        std::cout << imu.x() << std::endl;
    }
}
