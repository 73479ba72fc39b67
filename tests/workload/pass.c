// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hand-over of an instance's fd to another process by SCM_RIGHTS. The other process may do one operation
 * with it, counts it in the shared counts, and goes, or keeps the fd until it is told (or the VMM is gone).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ops.h"
#include "workload.h"

static int send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(socket, &msg, 0) != 1)
		return -EIO;
	c = CMSG_FIRSTHDR(&msg);
	/* A denial by an LSM is silent: the message comes without the fd. */
	if (!c || c->cmsg_type != SCM_RIGHTS || msg.msg_flags & MSG_CTRUNC)
		return -EACCES;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* In the other process: everything but the socket is closed, then comes the fd. */
static void receiver(struct ctx *ctx, const struct op *op, struct instance *inst, int socket)
{
	struct op act = *op;
	char byte = 0;
	size_t i;
	int ret;

	for (i = 0; i < MAX_INSTANCES; i++) {
		if (ctx->vm->inst[i].used && ctx->vm->inst[i].map)
			munmap(ctx->vm->inst[i].map, ctx->vm->inst[i].map_size);
	}
	if (dup2(socket, 0) < 0)
		_exit(1);
	if (cfg.log_fd > 2 && dup2(cfg.log_fd, 3) == 3)
		cfg.log_fd = 3;
	close_range(cfg.log_fd == 3 ? 4 : 3, ~0U, 0);
	/* The VMM goes on when nothing but the received fd holds the instance here. */
	if (write(0, &byte, 1) != 1)
		_exit(1);
	ret = receive_fd(0);
	if (ret < 0) {
		ret = -ret;
		goto out;
	}
	inst->fd = ret;
	act.expect = EXPECT_ANY;
	if (!strcmp(op->doing, "punch"))
		ret = -op_punch(ctx, &act);
	else if (!strcmp(op->doing, "allocate"))
		ret = -op_allocate(ctx, &act);
	else if (!strcmp(op->doing, "host-touch"))
		ret = -op_host_touch(ctx, &act);
	else
		ret = 0;
	if (!op->hold)
		close(inst->fd);
out:
	byte = (char)ret;
	if (write(0, &byte, 1) != 1)
		_exit(1);
	/* The end of the VMM ends this too. */
	if (op->hold)
		while (read(0, &byte, 1) > 0)
			;
	_exit(0);
}

/* pass: hand the fd over; the result is that of what the receiver did. */
int op_pass(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = op_instance(ctx, op);
	int pair[2], saved, ret;
	unsigned char byte;
	pid_t pid;

	if (!inst || (op->hold && inst->holder >= 0) || (inst->map && !strcmp(op->doing, "host-touch"))) {
		say("line %d: nothing to pass, passed already, or mapped here", op->line);
		return -ENXIO;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	saved = inst->fd;
	pid = fork();
	if (pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return -errno;
	}
	if (!pid)
		receiver(ctx, op, inst, pair[1]);
	close(pair[1]);
	if (read(pair[0], &byte, 1) != 1 || send_fd(pair[0], saved) || read(pair[0], &byte, 1) != 1) {
		ret = -EIO;
		byte = 1;
	} else {
		ret = -(int)byte;
	}
	/* The shadow is shared: the receiver wrote its own number of the fd there. */
	inst->fd = saved;
	if (byte != EACCES)
		count_ok(&ctx->counts->cell[CELL_RECEIVE], 1, 0);
	else
		count_failed(&ctx->counts->cell[CELL_RECEIVE], EACCES);
	if (op->hold && !ret) {
		inst->holder = pair[0];
		inst->holder_pid = pid;
		__atomic_fetch_add(&inst->refs, 1, __ATOMIC_RELAXED);
		return 0;
	}
	close(pair[0]);
	waitpid(pid, NULL, 0);
	return ret;
}

/* drop: the other process gives the fd back to nobody and ends. */
int op_drop(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = shadow_instance(ctx->vm, op->inst);
	int holder;

	if (!inst || inst->holder < 0) {
		say("line %d: nobody holds instance %s", op->line, op->inst);
		return -ENXIO;
	}
	holder = inst->holder;
	inst->holder = -1;
	close(holder);
	waitpid(inst->holder_pid, NULL, 0);
	shadow_put(ctx->vm, ctx->counts, inst);
	return 0;
}
