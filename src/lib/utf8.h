/* SPDX-License-Identifier: GPL-2.0-only */
/* Text that somebody else chose: what it is, and how it is shown on a terminal. */
#ifndef GMEM_UTF8_H
#define GMEM_UTF8_H

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

/*
 * As one line that commands no terminal: tabs become blanks, controls (also those behind ASCII) and
 * bytes that are no UTF-8 become '?'.
 */
void utf8_print(const char *text, size_t len, FILE *out);

/* The same, in place. */
void utf8_clean(char *text);

#endif /* GMEM_UTF8_H */
