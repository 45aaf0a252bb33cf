/* The textbook's publisher in C on libzmq: publisher [SUBSCRIBERS] [DATA_ENDPOINT] [SYNC_ENDPOINT] */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static void check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(1);
    }
}

/* Appends a field whose length (below 128) is said before it: a text or a message. */
static size_t put_field(unsigned char *to, int tag, const void *octets, size_t len)
{
    to[0] = (unsigned char) (tag << 3 | 2);
    to[1] = (unsigned char) len;
    memcpy(to + 2, octets, len);
    return len + 2;
}

/* Appends a small number; zero is not written (proto3). */
static size_t put_number(unsigned char *to, int tag, int number)
{
    if (number == 0)
        return 0;
    to[0] = (unsigned char) (tag << 3);
    to[1] = (unsigned char) number;
    return 2;
}

/* Info { date = 1; id = 2; messages = 3: Message { text = 1; type = 2 } } */
static size_t put_info(unsigned char *to, int id)
{
    const char *date = "10.10.2023";
    const char *text = "Hello, ZMQ & Protobuf!";
    unsigned char message[64];
    size_t len = put_field(message, 1, text, strlen(text));
    len += put_number(message + len, 2, 1);
    size_t end = put_field(to, 1, date, strlen(date));
    end += put_number(to + end, 2, id);
    end += put_field(to + end, 3, message, len);
    return end;
}

int main(int argc, char **argv)
{
    int subscribers = argc > 1 ? atoi(argv[1]) : 1;
    const char *data_endpoint = argc > 2 ? argv[2] : "tcp://*:5561";
    const char *sync_endpoint = argc > 3 ? argv[3] : "tcp://*:5562";
    /* Each line is seen at once, also in a pipe. */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    void *context = zmq_ctx_new();
    void *publisher = zmq_socket(context, ZMQ_PUB);
    int unlimited = 0;
    check(zmq_setsockopt(publisher, ZMQ_SNDHWM, &unlimited, sizeof unlimited) == 0, "sndhwm");
    check(zmq_bind(publisher, data_endpoint) == 0, data_endpoint);
    void *sync = zmq_socket(context, ZMQ_REP);
    check(zmq_bind(sync, sync_endpoint) == 0, sync_endpoint);

    puts("Wait for synchronization request");
    for (int i = 0; i < subscribers; i++) {
        char request[16];
        check(zmq_recv(sync, request, sizeof request, 0) >= 0, "request");
        puts("Send synchronization reply");
        check(zmq_send(sync, "", 0, 0) == 0, "reply");
    }
    for (int id = 0; id < 10; id++) {
        unsigned char info[256];
        size_t len = put_info(info, id);
        check(zmq_send(publisher, info, len, 0) == (int) len, "message");
    }
    check(zmq_send(publisher, "END", 3, 0) == 3, "end");
    zmq_close(sync);
    zmq_close(publisher);
    zmq_ctx_term(context);
    return 0;
}
