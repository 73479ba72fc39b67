// SPDX-License-Identifier: GPL-2.0-only
#include "fields.h"

const struct field fields[NR_FIELDS] = {
#define X(object, name, kind, unit, help) { #object, #name, help, KIND_##kind, UNIT_##unit },
	GMEM_FIELDS(X)
#undef X
};

const char *const kind_names[NR_KINDS] = {
#define X(name, ...) #name,
	GMEM_FIELD_KINDS(X)
#undef X
};

const char *const unit_names[NR_UNITS] = {
#define X(name, shown, help) shown,
	GMEM_FIELD_UNITS(X)
#undef X
};

const char *const state_names[NR_STATES] = {
#define X(name, shown) shown,
	GMEM_STATES(X)
#undef X
};
