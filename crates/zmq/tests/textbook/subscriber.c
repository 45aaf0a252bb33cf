/* The textbook's subscriber in C on libzmq: subscriber [DATA_ENDPOINT] [SYNC_ENDPOINT] */

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

struct field {
    int tag;
    const unsigned char *octets; /* of a text or a message, else NULL */
    size_t value;                /* their length, or the number */
};

static size_t varint(const unsigned char **at, const unsigned char *end)
{
    size_t number = 0;
    for (int shift = 0; shift < 63; shift += 7) {
        check(*at < end, "a number is cut off");
        unsigned char octet = *(*at)++;
        number |= (size_t) (octet & 0x7f) << shift;
        if (octet < 0x80)
            return number;
    }
    check(0, "a number is too long");
    return 0;
}

/* Takes the next field; returns 0 when there is none. */
static int next_field(const unsigned char **at, const unsigned char *end, struct field *field)
{
    if (*at == end)
        return 0;
    size_t key = varint(at, end);
    field->tag = (int) (key >> 3);
    field->value = varint(at, end);
    field->octets = NULL;
    if ((key & 7) == 2) {
        check(field->value <= (size_t) (end - *at), "a field is cut off");
        field->octets = *at;
        *at += field->value;
    } else {
        check((key & 7) == 0, "wire type");
    }
    return 1;
}

static void print_info(const unsigned char *at, size_t len)
{
    const unsigned char *end = at + len;
    struct field date = {0, (const unsigned char *) "", 0}, id = {0, NULL, 0}, message = {0, NULL, 0}, field;
    while (next_field(&at, end, &field)) {
        if (field.tag == 1)
            date = field;
        else if (field.tag == 2)
            id = field;
        else if (field.tag == 3)
            message = field;
    }
    struct field text = {0, (const unsigned char *) "", 0}, type = {0, NULL, 0};
    const unsigned char *inner = message.octets;
    while (inner && next_field(&inner, message.octets + message.value, &field)) {
        if (field.tag == 1)
            text = field;
        else if (field.tag == 2)
            type = field;
    }
    printf("Receiving id: %zu date: %.*s  Type: %zu Message: %.*s\n", id.value, (int) date.value, date.octets, type.value,
           (int) text.value, text.octets);
}

int main(int argc, char **argv)
{
    const char *data_endpoint = argc > 1 ? argv[1] : "tcp://localhost:5561";
    const char *sync_endpoint = argc > 2 ? argv[2] : "tcp://localhost:5562";
    void *context = zmq_ctx_new();
    void *subscriber = zmq_socket(context, ZMQ_SUB);
    check(zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, "", 0) == 0, "subscription");
    check(zmq_connect(subscriber, data_endpoint) == 0, data_endpoint);
    void *sync = zmq_socket(context, ZMQ_REQ);
    check(zmq_connect(sync, sync_endpoint) == 0, sync_endpoint);
    check(zmq_send(sync, "", 0, 0) == 0, "request");
    char reply[16];
    check(zmq_recv(sync, reply, sizeof reply, 0) >= 0, "reply");

    int updates = 0;
    for (;;) {
        unsigned char message[1024];
        int len = zmq_recv(subscriber, message, sizeof message, 0);
        check(len >= 0 && (size_t) len <= sizeof message, "message");
        if (len == 3 && memcmp(message, "END", 3) == 0)
            break;
        print_info(message, (size_t) len);
        updates++;
    }
    printf("Received %d updates\n", updates);
    zmq_close(subscriber);
    zmq_close(sync);
    zmq_ctx_term(context);
    return 0;
}
