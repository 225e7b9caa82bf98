# SPDX-License-Identifier: BSD-2-Clause-Patent
# qemu-tests/guests/snp_library/nmis.cpp with an NMI right before each VMGEXIT of its requests, one run each:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> -DTRACE=<file to write> -DREQUESTS=<n> -P snp_nmis.cmake
# They begin with the first OUT, and end before the line that says how many NMIs there were (its text, and its
# end). The VMGEXITs by which a service at VMPL 0 goes back to the kernel's VMPL are the service's: an NMI there
# would be its own.
include(${CMAKE_CURRENT_LIST_DIR}/planned.cmake)
execute_process(COMMAND ${SEVSIM} run --platform sev-snp ${IMAGE} --trace ${TRACE} OUTPUT_QUIET ERROR_QUIET)
file(STRINGS ${TRACE} records REGEX "\"record\":\"(vmgexit|msr)\"")
set(number 0)
set(own "")
foreach(record IN LISTS records)
  math(EXPR number "${number} + 1")
  if((own OR record MATCHES "\"code\":\"0x7b\"") AND NOT record MATCHES "\"request\":\"0x[1-3]00000016\"")
    list(APPEND own ${number})
  endif()
endforeach()
list(POP_BACK own end text)
list(LENGTH own requests)
if(NOT requests EQUAL REQUESTS)
  message(FATAL_ERROR "${requests} requests instead of ${REQUESTS}: ${own}")
endif()
nmi_runs(${IMAGE} "${own}" "^two NMIs\n" --platform sev-snp)
