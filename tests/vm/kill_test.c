// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmemtop ends at a random moment, by SIGKILL most of the time and by SIGTERM and SIGINT else, a
 * few of them at once: afterwards the kernel has the BPF programs, maps, links and types that it
 * had before, no function is traced, nothing is pinned, and KVM's modules are not held.
 *
 * Usage: kill_test [--falsify] [ROUNDS]
 * --falsify leaves a program, a pinned map and a reference on KVM behind: then each must be found.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "lib/kvm.h"
#include "lib/leftovers.h"
#include "lib/wanted.h"

#define GMEMTOP	     "build/gmemtop"
#define ROUNDS	     300 /* 200 of them by SIGKILL */
#define AT_ONCE	     3
#define MAX_LIFE_MS  1500
#define MAX_AFTER_MS 200 /* after the first frame, where that is waited for */
#define PATIENCE_MS  120000
#define FALSIFIED    4

/* A gmemtop that is to be ended. */
struct victim {
	pid_t pid;
	int out, sig;
	bool after_frame; /* its time begins with its first frame */
	bool framed;
	uint64_t deadline; /* milliseconds */
};

static struct {
	unsigned int rounds, early, framed, by_handler;
} seen;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int random_ms(int max)
{
	return rand() % (max + 1);
}

static void start(struct victim *v, unsigned int round)
{
	int out[2];

	if (pipe2(out, O_CLOEXEC))
		give_up("pipe");
	/* Of six, one by SIGTERM and one by SIGINT; half of them after the first frame. */
	v->framed = false;
	v->sig = round % 6 == 4 ? SIGTERM : round % 6 == 5 ? SIGINT : SIGKILL;
	v->after_frame = round % 3 == 0 || round % 6 == 4;
	v->out = out[0];
	v->deadline = now_ms() + (v->after_frame ? PATIENCE_MS : (uint64_t)random_ms(MAX_LIFE_MS));
	v->pid = fork();
	if (!v->pid) {
		dup2(out[1], STDOUT_FILENO);
		execl(GMEMTOP, GMEMTOP, "--json", "-d", "0.05", NULL);
		perror(GMEMTOP);
		_exit(1);
	}
	if (v->pid < 0)
		give_up("fork");
	close(out[1]);
}

/* Read what there is: has gmemtop written anything? A reader that stops is another test's. */
static bool has_framed(struct victim *v)
{
	struct pollfd p = { .fd = v->out, .events = POLLIN };
	char buf[65536];

	while (poll(&p, 1, 0) > 0 && p.revents & POLLIN && read(v->out, buf, sizeof(buf)) > 0)
		v->framed = true;
	return v->framed;
}

static void end(struct victim *v)
{
	bool framed;
	int status;

	CHECK(waitpid(v->pid, &status, WNOHANG) == 0, "gmemtop ended by itself, status %#x",
	      status);
	kill(v->pid, v->sig);
	/* A pipe that is full would keep it from writing its last frame. */
	while (waitpid(v->pid, &status, WNOHANG) == 0) {
		has_framed(v);
		usleep(1000);
	}
	framed = has_framed(v);
	seen.framed += framed;
	seen.early += !framed;
	CHECK(framed || !v->after_frame, "no frame in %d s", PATIENCE_MS / 1000);
	if (v->sig == SIGKILL) {
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x", status);
	} else if (!framed && WIFSIGNALED(status)) {
		/* Before it could catch anything. */
		CHECK(WTERMSIG(status) == v->sig, "status %#x", status);
	} else {
		CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "signal %d: status %#x", v->sig,
		      status);
		seen.by_handler++;
	}
	close(v->out);
	v->pid = 0;
	seen.rounds++;
}

static void run(unsigned int rounds)
{
	struct victim victims[AT_ONCE] = { 0 };
	unsigned int started = 0, i;

	while (seen.rounds < rounds) {
		for (i = 0; i < AT_ONCE; i++) {
			struct victim *v = &victims[i];

			if (!v->pid && started < rounds)
				start(v, started++);
			if (!v->pid)
				continue;
			has_framed(v);
			if (v->after_frame && v->framed) {
				v->after_frame = false;
				v->deadline = now_ms() + (uint64_t)random_ms(MAX_AFTER_MS);
			} else if (now_ms() >= v->deadline) {
				end(v);
			}
		}
		usleep(5000);
	}
}

static void leave_something(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int prog = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "left", "GPL", insns, 2, NULL);
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "left", 4, 8, 1, NULL);

	if (prog < 0 || map < 0 || bpf_obj_pin(map, LEFTOVERS_BPFFS "/left") || kvm_open() < 0)
		give_up("leaving something behind");
}

int main(int argc, char **argv)
{
	bool falsify = argc > 1 && !strcmp(argv[1], "--falsify");
	unsigned int rounds = ROUNDS;
	struct leftovers before, after;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 + falsify)
		rounds = (unsigned int)wanted_number(argv[1 + falsify]);
	srand(rounds);
	leftovers_begin(&before);
	if (falsify)
		leave_something();
	run(rounds);
	leftovers_settle(&before, &after);
	if (falsify) {
		leftovers_check(&before, &after);
		printf("kill: %d of the things left behind were found\n", failures);
		return failures < FALSIFIED;
	}
	leftovers_check(&before, &after);
	CHECK(seen.early && seen.framed && seen.by_handler,
	      "too few rounds to have seen every moment");
	printf("kill: %u rounds, %u before the first frame, %u after it, %u ended by themselves; "
	       "%d checks, %d failed\n",
	       seen.rounds, seen.early, seen.framed, seen.by_handler, checks, failures);
	return failures ? 1 : 0;
}
