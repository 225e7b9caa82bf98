# SPDX-License-Identifier: BSD-2-Clause-Patent
# What docs/igvmtool.md takes for granted: a kernel, an initrd, keys, a report, firmware.
before 'igvmtool build --out guest.igvm --platform native,sev-es,sev-snp' '
    igvmtool build --out other.igvm --cbit 47 --platform native,sev-es,sev-snp
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out id.pem
    cp "$BUILD/guest/qemu-tests/payloads/tell.elf" kernel.elf
    head -c 10000 /dev/urandom >initrd.img
    cp /usr/share/ovmf/OVMF.fd OVMF.fd
    sevsim certs root && mkdir certs && cp root/*.pem certs/
    sevsim run --platform snp --root root "$BUILD/qemu-tests/snp_report.igvm" --dump dump
    head -c 1184 dump >report.bin'
outcome 1 'igvmtool diff *'                           # they do differ
outcome 1 'igvmtool check *'                          # kvm-6.8 knows no SNP
outcome 0 'igvmtool check proof.igvm *'
outcome 1 'igvmtool report report.bin --certs certs/ --guest *' # of another guest, by such a root
outcome 1 'igvmtool explain signed.igvm *'            # which no alteration of this one explains
leave 'qemu-system-x86_64 *' 'it needs a host with SEV-SNP'
outcome 1 'igvmtool report report.bin --certs certs/' # a root that AMD has not made
# Another monitor's digest, and another file's.
word HEX 'case $command in
    *--or-file*) igvmtool measure other.igvm --platform snp --digest-only ;;
    *) igvmtool measure guest.igvm --platform sev-es --vmm kvm-6.8 --digest-only ;;
    esac'
leave 'igvmtool explain --firmware *' 'igvm_explain has firmware that boots a kernel'
leave 'sevsim run --platform sev-snp loader.igvm *' 'qemu.igvm_direct_linux does it'
