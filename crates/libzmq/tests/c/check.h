/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The frame of the C test programs: named tests, each in a process of its own with a time limit, and checks that say
 * where they failed. A program runs all of its tests, or those that are named as arguments.
 */
#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE
#include <zmq.h>
#include <tamtam_zmq.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Seconds that one test may take. */
#define TEST_SECONDS 60
/* Milliseconds after which what has to happen counts as not happening. */
#define PATIENCE 20000

#define FAIL(...)                                                                                                      \
    do {                                                                                                               \
        int errno_then_ = errno;                                                                                       \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                                                \
        fprintf(stderr, __VA_ARGS__);                                                                                  \
        fprintf(stderr, " (errno %d: %s)\n", errno_then_, zmq_strerror(errno_then_));                                  \
        fflush(stderr);                                                                                                \
        _exit(1);                                                                                                      \
    } while (0)

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            FAIL("failed: %s", #condition);                                                                            \
    } while (0)

#define CHECK_EQUAL(found, expected)                                                                                   \
    do {                                                                                                               \
        long long found_ = (long long)(found), expected_ = (long long)(expected);                                      \
        if (found_ != expected_)                                                                                       \
            FAIL("%s is %lld, expected %lld", #found, found_, expected_);                                              \
    } while (0)

#define CHECK_TEXT(found, expected)                                                                                    \
    do {                                                                                                               \
        const char *found_ = (found), *expected_ = (expected);                                                         \
        if (found_ == NULL || strcmp(found_, expected_) != 0)                                                          \
            FAIL("%s is \"%s\", expected \"%s\"", #found, found_ == NULL ? "NULL" : found_, expected_);                \
    } while (0)

/* The call answers -1 with this errno. */
#define CHECK_FAILS(call, expected)                                                                                    \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long long found_ = (long long)(call);                                                                          \
        int errno_ = zmq_errno();                                                                                      \
        if (found_ != -1 || errno_ != (expected))                                                                      \
            FAIL("%s answers %lld with \"%s\", expected -1 with \"%s\"", #call, found_, zmq_strerror(errno_),          \
                 strerror_of_(expected));                                                                              \
    } while (0)

/* The call answers NULL with this errno. */
#define CHECK_NULL(call, expected)                                                                                     \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        const void *found_ = (call);                                                                                   \
        int errno_ = zmq_errno();                                                                                      \
        if (found_ != NULL || errno_ != (expected))                                                                    \
            FAIL("%s answers %p with \"%s\", expected NULL with \"%s\"", #call, found_, zmq_strerror(errno_),          \
                 strerror_of_(expected));                                                                              \
    } while (0)

#define CHECK_OK(call) CHECK_EQUAL(call, 0)

/* zmq_strerror may answer from a buffer that its next call uses again. */
UNUSED static const char *strerror_of_(int number) {
    static _Thread_local char text[128];
    snprintf(text, sizeof text, "%s", zmq_strerror(number));
    return text;
}

struct test {
    const char *name;
    void (*run)(void);
};
#define TEST(name) {#name, name}

/* Runs a test in a process of its own: what it leaves behind, or ends with, is no other's. */
static bool run_test_(const struct test *test) {
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        return false;
    }
    if (child == 0) {
        alarm(TEST_SECONDS);
        test->run();
        exit(0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        printf("ok      %s\n", test->name);
        return true;
    }
    if (WIFSIGNALED(status))
        printf("FAILED  %s: %s\n", test->name,
               WTERMSIG(status) == SIGALRM ? "takes too long" : strsignal(WTERMSIG(status)));
    else
        printf("FAILED  %s: exit status %d\n", test->name, WEXITSTATUS(status));
    return false;
}

UNUSED static int run_tests_(const struct test *tests, size_t count, int argc, char **argv) {
    int failed = 0, ran = 0;
    for (size_t i = 0; i < count; i++) {
        bool wanted = argc < 2;
        for (int j = 1; j < argc; j++)
            wanted = wanted || strcmp(argv[j], tests[i].name) == 0;
        if (wanted) {
            ran++;
            failed += !run_test_(&tests[i]);
        }
    }
    printf("%d passed, %d failed\n", ran - failed, failed);
    return failed > 0 || ran == 0;
}
#define TESTS(...)                                                                                                     \
    int main(int argc, char **argv) {                                                                                  \
        static const struct test tests[] = {__VA_ARGS__};                                                              \
        return run_tests_(tests, COUNT(tests), argc, argv);                                                            \
    }

/* ------------------------------------------------------------------------------------------------------------- time */

UNUSED static int64_t milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What the whole process has computed so far. */
UNUSED static int64_t cpu_milliseconds(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/* Waits for a condition that nothing announces. */
#define AWAIT(condition)                                                                                               \
    do {                                                                                                               \
        int64_t until_ = milliseconds() + PATIENCE;                                                                    \
        while (!(condition)) {                                                                                         \
            if (milliseconds() > until_)                                                                               \
                FAIL("never came: %s", #condition);                                                                    \
            poll(NULL, 0, 1);                                                                                          \
        }                                                                                                              \
    } while (0)

/* ---------------------------------------------------------------------------------------------------------- sockets */

UNUSED static void *new_context(void) {
    void *context = zmq_ctx_new();
    CHECK(context != NULL);
    return context;
}

UNUSED static void set_int(void *socket, int option, int value) {
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0)
        FAIL("option %d cannot be set to %d", option, value);
}

UNUSED static int get_int(void *socket, int option) {
    int value = -1;
    size_t size = sizeof value;
    if (zmq_getsockopt(socket, option, &value, &size) != 0)
        FAIL("option %d cannot be read", option);
    CHECK_EQUAL(size, sizeof value);
    return value;
}

/* A socket that does not linger, and gives up waiting for what should have come. */
UNUSED static void *new_socket(void *context, int type) {
    void *socket = zmq_socket(context, type);
    if (socket == NULL)
        FAIL("no socket of type %d", type);
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_RCVTIMEO, PATIENCE);
    set_int(socket, ZMQ_SNDTIMEO, PATIENCE);
    return socket;
}

UNUSED static const char *last_endpoint(void *socket) {
    static _Thread_local char text[512];
    size_t size = sizeof text;
    CHECK_OK(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text, &size));
    CHECK_EQUAL(size, strlen(text) + 1);
    return text;
}

/* A name in the system's folder for such things that nobody else uses. */
UNUSED static const char *ipc_path(const char *name) {
    static _Thread_local char path[100];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/tamtam-%d-%s", folder == NULL || strlen(folder) > 50 ? "/tmp" : folder, (int)getpid(),
             name);
    return path;
}

/* Where to bind for a transport's name. */
UNUSED static const char *bind_address(const char *transport) {
    static _Thread_local char address[128];
    if (strcmp(transport, "tcp") == 0)
        return "tcp://127.0.0.1:*";
    if (strcmp(transport, "ipc") == 0)
        snprintf(address, sizeof address, "ipc://%s", ipc_path("pair"));
    else
        snprintf(address, sizeof address, "inproc://pair-%d", (int)getpid());
    return address;
}

/* Binds one and connects the other. */
UNUSED static void join_up(void *bound, void *connected, const char *transport) {
    CHECK_OK(zmq_bind(bound, bind_address(transport)));
    CHECK_OK(zmq_connect(connected, last_endpoint(bound)));
}

UNUSED static void send_text(void *socket, const char *text, int flags) {
    if (zmq_send(socket, text, strlen(text), flags) != (int)strlen(text))
        FAIL("\"%s\" cannot be sent", text);
}

UNUSED static void expect_text(void *socket, const char *expected) {
    char text[256];
    int size = zmq_recv(socket, text, sizeof text - 1, 0);
    if (size < 0)
        FAIL("\"%s\" does not come", expected);
    CHECK(size < (int)sizeof text);
    text[size] = 0;
    CHECK_TEXT(text, expected);
}

UNUSED static bool is_readable(void *socket, long timeout) {
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    int ready = zmq_poll(&item, 1, timeout);
    CHECK(ready >= 0);
    return ready > 0;
}

/* Begins to monitor a socket and returns the PAIR that its events come from. */
UNUSED static void *monitor(void *context, void *socket, const char *address, int events) {
    CHECK_OK(zmq_socket_monitor(socket, address, events));
    void *pair = new_socket(context, ZMQ_PAIR);
    CHECK_OK(zmq_connect(pair, address));
    return pair;
}

/* Receives an event and its value. */
UNUSED static int next_event(void *pair, uint32_t *value) {
    unsigned char head[6];
    char endpoint[256];
    CHECK_EQUAL(zmq_recv(pair, head, sizeof head, 0), 6);
    CHECK(zmq_recv(pair, endpoint, sizeof endpoint, 0) >= 0);
    uint16_t event;
    memcpy(&event, head, sizeof event);
    if (value != NULL)
        memcpy(value, head + 2, sizeof *value);
    return event;
}

/* Waits until one of these events comes, and returns which. */
UNUSED static int await_event(void *pair, int events) {
    for (;;) {
        int event = next_event(pair, NULL);
        if ((event & events) != 0)
            return event;
    }
}

/* -------------------------------------------------------------------------------------------------------- raw peers */

UNUSED static int port_of(const char *endpoint) {
    const char *colon = strrchr(endpoint, ':');
    CHECK(colon != NULL);
    return atoi(colon + 1);
}

UNUSED static struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* A stream of octets to a bound socket. */
UNUSED static int raw_connect(int port) {
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_OK(connect(fd, (struct sockaddr *)&address, sizeof address));
    return fd;
}

/* Listens at a port, or at any for 0; returns the descriptor. */
UNUSED static int raw_listen(int *port) {
    struct sockaddr_in address = loopback(*port);
    socklen_t size = sizeof address;
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
    CHECK_OK(bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_OK(listen(fd, 16));
    CHECK_OK(getsockname(fd, (struct sockaddr *)&address, &size));
    *port = ntohs(address.sin_port);
    return fd;
}

UNUSED static void raw_send(int fd, const void *data, size_t size) {
    CHECK_EQUAL(send(fd, data, size, MSG_NOSIGNAL), size);
}

UNUSED static void raw_recv(int fd, void *data, size_t size) {
    unsigned char *place = data;
    for (size_t done = 0; done < size;) {
        ssize_t got = recv(fd, place + done, size - done, 0);
        if (got <= 0)
            FAIL("the stream ends after %zu of %zu octets", done, size);
        done += (size_t)got;
    }
}

/* Reads one frame of ZMTP; returns its flags. */
UNUSED static int raw_frame(int fd, unsigned char *body, size_t room, size_t *size) {
    unsigned char flags, lengths[8];
    raw_recv(fd, &flags, 1);
    *size = 0;
    size_t count = (flags & 2) != 0 ? 8 : 1;
    raw_recv(fd, lengths, count);
    for (size_t i = 0; i < count; i++)
        *size = *size << 8 | lengths[i];
    CHECK(*size <= room);
    raw_recv(fd, body, *size);
    return flags;
}

/* Greets as ZMTP 3.1 with the mechanism NULL and says what type of socket this is. */
UNUSED static void raw_handshake(int fd, const char *type) {
    unsigned char greeting[64] = {0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 1, 'N', 'U', 'L', 'L'}, theirs[64];
    raw_send(fd, greeting, sizeof greeting);
    raw_recv(fd, theirs, sizeof theirs);
    CHECK_EQUAL(theirs[0], 0xFF);
    unsigned char ready[64] = {4, 0, 5, 'R', 'E', 'A', 'D', 'Y', 11, 'S', 'o', 'c', 'k', 'e', 't', '-', 'T', 'y', 'p', 'e'};
    size_t size = 20, length = strlen(type);
    ready[size + 3] = (unsigned char)length;
    memcpy(ready + size + 4, type, length);
    size += 4 + length;
    ready[1] = (unsigned char)(size - 2);
    raw_send(fd, ready, size);
    unsigned char body[512];
    raw_frame(fd, body, sizeof body, &size);
    CHECK(size > 6 && memcmp(body, "\5READY", 6) == 0);
}

#endif
