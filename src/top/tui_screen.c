// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../lib/log.h"
#include "tui_screen.h"
#include "tui_text.h"

#define NS_PER_S 1000000000LL
/* Long enough for the bytes of a key on a slow serial line, short enough for a finger. */
#define ESCAPE_MS 50

/*
 * What a style looks like with colours, and without. Eight colours have to do. A pair of them must
 * be readable in the palette of every terminal, which leaves out blue on black, and dark text on
 * green.
 */
static const struct {
	short fg, bg;
	attr_t attr, plain;
} looks[NR_STYLES] = {
	[STYLE_NORMAL] = { -1, -1, A_NORMAL, A_NORMAL },
	[STYLE_LABEL] = { COLOR_CYAN, -1, A_NORMAL, A_NORMAL },
	[STYLE_VALUE] = { -1, -1, A_BOLD, A_BOLD },
	[STYLE_TITLE] = { COLOR_WHITE, COLOR_BLUE, A_BOLD, A_REVERSE },
	[STYLE_SORTED] = { COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_REVERSE | A_BOLD },
	[STYLE_SELECTED] = { COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_REVERSE },
	[STYLE_GONE] = { -1, -1, A_DIM, A_DIM },
	[STYLE_WARN] = { COLOR_RED, -1, A_BOLD, A_BOLD },
	[STYLE_KEY] = { -1, -1, A_BOLD, A_BOLD },
	[STYLE_BAR_PRIVATE] = { COLOR_GREEN, -1, A_NORMAL, A_NORMAL },
	[STYLE_BAR_SHARED] = { COLOR_YELLOW, -1, A_NORMAL, A_NORMAL },
	[STYLE_FOUND] = { COLOR_BLACK, COLOR_YELLOW, A_NORMAL, A_REVERSE },
	[STYLE_COLD] = { COLOR_CYAN, -1, A_NORMAL, A_NORMAL },
	[STYLE_WARM] = { COLOR_GREEN, -1, A_NORMAL, A_NORMAL },
	[STYLE_HOT] = { COLOR_YELLOW, -1, A_NORMAL, A_NORMAL },
	[STYLE_BURNING] = { COLOR_RED, -1, A_BOLD, A_BOLD },
};

static struct {
	SCREEN *terminal;
	FILE *input;
	attr_t attrs[NR_STYLES];
} term;

static void choose_looks(void)
{
	const char *no_color = getenv("NO_COLOR");
	bool colors = !(no_color && *no_color) && has_colors() && start_color() == OK;
	bool fallback = colors && use_default_colors() != OK;
	short fg, bg;
	int i;

	for (i = 0; i < NR_STYLES; i++) {
		term.attrs[i] = looks[i].plain;
		if (!colors)
			continue;
		fg = looks[i].fg < 0 && fallback ? COLOR_WHITE : looks[i].fg;
		bg = looks[i].bg < 0 && fallback ? COLOR_BLACK : looks[i].bg;
		init_pair((short)(i + 1), fg, bg);
		term.attrs[i] = looks[i].attr | (attr_t)COLOR_PAIR(i + 1);
	}
}

/* newterm() takes a terminal that cannot, and draws on one line. */
static bool moves_cursor(void)
{
	const char *how = tigetstr("cup");

	return how && how != (const char *)-1;
}

int screen_start(struct screen *screen, bool ascii)
{
	const char *name = getenv("TERM");

	term.input = isatty(STDIN_FILENO) ? stdin : fopen("/dev/tty", "re");
	if (!term.input)
		return log_error(-ENOTTY, "it is not a terminal", "-b needs none",
				 "read keys from standard input");
	/*
	 * The terminal's size is the kernel's: a shell in another one may have exported these. With
	 * use_env(FALSE) ncurses would not follow when the size changes.
	 */
	unsetenv("LINES");
	unsetenv("COLUMNS");
	/* initscr() would end the program. */
	term.terminal = newterm(NULL, stdout, term.input);
	if (!term.terminal || !moves_cursor()) {
		screen_stop();
		return log_error(-ENOTTY, "its type is unknown, or it cannot move the cursor",
				 "set TERM, or use -b", "terminal '%s'", name ? name : "");
	}
	screen->ascii = ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	choose_looks();
	cbreak();
	noecho();
	nonl();
	typeahead(-1);
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	if (!getenv("ESCDELAY"))
		set_escdelay(ESCAPE_MS);
	return 0;
}

void screen_stop(void)
{
	if (term.terminal) {
		endwin();
		delscreen(term.terminal);
	}
	if (term.input && term.input != stdin)
		fclose(term.input);
	memset(&term, 0, sizeof(term));
}

void screen_begin(struct screen *screen)
{
	getmaxyx(stdscr, screen->lines, screen->cols);
	screen->small = screen->cols < MIN_COLS || screen->lines < MIN_LINES;
	erase();
}

void screen_end(void)
{
	refresh();
}

void screen_redraw(void)
{
	clearok(stdscr, TRUE);
}

int screen_put(const struct screen *screen, int y, int x, int cells, enum style style,
	       const char *text)
{
	bool fill = cells < 0;
	char buf[LINE_LEN];
	int used;

	cells = abs(cells);
	if (y < 0 || y >= screen->lines || x < 0 || x >= screen->cols)
		return x;
	if (cells > screen->cols - x)
		cells = screen->cols - x;
	used = text_fit(buf, sizeof(buf), text, cells, screen->ascii);
	attrset(term.attrs[style]);
	mvaddstr(y, x, buf);
	if (fill && used < cells) {
		mvhline(y, x + used, ' ' | term.attrs[style], cells - used);
		used = cells;
	}
	attrset(A_NORMAL);
	return x + used;
}

int screen_putf(const struct screen *screen, int y, int x, enum style style, const char *fmt, ...)
{
	char buf[LINE_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	return screen_put(screen, y, x, screen->cols, style, buf);
}

int screen_wait(int64_t timeout_ns, int fd, const sigset_t *mask)
{
	struct pollfd inputs[] = { { .fd = fileno(term.input), .events = POLLIN },
				   { .fd = fd, .events = POLLIN } };
	struct timespec timeout = { timeout_ns / NS_PER_S, timeout_ns % NS_PER_S };

	if (ppoll(inputs, 2, timeout_ns < 0 ? NULL : &timeout, mask) > 0 &&
	    (inputs[0].revents & (POLLHUP | POLLERR | POLLNVAL)))
		return -ENOTCONN;
	return 0;
}

int screen_key(void)
{
	int key = getch();

	return key == ERR ? -1 : key;
}
