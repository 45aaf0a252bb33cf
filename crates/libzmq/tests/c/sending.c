/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Queues and their marks, whole messages, what is counted, where sockets are bound, and sockets that are used from
 * several threads although libzmq forbids it.
 */
#include "check.h"

/* ------------------------------------------------------------------------------------------------- whole messages */

static void a_message_is_refused_with_its_first_part(const char *transport) {
    void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
    set_int(push, ZMQ_SNDHWM, 2);
    set_int(pull, ZMQ_RCVHWM, 2);
    set_int(push, ZMQ_SNDBUF, 4096);
    set_int(pull, ZMQ_RCVBUF, 4096);
    join_up(pull, push, transport);
    static char body[20000];
    enum { PARTS = 5 };
    int sent = 0, refused = 0, received = 0;
    while (sent < 2000) {
        int first = zmq_send(push, &sent, sizeof sent, ZMQ_DONTWAIT | ZMQ_SNDMORE);
        if (first < 0) {
            CHECK_EQUAL(zmq_errno(), EAGAIN);
            refused++;
            /* Makes room, and checks what comes. */
            int number;
            CHECK_EQUAL(zmq_recv(pull, &number, sizeof number, 0), sizeof number);
            CHECK_EQUAL(number, received);
            for (int part = 1; part < PARTS; part++) {
                CHECK_EQUAL(get_int(pull, ZMQ_RCVMORE), 1);
                CHECK_EQUAL(zmq_recv(pull, body, sizeof body, ZMQ_DONTWAIT), part == 2 ? (int)sizeof body : part);
            }
            CHECK_EQUAL(get_int(pull, ZMQ_RCVMORE), 0);
            received++;
            continue;
        }
        for (int part = 1; part < PARTS; part++) {
            int flags = ZMQ_DONTWAIT | (part + 1 < PARTS ? ZMQ_SNDMORE : 0);
            size_t size = part == 2 ? sizeof body : (size_t)part;
            if (zmq_send(push, body, size, flags) != (int)size)
                FAIL("part %d of message %d is refused", part, sent);
        }
        sent++;
    }
    CHECK(refused > 0);
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(context));
}

static void messages_at_the_mark_are_whole(void) {
    a_message_is_refused_with_its_first_part("inproc");
    a_message_is_refused_with_its_first_part("tcp");
    a_message_is_refused_with_its_first_part("ipc");
}

/* What is begun and not ended when the socket is closed is never seen. */
static void half_a_message_is_none(void) {
    static const char *const transports[] = {"tcp", "inproc"};
    for (size_t t = 0; t < COUNT(transports); t++) {
        void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
        join_up(pull, push, transports[t]);
        set_int(push, ZMQ_LINGER, -1);
        send_text(push, "whole", 0);
        send_text(push, "half", ZMQ_SNDMORE);
        CHECK_OK(zmq_close(push));
        push = new_socket(context, ZMQ_PUSH);
        CHECK_OK(zmq_connect(push, last_endpoint(pull)));
        send_text(push, "next", 0);
        expect_text(pull, "whole");
        CHECK_EQUAL(get_int(pull, ZMQ_RCVMORE), 0);
        expect_text(pull, "next");
        CHECK_OK(zmq_close(push));
        CHECK_OK(zmq_close(pull));
        CHECK_OK(zmq_ctx_term(context));
    }
}

static void out_of_turn(void) {
    void *context = new_context(), *req = new_socket(context, ZMQ_REQ), *rep = new_socket(context, ZMQ_REP);
    join_up(rep, req, "tcp");
    char text[8];
    CHECK_FAILS(zmq_recv(req, text, sizeof text, 0), EFSM);
    CHECK_FAILS(zmq_send(rep, "x", 1, 0), EFSM);
    send_text(req, "request", 0);
    CHECK_FAILS(zmq_send(req, "x", 1, 0), EFSM);
    expect_text(rep, "request");
    CHECK_FAILS(zmq_recv(rep, text, sizeof text, 0), EFSM);
    send_text(rep, "reply", 0);
    expect_text(req, "reply");
    void *pub = new_socket(context, ZMQ_PUB), *sub = new_socket(context, ZMQ_SUB), *pull = new_socket(context, ZMQ_PULL);
    CHECK_FAILS(zmq_recv(pub, text, sizeof text, 0), ENOTSUP);
    CHECK_FAILS(zmq_send(sub, "x", 1, 0), ENOTSUP);
    CHECK_FAILS(zmq_send(pull, "x", 1, 0), ENOTSUP);
    void *all[] = {req, rep, pub, sub, pull};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(zmq_close(all[i]));
    CHECK_OK(zmq_ctx_term(context));
}

/* --------------------------------------------------------------------------------------------------------- addresses */

static void endpoints_are_told_back(void) {
    void *context = new_context(), *socket = new_socket(context, ZMQ_PAIR), *other = new_socket(context, ZMQ_PAIR);
    char text[128], expected[128];
    CHECK_TEXT(last_endpoint(socket), "");

    CHECK_OK(zmq_bind(socket, "tcp://127.0.0.1:*"));
    strcpy(text, last_endpoint(socket));
    int port = port_of(text);
    snprintf(expected, sizeof expected, "tcp://127.0.0.1:%d", port);
    CHECK(port > 0);
    CHECK_TEXT(text, expected);
    CHECK_OK(zmq_connect(other, text));
    CHECK_TEXT(last_endpoint(other), expected);
    CHECK_FAILS(zmq_bind(other, expected), EADDRINUSE);
    CHECK_OK(zmq_disconnect(other, text));
    CHECK_FAILS(zmq_disconnect(other, text), ENOENT);
    CHECK_OK(zmq_unbind(socket, text));
    CHECK_FAILS(zmq_unbind(socket, text), ENOENT);

    CHECK_OK(zmq_bind(socket, "tcp://127.0.0.1:0"));
    strcpy(text, last_endpoint(socket));
    CHECK(strncmp(text, "tcp://127.0.0.1:", 16) == 0 && port_of(text) > 0);
    CHECK_OK(zmq_unbind(socket, text));

    CHECK_OK(zmq_bind(socket, "tcp://*:*"));
    strcpy(text, last_endpoint(socket));
    CHECK(strncmp(text, "tcp://0.0.0.0:", 14) == 0 && port_of(text) > 0);
    CHECK_OK(zmq_unbind(socket, text));

    CHECK_OK(zmq_bind(socket, "inproc://a name"));
    CHECK_TEXT(last_endpoint(socket), "inproc://a name");
    CHECK_FAILS(zmq_bind(other, "inproc://a name"), EADDRINUSE);
    CHECK_OK(zmq_unbind(socket, "inproc://a name"));

    snprintf(expected, sizeof expected, "ipc://%s", ipc_path("told"));
    CHECK_OK(zmq_bind(socket, expected));
    CHECK_TEXT(last_endpoint(socket), expected);
    CHECK_OK(zmq_unbind(socket, expected));

    snprintf(expected, sizeof expected, "ipc://@tamtam-%d", (int)getpid());
    CHECK_OK(zmq_bind(socket, expected));
    CHECK_TEXT(last_endpoint(socket), expected);
    CHECK_OK(zmq_unbind(socket, expected));

    CHECK_OK(zmq_bind(socket, "ipc://*"));
    strcpy(text, last_endpoint(socket));
    CHECK(strncmp(text, "ipc:///", 7) == 0);
    CHECK_OK(access(text + 6, F_OK));
    CHECK_OK(zmq_connect(other, text));
    send_text(other, "found", 0);
    expect_text(socket, "found");
    CHECK_OK(zmq_close(socket));
    CHECK_OK(zmq_close(other));
    CHECK_OK(zmq_ctx_term(context));
    CHECK_EQUAL(access(text + 6, F_OK), -1);
}

/* ------------------------------------------------------------------------------------------------------ what is counted */

static struct tamtam_statistics statistics(void *socket) {
    struct tamtam_statistics found;
    CHECK_OK(tamtam_socket_statistics(socket, &found, sizeof found));
    CHECK_EQUAL(found.size, sizeof found);
    return found;
}

static void traffic_is_counted(void) {
    static const char *const transports[] = {"tcp", "ipc", "inproc"};
    for (size_t t = 0; t < COUNT(transports); t++) {
        void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
        join_up(pull, push, transports[t]);
        for (int i = 0; i < 10; i++) {
            send_text(push, "12345", ZMQ_SNDMORE);
            send_text(push, "678", 0);
        }
        AWAIT(is_readable(pull, 0));
        CHECK_EQUAL(statistics(push).messages_out, 10);
        CHECK_EQUAL(statistics(push).bytes_out, 80);
        CHECK_EQUAL(statistics(push).messages_in, 0);
        CHECK_EQUAL(statistics(push).peers, 1);
        CHECK_EQUAL(statistics(pull).peers, 1);
        for (int i = 0; i < 10; i++) {
            expect_text(pull, "12345");
            expect_text(pull, "678");
        }
        CHECK_EQUAL(statistics(pull).messages_in, 10);
        CHECK_EQUAL(statistics(pull).bytes_in, 80);
        CHECK_EQUAL(statistics(pull).queued_in, 0);
        CHECK_EQUAL(statistics(push).queued_out, 0);
        CHECK_EQUAL(statistics(push).dropped_full + statistics(push).dropped_other, 0);
        CHECK_OK(zmq_close(push));
        CHECK_OK(zmq_close(pull));
        CHECK_OK(zmq_ctx_term(context));
    }
}

/* Everything a publisher takes is received or counted as dropped. */
static void what_a_publisher_drops_is_counted(const char *transport) {
    enum { MESSAGES = 20000 };
    void *context = new_context(), *xpub = new_socket(context, ZMQ_XPUB), *sub = new_socket(context, ZMQ_SUB);
    set_int(xpub, ZMQ_SNDHWM, 100);
    set_int(sub, ZMQ_RCVHWM, 100);
    set_int(xpub, ZMQ_SNDBUF, 8192);
    set_int(sub, ZMQ_RCVBUF, 8192);
    CHECK_OK(zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "", 0));
    join_up(xpub, sub, transport);
    char subscription[2], body[1000] = "";
    CHECK_EQUAL(zmq_recv(xpub, subscription, sizeof subscription, 0), 1);
    for (int i = 0; i < MESSAGES; i++)
        CHECK_EQUAL(zmq_send(xpub, body, sizeof body, 0), sizeof body);
    uint64_t dropped = statistics(xpub).dropped_full;
    CHECK(dropped > 0);
    for (uint64_t received = 0; received < MESSAGES - dropped; received++)
        if (zmq_recv(sub, body, sizeof body, 0) != sizeof body)
            FAIL("%s: %llu received and %llu dropped of %d", transport, (unsigned long long)received,
                 (unsigned long long)dropped, MESSAGES);
    /* And not one more. */
    send_text(xpub, "end", 0);
    expect_text(sub, "end");
    CHECK_EQUAL(statistics(xpub).dropped_full, dropped);
    CHECK_EQUAL(statistics(sub).messages_in + statistics(xpub).dropped_full, MESSAGES + 1);
    CHECK_OK(zmq_close(xpub));
    CHECK_OK(zmq_close(sub));
    CHECK_OK(zmq_ctx_term(context));
}

static void what_is_dropped_is_counted(void) {
    what_a_publisher_drops_is_counted("tcp");
    what_a_publisher_drops_is_counted("ipc");
    what_a_publisher_drops_is_counted("inproc");
}

/* ------------------------------------------------------------------------------------------- several threads at once */

enum { EACH = 20000 };

static void *send_many(void *socket) {
    for (int i = 0; i < EACH; i++)
        CHECK_EQUAL(zmq_send(socket, &i, sizeof i, 0), sizeof i);
    return NULL;
}

static void two_threads_may_send_on_one_socket(void) {
    static const char *const transports[] = {"tcp", "inproc"};
    for (size_t t = 0; t < COUNT(transports); t++) {
        void *context = new_context(), *dealer = new_socket(context, ZMQ_DEALER), *peer = new_socket(context, ZMQ_DEALER);
        join_up(peer, dealer, transports[t]);
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            CHECK_OK(pthread_create(&threads[i], NULL, send_many, dealer));
        static int counts[EACH];
        memset(counts, 0, sizeof counts);
        for (int i = 0; i < 2 * EACH; i++) {
            int number;
            CHECK_EQUAL(zmq_recv(peer, &number, sizeof number, 0), sizeof number);
            CHECK(number >= 0 && number < EACH);
            counts[number]++;
        }
        for (int i = 0; i < EACH; i++)
            CHECK_EQUAL(counts[i], 2);
        for (int i = 0; i < 2; i++)
            CHECK_OK(pthread_join(threads[i], NULL));
        CHECK_OK(zmq_close(dealer));
        CHECK_OK(zmq_close(peer));
        CHECK_OK(zmq_ctx_term(context));
    }
}

static atomic_int waiting;
static void *receive_until_closed(void *socket) {
    char text[16];
    atomic_fetch_add(&waiting, 1);
    int result = zmq_recv(socket, text, sizeof text, 0);
    CHECK_EQUAL(result, -1);
    CHECK(zmq_errno() == ENOTSOCK || zmq_errno() == ETERM);
    return NULL;
}
static void *send_until_closed(void *socket) {
    atomic_fetch_add(&waiting, 1);
    int result = zmq_send(socket, "x", 1, 0);
    CHECK_EQUAL(result, -1);
    CHECK(zmq_errno() == ENOTSOCK || zmq_errno() == ETERM);
    return NULL;
}
static void *poll_until_closed(void *socket) {
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    atomic_fetch_add(&waiting, 1);
    int result = zmq_poll(&item, 1, -1);
    CHECK_EQUAL(result, -1);
    CHECK(zmq_errno() == ENOTSOCK || zmq_errno() == ETERM);
    return NULL;
}

static void closing_ends_another_threads_wait(void) {
    static void *(*const waits[])(void *) = {receive_until_closed, send_until_closed, poll_until_closed};
    static const char *const addresses[] = {NULL, "inproc://closed", "tcp://127.0.0.1:*"};
    for (size_t a = 0; a < COUNT(addresses); a++)
        for (size_t w = 0; w < COUNT(waits); w++)
            for (int round = 0; round < 20; round++) {
                void *context = new_context(), *socket = new_socket(context, ZMQ_DEALER);
                set_int(socket, ZMQ_RCVTIMEO, -1);
                set_int(socket, ZMQ_SNDTIMEO, -1);
                if (addresses[a] != NULL)
                    CHECK_OK(zmq_bind(socket, addresses[a]));
                atomic_store(&waiting, 0);
                pthread_t thread;
                CHECK_OK(pthread_create(&thread, NULL, waits[w], socket));
                AWAIT(atomic_load(&waiting) == 1);
                /* Before it waits, and while it does. */
                if (round % 2 == 0)
                    poll(NULL, 0, 2);
                CHECK_OK(zmq_close(socket));
                CHECK_OK(pthread_join(thread, NULL));
                CHECK_OK(zmq_ctx_term(context));
            }
}

static atomic_bool stop;
static void *shared_socket;
static void *do_anything(void *seed) {
    unsigned state = (unsigned)(uintptr_t)seed;
    char octets[64];
    zmq_msg_t message;
    while (!atomic_load(&stop)) {
        state = state * 1103515245 + 12345;
        int value = 0;
        size_t size = sizeof value;
        zmq_pollitem_t item = {shared_socket, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0};
        switch (state >> 16 & 7) {
        case 0: zmq_send(shared_socket, "part", 4, ZMQ_DONTWAIT | ZMQ_SNDMORE); break;
        case 1: zmq_send(shared_socket, "whole", 5, ZMQ_DONTWAIT); break;
        case 2: zmq_recv(shared_socket, octets, sizeof octets, ZMQ_DONTWAIT); break;
        case 3: zmq_getsockopt(shared_socket, ZMQ_EVENTS, &value, &size); break;
        case 4: zmq_setsockopt(shared_socket, ZMQ_LINGER, &value, sizeof value); break;
        case 5: zmq_poll(&item, 1, 0); break;
        case 6: zmq_getsockopt(shared_socket, ZMQ_FD, &value, &size); break;
        default:
            zmq_msg_init(&message);
            zmq_msg_recv(&message, shared_socket, ZMQ_DONTWAIT);
            zmq_msg_send(&message, shared_socket, ZMQ_DONTWAIT);
            zmq_msg_close(&message);
        }
    }
    return NULL;
}

/* Nothing is promised about such a program's messages, but that it does not end and does not hang. */
static void using_a_socket_from_everywhere_ends_nothing(void) {
    for (int round = 0; round < 10; round++) {
        void *context = new_context(), *peer = new_socket(context, ZMQ_DEALER);
        shared_socket = new_socket(context, ZMQ_DEALER);
        join_up(peer, shared_socket, round % 2 == 0 ? "tcp" : "inproc");
        pthread_t threads[4];
        atomic_store(&stop, false);
        for (uintptr_t i = 0; i < COUNT(threads); i++)
            CHECK_OK(pthread_create(&threads[i], NULL, do_anything, (void *)(i + 1)));
        for (int i = 0; i < 2000; i++) {
            char octets[16];
            zmq_send(peer, "more", 4, ZMQ_DONTWAIT | (i % 3 == 0 ? 0 : ZMQ_SNDMORE));
            zmq_recv(peer, octets, sizeof octets, ZMQ_DONTWAIT);
        }
        /* Closed under all of them, and used on. */
        CHECK_OK(zmq_close(shared_socket));
        atomic_store(&stop, true);
        for (size_t i = 0; i < COUNT(threads); i++)
            CHECK_OK(pthread_join(threads[i], NULL));
        CHECK_OK(zmq_close(peer));
        CHECK_OK(zmq_ctx_term(context));
    }
}

TESTS(TEST(messages_at_the_mark_are_whole), TEST(half_a_message_is_none), TEST(out_of_turn),
      TEST(endpoints_are_told_back), TEST(traffic_is_counted), TEST(what_is_dropped_is_counted),
      TEST(two_threads_may_send_on_one_socket), TEST(closing_ends_another_threads_wait),
      TEST(using_a_socket_from_everywhere_ends_nothing))
