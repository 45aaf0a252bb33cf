/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What callers get wrong: handles that are none, messages that are none, options and endpoints that make no sense. Each
 * call answers with an error and leaves the process as it was.
 */
#include "check.h"

/* --------------------------------------------------------------------------------------------------- bad handles */

static zmq_msg_t message;

static int call_close(void *h) { return zmq_close(h); }
static int call_setsockopt(void *h) { int value = 0; return zmq_setsockopt(h, ZMQ_LINGER, &value, sizeof value); }
static int call_getsockopt(void *h) { int value; size_t size = sizeof value; return zmq_getsockopt(h, ZMQ_TYPE, &value, &size); }
static int call_bind(void *h) { return zmq_bind(h, "inproc://nowhere"); }
static int call_connect(void *h) { return zmq_connect(h, "inproc://nowhere"); }
static int call_unbind(void *h) { return zmq_unbind(h, "inproc://nowhere"); }
static int call_disconnect(void *h) { return zmq_disconnect(h, "inproc://nowhere"); }
static int call_send(void *h) { return zmq_send(h, "x", 1, ZMQ_DONTWAIT); }
static int call_send_const(void *h) { return zmq_send_const(h, "x", 1, ZMQ_DONTWAIT); }
static int call_recv(void *h) { char x; return zmq_recv(h, &x, 1, ZMQ_DONTWAIT); }
static int call_msg_send(void *h) { return zmq_msg_send(&message, h, ZMQ_DONTWAIT); }
static int call_msg_recv(void *h) { return zmq_msg_recv(&message, h, ZMQ_DONTWAIT); }
static int call_sendmsg(void *h) { return zmq_sendmsg(h, &message, ZMQ_DONTWAIT); }
static int call_recvmsg(void *h) { return zmq_recvmsg(h, &message, ZMQ_DONTWAIT); }
static int call_sendiov(void *h) { struct iovec part = {"x", 1}; return zmq_sendiov(h, &part, 1, ZMQ_DONTWAIT); }
static int call_recviov(void *h) { struct iovec part; size_t count = 1; return zmq_recviov(h, &part, &count, ZMQ_DONTWAIT); }
static int call_monitor(void *h) { return zmq_socket_monitor(h, "inproc://monitor", ZMQ_EVENT_ALL); }
static int call_statistics(void *h) { struct tamtam_statistics out; return tamtam_socket_statistics(h, &out, sizeof out); }
static void *good; /* a socket that is one */
static int call_proxy_front(void *h) { return zmq_proxy(h, good, NULL); }
static int call_proxy_back(void *h) { return zmq_proxy(good, h, NULL); }
static int call_steerable(void *h) { return zmq_proxy_steerable(h, good, NULL, NULL); }
static int call_device(void *h) { return zmq_device(ZMQ_QUEUE, h, good); }
static int call_proxy_capture(void *h) { return h == NULL ? 1 : zmq_proxy(good, good, h); }
static int call_proxy_control(void *h) { return h == NULL ? 1 : zmq_proxy_steerable(good, good, NULL, h); }
static int call_poll(void *h) { zmq_pollitem_t item = {h, -1, ZMQ_POLLIN, 0}; return h == NULL ? 1 : zmq_poll(&item, 1, 0); }

static int call_ctx_term(void *h) { return zmq_ctx_term(h); }
static int call_term(void *h) { return zmq_term(h); }
static int call_ctx_destroy(void *h) { return zmq_ctx_destroy(h); }
static int call_ctx_shutdown(void *h) { return zmq_ctx_shutdown(h); }
static int call_ctx_set(void *h) { return zmq_ctx_set(h, ZMQ_IO_THREADS, 1); }
static int call_ctx_get(void *h) { return zmq_ctx_get(h, ZMQ_IO_THREADS); }
static int call_socket(void *h) { return zmq_socket(h, ZMQ_PAIR) == NULL ? -1 : 0; }

static void tick(int timer, void *argument) { (void)timer, (void)argument; }
static int call_timers_add(void *h) { return zmq_timers_add(h, 1, tick, NULL); }
static int call_timers_cancel(void *h) { return zmq_timers_cancel(h, 1); }
static int call_timers_set(void *h) { return zmq_timers_set_interval(h, 1, 1); }
static int call_timers_reset(void *h) { return zmq_timers_reset(h, 1); }
static int call_timers_timeout(void *h) { return (int)zmq_timers_timeout(h); }
static int call_timers_execute(void *h) { return zmq_timers_execute(h); }
static int call_timers_destroy(void *h) { return zmq_timers_destroy(&h); }

struct call {
    const char *name;
    int (*make)(void *handle);
    int null_error;  /* 0: null is allowed there */
    int error;
};

static const struct call of_sockets[] = {
    {"zmq_close", call_close, ENOTSOCK, ENOTSOCK},
    {"zmq_setsockopt", call_setsockopt, ENOTSOCK, ENOTSOCK},
    {"zmq_getsockopt", call_getsockopt, ENOTSOCK, ENOTSOCK},
    {"zmq_bind", call_bind, ENOTSOCK, ENOTSOCK},
    {"zmq_connect", call_connect, ENOTSOCK, ENOTSOCK},
    {"zmq_unbind", call_unbind, ENOTSOCK, ENOTSOCK},
    {"zmq_disconnect", call_disconnect, ENOTSOCK, ENOTSOCK},
    {"zmq_send", call_send, ENOTSOCK, ENOTSOCK},
    {"zmq_send_const", call_send_const, ENOTSOCK, ENOTSOCK},
    {"zmq_recv", call_recv, ENOTSOCK, ENOTSOCK},
    {"zmq_msg_send", call_msg_send, ENOTSOCK, ENOTSOCK},
    {"zmq_msg_recv", call_msg_recv, ENOTSOCK, ENOTSOCK},
    {"zmq_sendmsg", call_sendmsg, ENOTSOCK, ENOTSOCK},
    {"zmq_recvmsg", call_recvmsg, ENOTSOCK, ENOTSOCK},
    {"zmq_sendiov", call_sendiov, ENOTSOCK, ENOTSOCK},
    {"zmq_recviov", call_recviov, ENOTSOCK, ENOTSOCK},
    {"zmq_socket_monitor", call_monitor, ENOTSOCK, ENOTSOCK},
    {"tamtam_socket_statistics", call_statistics, ENOTSOCK, ENOTSOCK},
    {"zmq_proxy, front", call_proxy_front, EFAULT, ENOTSOCK},
    {"zmq_proxy, back", call_proxy_back, EFAULT, ENOTSOCK},
    {"zmq_proxy, capture", call_proxy_capture, 0, ENOTSOCK},
    {"zmq_proxy_steerable", call_steerable, EFAULT, ENOTSOCK},
    {"zmq_proxy_steerable, control", call_proxy_control, 0, ENOTSOCK},
    {"zmq_device", call_device, EFAULT, ENOTSOCK},
    {"zmq_poll", call_poll, 0, ENOTSOCK},
};

static const struct call of_contexts[] = {
    {"zmq_ctx_term", call_ctx_term, EFAULT, EFAULT},
    {"zmq_term", call_term, EFAULT, EFAULT},
    {"zmq_ctx_destroy", call_ctx_destroy, EFAULT, EFAULT},
    {"zmq_ctx_shutdown", call_ctx_shutdown, EFAULT, EFAULT},
    {"zmq_ctx_set", call_ctx_set, EFAULT, EFAULT},
    {"zmq_ctx_get", call_ctx_get, EFAULT, EFAULT},
    {"zmq_socket", call_socket, EFAULT, EFAULT},
};

static const struct call of_timers[] = {
    {"zmq_timers_add", call_timers_add, EFAULT, EFAULT},
    {"zmq_timers_cancel", call_timers_cancel, EFAULT, EFAULT},
    {"zmq_timers_set_interval", call_timers_set, EFAULT, EFAULT},
    {"zmq_timers_reset", call_timers_reset, EFAULT, EFAULT},
    {"zmq_timers_timeout", call_timers_timeout, EFAULT, EFAULT},
    {"zmq_timers_execute", call_timers_execute, EFAULT, EFAULT},
    {"zmq_timers_destroy", call_timers_destroy, EFAULT, EFAULT},
};

static void try_calls(const struct call *calls, size_t count, const char *what, void *handle) {
    for (size_t i = 0; i < count; i++) {
        int expected = handle == NULL ? calls[i].null_error : calls[i].error;
        if (expected == 0)
            continue;
        errno = 0;
        int result = calls[i].make(handle);
        if (result != -1 || zmq_errno() != expected)
            FAIL("%s of %s answers %d, expected errno %d", calls[i].name, what, result, expected);
    }
}

enum kind { CONTEXT, SOCKET, TIMERS, COUNTER, WATCH, MESSAGE, ZEROES, KINDS };
static const char *const kind_names[KINDS] = {"a context", "a socket", "timers",  "a counter",
                                              "a stopwatch", "a message", "zeroes"};

static void bad_handles(void) {
    static _Alignas(16) unsigned char zeroes[256], ones[256];
    memset(ones, 0xFF, sizeof ones);
    void *handles[KINDS] = {zmq_ctx_new(), NULL, zmq_timers_new(), zmq_atomic_counter_new(), zmq_stopwatch_start(),
                            &message, zeroes};
    CHECK_OK(zmq_msg_init(&message));
    handles[SOCKET] = new_socket(handles[CONTEXT], ZMQ_ROUTER);
    good = new_socket(handles[CONTEXT], ZMQ_DEALER);

    void *closed_context = zmq_ctx_new(), *closed_timers = zmq_timers_new(), *copy = closed_timers;
    void *closed_socket = zmq_socket(closed_context, ZMQ_PAIR);
    CHECK_OK(zmq_close(closed_socket));
    CHECK_OK(zmq_ctx_term(closed_context));
    CHECK_OK(zmq_timers_destroy(&copy));
    CHECK(copy == NULL);

    for (int kind = 0; kind < KINDS; kind++) {
        CHECK(handles[kind] != NULL);
        if (kind != SOCKET)
            try_calls(of_sockets, COUNT(of_sockets), kind_names[kind], handles[kind]);
        if (kind != CONTEXT)
            try_calls(of_contexts, COUNT(of_contexts), kind_names[kind], handles[kind]);
        if (kind != TIMERS)
            try_calls(of_timers, COUNT(of_timers), kind_names[kind], handles[kind]);
    }
    void *none[] = {NULL, closed_socket, closed_context, closed_timers, ones};
    for (size_t i = 0; i < COUNT(none); i++) {
        try_calls(of_sockets, COUNT(of_sockets), "what is closed or nothing", none[i]);
        try_calls(of_contexts, COUNT(of_contexts), "what is closed or nothing", none[i]);
        try_calls(of_timers, COUNT(of_timers), "what is closed or nothing", none[i]);
    }
    for (int off = 1; off < 8; off++) {
        try_calls(of_sockets, COUNT(of_sockets), "a crooked socket", (char *)handles[SOCKET] + off);
        try_calls(of_contexts, COUNT(of_contexts), "a crooked context", (char *)handles[CONTEXT] + off);
        try_calls(of_timers, COUNT(of_timers), "crooked timers", (char *)handles[TIMERS] + off);
    }
    CHECK_FAILS(zmq_timers_destroy(NULL), EFAULT);

    /* What answers with no error has no effect. */
    void *not_counters[] = {NULL, handles[CONTEXT], handles[SOCKET], handles[TIMERS], zeroes, (char *)handles[COUNTER] + 1};
    for (size_t i = 0; i < COUNT(not_counters); i++) {
        void *no_counter = not_counters[i];
        zmq_atomic_counter_set(no_counter, 7);
        CHECK_EQUAL(zmq_atomic_counter_inc(no_counter), 0);
        CHECK_EQUAL(zmq_atomic_counter_dec(no_counter), 0);
        CHECK_EQUAL(zmq_atomic_counter_value(no_counter), 0);
        zmq_atomic_counter_destroy(&no_counter);
        CHECK_EQUAL(zmq_stopwatch_intermediate(not_counters[i]), 0);
        CHECK_EQUAL(zmq_stopwatch_stop(not_counters[i]), 0);
        zmq_threadclose(not_counters[i]);
    }
    zmq_atomic_counter_destroy(NULL);
    CHECK_NULL(zmq_threadstart(NULL, NULL), EINVAL);
    CHECK_EQUAL(zmq_atomic_counter_value(handles[COUNTER]), 0);
    zmq_stopwatch_stop(handles[WATCH]);
    CHECK_EQUAL(zmq_stopwatch_stop(handles[WATCH]), 0);

    /* All that is good has remained so. */
    join_up(good, handles[SOCKET], "inproc");
    send_text(good, "still there", 0);
    CHECK_EQUAL(zmq_msg_recv(&message, handles[SOCKET], 0), 5);
    expect_text(handles[SOCKET], "still there");
    CHECK_OK(zmq_msg_close(&message));
    CHECK_OK(zmq_close(good));
    CHECK_OK(zmq_close(handles[SOCKET]));
    CHECK_FAILS(zmq_close(handles[SOCKET]), ENOTSOCK);
    CHECK_OK(zmq_ctx_term(handles[CONTEXT]));
    CHECK_FAILS(zmq_ctx_term(handles[CONTEXT]), EFAULT);
    CHECK_OK(zmq_timers_destroy(&handles[TIMERS]));
    zmq_atomic_counter_destroy(&handles[COUNTER]);
    CHECK(handles[COUNTER] == NULL);
}

/* A closed handle is told even when others were opened and closed since. */
static void closed_handles_stay_closed(void) {
    void *context = new_context();
    void *closed[16];
    for (size_t i = 0; i < COUNT(closed); i++) {
        closed[i] = new_socket(context, ZMQ_PAIR);
        CHECK_OK(zmq_close(closed[i]));
        void *open = new_socket(context, ZMQ_PUSH);
        for (size_t j = 0; j <= i; j++) {
            CHECK(open != closed[j]);
            try_calls(of_sockets, 3, "a closed socket", closed[j]);
        }
        CHECK_OK(zmq_close(open));
    }
    CHECK_OK(zmq_ctx_term(context));
}

/* ------------------------------------------------------------------------------------------------------- options */

static const int numbers_from[] = {0, 10000}, numbers_to[] = {130, 10010};

static void try_to_set(void *socket, int option, size_t size, int pattern) {
    /* Exactly as long as it says, so that a tool that watches memory sees who reads beyond. */
    unsigned char *value = malloc(size > 0 ? size : 1);
    CHECK(value != NULL);
    for (size_t i = 0; i < size; i++)
        value[i] = (unsigned char)(pattern == 0 ? 0 : pattern == 1 ? 0xFF : pattern == 2 ? (i == 0) : 'a' + i % 26);
    errno = 0;
    int result = zmq_setsockopt(socket, option, value, size);
    if (result != 0 && (result != -1 || zmq_errno() != EINVAL))
        FAIL("option %d of %zu octets (pattern %d) answers %d", option, size, pattern, result);
    free(value);
}

static void set_any(void *socket, size_t step) {
    for (size_t range = 0; range < COUNT(numbers_from); range++)
        for (int option = numbers_from[range]; option <= numbers_to[range]; option++) {
            for (size_t size = 0; size <= 300; size += size < 44 || (size > 250 && size < 260) ? 1 : step)
                for (int pattern = 0; pattern < 4; pattern++)
                    try_to_set(socket, option, size, pattern);
            errno = 0;
            CHECK_FAILS(zmq_setsockopt(socket, option, NULL, 4), EINVAL);
            int result = zmq_setsockopt(socket, option, NULL, 0);
            CHECK(result == 0 || zmq_errno() == EINVAL);
            int value = 0;
            CHECK_FAILS(zmq_setsockopt(socket, option, &value, SIZE_MAX), EINVAL);
        }
    CHECK_FAILS(zmq_setsockopt(socket, -1, NULL, 0), EINVAL);
    CHECK_FAILS(zmq_setsockopt(socket, INT32_MAX, NULL, 0), EINVAL);
    CHECK_FAILS(zmq_setsockopt(socket, INT32_MIN, NULL, 0), EINVAL);
}

static void any_option_can_be_set_wrongly(void) {
    void *context = new_context();
    for (int type = ZMQ_PAIR; type <= ZMQ_STREAM; type++) {
        void *socket = new_socket(context, type);
        set_any(socket, type == ZMQ_ROUTER || type == ZMQ_SUB ? 1 : 37);
        set_int(socket, ZMQ_LINGER, 0);
        CHECK_OK(zmq_close(socket));
    }
    /* Nothing that was set has hurt others. */
    void *one = new_socket(context, ZMQ_PAIR), *other = new_socket(context, ZMQ_PAIR);
    join_up(one, other, "tcp");
    send_text(one, "hello", 0);
    expect_text(other, "hello");
    CHECK_OK(zmq_close(one));
    CHECK_OK(zmq_close(other));
    CHECK_OK(zmq_ctx_term(context));
}

static void any_option_can_be_read_wrongly(void) {
    void *context = new_context();
    for (int type = ZMQ_PAIR; type <= ZMQ_STREAM; type++) {
        void *socket = new_socket(context, type);
        for (size_t range = 0; range < COUNT(numbers_from); range++)
            for (int option = numbers_from[range]; option <= numbers_to[range]; option++) {
                for (size_t room = 0; room <= 300; room += room < 44 || room > 253 ? 1 : 23) {
                    unsigned char *value = malloc(room > 0 ? room : 1);
                    CHECK(value != NULL);
                    memset(value, 0xA5, room);
                    size_t size = room;
                    errno = 0;
                    int result = zmq_getsockopt(socket, option, value, &size);
                    if (result == 0) {
                        CHECK(size <= room);
                    } else {
                        if (result != -1 || zmq_errno() != EINVAL)
                            FAIL("option %d into %zu octets answers %d", option, room, result);
                        CHECK_EQUAL(size, room);
                        for (size_t i = 0; i < room; i++)
                            if (value[i] != 0xA5)
                                FAIL("option %d failed, but has written to %zu octets", option, room);
                    }
                    free(value);
                }
                size_t size = 4;
                int value;
                CHECK_FAILS(zmq_getsockopt(socket, option, NULL, &size), EINVAL);
                CHECK_FAILS(zmq_getsockopt(socket, option, &value, NULL), EINVAL);
                CHECK_FAILS(zmq_getsockopt(socket, option, NULL, NULL), EINVAL);
            }
        CHECK_OK(zmq_close(socket));
    }
    CHECK_OK(zmq_ctx_term(context));
}

static void a_short_buffer_is_not_written(void) {
    void *context = new_context(), *socket = new_socket(context, ZMQ_ROUTER);
    CHECK_OK(zmq_bind(socket, "tcp://127.0.0.1:*"));
    static const int numbers[] = {ZMQ_TYPE, ZMQ_LINGER, ZMQ_EVENTS, ZMQ_FD, ZMQ_RCVMORE, ZMQ_SNDHWM, ZMQ_MECHANISM};
    for (size_t i = 0; i < COUNT(numbers); i++)
        for (size_t room = 0; room < sizeof(int); room++) {
            unsigned char value[4] = {0xA5, 0xA5, 0xA5, 0xA5};
            size_t size = room;
            CHECK_FAILS(zmq_getsockopt(socket, numbers[i], value, &size), EINVAL);
            CHECK(memcmp(value, "\xA5\xA5\xA5\xA5", 4) == 0);
        }
    static const int wide[] = {ZMQ_AFFINITY, ZMQ_MAXMSGSIZE};
    for (size_t i = 0; i < COUNT(wide); i++) {
        unsigned char value[8] = {0};
        size_t size = 7;
        CHECK_FAILS(zmq_getsockopt(socket, wide[i], value, &size), EINVAL);
        CHECK(memcmp(value, "\0\0\0\0\0\0\0", 8) == 0);
    }
    size_t full = strlen(last_endpoint(socket)) + 1;
    for (size_t room = 0; room < full; room++) {
        char text[64];
        memset(text, 'z', sizeof text);
        size_t size = room;
        CHECK_FAILS(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text, &size), EINVAL);
        for (size_t i = 0; i < sizeof text; i++)
            CHECK_EQUAL(text[i], 'z');
    }
    CHECK_OK(zmq_close(socket));
    CHECK_OK(zmq_ctx_term(context));
}

static void any_context_option_can_be_wrong(void) {
    void *context = new_context();
    static const int values[] = {INT32_MIN, -2, -1, 0, 1, 2, 70000, INT32_MAX};
    for (int option = -5; option <= 130; option++)
        for (size_t i = 0; i < COUNT(values); i++) {
            errno = 0;
            int result = zmq_ctx_set(context, option, values[i]);
            CHECK(result == 0 || (result == -1 && zmq_errno() == EINVAL));
            result = zmq_ctx_get(context, option);
            CHECK(result >= -1);
        }
    CHECK_OK(zmq_ctx_term(context));
    context = new_context();
    CHECK_FAILS(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 0), EINVAL);
    CHECK_FAILS(zmq_ctx_set(context, ZMQ_IO_THREADS, -1), EINVAL);
    CHECK_FAILS(zmq_ctx_get(context, 4711), EINVAL);
#ifdef ZMQ_BUILD_DRAFT_API
    int threads = 1;
    CHECK_FAILS(zmq_ctx_set_ext(context, ZMQ_IO_THREADS, NULL, sizeof threads), EINVAL);
    CHECK_FAILS(zmq_ctx_set_ext(context, ZMQ_IO_THREADS, &threads, 0), EINVAL);
    CHECK_FAILS(zmq_ctx_set_ext(context, ZMQ_IO_THREADS, &threads, SIZE_MAX), EINVAL);
    CHECK_OK(zmq_ctx_set_ext(context, ZMQ_IO_THREADS, &threads, sizeof threads));
#endif
    CHECK_OK(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 2));
    void *first = new_socket(context, ZMQ_PUB), *second = new_socket(context, ZMQ_PUB);
    CHECK_NULL(zmq_socket(context, ZMQ_PUB), EMFILE);
    CHECK_OK(zmq_close(first));
    first = new_socket(context, ZMQ_PUB);
    CHECK_NULL(zmq_socket(context, -1), EINVAL);
    CHECK_NULL(zmq_socket(context, 4711), EINVAL);
    CHECK_OK(zmq_close(first));
    CHECK_OK(zmq_close(second));
    CHECK_OK(zmq_ctx_term(context));
    CHECK_NULL(zmq_init(-1), EINVAL);
}

/* ----------------------------------------------------------------------------------------------------- endpoints */

static void endpoints_that_are_none(void) {
    void *context = new_context(), *socket = new_socket(context, ZMQ_PAIR);
    static const struct {
        const char *text;
        int error;
    } endpoints[] = {
        {NULL, EINVAL},
        {"", EINVAL},
        {":", EINVAL},
        {"/", EINVAL},
        {"tcp", EINVAL},
        {"tcp:", EINVAL},
        {"tcp:/", EINVAL},
        {"tcp://", EINVAL},
        {"://", EINVAL},
        {"://127.0.0.1:1", EINVAL},
        {"127.0.0.1:5555", EINVAL},
        {"inproc://", EINVAL},
        {"ipc://", EINVAL},
        {"tcp://127.0.0.1", EINVAL},
        {"tcp://127.0.0.1:", EINVAL},
        {"tcp://127.0.0.1:port", EINVAL},
        {"tcp://127.0.0.1:65536", EINVAL},
        {"tcp://127.0.0.1:-1", EINVAL},
        {"tcp://[::1", EINVAL},
        {"gopher://there", EPROTONOSUPPORT},
        {"TCP://127.0.0.1:1", EPROTONOSUPPORT},
        {"\xFF\xFE://\xFF", EINVAL},
        {"ipc:///tmp/\xC3\x28", EINVAL},
        {"inproc://\xFF", EINVAL},
    };
    for (size_t i = 0; i < COUNT(endpoints); i++) {
        CHECK_FAILS(zmq_bind(socket, endpoints[i].text), endpoints[i].error);
        CHECK_FAILS(zmq_connect(socket, endpoints[i].text), endpoints[i].error);
        errno = 0;
        CHECK_EQUAL(zmq_unbind(socket, endpoints[i].text), -1);
        CHECK(zmq_errno() == endpoints[i].error || zmq_errno() == ENOENT);
        errno = 0;
        CHECK_EQUAL(zmq_disconnect(socket, endpoints[i].text), -1);
        CHECK(zmq_errno() == endpoints[i].error || zmq_errno() == ENOENT);
    }
    CHECK_FAILS(zmq_unbind(socket, "tcp://127.0.0.1:5555"), ENOENT);
    CHECK_FAILS(zmq_disconnect(socket, "inproc://nobody"), ENOENT);
    CHECK_FAILS(zmq_socket_monitor(socket, "monitor", ZMQ_EVENT_ALL), EINVAL);
    CHECK_FAILS(zmq_socket_monitor(socket, "tcp://127.0.0.1:*", ZMQ_EVENT_ALL), EPROTONOSUPPORT);
    CHECK_FAILS(zmq_socket_monitor(socket, "inproc://\xFF", ZMQ_EVENT_ALL), EINVAL);

    static const char *const beginnings[] = {"tcp://", "ipc://", "ipc://@", "", "gopher://"};
    char *text = malloc(200001);
    CHECK(text != NULL);
    for (size_t length = 1000; length <= 200000; length *= 200)
        for (size_t i = 0; i < COUNT(beginnings); i++) {
            memset(text, 'x', length);
            memcpy(text, beginnings[i], strlen(beginnings[i]));
            text[length] = 0;
            CHECK_EQUAL(zmq_bind(socket, text), -1);
            CHECK(zmq_errno() == EINVAL || zmq_errno() == ENAMETOOLONG || zmq_errno() == EPROTONOSUPPORT);
            CHECK_EQUAL(zmq_connect(socket, text), -1);
            CHECK(zmq_errno() == EINVAL || zmq_errno() == ENAMETOOLONG || zmq_errno() == EPROTONOSUPPORT);
            CHECK_EQUAL(zmq_unbind(socket, text), -1);
            CHECK_EQUAL(zmq_disconnect(socket, text), -1);
        }
    strcpy(text, "ipc:///tmp/");
    memset(text + strlen(text), 'x', 200);
    text[211] = 0;
    CHECK_FAILS(zmq_bind(socket, text), ENAMETOOLONG);
    CHECK_FAILS(zmq_connect(socket, text), ENAMETOOLONG);
    free(text);
    CHECK_FAILS(zmq_bind(socket, "ipc:///nowhere/at/all"), ENOENT);
    CHECK_OK(zmq_close(socket));

    socket = new_socket(context, ZMQ_STREAM);
    CHECK_FAILS(zmq_bind(socket, "inproc://stream"), ENOCOMPATPROTO);
    CHECK_FAILS(zmq_connect(socket, "ipc:///tmp/stream"), ENOCOMPATPROTO);
    CHECK_OK(zmq_close(socket));
    CHECK_OK(zmq_ctx_term(context));

    context = zmq_init(0);
    CHECK(context != NULL);
    socket = new_socket(context, ZMQ_PAIR);
    CHECK_FAILS(zmq_bind(socket, "tcp://127.0.0.1:*"), EMTHREAD);
    CHECK_FAILS(zmq_connect(socket, "tcp://127.0.0.1:1"), EMTHREAD);
    CHECK_OK(zmq_bind(socket, "inproc://no-thread"));
    CHECK_OK(zmq_close(socket));
    CHECK_OK(zmq_ctx_term(context));
}

/* ------------------------------------------------------------------------------------------- messages and buffers */

static void messages_that_are_none(void) {
    void *context = new_context(), *one = new_socket(context, ZMQ_PAIR), *other = new_socket(context, ZMQ_PAIR);
    join_up(one, other, "inproc");
    send_text(other, "there", 0);
    zmq_msg_t zeroes, closed, fine;
    memset(&zeroes, 0, sizeof zeroes);
    CHECK_OK(zmq_msg_init_size(&closed, 1000));
    CHECK_OK(zmq_msg_close(&closed));
    CHECK_OK(zmq_msg_init(&fine));
    zmq_msg_t *none[] = {&zeroes, &closed, NULL};
    for (size_t i = 0; i < COUNT(none); i++) {
        CHECK_FAILS(zmq_msg_close(none[i]), EFAULT);
        CHECK_FAILS(zmq_msg_move(&fine, none[i]), EFAULT);
        CHECK_FAILS(zmq_msg_move(none[i], &fine), EFAULT);
        CHECK_FAILS(zmq_msg_copy(&fine, none[i]), EFAULT);
        CHECK_FAILS(zmq_msg_copy(none[i], &fine), EFAULT);
        CHECK_FAILS(zmq_msg_send(none[i], one, ZMQ_DONTWAIT), EFAULT);
        CHECK_FAILS(zmq_msg_recv(none[i], one, ZMQ_DONTWAIT), EFAULT);
        CHECK_FAILS(zmq_sendmsg(one, none[i], ZMQ_DONTWAIT), EFAULT);
        CHECK_FAILS(zmq_recvmsg(one, none[i], ZMQ_DONTWAIT), EFAULT);
        CHECK_FAILS(zmq_msg_get(none[i], ZMQ_MORE), EFAULT);
        CHECK_NULL(zmq_msg_gets(none[i], "Socket-Type"), EFAULT);
        CHECK_NULL(zmq_msg_data(none[i]), EFAULT);
        CHECK_EQUAL(zmq_msg_size(none[i]), 0);
        CHECK_EQUAL(zmq_msg_more(none[i]), -1);
        CHECK_EQUAL(zmq_msg_set(none[i], ZMQ_MORE, 1), -1);
    }
    CHECK_FAILS(zmq_msg_init(NULL), EFAULT);
    CHECK_FAILS(zmq_msg_init_size(NULL, 10), EFAULT);
    CHECK_FAILS(zmq_msg_init_data(NULL, &fine, 10, NULL, NULL), EFAULT);
    CHECK_FAILS(zmq_msg_init_size(&zeroes, SIZE_MAX), ENOMEM);
    CHECK_FAILS(zmq_msg_init_size(&zeroes, SIZE_MAX / 2), ENOMEM);
    CHECK_FAILS(zmq_msg_get(&fine, 4711), EINVAL);
    CHECK_FAILS(zmq_msg_set(&fine, ZMQ_MORE, 1), EINVAL);
    CHECK_NULL(zmq_msg_gets(&fine, NULL), EINVAL);
    CHECK_NULL(zmq_msg_gets(&fine, "Socket-Type"), EINVAL);
    CHECK_OK(zmq_msg_close(&fine));
    expect_text(one, "there");
    CHECK_OK(zmq_close(one));
    CHECK_OK(zmq_close(other));
    CHECK_OK(zmq_ctx_term(context));
}

static void buffers_that_are_none(void) {
    void *context = new_context(), *one = new_socket(context, ZMQ_PAIR), *other = new_socket(context, ZMQ_PAIR);
    join_up(one, other, "inproc");
    send_text(other, "one", 0);
    send_text(other, "two", 0);
    CHECK_FAILS(zmq_recv(one, NULL, 10, 0), EFAULT);
    CHECK_EQUAL(zmq_recv(one, NULL, 0, 0), 3);
    char text[4] = "....";
    CHECK_EQUAL(zmq_recv(one, text, 1, 0), 3);
    CHECK(memcmp(text, "t...", 4) == 0);
    CHECK_FAILS(zmq_send(one, NULL, 10, 0), EFAULT);
    CHECK_FAILS(zmq_send_const(one, NULL, 10, 0), EFAULT);
    CHECK_EQUAL(zmq_send(one, NULL, 0, 0), 0);
    CHECK_EQUAL(zmq_send_const(one, NULL, 0, 0), 0);
    CHECK_FAILS(zmq_send(one, text, SIZE_MAX, 0), EFAULT);
    size_t count = 1;
    struct iovec part = {NULL, 3};
    CHECK_FAILS(zmq_sendiov(one, NULL, 1, 0), EINVAL);
    CHECK_FAILS(zmq_sendiov(one, &part, 0, 0), EINVAL);
    CHECK_FAILS(zmq_sendiov(one, &part, 1, 0), EFAULT);
    CHECK_FAILS(zmq_sendiov(one, &part, SIZE_MAX, 0), EINVAL);
    CHECK_FAILS(zmq_recviov(one, NULL, &count, ZMQ_DONTWAIT), EINVAL);
    CHECK_FAILS(zmq_recviov(one, &part, NULL, ZMQ_DONTWAIT), EINVAL);
    count = 0;
    CHECK_FAILS(zmq_recviov(one, &part, &count, ZMQ_DONTWAIT), EINVAL);

    CHECK_OK(zmq_poll(NULL, 0, 0));
    CHECK_FAILS(zmq_poll(NULL, 1, 0), EFAULT);
    zmq_pollitem_t item = {one, 0, ZMQ_POLLIN, 0};
    CHECK_FAILS(zmq_poll(&item, -1, 0), EINVAL);
    CHECK_FAILS(zmq_poll(NULL, INT32_MIN, 0), EINVAL);
    CHECK_OK(zmq_poll(&item, 1, 0));
    item = (zmq_pollitem_t){NULL, -1, ZMQ_POLLIN, 0};
    CHECK_OK(zmq_poll(&item, 1, 0));

    struct tamtam_statistics out;
    CHECK_FAILS(tamtam_socket_statistics(one, NULL, sizeof out), EFAULT);
    CHECK_FAILS(tamtam_socket_statistics(one, &out, 0), EINVAL);
    CHECK_FAILS(tamtam_socket_statistics(one, &out, 7), EINVAL);
    memset(&out, 0xA5, sizeof out);
    CHECK_OK(tamtam_socket_statistics(one, &out, 15));
    CHECK_EQUAL(out.size, 8);
    CHECK_EQUAL(out.messages_in, (long long)0xA5A5A5A5A5A5A5A5);
    CHECK_OK(tamtam_socket_statistics(one, &out, sizeof out));
    CHECK_EQUAL(out.size, sizeof out);

    char *texts[2] = {NULL, NULL};
    CHECK_FAILS(zmq_curve_keypair(texts[0], texts[1]), EINVAL);
    CHECK_FAILS(zmq_curve_public(NULL, NULL), EINVAL);
    CHECK_NULL(zmq_z85_encode(NULL, NULL, 4), EINVAL);
    char place[8];
    CHECK_NULL(zmq_z85_encode(place, NULL, 4), EINVAL);
    CHECK_NULL(zmq_z85_encode(place, (const uint8_t *)text, SIZE_MAX - 3), EINVAL);
    CHECK_NULL(zmq_z85_decode(NULL, NULL), EINVAL);
    CHECK_EQUAL(zmq_has(NULL), 0);
    zmq_version(NULL, NULL, NULL);
    CHECK_OK(zmq_close(one));
    CHECK_OK(zmq_close(other));
    CHECK_OK(zmq_ctx_term(context));
}

TESTS(TEST(bad_handles), TEST(closed_handles_stay_closed), TEST(any_option_can_be_set_wrongly),
      TEST(any_option_can_be_read_wrongly), TEST(a_short_buffer_is_not_written), TEST(any_context_option_can_be_wrong),
      TEST(endpoints_that_are_none), TEST(messages_that_are_none), TEST(buffers_that_are_none))
