/* SPDX-License-Identifier: GPL-2.0-only */
/* A file that readers see whole: the old one or the new one. */
#ifndef GMEM_TEXTFILE_H
#define GMEM_TEXTFILE_H

#include <stddef.h>

/**
 * textfile_write - replace a file
 * @path: its name; a temporary file .NAME.tmp beside it is used, and replaced if it is there
 * @data: what it contains from now on, on the disk too
 *
 * Everybody can read the file. Return: 0 or a negative errno, explained; then the file is the old
 * one.
 */
int textfile_write(const char *path, const char *data, size_t len);

#endif /* GMEM_TEXTFILE_H */
