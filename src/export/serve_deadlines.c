// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "../lib/grow.h"
#include "serve_deadlines.h"
#include "../top/session.h"

/* The first one with the TLS handshake; the second one for an answer of any size. */
#define REQUEST_S 15
#define ANSWER_S  60

/* How often it is looked for connections that are late. */
#define LOOK_MS 1000

static struct deadline *find(const struct deadlines *deadlines, struct MHD_Connection *connection)
{
	size_t i;

	for (i = 0; i < deadlines->nr; i++) {
		if (deadlines->list[i].connection == connection)
			return &deadlines->list[i];
	}
	return NULL;
}

static void set(struct deadlines *deadlines, struct MHD_Connection *connection, uint64_t seconds)
{
	struct deadline *deadline = find(deadlines, connection);

	if (deadline)
		deadline->at_ns = now_ns() + seconds * NS_PER_S;
}

void deadlines_begin(struct deadlines *deadlines, struct MHD_Connection *connection)
{
	/* Without memory it is only ended when it is idle. */
	if (grow(&deadlines->list, &deadlines->room, deadlines->nr + 1, sizeof(*deadlines->list)))
		return;
	deadlines->list[deadlines->nr].connection = connection;
	deadlines->list[deadlines->nr++].at_ns = now_ns() + REQUEST_S * NS_PER_S;
}

void deadlines_answer(struct deadlines *deadlines, struct MHD_Connection *connection)
{
	set(deadlines, connection, ANSWER_S);
}

void deadlines_request(struct deadlines *deadlines, struct MHD_Connection *connection)
{
	set(deadlines, connection, REQUEST_S);
}

void deadlines_end(struct deadlines *deadlines, struct MHD_Connection *connection)
{
	struct deadline *deadline = find(deadlines, connection);

	if (deadline)
		*deadline = deadlines->list[--deadlines->nr];
}

/* The library sees the end of the connection, and forgets it. */
void deadlines_enforce(struct deadlines *deadlines)
{
	const union MHD_ConnectionInfo *info;
	uint64_t now = now_ns();
	size_t i;

	for (i = 0; i < deadlines->nr; i++) {
		if (deadlines->list[i].at_ns > now)
			continue;
		info = MHD_get_connection_info(deadlines->list[i].connection,
					       MHD_CONNECTION_INFO_CONNECTION_FD);
		if (info)
			shutdown(info->connect_fd, SHUT_RDWR);
	}
}

int deadlines_timeout(const struct deadlines *deadlines)
{
	return deadlines->nr ? LOOK_MS : -1;
}

void deadlines_free(struct deadlines *deadlines)
{
	free(deadlines->list);
}
