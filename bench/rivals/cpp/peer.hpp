// What the ends in C++ share: the task, the talk with the conductor, the clock, the bodies, the workloads.
//
// A program includes this text before its own, which defines `Link`: made with two topics' names, one to publish to and one to
// subscribe to (either may be empty); `send(text)` publishes; what arrives goes to `Inbox::put`, from whatever thread.

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

namespace bench {

using std::uint64_t;

constexpr uint64_t HELLO = UINT64_MAX;
constexpr auto SILENCE = std::chrono::seconds(4);
constexpr auto QUIET = std::chrono::milliseconds(1500);

inline uint64_t now_ns() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return uint64_t(time.tv_sec) * 1000000000u + uint64_t(time.tv_nsec);
}

inline void say(const std::string& line) { std::cout << line << std::endl; }

[[noreturn]] inline void fail(const std::string& why) {
    say("{\"failed\":\"" + why + "\"}");
    _exit(1);
}

inline void hear(const std::string& expected) {
    std::string line;
    if (!std::getline(std::cin, line) || line != expected) fail("expected " + expected + ", got " + line);
}

struct Usage {
    uint64_t cpu_ns, voluntary, involuntary;

    static Usage now() {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        auto ns = [](timeval time) { return uint64_t(time.tv_sec) * 1000000000u + uint64_t(time.tv_usec) * 1000u; };
        return {ns(usage.ru_utime) + ns(usage.ru_stime), uint64_t(usage.ru_nvcsw), uint64_t(usage.ru_nivcsw)};
    }
};

inline Usage at_go{};

/// Says that this end is ready; the conductor answers with a line on standard input.
inline void say_ready() { say("\"ready\""); }

inline void hear_go() {
    hear("go");
    at_go = Usage::now();
}

[[noreturn]] inline void done(uint64_t start, uint64_t end, const uint64_t* received) {
    std::string count = received ? ",\"received\":" + std::to_string(*received) : "";
    say("{\"done\":{\"start_ns\":" + std::to_string(start) + ",\"end_ns\":" + std::to_string(end) + count + "}}");
    hear("stop");
    Usage now = Usage::now();
    say("{\"spent\":{\"cpu_ns\":" + std::to_string(now.cpu_ns - at_go.cpu_ns) +
        ",\"voluntary\":" + std::to_string(now.voluntary - at_go.voluntary) +
        ",\"involuntary\":" + std::to_string(now.involuntary - at_go.involuntary) + ",\"resident_kib\":0}}");
    // What closing would still do is not measured.
    _exit(0);
}

inline void stamp(std::string& body, uint64_t number) { std::memcpy(body.data(), &number, sizeof number); }

inline uint64_t number_of(const char* body, std::size_t size, std::size_t expected) {
    if (size != expected || size < sizeof(uint64_t)) fail("expected " + std::to_string(expected) + " bytes, got " + std::to_string(size));
    uint64_t number;
    std::memcpy(&number, body, sizeof number);
    return number;
}

struct Task {
    std::string what;
    std::size_t size;
    uint64_t warm, count;
};

/// Where messages arrive. A publisher's is never used; an end of a conversation hands over one number at a time; a subscriber
/// counts where it receives, so that nothing is handed over between threads.
class Inbox {
public:
    explicit Inbox(const Task& task) : task_(task), counts_(task.what == "subscribe") {}

    void put(const char* body, std::size_t size) {
        uint64_t number = number_of(body, size, task_.size);
        if (counts_) {
            count(number);
            return;
        }
        std::lock_guard<std::mutex> guard(lock_);
        // A hello is no news beside a number.
        if (number != HELLO || !full_) number_ = number;
        full_ = true;
        arrived_.notify_one();
    }

    /// Waits for a number.
    bool take(uint64_t& number, std::chrono::milliseconds patience) {
        std::unique_lock<std::mutex> guard(lock_);
        if (!arrived_.wait_for(guard, patience, [this] { return full_; })) return false;
        full_ = false;
        number = number_;
        return true;
    }

    /// Waits until all have arrived, or until nothing more does.
    void wait_for_all() {
        uint64_t seen = 0;
        auto since = std::chrono::steady_clock::now();
        while (expected_.load() < task_.count && std::chrono::steady_clock::now() - since < QUIET) {
            std::unique_lock<std::mutex> guard(lock_);
            arrived_.wait_for(guard, QUIET / 10, [this] { return expected_.load() >= task_.count; });
            uint64_t now = expected_.load();
            if (now != seen) {
                seen = now;
                since = std::chrono::steady_clock::now();
            }
        }
    }

    /// Waits until the way is open.
    void wait_for_hello() {
        std::unique_lock<std::mutex> guard(lock_);
        if (!arrived_.wait_for(guard, 2 * SILENCE, [this] { return hello_.load(); })) fail("nobody says hello");
    }

    uint64_t received() const { return received_.load(); }
    uint64_t end_ns() const { return end_ns_.load(); }

private:
    void count(uint64_t number) {
        if (number == HELLO) {
            if (!hello_.exchange(true)) arrived_.notify_one();
            return;
        }
        uint64_t expected = expected_.load(std::memory_order_relaxed);
        if (number < expected || number >= task_.count)
            fail("expected " + std::to_string(expected) + ", got " + std::to_string(number));
        received_.store(received_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        bool last = number + 1 == task_.count;
        if (last || task_.size >= 1024 || number % 32 == 0) end_ns_.store(now_ns());
        expected_.store(number + 1);
        if (last) {
            std::lock_guard<std::mutex> guard(lock_);
            arrived_.notify_one();
        }
    }

    Task task_;
    bool counts_;
    std::mutex lock_;
    std::condition_variable arrived_;
    bool full_ = false;
    uint64_t number_ = 0;
    std::atomic<bool> hello_{false};
    std::atomic<uint64_t> expected_{0}, received_{0}, end_ns_{0};
};

template <class Link> void publish(Link& link, const Task& task) {
    std::string body(task.size, 'Z');
    say_ready();
    pollfd orders{0, POLLIN, 0};
    // What says hello also warms up.
    while (poll(&orders, 1, 2) == 0) {
        stamp(body, HELLO);
        link.send(body);
    }
    hear_go();
    uint64_t start = now_ns();
    for (uint64_t number = 0; number < task.count; ++number) {
        stamp(body, number);
        link.send(body);
    }
    done(start, now_ns(), nullptr);
}

inline void subscribe(Inbox& inbox) {
    inbox.wait_for_hello();
    say_ready();
    hear_go();
    uint64_t start = now_ns();
    inbox.wait_for_all();
    uint64_t received = inbox.received();
    done(start, received ? inbox.end_ns() : now_ns(), &received);
}

inline uint64_t next(Inbox& inbox) {
    uint64_t number;
    if (!inbox.take(number, SILENCE)) fail("nothing heard");
    return number;
}

template <class Link> void ask(Link& link, Inbox& inbox, const Task& task) {
    std::string body(task.size, 'Z');
    uint64_t heard;
    int knocks = 0;
    do {
        if (++knocks > 160) fail("nobody says hello");
        stamp(body, HELLO);
        link.send(body);
    } while (!inbox.take(heard, std::chrono::milliseconds(50)));
    auto talk = [&](uint64_t from, uint64_t to) {
        for (uint64_t number = from; number < to; ++number) {
            stamp(body, number);
            link.send(body);
            do heard = next(inbox);
            while (heard == HELLO);
            if (heard != number) fail("expected " + std::to_string(number) + ", got " + std::to_string(heard));
        }
    };
    talk(0, task.warm);
    say_ready();
    hear_go();
    uint64_t start = now_ns();
    talk(task.warm, task.warm + task.count);
    done(start, now_ns(), nullptr);
}

template <class Link> void reply(Link& link, Inbox& inbox, const Task& task) {
    std::string body(task.size, 'Z');
    auto talk = [&](uint64_t from, uint64_t to) {
        for (uint64_t number = from; number < to;) {
            uint64_t heard = next(inbox);
            if (heard != HELLO && heard != number) fail("expected " + std::to_string(number) + ", got " + std::to_string(heard));
            stamp(body, heard);
            link.send(body);
            if (heard != HELLO) ++number;
        }
    };
    talk(0, task.warm);
    say_ready();
    hear_go();
    uint64_t start = now_ns();
    talk(task.warm, task.warm + task.count);
    done(start, now_ns(), nullptr);
}

template <class Link> int play(int count, char** arguments) {
    // Whoever started this end may be killed; then it has no business any more.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (count != 5) fail("usage: TASK SIZE WARM COUNT");
    Task task{arguments[1], std::stoul(arguments[2]), std::stoull(arguments[3]), std::stoull(arguments[4])};
    Inbox inbox(task);
    try {
        if (task.what == "publish") {
            Link link("there", "", inbox);
            publish(link, task);
        } else if (task.what == "subscribe") {
            Link link("", "there", inbox);
            subscribe(inbox);
        } else if (task.what == "ask") {
            Link link("there", "back", inbox);
            ask(link, inbox, task);
        } else if (task.what == "reply") {
            Link link("back", "there", inbox);
            reply(link, inbox, task);
        }
    } catch (const std::exception& error) {
        fail(error.what());
    }
    fail("no such task: " + task.what);
}

}  // namespace bench
