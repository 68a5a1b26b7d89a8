#!/bin/sh
# The first process of a user-mode Linux (see ../kernel_sctp_test.cc): brings up SCTP and the network, runs the
# peer with the words of TASK, and turns the machine off. PEER, TASK, UDP (the port of SCTP over UDP; empty: over IP)
# and CHANGES (addresses may change; empty: they may not) come from the kernel's command line.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
echo booted
cd "/usr/lib/uml/modules/$(uname -r)" || exit
# What a module stands on is named behind it, the deepest last.
# shellcheck disable=SC2013
for module in $(sed -n 's|^\(kernel/net/sctp/sctp.ko\):|\1|p' modules.dep); do modules="$module $modules"; done
for module in $modules; do "$PEER" load "$module"; done
[ -z "$CHANGES" ] || "$PEER" load kernel/crypto/hmac.ko
ip link set lo up
for link in 0 1; do
	ip link show vec$link >/dev/null 2>&1 || continue
	ip address add 10.$((77 + link)).0.2/24 dev vec$link
	ip link set vec$link up
done
cd /proc/sys/net/sctp || exit
echo none >cookie_hmac_alg # the kernel would ask modprobe for one
[ -z "$UDP" ] || echo "$UDP" | tee udp_port encap_port >/dev/null
for name in reconf_enable prsctp_enable; do echo 1 >$name; done
[ -z "$CHANGES" ] || for name in auth_enable addip_enable; do echo 1 >$name; done
# shellcheck disable=SC2086
"$PEER" $TASK
echo o >/proc/sysrq-trigger
sleep 60
