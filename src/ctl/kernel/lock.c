// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../../lib/cgroup.h"
#include "../../lib/log.h"
#include "in_force.h"
#include "lock.h"
#include "notes.h"
#include "../../policy/compile.h"
#include "../../policy/request.h"
#include "verify.h"
#include "who.h"

#define KERNEL_MINOR_BITS 20 /* of its device numbers */

#define WHY_LOCKED    "the policy is locked until the next boot"
#define ADVICE_LOCKED "to be without it, reboot with the unit that loads it masked"

/* Guards that hold up the manager: who controls it, or what it loads, would be the manager too. */
#define GUARDS_OF_LOCK (1U << GMEM_GUARD_trace | 1U << GMEM_GUARD_preload)

static int write_lock(const struct store *store, const struct gmem_lock *lock)
{
	__u32 zero = 0;

	return bpf_map_update_elem(store->fd[MAP_locked], &zero, lock, BPF_ANY) ? -errno : 0;
}

/*
 * As memory: who can make a system call fail does not say what stands there. Return: 1, 0, or a
 * negative errno.
 */
static int says_on(const struct store *store)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const volatile struct gmem_lock *lock;
	bool on;

	lock = mmap(NULL, page, PROT_READ, MAP_SHARED, store->fd[MAP_locked], 0);
	if (lock == MAP_FAILED)
		return -errno;
	on = lock->on;
	munmap((void *)lock, page);
	return on;
}

/* Which map stands in the directory is up to who made that: the kernel knows which ones it keeps. */
int lock_is_held(const struct store *store)
{
	int held = says_on(store);

	if (!held) {
		held = verify_is_open(store);
		held = held < 0 ? held : !held;
	}
	return held < 0 ? log_error(held, NULL, NULL, "look whether the policy is locked") : held;
}

/* Are these directories those of the lock? Other ones can have the same maps in them. */
static bool is_place_of_lock(const struct store *store)
{
	static const char *const below[] = { "", "/maps", "/links" };
	char path[PATH_MAX];
	struct stat st;
	__u32 one;
	size_t i;

	for (i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		struct gmem_locked_key key = { .kind = GMEM_LOCKED_dir };

		if (snprintf(path, sizeof(path), "%s%s", store->pins->dir, below[i]) >=
			    (int)sizeof(path) ||
		    stat(path, &st))
			return false;
		key.id = st.st_ino;
		key.of = major(st.st_dev) << KERNEL_MINOR_BITS | minor(st.st_dev);
		if (bpf_map_lookup_elem(store->fd[MAP_locked_ids], &key, &one))
			return false;
	}
	return true;
}

/* What a policy lacks to be locked, or NULL. */
static const char *lacks(__u32 manager, __u32 guards, bool enforce)
{
	if (!manager)
		return "the policy names no manager";
	if (~guards & GUARDS_OF_LOCK)
		return "the guards trace and preload are not up, and without them nothing keeps "
		       "its manager";
	if (!enforce)
		return "it is to be enforced, and not in audit mode";
	return NULL;
}

int lock_allows(const struct store *store, const struct compiled *compiled, bool lock, bool enforce)
{
	int held = store ? lock_is_held(store) : 0;
	const char *lack;

	if (held < 0)
		return held;
	if (held && (!compiled || !lock))
		return log_error(-EPERM, WHY_LOCKED,
				 compiled ? "load it with --lock" : ADVICE_LOCKED,
				 compiled ? "load a policy that is not" : "take the policy away");
	if (held && !is_place_of_lock(store))
		return log_error(-EPERM, WHY_LOCKED, "leave --pins as it was then",
				 "use %s: it was locked by another directory", store->pins->dir);
	if (!lock)
		return 0;
	lack = lacks(compiled->head.manager, compiled->head.guards, enforce);
	if (!lack)
		return 0;
	return log_error(held ? -EPERM : -EBADMSG, lack, held ? ADVICE_LOCKED : NULL,
			 held ? "replace a locked policy" : "lock the policy");
}

int lock_allows_slot(const struct store *store, unsigned int slot, bool enforce, const char *what)
{
	const struct gmem_head *head = &store->heads[slot];
	int held = lock_is_held(store);

	if (held < 0)
		return held;
	if (!held || !lacks(head->manager, head->guards, enforce))
		return 0;
	return log_error(-EPERM, WHY_LOCKED, ADVICE_LOCKED, "%s", what);
}

int lock_plan(const struct hooks *hooks, struct plan *plan)
{
	uint64_t missing = PROGS_LOCK & ~(hooks->present & ~hooks->refused);
	unsigned int program;

	plan->programs |= PROGS_LOCK;
	if (!missing)
		return 0;
	program = (unsigned int)__builtin_ctzll(missing);
	return log_error(-EOPNOTSUPP,
			 hooks->refused >> program & 1 ? "the kernel does not take it"
						       : "the kernel has no such hook",
			 "load it without --lock", "lock the policy with the hook %s",
			 program_hooks[program]);
}

/* What of this process is not the manager's, in words. */
static const char *differs(const struct standing *standing, unsigned int manager)
{
	static const char *const texts[GMEM_CLASS_MAX] = {
		[GMEM_CLASS_exe] = "it runs another executable",
		[GMEM_CLASS_uid] = "it is another user's",
		[GMEM_CLASS_cgroup] = "it is in another cgroup",
	};
	unsigned int by;

	if (!standing->tagged)
		return "it has no identity: is it traced?";
	for (by = 0; by < GMEM_CLASS_MAX; by++) {
		if (!set_has(&standing->by[by], manager))
			return texts[by];
	}
	return NULL;
}

/*
 * The mounts that hold the pins are kept, in the namespace of who locks it: one that ends with a
 * unit or a container would take them with it.
 */
static int check_namespace(void)
{
	struct stat own, first;

	if (stat("/proc/self/ns/mnt", &own) || stat("/proc/1/ns/mnt", &first))
		return log_error(-errno, NULL, NULL, "look at the mount namespace");
	if (own.st_dev == first.st_dev && own.st_ino == first.st_ino)
		return 0;
	return log_error(-EPERM, "it is in another mount namespace than process 1",
			 "in a unit, leave out what gives it one (PrivateMounts=, ProtectSystem=)",
			 "lock the policy");
}

/**
 * why_not_manager - compare a process with the manager of a slot's policy
 * @why: how it differs; NULL: it is the manager
 *
 * Return: 0 or a negative errno.
 */
static int why_not_manager(const struct store *store, unsigned int slot, unsigned int pid,
			   const char **why)
{
	struct in_force force = {
		.loaded = true, .word = 1, .slot = slot, .pins = *store->pins, .store = *store
	};
	struct standing standing;
	struct who_process *who;
	int ret;

	who = malloc(sizeof(*who));
	if (!who)
		return -ENOMEM;
	force.cgroup_root = cgroup_root();
	ret = who_of_process(pid, who);
	ret = ret
		      ?: in_force_resolve(&force, pid, who->who.uid,
					  *who->cgroup ? who->cgroup : NULL, &standing);
	if (force.cgroup_root >= 0)
		close(force.cgroup_root);
	free(who);
	if (!ret)
		*why = differs(&standing, store->heads[slot].manager - 1);
	return ret;
}

int lock_check_self(const struct store *store, unsigned int slot)
{
	const char *why;
	int ret;

	if (!store->heads[slot].manager)
		return log_error(-EPERM, "the policy names no manager", ADVICE_LOCKED,
				 "lock the policy");
	ret = check_namespace();
	if (ret)
		return ret;
	ret = why_not_manager(store, slot, (unsigned int)getpid(), &why);
	if (ret)
		return log_error(ret, NULL, NULL, "look at this process");
	if (!why)
		return 0;
	return log_error(-EPERM, why, "do it as the policy's manager",
			 "lock the policy: this process is not its manager");
}

/* For the census, see there. What the kernel lets in anyway, as `gmemctl monitor`, may stay in. */
static bool is_manager_process(unsigned int pid, const void *data)
{
	const struct store *store = data;
	const char *why;

	return !why_not_manager(store, GMEM_ACTIVE_SLOT(store_active(store)), pid, &why) && !why;
}

/* The manager must get in again: there is no way back from a lock. */
static int check_way_in(const struct store *store)
{
	int fd = pins_map(store->pins, MAP_active);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? log_error(fd, "the manager itself is locked out", NULL, "lock the policy")
		      : 0;
}

static int write_key(const struct store *store, const struct gmem_locked_key *key)
{
	__u32 one = 1;

	return bpf_map_update_elem(store->fd[MAP_locked_ids], key, &one, BPF_ANY) ? -errno : 0;
}

static bool is_noted(const struct notes *notes, const struct gmem_locked_key *key)
{
	size_t i;

	for (i = 0; i < notes->nr_keys && memcmp(&notes->keys[i], key, sizeof(*key)); i++)
		;
	return i < notes->nr_keys;
}

/* What a lock that holds keeps besides: made since, and nothing that is found by a name. */
static bool is_new_under_lock(const struct gmem_locked_key *key)
{
	return key->kind == GMEM_LOCKED_map || key->kind == GMEM_LOCKED_program ||
	       key->kind == GMEM_LOCKED_link;
}

/* What a lock that holds keeps, and that is no more. */
static bool is_gone(const struct notes *notes, const struct gmem_locked_key *key)
{
	int fd;

	if (key->kind == GMEM_LOCKED_map)
		return !notes_map_is_there(notes, key->id);
	if (key->kind != GMEM_LOCKED_program && key->kind != GMEM_LOCKED_link)
		return false;
	fd = key->kind == GMEM_LOCKED_program ? bpf_prog_get_fd_by_id((__u32)key->id)
					      : bpf_link_get_fd_by_id((__u32)key->id);
	if (fd < 0)
		return errno == ENOENT;
	close(fd);
	return false;
}

/*
 * Where a lock holds already, directories, mounts and files stay those that were found at first:
 * what is found later is up to who may mount. Only maps, programs and links that are no more are
 * let go of.
 */
static int write_keys(const struct store *store, const struct notes *notes, bool held)
{
	struct gmem_locked_key key, next;
	int more, ret = 0;
	bool gone;
	size_t i;

	for (i = 0; i < notes->nr_keys && !ret; i++) {
		if (!held || is_new_under_lock(&notes->keys[i]))
			ret = write_key(store, &notes->keys[i]);
	}
	more = !ret && !bpf_map_get_next_key(store->fd[MAP_locked_ids], NULL, &key);
	while (more) {
		more = !bpf_map_get_next_key(store->fd[MAP_locked_ids], &key, &next);
		gone = held ? is_gone(notes, &key) : !is_noted(notes, &key);
		if (gone && bpf_map_delete_elem(store->fd[MAP_locked_ids], &key) && errno != ENOENT)
			return -errno;
		key = next;
	}
	return ret;
}

static int hold(const struct store *store, const struct notes *notes, bool held)
{
	struct gmem_lock lock = notes->lock;
	int ret;

	ret = write_keys(store, notes, held);
	lock.on = 1;
	if (!held)
		ret = ret ?: write_lock(store, &lock);
	return ret ? log_error(ret, NULL, NULL, "put the lock into the kernel") : 0;
}

int lock_extend(const struct store *store)
{
	struct gmem_census_bpf *skel;
	struct notes notes;
	int ret;

	ret = census_open(&skel);
	if (ret)
		return ret;
	ret = notes_take(&notes, skel, store->pins);
	ret = ret ?: hold(store, &notes, true);
	notes_free(&notes);
	census_close(skel);
	return ret;
}

int lock_hold(const struct store *store, const struct compiled *compiled,
	      const struct gmem_identity *identities)
{
	struct gmem_census_bpf *skel;
	struct gmem_lock none = { 0 };
	int held = lock_is_held(store), ret;
	struct notes notes;

	if (held < 0)
		return held;
	ret = census_open(&skel);
	if (ret)
		return ret;
	ret = notes_take(&notes, skel, store->pins);
	ret = ret ?: notes_take_manager(&notes, compiled, identities);
	ret = ret ?: hold(store, &notes, held);
	/* Since the lock came nobody but the manager could open anything. */
	if (held) {
		notes.subject.is_manager = is_manager_process;
		notes.subject.data = store;
	}
	/*
	 * From here on nobody else gets in: now for those who are there already. Under a lock that
	 * was held too: who held it may have been killed before it got as far as that.
	 */
	ret = ret ?: census_take(skel, &notes.subject);
	ret = ret ?: check_way_in(store);
	ret = ret ?: verify_lock(store);
	if (ret && !held)
		write_lock(store, &none);
	notes_free(&notes);
	census_close(skel);
	return ret;
}
