/* SPDX-License-Identifier: GPL-2.0-only */
/* Options as a const table: getopt_long, the usage text and the checks of values come from it. */
#ifndef GMEM_OPTS_H
#define GMEM_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_kind {
	OPT_FLAG,     /* bool */
	OPT_COUNT,    /* int, each use adds one */
	OPT_NUMBER,   /* uint64_t, 1 or more */
	OPT_SIZE,     /* uint64_t bytes, 1 or more; K, M, G and T are powers of 1024 */
	OPT_DURATION, /* uint64_t nanoseconds, given in seconds with decimals */
	OPT_STRING,   /* const char * */
	OPT_OPERAND,  /* const char *, given without a name: operands are taken in their order */
};

struct opt {
	const char *name;
	const char *value; /* its name in the usage text, NULL: takes none */
	const char *help;
	size_t offset; /* of the member in the options of the program */
	enum opt_kind kind;
	char letter; /* 0: long form only */
};

/**
 * opts_parse - read the command line
 * @table: the options, the last one has no name
 * @into: the program's options, already with their defaults
 *
 * Return: 0 or -EINVAL, which has been explained to the user. Operands for which the table has no
 * place are not accepted; those that are not given stay as they are.
 */
int opts_parse(const struct opt *table, void *into, int argc, char **argv);

/* Print @head and a line for each option. */
void opts_usage(const struct opt *table, const char *head);

/*
 * A time with up to nine decimals, in seconds or with the unit s, m or h, as nanoseconds. Return: 0
 * or -EINVAL.
 */
int parse_duration(const char *text, uint64_t *ns);

/* A number with one of K, M, G, T (or KiB and so on) behind it, as bytes. Return: 0 or -EINVAL. */
int parse_size(const char *text, uint64_t *bytes);

#endif /* GMEM_OPTS_H */
