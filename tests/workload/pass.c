// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hand-over of an instance's fd to another process by SCM_RIGHTS. The other process is started
 * before there is any VM, so it has nothing but what it is handed. It may do one operation with the
 * fd, which it counts in the shared counts, and closes it, or keeps it until it is told or the VMM
 * is gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ops.h"
#include "workload.h"

#define HELPER_SOCKET 0
#define HELPER_LOG    3
#define CONTROL_SIZE  CMSG_SPACE(sizeof(int))

static int send_op(int socket, const struct op *op, int fd)
{
	char control[CONTROL_SIZE] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { .iov_base = (void *)op, .iov_len = sizeof(*op) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL) == sizeof(*op) ? 0 : -errno;
}

/* Returns the fd, -EACCES if it was taken out on the way, -EPIPE at the end. */
static int receive_op(struct op *op)
{
	char control[CONTROL_SIZE] __attribute__((aligned(8)));
	struct iovec iov = { .iov_base = op, .iov_len = sizeof(*op) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(HELPER_SOCKET, &msg, 0) != sizeof(*op))
		return -EPIPE;
	c = CMSG_FIRSTHDR(&msg);
	/* A denial by an LSM is silent: the message comes without the fd. */
	if (!c || c->cmsg_type != SCM_RIGHTS || msg.msg_flags & MSG_CTRUNC)
		return -EACCES;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int act(struct ctx *ctx, const struct op *op, int fd)
{
	struct instance *inst = shadow_instance(ctx->vm, op->inst);
	int ret = 0, saved = inst->fd;

	/* The shadow is shared, the numbers of fds are not; the VMM waits meanwhile. */
	inst->fd = fd;
	if (!strcmp(op->doing, "punch"))
		ret = op_punch(ctx, op);
	else if (!strcmp(op->doing, "allocate"))
		ret = op_allocate(ctx, op);
	else if (!strcmp(op->doing, "host-touch"))
		ret = op_host_touch(ctx, op);
	inst->fd = saved;
	return ret;
}

/* The other process: one request after the other until the VMM has gone. */
static void helper(struct vm *vm, int socket)
{
	struct ctx ctx = { .vm = vm, .counts = &vm->counts[MAX_VCPUS] };
	int fd, ret, i, held[MAX_INSTANCES];
	struct op op;

	for (i = 0; i < MAX_INSTANCES; i++)
		held[i] = -1;
	if (dup2(socket, HELPER_SOCKET) < 0)
		_exit(1);
	if (cfg.log_fd >= 0 && dup2(cfg.log_fd, HELPER_LOG) == HELPER_LOG)
		cfg.log_fd = HELPER_LOG;
	close_range(cfg.log_fd == HELPER_LOG ? HELPER_LOG + 1 : HELPER_LOG, ~0U, 0);
	while ((fd = receive_op(&op)) != -EPIPE) {
		ctx.op = &op;
		i = (int)(shadow_instance(vm, op.inst) - vm->inst);
		ret = 0;
		if (op.id == OP_DROP) {
			close(held[i]);
			held[i] = -1;
		} else if (fd < 0) {
			ret = fd;
		} else {
			ret = act(&ctx, &op, fd);
			if (op.hold && !ret)
				held[i] = fd;
			else
				close(fd);
		}
		if (write(HELPER_SOCKET, &ret, sizeof(ret)) != sizeof(ret))
			break;
	}
	_exit(0);
}

/**
 * pass_prepare - start the process to which a VM's instances are handed, if the scenario does that
 * @vm: the VM, not created yet
 */
int pass_prepare(struct vm *vm)
{
	bool wanted = false;
	int pair[2];
	size_t i;

	vm->helper = -1;
	for (i = 0; i < cfg.scenario->nr; i++)
		wanted |= cfg.scenario->op[i].id == OP_PASS;
	if (!wanted)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	vm->helper_pid = fork();
	if (vm->helper_pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return -errno;
	}
	if (!vm->helper_pid)
		helper(vm, pair[1]);
	close(pair[1]);
	vm->helper = pair[0];
	return 0;
}

/* The end of that process. */
void pass_finish(struct vm *vm)
{
	if (vm->helper < 0)
		return;
	close(vm->helper);
	waitpid(vm->helper_pid, NULL, 0);
	vm->helper = -1;
}

static int ask(struct vm *vm, const struct op *op, int fd)
{
	int ret = send_op(vm->helper, op, fd), answer;

	if (ret)
		return ret;
	return read(vm->helper, &answer, sizeof(answer)) == sizeof(answer) ? answer : -EPIPE;
}

/* pass: hand the fd over; the result is that of what the receiver did. */
int op_pass(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = op_instance(ctx, op);
	struct cell *cell = &ctx->counts->cell[CELL_RECEIVE];
	int ret;

	if (!inst || (op->hold && inst->held) || (inst->map && !strcmp(op->doing, "host-touch"))) {
		say("line %d: nothing to pass, passed already, or mapped here", op->line);
		return -ENXIO;
	}
	ret = ask(ctx->vm, op, inst->fd);
	if (ret == -EACCES)
		count_failed(cell, EACCES);
	else if (ret != -EPIPE)
		count_ok(cell, 1, 0);
	if (op->hold && !ret) {
		inst->held = true;
		__atomic_fetch_add(&inst->refs, 1, __ATOMIC_RELAXED);
	}
	return ret;
}

/* drop: the other process closes what it held. */
int op_drop(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = shadow_instance(ctx->vm, op->inst);
	int ret;

	if (!inst || !inst->held) {
		say("line %d: nobody holds instance %s", op->line, op->inst);
		return -ENXIO;
	}
	ret = ask(ctx->vm, op, -1);
	if (ret)
		return ret;
	inst->held = false;
	shadow_put(ctx->vm, ctx->counts, inst);
	return 0;
}
