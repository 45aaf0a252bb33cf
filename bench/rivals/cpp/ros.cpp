// An end on ROS 1.

#include <ros/ros.h>
#include <std_msgs/String.h>

namespace {

/// Queues have no bound (0), so that nothing is dropped; a thread of its own runs the callbacks.
class Link {
public:
    Link(const std::string& out, const std::string& in, bench::Inbox& inbox) {
        if (!out.empty()) publisher_ = node_.advertise<std_msgs::String>(out, 0);
        if (!in.empty()) {
            boost::function<void(const std_msgs::String::ConstPtr&)> put =
                [&inbox](const std_msgs::String::ConstPtr& message) { inbox.put(message->data.data(), message->data.size()); };
            subscriber_ = node_.subscribe<std_msgs::String>(in, 0, put, ros::VoidConstPtr(), ros::TransportHints().tcpNoDelay());
        }
        spinner_.start();
    }

    void send(const std::string& body) {
        message_.data = body;
        publisher_.publish(message_);
    }

private:
    ros::NodeHandle node_;
    ros::Publisher publisher_;
    ros::Subscriber subscriber_;
    ros::AsyncSpinner spinner_{1};
    std_msgs::String message_;
};

}  // namespace

int main(int count, char** arguments) {
    ros::init(ros::M_string{}, "end" + std::to_string(getpid()), ros::init_options::NoSigintHandler | ros::init_options::NoRosout);
    return bench::play<Link>(count, arguments);
}
