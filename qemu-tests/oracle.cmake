# SPDX-License-Identifier: BSD-2-Clause-Patent
# Runs the oracle's guest natively and under SEV-ES, and compares what every snippet left:
#   cmake -DSEVSIM=<program> -DCOMPARE=<program> -DIMAGE=<file> -DDUMP=<file name to write>
#         -DMINIMUM=<snippets> -P oracle.cmake
# pc-testdev is storage at ports and in memory, and raises interrupts.
set(text "")
foreach(n RANGE 399)
  string(APPEND text "${n} of the text\n")
endforeach()
file(WRITE ${DUMP}.text "${text}")
foreach(platform native sev-es)
  file(REMOVE ${DUMP}.${platform} ${DUMP}.${platform}.recorded)
  set(arguments --platform ${platform} --dump ${DUMP}.${platform})
  if(platform STREQUAL sev-es)
    list(APPEND arguments --hostile tsc-exits) # no lie: RDTSC raises #VC as well
  endif()
  execute_process(
    COMMAND ${SEVSIM} run ${IMAGE} ${arguments} -- -device pc-testdev
      -fw_cfg name=opt/vestibule/text,file=${DUMP}.text
      -chardev file,id=recorded,path=${DUMP}.${platform}.recorded
      -device isa-debugcon,chardev=recorded,iobase=0x5e0
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${platform}: status ${status}\n${output}")
  endif()
endforeach()
execute_process(
  COMMAND ${COMPARE} ${DUMP}.native ${DUMP}.sev-es ${DUMP}.native.recorded ${DUMP}.sev-es.recorded
    ${MINIMUM}
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
message(NOTICE "${output}")
if(status EQUAL 0)
  return()
endif()
# What newer QEMUs execute otherwise than the manual has it (APM volume 3), so that the runtime must
# disagree. From 10 on RDTSCP in 16-bit code writes CX only, INVD and its kin need no privilege, and a
# trap behind the last iteration of REP finds RIP in front of the instruction; 11 leaves out the base
# of CS where an override names it for a string instruction, OUTS included.
set(wrong_by_execution
  "RDTSCP in 16-bit code" "INVD at CPL 3" "WBINVD at CPL 3" "WBNOINVD at CPL 3"
  "TF over REP INSB, count 1" "TF over REP STOSD to the device, count 1"
  "CS MOVSD in 32-bit code to the device" "the bytes written by OUTS")
string(REGEX MATCHALL "\n'[^']*' [(]conformance" disagreeing "\n${output}")
list(TRANSFORM disagreeing REPLACE "^\n'([^']*)'.*" "\\1")
list(REMOVE_DUPLICATES disagreeing)
if(output MATCHES "Bytes written by OUTS differ")
  list(APPEND disagreeing "the bytes written by OUTS")
endif()
list(LENGTH disagreeing count)
include(${CMAKE_CURRENT_LIST_DIR}/qemu_version.cmake)
if(qemu_major GREATER_EQUAL 10)
  list(REMOVE_ITEM disagreeing ${wrong_by_execution})
endif()
if(disagreeing OR NOT output MATCHES "snippets that disagree: ${count}\n")
  message(FATAL_ERROR "Execution and the #VC runtime disagree: ${disagreeing}")
endif()
