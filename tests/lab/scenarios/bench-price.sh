# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # run reads CLOCK
# What single events cost that guests cause all the time, on the stock module and on ours: instructions of guest and host, the
# least of COUNT, by the small guest tiny/.
CLOCK="instructions"
COUNT="20"

# least NAME: of what tiny has measured.
least() { sed -n "s/^cost: $1: min \([0-9]*\) .*/\1/p" "$RUN"/tiny; }

prices() {	# CONFIG MODULE HOST
	kvm_load "$2" || return
	# shellcheck disable=SC2086 # words are meant
	tiny prices -c "$COUNT" $3
	nothing=$(least nothing)
	sed -n 's/^cost: \(.*\): min \([0-9]*\) .*/\2 \1/p' "$RUN"/tiny >"$RUN"/prices
	check "$1: prices of $(wc -l <"$RUN"/prices) events" [ "${nothing:-0}" -gt 0 ]
	while read -r least name; do
		[ "$name" = nothing ] ||
			rec work=price "config=$1" "metric=insns:$name" "value=$((least - nothing))"
	done <"$RUN"/prices
	kvm_unload
}

prices stock stock "-h none"
prices paravirt ours ""
dmesg_clean
