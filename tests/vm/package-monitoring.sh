#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the VM: the packages are installed, the exporter starts from its socket, Prometheus has its numbers, an
# alert fires while a VM storms, for this VM alone, and resolves after it; another fires when the exporter is
# away. PROMETHEUS is the server, which the package does not depend on.
#
# The rules are a copy of those of the package in which a minute is a second, and a storm is 100 conversions
# per second instead of 2,000: this VM is emulated.
set -u
# shellcheck source=package-lib.sh
. "$(dirname "$0")/package-lib.sh"
server=http://127.0.0.1:9790
rules=/usr/share/doc/gmem/prometheus
children=()

# What PromQL answers, if it is one number.
query()
{
	curl -sf --max-time 20 --data-urlencode "query=$1" "$server/api/v1/query" |
		sed -n 's/.*"result":\[{[^]]*"value":\[[^,]*,"\([^"]*\)"\]}\]}}$/\1/p'
}

query_is()
{
	is "$(query "$1")" "$2"
}

# The alerts that fire, each with its VM if it has one.
firing()
{
	curl -sf --max-time 20 -G --data-urlencode 'match[]=ALERTS{alertstate="firing"}' "$server/federate" |
		sed -nE '/^ALERTS/{ s/.*alertname="([^"]*)".*[{,](vm="[^"]*").*/\1 \2/; s/^ALERTS.*alertname="([^"]*)".*/\1/; p }' |
		sort | paste -sd ,
}

fire()
{
	is "$(firing)" "$1"
}

# prometheus: with the rules of the package
prometheus()
{
	mkdir "$tmp/rules"
	cp "$rules"/*.rules.yml "$tmp/rules"
	sed -i -E 's/(\[|for: )([0-9]+)m/\1\2s/; s/ > 2000$/ > 100/' "$tmp"/rules/*
	cat >"$tmp/prometheus.yml" <<-END
	global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
	rule_files: [ '$tmp/rules/*' ]
	END
	# Its job, without its interval and its files of rules.
	sed -e '/^rule_files:/,$d' -e '/scrape_interval:/d' "$rules/scrape.yml" >>"$tmp/prometheus.yml"
	"$PROMETHEUS" --config.file="$tmp/prometheus.yml" --storage.tsdb.path="$tmp/data" \
		--web.listen-address=127.0.0.1:9790 >"$tmp/prometheus.log" 2>&1 &
	children+=($!)
}

# vmm NAME RATE: a VM of this name that converts so many times per second, for an hour
vmm()
{
	cp build/tests/gmem-workload "$tmp/$1"
	"$tmp/$1" -e "create; bind; start; mix kinds=convert:1 ops=0 pages=1 rate=$2 duration=3600000" >/dev/null &
	children+=($!)
}

install_packages
check "gmem-exporter.socket is enabled" is "$(systemctl is-enabled gmem-exporter.socket)" enabled
check "the socket listens" active gmem-exporter.socket
systemctl stop gmem-exporter.service 2>/dev/null
check "the exporter does not run" fails active gmem-exporter.service
prometheus
check "a scrape of Prometheus starts the exporter" within query_is gmem_up 1
check "it is the one of the package" is "$(readlink "/proc/$(systemctl show -P MainPID gmem-exporter.service)/exe")" /usr/sbin/gmem-exporter

# The workload accounts for what it does; nothing has happened before it.
check "no conversion before" within query_is 'sum(gmem_node_conversions_total)' 0
check "the workload" build/tests/gmem-workload --vms 2 -e 'create; bind; convert to=private size=64K times=100'
check "Prometheus has each of its 200 conversions" within query_is 'sum(gmem_node_conversions_total)' 200
# While the exporter attached its programs it did not answer, which is an alert.
check "no alert fires" within fire ''

vmm calm 10
vmm storm 1000
storm=$!
check "an alert fires for the VM that storms" within fire 'GmemConversionStorm vm="storm"'
check "both VMs are there" within query_is 'count(gmem_vm_info)' 2
kill "$storm"
wait "$storm" 2>/dev/null
check "it resolves after the storm" within fire ''
check "the other VM converts still" within query_is 'instance_vm:gmem_conversions:rate5m{vm="calm"} > bool 0' 1
systemctl stop gmem-exporter.socket gmem-exporter.service
check "an alert fires without the exporter" within fire GmemExporterDown

# After a failure the reason may be here.
[ "$failed" = 0 ] || tail -n 3 "$tmp/prometheus.log"
kill "${children[@]}" 2>/dev/null
summary
