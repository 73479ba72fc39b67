/* SPDX-License-Identifier: GPL-2.0-only */
/* A file system of FUSE with one file, which is whatever it is told to be. */
#ifndef VM_FUSE_FILE_H
#define VM_FUSE_FILE_H

#include <stdint.h>
#include <sys/types.h>

struct fuse_file {
	const char *name;
	uint64_t ino, generation; /* what it says that the file is */
	int fuse;		  /* /dev/fuse, of the mount */
	int bytes;		  /* a file that has those of this one */
	uint64_t size;		  /* set by fuse_file_serve() */
};

/*
 * In a process of its own, which ends with the mount or with the caller: one that uses what it
 * serves would wait for itself when it ends. Return: its pid, -1.
 */
pid_t fuse_file_serve(struct fuse_file *s);

#endif
