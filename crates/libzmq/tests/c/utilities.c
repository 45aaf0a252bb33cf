/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What surrounds sockets: errors, versions, keys, counters, clocks, timers, threads and proxies.
 */
#include "check.h"

static void errors_have_libzmqs_numbers_and_texts(void) {
    CHECK_EQUAL(EFSM, 156384763);
    CHECK_EQUAL(ENOCOMPATPROTO, 156384764);
    CHECK_EQUAL(ETERM, 156384765);
    CHECK_EQUAL(EMTHREAD, 156384766);
    CHECK_TEXT(zmq_strerror(EFSM), "Operation cannot be accomplished in current state");
    CHECK_TEXT(zmq_strerror(ENOCOMPATPROTO), "The protocol is not compatible with the socket type");
    CHECK_TEXT(zmq_strerror(ETERM), "Context was terminated");
    CHECK_TEXT(zmq_strerror(EMTHREAD), "No thread available");
    CHECK_TEXT(zmq_strerror(EHOSTUNREACH), "Host unreachable");
    CHECK_TEXT(zmq_strerror(EAGAIN), strerror(EAGAIN));
    CHECK_TEXT(zmq_strerror(EADDRINUSE), strerror(EADDRINUSE));
    CHECK_TEXT(zmq_strerror(0), strerror(0));
    CHECK(strlen(zmq_strerror(-1)) > 0);
    CHECK(strlen(zmq_strerror(INT32_MAX)) > 0);
    errno = EDOM;
    CHECK_EQUAL(zmq_errno(), EDOM);
    /* The number is errno itself, of this thread. */
    CHECK_EQUAL(zmq_close(NULL), -1);
    CHECK_EQUAL(errno, ENOTSOCK);
}

static void versions_and_capabilities(void) {
    int major = 0, minor = 0, patch = 0;
    zmq_version(&major, &minor, &patch);
    CHECK_EQUAL(major, ZMQ_VERSION_MAJOR);
    CHECK_EQUAL(minor, ZMQ_VERSION_MINOR);
    CHECK_EQUAL(patch, ZMQ_VERSION_PATCH);
    CHECK_EQUAL(zmq_has("tamtam"), 1);
    CHECK_EQUAL(zmq_has("ipc"), 1);
    CHECK_EQUAL(zmq_has("curve"), 1);
    CHECK_EQUAL(zmq_has("gssapi"), 0);
    CHECK_EQUAL(zmq_has("pgm"), 0);
    CHECK_EQUAL(zmq_has(""), 0);
}

/* -------------------------------------------------------------------------------------------------------------- keys */

static void texts_of_octets(void) {
    /* The example of RFC 32. */
    static const uint8_t octets[8] = {0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B};
    char text[11] = "..........";
    uint8_t back[8];
    CHECK(zmq_z85_encode(text, octets, 8) == text);
    CHECK_TEXT(text, "HelloWorld");
    CHECK(zmq_z85_decode(back, text) == back);
    CHECK(memcmp(back, octets, 8) == 0);
    CHECK_NULL(zmq_z85_encode(text, octets, 7), EINVAL);
    CHECK_NULL(zmq_z85_decode(back, "HelloWorl"), EINVAL);
    CHECK_NULL(zmq_z85_decode(back, "Hello\"orl"), EINVAL);
    CHECK_NULL(zmq_z85_decode(back, "Hell\xC3\xA9"), EINVAL);
    CHECK_NULL(zmq_z85_decode(back, "#####"), EINVAL); /* more than four octets hold */
    CHECK(zmq_z85_encode(text, NULL, 0) == text);
    CHECK_TEXT(text, "");
}

static void keys_belong_together(void) {
    char public[41], secret[41], again[41];
    for (int i = 0; i < 20; i++) {
        memset(public, 'x', sizeof public);
        CHECK_OK(zmq_curve_keypair(public, secret));
        CHECK_EQUAL(strlen(public), 40);
        CHECK_EQUAL(strlen(secret), 40);
        CHECK_OK(zmq_curve_public(again, secret));
        CHECK_TEXT(again, public);
        uint8_t key[32];
        CHECK(zmq_z85_decode(key, public) == key);
    }
    /* The keys of libzmq's own manual. */
    CHECK_OK(zmq_curve_public(again, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"));
    CHECK_TEXT(again, "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
    CHECK_FAILS(zmq_curve_public(again, "too short"), EINVAL);
    CHECK_FAILS(zmq_curve_public(again, ""), EINVAL);

    /* As options: text and octets, set and read. */
    void *context = new_context(), *socket = new_socket(context, ZMQ_DEALER);
    uint8_t octets[32], found[32];
    char text[41];
    CHECK(zmq_z85_decode(octets, public) == octets);
    CHECK_OK(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, 41));
    CHECK_OK(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, 40));
    CHECK_OK(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, octets, 32));
    size_t size = 32;
    CHECK_OK(zmq_getsockopt(socket, ZMQ_CURVE_PUBLICKEY, found, &size));
    CHECK(size == 32 && memcmp(found, octets, 32) == 0);
    size = 41;
    CHECK_OK(zmq_getsockopt(socket, ZMQ_CURVE_PUBLICKEY, text, &size));
    CHECK_TEXT(text, public);
    CHECK_EQUAL(get_int(socket, ZMQ_MECHANISM), ZMQ_CURVE);
    CHECK_OK(zmq_close(socket));
    CHECK_OK(zmq_ctx_term(context));
}

/* A pair of encrypted sockets talks; one with a wrong key for its server does not get in. */
static void keys_open_connections(void) {
    char server_public[41], server_secret[41], public[41], secret[41];
    CHECK_OK(zmq_curve_keypair(server_public, server_secret));
    CHECK_OK(zmq_curve_keypair(public, secret));
    void *context = new_context(), *server = new_socket(context, ZMQ_REP);
    set_int(server, ZMQ_CURVE_SERVER, 1);
    CHECK_OK(zmq_setsockopt(server, ZMQ_CURVE_SECRETKEY, server_secret, 41));
    void *events = monitor(context, server, "inproc://keys",
                           ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                               ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    CHECK_OK(zmq_bind(server, "tcp://127.0.0.1:*"));
    for (int wrong = 0; wrong < 2; wrong++) {
        void *client = new_socket(context, ZMQ_REQ);
        set_int(client, ZMQ_RECONNECT_IVL, 5000);
        CHECK_OK(zmq_setsockopt(client, ZMQ_CURVE_SERVERKEY, wrong ? public : server_public, 41));
        CHECK_OK(zmq_setsockopt(client, ZMQ_CURVE_PUBLICKEY, public, 41));
        CHECK_OK(zmq_setsockopt(client, ZMQ_CURVE_SECRETKEY, secret, 41));
        CHECK_OK(zmq_connect(client, last_endpoint(server)));
        send_text(client, "open", 0);
        int event = next_event(events, NULL);
        if (wrong) {
            CHECK(event != ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
            CHECK(!is_readable(server, 0));
        } else {
            CHECK_EQUAL(event, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
            expect_text(server, "open");
            send_text(server, "opened", 0);
            expect_text(client, "opened");
        }
        CHECK_OK(zmq_close(client));
    }
    CHECK_OK(zmq_close(server));
    CHECK_OK(zmq_close(events));
    CHECK_OK(zmq_ctx_term(context));
}

/* ---------------------------------------------------------------------------------- counters, clocks, threads, timers */

static void *counter;
static void count(void *argument) {
    for (int i = 0; i < 10000; i++)
        zmq_atomic_counter_inc(counter);
    atomic_fetch_add((atomic_int *)argument, 1);
}

static void counters_and_threads(void) {
    counter = zmq_atomic_counter_new();
    CHECK(counter != NULL);
    CHECK_EQUAL(zmq_atomic_counter_value(counter), 0);
    CHECK_EQUAL(zmq_atomic_counter_inc(counter), 0);
    CHECK_EQUAL(zmq_atomic_counter_inc(counter), 1);
    CHECK_EQUAL(zmq_atomic_counter_dec(counter), 1);
    CHECK_EQUAL(zmq_atomic_counter_dec(counter), 0);
    zmq_atomic_counter_set(counter, 5);
    CHECK_EQUAL(zmq_atomic_counter_value(counter), 5);
    atomic_int through = 0;
    void *threads[4];
    for (int i = 0; i < 4; i++)
        CHECK((threads[i] = zmq_threadstart(count, &through)) != NULL);
    for (int i = 0; i < 4; i++)
        zmq_threadclose(threads[i]);
    CHECK_EQUAL(atomic_load(&through), 4);
    CHECK_EQUAL(zmq_atomic_counter_value(counter), 40005);
    zmq_atomic_counter_destroy(&counter);
    CHECK(counter == NULL);
}

static void clocks(void) {
    int64_t began = milliseconds();
    void *watch = zmq_stopwatch_start();
    CHECK(watch != NULL);
    poll(NULL, 0, 20);
    unsigned long first = zmq_stopwatch_intermediate(watch);
    CHECK(first >= 19000);
    poll(NULL, 0, 5);
    unsigned long last = zmq_stopwatch_stop(watch);
    CHECK(last >= first + 4000);
    CHECK((int64_t)last / 1000 <= milliseconds() - began + 1);
    began = milliseconds();
    zmq_sleep(0);
    zmq_sleep(1);
    CHECK(milliseconds() - began >= 999);
}

static int ticks[4];
static void *timers;
static int cancelled = -1;
static void tick(int timer, void *argument) {
    CHECK(timer > 0);
    ++*(int *)argument;
}
static void cancel_another(int timer, void *argument) {
    tick(timer, argument);
    if (cancelled >= 0)
        CHECK_OK(zmq_timers_cancel(timers, cancelled));
    cancelled = -1;
}

static void run_until(int *place, int expected) {
    int64_t until = milliseconds() + PATIENCE;
    while (*place < expected) {
        CHECK(milliseconds() < until);
        long timeout = zmq_timers_timeout(timers);
        CHECK(timeout >= 0);
        poll(NULL, 0, (int)timeout);
        CHECK_OK(zmq_timers_execute(timers));
    }
}

static void timers_run_when_due(void) {
    timers = zmq_timers_new();
    CHECK(timers != NULL);
    CHECK_EQUAL(zmq_timers_timeout(timers), -1);
    CHECK_OK(zmq_timers_execute(timers));
    CHECK_FAILS(zmq_timers_add(timers, 10, NULL, NULL), EFAULT);
    int first = zmq_timers_add(timers, 20, tick, &ticks[0]);
    CHECK(first > 0);
    long timeout = zmq_timers_timeout(timers);
    CHECK(timeout > 0 && timeout <= 20);
    CHECK_OK(zmq_timers_execute(timers));
    CHECK_EQUAL(ticks[0], 0);
    run_until(&ticks[0], 3);
    int second = zmq_timers_add(timers, 100000, tick, &ticks[1]);
    CHECK(second != first);
    CHECK(zmq_timers_timeout(timers) <= 20);
    CHECK_OK(zmq_timers_cancel(timers, first));
    CHECK_FAILS(zmq_timers_cancel(timers, first), EINVAL);
    CHECK_FAILS(zmq_timers_reset(timers, first), EINVAL);
    CHECK_FAILS(zmq_timers_set_interval(timers, first, 5), EINVAL);
    CHECK(zmq_timers_timeout(timers) > 20);
    CHECK_OK(zmq_timers_set_interval(timers, second, 10));
    CHECK(zmq_timers_timeout(timers) <= 10);
    CHECK_OK(zmq_timers_reset(timers, second));
    run_until(&ticks[1], 2);
    /* A handler may change the timers that it runs from. */
    cancelled = second;
    CHECK(zmq_timers_add(timers, 5, cancel_another, &ticks[2]) > 0);
    run_until(&ticks[2], 2);
    CHECK_EQUAL(cancelled, -1);
    CHECK_FAILS(zmq_timers_cancel(timers, second), EINVAL);
    CHECK(zmq_timers_add(timers, SIZE_MAX, tick, &ticks[3]) > 0);
    CHECK_OK(zmq_timers_execute(timers));
    CHECK_EQUAL(ticks[3], 0);
    CHECK_OK(zmq_timers_destroy(&timers));
    CHECK(timers == NULL);
}

/* ----------------------------------------------------------------------------------------------------------- proxies */

static void *front, *back, *captured, *steered;
static atomic_int proxy_result, proxy_errno;
static void *run_proxy(void *argument) {
    (void)argument;
    int result = steered == NULL ? zmq_proxy(front, back, captured) : zmq_proxy_steerable(front, back, captured, steered);
    atomic_store(&proxy_errno, zmq_errno());
    atomic_store(&proxy_result, result);
    return NULL;
}

static void expect_statistics(void *control, const uint64_t expected[8]) {
    send_text(control, "STATISTICS", 0);
    for (int i = 0; i < 8; i++) {
        uint64_t number;
        CHECK_EQUAL(zmq_recv(control, &number, sizeof number, 0), sizeof number);
        CHECK_EQUAL(number, expected[i]);
        CHECK_EQUAL(get_int(control, ZMQ_RCVMORE), i < 7);
    }
}

static void a_steered_proxy_obeys(void) {
    void *context = new_context();
    front = new_socket(context, ZMQ_ROUTER), back = new_socket(context, ZMQ_DEALER);
    captured = new_socket(context, ZMQ_PUSH), steered = new_socket(context, ZMQ_PAIR);
    void *client = new_socket(context, ZMQ_REQ), *worker = new_socket(context, ZMQ_REP);
    void *capture = new_socket(context, ZMQ_PULL), *control = new_socket(context, ZMQ_PAIR);
    join_up(front, client, "tcp");
    join_up(back, worker, "ipc");
    CHECK_OK(zmq_bind(capture, "inproc://capture"));
    CHECK_OK(zmq_connect(captured, "inproc://capture"));
    CHECK_OK(zmq_bind(control, "inproc://control"));
    CHECK_OK(zmq_connect(steered, "inproc://control"));
    pthread_t thread;
    CHECK_OK(pthread_create(&thread, NULL, run_proxy, NULL));

    expect_statistics(control, (uint64_t[8]){0});
    send_text(client, "question", 0);
    expect_text(worker, "question");
    send_text(worker, "an answer", 0);
    expect_text(client, "an answer");
    /* Each of the two as it passed: an address, an empty part, the text. */
    static const char *const texts[] = {"question", "an answer"};
    for (int i = 0; i < 2; i++) {
        char address[16];
        CHECK_EQUAL(zmq_recv(capture, address, sizeof address, 0), 5);
        expect_text(capture, "");
        expect_text(capture, texts[i]);
    }
    /* In messages and octets: the front in, out; the back in, out. */
    expect_statistics(control, (uint64_t[8]){1, 13, 1, 14, 1, 14, 1, 13});

    send_text(control, "PAUSE", 0);
    send_text(client, "wait", 0);
    expect_statistics(control, (uint64_t[8]){1, 13, 1, 14, 1, 14, 1, 13});
    CHECK(!is_readable(worker, 100));
    send_text(control, "RESUME", 0);
    expect_text(worker, "wait");
    send_text(control, "NO SUCH COMMAND", 0);
    send_text(worker, "done", 0);
    expect_text(client, "done");
    send_text(control, "TERMINATE", 0);
    CHECK_OK(pthread_join(thread, NULL));
    CHECK_EQUAL(atomic_load(&proxy_result), 0);
    void *all[] = {front, back, captured, steered, client, worker, capture, control};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(zmq_close(all[i]));
    CHECK_OK(zmq_ctx_term(context));
}

static void a_proxy_ends_with_its_context(void) {
    for (int with_control = 0; with_control < 2; with_control++) {
        void *context = new_context();
        front = new_socket(context, ZMQ_PULL), back = new_socket(context, ZMQ_PUSH);
        captured = NULL, steered = with_control ? new_socket(context, ZMQ_REP) : NULL;
        void *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
        join_up(front, push, "tcp");
        join_up(back, pull, "ipc");
        pthread_t thread;
        CHECK_OK(pthread_create(&thread, NULL, run_proxy, NULL));
        for (int i = 0; i < 1000; i++) {
            send_text(push, "first", ZMQ_SNDMORE);
            send_text(push, "second", 0);
        }
        for (int i = 0; i < 1000; i++) {
            expect_text(pull, "first");
            CHECK_EQUAL(get_int(pull, ZMQ_RCVMORE), 1);
            expect_text(pull, "second");
        }
        CHECK_OK(zmq_ctx_shutdown(context));
        CHECK_OK(pthread_join(thread, NULL));
        CHECK_EQUAL(atomic_load(&proxy_result), -1);
        CHECK_EQUAL(atomic_load(&proxy_errno), ETERM);
        void *all[] = {front, back, push, pull, steered};
        for (size_t i = 0; i < 4u + (size_t)with_control; i++)
            CHECK_OK(zmq_close(all[i]));
        CHECK_OK(zmq_ctx_term(context));
    }
}

TESTS(TEST(errors_have_libzmqs_numbers_and_texts), TEST(versions_and_capabilities), TEST(texts_of_octets),
      TEST(keys_belong_together), TEST(keys_open_connections), TEST(counters_and_threads), TEST(clocks),
      TEST(timers_run_when_due), TEST(a_steered_proxy_obeys), TEST(a_proxy_ends_with_its_context))
