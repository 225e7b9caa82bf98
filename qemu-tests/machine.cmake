# SPDX-License-Identifier: BSD-2-Clause-Patent
# The emulated machine itself, held against the specification by guests that ask it by hand.

# Every event that it serves, and what it answers.
sevsim_test(machine_events machine_events STATUS 0
  WANT "by OUTS\n" "Violations: none" "exited with code 0"
    "0x6e +RDTSC " "0x6f +RDPMC " "0x76 +INVD " "0x81 +VMMCALL " "0x87 +RDTSCP " "0x89 +WBINVD "
    "0x8a +MONITOR " "0x8b +MWAIT " "0x27 +DR7 read " "0x37 +DR7 write " "0x80000001 +MMIO read "
    "0x80000002 +MMIO write " "0x80000005 +AP jump table " "0x8000fffd +hypervisor features ")

# Which MSRs it has.
sevsim_test(machine_msrs machine_msrs STATUS 0 WANT "Violations: none" "exited with code 0")

# Every rule of the GHCB page broken, as often as the guest breaks it.
sevsim_test(machine_rules machine_rules STATUS 1
  WANT "exited with code 0" "ghcb-scratch +10 " "ghcb-missing-input +11 " "ghcb-invalid-input +18 "
    "ghcb-event-version +1 " "ghcb-unknown-event +2 " "ghcb-exit-info +2 " "ghcb-extra-input +1 "
    "ghcb-stale-bits +3 " "nmi-complete-without-nmi +1 " "msr-not-intercepted +4 ")

# Events that end the run.
sevsim_test(unsupported_event unsupported_event STATUS 1
  WANT "gave up on an exit that it does not support \\(0x8a\\): MONITOR" "Violations: none")
sevsim_test(ap_reset_hold ap_reset_hold STATUS 1 WANT "halted for good: AP reset hold")

# Every control register, by every instruction, in every mode.
add_sevsim_test(NAME qemu.machine_control_registers
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--firmware;${VESTIBULE_GUEST_DIR}/qemu-tests/firmware/control_registers.fd"
    -DSTATUS=1 "-DWANT=SELFTEST_PASSED;Violations: none" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)

# A write of the GHCB MSR and the VMGEXIT behind it are one exit, but where somebody counts them.
add_sevsim_test(NAME qemu.machine_round_trips
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--firmware;${VESTIBULE_GUEST_DIR}/qemu-tests/firmware/msr_round_trips.fd"
    -DSTATUS=1 "-DWANT=SELFTEST_PASSED;VMRUN 101, #VC 0, VMGEXIT 101,;Violations: none"
    -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
add_sevsim_test(NAME qemu.machine_round_trips_attacked
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--firmware;${VESTIBULE_GUEST_DIR}/qemu-tests/firmware/msr_round_trips.fd;--hostile;nmi@1000"
    -DSTATUS=1 "-DWANT=SELFTEST_PASSED;VMRUN 202, #VC 0, VMGEXIT 101,;Violations: none"
    -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)

# More vCPUs than one.
sevsim_test(machine_second_vcpu second_vcpu BUILD --vcpus 2 STATUS 0 ARGS --smp 2
  WANT "2 vCPUs" "0x6 +AP reset hold +- +- +1\n" "0x80000004 +AP reset hold +- +2 " "exited with code 0"
    "Violations: none")
sevsim_test(machine_second_vcpu_repeatable second_vcpu BUILD --vcpus 2 STATUS 0
  ARGS --smp 2 --repeatable WANT "exited with code 0")
sevsim_test(machine_vcpu_missing second_vcpu BUILD --vcpus 2 STATUS 1 ARGS --no-check
  WANT "VP_CONTEXT at offset 0x[0-9a-f]+: a context for a vCPU that this machine does not have: try more .--smp.")
sevsim_test(machine_context_missing vestibule STATUS 1 ARGS --no-check --smp 2
  WANT "the file has not one context for each vCPU .--smp.")
sevsim_test(machine_too_many_vcpus vestibule STATUS 2 ARGS --smp 9 WANT "--vcpus: found 9")
sevsim_test(machine_smp_native vestibule STATUS 2 ARGS --smp 2 --platform native WANT "--smp starts")
sevsim_test(machine_smp_profile vestibule STATUS 2 ARGS --smp 2 --profile WANT "--profile counts")

# An image for another C-bit than the machine's.
image_file(for_51 vestibule 64 CBIT 51)
add_sevsim_test(NAME qemu.machine_cbit_47_for_51
  COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--no-check;${for_51}" -DSTATUS=1
    "-DWANT=triple fault;is it built for another C-bit than 47 .--cbit."
    -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
sevsim_test(machine_cbit_51_for_47 vestibule STATUS 1 ARGS --no-check --cbit 51
  WANT "where there is no memory" "is it built for another C-bit than 51 .--cbit.")
sevsim_test(machine_cbit_50 vestibule STATUS 2 ARGS --cbit 50 WANT "--cbit")

# The local APIC by MSRs.
sevsim_test(machine_x2apic x2apic STATUS 0 ARGS --x2apic WANT "exited with code 0")

# The interrupt shadow.
sevsim_test(machine_sti_hlt sti_hlt STATUS 0 ARGS --timeout 20 WANT "exited with code 0")

# The exit code with which each instruction comes to the guest.
sevsim_test(vc_codes vc_codes STATUS 0 ARGS --hostile tsc-exits WANT "exited with code 0")

# NMIs: the first one hits a filled GHCB, the second waits for NMI complete. Then a guest that is
# not prepared for any.
sevsim_test(nmi_masked nmi_masked STATUS 0 ARGS --hostile nmi@10
  WANT "abcde12fghijkl\n" "0x80000003 +NMI complete +- +2" "exited with code 0")
sevsim_test(nmi_unhandled vestibule STATUS 1 ARGS --hostile nmi@18
  WANT "UNEXPECTED_EXCEPTION \\(set 5, code 0x2\\)")

# A #VC with the wrong exit code, for each exit code and in many places.
image_file(attacked vestibule 64)
image_file(attacked_early early_cpuid 64)
image_file(attacked_compat compat_cpuid compat)
image_file(attacked_legacy legacy_cpuid 32)
add_sevsim_test(NAME qemu.wesee
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIMAGE=${attacked}
    "-DEARLY=${attacked_early};${attacked_compat};${attacked_legacy}"
    -DTRACE=${CMAKE_CURRENT_BINARY_DIR}/wesee.trace -P ${CMAKE_CURRENT_SOURCE_DIR}/wesee.cmake)

sevsim_test(vc_without_idt vestibule STATUS 1 ARGS --hostile vc-at-entry:0x72@1
  WANT "shut down .triple fault.: #VC without an IDT")

# What --profile needs.
sevsim_test(profile_native vestibule STATUS 2 ARGS --profile --platform native WANT "--profile")
sevsim_test(profile_without_count vestibule STATUS 1 ARGS --profile -- -icount shift=1
  WANT "QEMU's clock does not count instructions")

# gdb, which scripts/setup installs.
find_program(GDB gdb REQUIRED)
# gdb_test(<name> <commands> [SYMBOLS <file>] WANT <regex>... REPORT <regex>... ARGS <argument>...)
function(gdb_test name commands)
  cmake_parse_arguments(ARG "" "SYMBOLS" "WANT;REPORT;ARGS" ${ARGN})
  add_sevsim_test(NAME qemu.gdb_${name}
    COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> "-DARGUMENTS=${ARG_ARGS}"
      -DSYMBOLS=${ARG_SYMBOLS} -DGDB=${GDB} -DCOMMANDS=${CMAKE_CURRENT_SOURCE_DIR}/gdb/${commands}.gdb
      "-DWANT=${ARG_WANT}" "-DREPORT=${ARG_REPORT}" -DLOG=${CMAKE_CURRENT_BINARY_DIR}/gdb_${name}.log
      -P ${CMAKE_CURRENT_SOURCE_DIR}/gdb.cmake)
endfunction()
image_file(debugged debugged 64)
image_file(loop_file loop 64)
add_test(NAME qemu.gdb_again
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/gdb_again $<TARGET_FILE:sevsim> ${loop_file} ${GDB})
set_tests_properties(qemu.gdb_again PROPERTIES
  PASS_REGULAR_EXPRESSION "=> 0x205[0-9a-f]+:\t(jmp|pause)[^$]*=> 0x205[0-9a-f]+:\t(jmp|pause)[^$]*Outcome: QEMU ended")
gdb_test(source source ARGS ${debugged} SYMBOLS ${VESTIBULE_GUEST_DIR}/qemu-tests/guests/debugged.elf
  WANT "Breakpoint 1, payload_main [(]info=[.][.][.][)] at " "[$]1 = 0x1\n"
    "Breakpoint 2, [^\n]*innermost [(][)] at [./]*qemu-tests/guests/debugged.cpp:"
    "\n=> 0x2[0-9a-f]+ <[^\n]*innermost[^\n]*:\tmov"
    "\n#1 [^\n]*middle [(]magic=[^\n]* at [./]*qemu-tests/guests/debugged.cpp:[0-9]+\n"
    "\n#2 [^\n]*payload_main [(]info=[^\n]* at [./]*qemu-tests/guests/debugged.cpp:[0-9]+\n"
    "\n#3 [^\n]*stub_main [(][)] at [./]*boot/main.cpp:[0-9]+\n#4 [^\n]*\n[$]2"
    "[$]2 = {magic = [0-9]+, exit_code = 3 '" "[$]3 = 9\n" "in vc_runtime_entry [(][)]\n[$]4 = 0x7b\n"
  REPORT "exited with code 9")
gdb_test(modes modes
  ARGS --firmware ${VESTIBULE_GUEST_DIR}/qemu-tests/firmware/debugged.fd
  WANT "Breakpoint 1, [^\n]*\n=> 0x8100:\tclc *\n   0x8101:\tcld *\n0x7000:\t0x16161616\n"
    "Breakpoint 2, [^\n]*\n=> 0x8200:\tclc *\n   0x8201:\tcld *\n0x7000:\t0x32323232\n"
    "Breakpoint 3, [^\n]*\n=> 0x8300:\tclc *\n   0x8301:\tcld *\n0x407000:\t0x33333333\n"
    "Breakpoint 4, [^\n]*\n=> 0x8400:\tclc *\n   0x8401:\tcld *\n0x407000:\t0x44444444\n"
    "Breakpoint 5, [^\n]*\n=> 0x8500:\tclc *\n   0x8501:\tcld *\n0x200000:\t0x53535353\n"
    "Cannot access memory at address 0x400000\n" "\n0x401000:\t0x50505050\n" "\n0x201000:\t0x[0-9a-f]+\n"
    "Cannot access memory at address 0x600000\n"
    "\n0x200000:\t0x0000600d\n0x401000:\t0x0000600d\n"
    "\n0x0+8501 in [^\n]*\n0x0+8502 in "
  REPORT "termination: SELFTEST_PASSED")

# When a guest asked for what.
image_file(drawn vestibule 64)
# What the monitor sees, a JSON object a line, each as docs/schemas has it: of lies, of broken rules, of an
# attack that the guest is stepped to.
foreach(case honest no-sev event-within:0x80000202@9+5)
  string(REGEX MATCH "^[a-z-]+" name ${case})
  set(arguments --hostile ${case})
  set(status 1)
  if(case STREQUAL honest)
    set(arguments "")
    set(status 0)
  endif()
  set(trace ${CMAKE_CURRENT_BINARY_DIR}/trace_${name}.jsonl)
  add_sevsim_test(NAME qemu.trace_${name}
    COMMAND ${CMAKE_COMMAND}
      "-DCOMMAND=$<TARGET_FILE:sevsim>;run;${drawn};--trace;${trace};${arguments}"
      "-DCHECK=$<TARGET_FILE:json_check>;${CMAKE_SOURCE_DIR}/docs/schemas;${trace}"
      -DSTATUS=${status} -DWANT=Outcome -DREJECT=malformed
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endforeach()
# The same in the other formats: slices nest on each vCPU's track and end with it, counters count what is
# there; exits are decoded, code has its name.
foreach(guest vestibule second_vcpu)
  image_file(traced ${guest} 64)
  set(vcpus 1)
  if(guest STREQUAL second_vcpu) # its file, of the tests above, starts two
    set(vcpus 2)
  endif()
  set(trace ${CMAKE_CURRENT_BINARY_DIR}/trace_${guest}.json)
  add_sevsim_test(NAME qemu.trace_perfetto_${guest}
    COMMAND ${CMAKE_COMMAND}
      "-DCOMMAND=$<TARGET_FILE:sevsim>;run;${traced};--trace;${trace};--trace-format;perfetto;--smp;${vcpus}"
      "-DCHECK=$<TARGET_FILE:json_check>;${CMAKE_SOURCE_DIR}/docs/schemas;${trace}"
      -DSTATUS=0 -DWANT=Outcome -DREJECT=malformed -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
endforeach()
add_sevsim_test(NAME qemu.trace_text
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=$<TARGET_FILE:sevsim>;run;${drawn};-q;--trace;/dev/stderr;--trace-format;text;--symbols;${VESTIBULE_GUEST_DIR}/boot/vestibule.elf@0x200000"
    -DSTATUS=0
    "-DWANT=time-stamp counter at [0-9]+ Hz;#VC 0x7b out 0x3f8, 'T' at 0x20[0-9a-f]+ vestibule::selftest::write.0x;  out 0x3f8, 'T'\n;  cpuid 0x1.0 -> 0x[0-9a-f]+ 0x;#VC 0x7c rdmsr 0x;  iret to 0x20[0-9a-f]+ vestibule::selftest::write.0x;MSR protocol: SEV information 0x2 -> 0x;[+]+ exit 0 [+]+"
    -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
add_sevsim_test(NAME qemu.machine_timeline
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIMAGE=${drawn}
    -DPICTURE=${CMAKE_CURRENT_BINARY_DIR}/timeline.svg -P ${CMAKE_CURRENT_SOURCE_DIR}/timeline.cmake)

# Instructions per #VC, of handlers whose length is known.
sevsim_test(profile_known profile_known STATUS 1 ARGS --profile
  WANT "UNEXPECTED_EXCEPTION \\(set 5, code 0xf\\)"
    "0x72 +CPUID +10 +6/6/6 +4/4/4 +15/15/15 +2/2/2\n"
    "0x6f +RDPMC +3 +19/19/19 +105/105/105 +124/124/124 +1/1/1\n"
    "0x89 +WBINVD +1 +9/9/9 +0/0/0 +9/9/9 +0/0/0\n"
    "not seen to return: 1;")

# The same image natively, where only the exit and dump ports are intercepted, and under SEV-ES.
sevsim_test(native_traps_nothing vestibule STATUS 0 ARGS --platform native
  WANT "VMRUN 1, #VC 0, VMGEXIT 0" "exited with code 0")
image_file(dump_image dump_oracle 64)
add_sevsim_test(NAME qemu.same_dump
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIMAGE=${dump_image}
    -DDUMP=${CMAKE_CURRENT_BINARY_DIR}/dump -DSIZE=440
    -P ${CMAKE_CURRENT_SOURCE_DIR}/same_dump.cmake)

# The machine is what the file says, and what the run has to come to is what the status is by.
sevsim_test(file_c_bit vestibule BUILD CBIT 51 STATUS 0 WANT "C-bit 51" "exited with code 0")
sevsim_test(file_vcpus second_vcpu BUILD --vcpus 2 STATUS 0 WANT "2 vCPUs" "exited with code 0")
sevsim_test(file_contradicted vestibule STATUS 1 ARGS --cbit 51
  WANT "its page tables have the C-bit at 47, so --cbit 51 contradicts it" REJECT "Outcome")
sevsim_test(expect_termination vestibule STATUS 0
  ARGS --hostile cbit-no-effect --expect termination=0x2:0x5 WANT "C_BIT_NOT_PRIVATE")
sevsim_test(expect_another_end vestibule STATUS 1
  ARGS --hostile cbit-no-effect --expect termination=0x2:0x4 WANT "C_BIT_NOT_PRIVATE")
sevsim_test(expect_all vestibule STATUS 0 ARGS --expect exit=0 --expect "output=^ok 31 - "
  WANT "exited with code 0")
sevsim_test(expect_timeout loop STATUS 0 ARGS --timeout 3 --expect timeout
  WANT "The last exits" "Registers" "no end within 3 s")
# The guest's 31 results and its end, for a CI system.
set(results ${CMAKE_CURRENT_BINARY_DIR}/results)
image_file(selftest vestibule 64)
add_test(NAME qemu.results
  COMMAND sh -c "$<TARGET_FILE:sevsim> run ${selftest} --junit ${results}.xml --tap ${results}.tap > ${results}.log && grep '<testsuite ' ${results}.xml && grep -c '<testcase ' ${results}.xml && sed -n '2p;33,$p' ${results}.tap")
set_tests_properties(qemu.results PROPERTIES PASS_REGULAR_EXPRESSION
  "tests=\"32\" failures=\"0\" errors=\"0\" skipped=\"0\">\n32\n1..32\nok 31 - guest: [^\n]*\nok 32 - sevsim: the guest ends well\n")

# The launch with an owner: session, measurement, secret.
set(owned ${CMAKE_CURRENT_BINARY_DIR}/owned.igvm)
add_custom_target(image_owned ALL
  COMMAND igvmtool build --out ${owned} --cbit 47 --platform sev-es
    --payload ${VESTIBULE_GUEST_DIR}/qemu-tests/payloads/secret.elf > ${owned}.log
  BYPRODUCTS ${owned} VERBATIM)
add_dependencies(image_owned igvmtool guest)
add_test(NAME qemu.owner_launch
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/owner_launch $<TARGET_FILE:sevsim> $<TARGET_FILE:igvmtool> ${owned} sev-es)
set_tests_properties(qemu.owner_launch PROPERTIES
  PASS_REGULAR_EXPRESSION "Launch digest [0-9a-f]*\\.\n.*exited with code 0")
