/* SPDX-License-Identifier: GPL-2.0-only */
/* Files that the user names: policies, cases, events. */
#ifndef GMEM_INPUT_H
#define GMEM_INPUT_H

#include <stdio.h>

/**
 * input_open - open what is to be read
 * @path: "-" is standard input
 * @in: the result, for input_close()
 *
 * A device is not opened: what that alone does is up to its driver.
 *
 * Return: 0 or a negative errno that has been explained.
 */
int input_open(const char *path, FILE **in);
void input_close(FILE *in);

/* As messages name it. */
const char *input_name(const char *path);

/* Reading failed with errno. Return: a negative errno that has been explained. */
int input_failed(const char *path);

#endif /* GMEM_INPUT_H */
