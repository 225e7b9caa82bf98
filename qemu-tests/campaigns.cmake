# SPDX-License-Identifier: BSD-2-Clause-Patent
# Campaigns of attacks on guests of ours (docs/attacks.md): none of them comes to anything but a right result,
# a right exception or a coded end.
# attack_test(<name> <guest> [ENTRY <mode>] [ARGS <option of sevsim attack>...])
function(attack_test name guest)
  cmake_parse_arguments(ARG "" "ENTRY" "ARGS" ${ARGN})
  if(NOT ARG_ENTRY)
    set(ARG_ENTRY 64)
  endif()
  image_file(file ${guest} ${ARG_ENTRY})
  set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/attack_plans/${name})
  if(NOT EXISTS ${corpus})
    set(corpus -)
  endif()
  add_test(NAME qemu.attack_${name}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/attacks $<TARGET_FILE:sevsim> $<TARGET_FILE:json_check>
      ${CMAKE_SOURCE_DIR}/docs/schemas ${CMAKE_CURRENT_BINARY_DIR}/attack_${name} ${corpus} ${file} ${ARG_ARGS})
  set_tests_properties(qemu.attack_${name} PROPERTIES TIMEOUT 1000000)
endfunction()

attack_test(stub vestibule)
attack_test(stub_32 vestibule ENTRY 32)
# How many NMIs came is the hypervisor's to say.
attack_test(library library_nmis ARGS --ignore NMI)
attack_test(own_msrs library_own_msrs)

# Checks taken out of the guest's code, one at a time: each is found.
add_test(NAME qemu.planted_faults
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/long_form ${CMAKE_CURRENT_SOURCE_DIR}/planted_faults ${CMAKE_BINARY_DIR}
    ${CMAKE_CURRENT_BINARY_DIR}/planted_faults)
set_tests_properties(qemu.planted_faults PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 7200)
