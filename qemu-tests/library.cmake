# SPDX-License-Identifier: BSD-2-Clause-Patent
# The library in the emulated machine: kernels without the boot stub (qemu-tests/guests/library).
set(well "Violations: none" "exited with code 0")
sevsim_test(library_exceptions library_exceptions STATUS 0 WANT "^exceptions: done\n" ${well})
sevsim_test(library_own_entry library_own_entry STATUS 0 WANT "^by our own entry\n" ${well})
sevsim_test(library_setups library_setups STATUS 0
  WANT "^refused\n" "refused\nsetups: 40\n" ${well} REJECT "wrong")
sevsim_test(library_user_vmgexit library_user_vmgexit STATUS 1
  WANT "^started\ndone\n" "vmgexit-user +1 " "ghcb-missing-input +1 " "exited with code 0"
  REJECT "changed")
# Which rights user mode has: by protection key, by IOPL and I/O permission map.
set(with_pku -- -cpu "EPYC,phys-bits=48,nrip-save=off,+pku,+pks")
sevsim_test(library_protection_keys library_protection_keys STATUS 0 ARGS ${with_pku}
  WANT "protection keys\ndone\n" ${well})
sevsim_test(library_user_ports library_user_ports STATUS 0 WANT "^user ports\ndone\n" ${well})
# What a hook finds.
sevsim_test(library_hooks library_hooks STATUS 1 # NMIs by INT 2
  WANT "^hooks\ndone\n" "nmi-complete-without-nmi +24 " "exited with code 0")
# What comes from outside while a process is served.
set(fixed_up WANT "^fix-ups\ndone\n" ${well})
sevsim_test(library_fix_ups library_fix_ups STATUS 0 ${fixed_up})
sevsim_test(library_fix_ups_rdpmc library_fix_ups STATUS 0 ARGS --hostile rdpmc-gp ${fixed_up})
sevsim_test(library_fix_ups_xss library_fix_ups STATUS 0 ARGS --hostile msr:0xda0 ${fixed_up})
sevsim_test(library_segment_end library_segment_end STATUS 0 WANT "^segment end\ndone\n" ${well})
sevsim_test(library_dr7 library_dr7 STATUS 0 WANT "^DR7\ndone\n" ${well})
sevsim_test(library_dr7_debug_swap library_dr7 STATUS 1 ARGS --hostile debug-swap
  WANT "^DR7\n" "termination: VC_DR7_NOT_INTERCEPTED " REJECT "done")

# MSRs that live in the VMSA: no hypervisor answers for them.
sevsim_test(library_own_msrs library_own_msrs STATUS 0 WANT "^own MSRs\ndone\n" ${well})
foreach(msr c0000080 c0000081 c0000082 c0000083 c0000084 c0000100 c0000101 c0000102 174 175 176)
  sevsim_test(library_own_msr_${msr} library_own_msrs STATUS 1 ARGS --hostile msr:0x${msr}
    WANT "termination: VC_MSR_NOT_INTERCEPTED |termination: EARLY_UNEXPECTED_EXIT " REJECT "made up")
endforeach()

# Hosts that speak less than the specification, or write less.
foreach(host no-information no-sev-es exitinfo1-upper)
  sevsim_test(library_${host} library_nmis STATUS 0 ARGS --hostile ${host}
    WANT "^round\nround\nno NMI\n" ${well})
  foreach(entry compat 64)
    sevsim_test(selftest_${entry}_${host} vestibule ENTRY ${entry} STATUS 0 ARGS --hostile ${host}
      WANT ${all_ok} "Violations: none" REJECT "not ok")
  endforeach()
endforeach()
# With a measured C-bit there is nothing to ask.
sevsim_test(library_measured_c_bit library_measured STATUS 0
  WANT "^round\nround\nno NMI\n" ${well} REJECT "SEV information")
sevsim_test(library_measured_c_bit_no-information library_measured STATUS 0
  ARGS --hostile no-information WANT "^round\nround\nno NMI\n" ${well})
# A host without SEV information refuses NMI complete too, which the library ignores.
sevsim_test(library_nmi_complete_refused library_self_nmis STATUS 0 ARGS --hostile no-information
  WANT "^round\nround\n(two NMIs|another number of NMIs)\n" ${well})
foreach(host no-sev-es exitinfo1-upper)
  sevsim_test(selftest_32_${host} vestibule ENTRY 32 STATUS 0 ARGS --hostile ${host}
    WANT ${all_ok} "Violations: none" REJECT "not ok")
endforeach()
sevsim_test(library_nmis library_nmis STATUS 0 WANT "^round\nround\nno NMI\n" ${well})

# The kernel's own calls. Not one #VC but for what is said, and what is compared.
sevsim_test(library_calls library_calls STATUS 1
  WANT "^whole\nwhole\nwhole\nwhole\nat once\n!\n-----*\ninterruptible\nno NMI\n" "ghcb-unknown-event +1 " "ghcb-invalid-input +1 "
    "0x80000005 +AP jump table +- +4 " "0x8000fffd +hypervisor features +- +1 " "exited with code 0"
  REJECT "vmgexit-interruptible")
image_file(calls library_calls 64)
add_test(NAME qemu.library_calls_under_nmis
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIMAGE=${calls}
    -DTRACE=${CMAKE_CURRENT_BINARY_DIR}/library_calls.trace
    -P ${CMAKE_CURRENT_SOURCE_DIR}/library_calls_nmis.cmake)
sevsim_test(budget_library_calls library_call_budget STATUS 0
  WANT "^in [0-9]+\nout [0-9]+\nmmio read [0-9]+\nmmio write [0-9]+\n" ${well})
# Memory between private and shared.
sevsim_test(library_share library_share STATUS 0 WANT "^shared\n" ${well})
# From no TSS to another one.
sevsim_test(library_no_tss library_no_tss STATUS 0
  WANT "^by the boot entry\nwith a TSS\nwith another TSS\n" ${well})
# Stacks with guard pages.
sevsim_test(library_guarded_nmis library_guarded_nmis STATUS 0 ARGS --hostile nmi@20
  WANT "^round\nround\ntwo NMIs\n" ${well})
sevsim_test(library_nmi_stack_full library_nmi_stack_full STATUS 1
  WANT "^started\n" "UNEXPECTED_EXCEPTION \\(set 5, code 0xe\\)" REJECT "still here")

# Rules of the library broken: the guest ends, and says why.
foreach(end nmi_in_nmi:NMI_REENTERED vc_in_hook:VC_ON_VC_STACK gp_on_vc_ist:VC_UNDELIVERABLE
    by_kernel:SELFTEST_PASSED port_size:CALL_ARGUMENT mmio_page:CALL_ARGUMENT)
  string(REPLACE ":" ";" end ${end})
  list(GET end 0 name)
  list(GET end 1 reason)
  sevsim_test(library_${name} library_${name} STATUS 1
    WANT "^started\n" "termination: ${reason} " REJECT "still here")
endforeach()
# The calls that end a machine, and the one that holds a vCPU.
foreach(call "reset;0;Outcome: the guest reset the machine" "power_off;0;Outcome: the guest powered off"
    "reset_hold;1;AP reset hold: nobody sends the INIT and SIPI that would end it")
  list(GET call 0 name)
  list(GET call 1 status)
  list(GET call 2 outcome)
  sevsim_test(library_${name} library_${name} STATUS ${status}
    WANT "^started\n" "${outcome}" "Violations: none" REJECT "still here")
endforeach()
sevsim_test(library_at_a_place library_at_a_place STATUS 1 WANT "^started\n"
  "UNEXPECTED_EXCEPTION \\(set 5, code 0xe\\) at rip 0x1234, error code 0x56, address 0x789a: "
  REJECT "still here")
sevsim_test(library_c_bit_mismatch library_nmis STATUS 1 ARGS --hostile cbit-cpuid
  WANT "termination: C_BIT_MISMATCH " REJECT "round")

# An NMI at each VMGEXIT, hence in the middle of each #VC, and a second one while the first is about
# to return there.
image_file(nmis library_nmis 64)
add_sevsim_test(NAME qemu.library_nmi_everywhere
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIMAGE=${nmis}
    -DTRACE=${CMAKE_CURRENT_BINARY_DIR}/library_nmis.trace
    -P ${CMAKE_CURRENT_SOURCE_DIR}/library_nmis.cmake)

# Forged #VCs in the handlers, and in an NMI's handler.
image_file(self_nmis library_self_nmis 64)
add_sevsim_test(NAME qemu.library_forged_vc
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIMAGE=${self_nmis}
    -P ${CMAKE_CURRENT_SOURCE_DIR}/library_forged_vc.cmake)

# An NMI's second one behind an IRET in its handler, #MC in the middle of #VCs, and a sweep over all
# attacks.
foreach(number 8 12 16 20)
  sevsim_test(library_vnmi_${number} library_nmis STATUS 0 ARGS --hostile vnmi@${number}
    WANT "^round\nround\ntwo NMIs\n" ${well})
endforeach()
sevsim_test(library_machine_check library_machine_check STATUS 0 WANT "^no #MC\n" ${well})
image_file(machine_check library_machine_check 64)
# At each instruction of a #VC, from its entry's first to behind its IRET (budgets.md: less than 200):
# 300 #VCs of a kind, in the n-th of which #MC comes at the n-th one.
foreach(walk 0x72:machine_checks 0x7b:machine_checks 0x7c:machine_checks_msr)
  string(REPLACE ":" ";" walk ${walk})
  list(GET walk 0 exit)
  list(GET walk 1 guest)
  sevsim_test(library_machine_check_everywhere_${exit} library_${guest} STATUS 0
    ARGS --hostile event-walk:0x80000312@${exit} --timeout 600
    WANT "^a #MC in each round\n" ${well})
endforeach()
# Events at each instruction of the guest's end.
foreach(row nmis:0x80000202 machine_check:0x80000312)
  string(REPLACE ":" ";" row ${row})
  list(POP_FRONT row guest event)
  image_file(file library_${guest} 64)
  add_sevsim_test(NAME qemu.library_end_${guest}
    COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIMAGE=${file} -DEVENT=${event}
      -P ${CMAKE_CURRENT_SOURCE_DIR}/library_end.cmake)
endforeach()
add_test(NAME qemu.library_sweep
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DNMIS=${nmis}
    -DMACHINE_CHECK=${machine_check} -DSTEP=24 -P ${CMAKE_CURRENT_SOURCE_DIR}/library_sweep.cmake)
set_tests_properties(qemu.library_sweep PROPERTIES TIMEOUT 3600)
# The same at instructions, in the stub's handlers too.
image_file(own_entry library_own_entry 64)
image_file(own_msrs library_own_msrs 64)
foreach(entry 32 compat 64)
  image_file(stub_${entry} vestibule ${entry})
endforeach()
add_test(NAME qemu.instruction_sweep
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/instruction_sweep $<TARGET_FILE:sevsim>
    ${CMAKE_CURRENT_BINARY_DIR}/instruction_sweep stub-32=${stub_32} stub-compat=${stub_compat}
    stub-64=${stub_64} entries=${nmis} own-msrs=${own_msrs}
    handle-vc=${own_entry})
set_tests_properties(qemu.instruction_sweep PROPERTIES TIMEOUT 100000)
