# SPDX-License-Identifier: BSD-2-Clause-Patent
# qemu-tests/guests/library/calls.cpp with an NMI at each of the VMGEXITs of its calls, one run each:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> -DTRACE=<file to write> -P library_calls_nmis.cmake
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
  execute_process(COMMAND ${SEVSIM} run ${IMAGE} --hostile nmi@${number} RESULT_VARIABLE status
    OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0 OR NOT output MATCHES "^whole\nwhole\nwhole\nwhole\nNMIs\n"
      OR NOT output MATCHES "0x80000003 +NMI complete +- +2 " OR NOT output MATCHES "Violations: none")
    message(NOTICE "${output}")
    message(FATAL_ERROR "--hostile nmi@${number}: the guest did not come through")
  endif()
endforeach()
