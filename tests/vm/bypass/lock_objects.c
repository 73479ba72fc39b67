// SPDX-License-Identifier: GPL-2.0-only
/* Ways of root to the objects of a locked policy: pins, and descriptors of what they pin. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../lib/strangers.h"
#include "lock.h"

/* --- 40: pins --- */

static int first_error;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	if (remove(path) && !first_error)
		first_error = errno;
	return 0;
}

static int unlink_pins(void)
{
	first_error = 0;
	if (nftw(PINS, remove_one, 16, FTW_DEPTH | FTW_PHYS))
		return broken("nftw");
	return first_error ?: lock_policy_ends();
}

static int rename_pins(void)
{
	return result_of(rename(PINS, PINS "-away"));
}

static int own_map(void)
{
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "own", 4, 8, 1, NULL);
}

#define OWN_PIN	  "/sys/fs/bpf/gmem-other"
#define SAVED_PIN "/sys/fs/bpf/gmem-saved"

static int exchange_pin(void)
{
	int map = own_map(), ret;

	unlink(OWN_PIN);
	if (map < 0 || bpf_obj_pin(map, OWN_PIN))
		return broken(OWN_PIN);
	ret = result_of(renameat2(AT_FDCWD, OWN_PIN, AT_FDCWD, ACTIVE_PIN, RENAME_EXCHANGE));
	if (!ret && renameat2(AT_FDCWD, OWN_PIN, AT_FDCWD, ACTIVE_PIN, RENAME_EXCHANGE))
		ret = broken("exchanging them again");
	unlink(OWN_PIN);
	close(map);
	return ret;
}

static int rename_over_pin(void)
{
	int map = own_map(), ret;

	unlink(OWN_PIN);
	if (map < 0 || bpf_obj_pin(map, OWN_PIN))
		return broken(OWN_PIN);
	/* To be put back; where that is denied so should be what comes. */
	if (link(ACTIVE_PIN, SAVED_PIN) && errno != EACCES)
		return broken(SAVED_PIN);
	ret = result_of(rename(OWN_PIN, ACTIVE_PIN));
	if (ret)
		unlink(SAVED_PIN);
	else if (rename(SAVED_PIN, ACTIVE_PIN))
		ret = broken(SAVED_PIN);
	unlink(OWN_PIN);
	close(map);
	return ret;
}

static int chmod_pins(void)
{
	int ret = result_of(chmod(PINS "/maps", 0777));

	return ret ?: result_of(chmod(PINS "/maps", 0700));
}

static int chown_pin(void)
{
	int ret = result_of(chown(ACTIVE_PIN, OTHER_USER, OTHER_USER));

	return ret ?: result_of(chown(ACTIVE_PIN, 0, 0));
}

static int pin_there(void)
{
	int map = own_map(), ret;

	if (map < 0)
		return broken("bpf_map_create");
	ret = bpf_obj_pin(map, PINS "/maps/foreign") ? errno : 0;
	close(map);
	return ret ?: result_of(unlink(PINS "/maps/foreign"));
}

static int mkdir_there(void)
{
	return result_of(mkdir(PINS "/foreign", 0700)) ?: result_of(rmdir(PINS "/foreign"));
}

/* --- descriptors --- */

static int open_map(void)
{
	int fd = bpf_obj_get(ACTIVE_PIN), ret;

	if (fd < 0)
		return errno;
	ret = lock_switch_off(fd);
	close(fd);
	return ret;
}

static int switch_off_by_id(__u32 id)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id), ret;

	if (fd < 0)
		return errno == EACCES ? EACCES : ENOENT;
	ret = bpf_obj_get_info_by_fd(fd, &info, &len) || strcmp(info.name, "gmem_active")
		      ? ENOENT
		      : lock_switch_off(fd);
	close(fd);
	return ret;
}

/* Any map that is not to be had is one of the policy's. */
static int map_by_id(void)
{
	int ret = ENOENT;

	for (__u32 id = 0; ret == ENOENT && !bpf_map_get_next_id(id, &id);)
		ret = switch_off_by_id(id);
	return ret == ENOENT ? failed("the map is not there") : ret;
}

/* Of a kind of objects: one that is refused, or else one whose name begins so. */
static int program_by_id(void)
{
	for (__u32 id = 0; !bpf_prog_get_next_id(id, &id);) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id), ours;

		if (fd < 0 && errno == EACCES)
			return EACCES;
		ours = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		       !strcmp(info.name, "gmem_tag_exec");
		if (fd >= 0)
			close(fd);
		if (ours)
			return 0;
	}
	return failed("the program is not there");
}

static int link_fd_by_id(void)
{
	for (__u32 id = 0; !bpf_link_get_next_id(id, &id);) {
		struct bpf_link_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_link_get_fd_by_id(id);

		if (fd < 0 && errno == EACCES)
			return -1;
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		    info.type == BPF_LINK_TYPE_TRACING)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	errno = ENOENT;
	return -1;
}

static int link_by_id(void)
{
	int fd = link_fd_by_id();

	if (fd < 0)
		return errno == ENOENT ? failed("the link is not there") : errno;
	close(fd);
	return 0;
}

/* There is no hook for the descriptor of a link: it can do nothing. */
static int detach_link(void)
{
	int fd = bpf_obj_get(PINS "/links/tag_exec"), ret;

	if (fd < 0)
		return broken("the pin of a link");
	ret = bpf_link_detach(fd) ? errno : 0;
	close(fd);
	return ret;
}

static int update_link(void)
{
	int fd = bpf_obj_get(PINS "/links/tag_exec"), ret;
	int program = stranger_program(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "bprm_committed_creds", 0);

	if (fd < 0 || program < 0)
		return broken("the pin of a link, or a program");
	ret = bpf_link_update(fd, program, NULL) ? errno : 0;
	close(fd);
	close(program);
	return ret;
}

/* --- 40m: an iterator over what is in a map, by a program that writes to it --- */

static int iterator_over(int map)
{
	const struct bpf_insn code[] = {
		/* ctx->value, NULL at the end */
		{ .code = BPF_LDX | BPF_MEM | BPF_DW,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_1,
		  .off = 24 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_2, .off = 1 },
		{ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, load, .expected_attach_type = BPF_TRACE_ITER);
	LIBBPF_OPTS(bpf_link_create_opts, create);
	union bpf_iter_link_info info = { .map.map_fd = (__u32)map };
	int program, link;

	load.attach_btf_id = (__u32)libbpf_find_vmlinux_btf_id("bpf_map_elem", BPF_TRACE_ITER);
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "own", "GPL", code,
				sizeof(code) / sizeof(code[0]), &load);
	create.iter_info = &info;
	create.iter_info_len = sizeof(info);
	link = program < 0 ? -1 : bpf_link_create(program, 0, BPF_TRACE_ITER, &create);
	if (program >= 0)
		close(program);
	return link;
}

int lock_iterator(int map)
{
	int link = iterator_over(map);

	return link < 0 ? -broken("an iterator over a map") : link;
}

int lock_iterate(int link)
{
	int fd = bpf_iter_create(link), ret;
	char byte;

	if (fd < 0)
		return broken("bpf_iter_create");
	ret = read(fd, &byte, 1) < 0 ? broken("an iterator") : 0;
	close(fd);
	return ret ?: lock_policy_is_off();
}

static int write_by_iterator(void)
{
	int fd = bpf_obj_get(ACTIVE_PIN), link, ret;
	__u32 zero = 0;
	__u64 word;

	if (fd < 0)
		return errno;
	if (bpf_map_lookup_elem(fd, &zero, &word))
		return broken(ACTIVE_PIN);
	link = lock_iterator(fd);
	ret = link < 0 ? ENDED_BROKEN : lock_iterate(link);
	bpf_map_update_elem(fd, &zero, &word, BPF_ANY);
	close(fd);
	return ret;
}

/* --- 160: files of the file system --- */

/* The text of what is in a map. */
static int read_pin(void)
{
	int fd = open(ACTIVE_PIN, O_RDONLY | O_CLOEXEC), ret;
	char byte;

	if (fd < 0)
		return errno;
	ret = read(fd, &byte, 1) < 0 ? errno : 0;
	close(fd);
	return ret;
}

static int link_away(void)
{
	return result_of(link(ACTIVE_PIN, SAVED_PIN)) ?: result_of(unlink(SAVED_PIN));
}

/* --- what must go on --- */

static int own_objects(void)
{
	int map = own_map(), again,
	    program = stranger_program(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "file_open", 0), link;
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (map < 0 || program < 0 || bpf_obj_get_info_by_fd(map, &info, &len))
		return errno;
	again = bpf_map_get_fd_by_id(info.id);
	if (again < 0)
		return errno;
	link = bpf_raw_tracepoint_open(NULL, program);
	if (link < 0)
		return errno;
	close(link);
	close(program);
	close(again);
	close(map);
	return 0;
}

static int own_pins(void)
{
	int map = own_map(), ret;

	if (map < 0)
		return broken("bpf_map_create");
	ret = mkdir("/sys/fs/bpf/own", 0700) || bpf_obj_pin(map, "/sys/fs/bpf/own/a") ||
	      rename("/sys/fs/bpf/own/a", "/sys/fs/bpf/own/b") ||
	      chmod("/sys/fs/bpf/own/b", 0644) || unlink("/sys/fs/bpf/own/b") ||
	      rmdir("/sys/fs/bpf/own");
	ret = ret ? errno : 0;
	close(map);
	return ret;
}

const struct bypass_case bypass_lock_objects[] = {
	LOCK_CASE("40", "lock: unlink of the pins", unlink_pins, LOCKED, .denials = BYPASS_SOME),
	LOCK_CASE("40b", "lock: rename of the pins", rename_pins, LOCKED),
	LOCK_CASE("40c", "lock: a pin exchanged for another", exchange_pin, LOCKED),
	LOCK_CASE("40f", "lock: rename over a pin", rename_over_pin, LOCKED, .denials = 2),
	LOCK_CASE("40g", "lock: BPF_OBJ_GET of a map, and an update", open_map, LOCKED),
	LOCK_CASE("40h", "lock: BPF_MAP_GET_FD_BY_ID, and an update", map_by_id, LOCKED),
	LOCK_CASE("40i", "lock: BPF_PROG_GET_FD_BY_ID", program_by_id, LOCKED),
	LOCK_CASE("40j", "lock: BPF_LINK_GET_FD_BY_ID", link_by_id, LOCKED),
	LOCK_CASE("40k", "lock: BPF_LINK_DETACH of a pinned link", detach_link,
		  EVERYWHERE(REFUSED(EOPNOTSUPP))),
	LOCK_CASE("40l", "lock: BPF_LINK_UPDATE of a pinned link", update_link,
		  EVERYWHERE(REFUSED(EINVAL))),
	LOCK_CASE("40m", "lock: an iterator over a map, whose program writes to it",
		  write_by_iterator, LOCKED),
	LOCK_CASE("136", "lock: mode of a directory of pins", chmod_pins, LOCKED),
	LOCK_CASE("136b", "lock: owner of a pin", chown_pin, LOCKED),
	LOCK_CASE("137", "lock: BPF_OBJ_PIN among the pins", pin_there, LOCKED),
	LOCK_CASE("137b", "lock: mkdir among the pins", mkdir_there, LOCKED),
	LOCK_CASE("160", "lock: a map's pin read as a file", read_pin, LOCKED),
	LOCK_CASE("160b", "lock: a hard link to a pin, elsewhere", link_away, LOCKED),
	LOCK_CASE("F83", "lock: maps, programs and links of others", own_objects,
		  EVERYWHERE(ALLOWED)),
	LOCK_CASE("F84", "lock: pins of others beside the policy's", own_pins, EVERYWHERE(ALLOWED)),
	{ 0 },
};
