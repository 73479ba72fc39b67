// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl holders: who holds which instance, and could read guest memory now. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libsmartcols/libsmartcols.h>

#include "../../lib/json.h"
#include "../../lib/log.h"
#include "../ctl.h"
#include "../print.h"
#include "../kernel/holders.h"
#include "../kernel/in_force.h"
#include "../../lib/namespaces.h"
#include "../../policy/compile.h"
#include "../../policy/decide.h"
#include "../../policy/request.h"
#include "../../policy/value.h"
#include "../kernel/who.h"

#define TEXT	     4096
#define DEV_MAJ(dev) ((dev) >> 20)
#define DEV_MIN(dev) (0xfffff & (dev))

/* What who holds an instance this way would do with it: operation and protection. */
static const struct {
	enum gmem_operation op;
	__u32 prot;
} uses[GMEM_HELD_BY_MAX] = {
	[GMEM_HELD_BY_fd] = { GMEM_DO_mmap, 1 },
	[GMEM_HELD_BY_mapping] = { GMEM_DO_fault, 1 },
	[GMEM_HELD_BY_socket] = { GMEM_DO_receive, 0 },
	[GMEM_HELD_BY_binding] = { GMEM_DO_bind, 0 },
};

/* Everything that is known of a holder. */
struct view {
	const struct in_force *force;
	const struct held_instance *instance;
	const struct holder *holder;
	struct who_process *who; /* exe, uid and cgroup; empty if it is gone */
	bool alive;
	int standing_ret; /* of in_force_resolve() */
	struct standing standing;
	int known; /* as of in_force_knows() */
};

/* Called with each decision that a holder's places ask for. */
typedef void (*decided_fn)(const struct view *view, const struct gmem_request *request,
			   const struct gmem_decision *decision, void *data);

static __u32 flags_of(const struct held_instance *instance)
{
	if (instance->flags == GMEM_UNKNOWN)
		return GMEM_FLAGS_unknown;
	return GMEM_FLAGS_OF(instance->flags);
}

static char *flags_text(const struct held_instance *instance, char text[REQUEST_TEXT])
{
	struct gmem_request request = { .op = GMEM_DO_create, .flags = flags_of(instance) };

	return request_value(&request, POLICY_IF_flags, text);
}

static const char *vm_type_name(const struct held_instance *instance)
{
	__u32 type = held_type(instance);

	return type == GMEM_TYPE_unknown ? NULL : value_name(VALUE_TYPE, type);
}

static void each_decision(const struct view *view, decided_fn decided, void *data)
{
	const struct held_instance *instance = view->instance;
	struct gmem_decision decision;
	__u32 done = 0;
	size_t i;

	if (!view->force->word || view->standing_ret || view->known < 0)
		return;
	for (i = 0; i < view->holder->nr; i++) {
		const struct gmem_found *place = &view->holder->places[i];
		struct gmem_request request = {
			.op = uses[place->how].op,
			.flags = flags_of(instance),
			.type = held_type(instance),
			.prot = uses[place->how].prot,
			.size = instance->size ?: POLICY_VALUE_UNKNOWN,
		};

		/* Only where it is in the guest is different from place to place. */
		if (place->how != GMEM_HELD_BY_binding && done >> place->how & 1)
			continue;
		done |= 1U << place->how;
		if (place->how == GMEM_HELD_BY_binding) {
			request.start = place->at;
			request.end = place->end;
		}
		decision = in_force_decide(view->force, &view->standing, view->known, &request);
		decided(view, &request, &decision, data);
	}
}

/* The name of what decides, and its line. */
static const char *decider(const struct view *view, __u32 rule, unsigned int op, char number[32],
			   unsigned int *line)
{
	const struct policy *policy = view->force->policy;

	*line = 0;
	if (rule == GMEM_RULE_UNKNOWN)
		return "(instance from before the policy)";
	if (rule == GMEM_RULE_BROKEN)
		return "(no identity)";
	if (rule >= GMEM_MAX_RULES) {
		*line = policy ? policy->default_places[op].line : 0;
		return "(default)";
	}
	if (policy && rule < policy->nr_rules) {
		*line = policy->rules[rule].place.line;
		return policy->rules[rule].name;
	}
	snprintf(number, 32, "rule number %u", rule + 1);
	return number;
}

static const char *verdict_of(const struct view *view, const struct gmem_decision *decision)
{
	if (!decision->deny)
		return "allowed";
	return GMEM_ACTIVE_ENFORCES(view->force->word) ? "denied" : "would_deny";
}

/* Called with the name of each subject that the holder is. */
static void each_subject(const struct view *view, void (*name)(const char *name, void *data),
			 void *data)
{
	const struct policy *policy = view->force->policy;
	char number[32];
	unsigned int i;

	for (i = 0; i < GMEM_MAX_SUBJECTS; i++) {
		if (!set_has(&view->standing.subjects, i))
			continue;
		snprintf(number, sizeof(number), "subject number %u", i + 1);
		name(policy && i < policy->nr_subjects ? policy->subjects[i].name : number, data);
	}
}

/* --- JSON --- */

static void json_hex(struct json *json, const char *name, __u64 value)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%llx", value);
	json_str(json, name, text);
}

static void json_name(const char *name, void *data)
{
	json_str(data, NULL, name);
}

static void json_decision(const struct view *view, const struct gmem_request *request,
			  const struct gmem_decision *decision, void *data)
{
	struct json *json = data;
	unsigned int line;
	char number[32];

	json_open(json, NULL, '{');
	json_str(json, "operation", value_name(VALUE_OPERATION, request->op));
	json_str(json, "verdict", verdict_of(view, decision));
	json_str(json, "rule", decider(view, decision->rule, request->op, number, &line));
	json_line(json, "line", line);
	json_close(json, '}');
}

static void json_places(struct json *json, const struct view *view)
{
	char prot[REQUEST_TEXT];
	size_t i;

	json_open(json, "fds", '[');
	for (i = 0; i < view->holder->nr; i++) {
		if (view->holder->places[i].how == GMEM_HELD_BY_fd)
			json_u64(json, NULL, view->holder->places[i].at);
	}
	json_close(json, ']');
	json_open(json, "sockets", '[');
	for (i = 0; i < view->holder->nr; i++) {
		if (view->holder->places[i].how == GMEM_HELD_BY_socket)
			json_u64(json, NULL, view->holder->places[i].at);
	}
	json_close(json, ']');
	json_open(json, "mappings", '[');
	for (i = 0; i < view->holder->nr; i++) {
		const struct gmem_found *place = &view->holder->places[i];

		if (place->how != GMEM_HELD_BY_mapping)
			continue;
		json_open(json, NULL, '{');
		json_hex(json, "start", place->at);
		json_hex(json, "end", place->end);
		json_u64(json, "offset", place->offset);
		json_str(json, "prot",
			 place->prot ? value_list(VALUE_PROT, place->prot, ",", prot, sizeof(prot))
				     : "none");
		json_close(json, '}');
	}
	json_close(json, ']');
	json_open(json, "bindings", '[');
	for (i = 0; i < view->holder->nr; i++) {
		const struct gmem_found *place = &view->holder->places[i];

		if (place->how != GMEM_HELD_BY_binding)
			continue;
		json_open(json, NULL, '{');
		json_hex(json, "guest_address", place->at);
		json_u64(json, "size", place->end - place->at);
		json_u64(json, "offset", place->offset);
		json_bool(json, "runs", place->same_mm);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_standing(struct json *json, const struct view *view)
{
	const struct standing *standing = &view->standing;

	if (!view->force->word || view->standing_ret) {
		json_null(json, "exe_inode");
		json_null(json, "subjects");
	} else {
		if (standing->tagged)
			json_identity(json, "exe_inode", &standing->exe);
		else
			json_null(json, "exe_inode");
		json_open(json, "subjects", '[');
		each_subject(view, json_name, json);
		json_close(json, ']');
	}
	json_open(json, "decisions", '[');
	each_decision(view, json_decision, json);
	json_close(json, ']');
}

static void json_holder(struct json *json, const struct view *view)
{
	char comm[sizeof(view->holder->places->comm) + 1] = "";

	memcpy(comm, view->holder->places->comm, sizeof(view->holder->places->comm));
	json_open(json, NULL, '{');
	json_u64(json, "pid", view->holder->places->tgid);
	json_str(json, "comm", comm);
	if (view->alive)
		json_u64(json, "uid", view->who->who.uid);
	else
		json_null(json, "uid");
	json_str(json, "exe", view->alive && *view->who->exe ? view->who->exe : NULL);
	json_str(json, "cgroup", view->alive && *view->who->cgroup ? view->who->cgroup : NULL);
	json_places(json, view);
	json_standing(json, view);
	json_close(json, '}');
}

static void json_instance(struct json *json, const struct view *view)
{
	const struct held_instance *instance = view->instance;
	char text[REQUEST_TEXT], dev[DEV_TEXT];

	json_open(json, NULL, '{');
	json_str(json, "dev", dev_text(instance->dev, dev));
	json_u64(json, "ino", instance->ino);
	if (instance->size)
		json_u64(json, "size", instance->size);
	else
		json_null(json, "size");
	json_str(json, "flags", flags_text(instance, text));
	if (instance->kvm) {
		json_open(json, "vm", '{');
		json_u64(json, "pid", instance->vm_pid);
		json_str(json, "type", vm_type_name(instance));
		json_close(json, '}');
	} else {
		json_null(json, "vm");
	}
	if (view->force->word && view->known >= 0)
		json_bool(json, "known_to_policy", view->known);
	else
		json_null(json, "known_to_policy");
	json_open(json, "holders", '[');
}

static void json_policy(struct json *json, const struct in_force *force)
{
	if (!force->word) {
		json_null(json, "policy");
		return;
	}
	json_open(json, "policy", '{');
	json_str(json, "name", force->policy ? force->policy->name : NULL);
	json_u64(json, "generation", GMEM_ACTIVE_GENERATION(force->word));
	json_str(json, "mode", GMEM_ACTIVE_ENFORCES(force->word) ? "enforce" : "audit");
	json_close(json, '}');
}

/* --- text --- */

enum column {
	COLUMN_INSTANCE,
	COLUMN_SIZE,
	COLUMN_FLAGS,
	COLUMN_VM,
	COLUMN_PID,
	COLUMN_COMMAND,
	COLUMN_UID,
	COLUMN_HOLDS,
	COLUMN_SUBJECTS,
	COLUMN_POLICY,
	COLUMN_EXE,
	COLUMN_MAX
};

static const struct {
	const char *title;
	bool right, policy; /* only where one is in force */
} columns[COLUMN_MAX] = {
	[COLUMN_INSTANCE] = { "INSTANCE", false, false },
	[COLUMN_SIZE] = { "SIZE", true, false },
	[COLUMN_FLAGS] = { "FLAGS", false, false },
	[COLUMN_VM] = { "VM", true, false },
	[COLUMN_PID] = { "PID", true, false },
	[COLUMN_COMMAND] = { "COMMAND", false, false },
	[COLUMN_UID] = { "UID", true, false },
	[COLUMN_HOLDS] = { "HOLDS", false, false },
	[COLUMN_SUBJECTS] = { "SUBJECTS", false, true },
	[COLUMN_POLICY] = { "POLICY", false, true },
	[COLUMN_EXE] = { "EXE", false, false },
};

struct text {
	char buf[TEXT];
	size_t len;
};

__attribute__((format(printf, 3, 4))) static void append(struct text *text, const char *separator,
							 const char *fmt, ...)
{
	va_list args;
	int n;

	if (text->len)
		text->len +=
			(size_t)snprintf(text->buf + text->len, TEXT - text->len, "%s", separator);
	if (text->len >= TEXT)
		goto full;
	va_start(args, fmt);
	n = vsnprintf(text->buf + text->len, TEXT - text->len, fmt, args);
	va_end(args);
	text->len += (size_t)n;
	if (text->len < TEXT)
		return;
full:
	/* Cut off is said to be cut off. */
	strcpy(text->buf + TEXT - 4, "...");
	text->len = TEXT - 1;
}

static void text_name(const char *name, void *data)
{
	append(data, ",", "%s", name);
}

static void text_decision(const struct view *view, const struct gmem_request *request,
			  const struct gmem_decision *decision, void *data)
{
	const char *verdict = verdict_of(view, decision);
	unsigned int line;
	char number[32];

	append(data, "; ", "%s %s by %s", value_name(VALUE_OPERATION, request->op),
	       strcmp(verdict, "would_deny") ? verdict : "would be denied",
	       decider(view, decision->rule, request->op, number, &line));
}

static void text_places(const struct view *view, struct text *text)
{
	char size[VALUE_SIZE_TEXT];
	size_t i;

	for (i = 0; i < view->holder->nr; i++) {
		const struct gmem_found *place = &view->holder->places[i];

		switch (place->how) {
		case GMEM_HELD_BY_fd: append(text, "; ", "fd %llu", place->at); break;
		case GMEM_HELD_BY_socket:
			append(text, "; ", "under way in the socket fd %llu", place->at);
			break;
		case GMEM_HELD_BY_mapping:
			append(text, "; ", "mapping 0x%llx-0x%llx %c%c%c", place->at, place->end,
			       place->prot & 1 ? 'r' : '-', place->prot & 2 ? 'w' : '-',
			       place->prot & 4 ? 'x' : '-');
			break;
		default:
			append(text, "; ", "%s 0x%llx+%s%s", held_by_names[place->how], place->at,
			       value_size_text(place->end - place->at, size),
			       place->same_mm ? "" : " (cannot run the VM)");
		}
	}
}

static void set(struct libscols_line *line, enum column column, const char *data)
{
	scols_line_set_data(line, column, data && *data ? data : "-");
}

static void print_holder(struct libscols_table *table, const struct view *view)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	const struct held_instance *instance = view->instance;
	char number[64], size[VALUE_SIZE_TEXT], flags[REQUEST_TEXT];
	struct text text = { .len = 0 };

	if (!line)
		return;
	snprintf(number, sizeof(number), "%u:%u/%llu", DEV_MAJ(instance->dev),
		 DEV_MIN(instance->dev), instance->ino);
	set(line, COLUMN_INSTANCE, number);
	set(line, COLUMN_SIZE, instance->size ? value_size_text(instance->size, size) : NULL);
	set(line, COLUMN_FLAGS, flags_text(instance, flags));
	snprintf(number, sizeof(number), "%u", instance->vm_pid);
	set(line, COLUMN_VM, instance->kvm ? number : NULL);
	snprintf(number, sizeof(number), "%u", view->holder->places->tgid);
	set(line, COLUMN_PID, number);
	snprintf(number, sizeof(number), "%.16s", view->holder->places->comm);
	set(line, COLUMN_COMMAND, number);
	set(line, COLUMN_UID, view->alive ? view->who->uid : NULL);
	text_places(view, &text);
	set(line, COLUMN_HOLDS, text.buf);
	set(line, COLUMN_EXE, view->alive ? view->who->exe : NULL);
	if (!view->force->word)
		return;
	text = (struct text){ .len = 0 };
	each_subject(view, text_name, &text);
	set(line, COLUMN_SUBJECTS, view->standing.tagged && !text.len ? "none" : text.buf);
	text = (struct text){ .len = 0 };
	each_decision(view, text_decision, &text);
	set(line, COLUMN_POLICY, text.buf);
}

static struct libscols_table *new_table(bool policy)
{
	struct libscols_table *table = scols_new_table();
	struct libscols_column *column;
	unsigned int i;

	for (i = 0; table && i < COLUMN_MAX; i++) {
		column = scols_table_new_column(table, columns[i].title, 0,
						columns[i].right ? SCOLS_FL_RIGHT : 0);
		if (column && columns[i].policy && !policy)
			scols_column_set_flags(column, SCOLS_FL_HIDDEN);
	}
	return table;
}

/* --- all of it --- */

static void look_at(struct view *view)
{
	unsigned int pid = view->holder->places->tgid;
	const char *cgroup;

	view->alive = !who_of_process(pid, view->who);
	cgroup = *view->who->cgroup ? view->who->cgroup : NULL;
	memset(&view->standing, 0, sizeof(view->standing));
	view->standing_ret = view->force->word ? -ESRCH : 0;
	if (view->force->word && view->alive)
		view->standing_ret = in_force_resolve(view->force, pid, view->who->who.uid, cgroup,
						      &view->standing);
}

static int show(const struct held *held, const struct found_holders *found,
		const struct in_force *force, bool as_json)
{
	struct view view = { .force = force };
	struct libscols_table *table = NULL;
	struct json json = { 0 };
	size_t i, j;
	int ret = 0;

	view.who = calloc(1, sizeof(*view.who));
	if (!as_json)
		table = new_table(force->word);
	if (!view.who || (!as_json && !table)) {
		ret = -ENOMEM;
		goto out;
	}
	report_begin(&json, REPORT_holders);
	json_policy(&json, force);
	json_bool(&json, "bindings_known", found->knows_kvm);
	json_u64(&json, "vms_unread", found->unread);
	json_open(&json, "instances", '[');
	for (i = 0; i < held->nr; i++) {
		view.instance = &held->instances[i];
		view.known = -ENOENT;
		if (force->word)
			view.known = in_force_knows(force, view.instance);
		json_instance(&json, &view);
		for (j = 0; j < view.instance->nr; j++) {
			view.holder = &view.instance->holders[j];
			look_at(&view);
			if (as_json)
				json_holder(&json, &view);
			else
				print_holder(table, &view);
		}
		json_close(&json, ']');
		json_close(&json, '}');
	}
	json_close(&json, ']');
	if (as_json)
		ret = report_end(&json);
	else if (held->nr)
		scols_print_table(table);
	else
		printf("nobody holds an instance\n");
out:
	scols_unref_table(table);
	json_free(&json);
	free(view.who);
	return ret;
}

int ctl_holders(const struct ctl_options *opts)
{
	struct found_holders found;
	struct in_force force;
	struct finder finder;
	struct held held;
	int ret;

	ret = namespaces_check("list the holders");
	ret = ret ?: in_force_open(&force, opts->pins);
	if (ret)
		return ret;
	finder_open(&finder, NULL);
	ret = find_holders(&finder, &found);
	finder_close(&finder);
	if (ret)
		goto out;
	ret = holders_group(&found, &held);
	if (!ret) {
		if (!found.knows_kvm)
			log_note("KVM is not loaded: neither VMs nor bindings are known");
		if (found.unread)
			log_note("the bindings of %zu VMs could not be read: look again",
				 found.unread);
		ret = show(&held, &found, &force, opts->json);
		held_free(&held);
	}
	if (ret)
		ret = log_error(ret, NULL, NULL, "show who holds instances");
	holders_free(&found);
out:
	in_force_close(&force);
	return ret;
}
