// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../lib/bindings.h"
#include "../../lib/btf_names.h"
#include "../../lib/iterate.h"
#include "../../lib/log.h"
#include "find.h"
#include "gmem_inspect.skel.h"
#include "holders.h"
#include "pins.h"
#include "../../policy/compile.h"

#define KERNEL_MINOR_BITS 20 /* of its device numbers */

#define TRIES 3 /* when memslots change while they are read */

const char *const held_by_names[GMEM_HELD_BY_MAX] = {
#define X(name, ...) #name,
	GMEM_HOLDS(X)
#undef X
};

/* Only KVM's core has this function, and not all that vmlinux knows of a VM is its contents. */
static void note_kvm(const char *name, void *knows)
{
	if (!strcmp(name, "kvm_get_kvm"))
		*(bool *)knows = true;
}

static bool knows_kvm(void)
{
	bool knows = false;

	if (!access("/sys/kernel/btf/kvm", R_OK))
		return true;
	btf_names(BTF_OF_KERNEL, note_kvm, &knows);
	return knows;
}

/* All of the programs, if that has not been done yet. Return: 0 or a negative errno. */
static int load_programs(struct finder *finder)
{
	struct gmem_inspect_bpf *skel;
	int ret;

	if (finder->skel)
		return 0;
	skel = gmem_inspect_bpf__open();
	if (!skel)
		return -errno;
	skel->rodata->knows_kvm = knows_kvm();
	bpf_program__set_autoload(skel->progs.gmem_bindings, skel->rodata->knows_kvm);
	ret = gmem_inspect_bpf__load(skel);
	if (ret) {
		gmem_inspect_bpf__destroy(skel);
		return ret;
	}
	finder->skel = skel;
	return 0;
}

void finder_open(struct finder *finder, const struct pins *pins)
{
	finder->skel = NULL;
	finder->name_files = pins ? pins_finder(pins) : -1;
}

void finder_close(struct finder *finder)
{
	gmem_inspect_bpf__destroy(finder->skel);
	if (finder->name_files >= 0)
		close(finder->name_files);
	finder->skel = NULL;
	finder->name_files = -1;
}

int finder_keep(struct finder *finder, const struct pins *pins)
{
	int ret;

	if (finder->name_files >= 0)
		return 0;
	ret = load_programs(finder);
	if (!ret)
		ret = pins_add_finder(pins, bpf_program__fd(finder->skel->progs.gmem_name_file));
	if (ret)
		ret = log_error(ret, NULL, NULL, "pin under %s", pins->dir);
	return ret;
}

static int name_fds(struct finder *finder, const int *fds, size_t nr,
		    struct gmem_identity *identities)
{
	int program = finder->name_files, ret = 0;
	const struct gmem_file_name *name;
	size_t len = 0, at, i;
	char *out = NULL;

	if (program < 0) {
		ret = load_programs(finder);
		if (ret)
			return ret;
		program = bpf_program__fd(finder->skel->progs.gmem_name_file);
	}
	ret = iterate(program, getpid(), &out, &len);
	for (at = 0; !ret && at + sizeof(*name) <= len; at += sizeof(*name)) {
		name = (const void *)(out + at);
		for (i = 0; i < nr; i++) {
			if (fds[i] == (int)name->fd)
				identities[i] = name->identity;
		}
	}
	free(out);
	return ret;
}

/*
 * Is a device, an inode number and a generation one file? Where stat(2) names another device than
 * that of the file system, numbers may belong to something that is not part of the identity.
 */
static int check_unique(const char *path, int fd, const struct gmem_identity *identity)
{
	struct statfs fs;
	struct stat st;

	if (identity->subvolume == GMEM_SUBVOLUME_UNKNOWN)
		return log_error(-EOPNOTSUPP,
				 "its file system has subvolumes, and the programs were loaded "
				 "before the kernel's types of it were known",
				 "load its module (btrfs), then gmemctl unload and load; or name "
				 "the file by verity",
				 "identify %s by its inode", path);
	if (!identity->kind || identity->subvolume)
		return 0;
	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return log_error(-errno, NULL, NULL, "look at %s", path);
	if (fs.f_type == OVERLAYFS_SUPER_MAGIC ||
	    identity->dev == (major(st.st_dev) << KERNEL_MINOR_BITS | minor(st.st_dev)))
		return 0;
	return log_error(-EOPNOTSUPP,
			 "its file system gives one inode number to more than one file",
			 "put it on another file system, or name it by verity",
			 "identify %s by its inode", path);
}

int find_identities(struct finder *finder, const struct compiled *compiled,
		    struct gmem_identity *identities)
{
	size_t i, nr = compiled->nr_exes, opened = 0;
	int *fds, ret = 0;

	memset(identities, 0, nr * sizeof(*identities));
	fds = malloc((nr + 1) * sizeof(*fds));
	if (!fds)
		return log_error(-ENOMEM, NULL, NULL, "look up the executables");
	for (i = 0; i < nr; i++) {
		const struct compiled_exe *exe = &compiled->exes[i];

		fds[i] = -1;
		if (!exe->known)
			continue;
		if (!exe->path) {
			identities[i] = exe->identity;
			continue;
		}
		/* A path alone would do, but what it stands for on overlayfs is an open file. */
		fds[i] = open(exe->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fds[i] < 0) {
			ret = log_error(-errno, NULL, NULL, "open %s", exe->path);
			break;
		}
		opened++;
	}
	if (!ret && opened) {
		ret = name_fds(finder, fds, nr, identities);
		if (ret)
			ret = log_error(ret, NULL, "-v shows what the kernel says",
					"ask the kernel for the executables");
	}
	while (i--) {
		if (fds[i] < 0)
			continue;
		ret = ret ?: check_unique(compiled->exes[i].path, fds[i], &identities[i]);
		close(fds[i]);
	}
	free(fds);
	return ret;
}

#define COMPARE(x, y)                              \
	do {                                       \
		if ((x) != (y))                    \
			return (x) < (y) ? -1 : 1; \
	} while (0)

static int by_instance(const void *a, const void *b)
{
	const struct gmem_found *x = a, *y = b;

	COMPARE(x->dev, y->dev);
	COMPARE(x->ino, y->ino);
	COMPARE(x->tgid, y->tgid);
	COMPARE(x->how, y->how);
	COMPARE(x->kvm, y->kvm);
	COMPARE(x->table, y->table);
	COMPARE(x->at, y->at);
	return 0;
}

/* A process whose leader is gone is shown once for each of its threads. */
static void remove_doubles(struct found_list *found)
{
	size_t i, nr = 0;

	for (i = 0; i < found->nr; i++) {
		if (!nr || by_instance(&found->list[nr - 1], &found->list[i]))
			found->list[nr++] = found->list[i];
	}
	found->nr = nr;
}

static int read_found(struct gmem_inspect_bpf *skel, struct found_list *found)
{
	char *fds = NULL, *mappings = NULL;
	size_t nr_fds = 0, nr_mappings = 0;
	int ret;

	ret = iterate(bpf_program__fd(skel->progs.gmem_find_fds), 0, &fds, &nr_fds);
	ret = ret
		      ?: iterate(bpf_program__fd(skel->progs.gmem_find_maps), 0, &mappings,
				 &nr_mappings);
	if (ret)
		goto out;
	found->list = malloc(nr_fds + nr_mappings + 1);
	if (!found->list) {
		ret = -ENOMEM;
		goto out;
	}
	memcpy(found->list, fds, nr_fds);
	memcpy((char *)found->list + nr_fds, mappings, nr_mappings);
	found->nr = (nr_fds + nr_mappings) / sizeof(*found->list);
	qsort(found->list, found->nr, sizeof(*found->list), by_instance);
	remove_doubles(found);
out:
	free(fds);
	free(mappings);
	return ret;
}

void found_free(struct found_list *found)
{
	free(found->list);
	memset(found, 0, sizeof(*found));
}

static int add_bindings(const struct bindings_place *place, __u64 kvm, __u64 mm,
			struct found_holders *holders)
{
	struct gmem_binding *list = NULL;
	struct found_binding *larger;
	long nr = -EAGAIN, i;
	size_t room = 0;
	int tries;

	for (tries = 0; tries < TRIES && nr == -EAGAIN; tries++)
		nr = bindings_of(place, kvm, mm, &list, &room);
	if (nr <= 0) {
		holders->unread += nr < 0;
		goto out;
	}
	larger =
		reallocarray(holders->bindings, holders->nr_bindings + (size_t)nr, sizeof(*larger));
	if (!larger) {
		nr = -ENOMEM;
		goto out;
	}
	holders->bindings = larger;
	for (i = 0; i < nr; i++) {
		larger[holders->nr_bindings].kvm = kvm;
		larger[holders->nr_bindings++].binding = list[i];
	}
out:
	free(list);
	return nr == -ENOMEM ? -ENOMEM : 0;
}

struct met_vm {
	__u64 kvm, mm;
};

static int by_kvm(const void *a, const void *b)
{
	const struct met_vm *x = a, *y = b;

	COMPARE(x->kvm, y->kvm);
	return 0;
}

/* Of each VM that was met, once. */
static int read_bindings(struct gmem_inspect_bpf *skel, struct found_holders *holders)
{
	struct bindings_place place = {
		.program = bpf_program__fd(skel->progs.gmem_bindings),
		.question = &skel->bss->question,
		.answer = skel->bss->bindings,
		.nr_answer = &skel->bss->nr_bindings,
	};
	size_t i, nr = holders->found.nr;
	struct met_vm *vms;
	int ret = 0;

	vms = calloc(nr + 1, sizeof(*vms));
	if (!vms)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		vms[i] = (struct met_vm){ holders->found.list[i].kvm, holders->found.list[i].mm };
	qsort(vms, nr, sizeof(*vms), by_kvm);
	for (i = 0; i < nr && !ret; i++) {
		if (vms[i].kvm && (!i || vms[i].kvm != vms[i - 1].kvm))
			ret = add_bindings(&place, vms[i].kvm, vms[i].mm, holders);
	}
	free(vms);
	return ret;
}

int find_holders(struct finder *finder, struct found_holders *holders)
{
	struct gmem_inspect_bpf *skel;
	int ret;

	memset(holders, 0, sizeof(*holders));
	ret = load_programs(finder);
	if (!ret) {
		skel = finder->skel;
		holders->knows_kvm = skel->rodata->knows_kvm;
		ret = read_found(skel, &holders->found);
		if (!ret && holders->knows_kvm)
			ret = read_bindings(skel, holders);
	}
	if (ret) {
		holders_free(holders);
		ret = log_error(ret, NULL,
				ret == -EPERM || ret == -EACCES ? "be root"
								: "-v shows what the kernel says",
				"look for who holds instances");
	}
	return ret;
}

int find_instances(struct finder *finder, struct found_list *found)
{
	struct found_holders holders;
	struct held held;
	size_t i, j;
	int ret;

	memset(found, 0, sizeof(*found));
	ret = find_holders(finder, &holders);
	if (ret)
		return ret;
	ret = holders_group(&holders, &held);
	holders_free(&holders);
	if (ret)
		return log_error(ret, NULL, NULL, "look for instances");
	for (i = 0; i < held.nr; i++) {
		for (j = 0; j < held.instances[i].nr; j++)
			found->nr += held.instances[i].holders[j].nr;
	}
	found->list = held.places;
	held.places = NULL;
	held_free(&held);
	return 0;
}

void holders_free(struct found_holders *holders)
{
	found_free(&holders->found);
	free(holders->bindings);
	memset(holders, 0, sizeof(*holders));
}
