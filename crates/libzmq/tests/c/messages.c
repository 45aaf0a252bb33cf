/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Messages: what zmq_msg_t promises, and that a caller's free function runs exactly once, whatever becomes of the message.
 */
#include "check.h"

/* --------------------------------------------------------------------------------------------- counting what is freed */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int freed; /* buffers given back */

/* One buffer that was given to a message. */
struct buffer {
    struct buffer *before;
    int frees;
    size_t size;
    unsigned char data[];
};

static void give_back(void *data, void *hint) {
    struct buffer *buffer = hint;
    pthread_mutex_lock(&lock);
    if (data != buffer->data || buffer->frees != 0)
        FAIL("a buffer is freed %d times before, or with a wrong address", buffer->frees);
    buffer->frees++;
    /* Nobody may still read it. */
    memset(buffer->data, 0xDD, buffer->size);
    freed++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int freed_now(void) {
    pthread_mutex_lock(&lock);
    int now = freed;
    pthread_mutex_unlock(&lock);
    return now;
}

static void await_freed(int expected) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE / 1000;
    pthread_mutex_lock(&lock);
    while (freed < expected)
        if (pthread_cond_timedwait(&changed, &lock, &until) != 0)
            FAIL("only %d of %d buffers are freed", freed, expected);
    if (freed != expected)
        FAIL("%d buffers are freed, expected %d", freed, expected);
    pthread_mutex_unlock(&lock);
}

static unsigned char octet(size_t seed, size_t index) { return (unsigned char)(seed * 31 + index * 7 + index / 251); }

/* Makes a message of a buffer of its own. The buffer is never given back to malloc: freeing it twice is to be seen. */
static struct buffer *last;
static struct buffer *foreign(zmq_msg_t *message, size_t size) {
    struct buffer *buffer = malloc(sizeof *buffer + size);
    CHECK(buffer != NULL);
    *buffer = (struct buffer){last, 0, size};
    last = buffer;
    for (size_t i = 0; i < size; i++)
        buffer->data[i] = octet(size, i);
    CHECK_OK(zmq_msg_init_data(message, buffer->data, size, give_back, buffer));
    CHECK(zmq_msg_data(message) == buffer->data);
    CHECK_EQUAL(zmq_msg_size(message), size);
    return buffer;
}

static void expect_foreign(void *socket, size_t size) {
    zmq_msg_t message;
    CHECK_OK(zmq_msg_init(&message));
    CHECK_EQUAL(zmq_msg_recv(&message, socket, 0), size);
    const unsigned char *data = zmq_msg_data(&message);
    for (size_t i = 0; i < size; i++)
        if (data[i] != octet(size, i))
            FAIL("octet %zu of %zu is wrong", i, size);
    CHECK_OK(zmq_msg_close(&message));
}

static const size_t sizes[] = {0, 1, 33, 40, 41, 255, 256, 4096, 8191, 8192, 8193, 65536, 1 << 20};

/* ---------------------------------------------------------------------------------------------- the free function */

static void closing_frees(void) {
    for (size_t i = 0; i < COUNT(sizes); i++) {
        zmq_msg_t message;
        int before = freed_now();
        foreign(&message, sizes[i]);
        CHECK_EQUAL(freed_now(), before);
        CHECK_OK(zmq_msg_close(&message));
        /* At once, on this thread. */
        CHECK_EQUAL(freed_now(), before + 1);
        CHECK_FAILS(zmq_msg_close(&message), EFAULT);
        CHECK_EQUAL(freed_now(), before + 1);
    }
}

static void copies_free_once(void) {
    for (size_t i = 0; i < COUNT(sizes); i++) {
        zmq_msg_t message, copy, third;
        int before = freed_now();
        foreign(&message, sizes[i]);
        CHECK_OK(zmq_msg_init(&copy));
        CHECK_OK(zmq_msg_init(&third));
        CHECK_OK(zmq_msg_copy(&copy, &message));
        CHECK_OK(zmq_msg_copy(&third, &copy));
        CHECK_OK(zmq_msg_copy(&third, &third));
        CHECK_OK(zmq_msg_close(&message));
        CHECK_OK(zmq_msg_close(&third));
        CHECK_EQUAL(freed_now(), before);
        CHECK_EQUAL(zmq_msg_size(&copy), sizes[i]);
        if (sizes[i] > 0)
            CHECK_EQUAL(((unsigned char *)zmq_msg_data(&copy))[sizes[i] - 1], octet(sizes[i], sizes[i] - 1));
        CHECK_OK(zmq_msg_close(&copy));
        CHECK_EQUAL(freed_now(), before + 1);
    }
}

static void moving_frees_what_was_there(void) {
    zmq_msg_t message, target;
    foreign(&message, 1000);
    foreign(&target, 50);
    CHECK_OK(zmq_msg_move(&target, &message));
    CHECK_EQUAL(freed_now(), 1);
    CHECK_EQUAL(zmq_msg_size(&target), 1000);
    CHECK_EQUAL(zmq_msg_size(&message), 0);
    CHECK_OK(zmq_msg_move(&target, &target));
    CHECK_EQUAL(freed_now(), 1);
    CHECK_EQUAL(zmq_msg_size(&target), 1000);
    /* What was moved from is a message still. */
    CHECK_OK(zmq_msg_close(&message));
    foreign(&message, 70);
    CHECK_OK(zmq_msg_copy(&target, &message));
    CHECK_EQUAL(freed_now(), 2);
    CHECK_OK(zmq_msg_close(&message));
    CHECK_EQUAL(freed_now(), 2);
    CHECK_OK(zmq_msg_close(&target));
    CHECK_EQUAL(freed_now(), 3);
}

static void sending_frees(const char *transport) {
    void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
    join_up(pull, push, transport);
    int sent = 0;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT(sizes); i++) {
            zmq_msg_t message;
            foreign(&message, sizes[i]);
            CHECK_EQUAL(zmq_msg_send(&message, push, 0), sizes[i]);
            CHECK_EQUAL(zmq_msg_size(&message), 0);
            CHECK_OK(zmq_msg_close(&message));
            sent++;
            expect_foreign(pull, sizes[i]);
        }
    await_freed(sent);
    /* A copy that is kept keeps the buffer. */
    for (size_t i = 0; i < COUNT(sizes); i++) {
        zmq_msg_t message, kept;
        foreign(&message, sizes[i]);
        CHECK_OK(zmq_msg_init(&kept));
        CHECK_OK(zmq_msg_copy(&kept, &message));
        CHECK_EQUAL(zmq_msg_send(&message, push, 0), sizes[i]);
        expect_foreign(pull, sizes[i]);
        CHECK_EQUAL(freed_now(), sent);
        CHECK_OK(zmq_msg_close(&kept));
        await_freed(++sent);
    }
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(context));
    CHECK_EQUAL(freed_now(), sent);
}

static void sending_over_tcp_frees(void) { sending_frees("tcp"); }
static void sending_over_ipc_frees(void) { sending_frees("ipc"); }
static void sending_over_inproc_frees(void) { sending_frees("inproc"); }

static void what_cannot_be_sent_stays_the_callers(void) {
    void *context = new_context();
    void *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL), *rep = new_socket(context, ZMQ_REP);
    void *router = new_socket(context, ZMQ_ROUTER);
    set_int(router, ZMQ_ROUTER_MANDATORY, 1);
    int closed = 0;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        zmq_msg_t message;
        struct buffer *buffer = foreign(&message, sizes[i]);
        CHECK_FAILS(zmq_msg_send(&message, push, ZMQ_DONTWAIT), EAGAIN);
        CHECK_FAILS(zmq_msg_send(&message, push, ZMQ_DONTWAIT | ZMQ_SNDMORE), EAGAIN);
        CHECK_FAILS(zmq_msg_send(&message, pull, ZMQ_DONTWAIT), ENOTSUP);
        CHECK_FAILS(zmq_msg_send(&message, rep, ZMQ_DONTWAIT), EFSM);
        CHECK_FAILS(zmq_msg_send(&message, NULL, ZMQ_DONTWAIT), ENOTSOCK);
        if (sizes[i] > 0)
            CHECK_FAILS(zmq_msg_send(&message, router, ZMQ_DONTWAIT | ZMQ_SNDMORE), EHOSTUNREACH);
        CHECK_EQUAL(freed_now(), closed);
        CHECK(zmq_msg_data(&message) == buffer->data);
        CHECK_EQUAL(zmq_msg_size(&message), sizes[i]);
        CHECK_OK(zmq_msg_close(&message));
        CHECK_EQUAL(freed_now(), ++closed);
    }
    void *all[] = {push, pull, rep, router};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(zmq_close(all[i]));
    CHECK_OK(zmq_ctx_term(context));
    CHECK_EQUAL(freed_now(), closed);
}

static void the_end_frees_what_is_queued(void) {
    int sent = 0;
    static const char *const transports[] = {"inproc", "tcp", "ipc"};
    for (size_t t = 0; t < COUNT(transports); t++) {
        void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
        join_up(pull, push, transports[t]);
        for (int i = 0; i < 100; i++) {
            zmq_msg_t message;
            foreign(&message, 100 + (size_t)i * 1000);
            CHECK(zmq_msg_send(&message, push, 0) >= 0);
            sent++;
        }
        /* The first parts of a message that has no last one. */
        for (int i = 0; i < 2; i++) {
            zmq_msg_t message;
            foreign(&message, 20000);
            CHECK(zmq_msg_send(&message, push, ZMQ_SNDMORE) >= 0);
            sent++;
        }
        CHECK_OK(zmq_close(push));
        CHECK_OK(zmq_close(pull));
        CHECK_OK(zmq_ctx_term(context));
        await_freed(sent);
    }
    /* Nobody is there, and nobody comes. */
    void *context = new_context(), *push = new_socket(context, ZMQ_PUSH);
    CHECK_OK(zmq_connect(push, "tcp://127.0.0.1:1"));
    CHECK_OK(zmq_connect(push, "inproc://nobody"));
    for (int i = 0; i < 100; i++) {
        zmq_msg_t message;
        foreign(&message, 9000);
        CHECK(zmq_msg_send(&message, push, 0) >= 0);
        sent++;
    }
    CHECK_OK(zmq_ctx_shutdown(context));
    zmq_msg_t message;
    foreign(&message, 9000);
    CHECK_FAILS(zmq_msg_send(&message, push, 0), ETERM);
    CHECK_OK(zmq_msg_close(&message));
    sent++;
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_ctx_term(context));
    await_freed(sent);
}

static void dropping_frees(void) {
    void *context = new_context();
    void *pub = new_socket(context, ZMQ_PUB), *router = new_socket(context, ZMQ_ROUTER), *sub = new_socket(context, ZMQ_SUB);
    int sent = 0;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        zmq_msg_t message;
        foreign(&message, sizes[i]);
        CHECK_EQUAL(zmq_msg_send(&message, pub, 0), sizes[i]); /* nobody subscribes */
        send_text(router, "nobody", ZMQ_SNDMORE);
        foreign(&message, sizes[i]);
        CHECK_EQUAL(zmq_msg_send(&message, router, 0), sizes[i]);
        sent += 2;
    }
    await_freed(sent);

    /* A subscriber whose queue is full, and one that wants something else. */
    void *xpub = new_socket(context, ZMQ_XPUB), *other = new_socket(context, ZMQ_SUB);
    set_int(xpub, ZMQ_SNDHWM, 2);
    set_int(sub, ZMQ_RCVHWM, 2);
    CHECK_OK(zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "", 0));
    CHECK_OK(zmq_setsockopt(other, ZMQ_SUBSCRIBE, "nothing like this", 17));
    join_up(xpub, sub, "inproc");
    CHECK_OK(zmq_connect(other, last_endpoint(xpub)));
    char subscription[64];
    CHECK(zmq_recv(xpub, subscription, sizeof subscription, 0) > 0);
    CHECK(zmq_recv(xpub, subscription, sizeof subscription, 0) > 0);
    for (int i = 0; i < 100; i++) {
        zmq_msg_t message;
        foreign(&message, 10000);
        CHECK_EQUAL(zmq_msg_send(&message, xpub, 0), 10000);
        sent++;
    }
    expect_foreign(sub, 10000);

    /* What a message held before it is received into. */
    send_text(xpub, "next", 0);
    zmq_msg_t message;
    foreign(&message, 300);
    sent++;
    CHECK(zmq_msg_recv(&message, sub, 0) >= 0);
    CHECK_OK(zmq_msg_close(&message));

    void *all[] = {pub, router, sub, xpub, other};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(zmq_close(all[i]));
    CHECK_OK(zmq_ctx_term(context));
    await_freed(sent);
}

/* A publication that many receive is freed after the last one. */
static void many_receivers_free_once(void) {
    void *context = new_context(), *xpub = new_socket(context, ZMQ_XPUB), *subs[5];
    CHECK_OK(zmq_bind(xpub, "inproc://many"));
    CHECK_OK(zmq_bind(xpub, "tcp://127.0.0.1:*"));
    char tcp[64], subscription[8];
    snprintf(tcp, sizeof tcp, "%s", last_endpoint(xpub));
    for (size_t i = 0; i < COUNT(subs); i++) {
        subs[i] = new_socket(context, ZMQ_SUB);
        CHECK_OK(zmq_setsockopt(subs[i], ZMQ_SUBSCRIBE, "", 0));
        CHECK_OK(zmq_connect(subs[i], i % 2 == 0 ? "inproc://many" : tcp));
    }
    set_int(xpub, ZMQ_RCVTIMEO, 100);
    CHECK(zmq_recv(xpub, subscription, sizeof subscription, 0) > 0);
    /* Only the first of them is told: ask by publishing until all have it. */
    zmq_msg_t message;
    int sent = 0;
    bool has[5] = {false};
    for (size_t all = 0; all < COUNT(subs);) {
        foreign(&message, 100000);
        CHECK_EQUAL(zmq_msg_send(&message, xpub, 0), 100000);
        sent++;
        all = 0;
        for (size_t i = 0; i < COUNT(subs); i++) {
            if (is_readable(subs[i], 10)) {
                expect_foreign(subs[i], 100000);
                has[i] = true;
            }
            all += has[i];
        }
    }
    for (size_t i = 0; i < COUNT(subs); i++)
        CHECK_OK(zmq_close(subs[i]));
    CHECK_OK(zmq_close(xpub));
    CHECK_OK(zmq_ctx_term(context));
    await_freed(sent);
}

/* ------------------------------------------------------------------------------ free functions that use sockets */

static void *note_to;
static atomic_int notes;

static void send_a_note(void *data, void *hint) {
    (void)hint;
    free(data);
    if (zmq_send(note_to, "freed", 5, ZMQ_DONTWAIT) == 5)
        atomic_fetch_add(&notes, 1);
    else
        FAIL("a free function cannot send");
}

static void free_functions_may_send(const char *transport, bool same, size_t size) {
    enum { MESSAGES = 200 };
    void *context = new_context(), *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
    void *note_from = new_socket(context, ZMQ_PULL), *other = new_socket(context, ZMQ_PUSH);
    CHECK_OK(zmq_bind(note_from, "inproc://notes"));
    CHECK_OK(zmq_connect(other, "inproc://notes"));
    note_to = same ? push : other;
    atomic_store(&notes, 0);
    join_up(pull, push, transport);
    int received = 0, told = 0;
    for (int i = 0; i < MESSAGES; i++) {
        void *data = malloc(size);
        CHECK(data != NULL);
        memset(data, 'd', size);
        zmq_msg_t message;
        CHECK_OK(zmq_msg_init_data(&message, data, size, send_a_note, NULL));
        CHECK_EQUAL(zmq_msg_send(&message, push, 0), size);
        /* Some are waited for, some pile up. */
        while (i % 50 == 49 && (received <= i || told <= i)) {
            char first[8];
            int got = zmq_recv(pull, first, sizeof first, ZMQ_DONTWAIT);
            if (got == 5)
                told++;
            else if (got >= 0) {
                CHECK_EQUAL(got, size);
                received++;
            } else if (!same && zmq_recv(note_from, first, sizeof first, ZMQ_DONTWAIT) == 5)
                told++;
            else
                poll(NULL, 0, 0);
        }
    }
    CHECK_EQUAL(received, MESSAGES);
    CHECK_EQUAL(told, MESSAGES);
    /* The last one has arrived, maybe before its call has returned. */
    AWAIT(atomic_load(&notes) == MESSAGES);
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_close(other));
    CHECK_OK(zmq_close(note_from));
    CHECK_OK(zmq_ctx_term(context));
}

static void free_functions_may_send_elsewhere(void) {
    free_functions_may_send("inproc", false, 100);
    free_functions_may_send("inproc", false, 100000);
    free_functions_may_send("tcp", false, 100);
    free_functions_may_send("tcp", false, 100000);
    free_functions_may_send("ipc", false, 100000);
}

static void free_functions_may_send_on_the_same_socket(void) {
    free_functions_may_send("inproc", true, 100);
    free_functions_may_send("inproc", true, 100000);
    free_functions_may_send("tcp", true, 100);
    free_functions_may_send("tcp", true, 100000);
    free_functions_may_send("ipc", true, 100000);
}

static void *to_be_closed;

static void close_the_socket(void *data, void *hint) {
    (void)hint;
    free(data);
    CHECK_OK(zmq_close(to_be_closed));
    pthread_mutex_lock(&lock);
    freed++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void a_free_function_may_close_the_socket(void) {
    void *context = new_context(), *pull = new_socket(context, ZMQ_PULL);
    to_be_closed = new_socket(context, ZMQ_PUSH);
    join_up(pull, to_be_closed, "tcp");
    zmq_msg_t message;
    CHECK_OK(zmq_msg_init_data(&message, malloc(100000), 100000, close_the_socket, NULL));
    CHECK_EQUAL(zmq_msg_send(&message, to_be_closed, 0), 100000);
    CHECK_OK(zmq_msg_close(&message));
    char text[8];
    CHECK_EQUAL(zmq_recv(pull, text, sizeof text, 0), 100000);
    await_freed(1);
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(context));
}

/* -------------------------------------------------------------------------------------------------- the structure */

static void a_message_may_be_moved_bit_by_bit(void) {
    CHECK_EQUAL(sizeof(zmq_msg_t), 64);
    CHECK_EQUAL(_Alignof(zmq_msg_t), sizeof(void *));
    void *context = new_context();
    CHECK_EQUAL(zmq_ctx_get(context, ZMQ_MSG_T_SIZE), 64);
    void *one = new_socket(context, ZMQ_PAIR), *other = new_socket(context, ZMQ_PAIR);
    join_up(one, other, "tcp");
    for (size_t i = 0; i < COUNT(sizes); i++) {
        zmq_msg_t first, second;
        CHECK_OK(zmq_msg_init_size(&first, sizes[i]));
        CHECK_EQUAL((uintptr_t)zmq_msg_data(&first) % (sizes[i] > 40 ? 8 : 1), 0);
        memset(zmq_msg_data(&first), 'm', sizes[i]);
        memcpy(&second, &first, sizeof first);
        memset(&first, 0xEE, sizeof first);
        CHECK_EQUAL(zmq_msg_size(&second), sizes[i]);
        if (sizes[i] > 0)
            CHECK_EQUAL(((char *)zmq_msg_data(&second))[sizes[i] - 1], 'm');
        CHECK_EQUAL(zmq_msg_send(&second, one, 0), sizes[i]);
        CHECK_OK(zmq_msg_init(&second));
        CHECK_EQUAL(zmq_msg_recv(&second, other, 0), sizes[i]);
        memcpy(&first, &second, sizeof first);
        memset(&second, 0, sizeof second);
        for (size_t j = 0; j < sizes[i]; j++)
            CHECK_EQUAL(((char *)zmq_msg_data(&first))[j], 'm');
        CHECK_TEXT(zmq_msg_gets(&first, "Socket-Type"), "PAIR");
        CHECK_OK(zmq_msg_close(&first));

        int before = freed_now();
        foreign(&first, sizes[i]);
        zmq_msg_t *elsewhere = malloc(sizeof *elsewhere);
        CHECK(elsewhere != NULL);
        memcpy(elsewhere, &first, sizeof first);
        memset(&first, 0xEE, sizeof first);
        CHECK_OK(zmq_msg_close(elsewhere));
        CHECK_EQUAL(freed_now(), before + 1);
        free(elsewhere);
    }
    CHECK_OK(zmq_close(one));
    CHECK_OK(zmq_close(other));
    CHECK_OK(zmq_ctx_term(context));
}

static void what_is_written_arrives(void) {
    static const char *const transports[] = {"inproc", "tcp", "ipc"};
    for (size_t t = 0; t < COUNT(transports); t++) {
        void *context = new_context(), *one = new_socket(context, ZMQ_PAIR), *other = new_socket(context, ZMQ_PAIR);
        join_up(one, other, transports[t]);
        for (size_t i = 0; i < COUNT(sizes); i++) {
            zmq_msg_t message;
            CHECK_OK(zmq_msg_init_size(&message, sizes[i]));
            unsigned char *data = zmq_msg_data(&message);
            CHECK(data != NULL);
            for (size_t j = 0; j < sizes[i]; j++)
                data[j] = octet(sizes[i], j);
            CHECK_EQUAL(zmq_msg_send(&message, one, 0), sizes[i]);
            /* The struct is an empty message now, and may be used as one. */
            CHECK_EQUAL(zmq_msg_size(&message), 0);
            CHECK_EQUAL(zmq_msg_send(&message, one, 0), 0);
            CHECK_OK(zmq_msg_close(&message));
            expect_foreign(other, sizes[i]);
            expect_foreign(other, 0);
        }
        /* What was received may be written to and sent on. */
        zmq_msg_t message;
        send_text(one, "a body that does not stand in the structure itself", 0);
        CHECK_OK(zmq_msg_init(&message));
        CHECK_EQUAL(zmq_msg_recv(&message, other, 0), 50);
        ((char *)zmq_msg_data(&message))[0] = 'A';
        CHECK_EQUAL(zmq_msg_send(&message, other, 0), 50);
        expect_text(one, "A body that does not stand in the structure itself");
        CHECK_OK(zmq_msg_close(&message));
        CHECK_OK(zmq_close(one));
        CHECK_OK(zmq_close(other));
        CHECK_OK(zmq_ctx_term(context));
    }
}

static void more_and_shared(void) {
    void *context = new_context(), *one = new_socket(context, ZMQ_PAIR), *other = new_socket(context, ZMQ_PAIR);
    join_up(one, other, "tcp");
    send_text(one, "first", ZMQ_SNDMORE);
    send_text(one, "", ZMQ_SNDMORE);
    send_text(one, "last", 0);
    zmq_msg_t message, copy;
    CHECK_OK(zmq_msg_init(&message));
    CHECK_OK(zmq_msg_init(&copy));
    for (int part = 0; part < 3; part++) {
        CHECK(zmq_msg_recv(&message, other, 0) >= 0);
        CHECK_EQUAL(zmq_msg_more(&message), part < 2);
        CHECK_EQUAL(zmq_msg_get(&message, ZMQ_MORE), part < 2);
        CHECK_EQUAL(get_int(other, ZMQ_RCVMORE), part < 2);
        CHECK_OK(zmq_msg_copy(&copy, &message));
        CHECK_EQUAL(zmq_msg_more(&copy), part < 2);
    }
    CHECK_OK(zmq_msg_close(&message));
    CHECK_OK(zmq_msg_close(&copy));

    CHECK_OK(zmq_msg_init_size(&message, 1000));
    CHECK_OK(zmq_msg_init(&copy));
    CHECK_EQUAL(zmq_msg_get(&message, ZMQ_SHARED), 0);
    CHECK_OK(zmq_msg_copy(&copy, &message));
    CHECK_EQUAL(zmq_msg_get(&message, ZMQ_SHARED), 1);
    CHECK_EQUAL(zmq_msg_get(&copy, ZMQ_SHARED), 1);
    CHECK(zmq_msg_data(&message) == zmq_msg_data(&copy));
    CHECK_OK(zmq_msg_close(&copy));
    CHECK_OK(zmq_msg_close(&message));
    CHECK_OK(zmq_msg_init_data(&message, "constant", 8, NULL, NULL));
    CHECK_EQUAL(zmq_msg_get(&message, ZMQ_SHARED), 1);
    CHECK_EQUAL(zmq_msg_send(&message, one, 0), 8);
    expect_text(other, "constant");
    CHECK_OK(zmq_msg_close(&message));

    /* Small ones are copied: each is its own. */
    CHECK_OK(zmq_msg_init_size(&message, 3));
    memcpy(zmq_msg_data(&message), "abc", 3);
    CHECK_OK(zmq_msg_init(&copy));
    CHECK_OK(zmq_msg_copy(&copy, &message));
    ((char *)zmq_msg_data(&copy))[0] = 'z';
    CHECK(memcmp(zmq_msg_data(&message), "abc", 3) == 0);
    CHECK(memcmp(zmq_msg_data(&copy), "zbc", 3) == 0);
    CHECK_OK(zmq_msg_close(&copy));
    CHECK_OK(zmq_msg_close(&message));
    CHECK_OK(zmq_close(one));
    CHECK_OK(zmq_close(other));
    CHECK_OK(zmq_ctx_term(context));
}

static void properties_of_the_sender(void) {
    void *context = new_context(), *dealer = new_socket(context, ZMQ_DEALER), *router = new_socket(context, ZMQ_ROUTER);
    CHECK_OK(zmq_setsockopt(dealer, ZMQ_ROUTING_ID, "me", 2));
    join_up(router, dealer, "tcp");
    send_text(dealer, "hello", 0);
    zmq_msg_t id, body;
    CHECK_OK(zmq_msg_init(&id));
    CHECK_OK(zmq_msg_init(&body));
    CHECK_EQUAL(zmq_msg_recv(&id, router, 0), 2);
    CHECK_EQUAL(zmq_msg_recv(&body, router, 0), 5);
    CHECK_TEXT(zmq_msg_gets(&body, "Socket-Type"), "DEALER");
    CHECK_TEXT(zmq_msg_gets(&body, "Peer-Address"), "127.0.0.1");
    CHECK_TEXT(zmq_msg_gets(&body, "Identity"), "me");
    CHECK_NULL(zmq_msg_gets(&body, "User-Id"), EINVAL);
    CHECK_NULL(zmq_msg_gets(&body, ""), EINVAL);
    CHECK_NULL(zmq_msg_gets(&body, "X-Nothing"), EINVAL);
    CHECK(zmq_msg_get(&body, ZMQ_SRCFD) > 2);
    /* They outlive the connection, as long as the message does. */
    zmq_msg_t copy;
    CHECK_OK(zmq_msg_init(&copy));
    CHECK_OK(zmq_msg_copy(&copy, &body));
    CHECK_OK(zmq_msg_close(&body));
    CHECK_OK(zmq_close(dealer));
    CHECK_OK(zmq_close(router));
    CHECK_OK(zmq_ctx_term(context));
    CHECK_TEXT(zmq_msg_gets(&copy, "Socket-Type"), "DEALER");
    CHECK_TEXT(zmq_msg_gets(&copy, "Identity"), "me");
    CHECK_OK(zmq_msg_close(&copy));
    CHECK_OK(zmq_msg_close(&id));
}

static void arrays_of_buffers(void) {
    void *context = new_context(), *one = new_socket(context, ZMQ_PAIR), *other = new_socket(context, ZMQ_PAIR);
    join_up(one, other, "inproc");
    struct iovec parts[3] = {{"one", 3}, {NULL, 0}, {"three", 5}}, got[5];
    CHECK_EQUAL(zmq_sendiov(one, parts, 3, ZMQ_SNDMORE), 5);
    size_t count = 5;
    CHECK_EQUAL(zmq_recviov(other, got, &count, 0), 3);
    CHECK_EQUAL(count, 3);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQUAL(got[i].iov_len, parts[i].iov_len);
        if (got[i].iov_len > 0)
            CHECK(memcmp(got[i].iov_base, parts[i].iov_base, got[i].iov_len) == 0);
        free(got[i].iov_base);
    }
    CHECK_EQUAL(zmq_sendiov(one, parts, 3, ZMQ_SNDMORE), 5);
    count = 2;
    CHECK_EQUAL(zmq_recviov(other, got, &count, 0), 2);
    CHECK_EQUAL(get_int(other, ZMQ_RCVMORE), 1);
    free(got[0].iov_base);
    free(got[1].iov_base);
    expect_text(other, "three");
    CHECK_EQUAL(get_int(other, ZMQ_RCVMORE), 0);
    CHECK_OK(zmq_close(one));
    CHECK_OK(zmq_close(other));
    CHECK_OK(zmq_ctx_term(context));
}

/* The allocation of a message serves again: not while somebody else holds it, and whatever came before and after. */
static void receiving_again_leaves_copies_alone(void) {
    static const size_t sizes[] = {64, 64, 3, 71, 72, 64, 1000, 64, 20000, 41, 40, 64, 0, 64};
    for (int held = 0; held < 2; held++) {
        void *context = new_context(), *one = new_socket(context, ZMQ_PAIR), *other = new_socket(context, ZMQ_PAIR);
        join_up(one, other, "tcp");
        zmq_msg_t message, copies[COUNT(sizes)];
        CHECK_OK(zmq_msg_init(&message));
        for (size_t i = 0; i < COUNT(sizes); i++) {
            unsigned char body[20000];
            for (size_t at = 0; at < sizes[i]; at++)
                body[at] = octet(i, at);
            CHECK_EQUAL(zmq_send(one, body, sizes[i], 0), (int)sizes[i]);
            CHECK_EQUAL(zmq_msg_recv(&message, other, 0), (int)sizes[i]);
            CHECK_EQUAL(zmq_msg_size(&message), sizes[i]);
            CHECK(memcmp(zmq_msg_data(&message), body, sizes[i]) == 0);
            CHECK_EQUAL(zmq_msg_get(&message, ZMQ_SHARED), 0);
            CHECK_OK(zmq_msg_init(&copies[i]));
            if (held)
                CHECK_OK(zmq_msg_copy(&copies[i], &message));
        }
        for (size_t i = 0; i < COUNT(sizes); i++) {
            CHECK_EQUAL(zmq_msg_size(&copies[i]), held ? sizes[i] : 0);
            const unsigned char *data = zmq_msg_data(&copies[i]);
            for (size_t at = 0; held && at < sizes[i]; at++)
                CHECK_EQUAL(data[at], octet(i, at));
            CHECK_OK(zmq_msg_close(&copies[i]));
        }
        /* Nothing is there: what is left is a message, and an empty one. */
        CHECK_EQUAL(zmq_msg_size(&message), 64);
        CHECK_FAILS(zmq_msg_recv(&message, other, ZMQ_DONTWAIT), EAGAIN);
        CHECK_EQUAL(zmq_msg_size(&message), 0);
        CHECK_EQUAL(zmq_msg_more(&message), 0);
        send_text(one, "again", 0);
        CHECK_EQUAL(zmq_msg_recv(&message, other, 0), 5);
        CHECK_OK(zmq_msg_close(&message));
        CHECK_OK(zmq_close(one));
        CHECK_OK(zmq_close(other));
        CHECK_OK(zmq_ctx_term(context));
    }
}

TESTS(TEST(closing_frees), TEST(copies_free_once), TEST(moving_frees_what_was_there), TEST(sending_over_tcp_frees),
      TEST(sending_over_ipc_frees), TEST(sending_over_inproc_frees), TEST(what_cannot_be_sent_stays_the_callers),
      TEST(the_end_frees_what_is_queued), TEST(dropping_frees), TEST(many_receivers_free_once),
      TEST(free_functions_may_send_elsewhere), TEST(free_functions_may_send_on_the_same_socket),
      TEST(a_free_function_may_close_the_socket), TEST(a_message_may_be_moved_bit_by_bit), TEST(what_is_written_arrives),
      TEST(more_and_shared), TEST(properties_of_the_sender), TEST(arrays_of_buffers), TEST(receiving_again_leaves_copies_alone))
