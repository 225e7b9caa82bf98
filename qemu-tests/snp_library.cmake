# SPDX-License-Identifier: BSD-2-Clause-Patent
# The library in SEV-SNP guests: kernels without the boot stub (qemu-tests/guests/snp_library).
set(well "Violations: none" "exited with code 0")
snp_test(library_memory library_memory STATUS 1 WANT "^memory\n" "rmp-validated-twice +1 "
  "exited with code 0" REJECT "0x72 +CPUID +- ")
snp_test(library_vcpu library_vcpu BUILD --vcpus 2 STATUS 0 ARGS --smp 2 WANT "^vcpu\n" ${well})
snp_test(library_promises library_promises STATUS 0 WANT "^identified\nshared\naccepted\nreported\nderived\n" ${well})
snp_test(library_requests library_requests STATUS 0 WANT "^requests\n" ${well})
snp_test(library_requests_busy library_requests STATUS 0 ARGS --hostile request-busy
  WANT "^requests\n" ${well})

# A hypervisor that lies (reasons are those of ghcb/termination.h): about messages to the secure
# processor, of which none that differs goes out with a number that was used; about certificates; and
# about vCPUs.
function(attack_test lie status)
  snp_test(attack_${lie} library_attacked BUILD --vcpus 2 STATUS ${status} ARGS --smp 2 --hostile ${lie}
    WANT ${ARGN})
endfunction()
set(served "done\ndone\ndone\ndone\n")
# That the firmware has had a message before is not the guest's fault.
attack_test(request-lost 0 "^done\nreason 254\nreason 255\nreason 255\n" "Violations: none"
  "exited with code 0")
attack_test(request-again 0 "^done\nreason 255\ndone\ndone\n" "Violations: none" "exited with code 0")
foreach(lie answer-again answer-spoilt)
  attack_test(${lie} 0 "^done\nreason 258\nreason 253\nreason 253\nreason 253\n"
    "exited with code 0")
endforeach()
# One bit of what is encrypted in the second answer; of a reserved word in the first one's header, which nothing
# but the tag covers; of VMPCK0.
foreach(row
    "message-flip:0x0600000000000001@2|0|^done\nreason 258\nreason 253\nreason 253\nreason 253\n"
    "message-flip:0x0380000000000001@1|0|^reason 258\nreason 253\nreason 253\nreason 253\nreason 253\n"
    "secrets-flip:0x0200000000000001|1|^reason 255\nreason 255\nreason 255\nreason 255\nreason 255\n")
  string(REPLACE "|" ";" row "${row}")
  list(POP_FRONT row lie status want)
  attack_test(${lie} ${status} "${want}" "told 1 times" "exited with code 0")
endforeach()
attack_test(certificates-size 0 "^${served}reason 25A\nno pages would do\n"
  "exited with code 0")
attack_test(certificates-table 0 "^${served}reason 25A\nno pages would do\n"
  "exited with code 0")
attack_test(vcpu-not-started 0 "^${served}.*\ndone\nno vCPU\ndone\n" "exited with code 0")
attack_test(vcpu-not-destroyed 0 "^${served}.*\ndone\na vCPU\nreason 267\n"
  "exited with code 0")
# The processor runs nothing but the page that RMPADJUST has made a VMSA; one that was replaced is lost.
attack_test(vcpu-other-vmsa 0 "^${served}.*\ndone\nno vCPU\ndone\n" "exited with code 0")
attack_test(vcpu-vmsa-altered 1 "^${served}.*\ndone\nno vCPU\n" "VC_PAGE_UNVALIDATED|reason 267")

# The same kernels at VMPL 1, below a service at VMPL 0 (qemu-tests/guests/snp_svsm).
snp_test(svsm_memory library_svsm_memory STATUS 0 WANT "^memory\n" "0x16 +RUN_VMPL " ${well})
snp_test(svsm_vcpu library_svsm_vcpu BUILD --vcpus 2 STATUS 0 ARGS --smp 2 WANT "^vcpu\n" ${well})
snp_test(svsm_calls library_svsm_svsm STATUS 0 WANT "^SVSM\n" ${well})
# What the service attests, verified by igvmtool and by openssl.
snp_image(file snp_library_svsm_svsm)
add_sevsim_test(NAME qemu.snp_svsm_attestation
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIGVMTOOL=$<TARGET_FILE:igvmtool>
    -DROOT=${snp_root} -DIMAGE=${file} -DWORK=${CMAKE_CURRENT_BINARY_DIR}/svsm_attestation
    -P ${CMAKE_CURRENT_SOURCE_DIR}/svsm_attestation.cmake)
foreach(qemu qemu ${newer_qemus})
  if(TEST ${qemu}.snp_svsm_attestation)
    set_tests_properties(${qemu}.snp_svsm_attestation PROPERTIES FIXTURES_REQUIRED snp_root)
  endif()
endforeach()
# NMIs between the two uses of the GHCB MSR that a call of the service is, and in the middle of all else.
foreach(row library_nmis:6 library_svsm_nmis:11)
  string(REPLACE ":" ";" row ${row})
  list(POP_FRONT row guest requests)
  snp_image(file snp_${guest})
  add_sevsim_test(NAME qemu.snp_${guest}
    COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIMAGE=${file} -DREQUESTS=${requests}
      -DTRACE=${CMAKE_CURRENT_BINARY_DIR}/snp_${guest}.trace -P ${CMAKE_CURRENT_SOURCE_DIR}/snp_nmis.cmake)
endforeach()
snp_test(attack_svsm-not-run library_svsm_svsm STATUS 1 ARGS --hostile svsm-not-run
  WANT "termination: SVSM_NOT_ANSWERING " REJECT "SVSM\n")

# CPUID by the library, from the CPUID page: all checks on, and no VMGEXIT. What is aimed at is 150
# (docs/budgets.md).
snp_image(file snp_library_svsm_memory)
add_sevsim_test(NAME qemu.budget_snp_library_cpuid
  COMMAND ${CMAKE_COMMAND} -DSEVSIM=$<TARGET_FILE:sevsim> -DIMAGE=${file} -DBUDGETS=CPUID=150
    "-DARGS=--platform;sev-snp" -P ${CMAKE_CURRENT_SOURCE_DIR}/instructions.cmake)
