// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl monitor: denials as they happen. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../lib/json.h"
#include "../lib/log.h"
#include "ctl.h"
#include "loader.h"
#include "policy_compile.h"
#include "policy_request.h"
#include "policy_value.h"

#define NS 1000000000ULL

struct monitor {
	const struct ctl_options *opts;
	struct policy_file file; /* the policy of @generation, for the names of its rules */
	__u64 generation;
	bool known;
	__u64 lost; /* so many have been told */
	uint64_t seen;
	struct json json;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* Events have the clock that runs since the boot. */
static uint64_t wall_clock(uint64_t boot_ns)
{
	struct timespec wall, boot;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (uint64_t)wall.tv_sec * NS + (uint64_t)wall.tv_nsec -
	       ((uint64_t)boot.tv_sec * NS + (uint64_t)boot.tv_nsec) + boot_ns;
}

/* The names of the rules of the policy that decided, if it still is in force. */
static void know_policy(struct monitor *m, __u64 generation)
{
	struct loader_shown *shown;

	if (generation == m->generation)
		return;
	if (m->known)
		policy_close(&m->file);
	m->known = false;
	m->generation = generation;
	shown = calloc(1, sizeof(*shown));
	if (!shown)
		return;
	if (!loader_show(m->opts->pins, shown) &&
	    GMEM_ACTIVE_GENERATION(shown->word) == generation) {
		m->known = !policy_open_text(shown->source, shown->source_len, "in force", false,
					     &m->file);
		if (!m->known)
			policy_close(&m->file);
	}
	loader_shown_free(shown);
	free(shown);
}

static const struct policy_rule *rule_of(const struct monitor *m, __u32 number)
{
	if (!m->known || number >= m->file.policy->nr_rules)
		return NULL;
	return &m->file.policy->rules[number];
}

static const char *rule_name(const struct monitor *m, __u32 number, char *buf, size_t size)
{
	const struct policy_rule *rule = rule_of(m, number);

	if (rule)
		return rule->name;
	if (number == GMEM_RULE_UNKNOWN)
		return "(instance older than the policy)";
	if (number == GMEM_RULE_BROKEN)
		return "(no identity, or in doubt)";
	if (number >= GMEM_MAX_RULES)
		return "(default)";
	snprintf(buf, size, "number %u of generation %llu", number,
		 (unsigned long long)m->generation);
	return buf;
}

/* Where the executable is, if it can still be seen: for the eye, nothing was decided by it. */
static const char *exe_path(const struct gmem_denial *e, char *buf, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%u/exe", e->tgid);
	n = readlink(link, buf, size - 1);
	if (n < 0)
		return NULL;
	buf[n] = '\0';
	return buf;
}

static bool has_condition(const struct gmem_request *r, enum policy_condition condition)
{
	static const __u32 ops[POLICY_IF_MAX] = {
#define X(name, operations, ...) [POLICY_IF_##name] = (operations),
		POLICY_CONDITIONS(X)
#undef X
	};

	return r->op < GMEM_DO_MAX && ops[condition] >> r->op & 1;
}

static void print_text(const struct monitor *m, const struct gmem_denial *e)
{
	char text[REQUEST_TEXT], buf[80], path[4096], when[32];
	time_t seconds = (time_t)(wall_clock(e->time_ns) / NS);
	bool trial = e->verdict == GMEM_VERDICT_would_deny && e->trial != GMEM_RULE_NONE;
	const struct policy_rule *rule = rule_of(m, trial ? e->trial : e->rule);
	enum policy_condition c;

	strftime(when, sizeof(when), "%F %T", localtime(&seconds));
	printf("%s %s %s by %s", when, e->verdict == GMEM_VERDICT_denied ? "denied" : "would deny",
	       e->request.op < GMEM_DO_MAX ? operation_names[e->request.op] : "?",
	       rule_name(m, trial ? e->trial : e->rule, buf, sizeof(buf)));
	if (rule)
		printf(" (line %u)", rule->place.line);
	printf(": %s[%u] uid %u", e->comm, e->tgid, e->uid);
	if (exe_path(e, path, sizeof(path)))
		printf(" %s", path);
	if (!e->exe_known)
		printf(" without identity");
	if (e->ino)
		printf(", instance %llu", (unsigned long long)e->ino);
	for (c = 0; c < POLICY_IF_MAX; c++) {
		if (has_condition(&e->request, c))
			printf(", %s %s", value_name(VALUE_CONDITION, c),
			       request_value(&e->request, c, text));
	}
	putchar('\n');
	fflush(stdout);
}

static int print_json(struct monitor *m, const struct gmem_denial *e)
{
	bool trial = e->verdict == GMEM_VERDICT_would_deny && e->trial != GMEM_RULE_NONE;
	__u32 number = trial ? e->trial : e->rule;
	const struct policy_rule *rule = rule_of(m, number);
	char text[REQUEST_TEXT], buf[80], path[4096];
	struct json *json = &m->json;
	enum policy_condition c;

	json_open(json, NULL, '{');
	json_u64(json, "time_ns", wall_clock(e->time_ns));
	json_u64(json, "sequence", e->sequence);
	json_u64(json, "generation", e->generation);
	json_str(json, "verdict", e->verdict == GMEM_VERDICT_denied ? "denied" : "would_deny");
	json_str(json, "op", e->request.op < GMEM_DO_MAX ? operation_names[e->request.op] : NULL);
	json_u64(json, "rule", number);
	json_str(json, "rule_name", rule_name(m, number, buf, sizeof(buf)));
	if (rule)
		json_u64(json, "line", rule->place.line);
	else
		json_null(json, "line");
	json_u64(json, "pid", e->tgid);
	json_u64(json, "tid", e->pid);
	json_str(json, "comm", e->comm);
	json_u64(json, "uid", e->uid);
	json_u64(json, "cgroup_id", e->cgroup);
	json_bool(json, "identity", e->exe_known);
	json_str(json, "exe", exe_path(e, path, sizeof(path)));
	if (e->exe_known) {
		json_u64(json, "exe_dev", e->exe.dev);
		json_u64(json, "exe_ino", e->exe.ino);
	}
	if (e->ino) {
		json_u64(json, "dev", e->dev);
		json_u64(json, "ino", e->ino);
	}
	for (c = 0; c < POLICY_IF_MAX; c++) {
		if (has_condition(&e->request, c))
			json_str(json, value_name(VALUE_CONDITION, c),
				 request_value(&e->request, c, text));
	}
	json_close(json, '}');
	return json_flush_line(json, stdout);
}

static int take(const struct gmem_denial *event, void *data)
{
	struct monitor *m = data;

	know_policy(m, event->generation);
	m->seen++;
	if (m->opts->json)
		return print_json(m, event);
	print_text(m, event);
	return ferror(stdout) ? -EPIPE : 0;
}

/* Losses are told as they are seen; they stand in the counters of the rules all the same. */
static int stop(const struct gmem_journal *journal, void *data)
{
	struct monitor *m = data;

	if (journal->lost != m->lost) {
		if (m->opts->json) {
			json_open(&m->json, NULL, '{');
			json_u64(&m->json, "lost", journal->lost - m->lost);
			json_close(&m->json, '}');
			json_flush_line(&m->json, stdout);
		} else {
			log_note("%llu events were lost",
				 (unsigned long long)(journal->lost - m->lost));
		}
		m->lost = journal->lost;
	}
	return interrupted ? 1 : 0;
}

int ctl_monitor(const struct ctl_options *opts)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct monitor m = { .opts = opts };
	int ret;

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	ret = loader_events(opts->pins, take, stop, &m);
	if (m.known)
		policy_close(&m.file);
	json_free(&m.json);
	return ret > 0 ? 0 : ret;
}
