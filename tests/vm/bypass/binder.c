// SPDX-License-Identifier: GPL-2.0-only
/* Binder passes descriptors by itself: the kernel does not ask for them where they arrive. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/android/binder.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bypass.h"

#define DEVICE "/dev/binder"
#define ROOM   (1UL << 17)

static int binder_ready(void)
{
	if (access(DEVICE, F_OK) && shell("modprobe -q binder_linux 2>/dev/null || true"))
		return ENDED_BROKEN;
	if (access(DEVICE, F_OK))
		return ENDED_ABSENT;
	return shell("chmod 666 " DEVICE);
}

static int open_binder(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 || mmap(NULL, ROOM, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		return -broken(DEVICE);
	return fd;
}

static int say(int binder, const void *what, size_t size)
{
	struct binder_write_read both = { .write_size = size, .write_buffer = (uintptr_t)what };

	return ioctl(binder, BINDER_WRITE_READ, &both) ? broken("BINDER_WRITE_READ") : 0;
}

/*
 * What comes next that says how it went. @data: of a transaction. Return: BR_*, 0 where the device
 * does not work.
 */
static uint32_t listen_to(int binder, struct binder_transaction_data *data)
{
	char words[256], *at, *end;
	uint32_t word;

	for (;;) {
		struct binder_write_read both = { .read_size = sizeof(words),
						  .read_buffer = (uintptr_t)words };

		if (ioctl(binder, BINDER_WRITE_READ, &both))
			return 0;
		end = words + both.read_consumed;
		for (at = words; at + sizeof(word) <= end; at += _IOC_SIZE(word)) {
			memcpy(&word, at, sizeof(word));
			at += sizeof(word);
			if (word == BR_TRANSACTION)
				memcpy(data, at, sizeof(*data));
			if (word == BR_TRANSACTION || word == BR_TRANSACTION_COMPLETE ||
			    word == BR_FAILED_REPLY || word == BR_DEAD_REPLY)
				return word;
		}
	}
}

/* A: an instance, to whoever is number 0. */
static int hand_over(int peer)
{
	struct binder_fd_object object = { .hdr.type = BINDER_TYPE_FD };
	binder_size_t offset = 0;
	struct {
		uint32_t word;
		struct binder_transaction_data data;
	} __attribute__((packed)) call = {
		.word = BC_TRANSACTION,
		.data = { .flags = TF_ONE_WAY,
			  .data_size = sizeof(object),
			  .offsets_size = sizeof(offset),
			  .data.ptr = { (uintptr_t)&object, (uintptr_t)&offset } },
	};
	struct binder_transaction_data none;
	int binder = open_binder(), ret;
	uint64_t ready;
	struct vmm v;

	if (binder < 0 || hear(peer, &ready))
		return ENDED_BROKEN;
	ret = vmm_make(&v, PLAIN);
	object.fd = (uint32_t)v.fd;
	ret = ret ?: say(binder, &call, sizeof(call));
	if (ret)
		return ret;
	ret = listen_to(binder, &none) == BR_TRANSACTION_COMPLETE ? 0 : EPERM;
	/* The other side waits for one that does not come. */
	if (!ret)
		wait_gone(peer);
	return ret;
}

/* X: is number 0, and takes what comes. */
static int take(int peer)
{
	struct flat_binder_object self = { .flags = FLAT_BINDER_FLAG_ACCEPTS_FDS };
	struct binder_transaction_data data = { 0 };
	const struct binder_fd_object *object;
	uint32_t looper = BC_ENTER_LOOPER;
	int binder = open_binder();
	char byte;

	if (binder < 0 || ioctl(binder, BINDER_SET_CONTEXT_MGR_EXT, &self))
		return broken("BINDER_SET_CONTEXT_MGR_EXT");
	if (say(binder, &looper, sizeof(looper)) || tell(peer, 0))
		return ENDED_BROKEN;
	/* Is ended with the case where nothing comes: see hand_over(). */
	if (fcntl(binder, F_SETFL, O_NONBLOCK))
		return broken("O_NONBLOCK");
	while (recv(peer, &byte, 1, MSG_DONTWAIT) < 0) {
		if (listen_to(binder, &data) != BR_TRANSACTION) {
			usleep(1000);
			continue;
		}
		object = (const void *)data.data.ptr.buffer;
		return fcntl((int)object->fd, F_GETFD) < 0 ? ENDED_NOTHING : 0;
	}
	return 0;
}

const struct bypass_case bypass_binder[] = {
	{ .id = "161",
	  .path = "an instance by binder",
	  .op = GMEM_DO_receive,
	  .prepare = binder_ready,
	  PLAYERS(a, hand_over, x, take),
	  LANES(ABSENT, ABSENT, STOPPED(EPERM), STOPPED(EPERM)) },
	{ 0 },
};
