// SPDX-License-Identifier: GPL-2.0-only
/* Sums over all VMs, those that ended included. */
#include "model.h"
#include "model_inner.h"

static void add_errors(struct sample_errors *to, const struct sample_errors *from)
{
	const struct gmem_errno *e;
	int op, i, at;

	for (op = 0; op < GMEM_OP_MAX; op++) {
		to->other[op] += from->other[op];
		for (i = 0; i < GMEM_ERRNOS && from->err[op][i].err; i++) {
			e = &from->err[op][i];
			for (at = 0; at < GMEM_ERRNOS; at++) {
				if (!to->err[op][at].err || to->err[op][at].err == e->err)
					break;
			}
			if (at == GMEM_ERRNOS) {
				to->other[op] += e->count;
				continue;
			}
			to->err[op][at].err = e->err;
			to->err[op][at].count += e->count;
		}
	}
}

void model_add_up(struct model_vm *sum, const struct model_vm *vm)
{
	int i;

	for (i = 0; i < GMEM_VM_MAX; i++)
		sum->now.c[i] += vm->now.c[i];
	for (i = 0; i < GMEM_INST_MAX; i++)
		sum->inst[i] += vm->inst[i];
	if (vm->errors && sum->errors)
		add_errors(sum->errors, vm->errors);
	sum->adopted |= vm->adopted;
}

void model_host(const struct model *model, struct model_vm *sum)
{
	const struct model_vm *vm;
	size_t i;
	int c;

	*sum = model->past;
	sum->errors = model->host_errors;
	if (sum->errors)
		*sum->errors = *errors_in(&model->past);
	sum->rated = model->interval_ns;
	for (i = 0; i < model->nr_vms; i++) {
		vm = model->vms[i];
		model_add_up(sum, vm);
		for (c = 0; c < GMEM_VM_MAX; c++)
			sum->rate_vm[c] += vm->rate_vm[c];
		for (c = 0; c < GMEM_INST_MAX; c++)
			sum->rate_inst[c] += vm->rate_inst[c];
		sum->rate_denied += vm->rate_denied;
		for (c = 0; c < GMEM_OP_MAX && vm->now.error; c++)
			sum->rate_err[c] += vm->rate_err[c];
	}
}

/* Counters are unsigned: what would be less than nothing is nothing. */
static uint64_t rest(uint64_t all, uint64_t part)
{
	return all > part ? all - part : 0;
}

void model_set_host(struct model *model, const struct sample_host *host)
{
	const struct gmem_errno *e, *end;
	struct model_vm *past = &model->past, sum;
	struct sample_errors *errors = past->errors;
	int c, op, i, n;

	model_host(model, &sum);
	past->adopted = host->adopted;
	for (c = 0; c < GMEM_VM_MAX; c++)
		past->now.c[c] = rest(host->c[c], sum.now.c[c]);
	for (c = 0; c < GMEM_INST_MAX; c++)
		past->inst[c] = rest(host->inst[c], sum.inst[c]);
	for (op = 0; op < GMEM_OP_MAX; op++) {
		errors->other[op] = rest(host->errors.other[op], sum.errors->other[op]);
		for (i = n = 0; i < GMEM_ERRNOS && host->errors.err[op][i].err; i++) {
			e = sum.errors->err[op];
			end = e + GMEM_ERRNOS;
			while (e < end && e->err != host->errors.err[op][i].err)
				e++;
			errors->err[op][n] = host->errors.err[op][i];
			if (e < end)
				errors->err[op][n].count =
					(__u32)rest(host->errors.err[op][i].count, e->count);
			n += errors->err[op][n].count != 0;
		}
		if (n < GMEM_ERRNOS)
			errors->err[op][n] = (struct gmem_errno){ 0 };
	}
	for (c = 0; c < GMEM_DIRECTIONS; c++)
		model->host[c][SINCE_START] = host->latency[c];
}
