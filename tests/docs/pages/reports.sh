# SPDX-License-Identifier: BSD-2-Clause-Patent
# What docs/reports.md takes for granted: a report of the guest that the tests have for that. Of sevsim's
# processor nobody knows the generation; that of a Milan is given it.
before 'igvmtool report report.bin' '
    sevsim certs root
    cp "$BUILD/qemu-tests/snp_report.igvm" guest.igvm
    sevsim run --platform snp --root root guest.igvm --dump dump
    head -c 1184 dump >report.bin
    mkdir certs && cp root/*.pem certs/
    echo "{\"minimum_version\": 2, \"signing_key\": \"vcek\"}" >p.json'
word 'igvmtool report report.bin' '
    printf "igvmtool report report.bin"
    [[ $command == *--generation* ]] || printf " --generation Milan"'
outcome 1 'igvmtool report report.bin* --certs certs/*' # a root that AMD has not made
outcome 1 'igvmtool report report.bin* --attest *'     # that guest has asked for other data
before 'sevsim certs root' 'rm -r root'
before 'igvmtool session *' 'cp root/pdh.cert . && head -c 32 /dev/urandom >disk.key'
leave 'igvmtool secret *' 'qemu.owner_launch has a measurement for it'
