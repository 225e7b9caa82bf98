# SPDX-License-Identifier: BSD-2-Clause-Patent
# Flash images (docs/flash.md): the guest of an IGVM file as a firmware volume, one for three platforms, from
# the reset vector.

# flash_file(<variable> <name> [PLATFORMS <names>] [<argument of igvmtool build>...])
function(flash_file variable name)
  cmake_parse_arguments(ARG "" "PLATFORMS" "" ${ARGN})
  if(NOT ARG_PLATFORMS)
    set(ARG_PLATFORMS native,sev-es,sev-snp)
  endif()
  set(file ${CMAKE_CURRENT_BINARY_DIR}/flash_${name}.fd)
  if(NOT TARGET image_flash_${name})
    add_custom_target(image_flash_${name} ALL
      COMMAND igvmtool build --flash ${file} --platform ${ARG_PLATFORMS} ${ARG_UNPARSED_ARGUMENTS}
        > ${file}.log
      BYPRODUCTS ${file} VERBATIM)
    add_dependencies(image_flash_${name} igvmtool guest)
  endif()
  set(${variable} ${file} PARENT_SCOPE)
endfunction()

# flash_test(<name> <image> STATUS <n> WANT <regex>... [REJECT <regex>...] [ARGS <argument>...]
#            [BUILD <argument of igvmtool build>...]): `image` is the file's name, and says what BUILD is.
function(flash_test name image)
  cmake_parse_arguments(ARG "" "STATUS" "WANT;REJECT;ARGS;BUILD" ${ARGN})
  flash_file(file ${image} ${ARG_BUILD})
  add_sevsim_test(NAME qemu.flash_${name}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--firmware;${file};${ARG_ARGS}"
      -DSTATUS=${ARG_STATUS} "-DWANT=${ARG_WANT}" "-DREJECT=${ARG_REJECT}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endfunction()

# The selftest, on each platform, with one vCPU and with two.
set(native --platform native)
flash_test(selftest_native selftest STATUS 0 ARGS ${native}
  WANT ${selftest_ok} "#VC 0, VMGEXIT 0" REJECT "not ok")
flash_test(selftest_sev_es selftest STATUS 0
  WANT ${selftest_ok} "Violations: none" REJECT "not ok" "SKIP")
flash_test(selftest_snp selftest STATUS 0 ARGS ${snp} WANT ${snp_ok} "Violations: none" REJECT "not ok")
flash_test(selftest_sev_es_vcpus_2 selftest_vcpus_2 BUILD --vcpus 2 STATUS 0 ARGS --smp 2
  WANT ${selftest_ok} "Violations: none" REJECT "not ok" "SKIP")
flash_test(selftest_snp_vcpus_2 selftest_vcpus_2 BUILD --vcpus 2 STATUS 0 ARGS ${snp} --smp 2
  WANT ${snp_ok} "Violations: none" "0x80000013 +AP creation +- +2 " REJECT "not ok" "SKIP")
flash_test(selftest_cbit_51 selftest STATUS 0 ARGS --cbit 51
  WANT ${selftest_ok} "C-bit 51" "Violations: none" REJECT "not ok")
flash_test(selftest_snp_cbit_51 selftest STATUS 0 ARGS ${snp} --cbit 51
  WANT ${snp_ok} "Violations: none" REJECT "not ok")

# Payloads: what they are told, the memory that they are promised, and further vCPUs.
set(tell BUILD --payload ${payload_dir}/tell.elf ${files})
set(tell_reject REJECT "NOT" "NOISE" "UNKNOWN" ": NO ")
flash_test(payload_native payload ${tell} STATUS 0 ARGS ${native}
  WANT ${told} ${told_files} "platform 0\n" "exited with code 0" ${tell_reject})
flash_test(payload_sev_es payload ${tell} STATUS 0
  WANT ${told} ${told_files} "platform 1\n" "exited with code 0" "Violations: none" ${tell_reject})
flash_test(payload_snp payload ${tell} STATUS 0 ARGS ${snp}
  WANT ${told} ${told_files} "platform 2\n" "exited with code 0" "Violations: none" ${tell_reject})
flash_test(accepted accepted BUILD --memory 64M --payload ${payload_dir}/accepted.elf
  STATUS 0 ARGS ${snp} --memory 64M WANT ${accepted_ok} "Violations: none")
flash_test(high high BUILD --memory 4G --payload ${payload_dir}/high.elf STATUS 0 ARGS --memory 4G
  WANT "high: MiB from 4 GiB on 1024\n" "high: pages lost 0\n" "Violations: none" "exited with code 0")
flash_test(high_snp high BUILD --memory 4G --payload ${payload_dir}/high.elf STATUS 0 ARGS ${snp} --memory 4G
  WANT "validated from 4 GiB on 1024\n" "high: pages lost 0\n" "Violations: none" "exited with code 0")
set(state_build BUILD --vcpus 4 --payload ${payload_dir}/state.elf)
flash_test(aps_sev_es state ${state_build} STATUS 0 ARGS --smp 4
  WANT ${state} "vCPUs 4\n" "mailbox is empty\n" REJECT ": NO ")
flash_test(aps_snp state ${state_build} STATUS 0 ARGS ${snp} --smp 4
  WANT ${state} "vCPUs 4\n" "mailbox is empty\n" "0x80000013 +AP creation +- +3 " REJECT ": NO ")
flash_test(aps_snp_launch_state state ${state_build}
  STATUS 0 ARGS ${snp} --smp 4 --hostile vcpu-launch-state
  WANT ${state} "vCPUs 4\n" "mailbox is empty\n" REJECT ": NO ")
flash_test(pvh pvh BUILD --vcpus 4 --memory 64M --payload ${payload_dir}/pvh.elf ${files}
  STATUS 0 ARGS --smp 4 --memory 64M
  WANT ${told_pvh_by_igvmtool} "pvh: processors 4\n" "pvh: an AP jump table\n"
    "has started\n.*has started\n.*has started\n" "Violations: none" "exited with code 0")

# Debian's kernel.
set(linux_build BUILD --vcpus 2 --memory 256M --payload ${CMAKE_SOURCE_DIR}/build/debian-kernel/vmlinuz
  --initrd ${CMAKE_CURRENT_BINARY_DIR}/linux/initrd.cpio
  --cmdline "console=ttyS0 panic=-1 quiet tsc_early_khz=1000000 -- reboot")
set(user_space "init: timer: ok" "init: online processors: 2" "init: 0 failed"
  "Outcome: the guest reset the machine")
flash_test(linux_sev_es linux ${linux_build}
  STATUS 0 ARGS --smp 2 --allow ghcb-stale-bits --timeout 1200
  WANT "Memory Encryption Features active: AMD SEV SEV-ES" ${user_space} REJECT "FAILED")
flash_test(linux_snp linux ${linux_build} STATUS 0 ARGS ${snp} --smp 2 --timeout 1200
  WANT "Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP" ${user_space} "Violations: none"
  REJECT "FAILED")
add_dependencies(image_flash_linux linux_initrd)
foreach(platform sev_es snp)
endforeach()

# The same volumes in a QEMU that knows nothing of any of this. isa-debug-exit makes 1 of 0.
function(flash_on_qemu name image)
  cmake_parse_arguments(ARG "" "STATUS;MACHINE" "WANT;REJECT" ${ARGN})
  add_test(NAME qemu.flash_bios_${name}
    COMMAND ${CMAKE_COMMAND}
      "-DCOMMAND=timeout;150;qemu-system-x86_64;-accel;tcg;-machine;${ARG_MACHINE};-cpu;EPYC;-m;256M;-bios;${CMAKE_CURRENT_BINARY_DIR}/flash_${image}.fd;-device;isa-debug-exit,iobase=0xf4,iosize=4;-display;none;-nodefaults;-serial;stdio;-no-reboot"
      -DSTATUS=${ARG_STATUS} "-DWANT=${ARG_WANT}" "-DREJECT=${ARG_REJECT}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endfunction()
foreach(machine pc q35)
  flash_on_qemu(selftest_${machine} selftest MACHINE ${machine} STATUS 1
    WANT "1\\.\\.31\r?\n" "\nok 31 - " REJECT "not ok")
endforeach()
flash_on_qemu(payload payload MACHINE pc STATUS 1 WANT "payload: hello" "platform 0" "initrd sum 325000"
  REJECT "NOT" "NOISE" ": NO ")
flash_on_qemu(linux linux MACHINE q35 STATUS 0 WANT "init: timer: ok" REJECT "FAILED: timer")

# The launch digest: sevsim's is igvmtool's, and the one in the report that the guest is given.
flash_file(file selftest)
firmware_digest_test(flash_digest FIRMWARE ${file})
# By another implementation, which is held itself against pages that sev-snp-measure has made: a vCPU for SEV-SNP
# and SEV-ES, and a further one (spec: launch digests, vCPUs of QEMU with FPU).
set(oracle ${CMAKE_CURRENT_SOURCE_DIR}/firmware_oracle)
foreach(row
    "1:0xFFFFFFF0:77920c4c629ff47e90c0e174fc1ad0eb6fa664f88cd4739488058a8c6cb1a77b3856f55378e9518d0da99452d51c553a"
    "0:0xFFFFFFF0:69c94ea0886388820b7d37645642a46a4751bf5209f779d6a05337d11698a66cb6021b9aeacaad1bb92475944344f6f8"
    "1:0x80B004:8413b852790765a310d95867a8b00bfca3a802b5a80830044b45e253fe96222657e11e53fcf63eb0e0afd722385bf7b4")
  string(REPLACE ":" ";" row "${row}")
  list(GET row 0 is_snp)
  list(GET row 1 eip)
  list(GET row 2 hash)
  add_test(NAME qemu.flash_oracle_vmsa_${is_snp}_${eip}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=${oracle};vmsa;${is_snp};${eip};0x800F12" -DSTATUS=0 "-DWANT=^${hash}\n$"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endforeach()
set(oracle_test ${CMAKE_COMMAND} -DIGVMTOOL=$<TARGET_FILE:igvmtool> -DORACLE=${oracle})
set(oracle_script -P ${CMAKE_CURRENT_SOURCE_DIR}/firmware_oracle.cmake)
add_test(NAME qemu.flash_oracle COMMAND ${oracle_test} -DFIRMWARE=${file} ${oracle_script})
add_test(NAME qemu.flash_report
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIGVMTOOL=$<TARGET_FILE:igvmtool>
    -DFIRMWARE=${file} -P ${CMAKE_CURRENT_SOURCE_DIR}/flash_report.cmake)
flash_file(plain plain PLATFORMS native,sev-es)
add_test(NAME qemu.flash_not_for_snp
  COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--platform;snp;--firmware;${plain}"
    -DSTATUS=1 "-DWANT=found no SEV metadata" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)

# Which platform it is, nobody has measured. One who denies SEV to a guest is found out: by the #VC that no
# native machine raises, or by memory that is not what was written before paging was on.
flash_test(lie_status-gp selftest STATUS 1 ARGS --hostile status-gp WANT "SEV_UNEXPECTED" REJECT "TAP")
flash_test(lie_looks-native selftest STATUS 1 ARGS --hostile looks-native
  WANT "C_BIT_NOT_PRIVATE" REJECT "TAP")
flash_test(lie_snp_looks-native selftest STATUS 1 ARGS ${snp} --hostile looks-native
  WANT "SEV_UNEXPECTED" REJECT "TAP")
flash_file(snp_only snp_only PLATFORMS sev-snp)
flash_test(not_for_sev_es snp_only STATUS 1 WANT "FEATURE_UNSUPPORTED" REJECT "TAP")
flash_test(not_for_native snp_only STATUS 1 ARGS ${native} WANT "exited with code 129") # 0x80 and SEV_ES_EXPECTED
# Memory that the hypervisor does not give, that was validated before, and that it takes away once it is there.
flash_test(lie_psc-refused payload ${tell} STATUS 1 ARGS ${snp} --hostile psc-refused
  WANT "SNP_PAGE_STATE" REJECT "payload: hello")
foreach(lie taken replaced)
  flash_test(lie_page-${lie} payload ${tell} STATUS 1 ARGS ${snp} --hostile page-${lie}:0x1801000@200
    WANT "payload: hello\n" "VC_PAGE_UNVALIDATED" REJECT "exited with code 0")
endforeach()
flash_test(lie_page-validated payload ${tell} STATUS 1
  ARGS ${snp} --hostile page-validated:0x1800000@4 WANT "SNP_VALIDATED_TWICE" REJECT "payload: hello")

# Budgets (docs/budgets.md): VMGEXITs to the payload, and what a volume with the selftest takes.
foreach(row "sev-es:8" "sev-snp:64")
  string(REPLACE ":" ";" row "${row}")
  list(GET row 0 platform)
  list(GET row 1 budget)
  add_sevsim_test(NAME qemu.budget_flash_exits_to_payload_${platform}
    COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> "-DIMAGE=--firmware;${file}"
      "-DARGS=--platform;${platform}" -DTRACE=${CMAKE_CURRENT_BINARY_DIR}/flash_exits_${platform}.trace
      -DBUDGET=${budget} -P ${CMAKE_CURRENT_SOURCE_DIR}/exits_to_payload.cmake)
endforeach()
add_test(NAME igvmtool.budget_flash_pages
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=$<TARGET_FILE:igvmtool>;build;--platform;native,sev-es,sev-snp;--flash;${CMAKE_CURRENT_BINARY_DIR}/budget.fd"
    -DSTATUS=0 "-DWANT=: 65536 bytes\n;sev-snp: 20 measured pages = 16 volume [+] 3 of SEV metadata [+] 1 VMSA"
    -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)

# Direct boot: the kernel of the monitor's command line, by fw_cfg, after its measured hashes.
flash_file(direct direct --direct-boot)
add_dependencies(image_flash_direct linux_initrd)
set(direct_kernel --kernel ${CMAKE_SOURCE_DIR}/build/debian-kernel/vmlinuz
  --initrd ${CMAKE_CURRENT_BINARY_DIR}/linux/initrd.cpio)
set(direct_line "console=ttyS0 panic=-1 quiet tsc_early_khz=1000000 -- reboot")
function(direct_boot_test name)
  cmake_parse_arguments(ARG "" "STATUS" "WANT;REJECT;ARGS" ${ARGN})
  add_sevsim_test(NAME qemu.flash_direct_${name}
    COMMAND ${CMAKE_COMMAND}
      "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--firmware;${direct};--timeout;1200;${ARG_ARGS}"
      -DSTATUS=${ARG_STATUS} "-DWANT=${ARG_WANT}" "-DREJECT=${ARG_REJECT}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endfunction()
set(booted "init: timer: ok" "init: 0 failed" "Outcome: the guest reset the machine")
direct_boot_test(sev_es STATUS 0 ARGS ${direct_kernel} --append ${direct_line} --allow ghcb-stale-bits
  WANT "Memory Encryption Features active: AMD SEV SEV-ES" ${booted} REJECT "FAILED")
direct_boot_test(snp STATUS 0 ARGS ${snp} ${direct_kernel} --append ${direct_line}
  WANT "Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP" ${booted} "Violations: none"
  REJECT "FAILED")
# A kernel of the project's own, which is small, and one that is changed on the way.
set(small_kernel --kernel ${payload_dir}/bzimage.bin --initrd ${payload_initrd} --append "console=ttyS0 quiet")
foreach(platform sev-es sev-snp)
  direct_boot_test(${platform}_small STATUS 0 ARGS --platform ${platform} ${small_kernel}
    WANT "kernel: command line .console=ttyS0 quiet.\n" "initrd 4141414141414141[+]1388\n" "kernel: done\n")
  # Set-up code, kernel, initrd and command line, each with one bit changed; and sizes that are none.
  foreach(row "0x18:(HASH|KERNEL)" "0x11:HASH" "0x12:HASH" "0x15:HASH" "0x17:KERNEL" "0x8:HASH" "0xb:HASH" "0x14:HASH")
    string(REPLACE ":" ";" row "${row}")
    list(GET row 0 item)
    list(GET row 1 want)
    direct_boot_test(${platform}_altered_${item} STATUS 1
      ARGS --platform ${platform} ${small_kernel} --hostile fw-cfg-altered:${item}
      WANT "DIRECT_BOOT_${want}" REJECT "kernel:")
  endforeach()
  direct_boot_test(${platform}_no_kernel STATUS 1 ARGS --platform ${platform}
    WANT "DIRECT_BOOT_NO_HASHES")
endforeach()
# With memory from 4 GiB on, and an initrd that has to lie below the devices.
foreach(platform sev-es sev-snp)
  flash_file(direct_high direct_high --direct-boot --memory 4G --memory-below-4g 1G)
  add_sevsim_test(NAME qemu.flash_direct_high_${platform}
    COMMAND ${CMAKE_COMMAND}
      "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--firmware;${direct_high};--platform;${platform};--memory;6G;${small_kernel}"
      -DSTATUS=0
      "-DWANT= 100000000[+]c0000000:1\n;initrd 4141414141414141[+]1388\n;kernel: done\n;Violations: none"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endforeach()
flash_file(direct_32m direct_32m --direct-boot --memory 32M)
add_sevsim_test(NAME qemu.flash_direct_too_little_memory
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--firmware;${direct_32m};${direct_kernel};--append;${direct_line}"
    -DSTATUS=1 -DWANT=DIRECT_BOOT_MEMORY -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
# Natively nobody has measured anything.
add_test(NAME qemu.flash_bios_direct
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=timeout;150;qemu-system-x86_64;-accel;tcg;-machine;q35;-cpu;EPYC;-m;256M;-bios;${direct};-kernel;${CMAKE_SOURCE_DIR}/build/debian-kernel/vmlinuz;-initrd;${CMAKE_CURRENT_BINARY_DIR}/linux/initrd.cpio;-append;${direct_line};-display;none;-nodefaults;-serial;stdio;-no-reboot"
    -DSTATUS=0 "-DWANT=init: timer: ok" "-DREJECT=timer: FAILED" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
add_test(NAME igvmtool.budget_flash_direct_pages
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=$<TARGET_FILE:igvmtool>;build;--platform;native,sev-es,sev-snp;--direct-boot;--flash;${CMAKE_CURRENT_BINARY_DIR}/budget-direct.fd"
    -DSTATUS=0 "-DWANT=: 65536 bytes\n;sev-snp: 21 measured pages = 16 volume [+] 4 of SEV metadata [+] 1 VMSA"
    -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)

# The digest with the kernel's hashes, as QEMU's kernel-hashes=on and sevsim have them measured.
add_test(NAME qemu.flash_oracle_direct
  COMMAND ${oracle_test} -DFIRMWARE=${direct}
    "-DKERNEL=${payload_dir}/bzimage.bin;${payload_initrd};console=ttyS0 quiet" ${oracle_script})
firmware_digest_test(flash_digest_direct FIRMWARE ${direct}
  KERNEL "--kernel;${payload_dir}/bzimage.bin;--initrd;${payload_initrd};--append;console=ttyS0 quiet")

# Out of an IGVM file: the same volumes, byte for byte, and one of them on each platform.
add_test(NAME qemu.flash_convert
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/flash_convert $<TARGET_FILE:igvmtool> ${payload_dir} ${payload_initrd}
    ${CMAKE_SOURCE_DIR}/build/debian-kernel/vmlinuz ${CMAKE_CURRENT_BINARY_DIR}/flash_convert.work)
set(converted ${CMAKE_CURRENT_BINARY_DIR}/flash_converted.fd)
add_custom_target(image_flash_converted ALL
  COMMAND igvmtool build --out ${converted}.igvm --platform native,sev-es,sev-snp --entry compat
    --payload ${payload_dir}/tell.elf ${files}
    > ${converted}.log
  COMMAND igvmtool convert ${converted}.igvm --out ${converted} --quiet
  BYPRODUCTS ${converted} VERBATIM)
add_dependencies(image_flash_converted igvmtool guest)
foreach(row "native:0" "sev-es:1" "sev-snp:2")
  string(REPLACE ":" ";" row "${row}")
  list(GET row 0 platform)
  list(GET row 1 number)
  add_sevsim_test(NAME qemu.flash_converted_${platform}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--firmware;${converted};--platform;${platform}"
      -DSTATUS=0 "-DWANT=${told};${told_files};platform ${number}\n;Violations: none" -DREJECT=NOT
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endforeach()
flash_on_qemu(converted converted MACHINE q35 STATUS 1 WANT "payload: hello" "platform 0" "initrd sum 325000")
