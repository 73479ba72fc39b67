// SPDX-License-Identifier: GPL-2.0-only
/* The guest's address space and what is bound to it, in the view of one VM. */
#include <stdio.h>
#include <string.h>

#include "heat.h"
#include "tui_detail.h"

#define HEAT_LEFT 9 /* of the cells */
#define TICKS	  4 /* addresses below them */
#define HOTTEST	  4 /* cells that are named */

static enum style heat_style(int level)
{
	static const enum style styles[HEAT_LEVELS] = {
		STYLE_NORMAL, STYLE_COLD, STYLE_COLD, STYLE_WARM,    STYLE_WARM,
		STYLE_HOT,    STYLE_HOT,  STYLE_HOT,  STYLE_BURNING,
	};

	return styles[level];
}

static void draw_cells(struct area *area, const char *name, const struct gmem_heat *heat)
{
	const struct screen *screen = &area->tui->screen;
	int y = place(area, area->line), i, level;
	uint64_t max = 0;

	for (i = 0; i < GMEM_HEAT_CELLS; i++)
		max = heat->pages[i] > max ? heat->pages[i] : max;
	put(area, area->line++, 0, STYLE_LABEL, "%s", name);
	for (i = 0; i < GMEM_HEAT_CELLS; i++) {
		level = heat_level(heat->pages[i], max);
		screen_put(screen, y, HEAT_LEFT + i, 1, heat_style(level),
			   heat_text(level, screen->ascii));
	}
}

static void address(const struct gmem_heat *heat, int cell, char *buf)
{
	format_number(buf, ((uint64_t)cell << heat->shift) * 100, UNIT_PAGES, true);
}

static void draw_scale(struct area *area, const struct gmem_heat *heat)
{
	char buf[NUMBER_LEN];
	int i;

	for (i = 0; i < TICKS; i++) {
		address(heat, i * GMEM_HEAT_CELLS / TICKS, buf);
		put(area, area->line, HEAT_LEFT + i * GMEM_HEAT_CELLS / TICKS, STYLE_LABEL, "|%s",
		    buf);
	}
	address(heat, GMEM_HEAT_CELLS, buf);
	put(area, area->line++, HEAT_LEFT + GMEM_HEAT_CELLS, STYLE_LABEL, "|%s", buf);
}

/* The next hottest cell after @before, of equal ones the first; -1: no more. */
static int next_hottest(const struct gmem_heat *heat, int before)
{
	int i, best = -1;

	for (i = 0; i < GMEM_HEAT_CELLS; i++) {
		if (!heat->pages[i] ||
		    (before >= 0 && (heat->pages[i] > heat->pages[before] ||
				     (heat->pages[i] == heat->pages[before] && i <= before))))
			continue;
		if (best < 0 || heat->pages[i] > heat->pages[best])
			best = i;
	}
	return best;
}

static void draw_hottest(struct area *area, const struct gmem_heat *heat)
{
	char from[NUMBER_LEN], to[NUMBER_LEN], pages[NUMBER_LEN];
	int width = (area->tui->screen.cols - HEAT_LEFT) / HOTTEST, i, cell = -1;

	put(area, area->line, 0, STYLE_LABEL, "hottest");
	for (i = 0; i < HOTTEST; i++) {
		cell = next_hottest(heat, cell);
		if (cell < 0)
			break;
		address(heat, cell, from);
		address(heat, cell + 1, to);
		format_number(pages, heat->pages[cell] * 100, UNIT_PAGES, area->tui->bytes);
		screen_putf(&area->tui->screen, place(area, area->line), HEAT_LEFT + i * width,
			    STYLE_NORMAL, "%s-%s %s", from, to, pages);
	}
	area->line++;
}

void draw_heat(struct area *area)
{
	const struct tui *tui = area->tui;
	const struct gmem_heat *heat = heat_in(&tui->detail);
	char title[128], cell[NUMBER_LEN];

	if (!(tui->frames->features->facts & FACT(convert)) || !(tui->heat_known & WANT_HEAT))
		return;
	format_number(cell, 100ULL << heat->shift, UNIT_PAGES, true);
	snprintf(title, sizeof(title),
		 " Conversions by guest address: memory asked for, a cell is %s", cell);
	heading(area, title);
	draw_cells(area, "so far", heat);
	if (tui->has_fresh)
		draw_cells(area, "now", &tui->fresh);
	draw_scale(area, heat);
	draw_hottest(area, heat);
}

/* --- instances --- */

static const char *pages_text(const struct area *area, uint64_t pages, char *buf)
{
	if (pages == GMEM_UNKNOWN)
		return "-";
	format_number(buf, pages * 100, UNIT_PAGES, area->tui->bytes);
	return buf;
}

static void draw_bindings(struct area *area, uint64_t inst_id)
{
	const struct model_binding *b;
	char from[NUMBER_LEN], pages[NUMBER_LEN], resident[NUMBER_LEN], private[NUMBER_LEN];
	char twice[NUMBER_LEN], backing[NUMBER_LEN], offset[NUMBER_LEN];
	size_t i, nr;

	b = model_bindings_of(&area->tui->model, area->tui->detail.now.id, &nr);
	for (i = 0; i < nr; i++, b++) {
		if (b->inst_id != inst_id)
			continue;
		format_number(from, b->now.gfn * 100, UNIT_PAGES, true);
		format_number(offset, b->now.pgoff * 100, UNIT_PAGES, true);
		put(area, area->line++, 0, STYLE_NORMAL,
		    "        slot %-5u at %-6s %7s %8s  from %s, private %s, twice %s + %s",
		    b->now.slot, from, pages_text(area, b->now.pages, pages),
		    pages_text(area, b->now.resident, resident), offset,
		    pages_text(area, b->now.private, private),
		    pages_text(area, b->now.waste_instance, twice),
		    pages_text(area, b->now.waste_backing, backing));
	}
}

static void draw_holders(struct area *area, uint64_t inst_id)
{
	const struct model_holder *holder;
	size_t i, nr;

	holder = model_holders_of(&area->tui->model, area->tui->detail.now.id, &nr);
	for (i = 0; i < nr; i++, holder++) {
		if (holder->inst_id == inst_id)
			put(area, area->line++, 0, STYLE_NORMAL,
			    "        held by %u %s: %u descriptors, %u mappings", holder->now.tgid,
			    holder->now.comm, holder->now.fds, holder->now.mappings);
	}
}

void draw_instances(struct area *area)
{
	const struct sample_inst *inst;
	struct tui *tui = area->tui;
	char size[NUMBER_LEN], resident[NUMBER_LEN];
	struct model_inst **insts;
	size_t i, nr;

	heading(area, "     ID        INODE    SIZE RESIDENT  FLAGS");
	insts = model_insts_of(&tui->model, tui->detail.now.id, &nr);
	for (i = 0; i < nr; i++) {
		inst = &insts[i]->now;
		if (inst->id == GMEM_ID_OTHER)
			continue;
		format_number(size, (inst->size >> 12) * 100, UNIT_PAGES, tui->bytes);
		format_number(resident, inst->resident * 100, UNIT_PAGES, tui->bytes);
		put(area, area->line++, 0, STYLE_NORMAL, "%7llu %12llu %7s %8s  %s%s%s",
		    (unsigned long long)inst->id, (unsigned long long)inst->ino, size, resident,
		    inst->flags & 1 ? "mmap " : "", inst->flags & 2 ? "init-shared " : "",
		    inst->born ? "" : "older than gmemtop");
		draw_bindings(area, inst->id);
		draw_holders(area, inst->id);
	}
}
