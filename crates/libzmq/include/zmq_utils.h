/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Deprecated: zmq.h has all that once stood here. Kept for programs that still ask for it.
 */
#ifndef TAMTAM_ZMQ_UTILS_H
#define TAMTAM_ZMQ_UTILS_H

#include "zmq.h"

#endif /* TAMTAM_ZMQ_UTILS_H */
