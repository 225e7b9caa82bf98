# SPDX-License-Identifier: BSD-2-Clause-Patent
# The EFI application, started by Debian's OVMF from volumes with this and that on them: on a plain
# machine, and as an SEV-ES guest. QEMU's exit status is twice the guest's and 1.
set(dir ${CMAKE_CURRENT_BINARY_DIR}/efi)
set(ovmf /usr/share/ovmf/OVMF.fd)
file(MAKE_DIRECTORY ${dir})

# efi_volume(<name> <configuration> [<name>=<file>]...): its lines end as DOS has them; those of esp.img's
# configuration do not.
function(efi_volume name configuration)
  file(CONFIGURE OUTPUT ${dir}/${name}.conf CONTENT "${configuration}" @ONLY NEWLINE_STYLE DOS)
  vestibule_esp(efi_volume_${name} ${dir}/${name}.img vestibule.conf=${dir}/${name}.conf ${ARGN})
endfunction()

# efi_test(<name> VOLUMES <image>... STATUS <n> WANT <regex>... [REJECT <regex>...]
#          [ARGS <argument>...] [BEFORE <program> <argument>...]): what makes the volumes runs it.
function(efi_test name)
  cmake_parse_arguments(ARG "" "STATUS" "VOLUMES;WANT;REJECT;ARGS;BEFORE" ${ARGN})
  set(command qemu-system-x86_64 -accel tcg -cpu EPYC -bios ${ovmf} -display none -serial stdio
    -nic none -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=1 ${ARG_ARGS})
  foreach(volume IN LISTS ARG_VOLUMES)
    list(APPEND command -drive file=${volume},format=raw,if=virtio,readonly=on)
  endforeach()
  add_test(NAME efi.${name}
    COMMAND ${ARG_BEFORE} ${CMAKE_COMMAND} "-DCOMMAND=${command}" -DSTATUS=${ARG_STATUS}
      "-DWANT=${ARG_WANT}" "-DREJECT=${ARG_REJECT}" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
  set_tests_properties(efi.${name} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()

# efi_sevsim_test(<name> <image> [MEMORY <size>] [PROCESSORS <n>] [TERMINATION <name> | POWER_OFF]
#                 WANT <regex>... [REJECT <regex>...] [BEFORE <program> <argument>...]): the rules that OVMF breaks are those of
# qemu.ovmf. The guest exits with code 0, asks for that termination, or powers off.
function(efi_sevsim_test name volume)
  cmake_parse_arguments(ARG "POWER_OFF" "MEMORY;PROCESSORS;TERMINATION" "WANT;REJECT;BEFORE" ${ARGN})
  if(NOT ARG_MEMORY)
    set(ARG_MEMORY 256M)
  endif()
  if(NOT ARG_PROCESSORS)
    set(ARG_PROCESSORS 1)
  endif()
  set(status 0)
  set(outcome "exited with code 0")
  if(ARG_TERMINATION)
    set(status 1)
    set(outcome "termination: ${ARG_TERMINATION} ")
  endif()
  if(ARG_POWER_OFF)
    set(outcome "the guest powered off")
  endif()
  set(command $<TARGET_FILE:sevsim> run --firmware ${ovmf} --memory ${ARG_MEMORY}
    --smp ${ARG_PROCESSORS} --repeatable --timeout 1200
    --allow ghcb-version --allow ghcb-stale-bits --allow vmgexit-interruptible --
    -drive file=${volume},format=raw,if=none,id=disk,readonly=on
    -device virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=true)
  set(reject ${ARG_REJECT} ghcb-private ghcb-extra-input ghcb-exit-info)
  add_sevsim_test(NAME efi.${name}
    COMMAND ${ARG_BEFORE} ${CMAKE_COMMAND} "-DCOMMAND=${command}" -DSTATUS=${status}
      "-DWANT=${ARG_WANT};memory encryption  SEV-ES, SEV_STATUS 0x3;C-bit              47;${outcome};vmgexit-interruptible +1  .allowed."
      "-DREJECT=${reject}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
  set_tests_properties(efi.${name} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()

# The selftest, from the volume that every build makes.
set(tap "1\\.\\.31\r?\n" "\nok 31 - ")
set(seen "firmware           .*EDK II" "payload            the built-in selftest")
efi_test(selftest VOLUMES ${VESTIBULE_ESP} ARGS -m 256 STATUS 1
  WANT ${seen} "memory encryption  none, SEV_STATUS 0x0" ${tap} REJECT "not ok" "C-bit ")
efi_test(selftest_64_mib_2_cpus VOLUMES ${VESTIBULE_ESP} ARGS -m 64 -smp 2 STATUS 1
  WANT ${seen} ${tap} REJECT "not ok")
efi_test(selftest_4_gib VOLUMES ${VESTIBULE_ESP} ARGS -m 4096 STATUS 1
  WANT ${seen} "memory             40[89][0-9] MiB" ${tap} REJECT "not ok")
foreach(cpu qemu64 max)
  efi_test(selftest_q35_${cpu} VOLUMES ${VESTIBULE_ESP} ARGS -M q35 -m 256 -cpu ${cpu} STATUS 1
    WANT ${seen} ${tap} REJECT "not ok")
endforeach()
efi_sevsim_test(sev_es_selftest ${VESTIBULE_ESP} PROCESSORS 2
  WANT ${seen} "2 vCPUs" "0x80000004 +AP reset hold " "GHCB protocol      versions 1 to 2 offered, 2 taken" ${tap}
  REJECT "not ok" "SKIP")

# Payloads, with all that the configuration can give them.
set(payload_conf "initrd = /EFI/vestibule/initrd\ncmdline = console=ttyS0 quiet\nverbose = com1\ntimeout = 1\n")
set(payload_files initrd=${payload_initrd} tell.elf=${payload_dir}/tell.elf
  tell_pie.elf=${payload_dir}/tell_pie.elf pvh.elf=${payload_dir}/pvh.elf)
efi_volume(payload "payload = tell.elf\n${payload_conf}" ${payload_files})
efi_volume(pie "mode = any\npayload = tell_pie.elf\n${payload_conf}" ${payload_files})
efi_volume(sev_es "mode = sev-es\npayload = tell_pie.elf\n${payload_conf}" ${payload_files})
set(told_efi ${told} ${told_files} "payload: EFI system table\n" "payload: RSDP\n"
  "descriptors of version 1\n" "any key goes back")
efi_test(payload VOLUMES ${dir}/payload.img ARGS -m 512 -smp 2 STATUS 1
  WANT ${told_efi} "platform 0\n" "usable MiB 50[0-9]\n" REJECT "payload: NO")
efi_test(payload_pie_64_mib VOLUMES ${dir}/pie.img ARGS -m 64 STATUS 1
  WANT ${told_efi} "platform 0\n" "usable MiB 5[7-9]\n" REJECT "payload: NO")
efi_test(payload_4_gib VOLUMES ${dir}/payload.img ARGS -m 4096 -smp 2 STATUS 1
  WANT ${told_efi} "usable MiB 40(89|9[0-9])\n" REJECT "payload: NO")
efi_sevsim_test(sev_es_payload ${dir}/sev_es.img MEMORY 1G
  WANT ${told_efi} "platform 1\n" "usable MiB 10[12][0-9]\n" REJECT "payload: NO")

# PVH kernels: 32-bit entry, start info. In the SEV-ES guest that one finds the C-bit by CPUID before it
# has any handler, by the one that is left to it.
efi_volume(pvh "payload = pvh.elf\n${payload_conf}" ${payload_files})
efi_volume(sev_es_pvh "mode = sev-es\npayload = pvh.elf\n${payload_conf}" ${payload_files})
efi_volume(pvh_alone "payload = pvh.elf\n" ${payload_files})
set(told_pvh "pvh: CR0.PE alone\n" "pvh: CR4 zero\n" "pvh: EFLAGS quiet\n" "pvh: CS flat\n"
  "pvh: DS, ES and SS flat\n" "pvh: TR busy\n" "pvh: start info of version 1\n" "pvh: RSDP\n"
  "pvh: ranges apart\n" "pvh: kernel and initrd in RAM\n"
  "pvh: what was handed over is not in RAM\n" "pvh: no RAM at the reset vector\n")
set(told_pvh_files "pvh: command line .console=ttyS0 quiet.\n" "pvh: modules 1\n"
  "pvh: initrd of 5000\n" "pvh: initrd sum 325000\n")
efi_test(pvh VOLUMES ${dir}/pvh.img ARGS -m 512 -smp 2 STATUS 1
  WANT ${told_pvh} ${told_pvh_files} "pvh: C-bit 0\n" "usable MiB 50[0-9]\n" REJECT "pvh: NO")
efi_test(pvh_4_gib VOLUMES ${dir}/pvh.img ARGS -m 4096 STATUS 1
  WANT ${told_pvh} ${told_pvh_files} "usable MiB 40(89|9[0-9])\n" REJECT "pvh: NO")
efi_test(pvh_alone_64_mib VOLUMES ${dir}/pvh_alone.img ARGS -m 64 STATUS 1
  WANT ${told_pvh} "pvh: command line ..\n" "pvh: modules 0\n" "usable MiB 5[7-9]\n"
  REJECT "pvh: NO")
efi_sevsim_test(sev_es_pvh ${dir}/sev_es_pvh.img MEMORY 64M
  WANT ${told_pvh} ${told_pvh_files} "pvh: C-bit 47\n" "usable MiB 5[7-9]\n" "pvh: processors 1\n"
  REJECT "pvh: NO")
efi_sevsim_test(sev_es_pvh_processors ${dir}/sev_es_pvh.img PROCESSORS 2
  WANT "pvh: processors 2\n" "pvh: an AP jump table\n" "pvh: a processor has started\n"
  REJECT "pvh: NO")

# The other forms. Each is the same file that igvmtool takes in qemu.payload_*.
set(payload_files_linux ${payload_files} bzimage.bin=${payload_dir}/bzimage.bin
  zero_page.elf=${payload_dir}/zero_page.elf uki.efi=${payload_dir}/uki.bin)
efi_volume(bzimage "payload = bzimage.bin\n${payload_conf}" ${payload_files_linux})
efi_volume(vmlinux "payload = zero_page.elf\nprotocol = linux\n${payload_conf}" ${payload_files_linux})
efi_volume(uki "payload = uki.efi\nprotocol = auto\nverbose = com1\n" ${payload_files_linux})
efi_volume(flat "payload = flat.bin\naddress = 0x1900000\nprotocol = boot-info\n"
  flat.bin=${payload_dir}/flat.bin)
efi_volume(pie_placed "payload = tell_pie.elf\naddress = 0x2345000\n${payload_conf}" ${payload_files})
set(told_linux "kernel: command line .console=ttyS0 quiet.\n" "kernel: memory 0[+][0-9a-f]+:1"
  "initrd 4141414141414141[+]1388\n" "kernel: done\n")
# With 4 GiB the firmware hands out memory above the limit that an initrd has without a setup header.
efi_test(bzimage VOLUMES ${dir}/bzimage.img ARGS -m 4096 STATUS 1 WANT ${told_linux})
efi_test(vmlinux VOLUMES ${dir}/vmlinux.img ARGS -m 4096 STATUS 1 REJECT "NOT"
  WANT "zero page: setup header\n" "zero page: protocol and loader\n" "zero page: CS 16\n"
    "command line .console=ttyS0 quiet.\n" "initrd of 5000\n" "initrd sum 325000\n"
    "usable MiB 40(89|9[0-9])\n" "zero page: kernel in RAM\n" "zero page: EFI system table and memory map\n"
    "zero page: RSDP\n")
efi_test(uki VOLUMES ${dir}/uki.img ARGS -m 128 STATUS 1 WANT ${told_linux})
efi_test(flat VOLUMES ${dir}/flat.img ARGS -m 128 STATUS 1 WANT "flat: boot info\n")
efi_test(pie_placed VOLUMES ${dir}/pie_placed.img ARGS -m 128 STATUS 1 WANT ${told_efi}
  REJECT "payload: NO")
# Where the firmware's boot services still have their own things: copied there when they have gone.
efi_volume(flat_moved "payload = flat.bin\naddress = 0x1000000\n" flat.bin=${payload_dir}/flat.bin)
efi_volume(pie_moved "payload = tell_pie.elf\naddress = 0xF00000\n${payload_conf}" ${payload_files})
efi_test(flat_moved VOLUMES ${dir}/flat_moved.img ARGS -m 128 STATUS 1 WANT "flat: boot info\n")
efi_test(pie_moved VOLUMES ${dir}/pie_moved.img ARGS -m 128 STATUS 1 WANT ${told_efi}
  REJECT "payload: NO")
efi_sevsim_test(sev_es_pie_moved ${dir}/pie_moved.img MEMORY 128M WANT ${told_efi} REJECT "payload: NO")

# Further processors of an SEV-ES guest, out of the firmware's hands into the stub's mailbox.
efi_volume(state "payload = state.elf\n" state.elf=${payload_dir}/state.elf)
efi_sevsim_test(sev_es_processors ${dir}/state.img PROCESSORS 8
  WANT "state: the local APIC\n" "state: vCPUs 8\n" "state: nobody leaves without an entry\n"
    "state: a vCPU has started\n" "state: the mailbox is empty\n" "0x80000005 +AP jump table +- +[0-9]"
  REJECT ": NO ")
efi_test(processors VOLUMES ${dir}/state.img ARGS -m 128 -smp 2 STATUS 1
  WANT "state: SSE\n" "state: vCPUs 0\n" REJECT ": NO ")

# Debian's kernel, from the application to user space; as an SEV-ES guest with two processors, which it
# starts by the jump table that the firmware has left.
set(debian_kernel ${CMAKE_SOURCE_DIR}/build/debian-kernel/vmlinuz)
set(debian_conf "payload = vmlinuz\ninitrd = initrd\ncmdline = console=ttyS0 panic=-1 quiet -- poweroff\n")
efi_volume(linux "${debian_conf}" vmlinuz=${debian_kernel}
  initrd=${CMAKE_CURRENT_BINARY_DIR}/linux/initrd.cpio)
add_dependencies(efi_volume_linux linux_initrd)
efi_test(linux VOLUMES ${dir}/linux.img ARGS -m 512 -smp 2 STATUS 0
  WANT "init: user space" "init: timer: ok" "init: online processors: 2")
efi_sevsim_test(sev_es_linux ${dir}/linux.img MEMORY 512M PROCESSORS 2 POWER_OFF
  WANT "init: kernel log: Memory Encryption Features active: AMD SEV SEV-ES"
    "init: timer: ok" "init: CPUID in user mode: ok" "init: online processors: 2" "init: [0-9]+ failed"
    "0x80000005 +AP jump table +- +2 "
  REJECT "timer: FAILED") # the disk is not the one that this init looks for

# The same kernel as the ELF file that its bzImage carries, linked at 16 MiB, where the firmware still has
# its own things when the payload is placed.
string(REPLACE "payload = vmlinuz" "payload = vmlinux\nprotocol = linux" vmlinux_conf "${debian_conf}")
efi_volume(linux_vmlinux "${vmlinux_conf}" vmlinux=${debian_vmlinux}
  initrd=${CMAKE_CURRENT_BINARY_DIR}/linux/initrd.cpio)
add_dependencies(efi_volume_linux_vmlinux debian_vmlinux linux_initrd)
efi_test(linux_vmlinux VOLUMES ${dir}/linux_vmlinux.img ARGS -m 512 -smp 2 STATUS 0
  WANT "init: user space" "init: timer: ok" "init: online processors: 2")
# As a guest each of these forms takes half a minute of a processor, and the forms by themselves are those of
# efi.vmlinux and efi.uki: the long form has them.
set(long BEFORE ${CMAKE_CURRENT_SOURCE_DIR}/long_form)
efi_sevsim_test(sev_es_linux_vmlinux ${dir}/linux_vmlinux.img ${long} MEMORY 512M PROCESSORS 2 POWER_OFF
  WANT "init: kernel log: Memory Encryption Features active: AMD SEV SEV-ES"
    "init: timer: ok" "init: CPUID in user mode: ok" "init: online processors: 2"
  REJECT "timer: FAILED")
# And as a unified kernel image that Debian's own program has made.
foreach(machine linux sev_es_linux)
  set(before_${machine} ${CMAKE_CURRENT_SOURCE_DIR}/efi/uki ${dir}/${machine}_uki ${debian_kernel}
    ${CMAKE_CURRENT_BINARY_DIR}/linux/initrd.cpio ${VESTIBULE_MAKE_ESP} ${VESTIBULE_BOOTX64})
endforeach()
efi_test(linux_uki BEFORE ${before_linux} VOLUMES ${dir}/linux_uki/uki.img ARGS -m 512 STATUS 0
  WANT "init: user space" "init: timer: ok")
efi_sevsim_test(sev_es_linux_uki ${dir}/sev_es_linux_uki/uki.img ${long} ${before_sev_es_linux} MEMORY 512M POWER_OFF
  WANT "init: kernel log: Memory Encryption Features active: AMD SEV SEV-ES" "init: timer: ok"
    "init: CPUID in user mode: ok"
  REJECT "timer: FAILED")

# BOOTX64.EFI as the stub of a unified kernel image, which needs nothing else of a volume; what it carries
# is measured into PCR 11, each section's name with its zero and then the section, in their order.
set(event "tcg2: PCR 11, event 13, .")
string(CONCAT own_sections "${event}linux: 7 bytes, sum [0-9]+\n${event}linux: [0-9]+ bytes, sum [0-9]+\n"
  "${event}osrel: 7 bytes, sum [0-9]+\n${event}osrel: 13 bytes, sum 1191\n"
  "${event}cmdline: 9 bytes, sum [0-9]+\n${event}cmdline: 19 bytes, sum 1884\n"
  "${event}initrd: 8 bytes, sum [0-9]+\n${event}initrd: 5000 bytes, sum 325000\n")
foreach(how objcopy ukify)
  efi_test(own_uki_${how} VOLUMES ${dir}/own_uki_${how}/uki.img ARGS -m 256 STATUS 1
    BEFORE ${CMAKE_CURRENT_SOURCE_DIR}/efi/own_uki ${how} ${dir}/own_uki_${how}
      ${CMAKE_CURRENT_BINARY_DIR}/efi/tcg2_hook.efi ${VESTIBULE_BOOTX64} ${payload_dir}/bzimage.bin
      ${payload_initrd} ${VESTIBULE_MAKE_ESP}
    WANT ${told_linux} ${own_sections} "measured           [4-7] sections into PCR 11"
    REJECT "WRONG")
endforeach()

# Started by a boot loader of Debian's.
foreach(loader grub systemd-boot)
  efi_test(from_${loader} VOLUMES ${dir}/from_${loader}/chain.img ARGS -m 512 STATUS 1
    BEFORE ${CMAKE_CURRENT_SOURCE_DIR}/efi/chain_load ${loader} ${dir}/from_${loader} ${VESTIBULE_BOOTX64}
      ${payload_dir}/tell.elf ${payload_initrd}
    WANT ${told} ${told_files} "payload: EFI system table\n" "platform 0\n" REJECT "payload: NO")
endforeach()

# ExitBootServices refused (qemu-tests/efi/exit_hook.cpp): the memory map is asked for again, and its
# key is another one. Where boot services never end, nobody may be asked to write on the console, but
# COM1 is ours, and memory goes back: the next volume has all of it.
foreach(name once larger never)
  set(volume ${dir}/exit_${name}.img)
  set(hook ${CMAKE_CURRENT_BINARY_DIR}/efi/exit_${name}.efi)
  add_custom_target(efi_volume_exit_${name} ALL
    COMMAND ${VESTIBULE_MAKE_ESP} ${volume} ${hook} vestibule.efi=${VESTIBULE_BOOTX64}
      vestibule.conf=${dir}/payload.conf ${payload_files}
    BYPRODUCTS ${volume} VERBATIM)
  add_dependencies(efi_volume_exit_${name} efi guest efi_exit_${name})
endforeach()
foreach(name once larger)
  efi_test(exit_refused_${name} VOLUMES ${dir}/exit_${name}.img ARGS -m 128 STATUS 1
    WANT ${told_efi} "platform 0\n" REJECT "payload: NO")
endforeach()
efi_test(exit_refused VOLUMES ${dir}/exit_never.img ${dir}/payload.img ARGS -m 128 STATUS 1
  WANT "vestibule: the firmware does not end boot services: invalid parameter\n.*failed to start[^\n]*: Device Error.*starting Boot.*payload: hello\n"
  REJECT "payload: NO")

# Volumes with something wrong, one disk each, all in one machine: the firmware tries one after another,
# so each must say what is wrong, give everything back and return. The last one is the good one.
find_program(NASM nasm REQUIRED)
function(bad_payload name)
  add_custom_command(OUTPUT ${dir}/${name}.elf
    COMMAND ${NASM} -f bin ${VESTIBULE_NASM_WARNINGS} ${ARGN} -o ${dir}/${name}.elf
      ${CMAKE_CURRENT_SOURCE_DIR}/efi/payload.asm
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/efi/payload.asm VERBATIM)
  add_custom_target(efi_${name}_elf DEPENDS ${dir}/${name}.elf)
endfunction()
bad_payload(large -DTYPE=3 -DADDRESS=0 -DMEMORY=0xC0000000)
bad_payload(half -DTYPE=3 -DADDRESS=0 -DMEMORY=0x5000000)
bad_payload(away -DTYPE=2 -DADDRESS=0xF0000000 -DMEMORY=0x1000)
bad_payload(pvh_out -DTYPE=2 -DADDRESS=0x1800000 -DMEMORY=0x1000 -DPVH=0)
bad_payload(pvh_ud -DTYPE=2 -DADDRESS=0x1800000 -DMEMORY=0x1000 -DPVH=0 -DUD)
bad_payload(pvh_pie -DTYPE=3 -DADDRESS=0 -DMEMORY=0x1000 -DPVH=0)
bad_payload(pvh_size -DTYPE=2 -DADDRESS=0x1800000 -DMEMORY=0x1000 -DPVH=0 -DENTRY_SIZE=2)
bad_payload(pvh_cut -DTYPE=2 -DADDRESS=0x1800000 -DMEMORY=0x1000 -DPVH=0 -DNAME_SIZE=0xFFFFFFFF)
bad_payload(pvh_entry -DTYPE=2 -DADDRESS=0x1800000 -DMEMORY=0x1000 -DPVH=0x1000)
set(cut ${dir}/cut.elf)
add_custom_target(efi_cut_elf COMMAND head -c 1000 ${payload_dir}/tell.elf > ${cut}
  BYPRODUCTS ${cut} VERBATIM)
add_dependencies(efi_cut_elf guest)
add_custom_target(efi_cut_bzimage
  COMMAND head -c 1100 ${payload_dir}/bzimage.bin > ${dir}/cut.bzimage
  BYPRODUCTS ${dir}/cut.bzimage VERBATIM)
add_dependencies(efi_cut_bzimage guest)

set(broken "")
set(broken_want "")
# efi_broken(<name> <status> <regex> <configuration> [<name>=<file>]...): the status as the firmware
# says it in words.
function(efi_broken name status words configuration)
  efi_volume(${name} "${configuration}" ${ARGN})
  foreach(file large.elf half.elf away.elf pvh_size.elf pvh_cut.elf pvh_entry.elf cut.elf cut.bzimage)
    if("${ARGN}" MATCHES "=.*/${file}")
      string(REPLACE "." "_" target ${file})
      add_dependencies(efi_volume_${name} efi_${target})
    endif()
  endforeach()
  set(broken ${broken} ${dir}/${name}.img PARENT_SCOPE)
  set(broken_want ${broken_want} "vestibule: ${words}[^\n]*\n[^\n]*failed to start[^\n]*: ${status}" PARENT_SCOPE)
endfunction()
vestibule_esp(efi_volume_no_config ${dir}/no_config.img)
list(APPEND broken ${dir}/no_config.img)
list(APPEND broken_want "there is no .EFI.vestibule.vestibule.conf on the volume")
efi_broken(no_value "Invalid Parameter"
  "vestibule.conf, line 2: found .payload kernel.elf., expected key = value" "verbose = off\npayload kernel.elf\n")
efi_broken(unknown_key "Invalid Parameter" "vestibule.conf, line 3: unknown key .kernel."
  "\n# a\nkernel = a\n")
efi_broken(twice "Invalid Parameter" "vestibule.conf, line 2: mode again, which line 1 has already"
  "mode = any\nmode = any\n")
efi_broken(bad_value "Invalid Parameter"
  "vestibule.conf, line 1: timeout: found .soon., expected a number" "timeout = soon\n")
efi_broken(wrong_machine "Unsupported" "this is no SEV-ES guest, and mode = sev-es asks for one"
  "mode = sev-es\nverbose = off\n")
efi_broken(no_payload "Not Found" "there is no .EFI.vestibule.missing.elf on the volume"
  "payload = missing.elf\nverbose = off\n")
# Twice, with a payload that takes half of the memory: the second finds room only if the first has given
# it back.
foreach(name no_initrd no_initrd_again)
  efi_broken(${name} "Not Found" "there is no /boot/missing.img on the volume"
    "payload = half.elf\ninitrd = /boot/missing.img\nverbose = off\n" half.elf=${dir}/half.elf)
endforeach()
efi_broken(folder "Not Found" "/EFI/BOOT is a folder, expected a file"
  "payload = /EFI/BOOT\nverbose = off\n")
efi_broken(no_elf "Load Error" "vestibule.conf: at 0x0 found 0x[0-9a-f]+, expected an ELF64, a bzImage, a UKI, or a flat binary and an address"
  "payload = vestibule.conf\nverbose = off\n")
efi_broken(cut_elf "Load Error" "kernel.elf: at 0x[0-9a-f]+ found 0x[0-9a-f]+, expected a segment whose data is within the file"
  "payload = kernel.elf\nverbose = off\n" kernel.elf=${cut})
efi_broken(large_elf "Out of Resources" "too little memory: kernel.elf needs 3221225472 bytes"
  "payload = kernel.elf\nverbose = off\n" kernel.elf=${dir}/large.elf)
efi_broken(away_elf "Out of Resources" "kernel.elf wants memory from 0xf0000000 to 0xf0001000"
  "payload = kernel.elf\nverbose = off\n" kernel.elf=${dir}/away.elf)
efi_broken(pvh_size "Load Error" "kernel.elf: at 0x[0-9a-f]+ found 0x2, expected an entry point of 4 or 8 bytes in the PVH note"
  "payload = kernel.elf\nverbose = off\n" kernel.elf=${dir}/pvh_size.elf)
efi_broken(pvh_cut "Load Error" "kernel.elf: at 0x[0-9a-f]+ found 0x10[0-9a-f]+, expected a note that ends within its segment"
  "payload = kernel.elf\nverbose = off\n" kernel.elf=${dir}/pvh_cut.elf)
efi_broken(pvh_entry "Load Error" "kernel.elf: at 0x[0-9a-f]+ found 0x18010[0-9a-f]+, expected a PVH note whose entry point is in "
  "payload = kernel.elf\nverbose = off\n" kernel.elf=${dir}/pvh_entry.elf)
string(REPEAT "abcdefgh " 400 long_line)
efi_broken(long_line "Invalid Parameter" "the command line has 3599 characters, expected at most "
  "payload = tell.elf\nverbose = off\ncmdline = ${long_line}\n" tell.elf=${payload_dir}/tell.elf)
# Right in itself: what it does in 32-bit mode is what the handler that is left to it does not serve.
efi_volume(pvh_out "payload = kernel.elf\n" kernel.elf=${dir}/pvh_out.elf)
add_dependencies(efi_volume_pvh_out efi_pvh_out_elf)
efi_test(pvh_out VOLUMES ${dir}/pvh_out.img ARGS -m 128 STATUS 1 WANT "payload            kernel.elf")
efi_volume(pvh_pie "payload = kernel.elf\n" kernel.elf=${dir}/pvh_pie.elf)
add_dependencies(efi_volume_pvh_pie efi_pvh_pie_elf)
efi_test(pvh_pie VOLUMES ${dir}/pvh_pie.img ARGS -m 128 STATUS 1 WANT "payload            kernel.elf")
efi_sevsim_test(sev_es_pvh_out ${dir}/pvh_out.img TERMINATION EARLY_UNEXPECTED_EXIT
  WANT "payload            kernel.elf" "set 3, code 0x7b")
efi_volume(pvh_ud "payload = kernel.elf\n" kernel.elf=${dir}/pvh_ud.elf)
add_dependencies(efi_volume_pvh_ud efi_pvh_ud_elf)
efi_test(pvh_ud VOLUMES ${dir}/pvh_ud.img ARGS -m 128 STATUS 13 # 0x86, cut to 8 bits
  WANT "payload            kernel.elf")
list(JOIN broken_want ".*" in_order)
efi_test(broken VOLUMES ${broken} ${VESTIBULE_ESP} ARGS -m 192 STATUS 1
  WANT "${in_order}" ${tap} REJECT "not ok" "Shell>")

# The same of the other forms, and of what is said of them; a machine has no room for more disks.
set(broken "")
set(broken_want "")
efi_broken(no_address "Load Error" "flat.bin: at 0x0 found 0x[0-9a-f]+, expected an ELF64, a bzImage, a UKI, or a flat binary and an address"
  "payload = flat.bin\nverbose = off\n" flat.bin=${payload_dir}/flat.bin)
efi_broken(address_in_use "Out of Resources" "flat.bin wants memory from 0xffc00000 to 0xffc01000"
  "payload = flat.bin\naddress = 0xFFC00000\nverbose = off\n" flat.bin=${payload_dir}/flat.bin)
efi_broken(address_of_elf "Invalid Parameter" "kernel.elf says itself where it lies"
  "payload = kernel.elf\naddress = 0x1000000\nverbose = off\n" kernel.elf=${payload_dir}/tell.elf)
efi_broken(flat_linux "Unsupported" "flat.bin: at 0x0 found 0x[0-9a-f]+, expected a Linux kernel: "
  "payload = flat.bin\naddress = 0x1900000\nprotocol = linux\nverbose = off\n"
  flat.bin=${payload_dir}/flat.bin)
efi_broken(elf_pvh "Unsupported" "kernel.elf: at 0x0 found 0x464c457f, expected a PVH kernel: an ELF64 with a PVH note"
  "payload = kernel.elf\nprotocol = pvh\nverbose = off\n" kernel.elf=${payload_dir}/tell.elf)
efi_broken(bzimage_boot_info "Unsupported" "vmlinuz: at 0x0 found 0x[0-9a-f]+, expected a payload that takes boot info"
  "payload = vmlinuz\nprotocol = boot-info\nverbose = off\n" vmlinuz=${payload_dir}/bzimage.bin)
efi_broken(bzimage_cut "Load Error" "vmlinuz: at 0x1f1 found 0x3, expected a protected-mode kernel behind the real-mode code"
  "payload = vmlinuz\nverbose = off\n" vmlinuz=${dir}/cut.bzimage)
efi_broken(uki_none "Unsupported" "application.efi: at 0x[0-9a-f]+ found 0x[0-9a-f]+, expected a section .linux"
  "payload = application.efi\nverbose = off\n" application.efi=${VESTIBULE_BOOTX64})
efi_broken(uki_machine "Load Error" "linux.efi: at 0x44 found 0x14c, expected a PE file for x86-64"
  "payload = linux.efi\nverbose = off\n" linux.efi=${payload_dir}/uki_machine.bin)
efi_broken(uki_table "Load Error" "linux.efi: at 0x46 found 0xffff, expected a table of sections within the file"
  "payload = linux.efi\nverbose = off\n" linux.efi=${payload_dir}/uki_table.bin)
efi_broken(uki_two "Load Error" "linux.efi: at 0x[0-9a-f]+ found 0x2, expected at most one section .cmdline"
  "payload = linux.efi\nverbose = off\n" linux.efi=${payload_dir}/uki_two.bin)
efi_broken(uki_linux "Unsupported" "linux.efi: at 0x46 found 0x[0-9a-f]+, expected a section .linux"
  "payload = linux.efi\nverbose = off\n" linux.efi=${payload_dir}/uki_linux.bin)
efi_broken(uki_cut "Load Error" "linux.efi: at 0x[0-9a-f]+ found 0x10000000, expected a section whose data is within the file"
  "payload = linux.efi\nverbose = off\n" linux.efi=${payload_dir}/uki_cut.bin)
efi_broken(uki_kernel "Load Error" "linux.efi: at 0x600 found 0x41, expected a bzImage"
  "payload = linux.efi\nverbose = off\n" linux.efi=${payload_dir}/uki_kernel.bin)
list(JOIN broken_want ".*" in_order)
efi_test(broken_forms VOLUMES ${broken} ${VESTIBULE_ESP} ARGS -m 192 STATUS 1
  WANT "${in_order}" ${tap} REJECT "not ok" "Shell>")

# Started over the network there is no volume. It goes on to other ways of booting from there, which
# takes minutes, so the run ends with what it has said.
add_test(NAME efi.no_volume
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=${CMAKE_CURRENT_SOURCE_DIR}/run_until;1200;failed to start .*: Not Found;qemu-system-x86_64;-accel;tcg;-cpu;EPYC;-m;128;-bios;${ovmf};-display;none;-serial;stdio;-no-reboot;-netdev;user,id=net,tftp=${VESTIBULE_BOOTX64_DIR},bootfile=BOOTX64.EFI;-device;virtio-net-pci,netdev=net,romfile="
    -DSTATUS=0
    "-DWANT=vestibule: this was not started from a volume with files[^\n]*\n[^\n]*failed to start[^\n]*: Not Found"
    -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)

# The application that carries the examiner, from a volume with nothing else on it.
add_custom_target(efi_volume_examiner ALL
  COMMAND ${VESTIBULE_MAKE_ESP} ${dir}/examiner.img ${VESTIBULE_EXAMINER_EFI}
  BYPRODUCTS ${dir}/examiner.img VERBATIM)
add_dependencies(efi_volume_examiner efi)
efi_test(examiner VOLUMES ${dir}/examiner.img STATUS 1 WANT "TAP version 14\n1\\.\\.0 # SKIP no SEV-ES guest")
add_sevsim_test(NAME efi.sev_es_examiner
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--firmware;${ovmf};--repeatable;--timeout;1200;--allow;all;--;-drive;file=${dir}/examiner.img,format=raw,if=none,id=disk,readonly=on;-device;virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=true"
    -DSTATUS=0 "-DWANT=\"failed\":0,\"known\":0,;exited with code 0" "-DREJECT=not ok;Bail out"
    -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
