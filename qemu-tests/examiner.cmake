# SPDX-License-Identifier: BSD-2-Clause-Patent
# The examiner (docs/examiner.md) in the emulated machine: honest, every `must` holds, on each platform and
# through each entry; and no lie of the machine's goes unseen (examiner_lies).
set(examiner_cases_sev_es 357)
set(examiner_cases_snp 473)

# examiner_test(<name> <image> STATUS <n> WANT <regex>... [REJECT <regex>...] [RUN <argument>...]
#               [BUILD <argument of igvmtool build>...]): `image` is the file's name, and says what BUILD is.
function(examiner_test name image)
  cmake_parse_arguments(ARG "" "STATUS" "WANT;REJECT;RUN;BUILD" ${ARGN})
  set(file ${CMAKE_CURRENT_BINARY_DIR}/examiner_${image}.igvm)
  if(NOT TARGET image_examiner_${image})
    add_custom_target(image_examiner_${image} ALL
      COMMAND igvmtool build --out ${file} --platform native,sev-es,sev-snp --memory 64M
        --payload ${VESTIBULE_EXAMINER} ${ARG_BUILD} > ${file}.log
      BYPRODUCTS ${file} VERBATIM)
    add_dependencies(image_examiner_${image} igvmtool guest)
  endif()
  add_sevsim_test(NAME qemu.examiner_${name}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;${file};--allow;all;--timeout;600;${ARG_RUN}"
      -DSTATUS=${ARG_STATUS} "-DWANT=${ARG_WANT}" "-DREJECT=${ARG_REJECT}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endfunction()

# What an honest hypervisor comes to: nothing failed, nothing deviates, nothing is known of it.
set(honest "\"failed\":0,\"known\":0,\"deviating\":0," "\"failures\":\\[\\]" "exited with code 0")
foreach(entry 32 compat 64)
  set(build BUILD --entry ${entry} --cbit 47 --vcpus 2)
  examiner_test(sev_es_${entry} ${entry} ${build} STATUS 0
    WANT "1\\.\\.${examiner_cases_sev_es}\n" "\nok ${examiner_cases_sev_es} - " ${honest} "Platform sev-es"
    REJECT "not ok" "Bail out")
  examiner_test(snp_${entry} ${entry} ${build} RUN --platform sev-snp STATUS 0
    WANT "1\\.\\.${examiner_cases_snp}\n" "\nok ${examiner_cases_snp} - " ${honest} "Platform sev-snp"
    REJECT "not ok" "Bail out")
endforeach()
examiner_test(native 64 RUN --platform native STATUS 0
  WANT "1\\.\\.0 # SKIP no SEV-ES guest" "exited with code 0" REJECT "not ok")
# One vCPU, and no more skipped than what wants another; the C-bit of Milan and later; x2APIC.
examiner_test(one_vcpu one_vcpu BUILD --cbit 47 RUN --platform sev-snp STATUS 0
  WANT ${honest} "ok [0-9]+ - hold.msr.ends [^\n]* # SKIP the file starts one vCPU\n" REJECT "not ok")
foreach(platform sev-es sev-snp)
  examiner_test(cbit_51_${platform} cbit_51 BUILD --cbit 51 --vcpus 2 RUN --platform ${platform} STATUS 0
    WANT ${honest} REJECT "not ok")
  examiner_test(x2apic_${platform} 64 RUN --platform ${platform} --x2apic STATUS 0 WANT ${honest} REJECT "not ok")
endforeach()
# The command line: a host, a platform that it is not, some cases, a word that nobody knows.
examiner_test(platform platform BUILD --cbit 47 --cmdline "platform=sev-snp only=msr.info" STATUS 1
  WANT "not ok 1 - guest.platform" "\"failures\":\\[\"guest.platform\"\\]" "exited with code 1")
examiner_test(expect expect BUILD --cbit 47 --vcpus 2 --cmdline "expect=kvm-6.12"
  RUN --hostile rdpmc-gp STATUS 0
  WANT "not ok [0-9]+ - rdpmc.bad-index [^\n]* # TODO known: kvm-6.12 injects #GP" "\"failed\":0,\"known\":1,"
    "ok [0-9]+ - msr.snp-only.psc [^\n]* # SKIP known: kvm-6.12 takes" "exited with code 0")
examiner_test(expect_vmm expect_vmm BUILD --cbit 47 --cmdline "expect=openbsd-vmm"
  RUN --hostile no-information STATUS 0
  WANT "ok [0-9]+ - msr.info.code [^\n]* # SKIP known: openbsd-vmm ends the guest at SEV information\n"
    "exited with code 0")
examiner_test(unknown_word unknown_word BUILD --cbit 47 --cmdline "expct=kvm-6.12" STATUS 1
  WANT "Bail out! the command line has a word" "exited with code 1")
examiner_test(unknown_host unknown_host BUILD --cbit 47 --cmdline "expect=kvm-1.0" STATUS 1
  WANT "Bail out! expect= names no host" "exited with code 1")

# Each end has its own boot, and the host sees which it was; one that does not end is named.
foreach(row msr.0.0=0x0:0x0 msr.0.1=0x0:0x1 msr.0.2=0x0:0x2 msr.2.f0=0x2:0xf0 msr.15.ff=0xf:0xff
    page.0.0=0x0:0x0 page.0.1=0x0:0x1 page.0.2=0x0:0x2 page.2.f0=0x2:0xf0 page.15.ff=0xf:0xff)
  string(REPLACE "=" ";" row ${row})
  list(GET row 0 id)
  list(GET row 1 reason)
  examiner_test(end_${id} end_${id} BUILD --cbit 47 --cmdline "end=end.${id}"
    RUN --expect termination=${reason} STATUS 0 WANT "1\\.\\.2\n" "# next: end.${id}\n" REJECT "not ok")
endforeach()
examiner_test(end_unsupported end_unsupported BUILD --cbit 47 --cmdline "end=end.unsupported" STATUS 1
  WANT "gave up on an exit that it does not support \\(0x8a\\): MONITOR" REJECT "not ok")
foreach(id msr.0.1 page.0.1)
  examiner_test(end_${id}_returns end_${id} RUN --hostile termination-returns STATUS 1
    WANT "not ok 2 - end.${id} must" "exited with code 1")
endforeach()

# The other ways to start it: what a flash image holds; the EFI application that carries it is efi.cmake's.
foreach(platform sev-es sev-snp)
  add_sevsim_test(NAME qemu.examiner_flash_${platform}
    COMMAND ${CMAKE_COMMAND}
      "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--firmware;${VESTIBULE_EXAMINER_FLASH};--platform;${platform};--smp;2;--allow;all;--timeout;600"
      -DSTATUS=0 "-DWANT=${honest}" "-DREJECT=not ok" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endforeach()

# Every lie: examiner_lies.table says which case sees it, or by which code the guest ends.
foreach(platform sev-es sev-snp)
  add_sevsim_test(NAME qemu.examiner_lies_${platform}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/examiner_lies $<TARGET_FILE:sevsim> $<TARGET_FILE:igvmtool>
      ${VESTIBULE_EXAMINER} ${platform})
  set_tests_properties(qemu.examiner_lies_${platform} PROPERTIES TIMEOUT 1800)
endforeach()

# The line of JSON is as its schema has it.
add_sevsim_test(NAME qemu.examiner_json
  COMMAND sh -c "$<TARGET_FILE:sevsim> run ${CMAKE_CURRENT_BINARY_DIR}/examiner_platform.igvm --allow all | sed -n 's/^# {/{/p' >examiner.json; test -s examiner.json && $<TARGET_FILE:json_check> ${CMAKE_SOURCE_DIR}/docs/schemas examiner.json")
