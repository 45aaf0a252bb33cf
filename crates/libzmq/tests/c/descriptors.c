/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Descriptors for foreign loops: ZMQ_FD, which tells of changes, TAMTAM_FD_LEVEL, which tells of a state, and zmq_poll.
 */
#include "check.h"

enum { MESSAGES = 100000 };

static bool can_read(int fd, int timeout) {
    struct pollfd item = {fd, POLLIN, 0};
    int ready;
    while ((ready = poll(&item, 1, timeout)) < 0 && errno == EINTR)
        ;
    CHECK(ready >= 0);
    return ready > 0;
}

static void *send_numbers(void *socket) {
    for (int i = 0; i < MESSAGES; i++) {
        CHECK_EQUAL(zmq_send(socket, &i, sizeof i, 0), sizeof i);
        /* Pauses, so that the reader comes to sleep now and then. */
        if (i % 10000 == 9999)
            poll(NULL, 0, 2);
    }
    return NULL;
}

/* The loop that libzmq's manual asks for: wait for the descriptor, then take until ZMQ_EVENTS says that there is nothing. */
static void a_loop_loses_nothing(const char *transport, bool connect_first) {
    void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
    int fd = -1;
    if (!connect_first)
        fd = get_int(pull, ZMQ_FD);
    join_up(pull, push, transport);
    if (connect_first)
        fd = get_int(pull, ZMQ_FD);
    CHECK_EQUAL(get_int(pull, ZMQ_FD), fd);
    pthread_t thread;
    CHECK_OK(pthread_create(&thread, NULL, send_numbers, push));
    int expected = 0, wakes = 0;
    /* Whoever begins looks first: what was there before makes no change. */
    bool look = true;
    while (expected < MESSAGES) {
        if (!look) {
            if (!can_read(fd, PATIENCE))
                FAIL("no wake-up after %d messages; events: %d", expected, get_int(pull, ZMQ_EVENTS));
            wakes++;
        }
        look = false;
        while ((get_int(pull, ZMQ_EVENTS) & ZMQ_POLLIN) != 0 && expected < MESSAGES) {
            int number;
            CHECK_EQUAL(zmq_recv(pull, &number, sizeof number, ZMQ_DONTWAIT), sizeof number);
            CHECK_EQUAL(number, expected);
            expected++;
        }
    }
    CHECK(wakes <= MESSAGES + 100);
    CHECK_OK(pthread_join(thread, NULL));
    CHECK_EQUAL(get_int(pull, ZMQ_EVENTS) & ZMQ_POLLIN, 0);
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(context));
}

static void a_loop_on_tcp_loses_nothing(void) {
    a_loop_loses_nothing("tcp", true);
    a_loop_loses_nothing("tcp", false);
}
static void a_loop_on_ipc_loses_nothing(void) { a_loop_loses_nothing("ipc", true); }
static void a_loop_on_inproc_loses_nothing(void) {
    a_loop_loses_nothing("inproc", true);
    a_loop_loses_nothing("inproc", false);
}

/* Takes as libzmq's programs often do: until EAGAIN, and only then asks for ZMQ_EVENTS. */
static void a_loop_until_eagain_loses_nothing(void) {
    static const char *const transports[] = {"tcp", "inproc"};
    for (size_t t = 0; t < COUNT(transports); t++) {
        void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
        join_up(pull, push, transports[t]);
        int fd = get_int(pull, ZMQ_FD), expected = 0;
        pthread_t thread;
        CHECK_OK(pthread_create(&thread, NULL, send_numbers, push));
        while (expected < MESSAGES) {
            int number;
            if (zmq_recv(pull, &number, sizeof number, ZMQ_DONTWAIT) == sizeof number) {
                CHECK_EQUAL(number, expected);
                expected++;
                continue;
            }
            CHECK_EQUAL(zmq_errno(), EAGAIN);
            if ((get_int(pull, ZMQ_EVENTS) & ZMQ_POLLIN) == 0 && !can_read(fd, PATIENCE))
                FAIL("no wake-up after %d messages", expected);
        }
        CHECK_OK(pthread_join(thread, NULL));
        CHECK_OK(zmq_close(push));
        CHECK_OK(zmq_close(pull));
        CHECK_OK(zmq_ctx_term(context));
    }
}

/* An application that has something waiting and does not take it: a loop over descriptors has to come to rest. */
static void what_is_not_taken_does_not_spin(void) {
    static const char *const transports[] = {"tcp", "ipc", "inproc"};
    for (size_t t = 0; t < COUNT(transports); t++) {
        void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
        join_up(pull, push, transports[t]);
        int fd = get_int(pull, ZMQ_FD), wakes = 0;
        for (int i = 0; i < 10; i++)
            send_text(push, "not taken", 0);
        AWAIT((get_int(pull, ZMQ_EVENTS) & ZMQ_POLLIN) != 0);
        int64_t until = milliseconds() + 300, computed = cpu_milliseconds();
        while (milliseconds() < until)
            if (can_read(fd, (int)(until - milliseconds()))) {
                wakes++;
                CHECK((get_int(pull, ZMQ_EVENTS) & ZMQ_POLLIN) != 0);
            }
        if (wakes > 20 || cpu_milliseconds() - computed > 150)
            FAIL("%s: %d wake-ups without anything new, %d ms computing", transports[t], wakes,
                 (int)(cpu_milliseconds() - computed));
        /* What is new makes it readable again. */
        send_text(push, "new", 0);
        CHECK(can_read(fd, PATIENCE));
        for (int i = 0; i < 10; i++)
            expect_text(pull, "not taken");
        expect_text(pull, "new");
        CHECK_OK(zmq_close(push));
        CHECK_OK(zmq_close(pull));
        CHECK_OK(zmq_ctx_term(context));
    }
}

/* A socket becoming writable is a change as well. */
static void room_to_send_is_told(void) {
    static const char *const transports[] = {"tcp", "inproc"};
    for (size_t t = 0; t < COUNT(transports); t++) {
        void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
        set_int(push, ZMQ_SNDHWM, 1);
        set_int(pull, ZMQ_RCVHWM, 1);
        set_int(push, ZMQ_SNDBUF, 8192);
        set_int(pull, ZMQ_RCVBUF, 8192);
        CHECK_OK(zmq_bind(push, bind_address(transports[t])));
        int fd = get_int(push, ZMQ_FD), sent = 0;
        CHECK_EQUAL(get_int(push, ZMQ_EVENTS), 0);
        CHECK_OK(zmq_connect(pull, last_endpoint(push)));
        while ((get_int(push, ZMQ_EVENTS) & ZMQ_POLLOUT) == 0)
            CHECK(can_read(fd, PATIENCE));
        static char body[100000];
        /* Full, and remains so. */
        while (zmq_send(push, body, sizeof body, ZMQ_DONTWAIT) >= 0 || is_readable(pull, 0) == false)
            sent++;
        int64_t quiet = milliseconds() + 100;
        while (milliseconds() < quiet)
            if (zmq_send(push, body, sizeof body, ZMQ_DONTWAIT) >= 0)
                sent++, quiet = milliseconds() + 100;
        CHECK_EQUAL(get_int(push, ZMQ_EVENTS), 0);
        /* Taking makes room, and room is told. */
        while ((get_int(push, ZMQ_EVENTS) & ZMQ_POLLOUT) == 0) {
            char octet;
            if (zmq_recv(pull, &octet, 1, ZMQ_DONTWAIT) < 0)
                CHECK(can_read(fd, PATIENCE));
        }
        CHECK(zmq_send(push, body, sizeof body, ZMQ_DONTWAIT) >= 0);
        CHECK_OK(zmq_close(push));
        CHECK_OK(zmq_close(pull));
        CHECK_OK(zmq_ctx_term(context));
    }
}

static void the_level_is_the_state(void) {
    static const char *const transports[] = {"tcp", "ipc", "inproc"};
    for (size_t t = 0; t < COUNT(transports); t++) {
        void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
        join_up(pull, push, transports[t]);
        int level = get_int(pull, TAMTAM_FD_LEVEL), edge = get_int(pull, ZMQ_FD);
        CHECK(level != edge);
        CHECK_EQUAL(get_int(pull, TAMTAM_FD_LEVEL), level);
        for (int round = 0; round < 3; round++) {
            send_text(push, "one", ZMQ_SNDMORE);
            send_text(push, "two", 0);
            send_text(push, "three", 0);
            CHECK(can_read(level, PATIENCE));
            /* For as long as something is there, however often ZMQ_EVENTS is asked for. */
            AWAIT((get_int(pull, ZMQ_EVENTS) & ZMQ_POLLIN) != 0);
            CHECK(can_read(level, 0));
            CHECK((get_int(pull, ZMQ_EVENTS) & ZMQ_POLLIN) != 0);
            CHECK(can_read(level, 0));
            CHECK(is_readable(pull, 0));
            CHECK(can_read(level, 0));
            expect_text(pull, "one");
            CHECK(can_read(level, 0)); /* the rest of the message */
            expect_text(pull, "two");
            CHECK(can_read(level, PATIENCE));
            expect_text(pull, "three");
            CHECK_EQUAL(get_int(pull, ZMQ_EVENTS) & ZMQ_POLLIN, 0);
            AWAIT(!can_read(level, 0));
        }
        CHECK_OK(zmq_close(push));
        CHECK_OK(zmq_close(pull));
        CHECK_OK(zmq_ctx_term(context));
    }
}

static void *send_in_parts(void *socket) {
    for (int i = 0; i < MESSAGES; i++) {
        CHECK_EQUAL(zmq_send(socket, &i, sizeof i, i % 5 == 4 ? 0 : ZMQ_SNDMORE), sizeof i);
        if (i % 10000 == 9999)
            poll(NULL, 0, 2);
    }
    return NULL;
}

/* The loop that is obvious: readable, then one part. With the level nothing is lost. */
static void a_naive_loop(void *(*send)(void *)) {
    static const char *const transports[] = {"tcp", "inproc"};
    for (size_t t = 0; t < COUNT(transports); t++) {
        void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
        join_up(pull, push, transports[t]);
        int fd = get_int(pull, TAMTAM_FD_LEVEL), expected = 0, idle = 0;
        pthread_t thread;
        CHECK_OK(pthread_create(&thread, NULL, send, push));
        while (expected < MESSAGES) {
            if (!can_read(fd, PATIENCE))
                FAIL("not readable after %d messages", expected);
            int number;
            if (zmq_recv(pull, &number, sizeof number, ZMQ_DONTWAIT) == sizeof number) {
                CHECK_EQUAL(number, expected);
                expected++;
            } else
                idle++;
        }
        CHECK(idle <= MESSAGES);
        CHECK_OK(pthread_join(thread, NULL));
        CHECK_OK(zmq_close(push));
        CHECK_OK(zmq_close(pull));
        CHECK_OK(zmq_ctx_term(context));
    }
}

static void a_naive_loop_on_the_level_loses_nothing(void) { a_naive_loop(send_numbers); }
static void a_naive_loop_on_the_level_loses_no_part(void) { a_naive_loop(send_in_parts); }

static void sockets_and_descriptors_are_polled_together(void) {
    void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
    void *quiet = new_socket(context, ZMQ_PULL);
    join_up(pull, push, "tcp");
    CHECK_OK(zmq_bind(quiet, "inproc://quiet"));
    int pipes[2];
    CHECK_OK(pipe(pipes));
    zmq_pollitem_t items[] = {
        {pull, 0, ZMQ_POLLIN | ZMQ_POLLOUT, -1},
        {NULL, pipes[0], ZMQ_POLLIN | ZMQ_POLLERR | ZMQ_POLLPRI, -1},
        {quiet, 0, ZMQ_POLLIN, -1},
        {NULL, pipes[1], 0, -1},
        {push, 0, 0, -1},
    };
    CHECK_EQUAL(zmq_poll(items, 5, 0), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQUAL(items[i].revents, 0);
    send_text(push, "one", ZMQ_SNDMORE);
    send_text(push, "two", 0);
    CHECK_EQUAL(zmq_poll(items, 5, -1), 1);
    CHECK_EQUAL(items[0].revents, ZMQ_POLLIN);
    expect_text(pull, "one");
    CHECK_EQUAL(zmq_poll(items, 5, 0), 1); /* the rest of the message */
    expect_text(pull, "two");
    CHECK_EQUAL(write(pipes[1], "x", 1), 1);
    CHECK_EQUAL(zmq_poll(items, 5, -1), 1);
    CHECK_EQUAL(items[0].revents, 0);
    CHECK_EQUAL(items[1].revents, ZMQ_POLLIN);
    items[3].events = ZMQ_POLLOUT;
    items[4].events = ZMQ_POLLOUT;
    CHECK_EQUAL(zmq_poll(items, 5, -1), 3);
    CHECK_EQUAL(items[3].revents, ZMQ_POLLOUT);
    CHECK_EQUAL(items[4].revents, ZMQ_POLLOUT);
    /* The same socket twice. */
    zmq_pollitem_t twice[] = {{push, 0, ZMQ_POLLOUT, 0}, {push, 0, ZMQ_POLLOUT, 0}};
    CHECK_EQUAL(zmq_poll(twice, 2, -1), 2);
    close(pipes[0]);
    close(pipes[1]);
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_close(quiet));
    CHECK_OK(zmq_ctx_term(context));
}

TESTS(TEST(a_loop_on_tcp_loses_nothing), TEST(a_loop_on_ipc_loses_nothing), TEST(a_loop_on_inproc_loses_nothing),
      TEST(a_loop_until_eagain_loses_nothing), TEST(what_is_not_taken_does_not_spin), TEST(room_to_send_is_told),
      TEST(the_level_is_the_state), TEST(a_naive_loop_on_the_level_loses_nothing),
      TEST(a_naive_loop_on_the_level_loses_no_part),
      TEST(sockets_and_descriptors_are_polled_together))
