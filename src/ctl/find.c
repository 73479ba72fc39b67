// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../lib/log.h"
#include "find.h"
#include "gmem_policy_find.skel.h"
#include "policy_compile.h"

/*
 * All that an iterator writes, to be freed.
 * @tid: the task to look at, 0: all of them
 * Return: 0 or a negative errno.
 */
static int read_iterator(struct bpf_program *program, int tid, char **out, size_t *len)
{
	DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	union bpf_iter_link_info info = { .task.tid = (__u32)tid };
	size_t have = 0, size = 1 << 16;
	struct bpf_link *link;
	char *buf, *more;
	ssize_t n;
	int fd, ret = 0;

	opts.link_info = &info;
	opts.link_info_len = sizeof(info);
	buf = malloc(size);
	link = bpf_program__attach_iter(program, tid ? &opts : NULL);
	fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
	if (!buf || fd < 0)
		ret = !buf ? -ENOMEM : -errno;
	while (!ret) {
		n = read(fd, buf + have, size - have);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0) {
			ret = n < 0 ? -errno : 0;
			break;
		}
		have += (size_t)n;
		if (have < size)
			continue;
		size *= 2;
		more = realloc(buf, size);
		if (!more)
			ret = -ENOMEM;
		else
			buf = more;
	}
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	if (ret) {
		free(buf);
		return ret;
	}
	*out = buf;
	*len = have;
	return 0;
}

static int open_finder(struct gmem_policy_find_bpf **skel, bool naming)
{
	int ret;

	*skel = gmem_policy_find_bpf__open();
	if (!*skel)
		return -errno;
	(*skel)->rodata->self = getpid();
	bpf_program__set_autoload((*skel)->progs.name_files, naming);
	bpf_program__set_autoload((*skel)->progs.find_fds, !naming);
	bpf_program__set_autoload((*skel)->progs.find_mappings, !naming);
	ret = gmem_policy_find_bpf__load(*skel);
	if (ret) {
		gmem_policy_find_bpf__destroy(*skel);
		*skel = NULL;
	}
	return ret;
}

static int name_fds(const int *fds, size_t nr, struct gmem_identity *identities)
{
	struct gmem_policy_find_bpf *skel;
	const struct gmem_file_name *name;
	size_t len = 0, at, i;
	char *out = NULL;
	int ret;

	ret = open_finder(&skel, true);
	if (ret)
		return ret;
	ret = read_iterator(skel->progs.name_files, getpid(), &out, &len);
	for (at = 0; !ret && at + sizeof(*name) <= len; at += sizeof(*name)) {
		name = (const void *)(out + at);
		for (i = 0; i < nr; i++) {
			if (fds[i] == (int)name->fd)
				identities[i] = name->identity;
		}
	}
	free(out);
	gmem_policy_find_bpf__destroy(skel);
	return ret;
}

int find_identities(const struct compiled *compiled, struct gmem_identity *identities)
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
		ret = name_fds(fds, nr, identities);
		if (ret)
			log_error(ret, NULL, "-v shows what the kernel says",
				  "ask the kernel for the executables");
	}
	while (i--) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	free(fds);
	return ret;
}

static int by_instance(const void *a, const void *b)
{
	const struct gmem_found *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

int find_instances(struct found_list *found)
{
	struct gmem_policy_find_bpf *skel;
	char *fds = NULL, *mappings = NULL;
	size_t nr_fds = 0, nr_mappings = 0;
	int ret;

	memset(found, 0, sizeof(*found));
	ret = open_finder(&skel, false);
	if (ret)
		goto out;
	ret = read_iterator(skel->progs.find_fds, 0, &fds, &nr_fds);
	ret = ret ?: read_iterator(skel->progs.find_mappings, 0, &mappings, &nr_mappings);
	gmem_policy_find_bpf__destroy(skel);
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
out:
	free(fds);
	free(mappings);
	if (ret)
		log_error(ret, NULL, "-v shows what the kernel says", "look for instances");
	return ret;
}

void found_free(struct found_list *found)
{
	free(found->list);
	memset(found, 0, sizeof(*found));
}
