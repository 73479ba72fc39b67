/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Until when each HTTP connection has to be done with what it does. libmicrohttpd ends connections
 * that are idle; a client that sends or reads a byte now and then would stay for ever.
 */
#ifndef GMEM_SERVE_DEADLINES_H
#define GMEM_SERVE_DEADLINES_H

#include <stddef.h>
#include <stdint.h>

struct MHD_Connection;

struct deadline {
	struct MHD_Connection *connection;
	uint64_t at_ns;
};

struct deadlines {
	struct deadline *list;
	size_t nr, room;
};

/* A connection that was made: the first request is due. */
void deadlines_begin(struct deadlines *deadlines, struct MHD_Connection *connection);

/* Its request is here: it has to read the answer. */
void deadlines_answer(struct deadlines *deadlines, struct MHD_Connection *connection);

/* It has read the answer: the next request is due. */
void deadlines_request(struct deadlines *deadlines, struct MHD_Connection *connection);

void deadlines_end(struct deadlines *deadlines, struct MHD_Connection *connection);

/* Shut down the sockets of those that are late. */
void deadlines_enforce(struct deadlines *deadlines);

/* Milliseconds until that is due; -1: there are no connections. */
int deadlines_timeout(const struct deadlines *deadlines);

void deadlines_free(struct deadlines *deadlines);

#endif /* GMEM_SERVE_DEADLINES_H */
