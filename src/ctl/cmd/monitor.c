// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl monitor: denials as they happen. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "../../lib/closest.h"
#include "../../lib/json.h"
#include "../../lib/log.h"
#include "../../lib/output.h"
#include "../../lib/namespaces.h"
#include "../../lib/stop.h"
#include "../audit.h"
#include "../ctl.h"
#include "../denial_names.h"
#include "../journal.h"
#include "../print.h"
#include "../kernel/probe.h"

#define POLL_MS 100
/* Until what is missing is looked for again: an event that has its number comes in this time. */
#define LOOK_NS 200000000LL

struct monitor {
	const struct ctl_options *opts;
	bool as_json; /* reports are made as JSON, also for the journal */
	struct pins pins;
	struct store store;
	struct ring_buffer *ring;
	struct denial_names *names;
	struct denial_gaps gaps;
	struct json json;
	int dir; /* holds the lock, -1: none */
	struct stat dir_stat;
	int op; /* or GMEM_DO_GUARD(), -1: all */
	__u64 word;
	__u64 shown, came, lost; /* lost: as told by gaps that are over */
	__u64 before;		 /* numbers that were given at the last look */
	long long looked_ns;
	struct gmem_denial last; /* that was printed as text */
	__u64 repeats;		 /* of it since, which were not printed */
	bool entered;		 /* before, or waited for a policy */
	bool gone;		 /* the programs are not in force any more */
};

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Are reports records of a service, which waits for policies? */
static bool is_service(const struct monitor *m)
{
	return m->opts->journal || m->opts->audit;
}

/* The audit system gets what belongs to decisions. */
static int put_record(struct monitor *m, enum journal_message about, int priority, const char *line,
		      bool denied)
{
	size_t len;
	const char *json = json_take(&m->json, &len);
	int ret = 0;

	if (!json)
		return -ENOMEM;
	if (m->opts->journal)
		ret = journal_send(about, priority, line, json, len);
	if (!ret && m->opts->audit && about == JOURNAL_denial)
		ret = audit_send_report(denied ? "denied" : "would deny", json, len);
	else if (!ret && m->opts->audit && about == JOURNAL_lost)
		ret = audit_send_report("lost", json, len);
	return ret;
}

/* Write a report: the JSON that was made of it, or this line. Return: 0 or a negative errno. */
static int put(struct monitor *m, enum journal_message about, int priority, const char *line)
{
	if (is_service(m))
		return put_record(m, about, priority, line, priority == LOG_WARNING);
	if (m->as_json)
		return json_flush_line(&m->json, stdout);
	return puts(line) < 0 || fflush(stdout) ? -errno : 0;
}

static int tell_lost(struct monitor *m, __u64 lost)
{
	char line[64];

	if (!lost)
		return 0;
	if (m->as_json) {
		report_begin(&m->json, REPORT_lost);
		json_open(&m->json, "lost", '{');
		json_u64(&m->json, "events", lost);
		json_close(&m->json, '}');
		json_close(&m->json, '}');
	}
	snprintf(line, sizeof(line), "lost: %llu events", lost);
	return put(m, JOURNAL_lost, LOG_WARNING, line);
}

/* What is in force from now on; the word is 0 where nothing is. */
static int tell_policy(struct monitor *m)
{
	const struct policy *policy =
		m->word ? denial_policy(m->names, &m->store, GMEM_ACTIVE_GENERATION(m->word))
			: NULL;
	const char *mode = GMEM_ACTIVE_ENFORCES(m->word) ? "enforce" : "audit";
	char line[POLICY_MAX_NAME + 96] =
		"in force: nothing, all is allowed; waiting for the next policy";

	if (m->word)
		snprintf(line, sizeof(line), "in force: policy %s, generation %llu, %s",
			 policy ? policy->name : "?", GMEM_ACTIVE_GENERATION(m->word), mode);
	if (m->as_json) {
		report_begin(&m->json, REPORT_policy);
		json_open(&m->json, "policy", '{');
		json_bool(&m->json, "in_force", m->word);
		json_str(&m->json, "name", policy ? policy->name : NULL);
		json_u64(&m->json, "generation", GMEM_ACTIVE_GENERATION(m->word));
		json_str(&m->json, "mode", m->word ? mode : NULL);
		json_close(&m->json, '}');
		json_close(&m->json, '}');
	}
	return put(m, JOURNAL_policy, m->word ? LOG_NOTICE : LOG_WARNING, line);
}

static int tell_denial(struct monitor *m, const struct denial *denial)
{
	bool denied = denial->event->verdict == GMEM_VERDICT_denied;
	size_t len = 0;
	char *line = NULL;
	FILE *text;
	int ret;

	if (m->as_json)
		denial_json(denial, &m->json);
	else
		denial_print(denial, stdout);
	if (!is_service(m))
		return m->as_json ? json_flush_line(&m->json, stdout) : fflush(stdout) ? -errno : 0;
	text = open_memstream(&line, &len);
	if (!text)
		return -ENOMEM;
	denial_print_what(denial, text);
	ret = fclose(text) ? -ENOMEM
			   : put(m, JOURNAL_denial, denied ? LOG_WARNING : LOG_NOTICE, line);
	free(line);
	return ret;
}

static bool wanted(const struct monitor *m, const struct gmem_denial *event)
{
	if (m->op >= 0 && event->request.op != (__u32)m->op)
		return false;
	return !m->opts->pid || event->tgid == m->opts->pid || event->pid == m->opts->pid;
}

/* Text folds what repeats; JSON and the journal have every event. */
static bool is_repeated(const struct monitor *m, const struct gmem_denial *e)
{
	const struct gmem_denial *last = &m->last;

	return !m->as_json && e->time_ns && last->time_ns && e->tgid == last->tgid &&
	       e->uid == last->uid && e->cgroup == last->cgroup &&
	       e->generation == last->generation && e->verdict == last->verdict &&
	       e->rule == last->rule && e->audit_rule == last->audit_rule &&
	       e->request.op == last->request.op &&
	       (e->request.op == GMEM_DO_create || e->ino == last->ino) &&
	       !memcmp(&e->exe, &last->exe, sizeof(e->exe));
}

static int print_repeats(struct monitor *m)
{
	if (!m->repeats)
		return 0;
	printf("the last line repeated %llu %s\n", m->repeats, m->repeats == 1 ? "time" : "times");
	m->repeats = 0;
	return fflush(stdout) ? -errno : 0;
}

static int take(void *data, void *event, size_t size)
{
	const struct gmem_denial *e = event;
	struct monitor *m = data;
	struct denial denial;
	int ret;

	if (size < sizeof(*e))
		return 0;
	gaps_take(&m->gaps, e->sequence);
	if (!wanted(m, e))
		return 0;
	if (is_repeated(m, e)) {
		m->repeats++;
		ret = 0;
		goto shown;
	}
	ret = print_repeats(m);
	if (ret)
		return ret;
	m->last = *e;
	denial = denial_named(m->names, &m->store, e);
	ret = tell_denial(m, &denial);
shown:
	if (!ret && ++m->shown == m->opts->count)
		ret = -ECANCELED;
	return ret;
}

/* A ring buffer has one reader: with two, each would get a part of the events. */
static int take_place(struct monitor *m)
{
	m->dir = open(m->pins.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->dir < 0)
		return log_error(-errno, NULL, errno == EACCES ? "be root" : NULL, "open %s",
				 m->pins.dir);
	if (flock(m->dir, LOCK_EX | LOCK_NB))
		return log_error(-EBUSY, "another gmemctl monitor reads them",
				 "end that one; events go to one reader", "read the denials of %s",
				 m->pins.dir);
	if (fstat(m->dir, &m->dir_stat))
		return log_error(-errno, NULL, NULL, "look at %s", m->pins.dir);
	return 0;
}

static void leave(struct monitor *m)
{
	ring_buffer__free(m->ring);
	m->ring = NULL;
	store_close(&m->store);
	if (m->dir >= 0)
		close(m->dir);
	m->dir = -1;
}

static int enter(struct monitor *m)
{
	int ret;

	ret = store_open(&m->store, &m->pins);
	if (ret)
		return ret;
	ret = take_place(m);
	if (!ret) {
		m->ring = ring_buffer__new(m->store.fd[MAP_denials], take, m, NULL);
		if (!m->ring)
			ret = log_error(-errno, NULL, NULL, "open the events");
	}
	if (ret) {
		leave(m);
		return ret;
	}
	memset(&m->gaps, 0, sizeof(m->gaps));
	m->before = __atomic_load_n(&m->store.journal->events, __ATOMIC_ACQUIRE);
	m->looked_ns = now_ns();
	m->gone = false;
	denial_policy(m->names, &m->store, 0);
	/* Programs are attached before a policy is in force: after a wait that is nothing new. */
	if (m->entered && !store_active(&m->store))
		return 0;
	m->entered = true;
	m->word = store_active(&m->store) & ~GMEM_ACTIVE_SET_BITS;
	return tell_policy(m);
}

/* Are the programs still those of the directory, or were they taken away? */
static bool is_there(const struct monitor *m)
{
	struct stat st;

	return !stat(m->pins.dir, &st) && st.st_ino == m->dir_stat.st_ino &&
	       st.st_dev == m->dir_stat.st_dev;
}

/* Everything that was numbered up to here has come, or never will. */
static void settle(struct monitor *m)
{
	m->came += m->gaps.came;
	m->lost += m->gaps.end - m->gaps.base - m->gaps.came;
	memset(&m->gaps, 0, sizeof(m->gaps));
}

static int look(struct monitor *m)
{
	__u64 word = store_active(&m->store) & ~GMEM_ACTIVE_SET_BITS;
	int ret;

	if (now_ns() - m->looked_ns >= LOOK_NS) {
		ret = print_repeats(m);
		ret = ret ?: tell_lost(m, gaps_look(&m->gaps, m->before));
		if (ret)
			return ret;
		m->before = __atomic_load_n(&m->store.journal->events, __ATOMIC_ACQUIRE);
		m->looked_ns = now_ns();
		m->gone = !is_there(m);
	}
	if (word == m->word)
		return 0;
	m->word = word;
	return tell_policy(m);
}

/* All that is there. Return: 0 or a negative errno, as take(). */
static int drain(struct monitor *m, int timeout_ms)
{
	int ret = ring_buffer__poll(m->ring, timeout_ms);

	return ret > 0 || ret == -EINTR ? 0 : ret;
}

/* Both looks at what is missing, so that what is told is all there was. */
static int finish(struct monitor *m)
{
	struct timespec pause = { .tv_nsec = 10000000 };
	__u64 events = __atomic_load_n(&m->store.journal->events, __ATOMIC_ACQUIRE);
	__u64 lost = 0;
	int ret = 0, i;

	for (i = 0; i < 2 && !ret; i++) {
		nanosleep(&pause, NULL);
		ret = drain(m, 0);
		lost += gaps_look(&m->gaps, events);
	}
	settle(m);
	return ret ?: tell_lost(m, lost);
}

/* Until it is unloaded. Return: 0, or why to end: a negative errno. */
static int follow(struct monitor *m)
{
	int ret = 0;

	while (!ret && !stop_asked && !m->gone) {
		ret = drain(m, POLL_MS);
		if (!ret)
			ret = look(m);
	}
	/* With -n there is more that nobody wants to see: it is left for the next one. */
	if (ret == -ECANCELED) {
		settle(m);
		return ret;
	}
	return ret ?: finish(m);
}

/* The programs are gone: wait until there are others. */
static int wait_for_policy(struct monitor *m)
{
	struct timespec pause = { .tv_nsec = 200000000 };
	int ret = 0;

	if (m->word) {
		m->word = 0;
		ret = tell_policy(m);
	}
	leave(m);
	while (!ret && !stop_asked && pins_exist(&m->pins) <= 0)
		nanosleep(&pause, NULL);
	return ret;
}

static int tell_summary(struct monitor *m)
{
	int ret = print_repeats(m);
	char line[128];

	if (ret)
		return ret;
	if (m->as_json) {
		report_begin(&m->json, REPORT_summary);
		json_open(&m->json, "summary", '{');
		json_u64(&m->json, "shown", m->shown);
		json_u64(&m->json, "events", m->came);
		json_u64(&m->json, "lost", m->lost);
		json_close(&m->json, '}');
		json_close(&m->json, '}');
	}
	snprintf(line, sizeof(line), "%llu events, %llu shown, %llu lost", m->came, m->shown,
		 m->lost);
	return put(m, JOURNAL_summary, LOG_INFO, line);
}

static int run(struct monitor *m)
{
	int ret;

	/* A service starts before the first policy is loaded; a person wants to know there is none.
	 */
	if (m->opts->journal)
		journal_ready();
	if (is_service(m)) {
		for (; !stop_asked && !pins_exist(&m->pins); m->entered = true)
			nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
	}
	ret = stop_asked ? 0 : enter(m);
	while (!ret && !stop_asked) {
		ret = follow(m);
		if (ret || stop_asked)
			break;
		ret = wait_for_policy(m);
		if (!ret && !stop_asked)
			ret = enter(m);
	}
	if (!ret || ret == -ECANCELED)
		ret = m->names ? tell_summary(m) : 0;
	/* Who read has gone. */
	return ret == -EPIPE ? 0 : ret;
}

static int read_op(const char *text, int *op)
{
	const char *names[GMEM_DO_GUARD(GMEM_GUARD_MAX)], *near;
	char hint[160] = "it can be ";
	size_t len = strlen(hint);
	int i;

	*op = -1;
	for (i = 0; text && i < GMEM_DO_GUARD(GMEM_GUARD_MAX); i++) {
		names[i] = subject_of_event((__u32)i);
		if (!strcmp(names[i], text))
			*op = i;
		len += (size_t)snprintf(hint + len, sizeof(hint) - len, "%s%s", i ? ", " : "",
					names[i]);
	}
	if (!text || *op >= 0)
		return 0;
	near = closest_name(text, names, GMEM_DO_GUARD(GMEM_GUARD_MAX));
	if (near)
		snprintf(hint, sizeof(hint), "did you mean %s?", near);
	return log_error(-EINVAL, "there is no such operation or guard", hint, "--op %s", text);
}

int ctl_monitor(const struct ctl_options *opts)
{
	struct monitor *m;
	int ret;

	m = calloc(1, sizeof(*m));
	if (!m)
		return log_error(-ENOMEM, NULL, NULL, "monitor");
	m->opts = opts;
	m->as_json = opts->json || is_service(m);
	m->dir = -1;
	/* Under a lock this process may stay while a policy is loaded: it holds nothing of others. */
	syscall(SYS_close_range, 3, ~0U, 0);
	ret = namespaces_check("report denials");
	ret = ret ?: read_op(opts->op, &m->op);
	if (!ret && opts->journal && opts->json)
		ret = log_error(-EINVAL, "records of the journal have a form of their own",
				"leave out one of them", "--journal with --output json");
	if (!ret && opts->audit && opts->json)
		ret = log_error(-EINVAL, "audit records have a form of their own",
				"leave out one of them", "--audit with --output json");
	if (!ret && opts->journal)
		ret = journal_open();
	if (!ret && opts->audit)
		ret = audit_begin();
	if (!ret)
		ret = pins_open(&m->pins, opts->pins, false);
	if (!ret)
		ret = denial_names_new(&m->names);
	if (!ret) {
		stop_on_signals();
		output_until_stopped();
		ret = run(m);
		leave(m);
	}
	denial_names_free(m->names);
	json_free(&m->json);
	free(m);
	return ret;
}
