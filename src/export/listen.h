/* SPDX-License-Identifier: GPL-2.0-only */
/* The sockets on which the exporter listens: its own, or those that systemd passes. */
#ifndef GMEM_LISTEN_H
#define GMEM_LISTEN_H

#include <stdbool.h>

#define MAX_LISTENERS  8
#define DEFAULT_LISTEN "127.0.0.1:9758"

struct listeners {
	int fds[MAX_LISTENERS];
	int nr;
	bool exposed; /* one can be reached from other hosts */
};

/**
 * listen_open - listen on an address
 * @text: [ADDRESS]:PORT; IPv6 addresses in brackets; without an address 127.0.0.1
 *
 * Return: 0, or a negative errno, explained: -EINVAL if it is no address.
 */
int listen_open(struct listeners *listeners, const char *text);

/* Take the sockets that systemd passes (LISTEN_FDS). Return: 0 or a negative errno, explained. */
int listen_inherit(struct listeners *listeners);

void listen_close(struct listeners *listeners);

#endif /* GMEM_LISTEN_H */
