/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the TUI share. Keys change the state, views draw it, and never the reverse. */
#ifndef GMEM_TUI_STATE_H
#define GMEM_TUI_STATE_H

#include "tui.h"
#include "tui_screen.h"

#define SAMPLES	     256 /* of a sparkline */
#define PATTERN	     64
#define HEADER	     7 /* lines above the table */
#define NAME_MIN     16
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

enum view {
	VIEW_TABLE,
	VIEW_DETAIL,
	VIEW_ENDED, /* the VMs that ended last */
	VIEW_HELP,
};

/* What receives the keys instead of the view. */
enum prompt {
	PROMPT_NONE,
	PROMPT_SEARCH,
	PROMPT_FILTER,
	PROMPT_SORT,
	PROMPT_COLUMNS,
	PROMPT_MOMENT,
};

/* A line of the table: a VM, one of its instances, or below that a binding or a holder. */
struct row {
	const struct model_vm *vm;
	const struct model_inst *inst;
	const struct model_binding *binding;
	const struct model_holder *holder;
	unsigned int below; /* index below its instance, from 1 on; 0: a VM or an instance */
	bool last;	    /* instance of its VM */
	bool last_below;
};

#define HISTORY_HOST 0 /* the id of no VM */

struct history {
	uint64_t id, first;			    /* the frame of the first sample */
	uint32_t samples[GMEM_DIRECTIONS][SAMPLES]; /* hundredths per second, by frame */
};

/* The menu of columns. */
struct chooser {
	const struct column *list[MAX_COLUMNS];
	bool on[MAX_COLUMNS];
	unsigned int at;
};

struct tui {
	const struct tui_options *opts;
	struct frames *frames;
	struct screen screen;
	struct model model;

	const struct column *columns[MAX_COLUMNS];
	unsigned int nr_columns, first_column; /* first of those that scroll */
	unsigned int more_columns;	       /* that do not fit at the right */
	const struct column *sort;
	/* As they were at the start. */
	const struct column *first_columns[MAX_COLUMNS], *first_sort;
	unsigned int nr_first_columns;
	struct chooser chooser;
	bool reverse, tree, bytes, frozen, step, more_keys, ended, quit;
	bool latency;	      /* time the phases of conversions */
	bool starved;	      /* the recording has no complete frame yet */
	bool seeking;	      /* frames are passed over until one has an alarm */
	uint64_t lost_before; /* in the frame before */
	bool chosen;	      /* the user moved the cursor to a VM, and it follows this VM */
	uint64_t delay_ns;
	uint32_t cpu; /* hundredths of a percent, of the last interval */

	struct row *rows;
	size_t nr_rows, room_rows, cursor, top;
	uint64_t selected_vm, selected_inst;
	unsigned int selected_below;
	uint64_t *flipped; /* VMs that are not open in the tree, or are without it */
	size_t nr_flipped;
	const struct model_vm **shown;
	const struct model_inst **insts;
	size_t room_shown, room_insts;

	uint64_t last_frame; /* of which rates were added to the histories */
	struct history host_history;
	struct history **histories; /* by id */
	size_t nr_histories;

	enum view view, behind; /* help is in front of a view */
	enum prompt prompt;
	char search[PATTERN], filter[PATTERN], before[PATTERN], moment[PATTERN];
	unsigned int menu;
	int scroll, max_scroll; /* of detail and help */
	struct model_vm detail; /* a copy, which outlives the VM */
	struct gmem_heat fresh; /* of the VM of the details, since the frame before */
	bool has_fresh;
	uint32_t heat_known; /* enum want of the frame that the copy is from */
	char message[128];
};

/* --- tui_rows.c --- */

/**
 * rows_build - the table's lines: filtered, sorted, with instances where the tree is open
 *
 * Afterwards the cursor stands on what was selected, wherever that is now.
 *
 * Return: 0 or -ENOMEM.
 */
int rows_build(struct tui *tui);

/* Make the line under the cursor the selected one. */
void rows_select(struct tui *tui, size_t cursor);

/* The line that the search finds: from @from on, or (@step -1) before it; nr_rows if there is none.
 */
size_t rows_search(const struct tui *tui, size_t from, int step);

/* Open or close the VM under the cursor. */
void rows_flip(struct tui *tui);

/* Does the pattern occur in what tells the VM from others? An empty one does. */
bool vm_matches(const struct model_vm *vm, const char *pattern);

void rows_free(struct tui *tui);

/* --- tui_history.c --- */

/* Take the rates of this frame. Return: 0 or -ENOMEM. */
int history_add(struct tui *tui);

/* The last samples, at most @max, oldest first. Return: how many. */
int history_get(const struct tui *tui, uint64_t id, int direction, uint32_t *samples, int max);

/* The same of both directions together. */
int history_sum(const struct tui *tui, uint64_t id, uint32_t *samples, int max);

void history_free(struct tui *tui);

/* --- views --- */

void header_draw(const struct tui *tui);
void table_draw(struct tui *tui);
void detail_draw(struct tui *tui);
void ended_draw(struct tui *tui);
void help_draw(struct tui *tui);
void menu_draw(struct tui *tui);
void keys_draw(struct tui *tui);

/* What a column shows of a line; @buf of 256. */
void cell_format(const struct tui *tui, const struct column *column, const struct row *row,
		 char *buf, size_t size);

/* Lines for rows between the titles and the line of keys. */
int table_lines(const struct tui *tui);

/* --- tui_titles.c --- */

/**
 * title_of - what is above a column of the table
 * @buf: of 64 bytes, which the title may be in
 * @width: in cells, negative: the column is aligned to the left
 */
const char *title_of(const struct column *column, char *buf, size_t size, int *width);

/* The same, with the mark of numbers that gmemtop counted itself. */
const char *column_title(const struct tui *tui, const struct column *column, char *buf,
			 size_t size);

/* --- tui_keys.c --- */

/* What is read for the screen only must be read before the next frame is due. */
void look_now(struct tui *tui);

#define MAX_CODES 4
#define IN(view)  (1U << VIEW_##view)

struct tui_key {
	int codes[MAX_CODES]; /* of curses, 0: no more */
	const char *label;
	const char *bar; /* its name in the line of keys, NULL: not there */
	const char *help;
	unsigned int views; /* bits of enum view */
	void (*action)(struct tui *tui);
};

extern const struct tui_key tui_keys[];
extern const unsigned int nr_tui_keys;

/* Do what the key is for. An unknown key does nothing. */
void keys_press(struct tui *tui, int code);

/* --- tui_travel.c --- */

/* Go to the frame before, and stop there. */
void travel_back(struct tui *tui);

/* Go to the moment in tui->moment, as when_parse() takes it, and stop there. */
void travel_to_moment(struct tui *tui);

/* Pass over frames until one has an alarm; a key ends it. */
void travel_to_alarm(struct tui *tui);

/* After a frame was taken: is there an alarm? Then the search for it ends. */
void travel_check_alarm(struct tui *tui);

/* --- tui_chooser.c --- */

void chooser_open(struct tui *tui);
void chooser_press(struct tui *tui, int code);
void chooser_draw(const struct tui *tui);

/* Show the columns of a preset, from 1 on; 0: those of the start. */
void preset_choose(struct tui *tui, unsigned int preset);

#endif /* GMEM_TUI_STATE_H */
