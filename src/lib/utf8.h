/* SPDX-License-Identifier: GPL-2.0-only */
/* Text that somebody else chose: what it is, and how it is shown on a terminal. */
#ifndef GMEM_UTF8_H
#define GMEM_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/**
 * utf8_character - the character at the beginning of a text
 * @len: of the text, 1 at least
 * @bytes: how many of them it has; 0: it is no UTF-8
 *
 * Return: its number, or that of the first byte where it is no UTF-8.
 */
unsigned int utf8_character(const char *text, size_t len, size_t *bytes);

/**
 * utf8_is_unsafe - can the character change how other text is shown?
 *
 * Controls (C0, DEL, C1) command a terminal, line separators end a line, and bidirectional controls
 * (Unicode Standard Annex #9) make a text look like another one.
 */
bool utf8_is_unsafe(unsigned int character);

/*
 * As one line: tabs become blanks; what is unsafe, and bytes that are not UTF-8, become '?'. No
 * text that somebody else chose is printed by other means.
 */
void utf8_print(const char *text, size_t len, FILE *out);

/* The same, in place. */
void utf8_clean(char *text);

/* The same, as much of it as fits in @size bytes with the end of the string. Return: @to */
char *utf8_copy(char *to, size_t size, const char *text);

#endif /* GMEM_UTF8_H */
