# SPDX-License-Identifier: BSD-2-Clause-Patent
# What docs/flash.md takes for granted: a payload, which ends by port 0xF4.
before 'igvmtool build *' 'cp "$BUILD/guest/qemu-tests/payloads/tell.elf" kernel.elf'
before 'igvmtool convert *' 'igvmtool build --out guest.igvm --platform native,sev-es,sev-snp --vcpus 2'
outcome 1 'qemu-system-x86_64 -bios *' # isa-debug-exit makes it of 0
before 'sevsim run *--kernel *' 'cp "$TREE/build/debian-kernel/vmlinuz" vmlinuz
    cp "$BUILD/qemu-tests/linux/initrd.cpio" initrd.img'
leave 'qemu-system-x86_64 -bios loader.fd *' 'qemu.flash_bios_direct has it'
leave 'qemu-system-x86_64 -accel kvm *' 'it wants a host with SEV'
