// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VM is which: keys that every gmemtop shows the same and no other VM gets, names and cgroups
 * of VMs that are gone before anybody could look, VMMs that move or are gone, and how VMs ended.
 *
 * Usage: vms_test [--falsify] [CASE...]
 *        vms_test --vmm ARGUMENT...    a VMM that makes a VM and ends
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "../../bpf/abi/trace.h"
#include "lib/watch.h"

#define CGROUPS "/sys/fs/cgroup"
#define AGAIN	20

static const char *text_of(struct json_object *obj, const char *name)
{
	struct json_object *value = member(obj, name);

	return value ? json_object_get_string(value) : "(null)";
}

/* --- keys --- */

static struct json_object *first_instance(struct json_object *vm)
{
	return json_object_array_get_idx(member(vm, "instance_list"), 0);
}

/* The keys as the event of a creation has them. */
static struct json_object *created(int vm)
{
	char *argv[] = { GMEMTOP, "events", "--json", "-e", "create", "-n", "1", NULL };
	struct watcher events = start(argv);
	struct json_object *event;
	int inst;

	json_object_put(frame_of(&events));
	inst = create_instance(vm, SIZE, 0);
	event = frame_of(&events);
	stop(&events);
	close(inst);
	return event;
}

static void test_keys(void)
{
	struct json_object *frame, *shown, *other, *event;
	char keys[AGAIN][32], inst_key[32];
	int vm = create_vm(), inst = create_instance(vm, SIZE, 0), i, k;
	struct watcher once;

	frame = next_frame();
	shown = vm_of(frame);
	snprintf(keys[0], sizeof(keys[0]), "%s", text_of(shown, "key"));
	snprintf(inst_key, sizeof(inst_key), "%s", text_of(first_instance(shown), "key"));
	json_object_put(frame);
	CHECK(strlen(keys[0]) == 16 && strlen(inst_key) == 16 && strcmp(keys[0], inst_key),
	      "the VM has %s, its instance %s", keys[0], inst_key);
	once = watch(true);
	frame = frame_of(&once);
	other = vm_of(frame);
	CHECK(!strcmp(text_of(other, "key"), falsify ? "" : keys[0]),
	      "%s, another gmemtop shows %s", keys[0], text_of(other, "key"));
	CHECK(!strcmp(text_of(first_instance(other), "key"), inst_key), "%s, another one shows %s",
	      inst_key, text_of(first_instance(other), "key"));
	json_object_put(frame);
	stop(&once);
	event = created(vm);
	CHECK(!strcmp(text_of(member(event, "vm"), "key"), keys[0]), "%s, but %s", keys[0],
	      json_object_to_json_string(event));
	CHECK(strlen(text_of(member(event, "instance"), "key")) == 16 &&
		      strcmp(text_of(member(event, "instance"), "key"), inst_key),
	      "another instance, but %s", json_object_to_json_string(event));
	json_object_put(event);
	close(inst);
	close(vm);
	/* The same address, descriptor and process. */
	for (i = 1; i < AGAIN; i++) {
		vm = create_vm();
		inst = create_instance(vm, SIZE, 0);
		frame = next_frame();
		snprintf(keys[i], sizeof(keys[i]), "%s", text_of(vm_of(frame), "key"));
		json_object_put(frame);
		close(inst);
		close(vm);
		for (k = 0; k < i; k++)
			CHECK(strcmp(keys[k], keys[i]), "VM %d has the key of VM %d: %s", i, k,
			      keys[i]);
	}
}

/* --- names --- */

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		give_up(path);
	close(fd);
}

static void enter(const char *cgroup)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUPS "%s", cgroup);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), CGROUPS "%s/cgroup.procs", cgroup);
	write_to(path, "0");
}

static int vmm(void)
{
	int vm;

	kvm = kvm_open();
	if (kvm < 0)
		return 1;
	/* One VM: probe() would make more. */
	vm = kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM);
	if (vm < 0)
		vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM);
	if (vm < 0)
		return 1;
	create_instance(vm, SIZE, 0);
	return 0;
}

static void run_vmm(const char *name, const char *cgroup)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		enter(cgroup);
		execl("/proc/self/exe", "vmm", "--vmm", "-name", name, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		give_up("run a VMM");
}

/* It lives for some milliseconds of a frame of two seconds. */
static void test_brief(void)
{
	char *argv[] = { GMEMTOP,   "--json",	"-d",	       "2", "--vm",
			 "brie[f]", "--cgroup", "/gmem-brief", NULL };
	struct watcher w = start(argv);
	struct json_object *frame = frame_of(&w), *list, *vm;
	int found = 0, i;
	size_t k;

	json_object_put(frame);
	run_vmm("guest=brief,debug-threads=on", "/gmem-brief");
	run_vmm("guest=other", "/gmem-brief");
	for (i = 0; i < 2; i++) {
		frame = frame_of(&w);
		list = member(frame, "vms");
		for (k = 0; k < length(list); k++) {
			vm = json_object_array_get_idx(list, k);
			found += !strcmp(text_of(vm, "name"), "brief") &&
				 !strcmp(text_of(vm, "cgroup"), "/gmem-brief") && vm_is(vm, "gone");
		}
		if (i)
			CHECK(found == 1 + falsify, "%d VMs that fit, shown is %s", found,
			      json_object_to_json_string(list));
		json_object_put(frame);
	}
	stop(&w);
	rmdir(CGROUPS "/gmem-brief");
}

static void test_moves(void)
{
	int vm, inst;
	struct json_object *frame;

	enter("/gmem-from");
	vm = create_vm();
	inst = create_instance(vm, SIZE, 0);
	frame = next_frame();
	CHECK(!strcmp(text_of(vm_of(frame), "cgroup"), "/gmem-from"), "%s",
	      text_of(vm_of(frame), "cgroup"));
	json_object_put(frame);
	enter("/gmem-to");
	frame = next_frame();
	CHECK(!strcmp(text_of(vm_of(frame), "cgroup"), falsify ? "" : "/gmem-to"), "%s",
	      text_of(vm_of(frame), "cgroup"));
	json_object_put(frame);
	enter("/");
	close(inst);
	close(vm);
	rmdir(CGROUPS "/gmem-from");
	rmdir(CGROUPS "/gmem-to");
}

/* --- VMMs that are gone --- */

static struct json_object *vm_with_key(struct json_object *frame, const char *key)
{
	struct json_object *vms = member(frame, "vms"), *vm;
	size_t i;

	for (i = 0; i < length(vms); i++) {
		vm = json_object_array_get_idx(vms, i);
		if (!strcmp(text_of(vm, "key"), key))
			return vm;
	}
	return NULL;
}

/* A child has the descriptors of a VMM that is gone. */
static void test_vmm_gone(void)
{
	struct json_object *frame, *vm = NULL;
	int fds[2], status;
	pid_t parent, holder;
	char key[32] = "";
	struct watcher once;
	size_t i;

	if (pipe(fds))
		give_up("pipe");
	parent = fork();
	if (!parent) {
		prctl(PR_SET_NAME, "departed");
		create_instance(create_vm(), SIZE, 0);
		holder = fork();
		if (!holder) {
			prctl(PR_SET_NAME, "holder");
			pause();
			_exit(0);
		}
		if (write(fds[1], &holder, sizeof(holder)) != sizeof(holder))
			_exit(1);
		_exit(0);
	}
	if (parent < 0 || read(fds[0], &holder, sizeof(holder)) != sizeof(holder) ||
	    waitpid(parent, &status, 0) != parent)
		give_up("start a VMM");
	frame = next_frame();
	for (i = 0; i < length(member(frame, "vms")); i++) {
		vm = json_object_array_get_idx(member(frame, "vms"), i);
		if (!strcmp(text_of(vm, "name"), "departed"))
			break;
	}
	CHECK(vm && vm_is(vm, "VMM gone") == !falsify && !member(vm, "pid"), "shown is %s",
	      json_object_to_json_string(member(frame, "vms")));
	snprintf(key, sizeof(key), "%s", text_of(vm, "key"));
	json_object_put(frame);
	/* Another one finds the VM at the holder, who is no VMM. */
	once = watch(true);
	frame = frame_of(&once);
	vm = vm_with_key(frame, key);
	CHECK(vm && vm_is(vm, "VMM gone") && !strcmp(text_of(vm, "name"), "VMM gone"),
	      "shown is %s", json_object_to_json_string(vm));
	json_object_put(frame);
	stop(&once);
	kill(holder, SIGKILL);
}

/* --- an end that nobody saw --- */

/* The map of that name of the gmemtop that runs: it is the newest. */
static int map_of(const char *name)
{
	struct bpf_map_info info;
	uint32_t id = 0, size;
	int fd, found = -1;

	while (!bpf_map_get_next_id(id, &id)) {
		fd = bpf_map_get_fd_by_id(id);
		memset(&info, 0, sizeof(info));
		size = sizeof(info);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
		    !strcmp(info.name, name)) {
			if (found >= 0)
				close(found);
			found = fd;
			continue;
		}
		if (fd >= 0)
			close(fd);
	}
	return found;
}

/* A VM and an instance of which the end was not seen: their memory is something else by now. */
static void test_unseen_end(void)
{
	struct gmem_vm vm = { .id = 1000000, .kvm = 0xffff888000001000, .mm = 5, .tgid = 1 };
	struct gmem_inst inst = { .id = 1000001, .vm_id = 1000000, .inode = vm.kvm, .ino = 99 };
	struct gmem_inst_key key = { .ino = 99 };
	int vms = map_of("gmem_vms"), insts = map_of("gmem_instances"), frames, gone = 0,
	    listed = 0;
	struct json_object *frame = NULL, *list, *shown, *counters;
	bool converts = offer_source("convert") != OFFER_NONE;
	int64_t ends = 0;
	size_t i;

	if (vms < 0 || insts < 0)
		give_up("find gmemtop's maps");
	vm.c[GMEM_VM_to_private] = 42;
	inst.c[GMEM_INST_guest_faults] = 17;
	if (bpf_map_update_elem(vms, &vm.kvm, &vm, BPF_NOEXIST) ||
	    bpf_map_update_elem(insts, &key, &inst, BPF_NOEXIST))
		give_up("make entries");
	for (frames = 0; frames < 60 && !gone; frames++) {
		frame = frame_of(&running);
		list = member(frame, "vms");
		for (i = 0; i < length(list); i++) {
			shown = json_object_array_get_idx(list, i);
			if (number(shown, "id") != 1000000)
				continue;
			listed++;
			if (!vm_is(shown, "gone"))
				continue;
			gone++;
			counters = member(shown, "counters");
			CHECK((converts ? number(counters, "to_private") == 42
					: !member(counters, "to_private")) &&
				      number(counters, "guest_faults") == 17,
			      "its last numbers are %s", json_object_to_json_string(shown));
		}
		ends = number(member(frame, "lost"), "ends");
		json_object_put(frame);
	}
	CHECK(gone == 1 + falsify, "gone %d times, listed %d times", gone, listed);
	CHECK(ends == 2, "%lld ends that nobody saw", (long long)ends);
	CHECK(bpf_map_lookup_elem(vms, &vm.kvm, &vm), "the VM is still in the map");
	CHECK(bpf_map_lookup_elem(insts, &key, &inst), "the instance is still in the map");
	frame = frame_of(&running);
	list = member(frame, "vms");
	for (i = 0; i < length(list); i++)
		CHECK(number(json_object_array_get_idx(list, i), "id") != 1000000, "it is back");
	json_object_put(frame);
	close(vms);
	close(insts);
}

/* --- ends --- */

/* A VMM that fails at something, and is killed. Return: its pid. */
static pid_t killed_vmm(void)
{
	int fds[2], vm;
	pid_t pid;
	char byte;

	if (pipe(fds))
		give_up("pipe");
	pid = fork();
	if (!pid) {
		vm = create_vm();
		create_instance(vm, SIZE, 0);
		if (kvm_create_instance(vm, SIZE, ~0ULL) >= 0 || write(fds[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	close(fds[1]);
	if (pid < 0 || read(fds[0], &byte, 1) != 1)
		give_up("start a VMM");
	close(fds[0]);
	/* A frame that shows it, so that its end is not all that is known of it. */
	json_object_put(next_frame());
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return pid;
}

/* What ended, why, and at what it failed before, stays to be seen. */
static void test_ended(void)
{
	struct json_object *frame, *ended, *error;
	int64_t lately, before;
	pid_t pid;

	frame = next_frame();
	before = number(frame, "ended_last_minute");
	json_object_put(frame);
	pid = killed_vmm();
	frame = next_frame();
	lately = number(frame, "ended_last_minute");
	ended = json_object_array_get_idx(member(frame, "ended"), 0);
	error = member(ended, "last_error");
	CHECK(lately > before || before > 1, "%lld VMs ended in the last minute",
	      (long long)lately);
	CHECK(number(ended, "pid") == pid + falsify, "process %d is not in %s", pid,
	      json_object_to_json_string(member(frame, "ended")));
	CHECK(!strcmp(json_object_get_string(member(ended, "why")) ?: "", "SIGKILL"), "%s",
	      json_object_to_json_string(ended));
	CHECK(!strcmp(json_object_get_string(member(error, "operation")) ?: "", "create") &&
		      !strcmp(json_object_get_string(member(error, "error")) ?: "", "EINVAL"),
	      "%s", json_object_to_json_string(ended));
	json_object_put(frame);
}

/* Of a VM of this process. Return: its address, 0: there is none. */
static __u64 entry_of_own(int vms, struct gmem_vm *vm)
{
	__u64 address = 0, *last = NULL;

	while (!bpf_map_get_next_key(vms, last, &address)) {
		last = &address;
		if (!bpf_map_lookup_elem(vms, &address, vm) && vm->tgid == (__u32)getpid())
			return address;
	}
	return 0;
}

/*
 * A VM has the address of one whose end was not seen: they are two. Its entry is made the other's
 * here, whose key in KVM is another one.
 */
static void test_reused(void)
{
	int dev = kvm_open(), vm = kvm_create_vm(dev, KVM_X86_DEFAULT_VM);
	int fd = kvm_create_instance(vm, KVM_PAGE, 0), second, vms = map_of("gmem_vms");
	struct json_object *frame, *shown;
	struct gmem_vm entry;
	__u64 address = vms < 0 ? 0 : entry_of_own(vms, &entry);
	int frames, gone = 0, live = 0;
	size_t i;

	if (fd < 0 || !address)
		give_up("find the entry of the VM");
	entry.key ^= 1;
	if (bpf_map_update_elem(vms, &address, &entry, BPF_EXIST))
		give_up("change its key");
	second = kvm_create_instance(vm, KVM_PAGE, 0);
	for (frames = 0; frames < 60 && !gone; frames++) {
		frame = frame_of(&running);
		for (live = 0, i = 0; i < length(member(frame, "vms")); i++) {
			shown = json_object_array_get_idx(member(frame, "vms"), i);
			if (number(shown, "pid") != getpid())
				continue;
			if (vm_is(shown, "gone"))
				gone++;
			else
				live++;
			CHECK(number(member(shown, "counters"), "creates") == 1 || !gone,
			      "creates: %s", json_object_to_json_string(shown));
		}
		json_object_put(frame);
	}
	CHECK(gone == 1 + falsify && live == 1, "gone %d times, %d live", gone, live);
	close(second);
	close(fd);
	close(vm);
	close(dev);
	close(vms);
}

/* --- memory of the records --- */

#define MANY_VMS 64

/* Bytes that the kernel charges for a map. */
static int64_t map_bytes(const char *name)
{
	char path[64], line[128];
	long long bytes = -1;
	int fd = map_of(name);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fd < 0 ? NULL : fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "memlock: %lld", &bytes);
	if (bytes < 0)
		give_up("ask how large a map is");
	fclose(file);
	close(fd);
	return bytes;
}

static int64_t record_bytes(void)
{
	return map_bytes("gmem_vms") + map_bytes("gmem_ended_vms") + map_bytes("gmem_instances") +
	       map_bytes("gmem_ended_inst");
}

/* A VM with an instance takes 8 KiB of the kernel at most, and none once it has ended. */
static void test_bounded(void)
{
	int64_t limit = MANY_VMS * (falsify ? 1024LL : 8192LL), before, more, after = 0;
	int vms[MANY_VMS], insts[MANY_VMS], i, frames;

	json_object_put(next_frame());
	before = record_bytes();
	for (i = 0; i < MANY_VMS; i++) {
		vms[i] = create_vm();
		insts[i] = create_instance(vms[i], SIZE, 0);
	}
	more = record_bytes() - before;
	CHECK(more >= MANY_VMS * (int64_t)sizeof(struct gmem_vm) && more <= limit,
	      "%d VMs take %lld bytes", MANY_VMS, (long long)more);
	printf("a VM with an instance takes %lld bytes\n", (long long)more / MANY_VMS);
	for (i = 0; i < MANY_VMS; i++) {
		close(insts[i]);
		close(vms[i]);
	}
	for (frames = 0; frames < 60; frames++) {
		json_object_put(next_frame());
		after = record_bytes();
		if (after <= before)
			break;
	}
	CHECK(after <= before, "%lld bytes before, %lld bytes when all have ended",
	      (long long)before, (long long)after);
}

/* Those that look for gmemtop's maps are first: the maps of what others start stay for a while. */
static const struct test_case cases[] = {
	{ "unseen-end", test_unseen_end, NOTHING },
	{ "reused", test_reused, NOTHING },
	{ "bounded", test_bounded, NOTHING },
	{ "ended", test_ended, NOTHING },
	{ "keys", test_keys, NOTHING },
	{ "brief", test_brief, NOTHING },
	{ "moves", test_moves, NOTHING },
	{ "vmm-gone", test_vmm_gone, NOTHING },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--vmm"))
		return vmm();
	return run_cases(cases, ARRAY_LEN(cases), argv);
}
