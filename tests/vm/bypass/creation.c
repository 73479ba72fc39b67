// SPDX-License-Identifier: GPL-2.0-only
/* Ways to an instance of one's own, and to its binding and conversion. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../lib/kvm.h"
#include "bypass.h"

/* --- 1: just create --- */

static int create(int peer)
{
	struct vmm v;
	int ret, before;

	(void)peer;
	ret = vmm_open(&v, PLAIN);
	if (ret)
		return ret;
	before = fcntl(0, F_DUPFD, 0);
	close(before);
	ret = vmm_create(&v);
	/* Denied, it must not have used a descriptor. */
	if (ret && fcntl(0, F_DUPFD, 0) != before)
		return failed("an fd is left");
	return ret;
}

static int create_as_x(void)
{
	return play(WHO_x, create);
}

/* --- 11: sent through a socket --- */

static int give(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);

	ret = ret ?: send_fd(peer, v.fd);
	if (!ret)
		wait_gone(peer);
	return ret;
}

static int take(int peer)
{
	int fd = recv_fd(peer, 0);

	return fd < 0 ? -fd : 0;
}

static int send_to_x(void)
{
	return play_two(WHO_a, give, WHO_x, take);
}

const struct bypass_case bypass_creation[] = {
	{ .id = "1",
	  .path = "KVM_CREATE_GUEST_MEMFD on a VM of its own",
	  .op = GMEM_DO_create,
	  .attempt = create_as_x,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "11",
	  .path = "an fd by SCM_RIGHTS",
	  .op = GMEM_DO_receive,
	  .attempt = send_to_x,
	  EVERYWHERE(STOPPED(ENDED_CUT)) },
	{ 0 },
};
