// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../lib/log.h"
#include "../../lib/version.h"
#include "programs.h"
#include "root_cgroup.h"
#include "gmem_lock.skel.h"
#include "gmem_policy.skel.h"
#include "../interrupt.h"

/* New tasks can be made while the old ones are looked through; after so many rounds it ends. */
#define ROUNDS 8

/* The serial number of the programs of a first load. */
#define FIRST_SET 1

/* The objects that have the programs of a load; NULL where none of its programs is of the object. */
struct objects {
	struct gmem_policy_bpf *policy;
	struct gmem_lock_bpf *lock;
};

static void destroy(struct objects *objects)
{
	gmem_policy_bpf__destroy(objects->policy);
	gmem_lock_bpf__destroy(objects->lock);
	*objects = (struct objects){ NULL, NULL };
}

static struct bpf_program *program_of(const struct objects *objects,
				      enum gmem_policy_program program)
{
	const struct bpf_object *object = PROGS_LOCK & PROG_BIT(program) ? objects->lock->obj
									 : objects->policy->obj;

	return bpf_object__find_program_by_name(object, program_kernel_names[program]);
}

static bool is_privileged(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return syscall(SYS_capget, &header, data) ||
	       (data[0].effective & CAP_TO_MASK(CAP_SYS_ADMIN));
}

/* That there is no room says nothing of what the kernel would take: nothing may be left out for it.
 */
static bool is_shortage(int ret)
{
	return ret == -ENOMEM || ret == -EMFILE || ret == -ENFILE || ret == -EAGAIN ||
	       ret == -EINTR || ret == -ENOSPC;
}

static int refused(int ret, const char *what)
{
	if (ret == -EPERM || !is_privileged())
		return log_error(-EPERM, NULL, "be root", "%s", what);
	log_error(ret, NULL, "-v shows what the kernel says", "%s", what);
	return is_shortage(ret) ? ret : -EOPNOTSUPP;
}

/* The maps that are pinned instead of new ones. */
static int reuse_maps(struct bpf_object *object, const struct pins *pins)
{
	struct bpf_map *map;
	unsigned int i;
	int fd, ret = 0;

	for (i = 0; i < MAP_MAX && !ret; i++) {
		map = bpf_object__find_map_by_name(object, map_kernel_names[i]);
		fd = pins_map(pins, (enum pinned_map)i);
		if (fd < 0)
			return fd;
		ret = bpf_map__reuse_fd(map, fd);
		close(fd);
	}
	return ret;
}

/* The maps of an object that is loaded. */
static int share_maps(struct bpf_object *object, const struct bpf_object *loaded)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < MAP_MAX && !ret; i++)
		ret = bpf_map__reuse_fd(bpf_object__find_map_by_name(object, map_kernel_names[i]),
					bpf_object__find_map_fd_by_name(loaded,
									map_kernel_names[i]));
	return ret;
}

__u32 programs_know(const struct hooks *hooks)
{
	return (hooks->knows_kvm ? GMEM_KNOWS_KVM : 0) |
	       (hooks->has_verity ? GMEM_KNOWS_VERITY : 0) |
	       (hooks->has_task_from_pid ? GMEM_KNOWS_TASK_FROM_PID : 0);
}

void programs_limit(struct hooks *hooks, __u32 knows)
{
	hooks->knows_kvm &= !!(knows & GMEM_KNOWS_KVM);
	hooks->has_verity &= !!(knows & GMEM_KNOWS_VERITY);
	hooks->has_task_from_pid &= !!(knows & GMEM_KNOWS_TASK_FROM_PID);
}

static int note_known(const struct gmem_policy_bpf *skel, const struct hooks *hooks)
{
	int fd = bpf_map__fd(skel->maps.gmem_loads);
	struct gmem_loads loads;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(fd, &zero, &loads))
		return -errno;
	loads.knows = programs_know(hooks);
	loads.serial = FIRST_SET;
	return bpf_map_update_elem(fd, &zero, &loads, BPF_ANY) ? -errno : 0;
}

/* What an object is told of the kernel and of itself: both have these variables. */
#define SET_KNOWN(skel, hooks, set, digest)                                     \
	({                                                                      \
		(skel)->rodata->knows_kvm = (hooks)->knows_kvm;                 \
		(skel)->rodata->has_verity = (hooks)->has_verity;               \
		(skel)->rodata->has_task_from_pid = (hooks)->has_task_from_pid; \
		set_build(&(skel)->rodata_build->gmem_build, set, digest);      \
	})

static void set_build(struct gmem_build *build, __u32 serial, const char *object)
{
	build->serial = serial;
	build->layout = GMEM_LAYOUT;
	snprintf(build->version, sizeof(build->version), "%s", gmem_version);
	snprintf(build->object, sizeof(build->object), "%s", object);
}

/* Loads its programs among @programs. */
static int choose(const struct objects *objects, uint64_t own, uint64_t programs)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < GMEM_PROG_MAX && !ret; i++) {
		if (own >> i & 1)
			ret = bpf_program__set_autoload(program_of(objects,
								   (enum gmem_policy_program)i),
							programs >> i & 1);
	}
	return ret;
}

static int load_policy(struct objects *objects, const struct pins *pins, const struct hooks *hooks,
		       uint64_t programs, __u32 serial, bool existing)
{
	int ret;

	objects->policy = gmem_policy_bpf__open();
	if (!objects->policy)
		return -errno;
	SET_KNOWN(objects->policy, hooks, serial, GMEM_OBJECT_policy);
	ret = choose(objects, PROGS_ALL & ~PROGS_LOCK, programs);
	if (!ret)
		ret = bpf_program__set_autoload(objects->policy->progs.gmem_tag_old, existing);
	if (!ret && pins)
		ret = reuse_maps(objects->policy->obj, pins);
	return ret ?: gmem_policy_bpf__load(objects->policy);
}

static int load_lock(struct objects *objects, const struct pins *pins, const struct hooks *hooks,
		     uint64_t programs, __u32 serial)
{
	int ret;

	objects->lock = gmem_lock_bpf__open();
	if (!objects->lock)
		return -errno;
	SET_KNOWN(objects->lock, hooks, serial, GMEM_OBJECT_lock);
	ret = choose(objects, PROGS_LOCK, programs);
	if (!ret && pins)
		ret = reuse_maps(objects->lock->obj, pins);
	else if (!ret && objects->policy)
		ret = share_maps(objects->lock->obj, objects->policy->obj);
	return ret ?: gmem_lock_bpf__load(objects->lock);
}

/*
 * Open and load. @pins: where there are maps already, or NULL; @serial: of their set; @existing:
 * also the program that tags processes that are there
 */
static int load(struct objects *objects, const struct pins *pins, const struct hooks *hooks,
		uint64_t programs, __u32 serial, bool existing)
{
	int ret = 0;

	*objects = (struct objects){ NULL, NULL };
	if (programs & ~PROGS_LOCK || existing)
		ret = load_policy(objects, pins, hooks, programs, serial, existing);
	if (!ret && programs & PROGS_LOCK)
		ret = load_lock(objects, pins, hooks, programs, serial);
	if (ret)
		destroy(objects);
	return ret;
}

/* The kernel did not take all of them: which ones? Those without which nothing works are not asked.
 */
static int find_refused(struct hooks *hooks, uint64_t programs, int reason)
{
	struct objects objects;
	uint64_t before = hooks->refused;
	unsigned int i;
	int ret;

	/* Where not even those load, it is not for a hook. */
	ret = is_shortage(reason) ? reason
				  : load(&objects, NULL, hooks, PROGS_TAG, FIRST_SET, true);
	if (ret)
		return refused(reason, "load the programs into the kernel");
	destroy(&objects);
	for (i = 0; i < GMEM_PROG_MAX; i++) {
		if (!(programs & ~PROGS_TAG & PROG_BIT(i)))
			continue;
		ret = interrupted("load the policy");
		if (ret)
			return ret;
		ret = load(&objects, NULL, hooks, PROG_BIT(i), FIRST_SET, false);
		if (!ret) {
			destroy(&objects);
			continue;
		}
		if (is_shortage(ret))
			return refused(ret, "load the programs into the kernel");
		hooks->refused |= PROG_BIT(i);
		hooks->refused_with = ret;
	}
	if (hooks->refused == before)
		return refused(reason, "load the programs into the kernel");
	return -EAGAIN;
}

/* @add: pins a link */
static int attach(const struct objects *objects, const struct pins *pins, uint64_t programs,
		  int (*add)(const struct pins *, enum gmem_policy_program, int))
{
	enum gmem_policy_program i;
	struct bpf_link *link;
	int ret = 0;

	for (i = 0; i < GMEM_PROG_MAX && !ret; i++) {
		if (!(programs & (PROG_BIT(i))))
			continue;
		link = bpf_program__attach(program_of(objects, i));
		if (!link)
			return -errno;
		ret = add(pins, i, bpf_link__fd(link));
		/* The pin holds it. */
		bpf_link__destroy(link);
	}
	return ret;
}

static int pin_maps(struct gmem_policy_bpf *skel, const struct pins *pins)
{
	enum pinned_map map;
	int ret = 0;

	for (map = 0; map < MAP_MAX && !ret; map++)
		ret = pins_add_map(pins, map,
				   bpf_object__find_map_fd_by_name(skel->obj,
								   map_kernel_names[map]));
	return ret;
}

/* One round over all tasks. Return: how many got a tag, or a negative errno. */
static int tag_round(struct bpf_link *link)
{
	char buf[4096];
	int fd, tagged = 0;
	ssize_t n;

	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf, sizeof(buf)))) {
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			tagged = -errno;
			break;
		}
		tagged += n > 0 ? (int)n : 0;
	}
	close(fd);
	return tagged;
}

/*
 * A task that was made by one without a tag, before that one got its own, can have been missed:
 * until a round finds none.
 */
static int tag_tasks(struct gmem_policy_bpf *skel, unsigned int *tagged)
{
	struct bpf_link *link;
	int round, n = 1;

	link = bpf_program__attach_iter(skel->progs.gmem_tag_old, NULL);
	if (!link)
		return -errno;
	for (round = 0; round < ROUNDS && n > 0; round++) {
		n = tag_round(link);
		*tagged += n > 0 ? (unsigned int)n : 0;
	}
	bpf_link__destroy(link);
	return n < 0 ? n : 0;
}

/* What a child does for attach_first(), in memory that both have. */
struct first {
	const struct pins *pins;
	struct hooks hooks;
	uint64_t programs;
	bool dry_run;
	unsigned int tagged;
};

static int attach_in_child(void *data)
{
	struct first *first = data;
	struct objects objects;
	struct pins draft;
	int ret;

	ret = load(&objects, NULL, &first->hooks, first->programs, FIRST_SET, true);
	if (ret == -EPERM || (ret && !is_privileged()))
		return refused(ret, "load the programs into the kernel");
	if (ret)
		return find_refused(&first->hooks, first->programs, ret);
	ret = interrupted("load the policy");
	if (ret || first->dry_run)
		goto out;
	ret = pins_begin(&draft, first->pins);
	ret = ret ?: pin_maps(objects.policy, &draft);
	if (ret) {
		ret = log_error(ret, NULL, NULL, "pin under %s", draft.dir);
		goto discard;
	}
	ret = attach(&objects, &draft, first->programs, pins_add_program);
	ret = ret ?: note_known(objects.policy, &first->hooks);
	ret = ret ?: tag_tasks(objects.policy, &first->tagged);
	if (ret) {
		ret = refused(ret, "attach the programs");
		goto discard;
	}
	ret = interrupted("load the policy");
	if (ret)
		goto discard;
	ret = pins_publish(&draft, first->pins);
	if (!ret)
		goto out;
	ret = log_error(ret, NULL, ret == -ENOTEMPTY || ret == -EEXIST ? ADVICE_FOREIGN : NULL,
			"rename %s to %s", draft.dir, first->pins->dir);
discard:
	pins_discard(&draft);
out:
	destroy(&objects);
	return ret;
}

int attach_first(const struct pins *pins, struct hooks *hooks, uint64_t programs, bool dry_run,
		 unsigned int *tagged)
{
	struct first *first;
	int ret;

	first = mmap(NULL, sizeof(*first), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (first == MAP_FAILED)
		return log_error(-errno, NULL, NULL, "load the programs into the kernel");
	*first = (struct first){
		.pins = pins, .hooks = *hooks, .programs = programs, .dry_run = dry_run
	};
	ret = root_cgroup_run(attach_in_child, first, dry_run);
	*hooks = first->hooks;
	*tagged = first->tagged;
	munmap(first, sizeof(*first));
	return ret;
}

/* The kernel did not take the programs. */
static int refused_more(struct hooks *hooks, uint64_t programs, int ret)
{
	if (ret == -EPERM || !is_privileged())
		return refused(ret, "load more programs into the kernel");
	return find_refused(hooks, programs, ret);
}

int attach_more(const struct pins *pins, struct hooks *hooks, uint64_t programs, bool dry_run)
{
	struct objects objects;
	__u32 serial;
	int ret;

	programs &= ~pins_programs(pins);
	if (!programs)
		return 0;
	programs_differ(pins, &serial);
	ret = load(&objects, pins, hooks, programs, serial, false);
	if (ret)
		return refused_more(hooks, programs, ret);
	ret = interrupted("load the policy");
	if (!ret && !dry_run) {
		ret = attach(&objects, pins, programs, pins_add_program);
		if (ret)
			ret = refused(ret, "attach more programs");
	}
	destroy(&objects);
	return ret;
}

int attach_beside(const struct pins *pins, struct hooks *hooks, uint64_t programs, __u32 serial,
		  bool dry_run)
{
	struct objects objects;
	unsigned int i;
	int ret;

	ret = load(&objects, pins, hooks, programs, serial, false);
	if (ret)
		return refused_more(hooks, programs, ret);
	ret = interrupted("load the policy");
	if (!ret && !dry_run) {
		ret = attach(&objects, pins, programs, pins_add_new);
		if (ret)
			ret = refused(ret, "attach programs beside those of the other version");
	}
	for (i = 0; ret && i < GMEM_PROG_MAX; i++)
		pins_remove_new(pins, (enum gmem_policy_program)i);
	destroy(&objects);
	return ret;
}

/*
 * The maps that were read so far: the programs of an object share one, which never changes.
 */
#define MAX_BUILDS 4

static struct {
	__u32 id[MAX_BUILDS];
	struct gmem_build build[MAX_BUILDS];
	unsigned int nr;
} builds;

static bool recall_build(__u32 id, struct gmem_build *build)
{
	unsigned int i;

	for (i = 0; i < builds.nr; i++) {
		if (builds.id[i] == id) {
			*build = builds.build[i];
			return true;
		}
	}
	return false;
}

/* Does this map contain what its program is? Then read it. */
static bool read_build(__u32 id, struct gmem_build *build)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info), zero = 0;
	bool found;
	int fd;

	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return false;
	found = !bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, GMEM_BUILD_MAP) &&
		info.value_size == sizeof(*build) && !bpf_map_lookup_elem(fd, &zero, build);
	close(fd);
	if (found && builds.nr < MAX_BUILDS) {
		builds.id[builds.nr] = id;
		builds.build[builds.nr++] = *build;
	}
	return found;
}

/* More maps than the programs of any version have. */
#define MAX_MAPS 64

static int read_program(int fd, struct program_info *to)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info), maps[MAX_MAPS] = { 0 }, nr, i;

	info.nr_map_ids = MAX_MAPS;
	info.map_ids = (uintptr_t)maps;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	to->id = info.id;
	memcpy(to->tag, info.tag, sizeof(to->tag));
	nr = info.nr_map_ids < MAX_MAPS ? info.nr_map_ids : MAX_MAPS;
	/* To open a map takes more than all of these comparisons. */
	for (i = 0; i < nr; i++) {
		if (recall_build(maps[i], &to->build))
			return 0;
	}
	while (nr && !read_build(maps[nr - 1], &to->build))
		nr--;
	return 0;
}

int program_read(const struct pins *pins, enum gmem_policy_program program, struct program_info *to)
{
	const char *object = PROGS_LOCK & PROG_BIT(program) ? GMEM_OBJECT_lock : GMEM_OBJECT_policy;
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	int fd, ret = 0;

	memset(to, 0, sizeof(*to));
	to->differs = true;
	fd = pins_link(pins, program);
	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		ret = -errno;
	close(fd);
	if (ret)
		return ret;
	fd = bpf_prog_get_fd_by_id(info.prog_id);
	if (fd < 0)
		return -errno;
	ret = read_program(fd, to);
	close(fd);
	to->build.version[sizeof(to->build.version) - 1] = '\0';
	to->build.object[sizeof(to->build.object) - 1] = '\0';
	to->differs = !to->build.serial || strcmp(to->build.version, gmem_version) ||
		      strcmp(to->build.object, object);
	return ret;
}

uint64_t programs_differ(const struct pins *pins, __u32 *serial)
{
	uint64_t attached = pins_programs(pins), differ = 0;
	struct program_info info;
	unsigned int i;

	*serial = 0;
	for (i = 0; i < GMEM_PROG_MAX; i++) {
		if (!(attached & PROG_BIT(i)))
			continue;
		if (program_read(pins, (enum gmem_policy_program)i, &info) || info.differs)
			differ |= PROG_BIT(i);
		if (info.build.serial)
			*serial = info.build.serial;
	}
	return differ;
}

#define WAIT_STEPS   1000
#define WAIT_STEP_NS 10000000

size_t programs_wait(const __u32 *ids, size_t nr)
{
	struct timespec step = { .tv_nsec = WAIT_STEP_NS };
	size_t i = 0;
	int steps, fd;

	for (steps = 0; i < nr && steps < WAIT_STEPS; steps++) {
		while (i < nr && (fd = bpf_prog_get_fd_by_id(ids[i])) < 0)
			i++;
		if (i == nr)
			break;
		close(fd);
		nanosleep(&step, NULL);
	}
	return nr - i;
}
