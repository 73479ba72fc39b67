/* SPDX-License-Identifier: GPL-2.0-only */
/* The terminal: curses is used here and nowhere else, except for the names of keys. */
#ifndef GMEM_TUI_SCREEN_H
#define GMEM_TUI_SCREEN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define MIN_COLS  60
#define MIN_LINES 16
#define LINE_LEN  2048 /* bytes of a line of the widest terminal */

enum style {
	STYLE_NORMAL,
	STYLE_LABEL,
	STYLE_VALUE,
	STYLE_TITLE,
	STYLE_SORTED, /* title of the column that sorts */
	STYLE_SELECTED,
	STYLE_GONE,
	STYLE_WARN,
	STYLE_KEY,
	STYLE_BAR_PRIVATE,
	STYLE_BAR_SHARED,
	STYLE_FOUND,
	STYLE_COLD,
	STYLE_WARM,
	STYLE_HOT,
	STYLE_BURNING,
	NR_STYLES
};

struct screen {
	int cols, lines;
	bool ascii, small;
};

/**
 * screen_start - take over the terminal
 * @screen: the result
 * @ascii: no other characters than those of ASCII; also chosen where the locale is not UTF-8
 *
 * Colours are left out where NO_COLOR is set.
 *
 * Return: 0 or a negative errno that has been explained to the user.
 */
int screen_start(struct screen *screen, bool ascii);

/* Give the terminal back as it was. Harmless when it was not taken. */
void screen_stop(void);

/* Begin a frame: everything is blank. */
void screen_begin(struct screen *screen);

/* Show the frame: the only place that writes to the terminal. */
void screen_end(void);

/* Draw everything anew, whatever the terminal shows now. */
void screen_redraw(void);

/**
 * screen_put - text at a place
 * @cells: how many it may take; negative: it is filled up with blanks to so many
 *
 * Return: the column behind it.
 */
int screen_put(const struct screen *screen, int y, int x, int cells, enum style style,
	       const char *text);

/* The same, to the end of the line. */
int screen_putf(const struct screen *screen, int y, int x, enum style style, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/**
 * screen_wait - wait for a key
 * @timeout_ns: at most so long; negative: for ever
 * @fd: also until this descriptor is readable; negative: there is none
 * @mask: signals that may interrupt
 *
 * Return: 0, or -ENOTCONN when the terminal is gone.
 */
int screen_wait(int64_t timeout_ns, int fd, const sigset_t *mask);

/* The next key that was pressed: of curses, a byte of text, or -1 if there is none. */
int screen_key(void);

#endif /* GMEM_TUI_SCREEN_H */
