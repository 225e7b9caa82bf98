# SPDX-License-Identifier: BSD-2-Clause-Patent
# Campaigns of attacks on guests of ours (docs/attacks.md): none of them comes to anything but a right result,
# a right exception or a coded end.
# attack_test(<name> <guest> [ENTRY <mode>] [PLANS <file>] [ARGS <option of sevsim attack>...])
function(attack_test name guest)
  cmake_parse_arguments(ARG "" "ENTRY;PLANS" "ARGS" ${ARGN})
  if(NOT ARG_ENTRY)
    set(ARG_ENTRY 64)
  endif()
  image_file(file ${guest} ${ARG_ENTRY})
  set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/attack_plans/${name})
  if(ARG_PLANS)
    set(corpus ${ARG_PLANS})
  elseif(NOT EXISTS ${corpus})
    set(corpus -)
  endif()
  add_test(NAME qemu.attack_${name}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/attacks $<TARGET_FILE:sevsim> $<TARGET_FILE:json_check>
      ${CMAKE_SOURCE_DIR}/docs/schemas ${CMAKE_CURRENT_BINARY_DIR}/attack_${name} ${corpus} ${file} ${ARG_ARGS})
  set_tests_properties(qemu.attack_${name} PROPERTIES TIMEOUT 3600)
endfunction()

# The selftest says by itself, and with exit code 1, what it finds by a road without the runtime: of
# its lies are those that the stub has to see through.
set(stub_lies cbit-position,cbit-information,cbit-cpuid,cbit-no-effect,response-code,cpuid-register,no-sev,vc,exception,refused)
attack_test(stub vestibule ARGS --kind ${stub_lies})
attack_test(stub_32 vestibule ENTRY 32 ARGS --kind ${stub_lies})
# How many NMIs came is the hypervisor's to say. Where the C-bit is, and that this is an SEV-ES guest at all, its
# kernel believes whoever answers: that is the stub's to find out (docs/library.md), not the runtime's.
string(JOIN "," runtime_lies response-code cpuid-register exitinfo1-upper rdpmc-gp debug-swap port-data tsc-exits
  vc vc-at-entry vc-within event event-within event-walk msr msr-within exception refused unanswered nmi vnmi
  termination-returns field-flip field-set field-race answer-stale answer-late answer-doubled answer-of-other msr-flip
  msr-stale storm tsc-back tsc-still shared-other shared-replayed shared-unmapped)
attack_test(library library_nmis ARGS --ignore NMI --kind ${runtime_lies})

# Each vector from outside, every other one a few times in a row: a kernel has a handler for each. An exception of
# vector 31 VMRUN refuses, since there is none (APM volume 2, section 15.20).
set(plans "")
foreach(vector RANGE 255)
  set(type 0)
  if(vector EQUAL 2)
    set(type 2)
  elseif(vector LESS 32)
    set(type 3)
  endif()
  if(vector MATCHES "^(8|10|11|12|13|14|17|21|29|30)$")
    math(EXPR type "${type} | 8") # with an error code
  endif()
  math(EXPR word "1 << 31 | ${type} << 8 | ${vector}" OUTPUT_FORMAT HEXADECIMAL)
  math(EXPR entry "5 + ${vector} * 7 % 85")
  math(EXPR times "2 + ${vector} % 5")
  math(EXPR is_odd "${vector} % 2")
  if(is_odd AND NOT vector EQUAL 31)
    string(APPEND plans "storm:${word}@${entry}+${times}\n---\n")
  elseif(NOT is_odd)
    string(APPEND plans "event:${word}@${entry}\n---\n")
  endif()
endforeach()
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/vectors.plans "${plans}")
attack_test(vectors library_nmis PLANS ${CMAKE_CURRENT_BINARY_DIR}/vectors.plans
  ARGS --ignore NMI --kind event,event-within,storm)

# Checks taken out of the guest's code, one at a time: each is found.
add_test(NAME qemu.planted_faults
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/long_form ${CMAKE_CURRENT_SOURCE_DIR}/planted_faults ${CMAKE_BINARY_DIR}
    ${CMAKE_CURRENT_BINARY_DIR}/planted_faults)
set_tests_properties(qemu.planted_faults PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 7200)
