// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cgroup.h"
#include "../lib/exits.h"
#include "../lib/log.h"
#include "../lib/namespaces.h"
#include "../lib/opts.h"
#include "../lib/output.h"
#include "../lib/stop.h"
#include "events.h"
#include "events_bpf.h"
#include "events_format.h"
#include "events_who.h"
#include "fields.h"
#include "session.h"

#define DEFAULT_BUFFER_MIB 8
#define MAX_BUFFER_MIB	   1024
#define OUTPUT_SIZE	   (1U << 16)
#define WAIT_MS		   50 /* between two looks for events, and whether the reader is still there */
#define LOWEST_ADDRESS	   4096
#define LAST_TRIES	   50

struct options {
	bool json, errors, stack, no_wait, help;
	int verbose;
	uint64_t pid, number, duration_ns, min_duration_ns, buffer_mib;
	const char *vm, *cgroup, *events;
};

#define AT(member) offsetof(struct options, member)

static const struct opt table[] = {
	{ "events", "LIST", "which ones, with commas between; help lists them, all is every one",
	  AT(events), OPT_STRING, 'e' },
	{ "json", NULL, "a JSON object per event and line", AT(json), OPT_FLAG, 0 },
	{ "pid", "PID", "only what this process does, and what happens to its VMs", AT(pid),
	  OPT_NUMBER, 'p' },
	{ "vm", "NAME", "only VMs of this name (a pattern with *, ? and [...])", AT(vm), OPT_STRING,
	  0 },
	{ "cgroup", "PATH", "only what is done in this cgroup or below", AT(cgroup), OPT_STRING,
	  0 },
	{ "errors", NULL, "only what failed", AT(errors), OPT_FLAG, 0 },
	{ "min-duration", "SECONDS", "only conversions that took so long, decimals allowed",
	  AT(min_duration_ns), OPT_DURATION, 0 },
	{ "number", "N", "end after N events", AT(number), OPT_NUMBER, 'n' },
	{ "duration", "SECONDS", "end after this time", AT(duration_ns), OPT_DURATION, 'd' },
	{ "stack", NULL, "with the stacks of kernel and process", AT(stack), OPT_FLAG, 0 },
	{ "buffer", "MIB", "room in the kernel for events that were not read yet (8)",
	  AT(buffer_mib), OPT_NUMBER, 0 },
	{ "no-wait", NULL, "fail if KVM is not loaded, instead of waiting", AT(no_wait), OPT_FLAG,
	  0 },
	{ "verbose", NULL, "libbpf's messages too (twice: all of them)", AT(verbose), OPT_COUNT,
	  'v' },
	{ "help", NULL, "this text", AT(help), OPT_FLAG, 'h' },
	{ 0 },
};

static const char usage[] =
	"Usage: gmemtop events [OPTION]...\n\n"
	"What happens to guest_memfd, event by event, with who did it. guest_fault and host_fault\n"
	"are many: they are left out unless -e asks for them.\n";

/* A stream while it is shown. */
struct show {
	const struct options *opts;
	struct stream *stream;
	struct who *who;
	struct symbols *symbols;
	struct maps *maps; /* of the process as of the last stack */
	uint32_t maps_pid;
	uint64_t maps_start, maps_exec;
	struct event_view view;
	struct json json;
	uint64_t realtime_offset; /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
	uint64_t shown, read;
	uint64_t filtered; /* by the name of the VM */
	uint64_t lost_told, last_seq;
	bool seen_one;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* --- stacks --- */

static int read_symbols(struct show *show)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	int ret;

	if (!file)
		return -errno;
	ret = symbols_read(file, &show->symbols);
	fclose(file);
	if (ret == -EACCES)
		log_note(
			"the kernel hides its addresses (kernel.kptr_restrict): frames have no names");
	return ret == -EACCES ? 0 : ret;
}

static void read_maps(struct show *show, const struct gmem_event *e)
{
	char path[64];
	FILE *file;

	maps_free(show->maps);
	show->maps = NULL;
	show->maps_pid = e->pid;
	show->maps_start = e->start;
	show->maps_exec = e->exec;
	snprintf(path, sizeof(path), "/proc/%u/maps", e->pid);
	file = fopen(path, "re");
	if (!file)
		return;
	maps_read(file, &show->maps);
	fclose(file);
}

static void name_user_frame(struct show *show, const struct gmem_event *e, uint64_t address,
			    char *buf)
{
	bool same = show->maps_pid == e->pid && show->maps_start == e->start &&
		    show->maps_exec == e->exec;

	if (same && maps_name(show->maps, address, buf, FRAME_LEN))
		return;
	read_maps(show, e);
	maps_name(show->maps, address, buf, FRAME_LEN);
}

static void name_frames(struct show *show, const struct gmem_event_stacks *s)
{
	struct event_view *view = &show->view;
	const struct gmem_event *e = &s->event;
	unsigned int i;

	view->nr_kernel = view->nr_user = 0;
	for (i = 0; i < e->nr_kernel && i < GMEM_STACK_MAX; i++) {
		symbols_name(show->symbols, s->kernel[i], view->kernel[view->nr_kernel], FRAME_LEN);
		if (view->nr_kernel || !frame_of_tracing(view->kernel[0]))
			view->nr_kernel++;
	}
	/* Without frame pointers the end of a stack is a guess of the kernel's. */
	for (i = 0; i < e->nr_user && i < GMEM_STACK_MAX && s->user[i] >= LOWEST_ADDRESS; i++)
		name_user_frame(show, e, s->user[i], view->user[view->nr_user++]);
}

/* --- output --- */

static int write_json(struct show *show)
{
	return json_write_line(&show->json, stdout);
}

/* What comes before the first event: where each event comes from, null where from nowhere. */
static int print_head(struct show *show)
{
	uint32_t offered = stream_offered(show->stream);
	struct json *json = &show->json;
	struct utsname uts;
	char buf[256];
	int i;

	uname(&uts);
	json_open(json, NULL, '{');
	json_open(json, FIELD(line, stream), '{');
	json_u64(json, FIELD(stream, time_ns), clock_ns(CLOCK_REALTIME));
	json_str(json, FIELD(stream, kernel), uts.release);
	json_open(json, FIELD(stream, sources), '{');
	for (i = 0; i < GMEM_EV_MAX; i++) {
		if (offered & 1U << i)
			stream_source(show->stream, i, buf, sizeof(buf));
		json_str(json, event_descs[i].name, offered & 1U << i ? buf : NULL);
	}
	json_close(json, '}');
	json_close(json, '}');
	json_close(json, '}');
	return json_flush_line(json, stdout);
}

static void note_missing(const struct show *show, uint32_t wanted)
{
	uint32_t missing = wanted & ~stream_offered(show->stream);
	char list[256];
	size_t n = 0;
	int i;

	if (wanted == EVENTS_DEFAULT && !show->opts->events)
		log_note("guest_fault and host_fault are left out, -e all has them too");
	for (i = 0; i < GMEM_EV_MAX; i++) {
		if (missing & 1U << i && n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "",
					      event_descs[i].name);
	}
	if (missing)
		log_note("this kernel does not tell of %s", list);
}

/* Say that events were lost between those that have been read and @before_seq. */
static int print_lost(struct show *show, uint64_t lost, uint64_t before_seq)
{
	uint64_t nr = lost - show->lost_told;
	struct json *json = &show->json;

	/* Events of other CPUs may come with an older count. */
	if (lost <= show->lost_told)
		return 0;
	show->lost_told = lost;
	if (!show->opts->json) {
		printf("--- %llu events lost here ---\n", (unsigned long long)nr);
		return 0;
	}
	json_open(json, NULL, '{');
	json_open(json, FIELD(line, lost), '{');
	json_u64(json, FIELD(gap, events), nr);
	if (show->seen_one)
		json_u64(json, FIELD(gap, after_seq), show->last_seq);
	else
		json_null(json, FIELD(gap, after_seq));
	if (before_seq == GMEM_UNKNOWN)
		json_null(json, FIELD(gap, before_seq));
	else
		json_u64(json, FIELD(gap, before_seq), before_seq);
	json_close(json, '}');
	json_close(json, '}');
	return write_json(show);
}

static bool vm_wanted(const struct show *show)
{
	return !show->opts->vm ||
	       (show->view.vm_name && !fnmatch(show->opts->vm, show->view.vm_name, 0));
}

static int on_event(const struct gmem_event *e, void *arg)
{
	struct show *show = arg;
	struct event_view *view = &show->view;
	int ret;

	if (e->event >= GMEM_EV_MAX)
		return -EPROTO;
	if (show->opts->number && show->shown == show->opts->number)
		return -ECANCELED;
	show->read++;
	ret = print_lost(show, e->lost_before, e->seq);
	if (ret)
		return ret;
	show->last_seq = e->seq;
	show->seen_one = true;
	view->e = e;
	view->vm_name = who_vm(show->who, &e->vm, &view->vm_pid);
	if (!vm_wanted(show)) {
		show->filtered++;
		return 0;
	}
	view->time_ns = e->time_ns + show->realtime_offset;
	view->exe = who_exe(show->who, e);
	view->cgroup = who_cgroup(show->who, e);
	if (view->stacks)
		name_frames(show, (const struct gmem_event_stacks *)e);
	show->shown++;
	if (!show->opts->json) {
		event_text(stdout, view);
		return 0;
	}
	event_json(&show->json, view);
	return write_json(show);
}

static void sum_up(const struct show *show, struct stream_counts *counts,
		   struct gmem_event_counts *sum)
{
	int i;

	memset(sum, 0, sizeof(*sum));
	stream_count(show->stream, counts);
	for (i = 0; i < GMEM_EV_MAX; i++) {
		sum->emitted += counts->events[i].emitted;
		sum->lost += counts->events[i].lost;
		sum->filtered += counts->events[i].filtered;
	}
}

static void json_counts(struct json *json, const struct stream_counts *counts, uint32_t offered)
{
	const struct gmem_event_counts *c;
	int i;

	json_open(json, FIELD(summary, events), '{');
	for (i = 0; i < GMEM_EV_MAX; i++) {
		c = &counts->events[i];
		if (!(offered & 1U << i))
			continue;
		json_open(json, event_descs[i].name, '{');
		json_u64(json, FIELD(account, emitted), c->emitted);
		json_u64(json, FIELD(account, lost), c->lost);
		json_u64(json, FIELD(account, filtered), c->filtered);
		json_close(json, '}');
	}
	json_close(json, '}');
}

/* The account at the end: what was shown, lost, held back, and left in the buffer with -n. */
static int print_summary(struct show *show)
{
	struct stream_counts counts;
	struct gmem_event_counts sum;
	struct json *json = &show->json;
	uint64_t unread;
	int ret;

	sum_up(show, &counts, &sum);
	unread = sum.emitted - sum.lost - show->read;
	ret = print_lost(show, sum.lost, GMEM_UNKNOWN);
	if (ret)
		return ret;
	if (!show->opts->json) {
		if (fflush(stdout))
			return -errno;
		log_note("%llu events shown, %llu lost, %llu held back by filters, %llu not read, "
			 "%llu missed, %llu requests not understood",
			 (unsigned long long)show->shown, (unsigned long long)sum.lost,
			 (unsigned long long)(sum.filtered + show->filtered),
			 (unsigned long long)unread, (unsigned long long)counts.missed,
			 (unsigned long long)(counts.unread + counts.untracked));
		return 0;
	}
	json_open(json, NULL, '{');
	json_open(json, FIELD(line, summary), '{');
	json_u64(json, FIELD(summary, shown), show->shown);
	json_u64(json, FIELD(summary, emitted), sum.emitted);
	json_u64(json, FIELD(summary, lost), sum.lost);
	json_u64(json, FIELD(summary, filtered), sum.filtered);
	json_u64(json, FIELD(summary, filtered_by_vm), show->filtered);
	json_u64(json, FIELD(summary, not_read), unread);
	json_u64(json, FIELD(summary, missed), counts.missed);
	json_u64(json, FIELD(summary, requests_unread), counts.unread);
	json_u64(json, FIELD(summary, requests_untracked), counts.untracked);
	json_counts(json, &counts, stream_offered(show->stream));
	json_close(json, '}');
	json_close(json, '}');
	return json_flush_line(json, stdout);
}

/* --- the loop --- */

/* The reader has gone; otherwise only a write would fail. */
static bool reader_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLNVAL);
}

/* Hand over one batch. Return: 0 or a negative errno. */
static int read_batch(struct show *show, int timeout_ms)
{
	int ret;

	show->realtime_offset = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	ret = stream_read(show->stream, timeout_ms);
	if (ret < 0 && ret != -EINTR)
		return ret;
	if (fflush(stdout))
		return -errno;
	return reader_gone() ? -EPIPE : 0;
}

/* What is still on its way after the programs were detached. */
static int read_rest(struct show *show)
{
	const struct timespec moment = { .tv_nsec = NS_PER_S / 500 };
	struct stream_counts counts;
	struct gmem_event_counts sum;
	int tries, ret = 0;

	for (tries = 0; tries < LAST_TRIES && !ret; tries++) {
		ret = read_batch(show, 0);
		sum_up(show, &counts, &sum);
		if (show->read + sum.lost == sum.emitted)
			break;
		nanosleep(&moment, NULL);
	}
	return ret;
}

static int loop(struct show *show)
{
	uint64_t end = now_ns() + show->opts->duration_ns, now = 0;
	int ret = 0, wait_ms;

	while (!ret && !stop_asked) {
		wait_ms = WAIT_MS;
		if (show->opts->duration_ns) {
			now = now_ns();
			if (now >= end)
				break;
			if (end - now < WAIT_MS * (NS_PER_S / 1000))
				wait_ms = (int)((end - now) / (NS_PER_S / 1000)) + 1;
		}
		ret = read_batch(show, wait_ms);
		if (show->opts->number && show->shown == show->opts->number)
			break;
	}
	stream_detach(show->stream);
	if (!ret)
		ret = read_rest(show);
	/* That many were asked for. */
	if (ret == -ECANCELED)
		ret = 0;
	if (!ret)
		ret = print_summary(show);
	return ret;
}

static int run(const struct options *opts, const struct stream_options *stream)
{
	struct show show = { .opts = opts, .view.stacks = opts->stack };
	int ret;

	show.who = who_new();
	if (!show.who)
		return log_error(-ENOMEM, NULL, NULL, "start");
	ret = stream_open(&show.stream, stream, on_event, &show);
	if (ret)
		goto out;
	/* Only now are the trampolines of the programs among them. */
	if (opts->stack)
		ret = read_symbols(&show);
	if (ret) {
		log_error(ret, NULL, NULL, "read /proc/kallsyms");
		goto out;
	}
	setvbuf(stdout, NULL, _IOFBF, OUTPUT_SIZE);
	note_missing(&show, stream->wanted);
	if (opts->json)
		ret = print_head(&show);
	if (!ret)
		ret = loop(&show);
	/* What could not be written output_end() explains. */
	if (ret && ret != -EPIPE && !ferror(stdout))
		log_error(ret, NULL, NULL, "hand events on");
out:
	stream_close(show.stream);
	json_free(&show.json);
	maps_free(show.maps);
	symbols_free(show.symbols);
	who_free(show.who);
	return ret == -EPIPE ? 0 : ret;
}

static int open_cgroup(const char *path)
{
	int root, fd;

	root = cgroup_root();
	if (root < 0)
		return log_error(root, "no cgroups (version 2) are mounted", NULL, "--cgroup %s",
				 path);
	fd = cgroup_open(root, path);
	close(root);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return log_error(-EINVAL, "there is no such cgroup",
				 "paths are as in /proc/PID/cgroup", "--cgroup %s", path);
	return fd < 0 ? log_error(fd, NULL, NULL, "--cgroup %s", path) : fd;
}

static int check(const struct options *opts, struct stream_options *stream)
{
	int ret;

	stream->wanted = EVENTS_DEFAULT;
	if (opts->events) {
		ret = events_parse(opts->events, &stream->wanted);
		if (ret)
			return ret;
	}
	stream->all_or_none = opts->events && stream->wanted != EVENTS_ALL;
	if (opts->buffer_mib > MAX_BUFFER_MIB)
		return log_error(-EINVAL, "1024 is the most", NULL, "--buffer");
	if (opts->min_duration_ns && !(stream->wanted & 1U << GMEM_EV_convert))
		return log_error(-EINVAL, "only conversions have a duration", "add -e convert",
				 "--min-duration");
	ret = session_check_pid(opts->pid);
	if (ret)
		return ret;
	stream->pid = (uint32_t)opts->pid;
	stream->errors = opts->errors;
	stream->min_duration = opts->min_duration_ns;
	stream->stacks = opts->stack;
	stream->buffer_mib = (unsigned int)opts->buffer_mib;
	stream->cgroup = -1;
	if (!opts->cgroup)
		return 0;
	stream->cgroup = open_cgroup(opts->cgroup);
	return stream->cgroup < 0 ? stream->cgroup : 0;
}

int events_main(int argc, char **argv)
{
	struct options opts = { .buffer_mib = DEFAULT_BUFFER_MIB };
	struct stream_options stream = { 0 };
	int ret, i;

	/* Errors in the options themselves are JSON already. */
	for (i = 1; i < argc; i++)
		opts.json |= !strcmp(argv[i], "--json");
	log_setup("gmemtop events", opts.json, 0);
	ret = opts_parse(table, &opts, argc, argv);
	log_setup("gmemtop events", opts.json, opts.verbose);
	if (ret)
		return GMEM_EXIT_USAGE;
	if (opts.help) {
		opts_usage(table, usage);
		return GMEM_EXIT_OK;
	}
	if (opts.events && !strcmp(opts.events, "help")) {
		events_print();
		return GMEM_EXIT_OK;
	}
	ret = namespaces_check("watch events");
	if (!ret)
		ret = check(&opts, &stream);
	if (ret)
		return exit_status(ret);
	session_catch_signals();
	output_until_stopped();
	ret = session_wait_for_kvm(!opts.no_wait);
	if (!ret)
		ret = run(&opts, &stream);
	if (ret == -EINTR)
		ret = 0;
	if (stream.cgroup >= 0)
		close(stream.cgroup);
	return exit_status(ret);
}
