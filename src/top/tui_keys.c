// SPDX-License-Identifier: GPL-2.0-only
/* Every key and what it does, in one table: the help and the line of keys are made from it. */
#define _GNU_SOURCE
#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui_state.h"

#define NS_PER_MS 1000000ULL
#define CTRL(c)	  (0x1f & (c))
#define ESCAPE	  27
#define NOT_HELP  (IN(TABLE) | IN(DETAIL) | IN(ENDED))
#define ALL	  (NOT_HELP | IN(HELP))

static const unsigned int delays_ms[] = {
	100, 200, 500, 1000, 2000, 3000, 5000, 10000, 30000, 60000
};

/* --- actions --- */

static void act_quit(struct tui *tui)
{
	tui->quit = true;
}

static void act_help(struct tui *tui)
{
	tui->behind = tui->view;
	tui->view = VIEW_HELP;
	tui->scroll = 0;
}

static void act_back(struct tui *tui)
{
	if (tui->view == VIEW_TABLE) {
		*tui->search = *tui->filter = '\0';
		return;
	}
	tui->view = tui->view == VIEW_HELP ? tui->behind : VIEW_TABLE;
	tui->scroll = 0;
}

void look_now(struct tui *tui)
{
	if (!tui->frames->recorded && !tui->frozen)
		tui->step = true;
}

static void act_detail(struct tui *tui)
{
	if (tui->cursor >= tui->nr_rows)
		return;
	tui->chosen = true;
	rows_select(tui, tui->cursor);
	if (model_copy_vm(&tui->detail, tui->rows[tui->cursor].vm))
		return;
	tui->view = VIEW_DETAIL;
	tui->scroll = 0;
	tui->has_fresh = false;
	tui->heat_known = tui->model.looked;
	look_now(tui);
}

static void act_ended(struct tui *tui)
{
	tui->view = VIEW_ENDED;
	tui->scroll = 0;
}

static void move_to(struct tui *tui, size_t cursor)
{
	tui->chosen = true;
	rows_select(tui, cursor);
}

static void scroll_to(struct tui *tui, int line)
{
	if (line > tui->max_scroll)
		line = tui->max_scroll;
	tui->scroll = line < 0 ? 0 : line;
}

static void move_by(struct tui *tui, int lines)
{
	if (tui->view != VIEW_TABLE)
		scroll_to(tui, tui->scroll + lines);
	else if (lines < 0 && tui->cursor < (size_t)-lines)
		move_to(tui, 0);
	else
		move_to(tui, tui->cursor + (size_t)lines);
}

static void act_up(struct tui *tui)
{
	move_by(tui, -1);
}

static void act_down(struct tui *tui)
{
	move_by(tui, 1);
}

static void act_page_up(struct tui *tui)
{
	move_by(tui, -table_lines(tui));
}

static void act_page_down(struct tui *tui)
{
	move_by(tui, table_lines(tui));
}

static void act_home(struct tui *tui)
{
	if (tui->view != VIEW_TABLE) {
		scroll_to(tui, 0);
		return;
	}
	rows_select(tui, 0);
	tui->chosen = false;
}

static void act_end(struct tui *tui)
{
	if (tui->view != VIEW_TABLE)
		scroll_to(tui, tui->max_scroll);
	else if (tui->nr_rows)
		move_to(tui, tui->nr_rows - 1);
}

static void act_left(struct tui *tui)
{
	if (tui->first_column)
		tui->first_column--;
}

static void act_right(struct tui *tui)
{
	/* The table takes back what is too far. */
	if (tui->first_column + 1 < tui->nr_columns)
		tui->first_column++;
}

static void act_columns(struct tui *tui)
{
	chooser_open(tui);
}

#define ACT_PRESET(n)                               \
	static void act_preset_##n(struct tui *tui) \
	{                                           \
		preset_choose(tui, n);              \
	}

ACT_PRESET(0)
ACT_PRESET(1)
ACT_PRESET(2)
ACT_PRESET(3)
ACT_PRESET(4)

static void act_freeze(struct tui *tui)
{
	tui->frozen = !tui->frozen;
}

static void act_step(struct tui *tui)
{
	tui->step = true;
}

static void act_tree(struct tui *tui)
{
	tui->tree = !tui->tree;
	tui->nr_flipped = 0;
	if (!tui->tree)
		tui->selected_inst = tui->selected_below = 0;
	else
		look_now(tui);
}

static void act_flip(struct tui *tui)
{
	rows_flip(tui);
	look_now(tui);
}

static void act_units(struct tui *tui)
{
	tui->bytes = !tui->bytes;
	snprintf(tui->message, sizeof(tui->message), "memory in %s",
		 tui->bytes ? "bytes" : "pages of 4 KiB");
}

/* The programs are attached with the next frame, and detached with the first one without. */
static void act_latency(struct tui *tui)
{
	tui->latency = !tui->latency;
	snprintf(tui->message, sizeof(tui->message), "%s",
		 tui->frames->recorded ? "a recording has the phases of conversions, or has not"
		 : tui->latency ? "conversions are timed: their phases are in the details of a VM"
				: "conversions are not timed any more");
	look_now(tui);
}

static void act_invert(struct tui *tui)
{
	tui->reverse = !tui->reverse;
}

static void act_sort(struct tui *tui)
{
	tui->prompt = PROMPT_SORT;
	tui->menu = tui->sort ? (unsigned int)(tui->sort - columns) : 0;
}

/* The neighbour among the shown columns. */
static void sort_by_neighbour(struct tui *tui, unsigned int step)
{
	char title[64];
	unsigned int i;

	for (i = 0; i < tui->nr_columns && tui->columns[i] != tui->sort; i++)
		;
	i = i == tui->nr_columns ? 0 : (i + step) % tui->nr_columns;
	tui->sort = tui->columns[i];
	snprintf(tui->message, sizeof(tui->message), "sorted by %s",
		 column_title(tui, tui->sort, title, sizeof(title)));
}

static void act_sort_left(struct tui *tui)
{
	sort_by_neighbour(tui, tui->nr_columns - 1);
}

static void act_sort_right(struct tui *tui)
{
	sort_by_neighbour(tui, 1);
}

static void act_search(struct tui *tui)
{
	tui->prompt = PROMPT_SEARCH;
	*tui->search = '\0';
}

static void search_from(struct tui *tui, size_t from, int step)
{
	size_t found = tui->nr_rows ? rows_search(tui, from % tui->nr_rows, step) : 0;

	if (found < tui->nr_rows)
		move_to(tui, found);
	else
		snprintf(tui->message, sizeof(tui->message), "nothing has '%s'", tui->search);
}

static void act_next(struct tui *tui)
{
	if (*tui->search)
		search_from(tui, tui->cursor + 1, 1);
}

static void act_previous(struct tui *tui)
{
	if (*tui->search)
		search_from(tui, tui->cursor, -1);
}

static void act_filter(struct tui *tui)
{
	tui->prompt = PROMPT_FILTER;
	memcpy(tui->before, tui->filter, sizeof(tui->before));
}

static void change_delay(struct tui *tui, bool longer)
{
	size_t i;

	if (longer) {
		for (i = 0; i < ARRAY_LEN(delays_ms); i++) {
			if (delays_ms[i] * NS_PER_MS > tui->delay_ns) {
				tui->delay_ns = delays_ms[i] * NS_PER_MS;
				return;
			}
		}
		return;
	}
	for (i = ARRAY_LEN(delays_ms); i--;) {
		if (delays_ms[i] * NS_PER_MS < tui->delay_ns) {
			tui->delay_ns = delays_ms[i] * NS_PER_MS;
			return;
		}
	}
}

static void act_slower(struct tui *tui)
{
	change_delay(tui, true);
}

static void act_faster(struct tui *tui)
{
	change_delay(tui, false);
}

static void act_redraw(struct tui *tui __attribute__((unused)))
{
	screen_redraw();
}

static void act_moment(struct tui *tui)
{
	*tui->moment = '\0';
	tui->prompt = PROMPT_MOMENT;
}

const struct tui_key tui_keys[] = {
	{ { KEY_F(1), 'h', '?' }, "F1 h ?", "Help", "this help", NOT_HELP, act_help },
	{ { 'q' }, "q", NULL, "quit", NOT_HELP, act_quit },
	{ { '\r', '\n', KEY_ENTER },
	  "Enter",
	  "VM",
	  "everything about the selected VM",
	  IN(TABLE),
	  act_detail },
	{ { ESCAPE, KEY_BACKSPACE },
	  "Esc",
	  "Back",
	  "back to the table",
	  IN(DETAIL) | IN(ENDED),
	  act_back },
	{ { 'e' }, "e", "Ended", "the VMs that ended last, and why", IN(TABLE), act_ended },
	{ { ESCAPE }, "Esc", NULL, "forget search and filter", IN(TABLE), act_back },
	{ { 'q', ESCAPE, 'h', '?' }, "q Esc h ?", "Back", "leave the help", IN(HELP), act_back },
	{ { KEY_F(2), 'C' },
	  "F2 C",
	  "Cols",
	  "choose columns and their order",
	  IN(TABLE),
	  act_columns },
	{ { '1' }, "1", NULL, "columns about memory", IN(TABLE), act_preset_1 },
	{ { '2' }, "2", NULL, "columns about conversions", IN(TABLE), act_preset_2 },
	{ { '3' }, "3", NULL, "columns about faults", IN(TABLE), act_preset_3 },
	{ { '4' }, "4", NULL, "columns about security", IN(TABLE), act_preset_4 },
	{ { '0' }, "0", NULL, "the columns of the start", IN(TABLE), act_preset_0 },
	{ { KEY_F(3), '/' },
	  "F3 /",
	  "Search",
	  "search by name, pid, cgroup or type",
	  IN(TABLE),
	  act_search },
	{ { 'n' }, "n", NULL, "next one that the search finds", IN(TABLE), act_next },
	{ { 'N' }, "N", NULL, "the one before", IN(TABLE), act_previous },
	{ { KEY_F(4), '\\' },
	  "F4 \\",
	  "Filter",
	  "show only VMs with this in name, pid, cgroup or type",
	  IN(TABLE),
	  act_filter },
	{ { KEY_F(5), 't' },
	  "F5 t",
	  "Tree",
	  "show instances, bindings and holders of all VMs",
	  IN(TABLE),
	  act_tree },
	{ { 'x' }, "x", NULL, "show the instances of the selected VM", IN(TABLE), act_flip },
	{ { KEY_F(6), 's' }, "F6 s", "Sort", "choose the column that sorts", IN(TABLE), act_sort },
	{ { '<' }, "<", NULL, "sort by the column to the left", IN(TABLE), act_sort_left },
	{ { '>' }, ">", NULL, "sort by the column to the right", IN(TABLE), act_sort_right },
	{ { 'I', 'r' }, "I r", NULL, "reverse the order", IN(TABLE), act_invert },
	{ { KEY_UP, 'k' }, "Up k", NULL, "up", ALL, act_up },
	{ { KEY_DOWN, 'j' }, "Down j", NULL, "down", ALL, act_down },
	{ { KEY_PPAGE }, "PgUp", NULL, "a page up", ALL, act_page_up },
	{ { KEY_NPAGE }, "PgDn", NULL, "a page down", ALL, act_page_down },
	{ { KEY_HOME, 'g' }, "Home g", NULL, "to the top, and stay there", ALL, act_home },
	{ { KEY_END, 'G' }, "End G", NULL, "to the end", ALL, act_end },
	{ { KEY_LEFT }, "Left", NULL, "scroll to the columns on the left", IN(TABLE), act_left },
	{ { KEY_RIGHT }, "Right", NULL, "scroll to the columns on the right", IN(TABLE), act_right },
	{ { ' ', 'p' }, "Space p", "Freeze", "stop and continue", NOT_HELP, act_freeze },
	{ { '.' }, ".", NULL, "the next frame now", NOT_HELP, act_step },
	{ { ',' }, ",", NULL, "the frame before (in a recording)", NOT_HELP, travel_back },
	{ { 'J' }, "J", NULL, "go to a moment of the recording", NOT_HELP, act_moment },
	{ { 'a' },
	  "a",
	  NULL,
	  "the next frame with errors, refusals or losses (in a recording)",
	  NOT_HELP,
	  travel_to_alarm },
	{ { 'l' }, "l", NULL, "time the phases of conversions, or stop it", NOT_HELP, act_latency },
	{ { 'u' }, "u", NULL, "memory in bytes or in pages", NOT_HELP, act_units },
	{ { '+', '=' }, "+", NULL, "more time between frames", NOT_HELP, act_slower },
	{ { '-' }, "-", NULL, "less time between frames", NOT_HELP, act_faster },
	{ { CTRL('l') }, "Ctrl-L", NULL, "draw the screen anew", ALL, act_redraw },
	{ { KEY_F(10) }, "F10", "Quit", "quit", ALL, act_quit },
};

const unsigned int nr_tui_keys = ARRAY_LEN(tui_keys);

/* --- prompts --- */

/* Take the last character away, all of its bytes. */
static void shorten(char *text)
{
	size_t n = strlen(text);

	while (n && ((unsigned char)text[--n] & 0xc0) == 0x80)
		;
	text[n] = '\0';
}

static void edit(char *text, int code)
{
	size_t n = strlen(text);

	if (code == KEY_BACKSPACE || code == 127 || code == CTRL('h')) {
		shorten(text);
	} else if (code == CTRL('u')) {
		*text = '\0';
	} else if (code >= ' ' && code < 256 && n + 1 < PATTERN) {
		text[n] = (char)code;
		text[n + 1] = '\0';
	}
}

static bool is_enter(int code)
{
	return code == '\r' || code == '\n' || code == KEY_ENTER;
}

static void press_text(struct tui *tui, int code)
{
	char *text = tui->prompt == PROMPT_SEARCH   ? tui->search
		     : tui->prompt == PROMPT_FILTER ? tui->filter
						    : tui->moment;

	if (is_enter(code)) {
		if (tui->prompt == PROMPT_MOMENT)
			travel_to_moment(tui);
		tui->prompt = PROMPT_NONE;
	} else if (code == ESCAPE) {
		if (tui->prompt != PROMPT_FILTER)
			*text = '\0';
		else
			memcpy(tui->filter, tui->before, sizeof(tui->filter));
		tui->prompt = PROMPT_NONE;
	} else if (tui->prompt == PROMPT_SEARCH && (code == KEY_F(3) || code == KEY_DOWN)) {
		search_from(tui, tui->cursor + 1, 1);
	} else {
		edit(text, code);
		if (tui->prompt == PROMPT_SEARCH && *text)
			search_from(tui, tui->cursor, 1);
	}
}

static void press_menu(struct tui *tui, int code)
{
	unsigned int page = (unsigned int)table_lines(tui);

	if (code == KEY_UP || code == 'k') {
		tui->menu -= tui->menu > 0;
	} else if (code == KEY_DOWN || code == 'j') {
		tui->menu += tui->menu + 1 < nr_columns;
	} else if (code == KEY_PPAGE) {
		tui->menu -= tui->menu > page ? page : tui->menu;
	} else if (code == KEY_NPAGE) {
		tui->menu = tui->menu + page < nr_columns ? tui->menu + page : nr_columns - 1;
	} else if (code == KEY_HOME) {
		tui->menu = 0;
	} else if (code == KEY_END) {
		tui->menu = nr_columns - 1;
	} else if (is_enter(code)) {
		tui->sort = &columns[tui->menu];
		tui->prompt = PROMPT_NONE;
	} else if (code == ESCAPE || code == 'q' || code == 's' || code == KEY_F(6)) {
		tui->prompt = PROMPT_NONE;
	}
}

void keys_press(struct tui *tui, int code)
{
	unsigned int i, c;

	*tui->message = '\0';
	if (tui->prompt == PROMPT_SORT) {
		press_menu(tui, code);
		return;
	}
	if (tui->prompt == PROMPT_COLUMNS) {
		chooser_press(tui, code);
		return;
	}
	if (tui->prompt) {
		press_text(tui, code);
		return;
	}
	for (i = 0; i < nr_tui_keys; i++) {
		if (!(tui_keys[i].views & (1U << tui->view)))
			continue;
		for (c = 0; c < MAX_CODES && tui_keys[i].codes[c]; c++) {
			if (tui_keys[i].codes[c] == code) {
				tui_keys[i].action(tui);
				return;
			}
		}
	}
}
