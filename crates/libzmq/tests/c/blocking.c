/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Calls that wait: what ends them (a signal, the context's end, a time), and what a forked process may do.
 */
#include "check.h"

/* -------------------------------------------------------------------------------------------------------- signals */

static atomic_int caught;
static void on_signal(int number) {
    (void)number;
    atomic_fetch_add(&caught, 1);
}

/* Signals a thread again and again until it says that it is through: once would be too early, now and then. */
static pthread_t signalled;
static atomic_bool through;
static void *keep_signalling(void *argument) {
    (void)argument;
    while (!atomic_load(&through)) {
        pthread_kill(signalled, SIGUSR1);
        poll(NULL, 0, 2);
    }
    return NULL;
}

static pthread_t begin_to_signal(void) {
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
    CHECK_OK(sigaction(SIGUSR1, &action, NULL));
    signalled = pthread_self();
    atomic_store(&through, false);
    pthread_t thread;
    CHECK_OK(pthread_create(&thread, NULL, keep_signalling, NULL));
    return thread;
}

static void stop_to_signal(pthread_t thread) {
    atomic_store(&through, true);
    CHECK_OK(pthread_join(thread, NULL));
}

#define CHECK_INTERRUPTED(call)                                                                                        \
    do {                                                                                                               \
        pthread_t signals_ = begin_to_signal();                                                                        \
        int result_ = (int)(call), errno_ = zmq_errno();                                                               \
        stop_to_signal(signals_);                                                                                      \
        if (result_ != -1 || errno_ != EINTR)                                                                          \
            FAIL("%s answers %d with %s", #call, result_, zmq_strerror(errno_));                                       \
        CHECK(atomic_exchange(&caught, 0) > 0);                                                                        \
    } while (0)

static void a_signal_interrupts(const char *address, int receive_timeout) {
    void *context = new_context(), *pair = new_socket(context, ZMQ_PAIR);
    void *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
    set_int(pair, ZMQ_RCVTIMEO, receive_timeout);
    set_int(pull, ZMQ_RCVTIMEO, receive_timeout);
    set_int(push, ZMQ_SNDTIMEO, receive_timeout);
    if (address != NULL) {
        CHECK_OK(zmq_bind(pair, address));
        CHECK_OK(zmq_bind(pull, strncmp(address, "inproc", 6) == 0 ? "inproc://second" : address));
    }
    char octet;
    zmq_msg_t message;
    CHECK_OK(zmq_msg_init(&message));
    CHECK_INTERRUPTED(zmq_recv(pair, &octet, 1, 0));
    CHECK_INTERRUPTED(zmq_recv(pull, &octet, 1, 0));
    CHECK_INTERRUPTED(zmq_msg_recv(&message, pull, 0));
    CHECK_INTERRUPTED(zmq_send(push, "x", 1, 0));
    CHECK_INTERRUPTED(zmq_send(push, "x", 1, ZMQ_SNDMORE));
    CHECK_INTERRUPTED(zmq_msg_send(&message, push, 0));
    zmq_pollitem_t items[] = {{pair, 0, ZMQ_POLLIN, 0}, {pull, 0, ZMQ_POLLIN, 0}, {push, 0, ZMQ_POLLOUT, 0}};
    CHECK_INTERRUPTED(zmq_poll(items, 1, receive_timeout));
    CHECK_INTERRUPTED(zmq_poll(items, 3, receive_timeout));
    CHECK_OK(zmq_msg_close(&message));

    /* Interrupted is not broken. */
    CHECK_OK(zmq_bind(push, "inproc://push"));
    CHECK_OK(zmq_connect(pull, "inproc://push"));
    send_text(push, "after", 0);
    expect_text(pull, "after");
    CHECK_OK(zmq_close(pair));
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(context));
}

static void a_signal_interrupts_unconnected_sockets(void) { a_signal_interrupts(NULL, -1); }
static void a_signal_interrupts_bound_sockets(void) { a_signal_interrupts("tcp://127.0.0.1:*", -1); }
static void a_signal_interrupts_inproc_sockets(void) { a_signal_interrupts("inproc://only", -1); }
static void a_signal_interrupts_waits_with_a_limit(void) { a_signal_interrupts("tcp://127.0.0.1:*", 30000); }

static void a_signal_interrupts_polling_descriptors(void) {
    int pipes[2];
    CHECK_OK(pipe(pipes));
    zmq_pollitem_t item = {NULL, pipes[0], ZMQ_POLLIN, 0};
    CHECK_INTERRUPTED(zmq_poll(&item, 1, -1));
    CHECK_INTERRUPTED(zmq_poll(NULL, 0, 30000));
    CHECK_EQUAL(write(pipes[1], "x", 1), 1);
    CHECK_EQUAL(zmq_poll(&item, 1, -1), 1);
    CHECK_EQUAL(item.revents, ZMQ_POLLIN);
}

static void a_signal_interrupts_the_end(void) {
    void *context = new_context(), *inproc = new_socket(context, ZMQ_PAIR), *tcp = new_socket(context, ZMQ_PULL);
    CHECK_OK(zmq_bind(tcp, "tcp://127.0.0.1:*"));
    CHECK_INTERRUPTED(zmq_ctx_term(context));
    CHECK_INTERRUPTED(zmq_ctx_term(context));
    CHECK_OK(zmq_close(inproc));
    CHECK_INTERRUPTED(zmq_ctx_term(context));
    CHECK_OK(zmq_close(tcp));
    CHECK_OK(zmq_ctx_term(context));

    /* The same while something lingers. */
    context = new_context();
    void *push = new_socket(context, ZMQ_PUSH);
    set_int(push, ZMQ_LINGER, -1);
    CHECK_OK(zmq_connect(push, "tcp://127.0.0.1:1"));
    send_text(push, "nobody", 0);
    CHECK_OK(zmq_close(push));
    CHECK_INTERRUPTED(zmq_ctx_term(context));
}

/* ------------------------------------------------------------------------------------------------ the context's end */

static void *ended_context;
static atomic_int ended; /* 1: the call is made; 2: it has returned */
static void *end_context(void *argument) {
    (void)argument;
    atomic_store(&ended, 1);
    int result;
    while ((result = zmq_ctx_term(ended_context)) != 0 && zmq_errno() == EINTR)
        ;
    CHECK_OK(result);
    atomic_store(&ended, 2);
    return NULL;
}

static void the_end_waits_for_sockets(void) {
    void *context = ended_context = new_context();
    void *pull = new_socket(context, ZMQ_PULL), *push = new_socket(context, ZMQ_PUSH), *pair = new_socket(context, ZMQ_PAIR);
    set_int(pull, ZMQ_RCVTIMEO, -1);
    CHECK_OK(zmq_bind(pull, "tcp://127.0.0.1:*"));
    CHECK_OK(zmq_bind(pair, "inproc://pair"));
    pthread_t thread;
    CHECK_OK(pthread_create(&thread, NULL, end_context, NULL));
    char octet;
    zmq_msg_t message;
    CHECK_OK(zmq_msg_init(&message));
    /* The call that waits returns, and so does every later one. */
    CHECK_FAILS(zmq_recv(pull, &octet, 1, 0), ETERM);
    CHECK_FAILS(zmq_recv(pull, &octet, 1, ZMQ_DONTWAIT), ETERM);
    CHECK_FAILS(zmq_msg_recv(&message, pair, 0), ETERM);
    CHECK_FAILS(zmq_send(push, "x", 1, 0), ETERM);
    CHECK_FAILS(zmq_send(push, "x", 1, ZMQ_DONTWAIT), ETERM);
    CHECK_FAILS(zmq_send(push, "x", 1, ZMQ_SNDMORE), ETERM);
    CHECK_FAILS(zmq_send(pair, "x", 1, 0), ETERM);
    CHECK_FAILS(zmq_msg_send(&message, push, 0), ETERM);
    CHECK_FAILS(zmq_bind(pull, "inproc://more"), ETERM);
    CHECK_FAILS(zmq_connect(pull, "inproc://more"), ETERM);
    CHECK_FAILS(zmq_unbind(pull, "inproc://more"), ETERM);
    CHECK_FAILS(zmq_disconnect(pull, "inproc://more"), ETERM);
    int value = 0;
    size_t size = sizeof value;
    CHECK_FAILS(zmq_setsockopt(pull, ZMQ_RCVHWM, &value, sizeof value), ETERM);
    CHECK_FAILS(zmq_getsockopt(pull, ZMQ_EVENTS, &value, &size), ETERM);
    CHECK_FAILS(zmq_socket_monitor(pull, "inproc://events", ZMQ_EVENT_ALL), ETERM);
    struct tamtam_statistics statistics;
    CHECK_FAILS(tamtam_socket_statistics(pull, &statistics, sizeof statistics), ETERM);
    zmq_pollitem_t items[] = {{pull, 0, ZMQ_POLLIN, 0}, {pair, 0, ZMQ_POLLIN, 0}};
    CHECK_FAILS(zmq_poll(items, 2, -1), ETERM);
    CHECK_FAILS(zmq_proxy(pair, pull, NULL), ETERM);
    CHECK_NULL(zmq_socket(context, ZMQ_PAIR), ETERM);
    CHECK_OK(zmq_msg_close(&message));
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(pair));
    CHECK_EQUAL(atomic_load(&ended), 1);
    CHECK_OK(zmq_close(pull));
    CHECK_OK(pthread_join(thread, NULL));
    CHECK_EQUAL(atomic_load(&ended), 2);
    CHECK_FAILS(zmq_ctx_term(context), EFAULT);
}

static void *wait_to_receive(void *socket) {
    char octet;
    CHECK_FAILS(zmq_recv(socket, &octet, 1, 0), ETERM);
    return NULL;
}
static void *wait_to_send(void *socket) {
    CHECK_FAILS(zmq_send(socket, "x", 1, 0), ETERM);
    return NULL;
}
static void *wait_to_poll(void *socket) {
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    CHECK_FAILS(zmq_poll(&item, 1, -1), ETERM);
    return NULL;
}
static void *wait_in_a_proxy(void *socket) {
    CHECK_FAILS(zmq_proxy(socket, socket, NULL), ETERM);
    return NULL;
}

static void shutting_down_ends_all_waits(void) {
    void *context = new_context(), *sockets[4];
    static void *(*const waits[4])(void *) = {wait_to_receive, wait_to_send, wait_to_poll, wait_in_a_proxy};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        sockets[i] = new_socket(context, ZMQ_DEALER);
        set_int(sockets[i], ZMQ_RCVTIMEO, -1);
        set_int(sockets[i], ZMQ_SNDTIMEO, -1);
        CHECK_OK(pthread_create(&threads[i], NULL, waits[i], sockets[i]));
    }
    CHECK_OK(zmq_ctx_shutdown(context));
    for (int i = 0; i < 4; i++)
        CHECK_OK(pthread_join(threads[i], NULL));
    CHECK_OK(zmq_ctx_shutdown(context));
    for (int i = 0; i < 4; i++)
        CHECK_OK(zmq_close(sockets[i]));
    CHECK_OK(zmq_ctx_term(context));
    CHECK_FAILS(zmq_ctx_shutdown(context), EFAULT);
}

/* --------------------------------------------------------------------------------------------------------- lingering */

static void what_lingers_is_sent(void) {
    void *context = ended_context = new_context(), *later = new_context();
    void *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(later, ZMQ_PULL);
    set_int(push, ZMQ_LINGER, -1);
    set_int(push, ZMQ_RECONNECT_IVL, 10);
    int port = 0, listener = raw_listen(&port);
    close(listener);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    CHECK_OK(zmq_connect(push, endpoint));
    for (int i = 0; i < 1000; i++)
        CHECK_EQUAL(zmq_send(push, &i, sizeof i, 0), sizeof i);
    CHECK_OK(zmq_close(push));
    pthread_t thread;
    CHECK_OK(pthread_create(&thread, NULL, end_context, NULL));
    AWAIT(atomic_load(&ended) == 1);
    AWAIT(zmq_bind(pull, endpoint) == 0);
    for (int i = 0; i < 1000; i++) {
        int number;
        CHECK_EQUAL(zmq_recv(pull, &number, sizeof number, 0), sizeof number);
        CHECK_EQUAL(number, i);
    }
    CHECK_OK(pthread_join(thread, NULL));
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_ctx_term(later));
}

static void lingering_ends(void) {
    static const int lingers[] = {0, 150};
    for (size_t i = 0; i < COUNT(lingers); i++) {
        void *context = new_context(), *push = new_socket(context, ZMQ_PUSH);
        set_int(push, ZMQ_LINGER, lingers[i]);
        CHECK_EQUAL(get_int(push, ZMQ_LINGER), lingers[i]);
        CHECK_OK(zmq_connect(push, "tcp://127.0.0.1:1"));
        send_text(push, "nobody", 0);
        int64_t began = milliseconds();
        CHECK_OK(zmq_close(push));
        CHECK_OK(zmq_ctx_term(context));
        int64_t took = milliseconds() - began;
        CHECK(took >= lingers[i] - 2 && took < lingers[i] + 3000);
    }
    /* A context that does not block gives its sockets no time to linger. */
    void *context = new_context();
    CHECK_OK(zmq_ctx_set(context, ZMQ_BLOCKY, 0));
    void *push = zmq_socket(context, ZMQ_PUSH);
    CHECK_EQUAL(get_int(push, ZMQ_LINGER), 0);
    CHECK_OK(zmq_connect(push, "tcp://127.0.0.1:1"));
    send_text(push, "nobody", 0);
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_ctx_term(context));
    context = new_context();
    push = zmq_socket(context, ZMQ_PUSH);
    CHECK_EQUAL(get_int(push, ZMQ_LINGER), -1);
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_ctx_term(context));
}

/* -------------------------------------------------------------------------------------------------------------- times */

static void waits_have_their_time(void) {
    void *context = new_context(), *pull = new_socket(context, ZMQ_PULL), *push = new_socket(context, ZMQ_PUSH);
    CHECK_OK(zmq_bind(pull, "inproc://times"));
    static const int times[] = {0, 1, 60, 200};
    char octet;
    for (size_t i = 0; i < COUNT(times); i++) {
        set_int(pull, ZMQ_RCVTIMEO, times[i]);
        set_int(push, ZMQ_SNDTIMEO, times[i]);
        int64_t began = milliseconds();
        CHECK_FAILS(zmq_recv(pull, &octet, 1, 0), EAGAIN);
        int64_t took = milliseconds() - began;
        CHECK(took >= times[i] - 1 && took < times[i] + 2000);
        began = milliseconds();
        CHECK_FAILS(zmq_send(push, "x", 1, 0), EAGAIN);
        took = milliseconds() - began;
        CHECK(took >= times[i] - 1 && took < times[i] + 2000);
        began = milliseconds();
        zmq_pollitem_t item = {pull, 0, ZMQ_POLLIN, 0};
        CHECK_OK(zmq_poll(&item, 1, times[i]));
        took = milliseconds() - began;
        CHECK(took >= times[i] - 1 && took < times[i] + 2000);
    }
    set_int(pull, ZMQ_RCVTIMEO, 30000);
    int64_t began = milliseconds();
    CHECK_FAILS(zmq_recv(pull, &octet, 1, ZMQ_DONTWAIT), EAGAIN);
    CHECK(milliseconds() - began < 2000);
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_ctx_term(context));
}

/* -------------------------------------------------------------------------------------------------------------- fork */

static void a_child_ends_what_it_inherits(void) {
    void *context = new_context(), *pull = new_socket(context, ZMQ_PULL), *push = new_socket(context, ZMQ_PUSH);
    void *inproc = new_socket(context, ZMQ_PAIR);
    join_up(pull, push, "tcp");
    CHECK_OK(zmq_bind(inproc, "inproc://inherited"));
    send_text(push, "before", 0);
    expect_text(pull, "before");
    set_int(push, ZMQ_LINGER, -1);
    send_text(push, "queued", 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(TEST_SECONDS);
        CHECK_OK(zmq_close(pull));
        CHECK_OK(zmq_close(push));
        CHECK_OK(zmq_close(inproc));
        CHECK_OK(zmq_ctx_term(context));
        static const char *const transports[] = {"inproc", "tcp", "ipc"};
        for (size_t i = 0; i < COUNT(transports); i++) {
            void *own = new_context(), *one = new_socket(own, ZMQ_PAIR), *other = new_socket(own, ZMQ_PAIR);
            join_up(one, other, transports[i]);
            send_text(one, "in the child", 0);
            expect_text(other, "in the child");
            CHECK_OK(zmq_close(one));
            CHECK_OK(zmq_close(other));
            CHECK_OK(zmq_ctx_term(own));
        }
        _exit(0);
    }
    int status;
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* The parent's are as they were. */
    expect_text(pull, "queued");
    send_text(push, "after", 0);
    expect_text(pull, "after");
    CHECK_OK(zmq_close(pull));
    CHECK_OK(zmq_close(push));
    CHECK_OK(zmq_close(inproc));
    CHECK_OK(zmq_ctx_term(context));
}

TESTS(TEST(a_signal_interrupts_unconnected_sockets), TEST(a_signal_interrupts_bound_sockets),
      TEST(a_signal_interrupts_inproc_sockets), TEST(a_signal_interrupts_waits_with_a_limit),
      TEST(a_signal_interrupts_polling_descriptors), TEST(a_signal_interrupts_the_end), TEST(the_end_waits_for_sockets),
      TEST(shutting_down_ends_all_waits), TEST(what_lingers_is_sent), TEST(lingering_ends), TEST(waits_have_their_time),
      TEST(a_child_ends_what_it_inherits))
