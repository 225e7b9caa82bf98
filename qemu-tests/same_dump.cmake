# SPDX-License-Identifier: BSD-2-Clause-Patent
# Runs an image natively and under SEV-ES, and compares what the guest has dumped byte by byte:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> -DDUMP=<file name to write> -DSIZE=<bytes> -P same_dump.cmake
foreach(platform native sev-es)
  file(REMOVE ${DUMP}.${platform})
  execute_process(COMMAND ${SEVSIM} run ${IMAGE} --platform ${platform} --dump ${DUMP}.${platform}
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${platform}: status ${status}\n${output}")
  endif()
  file(SIZE ${DUMP}.${platform} size)
  if(NOT size EQUAL SIZE)
    message(FATAL_ERROR "${platform}: ${size} bytes were dumped, not ${SIZE}")
  endif()
endforeach()
file(READ ${DUMP}.native native HEX)
file(READ ${DUMP}.sev-es sev_es HEX)
if(NOT native STREQUAL sev_es)
  message(FATAL_ERROR "The dumps differ.\nnative: ${native}\nsev-es: ${sev_es}")
endif()
