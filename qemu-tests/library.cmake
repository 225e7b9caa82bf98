# The library in the emulated machine: kernels without the boot stub (qemu-tests/guests/library).
set(well "Violations: none" "exited with code 0")
sevsim_test(library_exceptions library_exceptions STATUS 0 WANT "^exceptions: done\n" ${well})
sevsim_test(library_own_entry library_own_entry STATUS 0 WANT "^by our own entry\n" ${well})
sevsim_test(library_setups library_setups STATUS 0
  WANT "^refused\n" "refused\nsetups: 38\n" ${well} REJECT "wrong")
sevsim_test(library_user_vmgexit library_user_vmgexit STATUS 1
  WANT "^started\ndone\n" "vmgexit-user +1 " "ghcb-missing-input +1 " "exited with code 0"
  REJECT "changed")
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
set_tests_properties(qemu.library_nmi_everywhere qemu.library_forged_vc PROPERTIES TIMEOUT 300)
