/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What goes wrong with libzmq, each seen there: processes that end, endpoints that die, messages that vanish. None of it
 * may happen here.
 */
#include "check.h"

static void a_routing_id_that_is_taken_is_an_error(void) {
    void *context = new_context(), *router = new_socket(context, ZMQ_ROUTER), *dealers[2];
    char addresses[2][64];
    for (int i = 0; i < 2; i++) {
        dealers[i] = new_socket(context, ZMQ_DEALER);
        CHECK_OK(zmq_bind(dealers[i], "tcp://127.0.0.1:*"));
        strcpy(addresses[i], last_endpoint(dealers[i]));
    }
    CHECK_OK(zmq_setsockopt(router, ZMQ_CONNECT_ROUTING_ID, "peer", 4));
    CHECK_OK(zmq_connect(router, addresses[0]));
    CHECK_OK(zmq_setsockopt(router, ZMQ_CONNECT_ROUTING_ID, "peer", 4));
    CHECK_FAILS(zmq_connect(router, addresses[1]), EADDRINUSE);
    CHECK_OK(zmq_bind(dealers[1], "inproc://taken"));
    CHECK_OK(zmq_setsockopt(router, ZMQ_CONNECT_ROUTING_ID, "peer", 4));
    CHECK_FAILS(zmq_connect(router, "inproc://taken"), EADDRINUSE);
    /* The first one goes on, and another name is fine. */
    CHECK_OK(zmq_setsockopt(router, ZMQ_CONNECT_ROUTING_ID, "other", 5));
    CHECK_OK(zmq_connect(router, addresses[1]));
    send_text(router, "peer", ZMQ_SNDMORE);
    send_text(router, "to the first", 0);
    send_text(router, "other", ZMQ_SNDMORE);
    send_text(router, "to the second", 0);
    expect_text(dealers[0], "to the first");
    expect_text(dealers[1], "to the second");
    CHECK_OK(zmq_close(router));
    CHECK_OK(zmq_close(dealers[0]));
    CHECK_OK(zmq_close(dealers[1]));
    CHECK_OK(zmq_ctx_term(context));
}

/* Whatever is bound where the authentication handler should be: no connection is let in, and none ends the process. */
static void a_wrong_socket_as_zap_handler_lets_nobody_in(void) {
    static const int types[] = {ZMQ_PAIR, ZMQ_PUB,  ZMQ_SUB,  ZMQ_REQ,  ZMQ_DEALER,
                                ZMQ_PULL, ZMQ_PUSH, ZMQ_XPUB, ZMQ_XSUB};
    for (size_t i = 0; i < COUNT(types); i++)
        for (int plain = 0; plain < 2; plain++) {
            void *context = new_context(), *handler = new_socket(context, types[i]);
            CHECK_OK(zmq_bind(handler, "inproc://zeromq.zap.01"));
            void *server = new_socket(context, ZMQ_PULL), *client = new_socket(context, ZMQ_PUSH);
            if (plain) {
                set_int(server, ZMQ_PLAIN_SERVER, 1);
                CHECK_OK(zmq_setsockopt(client, ZMQ_PLAIN_USERNAME, "user", 4));
                CHECK_OK(zmq_setsockopt(client, ZMQ_PLAIN_PASSWORD, "secret", 6));
            }
            set_int(server, ZMQ_HANDSHAKE_IVL, 200);
            set_int(client, ZMQ_RECONNECT_IVL, 5000);
            CHECK_OK(zmq_setsockopt(server, ZMQ_ZAP_DOMAIN, "domain", 6));
            int failures = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                           ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
            void *events = monitor(context, server, "inproc://events", failures | ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
            join_up(server, client, "tcp");
            send_text(client, "let me in", 0);
            int event = next_event(events, NULL);
            if ((event & failures) == 0)
                FAIL("type %d as handler (plain: %d): event %x", types[i], plain, event);
            CHECK(!is_readable(server, 0));
            void *all[] = {handler, server, client, events};
            for (size_t j = 0; j < COUNT(all); j++)
                CHECK_OK(zmq_close(all[j]));
            CHECK_OK(zmq_ctx_term(context));
        }
}

static void draft_types_are_none_without_drafts(void) {
    void *context = new_context();
    for (int type = 12; type <= 20; type++) {
        if (zmq_has("draft")) {
            void *socket = new_socket(context, type);
            CHECK_OK(zmq_close(socket));
        } else
            CHECK_NULL(zmq_socket(context, type), EINVAL);
    }
    CHECK_NULL(zmq_socket(context, 21), EINVAL);
    CHECK_OK(zmq_ctx_term(context));
}

static void an_unread_monitor_stops_nothing(bool connected) {
    enum { CONNECTIONS = 2000 };
    void *context = new_context(), *pull = new_socket(context, ZMQ_PULL), *push = new_socket(context, ZMQ_PUSH);
    void *visited = new_socket(context, ZMQ_PULL), *events = NULL;
    join_up(pull, push, "tcp");
    /* The kernel shall hold nobody up. */
    set_int(visited, ZMQ_BACKLOG, CONNECTIONS);
    CHECK_OK(zmq_bind(visited, "tcp://127.0.0.1:*"));
    int port = port_of(last_endpoint(visited));
    if (connected)
        events = monitor(context, visited, "inproc://unread", ZMQ_EVENT_ALL);
    else
        CHECK_OK(zmq_socket_monitor(visited, "inproc://unread", ZMQ_EVENT_ALL));
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd = raw_connect(port);
        close(fd);
        if (i % 50 == 0) {
            send_text(push, "unrelated", 0);
            expect_text(pull, "unrelated");
        }
    }
    send_text(push, "last", 0);
    expect_text(pull, "last");
    /* Also the monitored socket goes on. */
    CHECK_OK(zmq_connect(push, last_endpoint(visited)));
    for (int i = 0; i < 2; i++)
        send_text(push, "visit", 0);
    expect_text(visited, "visit");
    expect_text(pull, "visit");
    CHECK_OK(zmq_close(visited));
    if (events != NULL)
        CHECK_OK(zmq_close(events));
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(context));
}

static void an_unread_monitor_stops_no_traffic(void) { an_unread_monitor_stops_nothing(true); }
static void a_monitor_without_reader_stops_no_traffic(void) { an_unread_monitor_stops_nothing(false); }

static void accepting_without_descriptors_does_not_spin(void) {
    enum { CLIENTS = 12 };
    void *context = new_context(), *pull = new_socket(context, ZMQ_PULL);
    CHECK_OK(zmq_bind(pull, "tcp://127.0.0.1:*"));
    int port = port_of(last_endpoint(pull)), clients[CLIENTS];
    void *push = new_socket(context, ZMQ_PUSH);
    CHECK_OK(zmq_connect(push, last_endpoint(pull)));
    send_text(push, "before", 0);
    expect_text(pull, "before");

    struct sockaddr_in address = loopback(port);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(clients[i] >= 0);
    }
    /* No descriptor is left at all, or for two of the clients. */
    for (int left = 0; left <= 2; left += 2) {
        int probe = dup(0);
        CHECK(probe >= 0);
        close(probe);
        struct rlimit limit, old;
        CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
        limit = old;
        limit.rlim_cur = (rlim_t)(probe + left);
        CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
        for (int i = 0; i < CLIENTS / 2; i++)
            CHECK_OK(connect(clients[left / 2 * CLIENTS / 2 + i], (struct sockaddr *)&address, sizeof address));
        int64_t began = cpu_milliseconds();
        poll(NULL, 0, 500);
        int64_t used = cpu_milliseconds() - began;
        if (used > 100)
            FAIL("%d ms of computing in 500 ms of nothing to do", (int)used);
        send_text(push, "meanwhile", 0);
        expect_text(pull, "meanwhile");
        CHECK_OK(setrlimit(RLIMIT_NOFILE, &old));
    }
    /* Who had to wait is let in. */
    for (int i = 0; i < CLIENTS; i++) {
        struct timeval patience = {PATIENCE / 1000, 0};
        CHECK_OK(setsockopt(clients[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
        raw_handshake(clients[i], "PUSH");
        raw_send(clients[i], "\0\6client", 8);
        expect_text(pull, "client");
        close(clients[i]);
    }
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(context));
}

static void all_subscriptions_arrive(int count, const char *transport) {
    void *context = new_context(), *sub = new_socket(context, ZMQ_SUB), *xpub = new_socket(context, ZMQ_XPUB);
    char text[64];
    for (int i = 0; i < count; i++) {
        int size = snprintf(text, sizeof text, "topic-%06d", i);
        CHECK_OK(zmq_setsockopt(sub, ZMQ_SUBSCRIBE, text, (size_t)size));
    }
    join_up(xpub, sub, transport);
    static bool seen[20000];
    memset(seen, 0, sizeof seen);
    CHECK(count <= (int)COUNT(seen));
    for (int i = 0; i < count; i++) {
        int size = zmq_recv(xpub, text, sizeof text - 1, 0);
        if (size < 0)
            FAIL("only %d of %d subscriptions arrive", i, count);
        text[size] = 0;
        int number = -1;
        CHECK(size == 13 && text[0] == 1 && sscanf(text + 1, "topic-%d", &number) == 1);
        CHECK(number >= 0 && number < count && !seen[number]);
        seen[number] = true;
    }
    /* Each of them is in force. */
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "topic-%06d", i);
        send_text(xpub, text, 0);
        expect_text(sub, text);
    }
    CHECK_OK(zmq_close(sub));
    CHECK_OK(zmq_close(xpub));
    CHECK_OK(zmq_ctx_term(context));
}

static void subscriptions_beyond_the_mark_arrive(void) {
    all_subscriptions_arrive(1500, "tcp");
    all_subscriptions_arrive(1500, "inproc");
}
static void twenty_thousand_subscriptions_arrive(void) {
    all_subscriptions_arrive(20000, "tcp");
    all_subscriptions_arrive(20000, "ipc");
}

static void a_live_ipc_path_is_not_stolen(void) {
    void *context = new_context(), *other = new_context(), *pull = new_socket(context, ZMQ_PULL);
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "ipc://%s", ipc_path("live"));
    CHECK_OK(zmq_bind(pull, endpoint));
    void *thief = new_socket(other, ZMQ_PULL);
    CHECK_FAILS(zmq_bind(thief, endpoint), EADDRINUSE);
    void *push = new_socket(other, ZMQ_PUSH);
    CHECK_OK(zmq_connect(push, endpoint));
    send_text(push, "to the first", 0);
    expect_text(pull, "to the first");
    /* Once it is let go, it is free. */
    CHECK_OK(zmq_unbind(pull, endpoint));
    AWAIT(zmq_bind(thief, endpoint) == 0);
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(thief));
    CHECK_OK(zmq_ctx_term(context));
    CHECK_OK(zmq_ctx_term(other));
}

static void a_stale_ipc_path_is_replaced(void) {
    const char *path = ipc_path("stale");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_OK(listen(fd, 1));
    close(fd); /* as a process that was ended leaves it */
    CHECK_OK(access(path, F_OK));
    void *context = new_context(), *pull = new_socket(context, ZMQ_PULL), *push = new_socket(context, ZMQ_PUSH);
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
    CHECK_OK(zmq_bind(pull, endpoint));
    CHECK_OK(zmq_connect(push, endpoint));
    send_text(push, "anew", 0);
    expect_text(pull, "anew");
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(context));
    CHECK_EQUAL(access(path, F_OK), -1);

    /* A file that holds something is nobody's to remove. */
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_EQUAL(write(fd, "precious", 8), 8);
    close(fd);
    context = new_context(), pull = new_socket(context, ZMQ_PULL);
    CHECK_FAILS(zmq_bind(pull, endpoint), EADDRINUSE);
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(context));
    CHECK_OK(access(path, F_OK));
    unlink(path);
}

/* ----------------------------------------------------------------------------------------------------- heartbeats */

/* Reads the PONG that comes and checks what it echoes. */
static void expect_pong(int fd, const char *echo, size_t echo_size) {
    unsigned char body[256];
    size_t size;
    CHECK_EQUAL(raw_frame(fd, body, sizeof body, &size) & 4, 4);
    CHECK(size >= 5 && memcmp(body, "\4PONG", 5) == 0);
    CHECK_EQUAL(size - 5, echo_size);
    CHECK(memcmp(body + 5, echo, echo_size) == 0);
}

static void a_ping_of_656_tenths_does_not_wrap(void) {
    static const unsigned ttls[] = {656, 655, 65535};
    for (size_t i = 0; i < COUNT(ttls); i++) {
        void *context = new_context(), *pull = new_socket(context, ZMQ_PULL);
        CHECK_OK(zmq_bind(pull, "tcp://127.0.0.1:*"));
        int fd = raw_connect(port_of(last_endpoint(pull)));
        raw_handshake(fd, "PUSH");
        unsigned char ping[] = {4, 7, 4, 'P', 'I', 'N', 'G', (unsigned char)(ttls[i] >> 8), (unsigned char)ttls[i]};
        raw_send(fd, ping, sizeof ping);
        expect_pong(fd, "", 0);
        /* A time that has wrapped would be over by now. */
        struct pollfd item = {fd, POLLIN, 0};
        if (poll(&item, 1, 400) != 0)
            FAIL("a TTL of %u tenths ends the connection", ttls[i]);
        raw_send(fd, "\0\5still", 7);
        expect_text(pull, "still");
        close(fd);
        CHECK_OK(zmq_close(pull));
        CHECK_OK(zmq_ctx_term(context));
    }
    /* One that is as short as said does end it. */
    void *context = new_context(), *pull = new_socket(context, ZMQ_PULL);
    CHECK_OK(zmq_bind(pull, "tcp://127.0.0.1:*"));
    int fd = raw_connect(port_of(last_endpoint(pull)));
    raw_handshake(fd, "PUSH");
    raw_send(fd, "\4\7\4PING\0\1", 9);
    expect_pong(fd, "", 0);
    char nothing;
    struct timeval patience = {PATIENCE / 1000, 0};
    CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
    CHECK_EQUAL(recv(fd, &nothing, 1, 0), 0);
    close(fd);
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(context));
}

static void a_pong_echoes_what_was_sent_and_no_more(void) {
    void *context = new_context(), *pull = new_socket(context, ZMQ_PULL);
    CHECK_OK(zmq_bind(pull, "tcp://127.0.0.1:*"));
    int port = port_of(last_endpoint(pull));
    int fd = raw_connect(port);
    raw_handshake(fd, "PUSH");
    raw_send(fd, "\4\12\4PING\0\0abc", 12);
    expect_pong(fd, "abc", 3);
    raw_send(fd, "\4\27\4PING\0\0" "0123456789ABCDEF", 25);
    expect_pong(fd, "0123456789ABCDEF", 16);
    raw_send(fd, "\4\7\4PING\0\0", 9);
    expect_pong(fd, "", 0);
    close(fd);
    /* Too short to hold a time: an error of the peer's, or a PONG with nothing in it. */
    for (unsigned char size = 5; size <= 6; size++) {
        fd = raw_connect(port);
        raw_handshake(fd, "PUSH");
        unsigned char ping[] = {4, size, 4, 'P', 'I', 'N', 'G', 0};
        raw_send(fd, ping, 2u + size);
        unsigned char answer[64];
        ssize_t got = recv(fd, answer, sizeof answer, 0);
        if (got > 0) {
            CHECK_EQUAL(got, 7);
            CHECK(memcmp(answer, "\4\5\4PONG", 7) == 0);
        }
        close(fd);
    }
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(context));
}

/* -------------------------------------------------------------------------------------------- endpoints that live */

static void an_endpoint_outlives_a_peer_of_the_wrong_type(void) {
    void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *wrong = new_socket(context, ZMQ_PUB);
    void *events = monitor(context, push, "inproc://events", ZMQ_EVENT_ALL);
    set_int(push, ZMQ_RECONNECT_IVL, 10);
    CHECK_OK(zmq_bind(wrong, "tcp://127.0.0.1:*"));
    char endpoint[64];
    strcpy(endpoint, last_endpoint(wrong));
    CHECK_OK(zmq_connect(push, endpoint));
    send_text(push, "for the right one", 0);
    await_event(events, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                            ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
    CHECK_OK(zmq_close(wrong));
    void *pull = new_socket(context, ZMQ_PULL);
    AWAIT(zmq_bind(pull, endpoint) == 0);
    expect_text(pull, "for the right one");
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_close(events));
    CHECK_OK(zmq_ctx_term(context));
}

static void an_endpoint_outlives_a_protocol_error(void) {
    /* Another protocol; a command that is none; a mechanism that is none. */
    static const struct {
        char octets[71];
        size_t size;
    } wrongs[] = {
        {"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", 47},
        {{'\xFF', [8] = 1, 0x7F, 3, 1, 'N', 'U', 'L', 'L', [64] = 4, 4, 'n', 'o', 'p', 'e'}, 70},
        {{'\xFF', [8] = 1, 0x7F, 3, 1, 'N', 'O', 'S', 'U', 'C', 'H', [64] = 4, 4, 'n', 'o', 'p', 'e'}, 70},
    };
    for (size_t i = 0; i < COUNT(wrongs); i++) {
        void *context = new_context(), *push = new_socket(context, ZMQ_PUSH);
        set_int(push, ZMQ_RECONNECT_IVL, 10);
        int port = 0, listener = raw_listen(&port);
        char endpoint[64];
        snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
        CHECK_OK(zmq_connect(push, endpoint));
        send_text(push, "for the right one", 0);
        for (int round = 0; round < 2; round++) {
            int fd = accept(listener, NULL, NULL);
            CHECK(fd >= 0);
            raw_send(fd, wrongs[i].octets, wrongs[i].size);
            /* Until it has had enough. */
            char octets[256];
            while (recv(fd, octets, sizeof octets, 0) > 0)
                ;
            close(fd);
        }
        close(listener);
        void *pull = new_socket(context, ZMQ_PULL);
        AWAIT(zmq_bind(pull, endpoint) == 0);
        expect_text(pull, "for the right one");
        CHECK_OK(zmq_close(push));
        CHECK_OK(zmq_close(pull));
        CHECK_OK(zmq_ctx_term(context));
    }
}

TESTS(TEST(a_routing_id_that_is_taken_is_an_error), TEST(a_wrong_socket_as_zap_handler_lets_nobody_in),
      TEST(draft_types_are_none_without_drafts), TEST(an_unread_monitor_stops_no_traffic),
      TEST(a_monitor_without_reader_stops_no_traffic), TEST(accepting_without_descriptors_does_not_spin),
      TEST(subscriptions_beyond_the_mark_arrive), TEST(twenty_thousand_subscriptions_arrive),
      TEST(a_live_ipc_path_is_not_stolen), TEST(a_stale_ipc_path_is_replaced), TEST(a_ping_of_656_tenths_does_not_wrap),
      TEST(a_pong_echoes_what_was_sent_and_no_more), TEST(an_endpoint_outlives_a_peer_of_the_wrong_type),
      TEST(an_endpoint_outlives_a_protocol_error))
