// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "../lib/log.h"
#include "listen.h"

#define BACKLOG	 1024
#define LOOPBACK "127.0.0.1"

/* The address without brackets, and the port. Return: 0 or -EINVAL. */
static int split(const char *text, char *host, size_t size, const char **port)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strlen(colon + 1) > 5 || atoi(colon + 1) < 1 || atoi(colon + 1) > 65535)
		return -EINVAL;
	*port = colon + 1;
	if (len && text[0] == '[') {
		if (text[len - 1] != ']')
			return -EINVAL;
		text++;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return -EINVAL;
	}
	if (len >= size)
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (!len)
		snprintf(host, size, "%s", LOOPBACK);
	return 0;
}

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return true;
}

static int add(struct listeners *listeners, int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);

	if (listeners->nr == MAX_LISTENERS)
		return -E2BIG;
	if (getsockname(fd, (struct sockaddr *)&address, &len))
		return -errno;
	listeners->exposed |= !is_loopback((struct sockaddr *)&address);
	listeners->fds[listeners->nr++] = fd;
	return 0;
}

static int open_socket(const struct addrinfo *info)
{
	int fd, ret, on = 1;

	fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(fd, info->ai_addr, info->ai_addrlen) && !listen(fd, BACKLOG))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int listen_open(struct listeners *listeners, const char *text)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *info;
	const char *port;
	char host[256];
	int ret, fd;

	if (split(text, host, sizeof(host), &port))
		return log_error(-EINVAL, "not [ADDRESS]:PORT", "an IPv6 address is in brackets",
				 "--listen %s", text);
	ret = getaddrinfo(host, port, &hints, &info);
	if (ret)
		return log_error(-EINVAL, gai_strerror(ret), NULL, "--listen %s", text);
	fd = open_socket(info);
	freeaddrinfo(info);
	if (fd < 0)
		return log_error(fd, NULL, NULL, "listen on %s", text);
	ret = add(listeners, fd);
	if (!ret)
		return 0;
	close(fd);
	return log_error(ret, NULL, NULL, "listen on %s", text);
}

int listen_inherit(struct listeners *listeners)
{
	int nr = sd_listen_fds(1), fd, ret;

	if (nr < 0)
		return log_error(nr, NULL, NULL, "take the sockets that systemd passes");
	for (fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + nr; fd++) {
		ret = sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1);
		if (!ret)
			ret = -EINVAL;
		if (ret > 0)
			ret = fcntl(fd, F_SETFL, O_NONBLOCK) ? -errno : add(listeners, fd);
		if (ret)
			return log_error(ret == -EINVAL ? -ENOTSOCK : ret,
					 ret == -EINVAL ? "it does not listen for streams" : NULL,
					 "use ListenStream= and Accept=no",
					 "take socket %d that systemd passes", fd);
	}
	return 0;
}

void listen_close(struct listeners *listeners)
{
	while (listeners->nr)
		close(listeners->fds[--listeners->nr]);
}
