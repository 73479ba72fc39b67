// SPDX-License-Identifier: GPL-2.0-only
/*
 * contrib/gmemtop-report.schema.json is the form of gmemtop report --json: this test makes it from
 * the lists of counters, phases, facts and rules and compares. UPDATE=1 writes it anew.
 * tests/report-test.sh and tests/vm/top_schema.sh compare it with real reports.
 */
#define _GNU_SOURCE
#include "../../src/top/columns.h"
#include "../../src/top/model_phases.h"
#include "../../src/top/report.h"
#include "schema_forms.h"

#define SCHEMA	     "contrib/gmemtop-report.schema.json"
#define MAYBE_NUMBER "{\"type\":[\"integer\",\"null\"],\"minimum\":0}"
#define MAYBE_TEXT   "{\"type\":[\"string\",\"null\"]}"
#define FLAG	     "{\"type\":\"boolean\"}"
#define NS(text)     INTEGER, text ", in ns"
#define TIME(text)   INTEGER, text ", CLOCK_REALTIME in ns"

/* Members of each object, beside those that are lists of the project. */
static const struct member {
	const char *object, *name, *form, *help;
	bool optional;
} members[] = {
	{ "report", "file", TEXT, "the recording, as it was given", false },
	{ "report", "first_ns", TIME("the first frame"), false },
	{ "report", "last_ns", TIME("the last frame"), false },
	{ "report", "covered_ns", NS("intervals between frames, without the gaps between runs"),
	  false },
	{ "report", "frames", INTEGER, "how many were read", false },
	{ "report", "runs", INTEGER, "recorders that wrote them, one after the other", false },
	{ "report", "begins_in_the_middle", FLAG, "the first frame is the base of all counts",
	  false },
	{ "report", "kernel", TEXT, "release of the last frame", false },
	{ "report", "missing", LIST(REF("fact")), "facts that a frame lacks", false },
	{ "report", "lost", REF("lost"), "what could not be counted", false },
	{ "report", "lower_bounds", FLAG, "counters are lower bounds: something was lost", false },
	{ "report", "vms_seen", INTEGER, "VMs in any frame, also those that are not in vms",
	  false },
	{ "report", "host", REF("host"), "all VMs, those that are in no frame included", false },
	{ "report", "vms", LIST(REF("vm")), "the worst VMs: by time in conversions, then by errors",
	  false },
	{ "report", "slowest", LIST(REF("slow")), "the slowest conversions of all VMs", false },
	{ "report", "findings", LIST(REF("finding")), "rules that apply", false },
	{ "report", "not_checked", LIST(REF("unchecked")), "rules that could not be checked",
	  false },

	{ "identity", "id", INTEGER, "unique within a run of a recorder", false },
	{ "identity", "key", MAYBE_TEXT, "key of the VM, null: the kernel gives none", false },
	{ "identity", "run", INTEGER, "of the recorder", false },
	{ "identity", "pid", INTEGER, "process of the VMM", false },
	{ "identity", "name", TEXT, "name of the VM", false },

	{ "vm", "type", TEXT, "type of the VM", false },
	{ "vm", "cgroup", MAYBE_TEXT, "cgroup of the VMM, null: unknown", false },
	{ "vm", "first_seen_ns", TIME("the first frame with it"), false },
	{ "vm", "last_seen_ns", TIME("the last frame with it"), false },
	{ "vm", "ended", FLAG, "the VM ended within the recording", false },
	{ "vm", "why", MAYBE_TEXT, "how it ended, null: it did not, or unknown", false },

	{ "sum", "counters", REF("counters"),
	  "increase over the recording, null: not in all frames", false },
	{ "sum", "errors", INTEGER, "failed operations, refused host faults included", false },
	{ "sum", "denials", MAYBE_NUMBER, "operations that were denied", false },
	{ "sum", "errors_by_operation", REF("errors"), "failed operations by errno", false },
	{ "sum", "latency", MAYBE(REF("latency")), "durations of conversions", false },
	{ "sum", "phases", MAYBE(REF("phases")), "phases of conversions, null: not recorded",
	  false },
	{ "sum", "mean_sizes", REF("sizes"), "conversions by the mean of their pages in a frame",
	  false },
	{ "sum", "timeline", REF("timeline"), "the recording in intervals of equal length", false },

	{ "timeline", "begin_ns", TIME("begin of the first interval"), false },
	{ "timeline", "slot_ns", NS("length of each interval"), false },
	{ "timeline", "slots", LIST(REF("slot")), "the intervals", false },
	{ "slot", "conversions", INTEGER, "in both directions", false },
	{ "slot", "converted_pages", INTEGER, "that were asked for", false },
	{ "slot", "conversions_ns", NS("time in conversions"), false },
	{ "slot", "guest_faults", INTEGER, "of all instances", false },
	{ "slot", "errors", INTEGER, "failed operations", false },
	{ "slot", "private_pages", INTEGER, "the largest gauge of its frames", false },
	{ "slot", "resident_pages", INTEGER, "the largest gauge of its frames", false },
	{ "slot", "waste_pages", INTEGER, "the largest gauge of its frames", false },
	{ "slot", "heat", REF("heat"), "where pages were converted, if it was recorded", true },
	{ "heat", "cell_pages", INTEGER, "pages that a cell stands for", false },
	{ "heat", "pages", LIST(INTEGER), "converted pages of each cell", false },
	{ "heat", "elsewhere", INTEGER, "converted pages beyond the last cell", false },

	{ "slow", "vm", REF("identity"), "whose conversion it is", false },
	{ "slow", "time_ns", TIME("when the guest exited"), false },
	{ "slow", "vcpu", INTEGER, "number of the vCPU", false },
	{ "slow", "exit", REF("exit"), "reason of the exit", false },
	{ "slow", "direction", REF("direction_name"), "of the conversion", false },
	{ "slow", "gpa", INTEGER, "guest physical address", false },
	{ "slow", "pages", INTEGER, "of the range", false },
	{ "slow", "phases_ns", REF("phases_ns"), "time in each phase, null: it had none", false },

	{ "finding", "rule", REF("rule"), "that applies", false },
	{ "finding", "cause", TEXT, "what happens", false },
	{ "finding", "vm", REF("identity"), "where it happens", false },
	{ "finding", "evidence", TEXT, "why the rule applies", false },
	{ "finding", "numbers", "{\"type\":\"object\",\"additionalProperties\":" INTEGER "}",
	  "the numbers of the evidence, named by the rule", false },
	{ "finding", "saving", MAYBE_TEXT, "what there is to win, null: unknown", false },
	{ "finding", "advice", TEXT, "what to do", false },
	{ "unchecked", "rule", REF("rule"), "that was not checked", false },
	{ "unchecked", "missing", LIST(REF("fact")), "facts that the recording lacks", false },
	{ "unchecked", "record_with", MAYBE_TEXT,
	  "option of gmemtop record that brings what it needs", false },
};

static const char *const gauges[][2] = {
	{ "size_pages", "size of all instances" },
	{ "private_pages", "private pages" },
	{ "resident_pages", "pages of instances in memory" },
	{ "waste_instance_pages", "shared pages that instances keep in memory" },
	{ "waste_backing_pages", "private pages that the shared backing keeps in memory" },
};

static void add_members(struct json_object *schema, const char *object)
{
	const struct member *m;
	struct json_object *form;

	for (m = members; m < members + sizeof(members) / sizeof(*members); m++) {
		if (strcmp(m->object, object))
			continue;
		form = parse(m->form);
		add(form, "description", m->help);
		add_property(schema, m->name, form, !m->optional);
	}
}

static void add_gauge(struct json_object *schema, const char *name, const char *suffix,
		      const char *help, const char *what)
{
	struct json_object *form = parse(MAYBE_NUMBER);
	char text[128];

	snprintf(text, sizeof(text), "%s, %s", help, what);
	add(form, "description", text);
	snprintf(text, sizeof(text), "%s%s", name, suffix);
	add_property(schema, text, form, true);
}

/* What a VM and the host have alike. */
static void add_sum(struct json_object *schema)
{
	unsigned int i;

	add_members(schema, "sum");
	for (i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		add_gauge(schema, gauges[i][0], "", gauges[i][1], "at the end");
		add_gauge(schema, gauges[i][0], "_peak", gauges[i][1], "the most");
		add_gauge(schema, gauges[i][0], "_held", gauges[i][1],
			  "the most that two frames in a row had");
	}
}

static struct json_object *object_of(const char *object)
{
	struct json_object *schema = object_schema(NULL);

	add_members(schema, object);
	return schema;
}

/* Percentiles and the histogram of durations. */
static struct json_object *durations(void)
{
	static const enum column_id ids[] = { COLUMN_p50_ns, COLUMN_p90_ns, COLUMN_p99_ns,
					      COLUMN_max_ns };
	struct json_object *schema = object_schema(NULL);
	unsigned int i;

	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		add_property(schema, columns[ids[i]].name, parse(MAYBE_NUMBER), true);
	add_property(schema, "histogram", parse(LIST(LIST(INTEGER))), true);
	return schema;
}

static struct json_object *errors_form(void)
{
	struct json_object *schema = same_forms(op_names, GMEM_OP_MAX, MAYBE(REF("operation")));

	add_property(schema, "host_fault",
		     parse(MAYBE("{\"type\":\"object\",\"properties\":{\"refused\":" INTEGER
				 "},\"additionalProperties\":false}")),
		     true);
	return schema;
}

static struct json_object *definitions(void)
{
	static const char *const plain[] = { "identity", "timeline", "slot",	 "heat",
					     "slow",	 "finding",  "unchecked" };
	struct json_object *defs = json_object_new_object(), *one;
	const char *names[MAX_RULES];
	unsigned int i;

	one = object_schema("what gmemtop report --json prints");
	add_property(one, "version", json_object_new_object(), true);
	json_object_object_add(json_object_object_get(json_object_object_get(one, "properties"),
						      "version"),
			       "const", json_object_new_int(REPORT_VERSION));
	add_members(one, "report");
	json_object_object_add(defs, "report", one);
	one = object_of("identity");
	add_members(one, "vm");
	add_sum(one);
	json_object_object_add(defs, "vm", one);
	one = object_schema(NULL);
	add_sum(one);
	json_object_object_add(defs, "host", one);
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		json_object_object_add(defs, plain[i], object_of(plain[i]));
	one = same_forms(vm_counter_names, GMEM_VM_MAX, MAYBE_NUMBER);
	for (i = 0; i < GMEM_INST_MAX; i++)
		add_property(one, inst_counter_names[i], parse(MAYBE_NUMBER), true);
	json_object_object_add(defs, "counters", one);
	json_object_object_add(defs, "errors", errors_form());
	/* Names of errnos. */
	json_object_object_add(defs, "operation",
			       parse("{\"type\":\"object\",\"additionalProperties\":" INTEGER "}"));
	json_object_object_add(defs, "direction", durations());
	json_object_object_add(defs, "latency",
			       same_forms(direction_names, GMEM_DIRECTIONS, REF("direction")));
	json_object_object_add(defs, "sizes",
			       same_forms(direction_names, GMEM_DIRECTIONS, LIST(LIST(INTEGER))));
	one = durations();
	add_property(one, "count", parse(INTEGER), true);
	add_property(one, "sum_ns", parse(INTEGER), true);
	json_object_object_add(defs, "phase", one);
	json_object_object_add(defs, "phases",
			       same_forms(phase_names, GMEM_PHASE_MAX, REF("phase")));
	json_object_object_add(defs, "phases_ns",
			       same_forms(phase_names, GMEM_PHASE_MAX, MAYBE_NUMBER));
	one = same_forms(loss_names, GMEM_LOST_MAX, INTEGER);
	add_property(one, "missed", parse(INTEGER), true);
	json_object_object_add(defs, "lost", one);
	json_object_object_add(defs, "fact", enum_of(fact_names, GMEM_FACT_MAX));
	json_object_object_add(defs, "exit", enum_of(exit_names, GMEM_GUEST_EXIT_MAX));
	json_object_object_add(defs, "direction_name", enum_of(direction_names, GMEM_DIRECTIONS));
	for (i = 0; i < nr_rules; i++)
		names[i] = rules[i].name;
	json_object_object_add(defs, "rule", enum_of(names, nr_rules));
	return defs;
}

static void test_schema(void **state)
{
	struct json_object *schema = json_object_new_object(), *list = json_object_new_array();

	(void)state;
	add(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
	add(schema, "title", "The JSON of gmemtop report: one object");
	add(schema, "$comment",
	    "SPDX-License-Identifier: GPL-2.0-only. Made by tests/unit/report_schema_test.c.");
	json_object_array_add(list, parse(REF("report")));
	json_object_object_add(schema, "oneOf", list);
	json_object_object_add(schema, "$defs", definitions());
	compare_schema(SCHEMA, schema);
	json_object_put(schema);
}

/* Each member of the table is in the schema: an object that nothing names would be left out. */
static void test_all(void **state)
{
	struct json_object *defs = definitions();
	const char *text = json_object_to_json_string(defs);
	const struct member *m;
	char wanted[160];

	(void)state;
	for (m = members; m < members + sizeof(members) / sizeof(*members); m++) {
		snprintf(wanted, sizeof(wanted), "\"description\": \"%s\"", m->help);
		if (!strstr(text, wanted))
			fail_msg("%s.%s is not in the schema", m->object, m->name);
	}
	json_object_put(defs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests_name("report schema", tests, NULL, NULL);
}
