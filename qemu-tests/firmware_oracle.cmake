# SPDX-License-Identifier: BSD-2-Clause-Patent
# What igvmtool measures of a firmware volume is what firmware_oracle makes of it:
#   cmake -DIGVMTOOL=<program> -DORACLE=<script> -DFIRMWARE=<file> [-DKERNEL=<kernel>;<initrd>;<line>]
#     -P firmware_oracle.cmake
set(signatures EPYC-Milan 0xA00F11 EPYC 0x800F12)
set(counts 1 2 8)
string(REPLACE ";" " " spoken "${counts}")
set(options)
if(KERNEL)
  list(GET KERNEL 0 kernel)
  list(GET KERNEL 1 initrd)
  list(GET KERNEL 2 line)
  set(options --kernel ${kernel} --initrd ${initrd} --append ${line})
endif()
foreach(platform snp sev-es)
  list(POP_FRONT signatures type signature)
  execute_process(COMMAND ${ORACLE} ${platform} ${signature} ${spoken} ${FIRMWARE} ${KERNEL}
    OUTPUT_VARIABLE expected COMMAND_ERROR_IS_FATAL ANY)
  foreach(vcpus IN LISTS counts)
    execute_process(COMMAND ${IGVMTOOL} measure --firmware ${FIRMWARE} --platform ${platform} --vcpus ${vcpus}
      --vcpu-type ${type} --vmm qemu --json ${options} OUTPUT_VARIABLE json COMMAND_ERROR_IS_FATAL ANY)
    if(NOT json MATCHES "\"launch_digest\": *\"([0-9a-f]+)\"")
      message(FATAL_ERROR "igvmtool: ${json}")
    endif()
    set(digest ${CMAKE_MATCH_1})
    if(NOT "\n${expected}" MATCHES "\n${vcpus} ${digest}\n")
      message(FATAL_ERROR "${platform}, ${vcpus} vCPUs: ${digest}, expected of\n${expected}")
    endif()
    message(NOTICE "${platform}, ${vcpus} vCPUs of type ${type}: ${digest}")
  endforeach()
endforeach()
