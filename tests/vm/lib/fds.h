/* SPDX-License-Identifier: GPL-2.0-only */
/* Descriptors through sockets (SCM_RIGHTS), one at a time, each with a byte. */
#ifndef VM_FDS_H
#define VM_FDS_H

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Send @fd, which stays open here. Return: 0 or -1 with errno. */
static inline int fd_send(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(socket, &msg, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/*
 * Take one; @flags: of recvmsg(). Return: the fd, which the caller closes; -1 with errno: EMSGSIZE:
 * it was cut off; ENOMSG: there was none; what the kernel put in its place (SO_RIGHTS_NOTRUNC).
 */
static inline int fd_take(int socket, int flags)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(socket, &msg, flags) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS || cmsg->cmsg_len != CMSG_LEN(sizeof(int))) {
		errno = msg.msg_flags & MSG_CTRUNC ? EMSGSIZE : ENOMSG;
		return -1;
	}
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	if (fd >= 0)
		return fd;
	errno = -fd;
	return -1;
}

#endif /* VM_FDS_H */
