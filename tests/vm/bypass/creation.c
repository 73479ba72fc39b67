// SPDX-License-Identifier: GPL-2.0-only
/* Ways to an instance of one's own, to its binding, and to conversions. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/kvm.h"
#include "../lib/policies.h"
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

/* --- 163: flags that a rule denies, together with others --- */

static int create_view(int peer)
{
	struct vmm v;

	(void)peer;
	return vmm_open(&v, VIEW) ?: vmm_create(&v);
}

/* --- 6, 62, 74, 23, 116: rights that were there, and are not any more --- */

static int bind_demoted(int peer)
{
	struct vmm v;
	int ret = vmm_make_bindable(&v);

	(void)peer;
	return ret ?: demote() ?: vmm_bind(&v);
}

#define ALLOWED_CGROUP "/sys/fs/cgroup/bypass"

static int bind_elsewhere(int peer)
{
	struct vmm v;
	int ret = enter_cgroup(ALLOWED_CGROUP) ?: vmm_make_bindable(&v);

	(void)peer;
	return ret ?: enter_cgroup("/sys/fs/cgroup") ?: vmm_bind(&v);
}

static int cgroup_ready(void)
{
	return mkdir(ALLOWED_CGROUP, 0755) && errno != EEXIST ? broken(ALLOWED_CGROUP) : 0;
}

static int bind_again_demoted(int peer)
{
	struct vmm v;

	(void)peer;
	/* By the number of the ioctl alone, its end is denied as well. */
	return vmm_unbind_demoted(&v) ?: vmm_bind(&v);
}

/* A task that shares the memory of A, and has its own credentials. */
static struct vmm shared_vm;
static char sibling_stack[65536] __attribute__((aligned(16)));

static int sibling(int (*request)(void *))
{
	pid_t pid;
	int status;

	pid = clone(request, sibling_stack + sizeof(sibling_stack),
		    CLONE_VM | CLONE_FILES | SIGCHLD, NULL);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return broken("clone");
	return WEXITSTATUS(status);
}

/* By the bare system call: libc would change the whole process. */
static int leave_user(void)
{
	return syscall(SYS_setresuid, -1, OTHER_USER, -1) ? ENDED_BROKEN : 0;
}

static int sibling_convert(void *unused)
{
	(void)unused;
	return leave_user()
		       ?: result_of(kvm_convert(shared_vm.vm, KVM_TEST_GPA, KVM_PAGE,
						kvm_other_attributes(shared_vm.vm)));
}

static int sibling_bind(void *unused)
{
	(void)unused;
	return leave_user() ?: vmm_bind(&shared_vm);
}

static int convert_by_sibling(int peer)
{
	(void)peer;
	return vmm_open(&shared_vm, PRIVATE) ?: sibling(sibling_convert);
}

static int bind_by_sibling(int peer)
{
	(void)peer;
	return vmm_make_bindable(&shared_vm) ?: sibling(sibling_bind);
}

/* --- 8, 54, 76: somebody else's VM --- */

static int use_vm_of_parent(int peer)
{
	struct vmm v;
	int status, ret = vmm_open(&v, PLAIN);
	pid_t pid;

	(void)peer;
	if (ret)
		return ret;
	pid = fork();
	if (!pid)
		_exit(vmm_create(&v));
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return broken("fork");
	return WEXITSTATUS(status);
}

static int use_vcpu(int peer)
{
	struct kvm_pre_fault_memory range = { .gpa = KVM_TEST_GPA, .size = KVM_PAGE };
	int ret = result_of(ioctl(LEFT_VCPU, KVM_PRE_FAULT_MEMORY, &range));

	(void)peer;
	if (ret != EIO)
		return ret;
	return result_of(ioctl(LEFT_VCPU, KVM_RUN, NULL));
}

static int leave_vcpu(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN), vcpu;

	if (ret)
		return ret;
	vcpu = ioctl(v.vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return broken("KVM_CREATE_VCPU");
	return leave_open(vcpu, LEFT_VCPU) ?: become(WHO_x, use_vcpu, peer);
}

static int give_vm(int peer)
{
	struct vmm v;
	int ret = vmm_make_bindable(&v);

	ret = ret ?: send_fd(peer, v.vm);
	if (!ret)
		wait_gone(peer);
	return ret;
}

static int convert_received(int peer)
{
	int vm = recv_fd(peer, 0);

	if (vm < 0)
		return -vm;
	return result_of(kvm_convert(vm, KVM_TEST_GPA, KVM_PAGE, kvm_other_attributes(vm)));
}

/* --- 9, 75: what KVM itself keeps apart --- */

static int bind_to_other(int peer)
{
	struct vmm one, two;
	int ret = vmm_make_bindable(&one);

	(void)peer;
	ret = ret ?: vmm_make_bindable(&two);
	ret = ret ?: vmm_bind(&one);
	if (ret)
		return ret;
	return result_of(kvm_bind(two.vm, BYPASS_SLOT, one.fd, KVM_TEST_GPA, INSTANCE_SIZE, 0));
}

static int change_binding(int peer)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = BYPASS_SLOT,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = KVM_TEST_GPA + (1 << 30),
		.memory_size = INSTANCE_SIZE,
	};
	struct vmm v;
	int ret = vmm_make_bindable(&v);

	(void)peer;
	ret = ret ?: vmm_bind(&v);
	if (ret)
		return ret;
	region.guest_memfd = (unsigned int)v.fd;
	/* Move it, make it read-only, turn it into ordinary memory. */
	if (!ioctl(v.vm, KVM_SET_USER_MEMORY_REGION2, &region) || errno != EINVAL)
		return errno;
	region.guest_phys_addr = KVM_TEST_GPA;
	region.flags |= KVM_MEM_READONLY;
	if (!ioctl(v.vm, KVM_SET_USER_MEMORY_REGION2, &region) || errno != EINVAL)
		return errno;
	region.flags = 0;
	return result_of(ioctl(v.vm, KVM_SET_USER_MEMORY_REGION2, &region));
}

/* --- 164: another part of the instance than the rule names --- */

static int bind_half(uint64_t offset)
{
	struct vmm v;
	int ret = vmm_make_bindable(&v);

	if (ret)
		return ret;
	ret = result_of(kvm_bind(v.vm, BYPASS_SLOT, v.fd, KVM_TEST_GPA, INSTANCE_SIZE / 2, offset));
	return ret == EINVAL ? ENDED_ABSENT : ret;
}

static int bind_upper_half(int peer)
{
	(void)peer;
	return bind_half(INSTANCE_SIZE / 2);
}

static int bind_lower_half(int peer)
{
	(void)peer;
	return bind_half(0);
}

#define LOWER_HALF                                                                  \
	"subjects: { a: { exe: " BYPASS_DIR "/a } }\n"                              \
	"rules:\n"                                                                  \
	"  - { name: low, allow: bind, subjects: [a], when: { offset: 0-8KiB } }\n" \
	"  - { name: a, allow: [create, mmap], subjects: [a] }\n"                   \
	"  - { name: b, deny: bind, subjects: any }\n"
_Static_assert(INSTANCE_SIZE / 2 == 8192, "the half that the rule names");

/* --- 39: root of a user namespace --- */

static int create_as_root_of_namespace(int peer)
{
	char map[32];
	int ret;

	snprintf(map, sizeof(map), "0 %u 1", geteuid());
	if (unshare(CLONE_NEWUSER))
		return broken("unshare(CLONE_NEWUSER)");
	ret = put_text("/proc/self/uid_map", map, 0);
	if (ret)
		return ret;
	if (geteuid())
		return failed("not root there");
	return create(peer);
}

static int root_of_namespace(void)
{
	return play_as(OTHER_USER, WHO_x, create_as_root_of_namespace);
}

/* --- 51, 111: older than the policy --- */

static int older_player(int peer)
{
	struct vmm v;
	uint64_t go;
	int ret = vmm_make(&v, PLAIN);

	ret = ret ?: tell(peer, 0);
	ret = ret ?: hear(peer, &go);
	return ret ?: punch_hole(v.fd);
}

static int older(const struct bypass_case *c)
{
	char *text = stage_policy(c);
	struct counts before;
	int pair[2], ret;
	uint64_t number;
	pid_t pid;

	stage_unload();
	ret = socket_pair(pair);
	pid = player_start(WHO_a, older_player, pair[1]);
	close(pair[1]);
	ret = ret ?: hear(pair[0], &number);
	ret = ret ?: stage_load_flags(text, true, 0) ? ENDED_BROKEN : 0;
	free(text);
	if (!bypass_run.falsify && policy_report.unlabelled != 1)
		ret = failed("%u instances are older, 1 is", policy_report.unlabelled);
	drop_events();
	counts_read(&before);
	ret = ret ?: tell(pair[0], 0) ?: player_wait(pid);
	bypass_is(ret ? BYPASS_stopped : BYPASS_allowed);
	if (ret && check_ledger(&before, GMEM_DO_punch, 1))
		return ENDED_BROKEN;
	return ret;
}

/* --- 49: the module is another one --- */

static int use_inherited(int peer)
{
	char *mem = map_instance(LEFT_INSTANCE, PROT_READ);
	int ret = mem ? 0 : errno;

	(void)peer;
	if (ret != EACCES && ret != ENODEV)
		return failed("mmap after KVM was loaded anew: %d", ret);
	return punch_hole(LEFT_INSTANCE);
}

static int leave_instance(int peer)
{
	struct vmm v;
	int ret = vmm_make_any(&v);

	return ret ?: leave_open(v.fd, LEFT_INSTANCE) ?: become(WHO_x, use_inherited, peer);
}

static int reloaded(const struct bypass_case *c)
{
	char *text = stage_policy(c);
	struct counts before, after;
	int ret;

	ret = stage_load_flags(text, true, 0) ? ENDED_BROKEN : 0;
	free(text);
	if (ret)
		return ret;
	if (system("rmmod kvm_amd && rmmod kvm && modprobe kvm-amd && chmod 666 /dev/kvm"))
		return failed("KVM could not be loaded anew");
	drop_events();
	counts_read(&before);
	ret = play(WHO_x, create);
	if (ret != EACCES) {
		bypass_is(BYPASS_allowed);
		return ret;
	}
	ret = play(WHO_a, leave_instance);
	counts_read(&after);
	/* By X: a creation, a hole, and a mapping where there are any. */
	if (after.denied[GMEM_DO_create] - before.denied[GMEM_DO_create] != 1 ||
	    after.denied[GMEM_DO_punch] - before.denied[GMEM_DO_punch] != 1 ||
	    after.denied[GMEM_DO_mmap] - before.denied[GMEM_DO_mmap] !=
		    (bypass_run.carried >> GMEM_DO_mmap & 1))
		return failed("not counted");
	bypass_is(ret == EACCES ? BYPASS_stopped : BYPASS_allowed);
	return ret;
}

const struct bypass_case bypass_creation[] = {
	{ .id = "1",
	  .path = "KVM_CREATE_GUEST_MEMFD on a VM of its own",
	  .op = GMEM_DO_create,
	  PLAYER(x, create),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "163",
	  .path = "a rule denies the flag init-shared, A creates with mmap and init-shared",
	  .op = GMEM_DO_create,
	  PLAYER(a, create_view),
	  .policy = "subjects: { a: { exe: " BYPASS_DIR "/a } }\n"
		    "rules:\n"
		    "  - { name: b, deny: create, subjects: any, when: { flags: [init-shared] } }\n"
		    "  - { name: a, allow: all, subjects: [a] }\n",
	  LANES(STOPPED(EACCES), UNLOADABLE, UNLOADABLE, ABSENT) },
	{ .id = "6",
	  .path = "A creates, changes to another user, binds",
	  .op = GMEM_DO_bind,
	  PLAYER(a, bind_demoted),
	  .policy = A_AS_ROOT,
	  .strict = true,
	  WITH_BINDING(STOPPED(EACCES)) },
	{ .id = "62",
	  .path = "A creates, leaves the cgroup that may, binds",
	  .op = GMEM_DO_bind,
	  .prepare = cgroup_ready,
	  PLAYER(a, bind_elsewhere),
	  .policy = "subjects: { a: { exe: " BYPASS_DIR "/a, cgroup: /bypass } }\n"
		    "rules: [ { name: a, allow: all, subjects: [a] } ]\n",
	  .strict = true,
	  WITH_BINDING(STOPPED(EACCES)) },
	{ .id = "74",
	  .path = "A binds, changes to another user, ends it and binds again",
	  .op = GMEM_DO_bind,
	  PLAYER(a, bind_again_demoted),
	  .policy = A_AS_ROOT,
	  .strict = true,
	  WITH_BINDING(STOPPED(EACCES)) },
	{ .id = "23",
	  .path = "conversion by a task that shares A's memory, as another user",
	  .op = GMEM_DO_convert,
	  PLAYER(a, convert_by_sibling),
	  .policy = A_AS_ROOT,
	  .strict = true,
	  WITH_PRIVATE(STOPPED(EACCES)) },
	{ .id = "116",
	  .path = "binding by a task that shares A's memory, as another user",
	  .op = GMEM_DO_bind,
	  PLAYER(a, bind_by_sibling),
	  .policy = A_AS_ROOT,
	  .strict = true,
	  WITH_BINDING(STOPPED(EACCES)) },
	{ .id = "8",
	  .path = "a VM's fd in a child of A",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, use_vm_of_parent),
	  EVERYWHERE(REFUSED(EIO)) },
	{ .id = "54",
	  .path = "a vCPU's fd that came over exec: KVM_PRE_FAULT_MEMORY, KVM_RUN",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, leave_vcpu),
	  EVERYWHERE(REFUSED(EIO)) },
	{ .id = "76",
	  .path = "a VM's fd by SCM_RIGHTS, then conversion",
	  .op = BYPASS_NO_OP,
	  PLAYERS(a, give_vm, x, convert_received),
	  EVERYWHERE(REFUSED(EIO)) },
	{ .id = "9",
	  .path = "A binds an instance of one VM to another VM",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, bind_to_other),
	  WITH_BINDING(REFUSED(EINVAL)) },
	{ .id = "164",
	  .path = "A may bind the lower half of an instance, binds the upper one",
	  .op = GMEM_DO_bind,
	  PLAYER(a, bind_upper_half),
	  .policy = LOWER_HALF,
	  LANES(STOPPED(EACCES), UNLOADABLE, UNLOADABLE, ABSENT),
	  .by_config = true },
	{ FINE("F87", "A may bind the lower half of an instance, and does",
	       PLAYER(a, bind_lower_half)),
	  .policy = LOWER_HALF, LANES(ALLOWED, UNLOADABLE, UNLOADABLE, ABSENT), .by_config = true },
	{ .id = "75",
	  .path = "a binding moved, made read-only, made ordinary",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, change_binding),
	  WITH_BINDING(REFUSED(EINVAL)) },
	{ .id = "39",
	  .path = "creation as root of a user namespace",
	  .op = GMEM_DO_create,
	  .attempt = root_of_namespace,
	  .policy = "subjects: { root: { uid: [0] } }\n"
		    "rules: [ { name: root, allow: all, subjects: [root] } ]\n",
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "51",
	  .path = "an instance that is older than the policy, by A itself",
	  .op = GMEM_DO_punch,
	  .whole = older,
	  .first_load = true,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "49",
	  .path = "KVM unloaded and loaded again under the policy: 1, 10, 21",
	  .no_arm64 = KVM_BUILT_IN,
	  .op = GMEM_DO_punch,
	  .whole = reloaded,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ 0 },
};
