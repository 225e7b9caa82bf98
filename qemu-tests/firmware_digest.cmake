# SPDX-License-Identifier: BSD-2-Clause-Patent
# The launch digest that sevsim tells is what igvmtool measures:
#   cmake -DSEVSIM=<program> -DIGVMTOOL=<program> -DFIRMWARE=<file> [-DKERNEL=<option and value>...]
#     -P firmware_digest.cmake
set(counts 1 8)
if(DEFINED ENV{VESTIBULE_LONG})
  set(counts 1 2 3 4 5 6 7 8)
endif()
foreach(vcpus IN LISTS counts)
  execute_process(COMMAND ${SEVSIM} run --platform snp --firmware ${FIRMWARE} --no-flash --smp ${vcpus}
    ${KERNEL} --timeout 1 OUTPUT_VARIABLE output ERROR_VARIABLE output)
  execute_process(COMMAND ${IGVMTOOL} measure --firmware ${FIRMWARE} --platform snp --vcpus ${vcpus}
    --vcpu-type EPYC ${KERNEL} --json OUTPUT_VARIABLE json ERROR_VARIABLE error)
  if(NOT json MATCHES "\"launch_digest\": *\"([0-9a-f]+)\"")
    message(FATAL_ERROR "igvmtool: ${json}${error}")
  endif()
  if(NOT output MATCHES "Launch digest ${CMAKE_MATCH_1}\\.")
    message(FATAL_ERROR "${vcpus} vCPUs: ${output}\nexpected ${CMAKE_MATCH_1}")
  endif()
endforeach()
