# SPDX-License-Identifier: GPL-2.0-only
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

LANE ?= patched
# A command has dollar signs of its own: take it as it was written, not as make would expand it.
override CMD := $(value CMD)
export LANE CMD TIMEOUT TTY ICOUNT MEM SMP APPEND UPDATE KERNEL_TARBALL LAB_DIR

.DEFAULT_GOAL := help

help:	## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

kernel:	## build or fetch the kernel of LANE=patched|vanilla|debug|stock-7|stock-6.12
	@tests/vm/kernel.sh $(LANE)

lab:	## boot LANE and run CMD='...' in it as root, or a shell
	@tests/vm/lab.sh

clean:	## remove build/ (the cache of kernels stays)
	rm -rf build

.PHONY: help kernel lab clean
