# SPDX-License-Identifier: BSD-2-Clause-Patent
# Payloads that igvmtool has placed beside the stub, in the emulated machine.
set(payload_dir ${VESTIBULE_GUEST_DIR}/qemu-tests/payloads)
set(payload_initrd ${CMAKE_CURRENT_BINARY_DIR}/initrd)
string(REPEAT "A" 5000 letters) # two pages, the sum of whose bytes is 325000
file(WRITE ${payload_initrd} ${letters})

# payload_test(<name> <file> BUILD <argument>... RUN <argument>... WANT <regex>...)
function(payload_test name file)
  cmake_parse_arguments(ARG "" "" "BUILD;RUN;WANT" ${ARGN})
  set(image ${CMAKE_CURRENT_BINARY_DIR}/payload_${name}.igvm)
  add_custom_target(image_payload_${name} ALL
    COMMAND igvmtool build --out ${image} --cbit 47 --payload ${payload_dir}/${file} ${ARG_BUILD}
      > ${image}.log
    BYPRODUCTS ${image} VERBATIM)
  add_dependencies(image_payload_${name} igvmtool guest)
  add_sevsim_test(NAME qemu.payload_${name}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;${image};${ARG_RUN}"
      -DSTATUS=0 "-DWANT=${ARG_WANT};exited with code 0" "-DREJECT=NOT;NOISE;UNKNOWN;: NO "
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endfunction()

set(told "payload: hello\n" "payload: data 42\n" "payload: bss zero\n" "payload: boot info 1\n"
  "payload: in its place\n" "payload: command line off by 0\n")
set(told_files "command line .console=ttyS0 quiet.\n" "initrd of 5000\n" "initrd sum 325000\n")
set(files --initrd ${payload_initrd} --cmdline "console=ttyS0 quiet")
foreach(entry 32 compat 64)
  payload_test(elf_${entry} tell.elf BUILD --entry ${entry} ${files}
    WANT ${told} ${told_files} "platform 1\n" "Violations: none")
endforeach()
payload_test(elf_native tell.elf BUILD ${files} RUN --platform native
  WANT ${told} ${told_files} "platform 0\n" "#VC 0, VMGEXIT 0")
payload_test(elf_alone tell.elf
  WANT ${told} "command line ..\n" "initrd of 0\n" "Violations: none")
payload_test(pie tell_pie.elf BUILD ${files} WANT ${told} ${told_files} "Violations: none")
payload_test(pie_elsewhere tell_pie.elf BUILD --payload-address 0x2345000 ${files}
  WANT ${told} ${told_files} "Violations: none")
# Over the place where the stub lies otherwise.
payload_test(flat flat.bin BUILD --payload-address 0x200000
  WANT "flat: boot info\n" "Violations: none")
payload_test(bzimage bzimage.bin BUILD --memory 64M ${files} RUN --memory 64M
  WANT "kernel: command line .console=ttyS0 quiet.\n" " 0[+]a0000:1 100000[+]100000:1 "
    " [0-9a-f]+[+][0-9a-f]+:1\n" "initrd 4141414141414141[+]1388\n" "kernel: done\n"
    "Violations: none")
payload_test(vmlinux zero_page.elf
  BUILD --payload-protocol linux --memory 64M ${files} RUN --memory 64M
  WANT "zero page: setup header\n" "zero page: protocol and loader\n" "zero page: CS 16\n"
    "command line .console=ttyS0 quiet.\n" "initrd of 5000\n" "initrd sum 325000\n"
    "usable MiB 63\n" "zero page: kernel in RAM\n" "zero page: no EFI\n" "Violations: none")
payload_test(uki uki.bin BUILD --memory 64M RUN --memory 64M
  WANT "kernel: command line .console=ttyS0 quiet.\n" "initrd 4141414141414141[+]1388\n"
    "kernel: done\n" "Violations: none")
payload_test(uki_told_otherwise uki.bin
  BUILD --memory 64M --initrd ${payload_initrd} --cmdline "other" RUN --memory 64M
  WANT "kernel: command line .other.\n" "kernel: done\n")

# PVH, as the note asks for or as it is told.
set(told_pvh_by_igvmtool "pvh: hello\n" "pvh: CR0.PE alone\n" "pvh: CR4 zero\n" "pvh: EFLAGS quiet\n"
  "pvh: CS flat\n" "pvh: DS, ES and SS flat\n" "pvh: TR busy\n" "pvh: start info of version 1\n"
  "pvh: command line .console=ttyS0 quiet.\n" "pvh: modules 1\n" "pvh: initrd of 5000\n"
  "pvh: initrd sum 325000\n" "usable MiB 63\n" "pvh: ranges apart\n" "pvh: kernel and initrd in RAM\n"
  "pvh: what was handed over is not in RAM\n" "pvh: no RAM at the reset vector\n")
foreach(entry 32 compat 64)
  payload_test(pvh_${entry} pvh.elf BUILD --entry ${entry} --memory 64M ${files} RUN --memory 64M
    WANT "pvh: C-bit 47\n" ${told_pvh_by_igvmtool} "Violations: none")
endforeach()
# With further vCPUs, of which ACPI's tables and the AP jump table tell.
foreach(entry 32 compat 64)
  payload_test(pvh_vcpus_${entry} pvh.elf BUILD --entry ${entry} --vcpus 4 --memory 64M ${files}
    RUN --smp 4 --memory 64M
    WANT "pvh: C-bit 47\n" ${told_pvh_by_igvmtool} "pvh: processors 4\n" "pvh: an AP jump table\n"
      "has started\n.*has started\n.*has started\n" "0x80000005 +AP jump table +- +2 " "Violations: none")
endforeach()
payload_test(pvh_native pvh.elf BUILD --payload-protocol pvh --memory 64M ${files}
  RUN --platform native --memory 64M WANT "pvh: C-bit 0\n" ${told_pvh_by_igvmtool} "#VC 0, VMGEXIT 0")

# What this machine cannot load: the directive is named, with its place and what would help.
function(payload_refused name want)
  set(image ${CMAKE_CURRENT_BINARY_DIR}/payload_${name}.igvm)
  add_custom_target(image_payload_${name} ALL
    COMMAND igvmtool build --out ${image} --cbit 47 --payload ${payload_dir}/flat.bin ${ARGN}
      > ${image}.log
    BYPRODUCTS ${image} VERBATIM)
  add_dependencies(image_payload_${name} igvmtool guest)
  add_sevsim_test(NAME qemu.payload_${name}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;${image};--memory;64M" -DSTATUS=1
      "-DWANT=${want}" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endfunction()
payload_refused(outside "(PAGE_DATA|REQUIRED_MEMORY) at offset 0x[0-9a-f]+: [a-z ]*memory[a-z ]*: try more .--memory."
  --payload-address 0x5000000)

# What the loader tells; under SEV-ES through the hypervisor's own view of memory.
set(told_parameters "parameters: memory at page 0, pages 160\n" "parameters: memory at page 192, pages 16192\n"
  "parameters: ranges 2\n" "parameters: vCPUs 2\n")
set(parameters BUILD --vcpus 2 --parameters memory-map,vp-count)
payload_test(parameters parameters.elf ${parameters} RUN --memory 64M
  WANT ${told_parameters} "Violations: none")
payload_test(parameters_native parameters.elf BUILD --parameters memory-map,vp-count
  RUN --memory 64M --platform native WANT "parameters: ranges 2\n" "parameters: vCPUs 1\n")

# What boot info promises of the CPU, of memory and of further vCPUs, in each mode of entry.
set(state "state: SSE\n" "state: the local APIC\n" "state: 3 to 4 GiB shared but for memory\n" "state: the gate of #VC in another IDT\n"
  "Violations: none")
foreach(entry 32 compat 64)
  payload_test(state_${entry} state.elf BUILD --entry ${entry} --vcpus 4 RUN --smp 4
    WANT ${state} "RAM in KiB 0\n" "vCPUs 4\n" "mailbox is empty\n" "0x6 +AP reset hold +- +- +3\n")
endforeach()
# INITs and SIPIs that no vCPU has sent: to one that waits, before there is anything for it to do and while it is
# looked for, and to the one that runs.
foreach(storm sipi-storm:1@1+60 init-storm:1@1+60 init-storm:1@300+3 sipi-storm:0@2+60 init-storm:0@9+1)
  string(REGEX REPLACE "[^a-z0-9]" "_" name ${storm})
  payload_test(state_${name} state.elf BUILD --vcpus 2 --memory 64M RUN --smp 2 --memory 64M --repeatable --hostile ${storm}
    WANT ${state} "vCPUs 2\n" "mailbox is empty\n" "told [1-9][0-9]* times")
endforeach()
payload_test(state_8_vcpus state.elf BUILD --vcpus 8 --memory 128M RUN --smp 8 --memory 128M
  WANT ${state} "RAM in KiB 130688\n" "vCPUs 8\n" "mailbox is empty\n")
payload_test(state_alone state.elf BUILD --memory 64M RUN --memory 64M
  WANT ${state} "RAM in KiB 65152\n" "vCPUs 1\n")
payload_test(state_native state.elf RUN --platform native WANT "state: SSE\n" "#VC 0, VMGEXIT 0")

# RAM from 4 GiB on, with what lies below the devices as sevsim has it and as it is said.
set(high_ok "high: ranges 3\n" "high: MiB up to the devices 3072\n" "high: MiB from 4 GiB on 3072\n"
  "high: pages lost 0\n" "Violations: none")
payload_test(high high.elf BUILD --memory 6G RUN --memory 6G WANT ${high_ok} "validated from 4 GiB on 0\n")
payload_test(high_native high.elf BUILD --entry 32 --memory 6G RUN --platform native --memory 6G WANT ${high_ok})
payload_test(high_less high.elf BUILD --memory 5G --memory-below-4g 2G RUN --memory 6G
  WANT "high: MiB up to the devices 2048\n" "high: MiB from 4 GiB on 3072\n" "high: pages lost 0\n")
payload_test(high_parameters parameters.elf BUILD --memory 4G --vcpus 2 --parameters memory-map,vp-count
  RUN --smp 2 --memory 6G
  WANT "memory at page 192, pages 786240\n" "memory at page 1048576, pages 786432\n" "parameters: ranges 3\n")
payload_refused(outside_high
  "REQUIRED_MEMORY at offset 0x[0-9a-f]+: memory that the guest does not have: try more .--memory."
  --payload-address 0x1000000 --memory 5G)

# Boot info for payloads in C.
add_test(NAME boot_info.c
  COMMAND clang-19 -std=c11 -ffreestanding -fsyntax-only -Wall -Wextra -Wpedantic -Werror
    -I${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/payloads/boot_info.c)
