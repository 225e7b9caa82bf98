# SPDX-License-Identifier: BSD-2-Clause-Patent
# The SEV-SNP machine, held against the specification by guests that start by themselves
# (qemu-tests/guests/snp), and what its secure processor says held against OpenSSL and igvmtool.

# snp_image(<variable> <guest> [<argument of igvmtool build>...]): the IGVM file of such a guest.
function(snp_image variable guest)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/${guest}.igvm)
  if(NOT TARGET image_${guest})
    add_custom_target(image_${guest} ALL
      COMMAND igvmtool build --out ${file} --cbit 47 --platform sev-snp
        --stub ${VESTIBULE_GUEST_DIR}/qemu-tests/guests/${guest}.elf ${ARGN} > ${file}.log
      BYPRODUCTS ${file} VERBATIM)
    add_dependencies(image_${guest} igvmtool guest)
  endif()
  set(${variable} ${file} PARENT_SCOPE)
endfunction()

# snp_test(<name> <guest> STATUS <n> WANT <regex>... [REJECT <regex>...] [ARGS <argument>...]
#          [BUILD <argument of igvmtool build>...])
function(snp_test name guest)
  cmake_parse_arguments(ARG "" "STATUS" "WANT;REJECT;ARGS;BUILD" ${ARGN})
  snp_image(file snp_${guest} ${ARG_BUILD})
  add_sevsim_test(NAME qemu.snp_${name}
    COMMAND ${CMAKE_COMMAND}
      "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--platform;sev-snp;${file};${ARG_ARGS}"
      -DSTATUS=${ARG_STATUS} "-DWANT=${ARG_WANT}" "-DREJECT=${ARG_REJECT}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endfunction()

# Used as it should be, and with every rule broken, as often as the guest does it.
snp_test(pages pages STATUS 0 WANT "exited with code 0" "Violations: none" "PVALIDATE [1-9]")
snp_test(rules rules STATUS 1 WANT "exited with code 0" "0x404 +page not validated +5 "
  "ghcb-not-registered +2 " "rmp-not-assigned +3 " "rmp-not-validated +5 " "rmp-validated-twice +1 "
  "rmp-rescinded-twice +1 " "rmp-operand +3 " "psc-validated +1 " "rmp-shared-access +1 " "psc-list +7 "
  "ghcb-scratch +1 " "psc-in-use +1 " "ap-vmsa +2 " "ghcb-invalid-input +4 ")
# Memory from 4 GiB on, and none behind it: the two refused page state changes are the guest's own.
foreach(memory 3584M 16G)
  snp_test(high_${memory} high STATUS 1 ARGS --memory ${memory} WANT "exited with code 0")
endforeach()
snp_test(psc_interrupted pages STATUS 1 ARGS --hostile psc-interrupted WANT "exited with code [1-9]")

# Loops of PVALIDATE: one instruction brings the guest to the next, and it is not entered for each; but for 400 that fail.
snp_test(loops loops STATUS 1
  WANT "exited with code 0" "VMRUN 4[0-9][0-9]," "PVALIDATE 16[0-9][0-9]," "rmp-validated-twice +3 ")

# PVALIDATE in 32-bit code.
snp_test(legacy32 legacy32 BUILD --entry 32 STATUS 1
  WANT "set 5, code 0x20" "rmp-validated-twice +1 " REJECT "rmp-operand")

# Further vCPUs, and VMPLs.
snp_test(ap ap BUILD --vcpus 2 STATUS 1 ARGS --smp 2 WANT "exited with code 0" "rmp-in-use +1 "
  "psc-in-use +1 " "0x80000013 +AP creation +- +[0-9]+ " REJECT "ap-vmsa")
snp_test(vmpl vmpl STATUS 1 WANT "exited with code 0" "vmpl-run +2 " "0x16 +RUN_VMPL ")
foreach(page letter own)
  snp_test(vmpl_${page} vmpl_${page} STATUS 1
    WANT "vmpl-permission +1 " "its VMPL may not do that with this page")
endforeach()

# Restricted injection (SEV_FEATURES bit 3): the two refused calls are the guest's own.
snp_test(doorbell doorbell BUILD --sev-features 0x9 STATUS 1 WANT "exited with code 0" "ghcb-invalid-input +2 "
  "0x80000014 +#HV doorbell page +- +[0-9]+ " "0x80000015 +#HV IPI +- +7 " REJECT "ghcb-unknown-event")

# A C-bit that has no effect: what the guest has made shared is not to be had.
snp_test(c_bit_no_effect pages STATUS 1 ARGS --hostile cbit-no-effect
  WANT "0x404 +page not validated" "set 5, code 0x1d")

# Messages to the secure processor: those that it refuses, and a host that is busy.
snp_test(messages messages STATUS 1 WANT "exited with code 0" "snp-message +10 "
  "snp-message-sequence +3 " "ghcb-invalid-input +2 " "0x80000011 +guest request +- +17 ")
snp_test(request_busy report STATUS 0 ARGS --hostile request-busy WANT "exited with code 0")

# Reports, verified by OpenSSL, with the digest that igvmtool measures.
find_package(OpenSSL REQUIRED)
add_executable(report_check report_check.cpp)
target_link_libraries(report_check PRIVATE OpenSSL::Crypto)
# A root for them, made once: RSA keys take their time.
set(snp_root ${CMAKE_CURRENT_BINARY_DIR}/snp.root)
add_test(NAME qemu.snp_root
  COMMAND sh -c "rm -rf ${snp_root} && $<TARGET_FILE:sevsim> certs ${snp_root}")
set_tests_properties(qemu.snp_root PROPERTIES FIXTURES_SETUP snp_root)
function(report_test name)
  cmake_parse_arguments(ARG "ROOT" "VCPUS;WANT" "ARGS;BUILD" ${ARGN})
  snp_image(file snp_report ${ARG_BUILD})
  set(root "")
  if(ARG_ROOT)
    set(root ${snp_root})
  endif()
  add_sevsim_test(NAME qemu.snp_report_${name}
    COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIGVMTOOL=$<TARGET_FILE:igvmtool>
      -DCHECK=$<TARGET_FILE:report_check> -DIMAGE=${file} -DROOT=${root}
      -DDUMP=${CMAKE_CURRENT_BINARY_DIR}/report_${name}.bin "-DARGS=${ARG_ARGS}" "-DWANT=${ARG_WANT}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/report.cmake)
  foreach(qemu qemu ${newer_qemus})
    if(ARG_ROOT AND TEST ${qemu}.snp_report_${name})
      set_tests_properties(${qemu}.snp_report_${name} PROPERTIES FIXTURES_REQUIRED snp_root)
    endif()
  endforeach()
endfunction()
report_test(version_3 WANT "version 3, policy 0000030000000000, host data 00000000, VCEK: verified")
report_test(version_2 ROOT ARGS --report-version 2 WANT "version 2, .*, VCEK: verified")
report_test(root ROOT ARGS --report-version 5 --vlek --host-data
  deadbeef00000000000000000000000000000000000000000000000000000000
  WANT "version 5, .* host data deadbeef, VLEK: verified")

# The digest in reports, over files, numbers of vCPUs, places and policies.
add_test(NAME qemu.snp_digest_matrix
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/digest_matrix $<TARGET_FILE:sevsim> $<TARGET_FILE:igvmtool>
    $<TARGET_FILE:report_check> ${VESTIBULE_GUEST_DIR}/qemu-tests/guests/snp_report.elf ${snp_root}
    ${CMAKE_CURRENT_BINARY_DIR}/digest_matrix)
set_tests_properties(qemu.snp_digest_matrix PROPERTIES FIXTURES_REQUIRED snp_root)

# The picture of the reverse map table, of a guest that has pages in each state; and what is for
# SEV-SNP alone.
set(picture ${CMAKE_CURRENT_BINARY_DIR}/rmp.svg)
snp_image(file snp_ap --vcpus 2)
add_test(NAME qemu.snp_rmp
  COMMAND sh -c "$<TARGET_FILE:sevsim> run --platform snp --smp 2 --rmp ${picture} ${file}; grep -c '<path' ${picture}; grep pages ${picture}")
set_tests_properties(qemu.snp_rmp PROPERTIES PASS_REGULAR_EXPRESSION
  "\n7\n.*shared: 1 pages.*validated: 2[0-9] pages.*VMSA: 1 pages")
add_test(NAME qemu.snp_options
  COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;${file};--vlek" -DSTATUS=2
    "-DWANT=is for --platform sev-snp" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
add_test(NAME qemu.snp_host_data
  COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;${file};--platform;snp;--host-data;123"
    -DSTATUS=2 "-DWANT=expected 64 hexadecimal digits" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)

# Launches that the firmware refuses: a policy, an ID block for another launch, a file without SEV-SNP.
snp_image(policy_file snp_pages)
foreach(row "0xb0000:0:" "0x430000:1:AES-256-XTS" "0x1030000:1:ciphertext hidden"
    "0x300ff:0:" "0x301ff:1:it wants firmware ABI 1.255")
  string(REPLACE ":" ";" row ${row})
  list(GET row 0 policy)
  list(GET row 1 status)
  list(GET row 2 why)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/policy-${policy}.igvm)
  add_test(NAME qemu.snp_policy_${policy}
    COMMAND sh -c "$<TARGET_FILE:igvmtool> build --out ${file} --cbit 47 --platform sev-snp --stub ${VESTIBULE_GUEST_DIR}/qemu-tests/guests/snp_pages.elf --policy ${policy} && $<TARGET_FILE:sevsim> run --platform snp ${file}; echo status $?")
  set_tests_properties(qemu.snp_policy_${policy} PROPERTIES
    PASS_REGULAR_EXPRESSION "${why}[^$]*status ${status}\n")
endforeach()

# An ID block: whose keys and facts the report shows, and one that is for another launch.
add_test(NAME qemu.snp_id_block
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIGVMTOOL=$<TARGET_FILE:igvmtool>
    -DIMAGE=${CMAKE_CURRENT_BINARY_DIR}/snp_report.igvm -DFOLDER=${CMAKE_CURRENT_BINARY_DIR}/id_block
    -P ${CMAKE_CURRENT_SOURCE_DIR}/id_block.cmake)

# The launch digest of firmware is what igvmtool measures for QEMU's -bios, with one vCPU and with eight; and what
# it measures for SEV-ES, as the owner of a launch is told it, where the volume of variables is not launched.
set(digest_test ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIGVMTOOL=$<TARGET_FILE:igvmtool>)
set(digest_script -P ${CMAKE_CURRENT_SOURCE_DIR}/firmware_digest.cmake)
function(firmware_digest_test name) # NAME FIRMWARE FILE [CODE FILE] [KERNEL OPTIONS]
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "FIRMWARE;CODE;KERNEL" "")
  set(test ${digest_test} -DFIRMWARE=${ARG_FIRMWARE})
  add_test(NAME qemu.${name} COMMAND ${test} "-DKERNEL=${ARG_KERNEL}" ${digest_script})
  add_test(NAME qemu.${name}_sev_es
    COMMAND ${test} "-DKERNEL=${ARG_KERNEL}" -DCODE=${ARG_CODE} -DROOT=${snp_root}
      -DSESSION=${CMAKE_CURRENT_BINARY_DIR}/${name} ${digest_script})
  set_tests_properties(qemu.${name}_sev_es PROPERTIES FIXTURES_REQUIRED snp_root)
endfunction()
firmware_digest_test(digest_ovmf FIRMWARE /usr/share/ovmf/OVMF.fd CODE /usr/share/OVMF/OVMF_CODE.fd)
foreach(file ovmf-trixie/usr/share/ovmf/OVMF.fd ovmf-sid/usr/share/ovmf/OVMF.amdsev.fd)
  string(REGEX REPLACE "/.*" "" firmware ${file})
  add_test(NAME qemu.snp_digest_${firmware}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/with_guest ${file} ${digest_test}
      -DFIRMWARE=${CMAKE_SOURCE_DIR}/build/guests/${file} ${digest_script})
  set_tests_properties(qemu.snp_digest_${firmware} PROPERTIES SKIP_RETURN_CODE 77)
endforeach()

# The trace has what guests do to the reverse map table.
set(trace ${CMAKE_CURRENT_BINARY_DIR}/snp.trace)
add_test(NAME qemu.snp_trace
  COMMAND sh -c "$<TARGET_FILE:sevsim> run --platform snp --trace ${trace} ${policy_file} >${trace}.log && grep -c PVALIDATE ${trace} && grep -c 'RMPADJUST.*answer_rax.:.0x2' ${trace} && grep RMPQUERY ${trace}")
set_tests_properties(qemu.snp_trace PROPERTIES PASS_REGULAR_EXPRESSION
  "^[0-9]+\n1\n.*\"record\":\"rmp\",\"vcpu\":0.*\"name\":\"RMPQUERY\"")
