# SPDX-License-Identifier: BSD-2-Clause-Patent
# Counts the guest's instructions in the early #VC handler, from its entry to its IRET, at the last
# CPUID that a guest executes before it is done, and the VMGEXITs among them:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> -DLOG=<file to write> -DBUDGET=<n> -P early_instructions.cmake
# QEMU executes one instruction at a time and logs each that lies where the image does. Its log also
# has the monitor's #VMEXITs: code, two words of information, RIP. Under --profile the guest is entered
# for each VMGEXIT, also for one that stands behind the WRMSR of the GHCB MSR.
include(${CMAKE_CURRENT_LIST_DIR}/qemu_version.cmake)
set(one_by_one -accel tcg,one-insn-per-tb=on)
if(qemu_major LESS 10)
  set(one_by_one -singlestep)
endif()
execute_process(COMMAND ${SEVSIM} run ${IMAGE} --profile -- ${one_by_one} -d exec,nochain,in_asm
    -dfilter 0x200000+0x200000 -D ${LOG}
  OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT output MATCHES "SELFTEST_PASSED")
  message(FATAL_ERROR "the guest did not pass:\n${output}")
endif()
file(STRINGS ${LOG} lines REGEX "^Trace|vmexit\\(000000(72|81),")
set(instructions 0)
set(behind none)
foreach(line IN LISTS lines)
  if(line MATCHES "vmexit\\(00000072, [0-9a-f]+, [0-9a-f]+, 0*([0-9a-f]+)\\)")
    math(EXPR behind "0x${CMAKE_MATCH_1} + 2" OUTPUT_FORMAT HEXADECIMAL)
    set(count 0)
    set(exits 0)
  elseif(line MATCHES "vmexit")
    math(EXPR exits "${exits} + 1")
  elseif(NOT behind STREQUAL none AND line MATCHES "/0*([0-9a-f]+)/[0-9a-f]+/[0-9a-f]+\\]")
    if(behind STREQUAL "0x${CMAKE_MATCH_1}")
      set(instructions ${count})
      set(vmgexits ${exits})
      set(behind none)
    else()
      math(EXPR count "${count} + 1")
    endif()
  endif()
endforeach()
message(STATUS "early CPUID: ${instructions} instructions, budget ${BUDGET}; ${vmgexits} VMGEXITs")
# Fewer than the entry stub's own would be a log that is not understood.
if(instructions LESS 30 OR instructions GREATER BUDGET OR NOT vmgexits EQUAL 4)
  message(FATAL_ERROR "over budget, or the log is not as expected")
endif()
