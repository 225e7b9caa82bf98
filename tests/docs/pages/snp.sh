# SPDX-License-Identifier: BSD-2-Clause-Patent
# What docs/snp.md takes for granted: a payload, a key, a service.
before 'igvmtool build *--accept payload' '
    cp "$BUILD/guest/qemu-tests/payloads/lazy.elf" kernel.elf'
before 'igvmtool build *--attest-key key.pub' '
    cp "$BUILD/guest/qemu-tests/payloads/tell.elf" kernel.elf && printf key >key.pub'
leave 'igvmtool report *' 'qemu.snp_attest has a report for it'
before 'igvmtool build *--svsm service.elf' '
    cp "$BUILD/guest/qemu-tests/guests/snp_service.elf" service.elf'
