/* SPDX-License-Identifier: GPL-2.0-only */
/* Choices of columns for a question: the option --preset and keys of the interactive view. */
#ifndef GMEM_PRESETS_H
#define GMEM_PRESETS_H

struct preset {
	const char *name;
	const char *help;
	const char *columns; /* as --columns takes them */
	const char *sort;
};

extern const struct preset presets[];
extern const unsigned int nr_presets;

/* A preset by its name. Return: NULL if there is none, which has been explained. */
const struct preset *preset_by_name(const char *name);

/* Print the name, the help and the columns of every preset. */
void presets_print(void);

#endif /* GMEM_PRESETS_H */
