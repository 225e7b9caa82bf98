# SPDX-License-Identifier: BSD-2-Clause-Patent
# The stub as an SEV-SNP guest: one file for three platforms, by each entry, and against a hypervisor
# that lies about memory and CPUID.

# snp_stub_file(<variable> <name> [<argument of igvmtool build>...]): for native, SEV-ES and SEV-SNP.
function(snp_stub_file variable name)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/snp_stub_${name}.igvm)
  if(NOT TARGET image_snp_stub_${name})
    add_custom_target(image_snp_stub_${name} ALL
      COMMAND igvmtool build --out ${file} --platform native,sev-es,sev-snp ${ARGN} > ${file}.log
      BYPRODUCTS ${file} VERBATIM)
    add_dependencies(image_snp_stub_${name} igvmtool guest)
  endif()
  set(${variable} ${file} PARENT_SCOPE)
endfunction()

# snp_stub_test(<name> <image> STATUS <n> WANT <regex>... [REJECT <regex>...] [ARGS <argument>...]
#               BUILD <argument of igvmtool build>...): `image` is the file's name, and says what BUILD is.
function(snp_stub_test name image)
  cmake_parse_arguments(ARG "" "STATUS" "WANT;REJECT;ARGS;BUILD" ${ARGN})
  snp_stub_file(file ${image} ${ARG_BUILD})
  add_sevsim_test(NAME qemu.snp_stub_${name}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;${file};${ARG_ARGS}"
      -DSTATUS=${ARG_STATUS} "-DWANT=${ARG_WANT}" "-DREJECT=${ARG_REJECT}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endfunction()

# The selftest: the same file on each platform.
set(snp --platform sev-snp)
set(snp_ok "1\\.\\.41\n" "\nok 31 - " "\nok 41 - SNP: an attestation report over the data of the launch\n" "Outcome: the guest exited with code 0")
set(selftest_ok "1\\.\\.31\n" "\nok 31 - " "Outcome: the guest exited with code 0")
foreach(entry 32 compat 64)
  set(build BUILD --cbit 47 --entry ${entry})
  # With one vCPU the case of a further one is skipped, and no other.
  snp_stub_test(selftest_${entry}_vcpus_2 selftest_${entry}_vcpus_2 BUILD --cbit 47 --entry ${entry} --vcpus 2
    STATUS 0 ARGS ${snp} WANT ${snp_ok} "Violations: none" "0x80000013 +AP creation +- +2 "
    REJECT "not ok" "SKIP")
  snp_stub_test(sev_es_${entry}_vcpus_2 selftest_${entry}_vcpus_2 BUILD --cbit 47 --entry ${entry} --vcpus 2
    STATUS 0 WANT ${selftest_ok} "Violations: none" REJECT "not ok" "SKIP")
  snp_stub_test(selftest_${entry} selftest_${entry} ${build} STATUS 0 ARGS ${snp}
    WANT ${snp_ok} "Platform sev-snp" "Violations: none" "0x12 +GHCB registration +- +- +2\n"
    REJECT "not ok" "ok [1-35-9][0-9]*[^\n]* # SKIP" "ok 42" " CPUID +[1-9-]+ +[1-9]")
  snp_stub_test(sev_es_${entry} selftest_${entry} ${build} STATUS 0
    WANT ${selftest_ok} "Platform sev-es" "Violations: none" REJECT "not ok" "SKIP")
  snp_stub_test(native_${entry} selftest_${entry} ${build} STATUS 0 ARGS --platform native
    WANT ${selftest_ok} "#VC 0, VMGEXIT 0" REJECT "not ok")
  snp_stub_test(selftest_${entry}_cbit_51 selftest_${entry}_cbit_51 BUILD --cbit 51 --entry ${entry}
    STATUS 0 ARGS ${snp} --cbit 51 WANT ${snp_ok} "Violations: none" REJECT "not ok")
endforeach()

# gdb at two vCPUs, with the DWARF that is installed.
snp_stub_file(file selftest_64_vcpus_2 --cbit 47 --entry 64 --vcpus 2)
gdb_test(snp snp ARGS --platform snp ${file} SYMBOLS ${VESTIBULE_GUEST_DIR}/boot/vestibule.debug
  WANT "Breakpoint 1, payload_main [(]info=[.][.][.][)] at [./]*boot/selftest/main.cpp" "[$]1 = 0x2\n"
    "\n#1 [^\n]*snp_main [(][)] at [./]*boot/snp/main.cpp:" "[$]2 = 2\n"
    "Cannot access memory at address 0x3f00000\n" "Thread 2 [^\n]*hit Breakpoint 2, [^\n]*ap_main [(][)]"
    "\n[*] 2 +Thread [^\n]*ap_main [(][)]" "\n=> 0x20[^\n]*ap_main[^\n]*:\tlock" "[$]3 = 0\n"
    "Switching to thread 1 [^\n]*\n[^\n]*\n[^\n]*\n=> 0x2[^\n]*:\t[a-z]"
  REPORT "exited with code 0" "Violations: none")

# Lies by the code that each ends with, whatever the entry. One bit of an entry of the CPUID page: that this is SEV.
foreach(row
    "registration|SNP_REGISTRATION" "features:0|SNP_FEATURES" "psc-refused|SNP_PAGE_STATE"
    "cpuid-page:1|SNP_CPUID_PAGE" "cpuid-page:2|SNP_CPUID_CONFLICT" "cpuid-page:3|SNP_CPUID_CONFLICT"
    "cpuid-page:5|SNP_CPUID_PAGE" "cpuid-entry-flip:0x8000001f00000002@1+1|SNP_CPUID_CONFLICT"
    "cbit-information|C_BIT_MISMATCH" "cbit-position|C_BIT_MISMATCH")
  string(REGEX REPLACE "[|].*" "" lie "${row}")
  string(REGEX REPLACE ".*[|]" "" want "${row}")
  string(REPLACE ":" "_" name ${lie})
  foreach(entry 32 compat 64)
    snp_stub_test(lie_${name}_${entry} selftest_${entry} BUILD --cbit 47 --entry ${entry} STATUS 1
      ARGS ${snp} --hostile ${lie} WANT "told [1-9] times" "termination: ${want} " REJECT "TAP")
  endforeach()
endforeach()
# Another C-bit in the CPUID page, for which the secure processor is not to blame; entered in 32-bit mode nothing
# else is measured, so that one whom the hypervisor seconds comes as far as to the proof.
foreach(entry 32 compat 64)
  set(differs SNP_CPUID_CONFLICT)
  set(agrees SNP_CPUID_CONFLICT)
  if(entry STREQUAL 32)
    set(differs C_BIT_MISMATCH)
    set(agrees C_BIT_NOT_PRIVATE)
  endif()
  foreach(lie cpuid-page:4 cpuid-entry-flip:0x8000001f00000001@1+2)
    string(REPLACE ":" "_" name ${lie})
    foreach(other "" "cbit-information" "cbit-position")
      set(want ${differs})
      set(more)
      if(other)
        set(want ${agrees})
        set(more --hostile ${other})
      endif()
      snp_stub_test(lie_${name}_${other}_${entry} selftest_${entry} BUILD --cbit 47 --entry ${entry} STATUS 1
        ARGS ${snp} --hostile ${lie} ${more} WANT "told [1-9] times" "Violations: none" "termination: ${want} "
        REJECT "TAP")
    endforeach()
  endforeach()
endforeach()
snp_stub_test(lie_list-stuck selftest_64 BUILD --cbit 47 --entry 64 STATUS 1 ARGS ${snp} --hostile list-stuck
  WANT "not ok 3[0-9] - SNP: page state change by the GHCB page")
# A size that is nobody's.
snp_stub_test(lie_cpuid-entry-flip_size selftest_64 BUILD --cbit 47 --entry 64 STATUS 0
  ARGS ${snp} --hostile cpuid-entry-flip:0xd00000100@1+2 WANT "told 1 times" ${snp_ok})
# A state that nobody has switched on may be as large as it likes.
snp_stub_test(lie_cpuid-page_6 selftest_64 BUILD --cbit 47 --entry 64 STATUS 0
  ARGS ${snp} --hostile cpuid-page:6 WANT ${snp_ok})

# Payloads, with what boot info says of memory, and what the hypervisor does to that.
foreach(entry 32 compat 64)
  snp_stub_test(payload_${entry} payload_${entry}
    BUILD --cbit 47 --entry ${entry} --payload ${payload_dir}/tell.elf ${files} STATUS 0 ARGS ${snp}
    WANT ${told} ${told_files} "platform 2\n" "exited with code 0" "Violations: none"
    REJECT "NOT" "NOISE" "UNKNOWN" ": NO ")
endforeach()
snp_stub_test(payload_sev_es payload_64 BUILD STATUS 0
  WANT ${told} ${told_files} "platform 1\n" "exited with code 0" "Violations: none")
set(accepted BUILD --cbit 47 --memory 64M --payload ${payload_dir}/accepted.elf)
set(accepted_run ARGS ${snp} --memory 64M)
set(accepted_ok "accepted: SEV-SNP at VMPL 0\n" "accepted: CPUID and secrets page\n"
  "accepted: ranges ascend, apart\n" "accepted: RAM not validated, pages 1[0-9][0-9][0-9]\n"
  "accepted: free MiB 5[89]\n" "accepted: every page keeps what is written\n" "exited with code 0")
snp_stub_test(accepted accepted ${accepted} ${accepted_run} STATUS 0
  WANT ${accepted_ok} "Violations: none" "PVALIDATE [0-9][0-9],")
# By the payload itself, of 64 MiB, and of 2 GiB, of which a start takes no longer for that.
set(lazy BUILD --cbit 47 --accept payload --payload ${payload_dir}/lazy.elf)
snp_stub_test(lazy lazy ${lazy} --memory 64M ARGS ${snp} --memory 64M STATUS 0
  WANT "lazy: VMPL 0\n" "lazy: KiB validated at first [1-9][0-9]?[0-9]?\n" "lazy: MiB taken in steps 63\n"
    "lazy: pages lost 0\n" "exited with code 0" "Violations: none")
# What comes from outside once the payload has an IDT of its own: each ends the guest with a code, INT 0x80 as #GP.
foreach(row "0x80000080:0xd" "0x80000300:0x0" "0x80000202:0x2" "0x80000b0e:0xe")
  string(REGEX REPLACE ":.*" "" event "${row}")
  string(REGEX REPLACE ".*:" "" vector "${row}")
  foreach(lie event:${event}@150 storm:${event}@150+3)
    string(REPLACE ":" "_" name ${lie})
    snp_stub_test(lie_lazy_${name} lazy ${lazy} --memory 64M
      ARGS ${snp} --memory 64M --repeatable --hostile ${lie} STATUS 1
      WANT "told [1-9] times" "termination: UNEXPECTED_EXCEPTION .set 5, code ${vector}." REJECT "pages lost")
  endforeach()
endforeach()
snp_stub_test(lazy_start lazy_start BUILD --cbit 47 --accept payload --memory 2G --payload ${payload_dir}/tell.elf
  ARGS ${snp} --memory 2G STATUS 0
  WANT "payload: hello\n" "exited with code 0" "Violations: none" "PVALIDATE [1-9][0-9],"
  REJECT "0x80000010 +page state change")
snp_stub_test(accepted_2_gib accepted_2_gib
  BUILD --cbit 47 --memory 2G --payload ${payload_dir}/tell.elf STATUS 0 ARGS ${snp} --memory 2G
  WANT "payload: hello\n" "exited with code 0" "Violations: none"
    "0x80000010 +page state change +- +5 " "PVALIDATE 10[0-9][0-9],")
snp_stub_test(accepted_16_gib accepted_16_gib
  BUILD --cbit 47 --memory 16G --payload ${payload_dir}/tell.elf STATUS 0 ARGS ${snp} --memory 16G
  WANT "payload: hello\n" "exited with code 0" "Violations: none"
    "0x80000010 +page state change +- +33 " "PVALIDATE 82[0-9][0-9],")
# RAM from 4 GiB on, which a payload uses: all of it is accepted before, or none.
set(high BUILD --cbit 47 --payload ${payload_dir}/high.elf)
set(high_ok "high: ranges 3\n" "high: MiB up to the devices 3072\n" "high: pages lost 0\n" "exited with code 0"
  "Violations: none")
foreach(gib 6 16)
  math(EXPR above "(${gib} - 3) * 1024")
  math(EXPR lists "(${gib} * 512 + 252) / 253")
  snp_stub_test(high_${gib}_gib high_${gib}_gib ${high} --memory ${gib}G STATUS 0 ARGS ${snp} --memory ${gib}G
    WANT ${high_ok} "from 4 GiB on ${above}\n.*from 4 GiB on ${above}\n" "0x80000010 +page state change +- +${lists} "
    REJECT "NO free")
  snp_stub_test(high_lazy_${gib}_gib high_lazy_${gib}_gib ${high} --accept payload --memory ${gib}G
    STATUS 0 ARGS ${snp} --memory ${gib}G
    WANT ${high_ok} "validated from 4 GiB on 0\n.*from 4 GiB on ${above}\n")
endforeach()
snp_stub_test(high_entry_32 high_entry_32 BUILD --entry 32 --payload ${payload_dir}/high.elf --memory 4G
  STATUS 0 ARGS ${snp} --memory 4G WANT ${high_ok} "from 4 GiB on 1024\n" REJECT "NO free")
foreach(lie taken replaced swapped)
  snp_stub_test(lie_high_page-${lie} high_4_gib ${high} --memory 4G
    ARGS ${snp} --memory 4G --hostile page-${lie}:0x100000000@60 STATUS 1
    WANT "high: ranges 3\n" "VC_PAGE_UNVALIDATED" REJECT "pages lost 0")
endforeach()
snp_stub_test(lie_high_page-validated high_4_gib ${high} --memory 4G
  ARGS ${snp} --memory 4G --hostile page-validated:0x100000000@4 STATUS 1 WANT "SNP_VALIDATED_TWICE" REJECT "high:")
snp_stub_test(lie_list-small accepted ${accepted} ARGS ${snp} --memory 64M --hostile list-small STATUS 0
  WANT ${accepted_ok} "PVALIDATE 1[0-9][0-9][0-9][0-9],")
snp_stub_test(lie_psc-interrupted accepted ${accepted} ARGS ${snp} --memory 64M --hostile psc-interrupted
  STATUS 0 WANT ${accepted_ok})
snp_stub_test(lie_list-undone accepted ${accepted} ARGS ${snp} --memory 64M --hostile list-undone
  STATUS 0 WANT ${accepted_ok})
snp_stub_test(lie_page-validated accepted ${accepted}
  ARGS ${snp} --memory 64M --hostile page-validated:0x3000000@4 STATUS 1 WANT "SNP_VALIDATED_TWICE")
# The block of the GHCB page, which the guest shares: what is its own there it has validated already.
snp_stub_test(lie_page-validated_ghcb selftest_64 BUILD --cbit 47 --entry 64
  ARGS ${snp} --hostile page-validated:0x200000@616 STATUS 0 WANT ${snp_ok} "Violations: none")
foreach(code 1 2 3 4)
  snp_stub_test(lie_list-header_${code} accepted ${accepted}
    ARGS ${snp} --memory 64M --hostile list-header:${code} STATUS 1 WANT "termination: SNP_PAGE_STATE "
    REJECT "accepted: ")
endforeach()
# A page that 64-bit code is to clear, behind the 32-bit entry: there is an IDT whose gates can do nothing but end.
foreach(lie taken replaced swapped)
  snp_stub_test(lie_switch_page-${lie} selftest_32 BUILD --cbit 47 --entry 32 STATUS 1
    ARGS ${snp} --hostile page-${lie}:0x214000@1 WANT "termination: SWITCH_EVENT " REJECT "TAP")
endforeach()
foreach(lie taken replaced swapped)
  snp_stub_test(lie_page-${lie} accepted ${accepted}
    ARGS ${snp} --memory 64M --hostile page-${lie}:0x3000000@50 STATUS 1
    WANT "accepted: SEV-SNP at VMPL 0\n" "VC_PAGE_UNVALIDATED" REJECT "accepted: free")
endforeach()

# What the loader tells lies in pages that the launch has validated, unmeasured: the stub accepts them no more.
foreach(entry 32 compat 64)
  snp_stub_test(parameters_${entry} parameters_${entry}
    BUILD --cbit 47 --entry ${entry} --vcpus 2 --memory 64M --parameters memory-map,vp-count
      --payload ${payload_dir}/parameters.elf
    STATUS 0 ARGS ${snp} --memory 64M WANT ${told_parameters} "exited with code 0" "Violations: none")
endforeach()

# Further vCPUs, by AP creation.
foreach(entry 32 compat 64)
  snp_stub_test(aps_${entry} aps_${entry}
    BUILD --cbit 47 --entry ${entry} --vcpus 4 --payload ${payload_dir}/state.elf
    STATUS 0 ARGS ${snp} --smp 4
    WANT ${state} "vCPUs 4\n" "mailbox is empty\n" "0x80000013 +AP creation +- +3 " REJECT ": NO ")
endforeach()

# And with vCPUs that are not started, which come to the mailbox from the measured state; that are started from
# the page of the next VMSA, which is in use when it is to become one; and from pages that were put in the place of
# their VMSAs, which VMRUN refuses: the payload waits for those no longer than it wants to.
set(aps_run ARGS ${snp} --smp 4)
set(aps_build BUILD --cbit 47 --entry 64 --vcpus 4 --payload ${payload_dir}/state.elf)
snp_stub_test(lie_vcpu-not-started aps_64 ${aps_build} ${aps_run} --hostile vcpu-not-started STATUS 0
  WANT ${state} "vCPUs 4\n" "mailbox is empty\n" REJECT ": NO ")
snp_stub_test(lie_vcpu-other-vmsa aps_64 ${aps_build} ${aps_run} --repeatable --hostile vcpu-other-vmsa STATUS 1
  WANT "termination: SNP_RMPADJUST " REJECT "state: ")
snp_stub_test(lie_vcpu-vmsa-altered aps_64 ${aps_build} ${aps_run} --hostile vcpu-vmsa-altered --timeout 600 STATUS 1
  WANT "state: NO a vCPU has started\n" "state: vCPUs 4\n" REJECT "state: a vCPU has started")
# Without AP creation among the features vCPUs start from their measured state.
snp_stub_test(lie_features_snp aps_64
  BUILD --cbit 47 --entry 64 --vcpus 4 --payload ${payload_dir}/state.elf
  STATUS 0 ARGS ${snp} --smp 4 --hostile features:1
  WANT ${state} "vCPUs 4\n" "mailbox is empty\n" REJECT ": NO " "AP creation")
# The GHCB page is the hypervisor's only as far as it says: to hold it back is to have no guest. That it is used
# as shared all the same is not the guest's fault.
snp_stub_test(lie_msr-undone selftest_64 BUILD --cbit 47 --entry 64 STATUS 0
  ARGS ${snp} --hostile msr-undone WANT "told [1-9] times" ${snp_ok} "Violations: none" REJECT "not ok")
# The page of the handler's own code: no guest comes through that, and the machine says which page it was.
snp_stub_test(lie_page-taken_handler accepted ${accepted}
  ARGS ${snp} --memory 64M --hostile page-taken:0x201000@50 STATUS 1
  WANT "stopped the guest: each #VC over a page that is not validated raises the next: 0x201000\n"
    "0x404 +page not validated +1[0-9] ")

# Reports (igvmtool build --attest): made by the selftest through each entry and by the stub for a payload,
# with certificates, without where a host wants more memory for them than there is, and by a busy host.
function(attest_test name)
  cmake_parse_arguments(ARG "" "TABLE;VMPL;PLATFORM" "BUILD;RUN" ${ARGN})
  if(NOT ARG_VMPL)
    set(ARG_VMPL 0)
  endif()
  add_sevsim_test(NAME qemu.snp_attest_${name}
    COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIGVMTOOL=$<TARGET_FILE:igvmtool>
      -DROOT=${snp_root} -DWORK=${CMAKE_CURRENT_BINARY_DIR}/attest_${name} "-DBUILD=${ARG_BUILD}"
      "-DRUN=${ARG_RUN}" -DPLATFORM=${ARG_PLATFORM} -DVMPL=${ARG_VMPL} -DTABLE=${ARG_TABLE}
      -P ${CMAKE_CURRENT_SOURCE_DIR}/attest.cmake)
  foreach(qemu qemu ${newer_qemus})
    if(TEST ${qemu}.snp_attest_${name})
      set_tests_properties(${qemu}.snp_attest_${name} PROPERTIES FIXTURES_REQUIRED snp_root)
    endif()
  endforeach()
endfunction()
foreach(entry 32 compat 64)
  attest_test(selftest_${entry} BUILD --entry ${entry} TABLE yes)
  attest_test(payload_${entry} BUILD --entry ${entry} --payload ${payload_dir}/attested.elf TABLE yes)
endforeach()
attest_test(busy BUILD --payload ${payload_dir}/attested.elf RUN --hostile request-busy TABLE yes)
attest_test(certificates-size BUILD --payload ${payload_dir}/attested.elf RUN --hostile certificates-size
  TABLE no)
attest_test(certificates-table BUILD --payload ${payload_dir}/attested.elf RUN --hostile certificates-table
  TABLE no)

# Answers that nobody has made, to the stub's one message.
snp_stub_test(lie_answers-spoilt selftest_64 BUILD --cbit 47 --entry 64 STATUS 1
  ARGS ${snp} --hostile answers-spoilt WANT "termination: REQUEST_BAD_ANSWER " REJECT "ok 41")

# From the state of the launch they come to the mailbox too, and it is in the digest.
snp_stub_test(lie_vcpu-launch-state aps_64
  BUILD --cbit 47 --entry 64 --vcpus 4 --payload ${payload_dir}/state.elf
  STATUS 0 ARGS ${snp} --smp 4 --hostile vcpu-launch-state
  WANT ${state} "vCPUs 4\n" "mailbox is empty\n" REJECT ": NO ")

# Below VMPL 0, under the tests' service (qemu-tests/guests/snp_svsm): selftest, payload with what it has
# accepted, report by VMPCK1; and a hypervisor that does not run the service.
set(below --svsm ${VESTIBULE_GUEST_DIR}/qemu-tests/guests/snp_service.elf)
function(below_vmpl0_file variable name)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/snp_below_${name}.igvm)
  if(NOT TARGET image_snp_below_${name})
    add_custom_target(image_snp_below_${name} ALL
      COMMAND igvmtool build --out ${file} --cbit 47 --platform sev-snp ${below} ${ARGN} > ${file}.log
      BYPRODUCTS ${file} VERBATIM)
    add_dependencies(image_snp_below_${name} igvmtool guest)
  endif()
  set(${variable} ${file} PARENT_SCOPE)
endfunction()
function(below_vmpl0_test name)
  cmake_parse_arguments(ARG "" "IMAGE;STATUS" "WANT;REJECT;ARGS;BUILD" ${ARGN})
  if(NOT ARG_IMAGE)
    set(ARG_IMAGE ${name})
  endif()
  below_vmpl0_file(file ${ARG_IMAGE} ${ARG_BUILD})
  add_sevsim_test(NAME qemu.snp_below_vmpl0_${name}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--platform;sev-snp;${file};${ARG_ARGS}"
      -DSTATUS=${ARG_STATUS} "-DWANT=${ARG_WANT}" "-DREJECT=${ARG_REJECT}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endfunction()
foreach(entry 32 compat 64)
  foreach(vmpl 1 2 3)
    below_vmpl0_test(selftest_${entry}_vmpl_${vmpl} BUILD --entry ${entry} --vmpl ${vmpl} STATUS 0
      WANT "1\\.\\.41\n" "# VMPL ${vmpl}\n" "\nok 41 - SNP: an attestation report"
        "0x16 +RUN_VMPL " "Violations: none" "exited with code 0" REJECT "not ok")
  endforeach()
endforeach()
foreach(entry 32 compat 64)
  below_vmpl0_test(selftest_${entry}_vcpus_2 BUILD --entry ${entry} --vmpl 2 --vcpus 2 ARGS --smp 2 STATUS 0
    WANT "1\\.\\.41\n" "# VMPL 2\n" "\nok 40 - SNP: a further vCPU starts from a VMSA made here, and ends\n"
      "Violations: none" "exited with code 0" REJECT "not ok")
  below_vmpl0_test(aps_${entry} BUILD --entry ${entry} --vmpl 1 --vcpus 4 --payload ${payload_dir}/state.elf
    ARGS --smp 4 STATUS 0
    WANT ${state} "vCPUs 4\n" "mailbox is empty\n" "0x80000013 +AP creation +- +7 " "Violations: none" REJECT ": NO ")
endforeach()
below_vmpl0_test(accepted BUILD --vmpl 1 --memory 64M --payload ${payload_dir}/accepted.elf ARGS --memory 66M
  STATUS 0 WANT "accepted: SEV-SNP at VMPL 1\n" "accepted: every page keeps what is written\n"
    "exited with code 0" "Violations: none" REJECT ": NO ")
below_vmpl0_test(lazy BUILD --vmpl 3 --accept payload --memory 64M --payload ${payload_dir}/lazy.elf
  ARGS --memory 66M STATUS 0
  WANT "lazy: VMPL 3\n" "lazy: MiB taken in steps 63\n" "lazy: pages lost 0\n" "exited with code 0" "Violations: none")
# From 4 GiB on, by the service: it validates what it has mapped, which is up to 1 GiB and there. Its own 2 MiB are the
# last below the devices. The library goes page by page there, so it is given less.
set(high_below --memory-below-4g 512M --payload ${payload_dir}/high.elf)
set(high_below_ok "high: MiB up to the devices 510\n" "high: pages lost 0\n" "exited with code 0" "Violations: none")
below_vmpl0_test(high BUILD --vmpl 2 --memory 3584M ${high_below} ARGS --memory 6G STATUS 0
  WANT "validated from 4 GiB on 3072\n" "high: MiB from 4 GiB on 3072\n" ${high_below_ok} REJECT "NO free")
below_vmpl0_test(high_lazy BUILD --vmpl 1 --accept payload --memory 576M ${high_below} ARGS --memory 4G STATUS 0
  WANT "validated from 4 GiB on 0\n" "high: MiB from 4 GiB on 64\n" ${high_below_ok})
# What a hypervisor does to pages is found out below VMPL 0 too, by the processor or by the service.
set(attacked BUILD --vmpl 1 --memory 64M --payload ${payload_dir}/accepted.elf ARGS --memory 66M --hostile)
foreach(lie taken replaced swapped)
  below_vmpl0_test(page-${lie} ${attacked} page-${lie}:0x3000000@90 STATUS 1
    WANT "accepted: SEV-SNP at VMPL 1\n" "VC_PAGE_UNVALIDATED" REJECT "accepted: free")
endforeach()
below_vmpl0_test(page-validated ${attacked} page-validated:0x3000000@12 STATUS 1
  WANT "termination: SVSM_REFUSED " REJECT "accepted: free")
below_vmpl0_test(list-stuck ${attacked} list-stuck STATUS 1 WANT "termination: SNP_PAGE_STATE " REJECT "accepted: ")
below_vmpl0_test(parameters BUILD --vmpl 1 --parameters memory-map,vp-count --payload ${payload_dir}/parameters.elf
  ARGS --memory 64M STATUS 0 WANT "parameters: ranges 2\n" "parameters: vCPUs 1\n" "exited with code 0"
    "Violations: none")
# And what it does to the service, which believes no more than the stub: the C-bit, its GHCB page, the vCPU below it,
# and a #VC without an error code within its PVALIDATE.
foreach(row "cbit-position|C_BIT_MISMATCH" "cbit-information|C_BIT_MISMATCH" "psc-refused|SNP_PAGE_STATE"
    "registration|SNP_REGISTRATION" "refused:0x2@1|SNP_AP_CREATION" "vcpu-not-started|MSR_BAD_RESPONSE"
    "vcpu-launch-state|MSR_BAD_RESPONSE" "event:0x8000031d@20|UNEXPECTED_EXCEPTION")
  string(REGEX REPLACE "[|].*" "" lie "${row}")
  string(REGEX REPLACE ".*[|]" "" want "${row}")
  string(REPLACE ":" "_" name ${lie})
  below_vmpl0_test(${name} IMAGE lied_to BUILD --vmpl 1 ARGS --repeatable --hostile ${lie} STATUS 1
    WANT "told [1-9] times" "Violations: none" "termination: ${want} " REJECT "TAP")
endforeach()
below_vmpl0_test(svsm-not-run IMAGE lied_to BUILD --vmpl 1 ARGS --hostile svsm-not-run STATUS 1
  WANT "termination: SVSM_NOT_ANSWERING " REJECT "TAP")
attest_test(below_vmpl0 BUILD ${below} --vmpl 1 --payload ${payload_dir}/attested.elf VMPL 1 PLATFORM sev-snp TABLE yes)

# Budgets (docs/budgets.md): measured pages of the stub with CPUID and secrets page, eight in all; VMGEXITs to
# the payload; instructions of a CPUID, which is answered without any.
set(snp_pages_32 "0 page tables [+] [1-6] stub")
set(snp_pages_compat "1 page tables [+] [1-5] stub")
set(snp_pages_64 "1 page tables [+] [1-5] stub")
foreach(entry 32 compat 64)
  add_test(NAME igvmtool.budget_snp_measured_pages_${entry}
    COMMAND ${CMAKE_COMMAND}
      "-DCOMMAND=$<TARGET_FILE:igvmtool>;build;--platform;sev-snp;--entry;${entry};--out;${CMAKE_CURRENT_BINARY_DIR}/budget-snp-${entry}.igvm"
      -DSTATUS=0 "-DWANT=sev-snp: .* = ${snp_pages_${entry}} .* [+] 2 CPUID and secrets"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
  snp_stub_file(file selftest_${entry} --cbit 47 --entry ${entry})
  add_sevsim_test(NAME qemu.budget_snp_exits_to_payload_${entry}
    COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIMAGE=${file} "-DARGS=--platform;sev-snp"
      -DTRACE=${CMAKE_CURRENT_BINARY_DIR}/snp_exits_to_payload_${entry}.trace -DBUDGET=5
      -P ${CMAKE_CURRENT_SOURCE_DIR}/exits_to_payload.cmake)
endforeach()
# Other events take four instructions more than under SEV-ES: whether they are CPUID, and whether there is a
# GHCB page.
snp_stub_file(file selftest_64 --cbit 47 --entry 64)
add_sevsim_test(NAME qemu.budget_snp_instructions
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIMAGE=${file} "-DARGS=--platform;sev-snp"
    "-DBUDGETS=CPUID=150;IN=180;OUT=180" -P ${CMAKE_CURRENT_SOURCE_DIR}/instructions.cmake)
