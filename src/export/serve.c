// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "../lib/log.h"
#include "serve.h"
#include "serve_deadlines.h"
#include "tls_files.h"
#include "web_auth.h"

/* A request's line and headers; longer ones get 414 or 431 from the library. */
#define CONNECTION_MEMORY 16384
#define MAX_CONNECTIONS	  512
/* Without a byte in either direction. */
#define IDLE_S 10

struct server {
	struct serve_source *source;
	struct web_auth *auth;
	struct MHD_Daemon *daemons[MAX_LISTENERS];
	int nr;
	struct deadlines deadlines;
	bool closed; /* a connection, in the last serve_run() */
	/* Shared by all who ask for the same text; [1]: compressed. */
	struct MHD_Response *metrics[NR_METRICS_FORMATS][2];
	uint64_t serials[NR_METRICS_FORMATS][2];
	struct MHD_Response *fixed[NR_CODES], *index, *healthy, *ill;
};

/* --- answers --- */

static struct MHD_Response *make(const char *body, const char *type)
{
	struct MHD_Response *response;

	response = MHD_create_response_from_buffer(strlen(body), (void *)(uintptr_t)body,
						   MHD_RESPMEM_PERSISTENT);
	if (response && MHD_add_response_header(response, "Content-Type", type) != MHD_YES) {
		MHD_destroy_response(response);
		return NULL;
	}
	return response;
}

static int make_fixed(struct server *server)
{
	static const char *const bodies[NR_CODES] = {
		[CODE_401] = "Unauthorized\n",	     [CODE_404] = "Not found\n",
		[CODE_405] = "Method not allowed\n", [CODE_429] = "Too many attempts\n",
		[CODE_500] = "Out of memory\n",
	};
	static const char text[] = "text/plain; charset=utf-8";
	int code;

	for (code = 0; code < NR_CODES; code++) {
		if (!bodies[code])
			continue;
		server->fixed[code] = make(bodies[code], text);
		if (!server->fixed[code])
			return -ENOMEM;
	}
	server->index = make("<!DOCTYPE html><title>gmemtop export</title>"
			     "<p><a href=\"/metrics\">Metrics</a></p>\n",
			     "text/html; charset=utf-8");
	server->healthy = make("ok\n", text);
	server->ill = make("the last frame could not be read\n", text);
	if (!server->index || !server->healthy || !server->ill ||
	    MHD_add_response_header(server->fixed[CODE_401], "WWW-Authenticate",
				    "Basic realm=\"gmemtop\", charset=\"UTF-8\"") != MHD_YES ||
	    MHD_add_response_header(server->fixed[CODE_405], "Allow", "GET, HEAD") != MHD_YES ||
	    MHD_add_response_header(server->fixed[CODE_429], "Retry-After", "5") != MHD_YES)
		return -ENOMEM;
	return 0;
}

static void destroy(struct MHD_Response **response)
{
	if (*response)
		MHD_destroy_response(*response);
	*response = NULL;
}

static enum MHD_Result answer(struct server *server, struct MHD_Connection *connection,
			      enum metrics_code code, struct MHD_Response *response)
{
	static const unsigned int statuses[NR_CODES] = {
#define X(status) status,
		METRICS_CODES(X)
#undef X
	};

	server->source->requests[code]++;
	return MHD_queue_response(connection, statuses[code], response);
}

static struct MHD_Response *make_metrics(const struct text *text, enum metrics_format format,
					 bool gzip)
{
	struct text copy = { 0 };
	struct MHD_Response *response;

	if (gzip ? text_gzip(&copy, text) : (text_put(&copy, text->data, text->len), copy.failed)) {
		free(copy.data);
		return NULL;
	}
	response = MHD_create_response_from_buffer(copy.len, copy.data, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(copy.data);
		return NULL;
	}
	if (MHD_add_response_header(response, "Content-Type", metrics_content_type(format)) !=
		    MHD_YES ||
	    MHD_add_response_header(response, "Vary", "Accept, Accept-Encoding") != MHD_YES ||
	    (gzip && MHD_add_response_header(response, "Content-Encoding", "gzip") != MHD_YES))
		destroy(&response);
	return response;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* A slow reader keeps the text that it began to read; the others get the newest one. */
static enum MHD_Result answer_metrics(struct server *server, struct MHD_Connection *connection)
{
	enum metrics_format format = metrics_accepted(header(connection, "Accept"));
	bool gzip = gzip_accepted(header(connection, "Accept-Encoding"));
	struct MHD_Response **shared = &server->metrics[format][gzip];
	const struct text *text;
	uint64_t serial;

	if (server->source->get(server->source, format, &text, &serial))
		return answer(server, connection, CODE_500, server->fixed[CODE_500]);
	if (serial != server->serials[format][gzip] || !*shared) {
		destroy(shared);
		*shared = make_metrics(text, format, gzip);
		server->serials[format][gzip] = serial;
	}
	if (!*shared)
		return answer(server, connection, CODE_500, server->fixed[CODE_500]);
	return answer(server, connection, CODE_200, *shared);
}

static bool is_allowed(struct server *server, struct MHD_Connection *connection,
		       enum metrics_code *why)
{
	if (!server->auth)
		return true;
	switch (web_auth_check(server->auth, header(connection, "Authorization"))) {
	case WEB_AUTH_OK: return true;
	case WEB_AUTH_WRONG: *why = CODE_401; return false;
	case WEB_AUTH_BUSY: break;
	}
	*why = CODE_429;
	return false;
}

/* It is called when the headers are here, for each part of a body, and at the end. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version __attribute__((unused)),
				  const char *data __attribute__((unused)), size_t *size,
				  void **request)
{
	struct server *server = cls;
	enum metrics_code why;

	/* An answer before the end also ends the connection: no body is waited for. */
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return answer(server, connection, CODE_405, server->fixed[CODE_405]);
	if (!*request || *size) {
		*request = server;
		*size = 0;
		return MHD_YES;
	}
	deadlines_answer(&server->deadlines, connection);
	/* It is asked by whoever restarts the exporter, and says nothing of the host. */
	if (!strcmp(url, "/healthz")) {
		if (server->source->healthy(server->source))
			return answer(server, connection, CODE_200, server->healthy);
		return answer(server, connection, CODE_503, server->ill);
	}
	if (!is_allowed(server, connection, &why))
		return answer(server, connection, why, server->fixed[why]);
	if (!strcmp(url, "/metrics"))
		return answer_metrics(server, connection);
	if (!strcmp(url, "/"))
		return answer(server, connection, CODE_200, server->index);
	return answer(server, connection, CODE_404, server->fixed[CODE_404]);
}

/* --- connections --- */

static void on_connection(void *cls, struct MHD_Connection *connection,
			  void **context __attribute__((unused)),
			  enum MHD_ConnectionNotificationCode code)
{
	struct server *server = cls;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		deadlines_begin(&server->deadlines, connection);
	else
		deadlines_end(&server->deadlines, connection);
	server->closed |= code == MHD_CONNECTION_NOTIFY_CLOSED;
}

static void on_completed(void *cls, struct MHD_Connection *connection,
			 void **request __attribute__((unused)),
			 enum MHD_RequestTerminationCode code __attribute__((unused)))
{
	struct server *server = cls;

	deadlines_request(&server->deadlines, connection);
}

/* What clients do wrong is their business. */
static void on_message(void *cls __attribute__((unused)),
		       const char *format __attribute__((unused)),
		       va_list arguments __attribute__((unused)))
{
}

static struct MHD_Daemon *start(struct server *server, int fd, const struct tls_files *tls)
{
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, NULL },
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	if (tls) {
		options[0].ptr_value = tls->key;
		options[1].ptr_value = tls->cert;
	} else {
		options[0].option = MHD_OPTION_END;
	}
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0), 0,
				NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER,
				on_message, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned int)MAX_CONNECTIONS,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_ARRAY,
				options, MHD_OPTION_END);
}

int serve_start(struct server **result, struct serve_source *source, struct listeners *listeners,
		const struct tls_files *tls, struct web_auth *auth)
{
	struct server *server = calloc(1, sizeof(*server));
	struct MHD_Daemon *daemon;
	int ret;

	if (!server)
		return -ENOMEM;
	server->source = source;
	server->auth = auth;
	ret = make_fixed(server);
	while (!ret && server->nr < listeners->nr) {
		daemon = start(server, listeners->fds[server->nr], tls);
		if (!daemon)
			ret = -EIO;
		else
			server->daemons[server->nr++] = daemon;
	}
	if (ret) {
		serve_stop(server);
		return log_error(ret, NULL, NULL, "start the HTTP server");
	}
	listeners->nr = 0;
	*result = server;
	return 0;
}

int serve_poll(const struct server *server, struct pollfd *fds)
{
	const union MHD_DaemonInfo *info;
	int i;

	for (i = 0; i < server->nr; i++) {
		info = MHD_get_daemon_info(server->daemons[i], MHD_DAEMON_INFO_EPOLL_FD);
		fds[i].fd = info->epoll_fd;
		fds[i].events = POLLIN;
	}
	return server->nr;
}

int serve_timeout(const struct server *server)
{
	int least = deadlines_timeout(&server->deadlines), i;
	MHD_UNSIGNED_LONG_LONG ms;

	/*
	 * While there are as many connections as it takes, the library does not wait for others. It
	 * begins again when it runs after one was closed, which it does not report.
	 */
	if (server->closed)
		return 0;
	for (i = 0; i < server->nr; i++) {
		if (MHD_get_timeout(server->daemons[i], &ms) != MHD_YES)
			continue;
		if (least < 0 || ms < (unsigned int)least)
			least = (int)ms;
	}
	return least;
}

void serve_run(struct server *server)
{
	int i;

	server->closed = false;
	deadlines_enforce(&server->deadlines);
	for (i = 0; i < server->nr; i++)
		MHD_run(server->daemons[i]);
}

void serve_stop(struct server *server)
{
	int i;

	if (!server)
		return;
	for (i = 0; i < server->nr; i++)
		MHD_stop_daemon(server->daemons[i]);
	for (i = 0; i < NR_METRICS_FORMATS; i++) {
		destroy(&server->metrics[i][0]);
		destroy(&server->metrics[i][1]);
	}
	for (i = 0; i < NR_CODES; i++)
		destroy(&server->fixed[i]);
	destroy(&server->index);
	destroy(&server->healthy);
	destroy(&server->ill);
	deadlines_free(&server->deadlines);
	free(server);
}
