// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../lib/log.h"
#include "../../policy/compile.h"
#include "store.h"

#define ADVICE_OTHER "gmemctl unload, then load the policy again"

#define ALL_SETS  (GMEM_SLOTS * GMEM_POOL_MAX)
#define ALL_RULES (GMEM_SLOTS * GMEM_RULE_MAX)

/* What an entry is, to tell the maps of another version; 0: not looked at. */
static const struct {
	size_t value;
	unsigned int entries;
} shapes[MAP_MAX] = {
	[MAP_active] = { sizeof(__u64), 1 },
	[MAP_slots] = { sizeof(struct gmem_slot), GMEM_SLOTS },
	[MAP_heads] = { sizeof(struct gmem_head), GMEM_SLOTS },
	[MAP_pool] = { sizeof(struct gmem_set), ALL_SETS },
	[MAP_exes] = { sizeof(__u32), 0 },
	[MAP_uids] = { sizeof(__u32), 0 },
	[MAP_cgroups] = { sizeof(__u32), 0 },
	[MAP_rule_hits] = { sizeof(struct gmem_hits), ALL_RULES },
	[MAP_op_hits] = { sizeof(struct gmem_hits), GMEM_DO_MAX },
	[MAP_guard_hits] = { sizeof(struct gmem_hits), GMEM_GUARD_MAX },
	[MAP_journal] = { sizeof(struct gmem_journal), 1 },
	[MAP_loads] = { sizeof(struct gmem_loads), 1 },
	[MAP_tags] = { sizeof(struct gmem_tag), 0 },
	[MAP_caches] = { sizeof(struct gmem_decision_cache), 0 },
	[MAP_locked] = { sizeof(struct gmem_lock), 1 },
	[MAP_locked_ids] = { sizeof(__u32), 0 },
};

static size_t size_of(enum pinned_map map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (shapes[map].value * shapes[map].entries + page - 1) / page * page;
}

static int open_map(struct store *store, enum pinned_map map)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = pins_map(store->pins, map);

	store->fd[map] = fd;
	if (fd == -EACCES)
		return log_error(fd, "the policy is locked, and this process is not its manager",
				 "do it as the manager", "open %s/maps/%s", store->pins->dir,
				 map_names[map]);
	if (fd < 0)
		return log_error(fd, NULL,
				 fd == -EPERM	 ? "be root"
				 : fd == -ENOENT ? ADVICE_OTHER
						 : NULL,
				 "open %s/maps/%s", store->pins->dir, map_names[map]);
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return log_error(-errno, NULL, NULL, "look at the map %s", map_names[map]);
	if ((shapes[map].value && info.value_size != shapes[map].value) ||
	    (shapes[map].entries && info.max_entries != shapes[map].entries))
		return log_error(-EPROTO, "it was made by another version of gmemctl", ADVICE_OTHER,
				 "use %s/maps/%s", store->pins->dir, map_names[map]);
	return 0;
}

static int map_memory(struct store *store, enum pinned_map map, void *at)
{
	void *mem = mmap(NULL, size_of(map), PROT_READ | PROT_WRITE, MAP_SHARED, store->fd[map], 0);

	if (mem == MAP_FAILED)
		return log_error(-errno, NULL, NULL, "map the map %s", map_names[map]);
	/* A child that has no identity can be had by anybody. */
	madvise(mem, size_of(map), MADV_DONTFORK);
	*(void **)at = mem;
	return 0;
}

int store_open(struct store *store, const struct pins *pins)
{
	unsigned int map;
	int ret = 0;

	memset(store, 0, sizeof(*store));
	store->pins = pins;
	for (map = 0; map < MAP_MAX; map++)
		store->fd[map] = -1;
	ret = pins_exist(pins);
	if (ret <= 0)
		return log_error(ret ?: -ENOENT, ret ? NULL : "no policy is loaded",
				 !ret				   ? "gmemctl load FILE"
				 : ret == -EACCES || ret == -EPERM ? "be root"
								   : NULL,
				 "look at %s", pins->dir);
	ret = 0;
	for (map = 0; map < MAP_MAX && !ret; map++)
		ret = open_map(store, map);
	ret = ret ?: map_memory(store, MAP_active, &store->active);
	ret = ret ?: map_memory(store, MAP_slots, &store->slots);
	ret = ret ?: map_memory(store, MAP_heads, &store->heads);
	ret = ret ?: map_memory(store, MAP_pool, &store->pool);
	ret = ret ?: map_memory(store, MAP_journal, &store->journal);
	ret = ret ?: map_memory(store, MAP_loads, &store->loads);
	if (!ret && store_active(store) &&
	    store->slots[GMEM_ACTIVE_SLOT(store_active(store))].layout != GMEM_LAYOUT)
		ret = log_error(-EPROTO, "it was loaded by another version of gmemctl",
				ADVICE_OTHER, "use %s", pins->dir);
	if (ret)
		store_close(store);
	return ret;
}

int store_open_dir(struct store *store, struct pins *pins, const char *dir)
{
	int ret = pins_open(pins, dir, false);

	return ret ?: store_open(store, pins);
}

static void unmap(void *mem, enum pinned_map map)
{
	if (mem)
		munmap(mem, size_of(map));
}

void store_close(struct store *store)
{
	unsigned int map;

	unmap(store->active, MAP_active);
	unmap(store->slots, MAP_slots);
	unmap(store->heads, MAP_heads);
	unmap(store->pool, MAP_pool);
	unmap(store->journal, MAP_journal);
	unmap(store->loads, MAP_loads);
	for (map = 0; map < MAP_MAX; map++) {
		if (store->fd[map] >= 0)
			close(store->fd[map]);
		store->fd[map] = -1;
	}
	store->active = NULL;
	store->slots = NULL;
	store->heads = NULL;
	store->pool = NULL;
	store->journal = NULL;
	store->loads = NULL;
}

static __u64 generation_of(const struct store *store, unsigned int slot)
{
	return __atomic_load_n(&store->heads[slot].generation, __ATOMIC_ACQUIRE);
}

static void set_generation(struct store *store, unsigned int slot, __u64 generation)
{
	__atomic_store_n(&store->heads[slot].generation, generation, __ATOMIC_SEQ_CST);
}

__u64 store_active(const struct store *store)
{
	return __atomic_load_n(store->active, __ATOMIC_SEQ_CST);
}

/* The fullest one that is not in force: the policy before has the highest generation of these. */
int store_previous(const struct store *store)
{
	__u64 word = store_active(store), best = 0;
	int slot, found = -1;

	for (slot = 0; slot < GMEM_SLOTS; slot++) {
		if (word && slot == (int)GMEM_ACTIVE_SLOT(word))
			continue;
		if (generation_of(store, (unsigned int)slot) > best) {
			best = generation_of(store, (unsigned int)slot);
			found = slot;
		}
	}
	return found;
}

unsigned int store_free_slot(const struct store *store)
{
	__u64 word = store_active(store);
	int previous = store_previous(store);
	unsigned int slot;

	for (slot = 0; slot < GMEM_SLOTS; slot++) {
		if ((!word || slot != GMEM_ACTIVE_SLOT(word)) && (int)slot != previous)
			break;
	}
	return slot;
}

/*
 * Neither the slots nor `active` say which generations there were: a load that failed has emptied
 * its slot, and tasks remember decisions of its generation.
 */
__u64 store_next_generation(struct store *store)
{
	return __atomic_add_fetch(&store->loads->generation, 1, __ATOMIC_SEQ_CST);
}

/* So many entries of a hash are asked for at once, for a start. */
#define CHUNK 1024

/* Of these keys those of the slot, in front. Return: how many. */
static __u32 keys_of_slot(char *keys, __u32 nr, size_t key_size, size_t slot_at, __u32 slot)
{
	__u32 i, of, found = 0;

	for (i = 0; i < nr; i++) {
		memcpy(&of, keys + i * key_size + slot_at, sizeof(of));
		if (of == slot)
			memmove(keys + found++ * key_size, keys + i * key_size, key_size);
	}
	return found;
}

/* Keys of all three hashes differ, but for where their slot stands. */
static int clear_hash(struct store *store, enum pinned_map map, size_t key_size, size_t slot_at,
		      __u32 slot)
{
	DECLARE_LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 room = CHUNK, nr, place, *at = NULL, *values = NULL;
	int fd = store->fd[map], ret = 0;
	char *keys = NULL;

	while (!ret) {
		free(keys);
		free(values);
		keys = calloc(room, key_size);
		values = calloc(room, sizeof(*values));
		if (!keys || !values) {
			ret = -ENOMEM;
			break;
		}
		nr = room;
		ret = bpf_map_lookup_batch(fd, at, &place, keys, values, &nr, &opts) ? -errno : 0;
		/* What is in one place of the hash has no room: once more. */
		if (ret == -ENOSPC) {
			room *= 2;
			ret = 0;
			continue;
		}
		/* Then this was the last of it. */
		if (ret && ret != -ENOENT)
			break;
		nr = keys_of_slot(keys, nr, key_size, slot_at, slot);
		if (nr && bpf_map_delete_batch(fd, keys, &nr, &opts) && errno != ENOENT)
			ret = -errno;
		at = &place;
	}
	free(keys);
	free(values);
	return ret == -ENOENT ? 0 : ret;
}

static int clear_slot(struct store *store, unsigned int slot)
{
	int ret;

	ret = clear_hash(store, MAP_exes, sizeof(struct gmem_identity),
			 offsetof(struct gmem_identity, slot), slot);
	if (!ret)
		ret = clear_hash(store, MAP_uids, sizeof(struct gmem_uid_key),
				 offsetof(struct gmem_uid_key, slot), slot);
	if (!ret)
		ret = clear_hash(store, MAP_cgroups, sizeof(struct gmem_cgroup_key),
				 offsetof(struct gmem_cgroup_key, slot), slot);
	return ret;
}

/* Room for so many counters of each CPU. @nr: of CPUs. Return: 0 or a negative errno. */
static int per_cpu(size_t counters, int *nr, struct gmem_hits **values)
{
	*nr = libbpf_num_possible_cpus();
	*values = *nr > 0 ? calloc((size_t)*nr * counters, sizeof(**values)) : NULL;
	if (*values)
		return 0;
	return *nr < 0 ? *nr : -ENOMEM;
}

static int zero_hits(struct store *store, unsigned int slot)
{
	DECLARE_LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 i, nr = GMEM_RULE_MAX, *indices;
	struct gmem_hits *zeros;
	int cpus, ret;

	ret = per_cpu(nr, &cpus, &zeros);
	indices = calloc(nr, sizeof(*indices));
	for (i = 0; indices && i < nr; i++)
		indices[i] = slot * GMEM_RULE_MAX + i;
	if (!indices)
		ret = -ENOMEM;
	if (!ret && bpf_map_update_batch(store->fd[MAP_rule_hits], indices, zeros, &nr, &opts))
		ret = -errno;
	free(indices);
	free(zeros);
	return ret;
}

/* The classes of one dimension, on their way into the kernel all at once. */
struct classes {
	char *keys;
	__u32 *values;
	__u32 nr;
	size_t key_size;
};

static int classes_begin(struct classes *classes, size_t room, size_t key_size)
{
	classes->nr = 0;
	classes->key_size = key_size;
	classes->keys = calloc(room + 1, key_size);
	classes->values = calloc(room + 1, sizeof(*classes->values));
	return classes->keys && classes->values ? 0 : -ENOMEM;
}

static void classes_add(struct classes *classes, const void *key, __u32 class)
{
	memcpy(classes->keys + classes->nr * classes->key_size, key, classes->key_size);
	classes->values[classes->nr++] = class;
}

/* @ret: what became of it so far. */
static int classes_end(struct classes *classes, struct store *store, enum pinned_map map, int ret)
{
	DECLARE_LIBBPF_OPTS(bpf_map_batch_opts, opts);

	if (!ret && classes->nr &&
	    bpf_map_update_batch(store->fd[map], classes->keys, classes->values, &classes->nr,
				 &opts))
		ret = -errno;
	free(classes->keys);
	free(classes->values);
	return ret;
}

static int fill_exes(struct store *store, unsigned int slot, const struct compiled *compiled,
		     const struct gmem_identity *identities)
{
	struct classes classes;
	struct gmem_identity exe;
	size_t i;
	int ret;

	ret = classes_begin(&classes, 2 * compiled->nr_exes, sizeof(exe));
	for (i = 0; i < compiled->nr_exes && !ret; i++) {
		exe = identities[i];
		exe.slot = slot;
		if (!exe.kind)
			continue;
		classes_add(&classes, &exe, compiled->exes[i].class);
		exe.root = GMEM_ROOT_other;
		if (compiled->exes[i].class_other)
			classes_add(&classes, &exe, compiled->exes[i].class_other);
	}
	return classes_end(&classes, store, MAP_exes, ret);
}

static int fill_uids(struct store *store, unsigned int slot, const struct compiled *compiled)
{
	struct gmem_uid_key uid = { .slot = slot };
	struct classes classes;
	size_t i;
	int ret;

	ret = classes_begin(&classes, compiled->nr_uids, sizeof(uid));
	for (i = 0; i < compiled->nr_uids && !ret; i++) {
		uid.uid = compiled->uids[i].uid;
		if (compiled->uids[i].known)
			classes_add(&classes, &uid, compiled->uids[i].class);
	}
	return classes_end(&classes, store, MAP_uids, ret);
}

static int fill_cgroups(struct store *store, unsigned int slot, const struct compiled *compiled)
{
	struct gmem_cgroup_key cgroup = { .slot = slot };
	struct classes classes;
	size_t i;
	int ret;

	ret = classes_begin(&classes, compiled->nr_cgroups, sizeof(cgroup));
	for (i = 0; i < compiled->nr_cgroups && !ret; i++) {
		cgroup.id = compiled->cgroups[i].id;
		if (compiled->cgroups[i].known)
			classes_add(&classes, &cgroup, compiled->cgroups[i].class);
	}
	return classes_end(&classes, store, MAP_cgroups, ret);
}

static int fill_source(struct store *store, unsigned int slot, const struct policy *policy)
{
	DECLARE_LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_RDONLY_PROG);
	size_t len = policy ? policy->source_len : 0;
	__u32 zero = 0;
	char *text;
	int fd, ret;

	/* An array's value is rounded up to eight bytes. */
	text = calloc(1, len + 8);
	if (!text)
		return -ENOMEM;
	if (len)
		memcpy(text, policy->source, len);
	/* Nobody writes to it again, also not who gets hold of it before a lock knows of it. */
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "source", sizeof(zero), (__u32)len + 1, 1, &opts);
	ret = fd < 0 ? -errno : 0;
	if (!ret && (bpf_map_update_elem(fd, &zero, text, BPF_ANY) || bpf_map_freeze(fd)))
		ret = -errno;
	if (!ret)
		ret = pins_add_source(store->pins, slot, fd);
	if (fd >= 0)
		close(fd);
	free(text);
	return ret;
}

int store_empty(struct store *store, unsigned int slot)
{
	int ret;

	set_generation(store, slot, 0);
	/* Nothing of the next policy is visible before that: see is_still_in() in evaluate.h. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ret = clear_slot(store, slot);
	return ret ?: zero_hits(store, slot);
}

int store_fill(struct store *store, unsigned int slot, __u64 generation,
	       const struct compiled *compiled, const struct gmem_identity *identities,
	       const struct gmem_slot *how)
{
	struct gmem_head *head = &store->heads[slot];
	int ret;

	ret = store_empty(store, slot);
	ret = ret ?: fill_exes(store, slot, compiled, identities);
	ret = ret ?: fill_uids(store, slot, compiled);
	ret = ret ?: fill_cgroups(store, slot, compiled);
	ret = ret ?: fill_source(store, slot, compiled->policy);
	if (ret)
		return log_error(ret, NULL, NULL, "put the policy into the kernel");
	memcpy(&store->pool[slot * GMEM_POOL_MAX], compiled->pool,
	       GMEM_POOL_MAX * sizeof(*compiled->pool));
	memcpy((char *)head + sizeof(head->generation),
	       (const char *)&compiled->head + sizeof(head->generation),
	       sizeof(*head) - sizeof(head->generation));
	store->slots[slot] = *how;
	store->slots[slot].source_size = compiled->policy ? (__u32)compiled->policy->source_len : 0;
	store->slots[slot].layout = GMEM_LAYOUT;
	set_generation(store, slot, generation);
	return 0;
}

/* What the word says is true, also where a gmemctl was killed before it noted it in `loads`. */
__u64 store_programs(const struct store *store)
{
	__u64 word = store_active(store);

	return word ? word & GMEM_ACTIVE_SET_BITS : store->loads->set;
}

void store_set_programs(struct store *store, __u32 serial, bool counts)
{
	__u64 word = store_active(store), set = GMEM_SET(serial, counts);

	if (word)
		__atomic_store_n(store->active, (word & ~GMEM_ACTIVE_SET_BITS) | set,
				 __ATOMIC_SEQ_CST);
	store->loads->set = set;
}

void store_activate(struct store *store, unsigned int slot, __u64 generation, bool enforce)
{
	__u64 set = store_programs(store);

	set_generation(store, slot, generation);
	__atomic_store_n(store->active, GMEM_ACTIVE(generation, slot, enforce) | set,
			 __ATOMIC_SEQ_CST);
}

void store_set_mode(struct store *store, bool enforce)
{
	__u64 word = store_active(store);

	__atomic_store_n(store->active, (word & ~1ULL) | enforce, __ATOMIC_SEQ_CST);
}

void store_drop(struct store *store, unsigned int slot)
{
	set_generation(store, slot, 0);
}

void store_put_back(struct store *store, __u64 word)
{
	if (word)
		/* Under a generation of its own: what tasks remembered in between is of none. */
		store_activate(store, GMEM_ACTIVE_SLOT(word), store_next_generation(store),
			       GMEM_ACTIVE_ENFORCES(word));
	else
		store_deactivate(store);
}

void store_deactivate(struct store *store)
{
	store->loads->set = store_programs(store);
	__atomic_store_n(store->active, 0, __ATOMIC_SEQ_CST);
}

int store_hits(const struct store *store, enum pinned_map map, unsigned int first, unsigned int nr,
	       struct gmem_hits *hits)
{
	struct gmem_hits *values;
	unsigned int i, v;
	int cpus, cpu, ret;
	__u32 index;

	ret = per_cpu(1, &cpus, &values);
	if (ret)
		return ret;
	memset(hits, 0, nr * sizeof(*hits));
	for (i = 0; i < nr && !ret; i++) {
		index = first + i;
		if (bpf_map_lookup_elem(store->fd[map], &index, values)) {
			ret = -errno;
			break;
		}
		for (cpu = 0; cpu < cpus; cpu++) {
			for (v = 0; v < GMEM_VERDICT_MAX; v++)
				hits[i].n[v] += values[cpu].n[v];
		}
	}
	free(values);
	return ret;
}

int store_source(const struct store *store, unsigned int slot, char **text, size_t *len)
{
	size_t size = store->slots[slot].source_size;
	__u32 zero = 0;
	int fd, ret = 0;

	*text = calloc(1, size + 16);
	if (!*text)
		return -ENOMEM;
	fd = pins_source(store->pins, slot);
	if (fd < 0)
		ret = fd;
	else if (bpf_map_lookup_elem(fd, &zero, *text))
		ret = -errno;
	if (fd >= 0)
		close(fd);
	if (ret) {
		free(*text);
		*text = NULL;
		return ret;
	}
	(*text)[size] = '\0';
	*len = size;
	return 0;
}
