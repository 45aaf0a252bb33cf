// The textbook's publisher in C++: waits until every subscriber has said that it is there, then publishes ten messages.
//
//     publisher [SUBSCRIBERS] [DATA_ENDPOINT] [SYNC_ENDPOINT]
//
// Nothing in here knows which library is behind zmq.h. A subscriber's request and its subscription travel on two
// connections, so the request proves nothing about the subscription: this publisher waits for the subscriptions, too,
// which an XPUB shows to its program.

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include <zmq.hpp>

#include "info.pb.h"

namespace {

const int updates = 10;

zmq::message_t update(int id)
{
    Info info;
    info.set_date("10.10.2023");
    info.set_id(id);
    Info::Message *message = info.add_messages();
    message->set_text("Hello, ZMQ & Protobuf!");
    message->set_type(Info::DEBUG);
    return zmq::message_t(info.SerializeAsString());
}

void answer_requests(zmq::socket_t &sync, int subscribers)
{
    std::cout << "Wait for synchronization request" << std::endl;
    for (int i = 0; i < subscribers; ++i) {
        zmq::message_t request;
        (void) sync.recv(request);
        std::cout << "Send synchronization reply" << std::endl;
        sync.send(zmq::message_t(), zmq::send_flags::none);
    }
}

// ANCHOR: subscriptions
void await_subscriptions(zmq::socket_t &publisher, int subscribers)
{
    for (int seen = 0; seen < subscribers;) {
        zmq::message_t message;
        (void) publisher.recv(message);
        // The first octet is 1 for a subscription, 0 for the end of one.
        if (message.size() > 0 && *message.data<char>() == 1)
            ++seen;
    }
}
// ANCHOR_END: subscriptions

void run(int subscribers, const std::string &data_endpoint, const std::string &sync_endpoint)
{
    zmq::context_t context;
    zmq::socket_t publisher(context, zmq::socket_type::xpub);
    publisher.set(zmq::sockopt::sndhwm, 0);
    // Every subscription is shown, not only the first one to a topic.
    publisher.set(zmq::sockopt::xpub_verbose, 1);
    publisher.bind(data_endpoint);
    zmq::socket_t sync(context, zmq::socket_type::rep);
    sync.bind(sync_endpoint);

    answer_requests(sync, subscribers);
    await_subscriptions(publisher, subscribers);
    for (int id = 0; id < updates; ++id)
        publisher.send(update(id), zmq::send_flags::none);
    publisher.send(zmq::str_buffer("END"), zmq::send_flags::none);
    // The context waits at its end until everything has been sent.
}

} // namespace

int main(int argc, char **argv)
{
    try {
        run(argc > 1 ? std::atoi(argv[1]) : 1, argc > 2 ? argv[2] : "tcp://*:5561", argc > 3 ? argv[3] : "tcp://*:5562");
        return EXIT_SUCCESS;
    } catch (const std::exception &error) {
        std::cerr << "publisher: " << error.what() << std::endl;
        return EXIT_FAILURE;
    }
}
