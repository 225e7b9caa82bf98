# SPDX-License-Identifier: BSD-2-Clause-Patent
# qemu-tests/guests/library/nmis.cpp with an NMI at each VMGEXIT of its #VCs, one run each:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> -DTRACE=<file to write> -P library_nmis.cmake
# Which VMGEXITs those are: from the first #VC to the line that says how many NMIs there were, which is
# seven characters ("no NMI" and its end) and the exit code.
include(${CMAKE_CURRENT_LIST_DIR}/planned.cmake)
execute_process(COMMAND ${SEVSIM} run ${IMAGE} --trace ${TRACE} OUTPUT_QUIET)
file(STRINGS ${TRACE} records REGEX "\"record\":\"(vc|vmgexit|msr)\"")
set(vmgexits 0)
set(first 0)
foreach(record IN LISTS records)
  if(record MATCHES "\"record\":\"vc\"")
    if(first EQUAL 0)
      math(EXPR first "${vmgexits} + 1")
    endif()
  else()
    math(EXPR vmgexits "${vmgexits} + 1")
  endif()
endforeach()
math(EXPR last "${vmgexits} - 8")
if(first LESS 2 OR last LESS ${first})
  message(FATAL_ERROR "the trace shows other #VCs than this test is written for")
endif()
foreach(number RANGE ${first} ${last})
  list(APPEND numbers ${number})
endforeach()
nmi_runs(${IMAGE} "${numbers}" "^round\nround\ntwo NMIs\n")
math(EXPR runs "${last} - ${first} + 1")
message(STATUS "VMGEXITs at which an NMI came: ${runs}")
