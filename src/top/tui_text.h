/* SPDX-License-Identifier: GPL-2.0-only */
/* Text for a terminal: cut by display width, and numbers in few characters. Knows no curses. */
#ifndef GMEM_TUI_TEXT_H
#define GMEM_TUI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fields.h"

#define NUMBER_LEN 32

/**
 * text_fit - the part of a text that fits into so many cells of the terminal
 * @out: the result
 * @size: of @out
 * @text: in the encoding of the locale; what would steer the terminal, or is no text, becomes '?'
 * @cells: how many there are
 * @ascii: no other characters than those of ASCII
 *
 * What is cut ends in an ellipsis.
 *
 * Return: how many cells the result takes.
 */
int text_fit(char *out, size_t size, const char *text, int cells, bool ascii);

/**
 * format_number - a number in about 6 characters
 * @buf: of NUMBER_LEN
 * @hundredths: the number times 100
 * @unit: what it counts
 * @bytes: pages as bytes (K, M, G...), else as pages
 */
void format_number(char *buf, uint64_t hundredths, enum unit unit, bool bytes);

/* A rate in hundredths; what is less than one is one, and not 0. */
uint64_t rate_hundredths(uint64_t millionths);

/**
 * text_spark - a series as a line of blocks, the largest value being the highest
 * @values: oldest first
 * @nr: how many, and how many cells it takes
 *
 * Return: the largest value.
 */
uint32_t text_spark(char *out, size_t size, const uint32_t *values, int nr, bool ascii);

/* A bar of part/whole of @cells; what is not 0 is seen. Return: the cells taken. */
int text_bar(char *out, size_t size, uint64_t part, uint64_t whole, int cells, bool ascii);

#define HEAT_LEVELS 9

/* How hot a cell is beside the hottest: 0 is nothing at all, each level less is a quarter. */
int heat_level(uint64_t value, uint64_t max);

/* A level as one cell of the terminal. */
const char *heat_text(int level, bool ascii);

#endif /* GMEM_TUI_TEXT_H */
