// SPDX-License-Identifier: GPL-2.0-only
/*
 * `gmemctl holders` against what this test itself holds, with a policy and without. Runs as root.
 *
 *   policy_holders_test [CASE...]
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/gmemctl.h"
#include "lib/kvm.h"
#include "lib/policies.h"
#include "test.h"

#define SIZE (4 * KVM_PAGE)

static struct json_object *holders(void)
{
	struct child child = RUN("holders", "-o", "json");
	struct json_object *object = next(&child);
	char text[512] = "";
	ssize_t n = read(child.err, text, sizeof(text) - 1);
	int ret = finish(&child, 0);

	CHECK(object && !ret, "holders ends with %d: %.*s", ret, (int)n, text);
	return object;
}

static struct json_object *instance_of(struct json_object *all, int fd)
{
	struct json_object *list = get(all, "instances"), *instance;
	struct stat st;
	size_t i;

	fstat(fd, &st);
	for (i = 0; list && i < json_object_array_length(list); i++) {
		instance = json_object_array_get_idx(list, i);
		if (number(instance, "ino") == (long)st.st_ino)
			return instance;
	}
	return NULL;
}

static struct json_object *holder_of(struct json_object *instance, pid_t pid)
{
	size_t i;

	for (i = 0; i < length(instance, "holders"); i++) {
		if (number(item(instance, "holders", i), "pid") == pid)
			return item(instance, "holders", i);
	}
	return NULL;
}

/* The verdict about an operation, and by what: "denied by may-not". */
static const char *decision(struct json_object *holder, const char *op)
{
	static char text[128];
	size_t i;

	for (i = 0; i < length(holder, "decisions"); i++) {
		struct json_object *d = item(holder, "decisions", i);

		if (!is(d, "operation", op))
			continue;
		snprintf(text, sizeof(text), "%s by %s", string(d, "verdict"), string(d, "rule"));
		return text;
	}
	return "nothing";
}

struct helper {
	pid_t pid;
	int socket;
	int fd; /* what it received */
};

static void send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	if (sendmsg(socket, &msg, 0) != 1)
		give_up("sendmsg");
}

/* A child that receives an fd, says its number, and waits until its socket is closed. */
static struct helper start_helper(uid_t uid)
{
	struct helper helper = { .fd = -1 };
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int pair[2], fd;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		give_up("socketpair");
	fflush(stdout);
	helper.pid = fork();
	if (!helper.pid) {
		close(pair[0]);
		if (seteuid(uid) || recvmsg(pair[1], &msg, 0) != 1)
			_exit(1);
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		if (write(pair[1], &fd, sizeof(fd)) != sizeof(fd))
			_exit(1);
		_exit(read(pair[1], &byte, 1) != 0);
	}
	close(pair[1]);
	helper.socket = pair[0];
	return helper;
}

static void end_helper(struct helper *helper)
{
	close(helper->socket);
	waitpid(helper->pid, NULL, 0);
}

static void check_holders(bool policy)
{
	struct json_object *all, *instance, *holder;
	int kvm, vm, shared_vm, mapped = -1, bound, status, i;
	struct helper receiver = start_helper(policy ? BAD : 0), inheritor;
	pid_t self = getpid();
	struct stat exe;
	char want[64];
	const char *type = "software-protected";
	void *mem = MAP_FAILED;

	kvm = kvm_open();
	vm = kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM);
	/* Not every kernel has them. */
	if (vm < 0) {
		vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM);
		type = "default";
	}
	shared_vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM);
	bound = kvm_create_instance(vm, 2 * SIZE, 0);
	mapped = kvm_create_instance(shared_vm, SIZE,
				     GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
	if (bound < 0 || mapped < 0)
		give_up("instances");
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
	if (mem == MAP_FAILED || kvm_bind(vm, 5, bound, KVM_TEST_GPA, SIZE, SIZE))
		give_up("mmap, bind");
	send_fd(receiver.socket, mapped);
	if (read(receiver.socket, &receiver.fd, sizeof(receiver.fd)) != sizeof(receiver.fd))
		give_up("the fd did not arrive");

	/* Inherits everything; keeps the mapping and the VM, without the fds of the instances. */
	inheritor.pid = fork();
	if (!inheritor.pid) {
		close(bound);
		close(mapped);
		for (;;)
			pause();
	}
	sleep_ms(100);
	stat("/proc/self/exe", &exe);

	all = holders();
	CHECK(length(all, "instances") == 2, "%s", json_object_to_json_string(all));
	CHECK(is(all, "bindings_known", "true") && !number(all, "vms_unread"), "%s",
	      json_object_to_json_string(all));
	instance = instance_of(all, mapped);
	CHECK(number(instance, "size") == SIZE && is(instance, "flags", "mmap,init-shared") &&
		      is(instance, "vm.type", "default") && number(instance, "vm.pid") == self,
	      "%s", json_object_to_json_string(instance));
	CHECK(length(instance, "holders") == 3, "%s", json_object_to_json_string(instance));
	holder = holder_of(instance, self);
	CHECK(length(holder, "fds") == 1 && length(holder, "mappings") == 1 &&
		      !length(holder, "bindings") &&
		      json_object_get_int(item(holder, "fds", 0)) == mapped,
	      "%s", json_object_to_json_string(holder));
	snprintf(want, sizeof(want), "%p", mem);
	CHECK(is(item(holder, "mappings", 0), "start", want) &&
		      is(item(holder, "mappings", 0), "prot", "read,write") &&
		      !number(item(holder, "mappings", 0), "offset"),
	      "%s", json_object_to_json_string(holder));
	snprintf(want, sizeof(want), "%p", (char *)mem + SIZE);
	CHECK(is(item(holder, "mappings", 0), "end", want), "%s",
	      json_object_to_json_string(holder));
	CHECK(is(holder, "comm", "policy_holders_") && !number(holder, "uid") &&
		      strstr(string(holder, "exe"), "policy_holders_test"),
	      "%s", json_object_to_json_string(holder));
	holder = holder_of(instance, receiver.pid);
	CHECK(length(holder, "fds") == 1 && !length(holder, "mappings") &&
		      json_object_get_int(item(holder, "fds", 0)) == receiver.fd,
	      "%s", json_object_to_json_string(holder));
	if (policy) {
		CHECK(is(holder, "subjects", "[ \"bad\" ]") && number(holder, "uid") == BAD &&
			      number(holder, "exe_inode.ino") == (long)exe.st_ino,
		      "%s", json_object_to_json_string(holder));
		CHECK(!strcmp(decision(holder, "mmap"), "denied by may-not"), "%s",
		      decision(holder, "mmap"));
		holder = holder_of(instance, self);
		CHECK(is(holder, "subjects", "[ ]"), "%s", json_object_to_json_string(holder));
		CHECK(!strcmp(decision(holder, "mmap"), "allowed by (default)"), "%s",
		      decision(holder, "mmap"));
		CHECK(is(instance, "known_to_policy", "true"), "%s",
		      json_object_to_json_string(instance));
	} else {
		CHECK(!get(holder, "exe_inode") && !length(holder, "decisions") &&
			      !get(instance, "known_to_policy") && !get(all, "policy"),
		      "%s", json_object_to_json_string(holder));
	}
	holder = holder_of(instance, inheritor.pid);
	CHECK(!length(holder, "fds") && length(holder, "mappings") == 1, "%s",
	      json_object_to_json_string(holder));

	instance = instance_of(all, bound);
	CHECK(number(instance, "size") == 2 * SIZE && is(instance, "flags", "none") &&
		      is(instance, "vm.type", type),
	      "%s", json_object_to_json_string(instance));
	CHECK(length(instance, "holders") == 2, "%s", json_object_to_json_string(instance));
	for (i = 0; i < 2; i++) {
		holder = holder_of(instance, i ? inheritor.pid : self);
		CHECK(length(holder, "fds") == !i && length(holder, "bindings") == 1, "%s",
		      json_object_to_json_string(holder));
		holder = item(holder, "bindings", 0);
		CHECK(is(holder, "guest_address", "0x100000000") &&
			      number(holder, "size") == SIZE && number(holder, "offset") == SIZE &&
			      is(holder, "runs", i ? "false" : "true"),
		      "%s", json_object_to_json_string(holder));
	}
	json_object_put(all);

	/* Given back, one after the other. */
	kill(inheritor.pid, SIGKILL);
	waitpid(inheritor.pid, &status, 0);
	kvm_bind(vm, 5, bound, KVM_TEST_GPA, 0, 0);
	munmap(mem, SIZE);
	close(mapped);
	all = holders();
	instance = item(all, "instances", 0);
	CHECK(length(all, "instances") == 2, "%s", json_object_to_json_string(all));
	instance = instance_of(all, bound);
	CHECK(length(instance, "holders") == 1 && !length(holder_of(instance, self), "bindings"),
	      "%s", json_object_to_json_string(all));
	json_object_put(all);
	end_helper(&receiver);
	close(bound);
	close(vm);
	close(shared_vm);
	close(kvm);
	all = holders();
	CHECK(!length(all, "instances"), "%s", json_object_to_json_string(all));
	json_object_put(all);
}

static void test_holders(void)
{
	check_holders(false);
}

/* Everything is denied of an instance that is older than the policy. */
static void check_older(int instance)
{
	struct json_object *all = holders(), *found = instance_of(all, instance);

	CHECK(is(found, "known_to_policy", "false") &&
		      !strcmp(decision(holder_of(found, getpid()), "mmap"),
			      "denied by (instance from before the policy)"),
	      "%s", json_object_to_json_string(all));
	json_object_put(all);
}

static void test_holders_policy(void)
{
	int kvm, vm, older;

	policy_unload();
	kvm = kvm_open();
	vm = kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM);
	older = kvm_create_instance(vm, SIZE, 0);
	load("may-not");
	check_older(older);
	close(older);
	close(vm);
	close(kvm);
	check_holders(true);
}

static const struct test_case cases[] = {
	{ "plain", test_holders },
	{ "policy", test_holders_policy },
};

int main(int argc __attribute__((unused)), char **argv)
{
	int ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_holders_test", false, 0);
	ret = run_cases("holders", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
	policy_unload();
	return ret;
}
