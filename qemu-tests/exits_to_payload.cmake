# SPDX-License-Identifier: BSD-2-Clause-Patent
# Counts the VMGEXITs from the first instruction to the payload, whose first act is an IN or OUT:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> -DTRACE=<file to write> -DBUDGET=<n>
#     ["-DARGS=<argument>;..."] -P exits_to_payload.cmake
execute_process(COMMAND ${SEVSIM} run ${IMAGE} --trace ${TRACE} ${ARGS} RESULT_VARIABLE status
  OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "sevsim ended with ${status}:\n${output}")
endif()
file(STRINGS ${TRACE} lines LIMIT_COUNT 1000)
set(count 0)
foreach(line IN LISTS lines)
  if(line MATCHES "\"record\":\"vc\".*\"code\":\"0x7b\"")
    message(STATUS "VMGEXITs to the payload: ${count}, budget ${BUDGET}")
    if(count LESS 1 OR count GREATER BUDGET)
      message(FATAL_ERROR "over budget, or the trace lacks them")
    endif()
    return()
  endif()
  if(line MATCHES "\"record\":\"(vmgexit|msr)\"")
    math(EXPR count "${count} + 1")
  endif()
endforeach()
message(FATAL_ERROR "the trace shows no IN or OUT")
