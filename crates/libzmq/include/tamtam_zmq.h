/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What Tamtam's libzmq has beyond libzmq's own interface. Programs that use it ask for it at compile time by including
 * this header, and at run time by zmq_has("tamtam"): another libzmq answers 0 there, and has no tamtam_... function.
 */
#ifndef TAMTAM_ZMQ_H
#define TAMTAM_ZMQ_H

#include "zmq.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------------------- options */

/* Numbers from 10000 on are Tamtam's. Another libzmq answers EINVAL. */

/* int, to set and get: whether a thread that waits for this socket first looks a few times without sleeping.
 * 0 never; 1 where it has paid off lately (the default); 2 always. */
#define TAMTAM_SPIN 10000

/* int, to get: a descriptor that is readable for as long as the socket has something to receive. ZMQ_FD only tells
 * that something has changed, and ZMQ_EVENTS has to be asked after that; this one can be polled like any other,
 * and may say so once too often. Asked for both, a socket's ZMQ_FD tells of what is left as well. */
#define TAMTAM_FD_LEVEL 10001

/* -------------------------------------------------------------------------------------------------------- statistics */

/* What a socket has done since it was made, and what it has now. Messages are counted whole, octets without headers. */
struct tamtam_statistics {
    uint64_t size;          /* octets of this structure that the library has filled in */
    uint64_t messages_in;   /* handed to the program */
    uint64_t messages_out;  /* accepted from the program */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t dropped_full;  /* dropped because a queue was full */
    uint64_t dropped_other; /* dropped for any other reason: no peer, no route, closed before it was sent */
    uint64_t queued_in;     /* waiting for the program now */
    uint64_t queued_out;    /* waiting for the network now */
    uint64_t peers;         /* peers now */
    uint64_t reconnects;    /* connections that were made again */
};

/* Fills in what fits into `size` octets, which is sizeof(struct tamtam_statistics) as the program knows it: a later
 * library may know more. Answers 0, or -1 with ENOTSOCK (no socket), EFAULT (`out` is NULL), EINVAL (`size` holds not
 * even the first member) or ETERM. */
int tamtam_socket_statistics(void *socket, struct tamtam_statistics *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* TAMTAM_ZMQ_H */
