// The textbook's subscriber in C++: says that it is there, then prints messages until the end marker.
//
//     subscriber [DATA_ENDPOINT] [SYNC_ENDPOINT]
//
// Nothing in here knows which library is behind zmq.h. The request proves nothing about the other connection, so this
// subscriber first waits until that one is ready; then the publisher has been told of the subscription.

#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include <zmq.hpp>

#include "info.pb.h"

namespace {

class ready_t : public zmq::monitor_t
{
  public:
    // Has the connections watched from now on.
    explicit ready_t(zmq::socket_t &socket)
    {
        init(socket, "inproc://subscriber.monitor", ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    }

    // Waits until a connection can be used.
    void wait()
    {
        while (!_ready)
            check_event(-1);
    }

    void on_event_handshake_succeeded(const zmq_event_t &, const char *) override { _ready = true; }

  private:
    bool _ready = false;
};

void print(const zmq::message_t &message)
{
    Info info;
    if (!info.ParseFromArray(message.data(), static_cast<int>(message.size())))
        throw std::runtime_error("a message that is no Info");
    std::cout << "Receiving id: " << info.id() << " date: " << info.date() << ' ';
    for (const Info::Message &part : info.messages())
        std::cout << " Type: " << part.type() << " Message: " << part.text();
    std::cout << std::endl;
}

void run(const std::string &data_endpoint, const std::string &sync_endpoint)
{
    zmq::context_t context;
    zmq::socket_t subscriber(context, zmq::socket_type::sub);
    subscriber.set(zmq::sockopt::subscribe, "");
    {
        ready_t ready(subscriber);
        subscriber.connect(data_endpoint);
        ready.wait();
    }

    zmq::socket_t sync(context, zmq::socket_type::req);
    sync.connect(sync_endpoint);
    sync.send(zmq::message_t(), zmq::send_flags::none);
    zmq::message_t reply;
    (void) sync.recv(reply);

    int updates = 0;
    for (;;) {
        zmq::message_t message;
        (void) subscriber.recv(message);
        if (message.to_string_view() == "END")
            break;
        print(message);
        ++updates;
    }
    std::cout << "Received " << updates << " updates" << std::endl;
}

} // namespace

int main(int argc, char **argv)
{
    try {
        run(argc > 1 ? argv[1] : "tcp://localhost:5561", argc > 2 ? argv[2] : "tcp://localhost:5562");
        return EXIT_SUCCESS;
    } catch (const std::exception &error) {
        std::cerr << "subscriber: " << error.what() << std::endl;
        return EXIT_FAILURE;
    }
}
