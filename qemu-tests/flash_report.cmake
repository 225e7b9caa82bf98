# SPDX-License-Identifier: BSD-2-Clause-Patent
# The measurement in a guest's attestation report is what igvmtool measures of the flash image:
#   cmake -DSEVSIM=<program> -DIGVMTOOL=<program> -DFIRMWARE=<file> -P flash_report.cmake
execute_process(COMMAND ${IGVMTOOL} measure --firmware ${FIRMWARE} --platform snp --vcpu-type EPYC --json
  OUTPUT_VARIABLE json ERROR_VARIABLE error)
if(NOT json MATCHES "\"launch_digest\": *\"([0-9a-f]+)\"")
  message(FATAL_ERROR "igvmtool: ${json}${error}")
endif()
set(digest ${CMAKE_MATCH_1})
execute_process(COMMAND ${SEVSIM} run --platform snp --firmware ${FIRMWARE}
  OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT output MATCHES "# report ([0-9A-F]+)")
  message(FATAL_ERROR "no report: ${output}")
endif()
# MEASUREMENT: 48 bytes at 0x90 (56860, table "Attestation Report").
string(SUBSTRING ${CMAKE_MATCH_1} 288 96 measurement)
string(TOLOWER ${measurement} measurement)
if(NOT measurement STREQUAL digest)
  message(FATAL_ERROR "the report has ${measurement}, expected ${digest}")
endif()
