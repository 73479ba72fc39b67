// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <string.h>
#include <time.h>

#include "../lib/utf8.h"
#include "columns.h"
#include "events_format.h"
#include "key.h"
#include "session.h"

#define ATTRIBUTE_PRIVATE (1ULL << 3)
#define PAGE_SHIFT	  12
#define VALUE_LEN	  160
#define OTHER		  "other" /* a change of attributes that is no conversion */

struct bit {
	uint64_t bit;
	const char *name;
};

/* VM_FAULT_*, those that mean an error first. */
static const struct bit results[] = {
	{ 0x0001, "OOM" },
	{ 0x0002, "SIGBUS" },
	{ 0x0010, "HWPOISON" },
	{ 0x0040, "SIGSEGV" },
	{ 0x0020, "HWPOISON_LARGE" },
	{ 0x0800, "FALLBACK" },
	{ 0x0004, "MAJOR" },
	{ 0x0100, "NOPAGE" },
	{ 0x0200, "LOCKED" },
	{ 0x0400, "RETRY" },
	{ 0x1000, "DONE_COW" },
	{ 0x2000, "NEEDDSYNC" },
	{ 0x4000, "COMPLETED" },
	{ 0 },
};

static const struct bit flags[] = { { 1, "mmap" }, { 2, "init-shared" }, { 0 } };

static const char *const reasons[] = {
	[GMEM_REASON_ERROR] = "error",
	[GMEM_REASON_RELEASE] = "release",
};

static const char *const refused[GMEM_REFUSED_MAX] = {
#define X(name) #name,
	GMEM_REFUSED(X)
#undef X
};

/* The names of the bits of a value, what has no name as a number; @none if there is no bit. */
static void put_bits(char *buf, size_t size, uint64_t value, const struct bit *bits,
		     const char *none)
{
	size_t n = 0;

	snprintf(buf, size, "%s", none);
	for (; bits->bit; bits++) {
		if (value & bits->bit)
			n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? "," : "", bits->name);
		value &= ~bits->bit;
	}
	if (value)
		snprintf(buf + n, size - n, "%s%#llx", n ? "," : "", (unsigned long long)value);
}

const char *event_error(const struct gmem_event *e, char *buf, size_t size)
{
	const char *name;

	if (!e->ret)
		return NULL;
	if (e->event == GMEM_EV_host_fault) {
		put_bits(buf, size, (uint32_t)e->ret, results, "");
		return buf;
	}
	name = strerrorname_np(-e->ret);
	snprintf(buf, size, "%s", name ? name : "");
	if (!name)
		snprintf(buf, size, "%d", -e->ret);
	return buf;
}

/* The value as a word, for kinds that are words in JSON too. */
static void put_word(char *buf, size_t size, enum event_kind kind, uint64_t value)
{
	if (kind == EVENT_RESULT)
		put_bits(buf, size, value, results, "0");
	else if (kind == EVENT_REFUSED)
		snprintf(buf, size, "%s", value < GMEM_REFUSED_MAX ? refused[value] : "unknown");
	else
		snprintf(buf, size, "%s",
			 value < sizeof(reasons) / sizeof(reasons[0]) && reasons[value]
				 ? reasons[value]
				 : "unknown");
}

/* --- what follows from a conversion's values --- */

static bool known(const struct gmem_event *e, uint32_t bit)
{
	return !(e->unknown & bit);
}

static const char *direction(const struct gmem_event *e)
{
	if (!known(e, GMEM_EV_BIT(convert, attributes)))
		return NULL;
	if (e->convert.attributes == ATTRIBUTE_PRIVATE)
		return "to_private";
	return e->convert.attributes ? OTHER : "to_shared";
}

/*
 * What the range was before. There is one attribute: pages that changed had the other value. NULL:
 * it is not known how many changed, or there was no conversion.
 */
static const char *before(const struct gmem_event *e)
{
	bool private = e->convert.attributes == ATTRIBUTE_PRIVATE;

	if (e->ret || !known(e, GMEM_EV_BIT(convert, changed_pages)) ||
	    !known(e, GMEM_EV_BIT(convert, attributes)))
		return NULL;
	if (!e->convert.changed_pages)
		return private ? "private" : "shared";
	if (e->convert.changed_pages == e->convert.size >> PAGE_SHIFT)
		return private ? "shared" : "private";
	return "mixed";
}

/* --- JSON --- */

static void json_dev(struct json *json, const char *name, uint32_t dev)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%u:%u", dev >> 20, dev & 0xfffff);
	json_str(json, name, buf);
}

static void json_key(struct json *json, const char *name, uint64_t key)
{
	char text[KEY_LEN];

	json_str(json, name, key_text(key, text));
}

static void json_vm(struct json *json, const struct event_view *view)
{
	const struct gmem_event_vm *vm = &view->e->vm;

	if (!vm->id) {
		json_null(json, FIELD(event, vm));
		return;
	}
	json_open(json, FIELD(event, vm), '{');
	json_u64(json, FIELD(event_vm, id), vm->id);
	json_key(json, FIELD(event_vm, key), key_of_vm(vm->key_kind, vm->key));
	json_u64(json, FIELD(event_vm, pid), view->vm_pid);
	json_str(json, FIELD(event_vm, name), view->vm_name);
	json_str(json, FIELD(event_vm, type), vm_type_name(vm->type));
	json_close(json, '}');
}

/* The file that the process ran, as the kernel identifies it: its path may be another file by now. */
static void json_exe_inode(struct json *json, const struct gmem_event *e)
{
	if (!e->exe_ino) {
		json_null(json, FIELD(who, exe_inode));
		return;
	}
	json_open(json, FIELD(who, exe_inode), '{');
	json_dev(json, FIELD(exe_inode, dev), e->exe_dev);
	json_u64(json, FIELD(exe_inode, ino), e->exe_ino);
	json_u64(json, FIELD(exe_inode, generation), e->exe_generation);
	json_u64(json, FIELD(exe_inode, changed), e->exe_changed);
	if (e->exe_subvolume == GMEM_SUBVOLUME_UNKNOWN)
		json_null(json, FIELD(exe_inode, subvolume));
	else
		json_u64(json, FIELD(exe_inode, subvolume), e->exe_subvolume);
	json_close(json, '}');
}

static void json_who(struct json *json, const struct event_view *view)
{
	const struct gmem_event *e = view->e;
	char comm[sizeof(e->comm) + 1];

	snprintf(comm, sizeof(comm), "%.*s", (int)sizeof(e->comm), e->comm);
	json_open(json, FIELD(event, who), '{');
	json_u64(json, FIELD(who, pid), e->pid);
	json_u64(json, FIELD(who, tid), e->tid);
	json_str(json, FIELD(who, comm), comm);
	json_u64(json, FIELD(who, uid), e->uid);
	json_str(json, FIELD(who, exe), view->exe);
	json_exe_inode(json, e);
	json_str(json, FIELD(who, cgroup), view->cgroup);
	json_close(json, '}');
}

static void json_instance(struct json *json, const struct gmem_event *e)
{
	const struct gmem_event_inst *inst = &e->inst;

	if (!inst->ino) {
		json_null(json, FIELD(event, instance));
		return;
	}
	json_open(json, FIELD(event, instance), '{');
	json_key(json, FIELD(event_instance, key),
		 key_of_instance(key_of_vm(e->vm.key_kind, e->vm.key), inst->dev, inst->ino));
	json_dev(json, FIELD(event_instance, dev), inst->dev);
	json_u64(json, FIELD(event_instance, ino), inst->ino);
	json_u64(json, FIELD(event_instance, size), inst->size);
	json_u64(json, FIELD(event_instance, flags), inst->flags);
	json_close(json, '}');
}

static void json_fields(struct json *json, const struct gmem_event *e)
{
	const struct event_desc *d = &event_descs[e->event];
	const struct event_field *f;
	char word[VALUE_LEN];
	unsigned int i;

	for (i = 0; i < d->nr_fields; i++) {
		f = &d->fields[i];
		if (!known(e, 1U << i)) {
			json_null(json, f->name);
		} else if (f->kind == EVENT_BOOL) {
			json_bool(json, f->name, e->v[i]);
		} else if (f->kind == EVENT_REASON || f->kind == EVENT_REFUSED ||
			   f->kind == EVENT_RESULT) {
			put_word(word, sizeof(word), f->kind, e->v[i]);
			json_str(json, f->name, word);
		} else {
			json_u64(json, f->name, e->v[i]);
		}
	}
	if (e->event == GMEM_EV_convert) {
		json_str(json, FIELD(convert, direction), direction(e));
		json_str(json, FIELD(convert, before), before(e));
	}
}

static void json_stack(struct json *json, const char *name, unsigned int nr,
		       const char (*frames)[FRAME_LEN])
{
	unsigned int i;

	json_open(json, name, '[');
	for (i = 0; i < nr; i++)
		json_str(json, NULL, frames[i]);
	json_close(json, ']');
}

void event_json(struct json *json, const struct event_view *view)
{
	const struct gmem_event *e = view->e;
	char error[VALUE_LEN];

	json_open(json, NULL, '{');
	json_u64(json, FIELD(event, seq), e->seq);
	json_u64(json, FIELD(event, time_ns), view->time_ns);
	json_u64(json, FIELD(event, monotonic_ns), e->time_ns);
	json_str(json, FIELD(event, event), event_descs[e->event].name);
	json_vm(json, view);
	json_who(json, view);
	json_instance(json, e);
	json_fields(json, e);
	/* A fault has a result, not an errno. */
	if (e->event == GMEM_EV_host_fault)
		json_null(json, FIELD(event, errno));
	else
		json_u64(json, FIELD(event, errno), (uint64_t)(-(int64_t)e->ret));
	json_str(json, FIELD(event, error), event_error(e, error, sizeof(error)));
	if (view->stacks) {
		json_stack(json, FIELD(event, kernel_stack), view->nr_kernel, view->kernel);
		json_stack(json, FIELD(event, user_stack), view->nr_user, view->user);
	}
	json_close(json, '}');
}

/* --- text --- */

static void put_name(FILE *out, const char *name, size_t max)
{
	utf8_print(name, strnlen(name, max), out);
}

/* In the largest unit of which it is a multiple. */
static void text_size(char *buf, size_t size, uint64_t bytes)
{
	static const char units[] = "KMGT";
	size_t unit = 0;

	while (bytes && !(bytes & 1023) && unit < strlen(units)) {
		bytes >>= 10;
		unit++;
	}
	snprintf(buf, size, "%llu%.1s", (unsigned long long)bytes, unit ? units + unit - 1 : "");
}

static void text_duration(char *buf, size_t size, uint64_t ns)
{
	if (ns < 1000)
		snprintf(buf, size, "%lluns", (unsigned long long)ns);
	else if (ns < 1000000)
		snprintf(buf, size, "%.1fus", (double)ns / 1e3);
	else if (ns < NS_PER_S)
		snprintf(buf, size, "%.1fms", (double)ns / 1e6);
	else
		snprintf(buf, size, "%.3fs", (double)ns / 1e9);
}

static void text_value(char *buf, size_t size, enum event_kind kind, uint64_t value)
{
	unsigned long long v = value;

	switch (kind) {
	case EVENT_NUMBER: snprintf(buf, size, "%llu", v); break;
	case EVENT_ADDRESS:
	case EVENT_OFFSET:
	case EVENT_MODE:
	case EVENT_ATTRIBUTES: snprintf(buf, size, "%#llx", v); break;
	case EVENT_SIZE: text_size(buf, size, value); break;
	case EVENT_FLAGS: put_bits(buf, size, value, flags, "0"); break;
	case EVENT_PROT:
		snprintf(buf, size, "%c%c%c", value & 1 ? 'r' : '-', value & 2 ? 'w' : '-',
			 value & 4 ? 'x' : '-');
		break;
	case EVENT_BOOL: snprintf(buf, size, "%s", value ? "yes" : "no"); break;
	case EVENT_DURATION: text_duration(buf, size, value); break;
	case EVENT_REASON:
	case EVENT_REFUSED:
	case EVENT_RESULT: put_word(buf, size, kind, value); break;
	}
}

static void text_fields(FILE *out, const struct gmem_event *e)
{
	const struct event_desc *d = &event_descs[e->event];
	const char *word = e->event == GMEM_EV_convert ? direction(e) : NULL;
	bool said = word && strcmp(word, OTHER);
	char value[VALUE_LEN];
	unsigned int i;

	if (e->event == GMEM_EV_convert)
		fprintf(out, " %s", word ? word : "-");
	for (i = 0; i < d->nr_fields; i++) {
		if (d->fields[i].kind == EVENT_ATTRIBUTES && said)
			continue;
		snprintf(value, sizeof(value), "-");
		if (known(e, 1U << i))
			text_value(value, sizeof(value), d->fields[i].kind, e->v[i]);
		fprintf(out, " %s=%s", d->fields[i].name, value);
	}
}

static void text_stack(FILE *out, const char *what, unsigned int nr,
		       const char (*frames)[FRAME_LEN])
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		fprintf(out, "    %s ", what);
		put_name(out, frames[i], FRAME_LEN);
		fputc('\n', out);
	}
}

void event_text(FILE *out, const struct event_view *view)
{
	const char *vm_name = view->vm_name ? view->vm_name : "-";
	const struct gmem_event *e = view->e;
	time_t seconds = (time_t)(view->time_ns / NS_PER_S);
	char error[VALUE_LEN];
	struct tm tm;

	localtime_r(&seconds, &tm);
	fprintf(out, "%02d:%02d:%02d.%09llu %-11s ", tm.tm_hour, tm.tm_min, tm.tm_sec,
		(unsigned long long)(view->time_ns % NS_PER_S), event_descs[e->event].name);
	utf8_print(vm_name, strlen(vm_name), out);
	if (e->vm.id)
		fprintf(out, "[%u]", view->vm_pid);
	fputs(" by ", out);
	put_name(out, e->comm, sizeof(e->comm));
	fprintf(out, "[%u/%u] uid=%u", e->pid, e->tid, e->uid);
	if (e->inst.ino)
		fprintf(out, " inst=%u:%u:%llu", e->inst.dev >> 20, e->inst.dev & 0xfffff,
			(unsigned long long)e->inst.ino);
	text_fields(out, e);
	if (e->ret)
		fprintf(out, " error=%s", event_error(e, error, sizeof(error)));
	if (e->ret && e->event != GMEM_EV_host_fault)
		fprintf(out, "(%d)", -e->ret);
	fputc('\n', out);
	if (!view->stacks)
		return;
	text_stack(out, "kernel", view->nr_kernel, view->kernel);
	text_stack(out, "user  ", view->nr_user, view->user);
}
