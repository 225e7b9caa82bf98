# SPDX-License-Identifier: BSD-2-Clause-Patent
# What docs/sevsim.md takes for granted: a kernel that runs to its end, a disk, a guest.
leave 'scripts/*' 'it needs the network'
leave 'cmake *' 'this is what was built'
leave 'build/test/*' 'the command before it is the same with other names'
leave '*--firmware *' 'qemu.ovmf, qemu.ovmf_snp and qemu.from_disk do it'
leave '*--qemu *' 'qemu-sid.* do it'
leave 'qemu-tests/linux/fetch_report*' 'qemu.snp_report_linux does it'
leave '*--platform sev --kernel *' 'qemu.linux_sev does it'
leave '*--platform sev-snp --kernel *' 'qemu.linux_snp does it'
leave '*root=/dev/vda*' 'qemu.linux does it, with an initrd'
leave '*--secret*' 'qemu.owner_launch does it'
before 'sevsim run guest.igvm --gdb 1234' '
    igvmtool build --out guest.igvm --cbit 47 --platform sev-es
    waits_for_gdb() { sevsim run guest.igvm --gdb 1234 >gdb.log 2>&1 & }'
word 'sevsim run guest.igvm --gdb 1234' 'echo waits_for_gdb'
word '-ex "backtrace"' 'echo "-ex backtrace | grep \"^#0 .*payload_main\""'
before 'gdb *' 'cp "$BUILD/guest/boot/vestibule.debug" . && sleep 1'
before 'sevsim run --kernel vmlinuz --initrd *' '
    cp "$TREE/build/debian-kernel/vmlinuz" vmlinuz
    cp "$BUILD/qemu-tests/linux/initrd.cpio" initrd.img'
outcome 1 'sevsim run --kernel vmlinuz --initrd *' # it breaks the rule that docs/sevsim.md names
before 'sevsim run guest.igvm' 'igvmtool build --out guest.igvm --cbit 47 --platform native,sev-es,sev-snp'
before 'sevsim certs root' 'rm -rf root && cp "$BUILD/qemu-tests/snp_report.igvm" guest.igvm'
before 'sevsim run guest.igvm --plans *' 'printf "nmi@12\n---\nexception:0x80000b0d@9\n" > many.plans'
outcome 1 'sevsim run guest.igvm --plan *' # it ends coded
before 'sevsim run guest.igvm --junit *' '
    igvmtool build --out guest.igvm --cbit 47 --platform native,sev-es,sev-snp'
before 'sevsim run guest.igvm --trace *' '
    igvmtool build --out guest.igvm --cbit 47 --platform native,sev-es,sev-snp
    cp "$BUILD/guest/boot/vestibule.elf" guest.elf'
