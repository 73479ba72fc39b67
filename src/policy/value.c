// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <linux/fsverity.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "value.h"

#define MOST_NAMES   8
#define LONGEST_NAME 24
#define MAX_UID	     4294967294U

/* "other" is a direction of requests that a policy cannot name. */
#define NAMED_DIRECTIONS 2

#define X(name, ...) #name,
static const char *const raw[VALUE_KINDS][MOST_NAMES + 1] = {
	[VALUE_OPERATION] = { GMEM_OPERATIONS(X) },
	[VALUE_FLAG] = { GMEM_CREATE_FLAGS(X) },
	[VALUE_PROT] = { GMEM_PROTS(X) },
	[VALUE_DIRECTION] = { GMEM_DIRECTIONS_OF_CONVERSION(X) },
	[VALUE_TYPE] = { GMEM_VM_TYPES(X) "other" },
	[VALUE_CONDITION] = { POLICY_CONDITIONS(X) },
	[VALUE_GUARD] = { GMEM_POLICY_GUARDS(X) },
};
#undef X

static struct names {
	const char *names[MOST_NAMES];
	char text[MOST_NAMES][LONGEST_NAME];
	size_t nr;
} written[VALUE_KINDS];

const char *const *value_names(enum value_kind kind, size_t *nr)
{
	struct names *names = &written[kind];
	size_t i, j;

	for (i = names->nr; raw[kind][i]; i++) {
		if (kind == VALUE_DIRECTION && i == NAMED_DIRECTIONS)
			break;
		for (j = 0; raw[kind][i][j] && j < LONGEST_NAME - 1; j++)
			names->text[i][j] = raw[kind][i][j] == '_' ? '-' : raw[kind][i][j];
		names->names[i] = names->text[i];
		names->nr = i + 1;
	}
	*nr = names->nr;
	return names->names;
}

const char *value_name(enum value_kind kind, unsigned int number)
{
	const char *const *names;
	size_t nr;

	names = value_names(kind, &nr);
	return number < nr ? names[number] : "?";
}

int value_number(enum value_kind kind, const char *name)
{
	const char *const *names;
	size_t nr, i;

	names = value_names(kind, &nr);
	for (i = 0; i < nr; i++) {
		if (!strcmp(names[i], name))
			return (int)i;
	}
	return -ENOENT;
}

int value_word(enum value_kind kind, const char *word, __u32 *bits)
{
	__u64 number;
	int ret;

	if (kind == VALUE_FLAG && isdigit((unsigned char)*word)) {
		ret = value_integer(word, &number);
		if (ret)
			return ret;
		*bits = (__u32)number;
		return !number || number >= GMEM_FLAGS_foreign ? -ERANGE : 0;
	}
	ret = value_number(kind, word);
	if (ret < 0)
		return ret;
	*bits = 1U << ret;
	return 0;
}

int value_bits(enum value_kind kind, const char *text, __u32 *bits)
{
	char name[LONGEST_NAME + 1];
	__u32 word;
	size_t len;
	int ret;

	*bits = 0;
	if (!*text || !strcmp(text, "none"))
		return 0;
	for (;; text += len + 1) {
		len = strcspn(text, ",");
		if (len > LONGEST_NAME)
			return -ENOENT;
		memcpy(name, text, len);
		name[len] = '\0';
		ret = value_word(kind, name, &word);
		if (ret)
			return ret;
		*bits |= word;
		if (!text[len])
			return 0;
	}
}

char *value_list(enum value_kind kind, __u32 bits, const char *separator, char *text, size_t size)
{
	const char *const *names;
	size_t nr, i, len = 0;

	*text = '\0';
	names = value_names(kind, &nr);
	for (i = 0; i < nr && len < size; i++) {
		if (bits >> i & 1)
			len += (size_t)snprintf(text + len, size - len, "%s%s",
						len ? separator : "", names[i]);
	}
	bits &= kind == VALUE_FLAG && bits != VALUE_ALL ? ~0U << nr : 0;
	if (bits && len < size)
		snprintf(text + len, size - len, "%s0x%x", len ? separator : "", bits);
	return text;
}

static const struct unit {
	const char *name;
	int shift;
} units[] = { { "TiB", 40 }, { "GiB", 30 }, { "MiB", 20 }, { "KiB", 10 }, { "B", 0 } };

#define NR_UNITS (sizeof(units) / sizeof(*units))

static const char *skip_blanks(const char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	return text;
}

/* Reads a number from the beginning of *text, which is moved behind it. */
static int scan_integer(const char **text, __u64 *number)
{
	const char *at = *text;
	char *end;
	bool hex = at[0] == '0' && (at[1] | 0x20) == 'x';

	if (!isdigit((unsigned char)*at) || (hex && !isxdigit((unsigned char)at[2])) ||
	    (at[0] == '0' && isdigit((unsigned char)at[1])))
		return -EINVAL;
	errno = 0;
	*number = strtoull(at, &end, hex ? 16 : 10);
	*text = end;
	return errno ? -ERANGE : 0;
}

int value_integer(const char *text, __u64 *number)
{
	int ret = scan_integer(&text, number);

	return !ret && *text ? -EINVAL : ret;
}

int value_uid(const char *text, __u32 *uid)
{
	__u64 number;
	int ret;

	if (text[strspn(text, "0123456789")])
		return -EINVAL;
	ret = value_integer(text, &number);
	*uid = (__u32)number;
	return !ret && number > MAX_UID ? -ERANGE : ret;
}

/* Reads a size from the beginning of *text, which is moved behind it. */
static int scan_size(const char **text, __u64 *bytes)
{
	const char *at = skip_blanks(*text);
	const struct unit *unit;
	int ret;

	ret = scan_integer(&at, bytes);
	if (ret)
		return ret;
	at = skip_blanks(at);
	for (unit = units; unit < units + NR_UNITS; unit++) {
		if (strncmp(at, unit->name, strlen(unit->name)))
			continue;
		if (*bytes > ~0ULL >> unit->shift)
			return -ERANGE;
		*bytes <<= unit->shift;
		at = skip_blanks(at + strlen(unit->name));
		break;
	}
	*text = at;
	return 0;
}

int value_size(const char *text, __u64 *bytes)
{
	int ret;

	ret = scan_size(&text, bytes);
	if (!ret && *text)
		ret = -EINVAL;
	return ret;
}

int value_comparison(const char *text, __u64 *min, __u64 *max)
{
	__u64 bytes, low = 0, high = ~0ULL;
	char how;
	bool equal;
	int ret;

	text = skip_blanks(text);
	how = *text;
	if (how != '<' && how != '>' && how != '=')
		return -EINVAL;
	equal = text[1] == '=';
	if (how == '=' && !equal)
		return -EINVAL;
	ret = value_size(text + 1 + equal, &bytes);
	if (ret)
		return ret;
	if ((how == '<' && !equal && !bytes) || (how == '>' && !equal && bytes == ~0ULL))
		return -EDOM;
	if (how != '>')
		high = how == '<' && !equal ? bytes - 1 : bytes;
	if (how != '<')
		low = how == '>' && !equal ? bytes + 1 : bytes;
	if (low > *min)
		*min = low;
	if (high < *max)
		*max = high;
	return *min > *max ? -EDOM : 0;
}

int value_range(const char *text, __u64 *start, __u64 *end)
{
	char how;
	int ret;

	ret = scan_size(&text, start);
	if (ret)
		return ret;
	how = *text;
	if (how != '-' && how != '+')
		return -EINVAL;
	text++;
	ret = scan_size(&text, end);
	if (ret)
		return ret;
	if (*text)
		return -EINVAL;
	if (how == '+') {
		if (*end > ~0ULL - *start)
			return -ERANGE;
		*end += *start;
	}
	if (*end <= *start)
		return -EDOM;
	return (*start | *end) % VALUE_PAGE ? -EXDEV : 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const struct algorithm {
	const char *prefix;
	__u32 number, size;
} algorithms[] = {
	{ "sha256:", FS_VERITY_HASH_ALG_SHA256, 32 },
	{ "sha512:", FS_VERITY_HASH_ALG_SHA512, 64 },
};

int value_digest(const char *text, struct gmem_identity *identity)
{
	const struct algorithm *algorithm = algorithms;
	__u32 i;

	if (strncmp(text, algorithm->prefix, strlen(algorithm->prefix)))
		algorithm++;
	if (strncmp(text, algorithm->prefix, strlen(algorithm->prefix)))
		return -EINVAL;
	text += strlen(algorithm->prefix);
	if (strlen(text) != 2 * algorithm->size)
		return -EINVAL;
	memset(identity, 0, sizeof(*identity));
	identity->kind = GMEM_BY_VERITY;
	identity->algorithm = algorithm->number;
	identity->size = algorithm->size;
	for (i = 0; i < algorithm->size; i++) {
		int high = hex(text[2 * i]), low = hex(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		identity->digest[i] = (__u8)(high << 4 | low);
	}
	return 0;
}

char *value_digest_text(const struct gmem_identity *identity, char text[VALUE_DIGEST_TEXT])
{
	const struct algorithm *algorithm = algorithms;
	__u32 i, len;

	if (algorithm->number != identity->algorithm)
		algorithm++;
	len = (__u32)strlen(algorithm->prefix);
	memcpy(text, algorithm->prefix, len + 1);
	for (i = 0; i < algorithm->size; i++)
		snprintf(text + len + 2 * i, 3, "%02x", identity->digest[i]);
	return text;
}

char *value_size_text(__u64 bytes, char text[VALUE_SIZE_TEXT])
{
	const struct unit *unit = units;

	while (bytes & ((1ULL << unit->shift) - 1))
		unit++;
	if (!bytes)
		unit = units + NR_UNITS - 1;
	snprintf(text, VALUE_SIZE_TEXT, "%llu%s", (unsigned long long)(bytes >> unit->shift),
		 unit->shift ? unit->name : "");
	return text;
}
