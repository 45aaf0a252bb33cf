// An end on Gazebo Transport, of the time when it was called Ignition Transport.

#include <ignition/transport/Node.hh>

namespace {

const char* const TYPE = "tamtam.bench.Octets";

/// Messages go as they are, without Protobuf, which is its fastest way; the library's own thread runs the callbacks.
class Link {
public:
    Link(const std::string& out, const std::string& in, bench::Inbox& inbox) {
        if (!out.empty()) {
            publisher_ = node_.Advertise("/" + out, TYPE);
            if (!publisher_) throw std::runtime_error("cannot advertise");
        }
        if (!in.empty()) {
            auto put = [&inbox](const char* body, const size_t size, const ignition::transport::MessageInfo&) { inbox.put(body, size); };
            if (!node_.SubscribeRaw("/" + in, put, TYPE)) throw std::runtime_error("cannot subscribe");
        }
    }

    void send(const std::string& body) {
        if (!publisher_.PublishRaw(body, TYPE)) throw std::runtime_error("cannot publish");
    }

private:
    ignition::transport::Node node_;
    ignition::transport::Node::Publisher publisher_;
};

}  // namespace

int main(int count, char** arguments) { return bench::play<Link>(count, arguments); }
