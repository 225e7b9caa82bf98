# SPDX-License-Identifier: BSD-2-Clause-Patent
# qemu-tests/guests/library/calls.cpp with an NMI at each of the VMGEXITs of its calls, one run each:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> -DTRACE=<file to write> -P library_calls_nmis.cmake
include(${CMAKE_CURRENT_LIST_DIR}/planned.cmake)
execute_process(COMMAND ${SEVSIM} run ${IMAGE} --trace ${TRACE} OUTPUT_QUIET ERROR_QUIET)
file(STRINGS ${TRACE} records REGEX "\"record\":\"(vmgexit|msr)\"")
set(first 0)
foreach(record IN LISTS records)
  math(EXPR first "${first} + 1")
  if(record MATCHES "\"code\":\"0x7b\"")
    break()
  endif()
endforeach()
# Behind an OUT a CPUID that is a #VC, an MMIO write, and four rounds of four calls (under_nmis).
math(EXPR last "${first} + 18")
math(EXPR first "${first} + 1")
foreach(number RANGE ${first} ${last})
  list(APPEND numbers ${number})
endforeach()
nmi_runs(${IMAGE} "${numbers}" "^whole\nwhole\nwhole\nwhole\nNMIs\n")
