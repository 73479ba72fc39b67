/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the exporter has reported of each VM, so that its counters never decrease: which VMs have
 * series of their own, under which label, and what was counted under it. Pure: made from frames of
 * the model.
 *
 * Each event is counted in one series only: in that of its VM while the VM is listed, else in that
 * of all other VMs. So the sum over the label vm is the host's total, as long as no listed VM ends.
 * A VM that is listed again goes on where its series stopped, and so does a later VM of the same
 * name.
 */
#ifndef GMEM_LEDGER_H
#define GMEM_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../top/frames.h"
#include "../top/model.h"

struct vms_choice; /* vms_choice.h */

/*
 * Durations are counted in steps of powers of two: step s counts durations below 2^(10 + s) ns that
 * are in no step before; the last one has no end.
 */
#define DURATION_STEPS 24

/* The counters of a series, all of which only grow. */
struct tally {
	uint64_t vm[GMEM_VM_MAX];
	uint64_t inst[GMEM_INST_MAX];
	uint64_t errors[GMEM_OP_MAX];
	uint64_t durations[GMEM_DIRECTIONS][DURATION_STEPS];
};

/* The longest duration of a step in nanoseconds; not of the last one. */
uint64_t duration_step_end(unsigned int step);

enum row_gauge {
	ROW_INSTANCES,
	ROW_SIZE, /* bytes, as the rest */
	ROW_RESIDENT,
	ROW_PRIVATE,
	ROW_WASTE_INSTANCE,
	ROW_WASTE_BACKING,
	ROW_UNBOUND,
	ROW_VMM_GONE,
	ROW_GAUGES
};

/* The longest conversion of a row, for an exemplar. */
struct longest {
	uint64_t ns;	   /* 0: there is none */
	uint64_t time_ns;  /* CLOCK_REALTIME of the frame that showed it first */
	uint64_t key;	   /* of the VM, see key.h */
	char vm[NAME_LEN]; /* its name, clean UTF-8 */
};

/* A set of series: those of a VM, of all other VMs, or of the host. */
struct row {
	const char *label; /* value of the label vm, clean UTF-8; NULL: of the host */
	struct tally now;
	/* Which members of @now are known: bit i is that of counter i. */
	uint64_t known_vm, known_inst, known_errors;
	uint64_t gauges[ROW_GAUGES];		 /* GMEM_UNKNOWN: not known, or the VM has ended */
	uint64_t created_ns;			 /* CLOCK_REALTIME when its counters were 0 */
	struct longest longest[GMEM_DIRECTIONS]; /* not of all other VMs */
	const struct model_vm *vm; /* until the next frame; NULL: there is none (any more) */
};

struct ledger;

/**
 * ledger_new - an empty ledger
 * @choice: which VMs are listed; belongs to the caller
 * @since_ns: CLOCK_REALTIME since when the source counts; 0: since the first frame
 *
 * Return: NULL if there is no memory.
 */
struct ledger *ledger_new(const struct vms_choice *choice, uint64_t since_ns);
void ledger_free(struct ledger *ledger);

/**
 * ledger_step - take in a frame
 * @frames: where it comes from
 * @model: the frame, after model_step()
 *
 * Return: 0 or -ENOMEM, after which the ledger is as it was, or lists fewer VMs than it should.
 */
int ledger_step(struct ledger *ledger, const struct frames *frames, const struct model *model);

/* The rows that are exported, those of VMs first, then that of other VMs. @nr: how many */
const struct row *const *ledger_rows(const struct ledger *ledger, size_t *nr);

/* The host's row. */
const struct row *ledger_host(const struct ledger *ledger);

/* Numbers that no row has. */
struct ledger_host {
	uint64_t vms, vms_without_vmm, vms_ended;
	/* As the model has them, and never less than before. */
	uint64_t denied[2][POLICY_OPERATIONS]; /* [enforce, audit] */
	uint64_t lost[GMEM_LOST_MAX], missed;
};

const struct ledger_host *ledger_numbers(const struct ledger *ledger);

#endif /* GMEM_LEDGER_H */
