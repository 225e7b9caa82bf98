# SPDX-License-Identifier: BSD-2-Clause-Patent
# The other ways into a guest than igvmtool's own files in sevsim: files that others build, QEMU with IGVM,
# files for OpenVMM and for cloud-hypervisor, whose kernel comes by fw_cfg.

# Natively sevsim loads what QEMU loads: parameters of each kind, pages of which no map tells, up to 4 GiB,
# a vCPU without a context at the reset vector, masks of undeclared platforms; and says what it does not.
add_executable(foreign_igvm foreign_igvm.cpp)
target_link_libraries(foreign_igvm PRIVATE igvm_format igvm_file_io)
function(foreign_file variable kind)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/foreign_${kind}.igvm)
  if(NOT TARGET image_foreign_${kind})
    add_custom_target(image_foreign_${kind} ALL COMMAND foreign_igvm ${kind} ${file} BYPRODUCTS ${file} VERBATIM)
  endif()
  set(${variable} ${file} PARENT_SCOPE)
endfunction()
foreach(row "parameters:0:MADT APIC VPs 1 environment 1\n" "high-pages:0:pages far away\n" "reset-vector:0:reset vector\n"
    "undeclared:0:undeclared platforms\n"
    "no-such-parameter:1:SRAT at offset 0x[0-9a-f]+. a parameter that this machine does not tell"
    "on-apic:1:PAGE_DATA at offset 0x[0-9a-f]+. a page where this machine cannot have memory")
  string(REPLACE ":" ";" row "${row}")
  list(GET row 0 kind)
  list(GET row 1 status)
  list(GET row 2 want)
  foreign_file(file ${kind})
  add_sevsim_test(NAME qemu.foreign_${kind}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--platform;native;${file}"
      -DSTATUS=${status} "-DWANT=${want}" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endforeach()

# The same files and igvmtool's own in a QEMU that loads IGVM, where there is one. isa-debug-exit makes 1 of 0.
function(qemu_igvm_test name file)
  add_test(NAME qemu-igvm.${name}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/qemu_igvm 1 ${file} -- ${ARGN})
  set_tests_properties(qemu-igvm.${name} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()
foreach(kind parameters high-pages reset-vector undeclared)
  foreign_file(file ${kind})
  string(REPLACE "-" " " said ${kind})
  string(REPLACE "parameters" "MADT APIC VPs 1" said "${said}")
  string(REPLACE "high pages" "pages far away" said "${said}")
  qemu_igvm_test(foreign_${kind} ${file} ${said})
endforeach()
# igvm_file(<variable> <name> <argument of igvmtool build>...)
function(igvm_file variable name)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/doors_${name}.igvm)
  add_custom_target(image_doors_${name} ALL
    COMMAND igvmtool build --out ${file} --cbit 47 ${ARGN} > ${file}.log BYPRODUCTS ${file} VERBATIM)
  add_dependencies(image_doors_${name} igvmtool guest)
  set(${variable} ${file} PARENT_SCOPE)
endfunction()
foreach(entry 32 compat 64)
  igvm_file(file selftest_${entry} --entry ${entry} --platform native,sev-es,sev-snp)
  qemu_igvm_test(selftest_${entry} ${file} "^1\\.\\.31" "^ok 31 - ")
endforeach()
igvm_file(file told --parameters memory-map,vp-count --payload ${payload_dir}/tell.elf ${files})
qemu_igvm_test(parameters ${file} "payload: hello" "platform 0" "initrd sum 325000")
igvm_file(file vcpus_4 --vcpus 4 --payload ${payload_dir}/tell.elf ${files})
qemu_igvm_test(vcpus_4 ${file} "payload: hello")
igvm_file(file bzimage --memory 64M --payload ${payload_dir}/bzimage.bin ${files})
qemu_igvm_test(bzimage ${file} "kernel: command line .console=ttyS0 quiet." "kernel: done")

# For OpenVMM: the same guest, from the one platform and the one context that it takes.
igvm_file(file openvmm --for openvmm)
add_sevsim_test(NAME qemu.openvmm_selftest
  COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--platform;snp;${file}"
    -DSTATUS=0 "-DWANT=${snp_ok};Violations: none" "-DREJECT=not ok" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
igvm_file(file openvmm_payload --for openvmm --payload ${payload_dir}/tell.elf ${files})
add_sevsim_test(NAME qemu.openvmm_payload
  COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--platform;snp;${file}"
    -DSTATUS=0 "-DWANT=${told};${told_files};platform 2\n;Violations: none" "-DREJECT=NOT;NOISE;: NO "
    -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)

# For cloud-hypervisor: a loader as an IGVM file, the kernel by fw_cfg, its hashes measured at 0x10C00.
igvm_file(loader loader --for cloud-hypervisor --direct-boot)
function(igvm_direct_test name)
  cmake_parse_arguments(ARG "" "STATUS" "WANT;REJECT;ARGS" ${ARGN})
  add_sevsim_test(NAME qemu.igvm_direct_${name}
    COMMAND ${CMAKE_COMMAND}
      "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--platform;snp;${loader};--timeout;1200;${ARG_ARGS}"
      -DSTATUS=${ARG_STATUS} "-DWANT=${ARG_WANT}" "-DREJECT=${ARG_REJECT}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endfunction()
igvm_direct_test(small STATUS 0 ARGS ${small_kernel}
  WANT "kernel: command line .console=ttyS0 quiet.\n" "initrd 4141414141414141[+]1388\n" "kernel: done\n"
    "Violations: none")
foreach(item 0x11 0x12 0x15)
  igvm_direct_test(altered_${item} STATUS 1 ARGS ${small_kernel} --hostile fw-cfg-altered:${item}
    WANT "DIRECT_BOOT_HASH" REJECT "kernel:")
endforeach()
igvm_direct_test(no_kernel STATUS 1 WANT "DIRECT_BOOT_NO_KERNEL|DIRECT_BOOT_NO_HASHES")
igvm_direct_test(linux STATUS 0 ARGS ${direct_kernel} --append ${direct_line}
  WANT "Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP" ${booted} "Violations: none"
  REJECT "FAILED")

# Direct boot with two vCPUs: under SEV-ES by the AP jump table, under SEV-SNP by AP creation.
flash_file(direct_vcpus_2 direct_vcpus_2 --direct-boot --vcpus 2)
set(two "init: timer: ok" "init: online processors: 2" "init: 0 failed" "Outcome: the guest reset the machine")
foreach(row "sev_es:sev-es:AMD SEV SEV-ES" "snp:snp:AMD SEV SEV-ES SEV-SNP")
  string(REPLACE ":" ";" row "${row}")
  list(GET row 0 name)
  list(GET row 1 platform)
  list(GET row 2 features)
  add_sevsim_test(NAME qemu.flash_direct_vcpus_2_${name}
    COMMAND ${CMAKE_COMMAND}
      "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--firmware;${direct_vcpus_2};--platform;${platform};--smp;2;--timeout;1200;--allow;ghcb-stale-bits;${direct_kernel};--append;${direct_line}"
      -DSTATUS=0 "-DWANT=Memory Encryption Features active: ${features};${two}" -DREJECT=FAILED
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endforeach()
