// Reads frames from a server with Asio: four octets of length, and the message. See chapter 3 of the guide.
//
//     frames PORT

#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <utility>

#include <asio.hpp>

using asio::ip::tcp;

// ANCHOR: session
constexpr std::uint32_t largest = 1 << 20;

class Session {
public:
    Session(tcp::socket socket, std::function<void(const std::string &)> handle)
        : socket_(std::move(socket)), handle_(std::move(handle)) {}

    void read_length()
    {
        asio::async_read(socket_, asio::buffer(length_), [this](asio::error_code error, std::size_t count) {
            if (error == asio::error::eof && count == 0)
                std::cout << "the end" << std::endl;
            else if (error)
                std::cout << "cut short: " << error.message() << std::endl;
            else
                read_body();
        });
    }

private:
    void read_body()
    {
        std::uint32_t size = 0;
        for (std::uint8_t octet : length_)
            size = size << 8 | octet;
        if (size > largest) { // before memory is reserved
            std::cout << "a message of " << size << " octets" << std::endl;
            return;
        }
        body_.resize(size);
        asio::async_read(socket_, asio::buffer(body_), [this](asio::error_code error, std::size_t) {
            if (error) {
                std::cout << "cut short: " << error.message() << std::endl;
                return;
            }
            handle_(body_);
            read_length();
        });
    }

    tcp::socket socket_;
    std::function<void(const std::string &)> handle_;
    std::array<std::uint8_t, 4> length_{};
    std::string body_; // both live as long as the operations that fill them
};
// ANCHOR_END: session

int main(int argc, char **argv)
{
    if (argc != 2)
        return EXIT_FAILURE;
    const auto port = static_cast<unsigned short>(std::atoi(argv[1]));
    asio::io_context context;
    tcp::socket socket(context);
    socket.connect({asio::ip::address_v4::loopback(), port});
    Session session(std::move(socket), [](const std::string &message) {
        std::cout << "a message: \"" << message << '"' << std::endl;
    });
    session.read_length();
    context.run();
}
