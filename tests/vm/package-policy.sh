#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the VM: the packages are installed, administered as docs/fleet.md has it (TLS, a policy at boot, denials in
# the journal, fail closed), and removed.
set -u
# shellcheck source=package-lib.sh
. "$(dirname "$0")/package-lib.sh"

# One number of gmemctl's JSON.
number()
{
	grep -o "\"$1\": *[0-9]*" | head -n 1 | grep -o '[0-9]*$'
}

workload()
{
	build/tests/gmem-workload --vms 2 -e 'create; bind; convert to=private size=64K times=100' >"$tmp/workload"
}

# --- install
install_packages
check "gmemtop is the one of the package" is "$(command -v gmemtop)" /usr/sbin/gmemtop
check "gmemctl.service is not enabled" is "$(systemctl is-enabled gmemctl.service)" disabled
check "the exporter runs" within active gmem-exporter.service
check "it is not root" fails is "$(systemctl show -P MainPID gmem-exporter.service | xargs -I{} stat -c %u /proc/{})" 0
# Once the programs are attached: the unit gives capabilities, and reading needs none.
check "it has no capability" is "$(systemctl show -P MainPID gmem-exporter.service | xargs -I{} sed -n 's/^CapPrm:\t//p' /proc/{}/status)" 0000000000000000
check "gmem_up is 1" is "$(value gmem_up)" 1

# --- TLS, with files that only root can read
install -m 600 build/package.crt /etc/gmem/tls.crt
install -m 600 build/package.key /etc/gmem/tls.key
dropin=/run/systemd/system/gmem-exporter.service.d
mkdir -p $dropin
cat >$dropin/tls.conf <<-'END'
	[Service]
	LoadCredential=cert:/etc/gmem/tls.crt
	LoadCredential=key:/etc/gmem/tls.key
	ExecStart=
	ExecStart=/usr/sbin/gmemtop export --tls-cert %d/cert --tls-key %d/key $GMEM_EXPORTER_OPTIONS
END
systemctl daemon-reload
check "the exporter restarts with a certificate" systemctl restart gmem-exporter.service
check "it serves HTTPS" within curl -sf --cacert /etc/gmem/tls.crt -o "$tmp/https" --resolve localhost:9758:127.0.0.1 https://localhost:9758/metrics
check "gmem_up is 1 over HTTPS" grep -qx 'gmem_up 1' "$tmp/https"
rm -r $dropin /etc/gmem/tls.crt /etc/gmem/tls.key
systemctl daemon-reload
check "and without one again" systemctl restart gmem-exporter.service

# --- policy at boot, denials in the journal
cp tests/vm/policies/deny.yaml /etc/gmem/policy.yaml
check "gmemctl.service loads the policy" systemctl start gmemctl.service
check "a policy is enforced" gmemctl status --check
check "gmem-denials.service starts" systemctl start gmem-denials.service
for ((i = 0; i < 5; i++)); do
	check "the workload is denied" fails workload
done
sleep 2
counted=$(gmemctl status --check -o json | number denied)
check "the exporter counts denials" is "$(value 'gmem_policy_denials_total')" "$counted"
journalctl --sync
logged=$(journalctl -o json -u gmem-denials --no-pager | grep -c '"GMEM_VERDICT":"denied"')
lost=$(journalctl -o json -u gmem-denials --no-pager | grep -o '"GMEM_LOST_EVENTS":"[0-9]*"' | grep -o '[0-9]*' | paste -sd + | sed 's/^$/0/')
check "the journal has as many denials ($logged, $lost lost) as the kernel counted" is "$((logged + ${lost:-0}))" "$counted"
check "by operation" fails is "$(journalctl -o cat -u gmem-denials GMEM_OPERATION=create --no-pager | wc -l)" 0

# --- and in the audit system, whose records the journal takes
mkdir -p /run/systemd/system/gmem-denials.service.d
cat >/run/systemd/system/gmem-denials.service.d/audit.conf <<-END
	[Service]
	ExecStart=
	ExecStart=/usr/sbin/gmemctl monitor --journal --audit
	CapabilityBoundingSet=CAP_AUDIT_WRITE
	RestrictAddressFamilies=AF_NETLINK
END
systemctl daemon-reload
check "gmem-denials.service restarts with --audit" systemctl restart gmem-denials.service
check "the workload is denied" fails workload
audited()
{
	journalctl -o cat _TRANSPORT=audit --no-pager | grep 'gmem: denied .*gmem_operation="create"'
}
check "an audit record of it" within audited

# --- fail closed
cat >/etc/systemd/system/containerd.service <<-END
	[Service]
	ExecStart=/bin/sleep infinity
END
systemctl daemon-reload
check "enable gmem-fail-closed.service" systemctl enable gmem-fail-closed.service
check "with a policy the manager starts" systemctl start containerd.service
systemctl stop containerd.service
check "set-mode audit" gmemctl set-mode audit
check "in audit mode the manager does not start" fails systemctl start containerd.service
check "unload" gmemctl unload
check "without a policy the manager does not start" fails systemctl start containerd.service
check "gmem-denials.service waits for the next policy" active gmem-denials.service
check "disable gmem-fail-closed.service" systemctl disable gmem-fail-closed.service
check "then it starts without a policy" systemctl start containerd.service
systemctl stop containerd.service gmem-denials.service gmemctl.service

# --- remove
check "dpkg -P" dpkg -P gmem-exporter gmem-tools
check "nothing runs" fails active gmem-exporter.service
check "nothing is enabled" fails ls /etc/systemd/system/sockets.target.wants/gmem-exporter.socket
check "nothing is left but the policy" is "$(find /etc /usr /var/lib/dpkg/info -xdev -name '*gmem*' ! -path '/usr/lib/modules/*' ! -name 'gmem*policy*' | paste -sd ' ')" /etc/gmem
summary
