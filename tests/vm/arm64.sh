#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# arm64.sh smoke|all|bypass|races: build the programs for arm64 and run their tests in lane stock-arm64. smoke
# is what fits into each run of the suite.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# The source of a fact or the guarantee for an operation are compared with lib/offers.h first, each time.
smoke='build/tests/gmemtop_test shared-8-vms && build/tests/policy_plain_test'
all='build/tests/gmemtop_test &&
build/tests/gmemtop_test --falsify shared &&
build/tests/vms_test && build/tests/vms_test --falsify &&
build/tests/bindings_test &&
build/tests/denials_test requests faults &&
build/tests/policy_test &&
build/tests/policy_plain_test &&
build/tests/policy_identity_test &&
build/tests/policy_holders_test plain'
bypass='build/tests/bypass --no-area lock --no-area near --rounds 200 && build/tests/bypass --area lock'
races='build/tests/bypass --verbose --area races --rounds 100000'

case ${1:-} in
smoke) tests=$smoke seconds=300 built='gmemtop tests/gmem-workload tests/gmemtop_test tests/policy_plain_test' ;;
all) tests=$all seconds=1500 built=all ;;
bypass) tests=$bypass seconds=2400 built='gmemctl gmemtop tests/bypass tests/bypass_evil.so' ;;
races) tests=$races seconds=3600 built='gmemctl tests/bypass tests/bypass_evil.so' ;;
*) die 2 "usage: arm64.sh smoke|all|bypass|races" ;;
esac

cd "$root"
# shellcheck disable=SC2086	# a list of words
[ "$built" = all ] || built=$(printf 'build/arm64/%s ' $built)
# shellcheck disable=SC2086	# a list of words
make --no-print-directory -j "$(nproc)" ARCH=arm64 $built
LANE=stock-arm64 TIMEOUT=$seconds CMD=$tests tests/vm/lab.sh
