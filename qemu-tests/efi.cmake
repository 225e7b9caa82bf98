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
#          [ARGS <argument>...])
function(efi_test name)
  cmake_parse_arguments(ARG "" "STATUS" "VOLUMES;WANT;REJECT;ARGS" ${ARGN})
  set(command qemu-system-x86_64 -accel tcg -cpu EPYC -bios ${ovmf} -display none -serial stdio
    -nic none -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=1 ${ARG_ARGS})
  foreach(volume IN LISTS ARG_VOLUMES)
    list(APPEND command -drive file=${volume},format=raw,if=virtio,readonly=on)
  endforeach()
  add_test(NAME efi.${name}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=${command}" -DSTATUS=${ARG_STATUS} "-DWANT=${ARG_WANT}"
      "-DREJECT=${ARG_REJECT}" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
  set_tests_properties(efi.${name} PROPERTIES TIMEOUT 200)
endfunction()

# efi_sevsim_test(<name> <image> [MEMORY <size>] [PROCESSORS <n>] [TERMINATION <name>] WANT <regex>...
#                 [REJECT <regex>...]): the rules that OVMF breaks are those of qemu.ovmf. The guest
# exits with code 0 or asks for that termination.
function(efi_sevsim_test name volume)
  cmake_parse_arguments(ARG "" "MEMORY;PROCESSORS;TERMINATION" "WANT;REJECT" ${ARGN})
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
  set(command $<TARGET_FILE:sevsim> run --firmware ${ovmf} --memory ${ARG_MEMORY}
    --smp ${ARG_PROCESSORS} --repeatable --timeout 280
    --allow ghcb-version --allow ghcb-stale-bits --allow vmgexit-interruptible --
    -drive file=${volume},format=raw,if=none,id=disk,readonly=on
    -device virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=true)
  set(reject ${ARG_REJECT} ghcb-private ghcb-extra-input ghcb-exit-info)
  add_sevsim_test(NAME efi.${name}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=${command}" -DSTATUS=${status}
      "-DWANT=${ARG_WANT};memory encryption  SEV-ES, SEV_STATUS 0x3;C-bit              47;${outcome};vmgexit-interruptible +1  .allowed."
      "-DREJECT=${reject}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
  set_tests_properties(efi.${name} PROPERTIES TIMEOUT 300)
endfunction()

# The selftest, from the volume that every build makes.
set(tap "1\\.\\.31\r?\n" "\nok 31 - ")
set(seen "firmware           EDK II" "payload            the built-in selftest")
efi_test(selftest VOLUMES ${VESTIBULE_ESP} ARGS -m 256 STATUS 1
  WANT ${seen} "memory encryption  none, SEV_STATUS 0x0" ${tap} REJECT "not ok" "C-bit ")
efi_test(selftest_64_mib_2_cpus VOLUMES ${VESTIBULE_ESP} ARGS -m 64 -smp 2 STATUS 1
  WANT ${seen} ${tap} REJECT "not ok")
efi_test(selftest_4_gib VOLUMES ${VESTIBULE_ESP} ARGS -m 4096 STATUS 1
  WANT ${seen} "memory             409[0-9] MiB" ${tap} REJECT "not ok")
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
  WANT ${told_efi} "usable MiB 409[0-9]\n" REJECT "payload: NO")
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
  WANT ${told_pvh} ${told_pvh_files} "usable MiB 409[0-9]\n" REJECT "pvh: NO")
efi_test(pvh_alone_64_mib VOLUMES ${dir}/pvh_alone.img ARGS -m 64 STATUS 1
  WANT ${told_pvh} "pvh: command line ..\n" "pvh: modules 0\n" "usable MiB 5[7-9]\n"
  REJECT "pvh: NO")
efi_sevsim_test(sev_es_pvh ${dir}/sev_es_pvh.img MEMORY 64M
  WANT ${told_pvh} ${told_pvh_files} "pvh: C-bit 47\n" "usable MiB 5[7-9]\n" REJECT "pvh: NO")

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

set(broken "")
set(broken_want "")
# efi_broken(<name> <status> <regex> <configuration> [<name>=<file>]...): the status as the firmware
# says it in words.
function(efi_broken name status words configuration)
  efi_volume(${name} "${configuration}" ${ARGN})
  foreach(elf large half away pvh_size pvh_cut pvh_entry cut)
    if("${ARGN}" MATCHES "=.*/${elf}\\.elf")
      add_dependencies(efi_volume_${name} efi_${elf}_elf)
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
efi_broken(no_elf "Load Error" "vestibule.conf: at 0x0 found 0x[0-9a-f]+, expected the magic of an ELF file"
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

# Started over the network there is no volume. It goes on to other ways of booting from there, which
# takes minutes, so the run is cut.
add_test(NAME efi.no_volume
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=timeout;45;qemu-system-x86_64;-accel;tcg;-cpu;EPYC;-m;128;-bios;${ovmf};-display;none;-serial;stdio;-no-reboot;-netdev;user,id=net,tftp=${VESTIBULE_BOOTX64_DIR},bootfile=BOOTX64.EFI;-device;virtio-net-pci,netdev=net,romfile="
    -DSTATUS=124
    "-DWANT=vestibule: this was not started from a volume with files[^\n]*\n[^\n]*failed to start[^\n]*: Not Found"
    -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
set_tests_properties(efi.no_volume PROPERTIES TIMEOUT 90)
