// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmem-exporter: what `gmemtop export` runs. A program of its own, so that the libraries for HTTP
 * and TLS are neither in gmemtop nor needed by it.
 */
#include "export/export.h"
#include "lib/output.h"

int main(int argc, char **argv)
{
	output_begin();
	return output_end(export_main(argc, argv));
}
