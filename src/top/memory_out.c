// SPDX-License-Identifier: GPL-2.0-only
/* The ledger as text and as JSON. Pure. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "key.h"
#include "memory.h"
#include "tui_text.h"

void memory_split(struct model *model, const struct model_vm *vm, struct memory_split *split)
{
	uint64_t bound = 0, private = 0, resident = vm->resident;
	const struct model_binding *b;
	size_t i, nr;

	b = model_bindings_of(model, vm->now.id, &nr);
	split->private = split->shared = split->unbound = GMEM_UNKNOWN;
	if (vm->bound == GMEM_UNKNOWN)
		return;
	for (i = 0; i < nr; i++) {
		if (b[i].now.resident == GMEM_UNKNOWN || b[i].now.private_resident == GMEM_UNKNOWN)
			return;
		bound += b[i].now.resident;
		private += b[i].now.private_resident;
	}
	/* Pages came or went between the two counts. */
	if (bound > resident)
		bound = resident;
	if (private > bound)
	private = bound;
	split->private = private;
	split->shared = bound - private;
	split->unbound = resident - bound;
}

static uint64_t bytes_of(uint64_t pages)
{
	return pages == GMEM_UNKNOWN ? GMEM_UNKNOWN : pages * PAGE_BYTES;
}

static const char *cgroup_path_of(const struct memledger *ledger, uint64_t id)
{
	size_t i;

	for (i = 0; i < ledger->nr_cgroups; i++) {
		if (ledger->cgroups[i].id == id)
			return ledger->cgroups[i].path;
	}
	return NULL;
}

static const struct memledger_vm *entry_of(const struct memledger *ledger, uint64_t vm_id)
{
	static const struct memledger_vm unknown = { .guest_tables = GMEM_UNKNOWN,
						     .own = GMEM_UNKNOWN };
	size_t i;

	for (i = 0; i < ledger->nr_vms; i++) {
		if (ledger->vms[i].vm_id == vm_id)
			return &ledger->vms[i];
	}
	return &unknown;
}

static bool is_shown(const struct memory_view *view, const struct model_vm *vm)
{
	return !vm->gone && vm->now.id != GMEM_ID_OTHER && batch_wanted(view->batch, vm);
}

/* What is held twice, by kind; GMEM_UNKNOWN where unknown. */
static uint64_t twice_of(const struct model_vm *vm, int kind)
{
	return kind == LEDGER_INSTANCE ? vm->waste_instance : vm->twice[kind];
}

/* --- JSON --- */

static void put(struct json *json, const char *name, uint64_t n)
{
	if (n == GMEM_UNKNOWN)
		json_null(json, name);
	else
		json_u64(json, name, n);
}

static void put_balance(struct json *json, const struct memledger *ledger)
{
	json_open(json, FIELD(ledger, balance), '{');
	json_u64(json, FIELD(balance, used_bytes), ledger->used);
	json_i64(json, FIELD(balance, unexplained_bytes), ledger->unexplained);
#define P(X, name, ...) json_u64(json, FIELD(balance, name##_bytes), ledger->lines[LINE_##name]);
	LEDGER_LINES(P, )
#undef P
	json_close(json, '}');
}

static void put_charges(struct json *json, const struct memledger *ledger, uint64_t vm_id)
{
	const struct memledger_charge *c;
	size_t i;

	json_open(json, FIELD(ledger_vm, charges), '[');
	for (i = 0; i < ledger->nr_charges; i++) {
		c = &ledger->charges[i];
		if (c->vm_id != vm_id)
			continue;
		json_open(json, NULL, '{');
		json_str(json, FIELD(charge, kind), memledger_kinds[c->kind]);
		json_u64(json, FIELD(charge, instance), c->inst_id);
		json_str(json, FIELD(charge, cgroup), cgroup_path_of(ledger, c->cgroup));
		put(json, FIELD(charge, cgroup_id), c->cgroup);
		json_u64(json, FIELD(charge, node), c->node);
		json_u64(json, FIELD(charge, bytes), c->pages * PAGE_BYTES);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_folios(struct json *json, const struct memledger_vm *entry)
{
	unsigned long long folios[GMEM_ORDERS];
	unsigned int i, nr = 0;

	for (i = 0; i < GMEM_ORDERS; i++) {
		folios[i] = entry->folios[i];
		if (folios[i])
			nr = i + 1;
	}
	json_array(json, FIELD(ledger_vm, folios), folios, nr);
}

static void put_advice(struct json *json, const struct model_vm *vm)
{
	uint64_t pages;
	int kind;

	json_open(json, FIELD(ledger_vm, advice), '[');
	for (kind = 0; kind < LEDGER_KINDS; kind++) {
		pages = twice_of(vm, kind);
		if (!pages || pages == GMEM_UNKNOWN)
			continue;
		json_open(json, NULL, '{');
		json_str(json, FIELD(advice, kind), memledger_kinds[kind]);
		json_u64(json, FIELD(advice, bytes), pages * PAGE_BYTES);
		json_str(json, FIELD(advice, call), memledger_calls[kind]);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_account(struct json *json, const struct memory_view *view,
			const struct model_vm *vm)
{
	const struct memledger_vm *entry = entry_of(view->ledger, vm->now.id);
	struct memory_split split;
	char key[KEY_LEN];

	memory_split(view->model, vm, &split);
	json_open(json, NULL, '{');
	json_u64(json, FIELD(ledger_vm, id), vm->now.id);
	json_str(json, FIELD(ledger_vm, key), key_text(vm->key, key));
	put(json, FIELD(ledger_vm, pid), vm->now.vmm_gone ? GMEM_UNKNOWN : vm->now.tgid);
	json_str(json, FIELD(ledger_vm, name), vm->name);
	json_str(json, FIELD(ledger_vm, cgroup), vm->cgroup);
	json_u64(json, FIELD(ledger_vm, size_bytes), bytes_of(vm->size));
	json_u64(json, FIELD(ledger_vm, resident_bytes), bytes_of(vm->resident));
	put(json, FIELD(ledger_vm, private_bytes), bytes_of(split.private));
	put(json, FIELD(ledger_vm, shared_bytes), bytes_of(split.shared));
	put(json, FIELD(ledger_vm, unbound_bytes), bytes_of(split.unbound));
	put(json, FIELD(ledger_vm, waste_instance_bytes), bytes_of(vm->waste_instance));
#define P(X, name, ...)                                     \
	put(json, FIELD(ledger_vm, backing_##name##_bytes), \
	    bytes_of(vm->backing[GMEM_BACKING_##name]));    \
	put(json, FIELD(ledger_vm, waste_##name##_bytes), bytes_of(vm->twice[GMEM_BACKING_##name]));
	GMEM_BACKINGS(P, )
#undef P
	put(json, FIELD(ledger_vm, guest_tables_bytes), entry->guest_tables);
	put(json, FIELD(ledger_vm, vmm_bytes), entry->own);
	put_advice(json, vm);
	put_charges(json, view->ledger, vm->now.id);
	put_folios(json, entry);
	json_close(json, '}');
}

static uint64_t backing_in_files(const uint64_t pages[LEDGER_KINDS])
{
	return (pages[GMEM_BACKING_shmem] + pages[GMEM_BACKING_file]) * PAGE_BYTES;
}

static void put_payers(struct json *json, const struct memledger *ledger)
{
	const struct memledger_cgroup *cgroup;
	uint64_t pages[LEDGER_KINDS];
	int64_t unexplained;
	size_t i;

	json_open(json, FIELD(ledger, payers), '[');
	for (i = 0; i < ledger->nr_cgroups; i++) {
		cgroup = &ledger->cgroups[i];
		memledger_cgroup_pages(ledger, cgroup, pages);
		json_open(json, NULL, '{');
		json_str(json, FIELD(payer, cgroup), cgroup->path);
		json_u64(json, FIELD(payer, cgroup_id), cgroup->id);
		put(json, FIELD(payer, current_bytes), cgroup->current);
		json_u64(json, FIELD(payer, guest_memfd_bytes),
			 pages[LEDGER_INSTANCE] * PAGE_BYTES);
		json_u64(json, FIELD(payer, backing_bytes), backing_in_files(pages));
		put(json, FIELD(payer, anonymous_bytes), cgroup->stat.anonymous);
		put(json, FIELD(payer, kernel_bytes), cgroup->stat.kernel);
		put(json, FIELD(payer, guest_tables_bytes), cgroup->stat.guest_tables);
		if (memledger_cgroup_unexplained(ledger, cgroup, &unexplained))
			json_i64(json, FIELD(payer, unexplained_bytes), unexplained);
		else
			json_null(json, FIELD(payer, unexplained_bytes));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_leaks(struct json *json, const struct memledger *ledger)
{
	const struct memledger_leak *leak;
	size_t i;

	json_open(json, FIELD(ledger, leaks), '[');
	for (i = 0; i < ledger->nr_leaks; i++) {
		leak = &ledger->leaks[i];
		json_open(json, NULL, '{');
		json_u64(json, FIELD(leak, vm), leak->vm_id);
		json_u64(json, FIELD(leak, instance), leak->inst_id);
		json_str(json, FIELD(leak, why), memledger_leak_names[leak->why]);
		put(json, FIELD(leak, pid), leak->pid ? leak->pid : GMEM_UNKNOWN);
		json_str(json, FIELD(leak, comm), leak->pid ? leak->comm : NULL);
		json_u64(json, FIELD(leak, resident_bytes), leak->resident * PAGE_BYTES);
		json_u64(json, FIELD(leak, seconds), (uint64_t)(leak->age_ns / 1000000000ULL));
		json_close(json, '}');
	}
	json_close(json, ']');
}

int memory_json(FILE *out, const struct memory_view *view)
{
	struct json *json = &view->batch->json;
	size_t i;

	json_open(json, NULL, '{');
	json_u64(json, FIELD(ledger, version), JSON_VERSION);
	json_u64(json, FIELD(ledger, time_ns), view->frames->time_ns);
	json_str(json, FIELD(ledger, kernel), view->frames->kernel);
	put_balance(json, view->ledger);
	json_open(json, FIELD(ledger, accounts), '[');
	for (i = 0; i < view->model->nr_vms; i++) {
		if (is_shown(view, view->model->vms[i]))
			put_account(json, view, view->model->vms[i]);
	}
	json_close(json, ']');
	put_payers(json, view->ledger);
	put_leaks(json, view->ledger);
	json_close(json, '}');
	return json_flush_line(json, out);
}

/* --- text --- */

static const char *amount(uint64_t bytes, char *buf)
{
	if (bytes == GMEM_UNKNOWN)
		return "-";
	format_number(buf, bytes / PAGE_BYTES * 100, UNIT_PAGES, true);
	return buf;
}

static const char *difference(int64_t bytes, char *buf)
{
	buf[0] = '-';
	amount((uint64_t)(bytes < 0 ? -bytes : bytes), buf + (bytes < 0));
	return buf;
}

static void print_line(FILE *out, const char *name, uint64_t bytes, const char *text)
{
	char buf[NUMBER_LEN];

	if (bytes)
		fprintf(out, "  %-20s %8s  %s\n", name, amount(bytes, buf), text);
}

static void print_charges(FILE *out, const struct memledger *ledger, uint64_t vm_id)
{
	const struct memledger_charge *c;
	const char *path;
	char buf[NUMBER_LEN];
	size_t i;

	for (i = 0; i < ledger->nr_charges; i++) {
		c = &ledger->charges[i];
		if (c->vm_id != vm_id || !c->pages)
			continue;
		path = cgroup_path_of(ledger, c->cgroup);
		fprintf(out, "  paid: %-14s %8s  node %-3" PRIu32 " %s\n", memledger_kinds[c->kind],
			amount(bytes_of(c->pages), buf), c->node,
			path			    ? path
			: !c->cgroup		    ? "no cgroup"
			: c->cgroup == GMEM_UNKNOWN ? "more cgroups than can be listed"
						    : "a cgroup that was removed");
	}
}

static void print_account(FILE *out, const struct memory_view *view, const struct model_vm *vm)
{
	const struct memledger_vm *entry = entry_of(view->ledger, vm->now.id);
	char a[NUMBER_LEN], b[NUMBER_LEN], c[NUMBER_LEN], d[NUMBER_LEN];
	struct memory_split split;
	uint64_t twice;
	int kind;

	memory_split(view->model, vm, &split);
	fprintf(out, "\nVM %" PRIu64 "  %s  pid %" PRIu32 "  %s\n", vm->now.id, vm->name,
		vm->now.tgid, vm->cgroup ? vm->cgroup : "-");
	fprintf(out, "  %-20s %8s  private %s, shared %s, unbound %s\n", "guest_memfd",
		amount(bytes_of(vm->resident), a), amount(bytes_of(split.private), b),
		amount(bytes_of(split.shared), c), amount(bytes_of(split.unbound), d));
#define P(X, name, call, what) \
	print_line(out, "backing " #name, bytes_of(vm->backing[GMEM_BACKING_##name]), what);
	GMEM_BACKINGS(P, )
#undef P
	print_line(out, "guest's page tables", entry->guest_tables, "made by KVM");
	print_line(out, "rest of the VMM", entry->own, "its other anonymous memory");
	for (kind = 0; kind < LEDGER_KINDS; kind++) {
		twice = twice_of(vm, kind);
		if (twice && twice != GMEM_UNKNOWN)
			fprintf(out, "  held twice: %s in %s: free with %s\n",
				amount(bytes_of(twice), a), memledger_kinds[kind],
				memledger_calls[kind]);
	}
	print_charges(out, view->ledger, vm->now.id);
}

static void print_payers(FILE *out, const struct memledger *ledger)
{
	const struct memledger_cgroup *cgroup;
	char buf[5][NUMBER_LEN], rest[NUMBER_LEN + 1];
	uint64_t pages[LEDGER_KINDS];
	int64_t unexplained;
	bool known;
	size_t i;

	if (ledger->nr_cgroups)
		fprintf(out, "\n%8s %8s %8s %8s %8s %8s  %s\n", "CHARGED", "GMEM", "BACKING",
			"ANON", "KERNEL", "UNEXPL", "CGROUP");
	for (i = 0; i < ledger->nr_cgroups; i++) {
		cgroup = &ledger->cgroups[i];
		memledger_cgroup_pages(ledger, cgroup, pages);
		known = memledger_cgroup_unexplained(ledger, cgroup, &unexplained);
		fprintf(out, "%8s %8s %8s %8s %8s %8s  %s\n", amount(cgroup->current, buf[0]),
			amount(pages[LEDGER_INSTANCE] * PAGE_BYTES, buf[1]),
			amount(backing_in_files(pages), buf[2]),
			amount(cgroup->stat.anonymous, buf[3]), amount(cgroup->stat.kernel, buf[4]),
			known ? difference(unexplained, rest) : "-",
			cgroup->path ? cgroup->path : "(removed)");
	}
}

static void print_leaks(FILE *out, const struct memledger *ledger)
{
	const struct memledger_leak *leak;
	char buf[NUMBER_LEN];
	size_t i;

	for (i = 0; i < ledger->nr_leaks; i++) {
		leak = &ledger->leaks[i];
		if (!i)
			fprintf(out, "\nInstances to look after:\n");
		fprintf(out, "  VM %" PRIu64 " instance %" PRIu64 ", %s: %s", leak->vm_id,
			leak->inst_id, amount(bytes_of(leak->resident), buf),
			memledger_leak_texts[leak->why]);
		if (leak->age_ns >= 1000000000ULL)
			fprintf(out, ", for %" PRIu64 " s at least",
				(uint64_t)(leak->age_ns / 1000000000ULL));
		if (leak->pid)
			fprintf(out, "; held by %" PRIu32 " (%.16s)", leak->pid, leak->comm);
		fputc('\n', out);
	}
}

int memory_text(FILE *out, const struct memory_view *view)
{
	const struct memledger *ledger = view->ledger;
	char a[NUMBER_LEN], b[NUMBER_LEN + 1];
	size_t i;

	fprintf(out, "Used: %s of %s, unexplained %s\n", amount(ledger->used, a),
		amount(ledger->meminfo.total, (char[NUMBER_LEN]){ 0 }),
		difference(ledger->unexplained, b));
	for (i = 0; i < LEDGER_NR_LINES; i++)
		print_line(out, memledger_line_names[i], ledger->lines[i], memledger_line_texts[i]);
	for (i = 0; i < view->model->nr_vms; i++) {
		if (is_shown(view, view->model->vms[i]))
			print_account(out, view, view->model->vms[i]);
	}
	print_payers(out, ledger);
	print_leaks(out, ledger);
	return fflush(out) ? -errno : 0;
}
