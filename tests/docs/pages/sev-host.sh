# SPDX-License-Identifier: BSD-2-Clause-Patent
# What docs/sev-host.md takes for granted is a host; of the rest it builds what is installed here.
leave 'cmake *' 'this is what was built'
leave 'build/release/launcher/sevlaunch guest.igvm' 'sevlaunch.* does it where there is a host'
leave 'sevlaunch *' 'sevlaunch.* does it where there is a host'
leave 'qemu-tests/on-sev-host*' 'sevlaunch.* does it where there is a host'
word build/release/igvm/ 'printf ""'
word build/release/launcher/ 'printf ""'
before 'igvmtool session *' 'sevsim certs root && cp root/pdh.cert .'
