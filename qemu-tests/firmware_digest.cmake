# SPDX-License-Identifier: BSD-2-Clause-Patent
# The launch digest that sevsim tells is what igvmtool measures:
#   cmake -DSEVSIM=<program> -DIGVMTOOL=<program> -DFIRMWARE=<file> [-DKERNEL=<option and value>...]
#     [-DROOT=<directory of sevsim certs> -DSESSION=<name> [-DCODE=<file>]] -P firmware_digest.cmake
# SEV-SNP's, or with a root SEV-ES's, which only a launch with the owner's session has;
# CODE is what is left of FIRMWARE without its volume of variables, where it has one.
set(counts 1 8)
if(DEFINED ENV{VESTIBULE_LONG})
  set(counts 1 2 3 4 5 6 7 8)
endif()
set(platform --platform snp)
set(flash --no-flash)
set(measured ${FIRMWARE})
if(ROOT)
  set(platform --platform sev-es)
  set(flash)
  set(session --root ${ROOT} --session ${SESSION})
  if(CODE)
    set(measured ${CODE})
  endif()
  foreach(part godh.b64 session.b64 tik.bin tek.bin)
    file(REMOVE ${SESSION}_${part})
  endforeach()
  execute_process(COMMAND ${IGVMTOOL} session --pdh ${ROOT}/pdh.cert --name ${SESSION} --quiet
    COMMAND_ERROR_IS_FATAL ANY)
endif()
foreach(vcpus IN LISTS counts)
  execute_process(COMMAND ${SEVSIM} run ${platform} ${session} --firmware ${FIRMWARE} ${flash} --smp ${vcpus}
    ${KERNEL} --timeout 1 OUTPUT_VARIABLE output ERROR_VARIABLE output)
  execute_process(COMMAND ${IGVMTOOL} measure --firmware ${measured} ${platform} --vcpus ${vcpus}
    --vcpu-type EPYC ${KERNEL} --json OUTPUT_VARIABLE json ERROR_VARIABLE error)
  if(NOT json MATCHES "\"launch_digest\": *\"([0-9a-f]+)\"")
    message(FATAL_ERROR "igvmtool: ${json}${error}")
  endif()
  set(digest ${CMAKE_MATCH_1})
  if(NOT output MATCHES "Launch digest ${digest}\\.")
    message(FATAL_ERROR "${vcpus} vCPUs: ${output}\nexpected ${digest}")
  endif()
endforeach()
