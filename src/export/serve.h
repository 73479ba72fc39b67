/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * HTTP for the exporter, by libmicrohttpd: GET and HEAD on /metrics, /healthz and /. One thread
 * does everything, in serve_run().
 */
#ifndef GMEM_SERVE_H
#define GMEM_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "listen.h"
#include "metrics.h"

struct pollfd;
struct tls_files;
struct web_auth;

/* What is served. */
struct serve_source {
	/**
	 * get - the metrics as text, not older than the exporter allows
	 * @text: the result, valid until the next call
	 * @serial: changes when the text does
	 *
	 * Return: 0 or a negative errno.
	 */
	int (*get)(struct serve_source *source, enum metrics_format format,
		   const struct text **text, uint64_t *serial);
	/* Is the exporter able to do its work? */
	bool (*healthy)(struct serve_source *source);
	uint64_t requests[NR_CODES]; /* answers, counted by the server */
};

struct server;

/**
 * serve_start - listen
 * @server: the result
 * @source: what is served; belongs to the caller
 * @listeners: the sockets; the server closes them
 * @tls: certificate and key, NULL: HTTP without TLS
 * @auth: who may read, NULL: everybody
 *
 * Return: 0 or a negative errno, explained.
 */
int serve_start(struct server **server, struct serve_source *source, struct listeners *listeners,
		const struct tls_files *tls, struct web_auth *auth);

/* Fill in what to poll(2) for. @nr: MAX_LISTENERS entries at least. Return: how many are used. */
int serve_poll(const struct server *server, struct pollfd *fds);

/* After how many milliseconds serve_run() is due; -1: only when there is something to do. */
int serve_timeout(const struct server *server);

/* Do what is to do, without waiting. */
void serve_run(struct server *server);

void serve_stop(struct server *server);

#endif /* GMEM_SERVE_H */
