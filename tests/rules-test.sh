#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# rules-test.sh [falsify]: promtool accepts the rules, each alert has a case in which it fires and one near it
# in which it does not, and rules, dashboard and recipes name only metrics and labels of the exporter's table;
# the dashboard is one that Grafana can show.
# falsify: each alert is changed so that it never fires, always fires, or fires at once: its cases notice.
set -eu
cd "$(dirname "$0")/.."
rules=contrib/prometheus
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

check()
{
	local what=$1

	shift
	if "$@" >"$tmp/log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "rules-test: $what: $(cat "$tmp/log")" >&2
	fi
}

fails()
{
	! "$@"
}

# Where make deps unpacks Prometheus on a machine that has none.
PATH=$PATH:${XDG_CACHE_HOME:-$HOME/.cache}/gmem-lab/prometheus/usr/bin
command -v promtool >/dev/null || {
	echo "rules-test: no promtool here: run make deps" >&2
	exit 1
}
mapfile -t alerts < <(sed -n 's/^ *- alert: //p' $rules/alerts.rules.yml)

# has_cases ALERT: it has both, and the first one expects it
has_cases()
{
	grep -qx "  - name: $1 fires" $rules/tests/alerts.test.yml &&
		grep -qx "  - name: $1 does not fire" $rules/tests/alerts.test.yml &&
		sed -n "/- name: $1 fires\$/,/- name: $1 does not/p" $rules/tests/alerts.test.yml | grep -q exp_labels
}

# recipes: docs/promql.md as rules, one for each expression: a line and the indented ones behind it
recipes()
{
	awk '/^```/ { inside = !inside; next }
		!inside || /^$/ { next }
		!n++ { print "groups:\n  - name: recipes\n    rules:" }
		/^[^ ]/ { print "      - record: recipe:" n "\n        expr: |" }
		{ print "          " $0 }' docs/promql.md >"$tmp/recipes.yml"
	promtool check rules "$tmp/recipes.yml"
}

# dashboard FILE: Grafana can show it, and Prometheus parses its queries
dashboard()
{
	tests/dashboard.py "$1" >"$tmp/dashboard.yml" && promtool check rules "$tmp/dashboard.yml"
}

# change ALERT SED: the rules with this alert changed, in $tmp/rules
change()
{
	rm -rf "$tmp/rules"
	cp -r $rules "$tmp/rules"
	sed -i -E "/- alert: $1\$/,/annotations:/{$2}" "$tmp/rules/alerts.rules.yml"
	if cmp -s $rules/alerts.rules.yml "$tmp/rules/alerts.rules.yml"; then
		echo "the change '$2' changes nothing"
		return 1
	fi
}

# notices ALERT SED: with this change the cases fail
notices()
{
	change "$1" "$2" || return
	promtool check rules "$tmp/rules/alerts.rules.yml" || return
	! promtool test rules "$tmp/rules/tests/alerts.test.yml"
}

if [ "${1:-}" = falsify ]; then
	for alert in "${alerts[@]}"; do
		check "$alert never fires" notices "$alert" 's/ > [0-9.]+/ > 1e18/; s/ == 0/ == 7/'
		check "$alert always fires" notices "$alert" 's/ > [0-9.]+/ > -1/g; s/ == 0/ >= 0/; s/\{.*\}//'
		grep -A 12 -- "- alert: $alert\$" $rules/alerts.rules.yml | sed '1d; /- alert/,$d' | grep -q ' for: ' || continue
		check "$alert fires at once" notices "$alert" '/^ *for:/d'
	done
else
	check "promtool check rules" promtool check rules $rules/*.rules.yml
	check "promtool test rules" promtool test rules $rules/tests/alerts.test.yml
	check "docs/promql.md" recipes
	check "the dashboard" dashboard contrib/grafana/gmem.json
	# With a variable, a place or a parenthesis that is wrong it is noticed.
	# shellcheck disable=SC2016	# Grafana's variable
	for change in 's/\$instance/$host/' 's/"x": [1-9][0-9]*/"x": 0/' 's/\(sum\|rate\|max\)(/\1((/'; do
		sed "$change" contrib/grafana/gmem.json >"$tmp/wrong.json"
		check "a dashboard that is wrong ($change) is not noticed" fails dashboard "$tmp/wrong.json"
	done
	for alert in "${alerts[@]}"; do
		check "$alert has no case in which it fires and one in which it does not" has_cases "$alert"
	done
	build/gmemtop export --metrics >"$tmp/metrics"
	check "names of metrics" tests/metric-names.py "$tmp/metrics" $rules/*.rules.yml contrib/grafana/gmem.json docs/promql.md
	# Each name with a letter more is noticed.
	sed 's/gmem_node_conversions_total/&x/' $rules/recording.rules.yml >"$tmp/wrong.yml"
	check "a wrong name is not noticed" eval "! tests/metric-names.py '$tmp/metrics' '$tmp/wrong.yml'"
	sed 's/{operation=/{operations=/' $rules/recording.rules.yml >"$tmp/wrong.yml"
	check "a wrong label is not noticed" eval "! tests/metric-names.py '$tmp/metrics' '$tmp/wrong.yml'"
fi
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
