// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random keys, random sizes of the terminal and recordings that somebody hostile wrote, for a
 * gmemtop that is built with sanitizers.
 *
 * Usage: tui_fuzz SECONDS SEED GMEMTOP
 * Exit status: 0; 1 if gmemtop crashed, did not end, or a sanitizer reported something.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_COLS  500
#define MAX_LINES 200
#define KEYS	  400 /* of one run */
#define FRAMES	  30
#define PATIENCE  20 /* seconds until a gmemtop that was told to quit has ended */

static uint64_t state;
static unsigned int refused; /* recordings that gmemtop did not take */

static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % below;
}

static const char *const keys[] = {
	"\033OP",   "\033OQ",	"\033OR", "\033OS", "\033[15~", "\033[17~",
	"\033[18~", "\033[19~", "\033[A", "\033[B", "\033[C",	"\033[D",
	"\033[5~",  "\033[6~",	"\033[H", "\033[F", "\r",	"\033",
	"h",	    "?",	"n",	  "N",	    "/",	"\\",
	"t",	    "x",	"s",	  "<",	    ">",	"I",
	"k",	    "j",	"g",	  "G",	    " ",	".",
	"u",	    "+",	"-",	  "e",	    "C",	"C",
	"[",	    "]",	"0",	  "1",	    "2",	"3",
	"4",	    "\x0c",	"\x7f",	  "a",	    "\xc3\xa9", "\xe3\x83\x87",
	"\xff",	    "\x80",	"web",
};

static const char *const texts[] = {
	"\"web\"",
	"\"\"",
	"null",
	"\"\\u0007\\u009b31m\\u202e\"",
	"\"\xff\xfe\"",
	"7",
	"[]",
	"\"\xe3\x83\x87\xe3\x83\xbc\xe3\x82\xbf\xe3\x83\x99\xe3\x83\xbc\xe3\x82\xb9\"",
	"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
	"{\"a\":1}",
	"true",
	"-1",
	"\"software-protected\"",
	"\"%n%s%s\"",
};

static const char *const numbers[] = {
	"0",	     "1",     "2",    "4096",	    "18446744073709551615",
	"-1",	     "1e300", "null", "4294967296", "\"x\"",
	"123456789", "0.5",   "[1]"
};

/* Members that gmemtop reads, with anything in them. */
static const char *const members[] = {
	"id",
	"key",
	"pid",
	"vmm_gone",
	"name",
	"type",
	"cgroup",
	"gone",
	"private_pages",
	"size_pages",
	"resident_pages",
	"instances",
	"bound_now_pages",
	"holders",
	"mappable",
	"waste_instance_pages",
	"counters",
	"errors",
	"errors_by_operation",
	"state",
	"version",
	"last_error",
	"latency",
	"heat",
	"instance_list",
	"binding_list",
	"holder_list",
	"to_private",
	"to_shared",
	"histogram",
	"max_ns",
	"guest_faults",
	"pages",
	"cell_pages",
	"elsewhere",
	"ino",
	"dev",
	"flags",
	"existed",
	"slot",
	"gpa",
	"offset_pages",
	"userspace_addr",
	"instance",
	"comm",
	"fds",
	"mappings",
	"bind",
	"EEXIST",
	"other",
	"operation",
	"error",
	"time_ns",
};

#define PICK(list) list[rnd(sizeof(list) / sizeof(list[0]))]

static void put_value(FILE *f, int depth)
{
	uint32_t i, n = rnd(8);
	bool array = rnd(3) == 0;

	if (depth <= 0 || rnd(3)) {
		fputs(rnd(3) ? PICK(numbers) : PICK(texts), f);
		return;
	}
	putc(array ? '[' : '{', f);
	for (i = 0; i < n; i++) {
		fputs(i ? "," : "", f);
		if (!array)
			fprintf(f, "\"%s\":", PICK(members));
		put_value(f, depth - 1);
	}
	putc(array ? ']' : '}', f);
}

static void put_vm(FILE *f)
{
	uint32_t i, n = rnd(20);

	fprintf(f, "{\"id\":%u", rnd(12));
	for (i = 0; i < n; i++) {
		fprintf(f, ",\"%s\":", PICK(members));
		put_value(f, 4);
	}
	putc('}', f);
}

static void write_recording(const char *path)
{
	FILE *f = fopen(path, "we");
	uint32_t frame, i, n;

	if (!f)
		exit(1);
	for (frame = 1; frame <= FRAMES; frame++) {
		fprintf(f,
			"{\"frame\":%u,\"time_ns\":%s,\"interval_ns\":%s,\"missing\":[\"convert\"],",
			frame, PICK(numbers), rnd(2) ? "1000000000" : PICK(numbers));
		fputs("\"ended\":", f);
		put_value(f, 3);
		fputs(",\"lost\":", f);
		put_value(f, 2);
		fputs(",\"vms\":[", f);
		for (i = 0, n = rnd(40); i < n; i++) {
			fputs(i ? "," : "", f);
			put_vm(f);
		}
		fputs("]}\n", f);
	}
	fclose(f);
}

static void resize(int tty)
{
	struct winsize size = { .ws_row = (unsigned short)(1 + rnd(rnd(2) ? 40 : MAX_LINES)),
				.ws_col = (unsigned short)(1 + rnd(rnd(2) ? 120 : MAX_COLS)) };

	ioctl(tty, TIOCSWINSZ, &size);
}

/* Return: false if the terminal is closed. */
static bool drain(int tty, int wait_ms)
{
	struct pollfd p = { .fd = tty, .events = POLLIN };
	char buf[65536];

	while (poll(&p, 1, wait_ms) > 0) {
		if (read(tty, buf, sizeof(buf)) <= 0)
			return false;
		wait_ms = 0;
	}
	return true;
}

static bool end(pid_t pid, int tty)
{
	time_t until = time(NULL) + PATIENCE;
	int status = 0;

	/* Whatever has the keys now. */
	if (write(tty, "\033\033\033", 3) < 0 || usleep(100000) || write(tty, "qq\033[21~", 7) < 0)
		kill(pid, SIGTERM);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		drain(tty, 20);
		if (time(NULL) == until - PATIENCE / 2)
			kill(pid, SIGTERM);
		if (time(NULL) >= until) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			printf("it did not end\n");
			return false;
		}
	}
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 1)) {
		refused += WEXITSTATUS(status);
		return true;
	}
	printf("it ended with wait status %#x\n", (unsigned int)status);
	return false;
}

static bool run(const char *gmemtop, const char *recording, const char *log)
{
	int tty, i, err;
	pid_t pid = forkpty(&tty, NULL, NULL, NULL);
	const char *key;

	if (pid < 0)
		return false;
	if (!pid) {
		err = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(err, 2);
		setenv("TERM", "screen-256color", 1);
		setenv("LANG", "C.UTF-8", 1);
		unsetenv("LINES");
		unsetenv("COLUMNS");
		execl(gmemtop, gmemtop, "--replay", recording, "-d", "0.05", NULL);
		_exit(127);
	}
	resize(tty);
	for (i = 0; i < KEYS; i++) {
		if (rnd(10) == 0)
			resize(tty);
		key = PICK(keys);
		/* F10, q and the like end it: so they come last. */
		if (write(tty, key, strlen(key)) < 0 || !drain(tty, (int)rnd(4)))
			break;
	}
	return end(pid, tty) && !close(tty);
}

int main(int argc, char **argv)
{
	char recording[] = "/tmp/tui_fuzz.XXXXXX", log[64], line[512];
	time_t end_at;
	unsigned int runs = 0;
	bool good = true;
	FILE *f;

	if (argc != 4) {
		fprintf(stderr, "usage: tui_fuzz SECONDS SEED GMEMTOP\n");
		return 2;
	}
	end_at = time(NULL) + atoi(argv[1]);
	state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15ULL + 1;
	setenv("ASAN_OPTIONS", "exitcode=99:detect_leaks=1", 1);
	setenv("UBSAN_OPTIONS", "halt_on_error=1:exitcode=98:print_stacktrace=1", 1);
	close(mkstemp(recording));
	snprintf(log, sizeof(log), "%s.err", recording);
	while (good && time(NULL) < end_at) {
		write_recording(recording);
		good = run(argv[3], recording, log);
		runs++;
	}
	f = good ? NULL : fopen(log, "re");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stdout);
	printf("%u runs with seed %s, %u recordings refused: %s\n", runs, argv[2], refused,
	       good ? "nothing" : recording);
	/* One in two must be shown, or nothing is tried. */
	if (good && refused > runs / 2) {
		printf("too few recordings were shown\n");
		good = false;
	}
	if (good)
		unlink(recording);
	unlink(log);
	return !good;
}
