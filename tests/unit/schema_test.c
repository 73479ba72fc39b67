// SPDX-License-Identifier: GPL-2.0-only
/*
 * contrib/gmemtop.schema.json is the one list of fields, with the form of each: this test makes it
 * from the list and compares. UPDATE=1 writes it anew.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "../../src/top/columns.h"
#include "../../src/top/events_list.h"
#include "../../src/top/model_phases.h"
#include "schema_forms.h"

#define SCHEMA "contrib/gmemtop.schema.json"

/* The form of fields that a kind does not say. */
static const struct {
	const char *object, *name, *form;
} forms[] = {
	{ "frame", "missing", LIST(REF("fact")) },
	{ "frame", "missing_because", LIST(TEXT) },
	{ "frame", "private_from", ENUM("\"statistic\",\"attributes\",null") },
	{ "frame", "lost", REF("lost") },
	{ "frame", "policy", MAYBE(REF("policy")) },
	{ "frame", "host", REF("host") },
	{ "frame", "ended", LIST(REF("ended")) },
	{ "frame", "vms", LIST(REF("vm")) },
	{ "vm", "counters", REF("counters") },
	{ "vm", "rates", REF("rates") },
	{ "vm", "errors_by_operation", REF("errors") },
	{ "vm", "last_error", MAYBE(REF("last_error")) },
	{ "vm", "latency", MAYBE(REF("latency")) },
	{ "vm", "heat", MAYBE(REF("heat")) },
	{ "vm", "instance_list", LIST(REF("instance")) },
	{ "vm", "binding_list", MAYBE(LIST(REF("binding"))) },
	{ "vm", "holder_list", LIST(REF("holder")) },
	{ "vm", "phases", MAYBE(REF("phases")) },
	{ "vm", "vcpu_list", LIST(REF("vcpu")) },
	{ "vm", "slowest", LIST(REF("slow")) },
	{ "vcpu", "phases", REF("phases") },
	{ "slow", "phases_ns", REF("phases_ns") },
	{ "slow", "direction", ENUM("\"to_private\",\"to_shared\"") },
	{ "host", "counters", REF("counters") },
	{ "host", "rates", REF("rates") },
	{ "host", "errors_by_operation", REF("errors") },
	{ "host", "latency", MAYBE(REF("latency")) },
	{ "direction", "histogram", LIST(LIST(INTEGER)) },
	{ "heat", "pages", LIST(INTEGER) },
	{ "ended", "last_error", MAYBE(REF("last_error")) },
	{ "last_error", "operation", REF("operation_name") },
	{ "policy", "mode", ENUM("\"enforce\",\"audit\",null") },
	{ "policy", "denied", REF("denials") },
	{ "policy", "would_deny", REF("denials") },
	{ "errors", "host_fault", MAYBE(REF("host_fault")) },
	{ "event", "vm", MAYBE(REF("event_vm")) },
	{ "event", "who", REF("who") },
	{ "event", "instance", MAYBE(REF("event_instance")) },
	{ "event", "kernel_stack", LIST(TEXT) },
	{ "event", "user_stack", LIST(TEXT) },
	{ "convert", "direction", ENUM("\"to_private\",\"to_shared\",\"other\",null") },
	{ "convert", "before", ENUM("\"private\",\"shared\",\"mixed\",null") },
	{ "who", "exe_inode", MAYBE(REF("exe_inode")) },
	{ "line", "stream", REF("stream") },
	{ "line", "lost", REF("gap") },
	{ "line", "summary", REF("summary") },
	{ "stream", "sources", REF("event_sources") },
	{ "summary", "events", REF("event_accounts") },
	{ "ledger", "balance", REF("balance") },
	{ "ledger", "accounts", LIST(REF("ledger_vm")) },
	{ "ledger", "payers", LIST(REF("payer")) },
	{ "ledger", "leaks", LIST(REF("leak")) },
	{ "balance", "unexplained_bytes", "{\"type\":\"integer\"}" },
	{ "ledger_vm", "advice", LIST(REF("advice")) },
	{ "ledger_vm", "charges", LIST(REF("charge")) },
	{ "ledger_vm", "folios", LIST(INTEGER) },
	{ "payer", "unexplained_bytes", "{\"type\":[\"integer\",\"null\"]}" },
};

#define P(X, name, ...) "binding.backing_" #name "_pages", "binding.waste_" #name "_pages",
#define BACKING_FIELDS	GMEM_BACKINGS(P, )
#define Q(X, name, ...) "ledger_vm.backing_" #name "_bytes", "ledger_vm.waste_" #name "_bytes",
#define ACCOUNT_FIELDS	GMEM_BACKINGS(Q, )

/* Fields that are null where they are unknown, beside columns. */
static const char *const nullable[] = {
	"ended.key",
	"instance.key",
	"binding.private_pages",
	"binding.resident_pages",
	"binding.backing_pages",
	"binding.waste_instance_pages",
	"host.errors",
	"host.denials",
	"binding.waste_backing_pages",
	BACKING_FIELDS "event.errno",
	"event.error",
	"event_vm.key",
	"event_vm.name",
	"who.exe",
	"who.cgroup",
	"exe_inode.subvolume",
	"event_instance.key",
	"gap.after_seq",
	"gap.before_seq",
	"ledger_vm.key",
	"ledger_vm.pid",
	"ledger_vm.cgroup",
	"ledger_vm.private_bytes",
	"ledger_vm.shared_bytes",
	"ledger_vm.unbound_bytes",
	"ledger_vm.waste_instance_bytes",
	ACCOUNT_FIELDS "ledger_vm.guest_tables_bytes",
	"ledger_vm.vmm_bytes",
	"charge.cgroup",
	"charge.cgroup_id",
	"payer.cgroup",
	"payer.current_bytes",
	"payer.anonymous_bytes",
	"payer.kernel_bytes",
	"payer.guest_tables_bytes",
	"leak.pid",
	"leak.comm",
};

/* Fields that are not always there: only where an option asks for them, or something happened. */
static const char *const optional[] = {
	"vm.heat",
	"vm.instance_list",
	"vm.binding_list",
	"vm.holder_list",
	"vm.phases",
	"vm.vcpu_list",
	"vm.slowest",
	"binding.private_pages",
	"binding.resident_pages",
	"binding.backing_pages",
	"host_fault.refused",
	"binding.waste_instance_pages",
	"event.kernel_stack",
	"event.user_stack",
	"binding.waste_backing_pages",
	BACKING_FIELDS "operation.other",
	/* Follow from the rest: gmemtop record leaves them out. */
	"vm.rates",
	"host.rates",
};

/* Columns that are never null. */
static const enum column_id never_null[] = {
	COLUMN_id,	   COLUMN_name,		  COLUMN_state,
	COLUMN_size_pages, COLUMN_resident_pages, COLUMN_instances,
};

static bool is_in(const char *const *list, size_t nr, const char *object, const char *name)
{
	char path[96];
	size_t i;

	snprintf(path, sizeof(path), "%s.%s", object, name);
	for (i = 0; i < nr && strcmp(list[i], path); i++)
		;
	return i < nr;
}

#define IS_IN(list, object, name) is_in(list, sizeof(list) / sizeof((list)[0]), object, name)

/* --- parts of the schema --- */

static struct json_object *form_of_field(const struct field *field)
{
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct json_object *form, *outer;

		if (strcmp(forms[i].object, field->object) || strcmp(forms[i].name, field->name))
			continue;
		outer = json_object_new_object();
		form = parse(forms[i].form);
		add(outer, "description", field->help);
		json_object_object_foreach(form, keyword, value)
			json_object_object_add(outer, keyword, json_object_get(value));
		json_object_put(form);
		return outer;
	}
	return form_of(field->kind, field->unit, field->help,
		       IS_IN(nullable, field->object, field->name));
}

static void add_fields(struct json_object *schema, const char *object)
{
	unsigned int i, before = 0;

	for (i = 0; i < NR_FIELDS; i++) {
		if (strcmp(fields[i].object, object))
			continue;
		before++;
		add_property(schema, fields[i].name, form_of_field(&fields[i]),
			     !IS_IN(optional, object, fields[i].name));
	}
	if (!before)
		fail_msg("there is no object %s", object);
}

/* Columns from @first up to @end; @suffix: what their names have more than their members. */
static void add_columns(struct json_object *schema, unsigned int first, unsigned int end,
			const char *suffix)
{
	const struct column *column;
	char name[64];
	size_t i;

	for (column = columns + first; column < columns + end; column++) {
		for (i = 0; i < sizeof(never_null) / sizeof(never_null[0]); i++) {
			if (column == columns + never_null[i])
				break;
		}
		snprintf(name, sizeof(name), "%.*s", (int)(strlen(column->name) - strlen(suffix)),
			 column->name);
		add_property(schema, name,
			     form_of(column->kind, column->unit, column->help,
				     i == sizeof(never_null) / sizeof(never_null[0])),
			     !column->wants);
	}
}

static struct json_object *event_form(const struct event_desc *event)
{
	static const char *const types[] = {
#define X(name, type) type,
		GMEM_KINDS(X)
#undef X
	};
	struct json_object *schema = object_schema(event->text), *form, *type;
	const char *written;
	char constant[64];
	unsigned int i;

	add_fields(schema, "event");
	snprintf(constant, sizeof(constant), "{\"const\":\"%s\"}", event->name);
	json_object_object_add(json_object_object_get(schema, "properties"), "event",
			       parse(constant));
	for (i = 0; i < event->nr_fields; i++) {
		written = types[event->fields[i].kind];
		form = json_object_new_object();
		add(form, "description", event->fields[i].text);
		type = json_object_new_array();
		json_object_array_add(
			type, json_object_new_string(!strcmp(written, "string")	  ? "string"
						     : !strcmp(written, "number") ? "integer"
										  : "boolean"));
		json_object_array_add(type, json_object_new_string("null"));
		json_object_object_add(form, "type", type);
		add_property(schema, event->fields[i].name, form, true);
	}
	if (event == &event_descs[GMEM_EV_convert])
		add_fields(schema, "convert");
	return schema;
}

/* --- the whole --- */

static const char *const plain_objects[] = {
	"frame",  "last_error", "ended",      "heat",	  "instance",  "binding",
	"holder", "policy",	"host_fault", "event_vm", "who",       "exe_inode",
	"stream", "gap",	"host",	      "account",  "summary",   "event_instance",
	"vcpu",	  "slow",	"ledger",     "balance",  "ledger_vm", "advice",
	"charge", "payer",	"leak",
};

static struct json_object *errors_form(void)
{
	struct json_object *schema = object_schema(NULL);
	unsigned int i;

	for (i = 0; i < GMEM_OP_MAX; i++)
		add_property(schema, op_names[i], parse(MAYBE(REF("operation"))), true);
	add_fields(schema, "errors");
	return schema;
}

static struct json_object *definitions(void)
{
	const char *names[GMEM_EV_MAX];
	struct json_object *defs = json_object_new_object(), *one;
	char name[64];
	unsigned int i;

	one = object_schema(NULL);
	add_columns(one, 0, NR_VM_MEMBERS, "");
	json_object_object_add(json_object_object_get(one, "properties"), "state",
			       enum_of(state_names, NR_STATES));
	add_fields(one, "vm");
	json_object_object_add(defs, "vm", one);
	one = object_schema(NULL);
	add_columns(one, COLUMN_to_private, COLUMN_to_private_rate, "");
	json_object_object_add(defs, "counters", one);
	one = object_schema(NULL);
	add_columns(one, COLUMN_to_private_rate, NR_COLUMNS, "_rate");
	add_columns(one, COLUMN_errors_rate, COLUMN_errors_rate + 1, "_rate");
	add_columns(one, COLUMN_denials_rate, COLUMN_denials_rate + 1, "_rate");
	json_object_object_add(defs, "rates", one);
	one = object_schema(NULL);
	add_columns(one, COLUMN_guest_faults, COLUMN_to_private_rate, "");
	json_object_object_add(defs, "instance_counters", one);
	one = object_schema(NULL);
	add_columns(one, COLUMN_p50_ns, COLUMN_to_private, "");
	add_fields(one, "direction");
	json_object_object_add(defs, "direction", one);
	one = object_schema(NULL);
	add_columns(one, COLUMN_p50_ns, COLUMN_to_private, "");
	add_fields(one, "direction");
	add_fields(one, "phase");
	json_object_object_add(defs, "phase", one);
	json_object_object_add(defs, "phases",
			       same_forms(phase_names, GMEM_PHASE_MAX, MAYBE(REF("phase"))));
	json_object_object_add(defs, "phases_ns",
			       same_forms(phase_names, GMEM_PHASE_MAX,
					  "{\"type\":[\"integer\",\"null\"],\"minimum\":0}"));
	for (i = 0; i < sizeof(plain_objects) / sizeof(plain_objects[0]); i++) {
		one = object_schema(NULL);
		add_fields(one, plain_objects[i]);
		if (!strcmp(plain_objects[i], "instance"))
			add_property(one, FIELD(vm, counters), parse(REF("instance_counters")),
				     true);
		json_object_object_add(defs, plain_objects[i], one);
	}
	json_object_object_add(defs, "latency",
			       same_forms(direction_names, GMEM_DIRECTIONS, REF("direction")));
	json_object_object_add(defs, "errors", errors_form());
	one = object_schema(NULL);
	add_fields(one, "operation");
	/* Names of errnos. */
	json_object_object_add(one, "additionalProperties", parse(INTEGER));
	json_object_object_add(defs, "operation", one);
	one = same_forms(loss_names, GMEM_LOST_MAX, INTEGER);
	add_fields(one, "lost");
	json_object_object_add(defs, "lost", one);
	json_object_object_add(defs, "denials",
			       same_forms(policy_operation_names, POLICY_OPERATIONS, INTEGER));
	json_object_object_add(defs, "fact", enum_of(fact_names, GMEM_FACT_MAX));
	json_object_object_add(defs, "operation_name", enum_of(op_names, GMEM_OP_MAX));
	for (i = 0; i < GMEM_EV_MAX; i++) {
		names[i] = event_descs[i].name;
		snprintf(name, sizeof(name), "event_%s", names[i]);
		json_object_object_add(defs, name, event_form(&event_descs[i]));
	}
	json_object_object_add(defs, "event_sources",
			       same_forms(names, GMEM_EV_MAX, "{\"type\":[\"string\",\"null\"]}"));
	one = same_forms(names, GMEM_EV_MAX, REF("account"));
	/* Only those that were asked for. */
	json_object_object_del(one, "required");
	json_object_object_add(defs, "event_accounts", one);
	json_object_object_add(
		json_object_object_get(json_object_object_get(json_object_object_get(defs, "frame"),
							      "properties"),
				       "version"),
		"const", json_object_new_int(JSON_VERSION));
	json_object_object_add(
		json_object_object_get(json_object_object_get(json_object_object_get(defs, "ledger"),
							      "properties"),
				       "version"),
		"const", json_object_new_int(JSON_VERSION));
	return defs;
}

/* The lines: a frame, an event, what is around events, and an error on standard error. */
static struct json_object *lines(void)
{
	struct json_object *list = json_object_new_array(), *one, *line = object_schema(NULL);
	char text[64];
	unsigned int i;

	json_object_array_add(list, parse(REF("frame")));
	json_object_array_add(list, parse(REF("ledger")));
	for (i = 0; i < GMEM_EV_MAX; i++) {
		snprintf(text, sizeof(text), REF("event_%s"), event_descs[i].name);
		json_object_array_add(list, parse(text));
	}
	add_fields(line, "line");
	json_object_object_foreach(json_object_object_get(line, "properties"), name, form)
	{
		one = object_schema(NULL);
		add_property(one, name, json_object_get(form), true);
		json_object_array_add(list, one);
	}
	json_object_put(line);
	one = object_schema("on standard error");
	add_property(
		one, "error",
		parse("{\"type\":\"object\",\"properties\":{\"what\":" TEXT ",\"why\":" TEXT
		      ",\"todo\":{\"type\":[\"string\",\"null\"]}},"
		      "\"required\":[\"what\",\"why\",\"todo\"],\"additionalProperties\":false}"),
		true);
	json_object_array_add(list, one);
	return list;
}

static struct json_object *whole(void)
{
	struct json_object *schema = json_object_new_object();

	add(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
	add(schema, "title",
	    "The JSON of gmemtop, gmemtop events and gmemtop memory: one object on each line");
	add(schema, "$comment",
	    "SPDX-License-Identifier: GPL-2.0-only. Made from the list of fields by "
	    "tests/unit/schema_test.c.");
	json_object_object_add(schema, "oneOf", lines());
	json_object_object_add(schema, "$defs", definitions());
	return schema;
}

static void test_schema(void **state)
{
	struct json_object *schema = whole();

	(void)state;
	compare_schema(SCHEMA, schema);
	json_object_put(schema);
}

/* Each field is in the schema: an object that no table above names would be left out. */
static void test_all(void **state)
{
	struct json_object *schema = whole();
	const char *text = json_object_to_json_string(schema);
	char wanted[160];
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_FIELDS; i++) {
		snprintf(wanted, sizeof(wanted), "\"description\": \"%s\"", fields[i].help);
		if (!strstr(text, wanted) && strcmp(fields[i].name, "event"))
			fail_msg("%s.%s is not in the schema", fields[i].object, fields[i].name);
	}
	json_object_put(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
