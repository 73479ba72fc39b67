/* SPDX-License-Identifier: GPL-2.0-only */
/* How the commands print a requesting task and its request. */
#ifndef GMEM_CTL_CMD_REQUEST_PRINT_H
#define GMEM_CTL_CMD_REQUEST_PRINT_H

#include "../../lib/json.h"
#include "../../policy/request.h"

/* The objects "subject" and "request". */
void json_who(struct json *json, const struct who *who);
void json_request(struct json *json, const struct gmem_request *request);

#define REQUEST_LINE 1024

/*
 * The same in one line. What the task has not is "any other", of the attributes that a policy
 * names. Both return @text.
 */
char *who_line(const struct who *who, char text[REQUEST_LINE]);
char *request_line(const struct gmem_request *request, char text[REQUEST_LINE]);

#endif /* GMEM_CTL_CMD_REQUEST_PRINT_H */
